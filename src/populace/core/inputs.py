"""Checked input: files, JSON objects, their texts and language tags, and seeds.

Every function raises `SetupError` (`SourceError` for files) with one sentence that names the file as it was given.
"""

import math
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from operator import index
from pathlib import Path

from .errors import SetupError, SourceError

#: The BCP 47 tag of an unknown language.
UNKNOWN_LANGUAGE = "und"

#: Levels that JSON from outside may nest: what is deeper can be read and not always be written again.
MOST_LEVELS = 64

_SHOWN = 60
_NAMES_LOOKED_AT = 10_000
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def shown(value: object) -> str:
    """The value as messages show it: quoted, escaped and cut to 60 characters."""
    written = repr(value[: 2 * _SHOWN] if isinstance(value, str) else value)
    return written if len(written) <= _SHOWN else f"{written[: _SHOWN - 1]}…"


def resolve_file(path: Path) -> Path:
    """The path, if it is a file."""
    try:
        if path.is_file():
            return path
        raise SourceError(_why_no_file(path))
    except OSError as error:
        raise SourceError(f"{path} cannot be looked at ({error.strerror}); check path and rights.") from error


def _why_no_file(path: Path) -> str:
    if str(path) == "-":
        return "Standard input (-) is not read here; write what comes from there to a file, and name that."
    if path.is_dir():
        names = [name for name in _names_in(path) if not name.startswith(".")][:3]
        return f"{path} is a folder; name one file in it{f', such as {" or ".join(names)}' if names else ''}."
    if path.exists():
        return f"{path} is not a regular file; write what it gives to a file and name that."
    if not path.parent.is_dir():
        return f"There is no folder {path.parent}, and so no {path.name} in it; check the path."
    near = get_close_matches(path.name, _names_in(path.parent))
    return f"There is no file {path}; {f'did you mean {" or ".join(near)}?' if near else 'check the name.'}"


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in islice(folder.iterdir(), _NAMES_LOOKED_AT))
    except OSError:  # suggestions only: a folder that cannot be listed offers none
        return []


def read_head(path: Path, size: int) -> bytes:
    """The first `size` bytes of a file, or fewer when it is shorter."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); check its rights.") from error


def parse_text(where: str, row: Mapping[str, object], *keys: str) -> str:
    """The text under the first of `keys` in the row: not blank, and valid as UTF-8."""
    key = next((key for key in keys if key in row), None)
    if key is None:
        there = ", ".join(map(shown, row)) or "none at all"
        raise SourceError(f"{where} has no {' or '.join(map(repr, keys))} but {there}; name the text so.")
    value = row[key]
    if not isinstance(value, str):
        raise SourceError(f"{where}: {key!r} is {shown(value)}, which is no text; write one, in quotes.")
    if not value.strip():
        raise SourceError(f"{where}: {key!r} is {shown(value)}, which is blank; write a text or remove the line.")
    if _SURROGATE.search(value):
        raise SourceError(f"{where}: {key!r} is {shown(value)}, with half a character in it; write it whole.")
    return value


def read_number(given: object) -> float:
    """The number that a cell or an option holds; NaN, which is in no range, where it holds none."""
    try:
        return float(str(given))
    except ValueError:
        return math.nan


def parse_language(where: str, row: Mapping[str, object]) -> str:
    """The BCP 47 tag under `language`; `und` when the row states none.

    Tags go into prompts, so only values with the form of a tag are accepted.
    """
    value = row.get("language")
    if value is None or value == "":
        return UNKNOWN_LANGUAGE
    if not isinstance(value, str) or not _LANGUAGE_TAG.fullmatch(value):
        raise SourceError(f"{where}: language {shown(value)} is no BCP 47 tag; write one such as 'en' or 'pt-BR'.")
    return value


def read_utf8(path: Path) -> str:
    """The text of a file, without a byte order mark. Raises `SourceError` for a file that is missing or not UTF-8."""
    data = resolve_file(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = "UTF-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else f"byte {error.start} is no text"
        raise SourceError(f"{str(path)!r} is not UTF-8; save it so ({what}).") from error


def check_seed(seed: int) -> int:
    """The seed. Raises `SetupError` unless it is a whole number from 0 that fits into a column of a hub."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise SetupError(f"The seed must be a whole number from 0, but {seed!r} was given.")
    seed = index(seed)
    if not 0 <= seed < 2**63:
        raise SetupError(f"The seed must be from 0 to {2**63 - 1}, but {seed} was given.")
    return seed


def nearest(given: str, known: Iterable[str]) -> str:
    """What is near to `given`, as a hint in brackets after a space; nothing when nothing is near."""
    close = get_close_matches(given, list(known), n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""


def is_too_deep(value: object, levels: int = MOST_LEVELS) -> bool:
    """Whether JSON nests deeper than so many levels."""
    layer = [value]
    for _ in range(levels):
        layer = [child for node in layer for child in _child_nodes(node) if isinstance(child, dict | list)]
        if not layer:
            return False
    return True


def _child_nodes(node: object) -> Iterable[object]:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
