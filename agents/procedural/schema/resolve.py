"""One part of a schema with its references followed and everything that holds together joined."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from .fault import UnsatisfiableSchemaError
from .merge import both

__all__ = ["flattened"]

_JOINTS = frozenset({"$ref", "$dynamicRef", "allOf", "oneOf", "if"})
_ROUNDS = 64


def flattened(schema: Mapping[str, Any] | bool, root: Mapping[str, Any] | bool, path: str) -> dict[str, Any]:
    """The same part without `$ref`, `allOf`, `oneOf` and `if`: at most one `anyOf` is left of them.

    Raises `UnsatisfiableSchemaError` for a part nothing satisfies, or a reference that leads nowhere.
    """
    part: Mapping[str, Any] | bool = schema
    for _ in range(_ROUNDS):
        if part is True:
            return {}
        if part is False:
            raise UnsatisfiableSchemaError(path, "it allows no value at all")
        if not part.keys() & _JOINTS:
            return part if isinstance(part, dict) else dict(part)
        part = _step(part, root, path)
    raise UnsatisfiableSchemaError(path, f"its references lead in a circle ({schema!r})")


def _step(part: Mapping[str, Any], root: Mapping[str, Any] | bool, path: str) -> Mapping[str, Any] | bool:
    rest = {key: value for key, value in part.items() if key not in _JOINTS and key not in ("then", "else")}
    joined: Mapping[str, Any] | bool = rest or True
    for key in ("$ref", "$dynamicRef"):
        if key in part:
            joined = both(joined, _target(part[key], root, path))
    for other in part.get("allOf", ()):
        joined = both(joined, other)
    if "oneOf" in part:
        joined = both(joined, {"anyOf": part["oneOf"]})
    if "if" in part:
        met = {"allOf": [part["if"], part.get("then", True)]}
        joined = both(joined, {"anyOf": [met, part.get("else", True)]})
    return joined


def _target(reference: str, root: Any, path: str) -> Any:
    if not reference.startswith("#"):
        raise UnsatisfiableSchemaError(path, f"the reference {reference!r} leads outside the schema")
    found = root
    for key in reference[1:].lstrip("/").split("/") if reference != "#" else ():
        name = unquote(key).replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise UnsatisfiableSchemaError(path, f"the reference {reference!r} leads nowhere") from error
    return found
