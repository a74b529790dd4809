"""The interface of a tool, as an action: a signature that a model writes in one line, and what its names mean."""

import ast
import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema

from .actions import Action, ActionEffects, Check, Phrase
from .checks import TEXT_CHECKS

type Schema = Mapping[str, Any]

_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_PYTHON = {kind: name for name, kind in _NAMES.items()}
_TYPES = 'str, int, float, bool, "a" | "b" for choices, list[...] and {name: str, size: float} for an object'
#: Most lists and objects within one another, most names in one object, and most values to choose from.
_DEEPEST, _MOST_NAMES, _MOST_CHOICES = 3, 8, 20
_LONGEST_CHOICE = 80
#: What stands between the signature of a tool and its purpose, as in Python.
ABOUT = " # "
_TOOL_NAME = re.compile(r"[a-z][a-z0-9_]{2,63}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
#: Words that Python does not take as names are marked before it reads the line: a tool may well have `from`.
_KEYWORD = re.compile(rf"\b({'|'.join(keyword.kwlist)})(?=['\"]?\s*:)")
_MARK = "ǃ"
_LINE = re.compile(
    r"^[\s*`-]*(?P<path>[\w.\[\]]+)[\s*`]*(?:\((?P<note>[^()]*)\))?[\s*`]*[:：][\s*`]*(?P<about>\S.*)$", re.DOTALL
)
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_BOUNDS = re.compile(rf"\s*({_NUMBER})?\s*\.\.\s*({_NUMBER})?\s*", re.IGNORECASE)


def read_signature(line: str) -> tuple[str, Schema, Schema]:
    """Parse a signature into the tool's name, the schema of its arguments and the schema of what it returns.

    Raises `ValueError`, whose text tells a model what to write instead.
    """
    try:
        return _read_signature(line.strip().strip("`").removeprefix("def ").rstrip(": "))
    except (SyntaxError, MemoryError, RecursionError) as error:
        what = error.msg if isinstance(error, SyntaxError) else "it nests too deep"
        raise ValueError(
            f"{line[:120]!r} is not a line as `name(day: str, seats: int = 4) -> list[str]` ({what})"
        ) from None


def _read_signature(line: str) -> tuple[str, Schema, Schema]:
    function, *others = ast.parse(f"def {_KEYWORD.sub(rf'\1{_MARK}', line)}: pass").body
    if others:
        raise SyntaxError("it is more than one line")
    if not isinstance(function, ast.FunctionDef) or not _TOOL_NAME.fullmatch(function.name):
        raise ValueError("the tool needs a name in snake_case of 3 to 64 characters before the bracket")
    given = function.args
    if given.vararg or given.kwarg:
        raise ValueError("* and ** stand for arguments without names; name each argument")
    if function.returns is None:
        raise ValueError("it does not say what is returned; end with -> and a type")
    plain = [*given.posonlyargs, *given.args]
    defaults = [*[None] * (len(plain) - len(given.defaults)), *given.defaults, *given.kw_defaults]
    arguments = [*plain, *given.kwonlyargs]
    fields = [(one.arg, one.annotation, default) for one, default in zip(arguments, defaults, strict=True)]
    return function.name, _object_schema(fields, "the tool", 0), _type_schema(function.returns, "return", 0)


def _object_schema(fields: Sequence[tuple[str, ast.expr | None, ast.expr | None]], path: str, depth: int) -> Schema:
    """Return the schema of named values: each a name, its type and its default."""
    properties: dict[str, Schema] = {}
    for marked, annotation, default in fields:
        name = marked.replace(_MARK, "")
        if not _NAME.fullmatch(name) or name in properties:
            raise ValueError(f"the name {name!r} of {path} must be in snake_case and stand there once")
        if annotation is None:
            raise ValueError(f"{name!r} has no type; write {name}: and one of {_TYPES}")
        schema = {**_type_schema(annotation, name, depth)}
        if default is not None:
            schema = {**_make_nullable(schema)}
            if not (isinstance(default, ast.Constant) and default.value is None):
                schema["default"] = ast.unparse(default)
        properties[name] = schema
    if not 1 <= len(properties) <= _MOST_NAMES:
        raise ValueError(f"{path} has {len(properties)} names, and must have 1 to {_MOST_NAMES}")
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _type_schema(node: ast.expr, path: str, depth: int) -> Schema:
    """Return the schema of a type."""
    alternatives = list(_iter_alternatives(node))
    present = [one for one in alternatives if not (isinstance(one, ast.Constant) and one.value is None)]
    schema = _choice_schema(present, path) or (_one_type(present[0], path, depth) if len(present) == 1 else None)
    if schema is None:
        raise ValueError(
            f"the type {ast.unparse(node)[:60]!r} of {path!r} is not known; write one of {_TYPES}, each with | None if "
            "it may be left out"
        )
    return schema if len(present) == len(alternatives) else _make_nullable(schema)


def _iter_alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the parts of `a | b`, `Literal[a, b]`, `Union[a, b]` or `Optional[a]`, or any other type alone."""
    left = [node]
    while left:
        match left.pop():
            case ast.BinOp(left=first, op=ast.BitOr(), right=second):
                left += [second, first]
            case ast.Subscript(value=ast.Name(id="Literal" | "Union"), slice=inside):
                left += reversed(inside.elts) if isinstance(inside, ast.Tuple) else [inside]
            case ast.Subscript(value=ast.Name(id="Optional"), slice=inside):
                left += [ast.Constant(None), inside]
            case one:
                yield one


def _choice_schema(present: Sequence[ast.expr], path: str) -> Schema | None:
    """Return the schema of texts to choose from, or None if the type is something else."""
    found = [one.value for one in present if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if not found or len(found) < len(present):
        return None
    choices = [one.replace(_MARK, "") for one in found]
    if len(set(choices)) < len(choices) or len(choices) > _MOST_CHOICES:
        raise ValueError(f"the choices of {path!r} must differ, and be at most {_MOST_CHOICES}")
    if wrong := [one for one in choices if not one.strip() or len(one) > _LONGEST_CHOICE]:
        raise ValueError(f"the choice {wrong[0][:20]!r} of {path!r} must have 1 to {_LONGEST_CHOICE} characters")
    return {"type": "string", "enum": choices}


def _one_type(node: ast.expr, path: str, depth: int) -> Schema | None:
    match node:
        case ast.Name(id=name) if name in _NAMES:
            return {"type": _NAMES[name]}
        case ast.Subscript(value=ast.Name(id="list" | "List"), slice=items):
            _check_depth(path, depth)
            return {"type": "array", "items": _type_schema(items, f"{path}[]", depth + 1)}
        case ast.Dict(keys=keys, values=values):
            _check_depth(path, depth)
            names = [getattr(key, "id", None) or getattr(key, "value", None) for key in keys]
            return _object_schema(
                [(str(name), of, None) for name, of in zip(names, values, strict=True)], path, depth + 1
            )
    return None


def _check_depth(path: str, depth: int) -> None:
    if depth == _DEEPEST:
        raise ValueError(f"{path!r} lies deeper than {_DEEPEST} lists or objects within one another; make it flatter")


def _make_nullable(schema: Schema) -> Schema:
    if "null" in _types_of(schema):
        return schema
    choices = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **choices}


def _types_of(schema: Schema) -> Sequence[str]:
    """Return the types that a value of the schema may have."""
    return [schema["type"]] if isinstance(schema["type"], str) else schema["type"]


def described(parameters: Schema, returns: Schema, lines: Sequence[str]) -> tuple[Schema, Schema]:
    """Return the schemas with the descriptions and bounds of the lines.

    An argument without a line has no description. Raises `ValueError` if a line cannot be read. Its text says what to
    write instead.
    """
    told: dict[str, tuple[str, str]] = {}
    known = dict(_iter_paths(parameters, returns))
    for line in lines:
        if (read := _LINE.match(line)) is None:
            raise ValueError(f"{line[:60]!r} is not a line as `seats (1..12): Seats that are needed`")
        path = _known_path(read["path"], known)
        told[path] = (read["about"].strip(), read["note"] or "")
    whole = [_describe_schema(schema, path, told) for path, schema in _iter_roots(parameters, returns)]
    *arguments, back = whole
    properties = dict(zip(parameters["properties"], arguments, strict=True))
    return {**parameters, "properties": properties}, back


def _iter_roots(parameters: Schema, returns: Schema) -> Iterator[tuple[str, Schema]]:
    yield from parameters["properties"].items()
    yield "return", returns


def _iter_paths(parameters: Schema, returns: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield each value of an interface with its path: `boats`, `boats[]` for one of them, `boats.seats`."""
    left = list(_iter_roots(parameters, returns))[::-1]
    while left:
        path, schema = left.pop()
        yield path, schema
        if "items" in schema:
            left.append((f"{path}[]", schema["items"]))
        left += [(_field_path(path, name), of) for name, of in reversed(schema.get("properties", {}).items())]


def _field_path(path: str, name: str) -> str:
    return f"{path.rstrip('[]')}.{name}"


def _known_path(written: str, known: Mapping[str, Schema]) -> str:
    """Return the path that is meant. The field of an object may be given without the path to it."""
    path = re.sub(r"(?:\[\])+\.", ".", written)
    path = path if path in known else re.sub(r"^returns\b", "return", path)
    ending = [one for one in known if one.endswith(f".{path}")]
    if path in known:
        return path
    if len(ending) == 1:
        return ending[0]
    raise ValueError(f"{written!r} is not in the signature; there are {', '.join(known)}")


def _describe_schema(schema: Schema, path: str, told: Mapping[str, tuple[str, str]], outer: str = "") -> Schema:
    """Return the schema with its descriptions. The bounds of a list apply to its items."""
    about, note = told.get(path, ("", outer))
    default = schema.get("default")
    text = f"{about} (default: {default})".strip() if default is not None else about
    made: dict[str, Any] = {"type": schema["type"], **({"description": text} if text else {})}
    made |= {key: value for key, value in schema.items() if key not in ("type", "default")}
    if "items" in schema:
        made["items"] = _describe_schema(schema["items"], f"{path}[]", told, note)
    elif bounds := _BOUNDS.fullmatch(note):
        made |= _read_bounds(schema, path, bounds.groups())
    if "properties" in schema:
        made["properties"] = {
            name: _describe_schema(of, _field_path(path, name), told) for name, of in schema["properties"].items()
        }
    return made


def _read_bounds(schema: Schema, path: str, written: Sequence[str | None]) -> Schema:
    if not {"integer", "number"} & set(_types_of(schema)):
        raise ValueError(f"{path!r} has bounds, which only int and float can have; leave them out")
    bounds = {
        key: int(one) if one.lstrip("-").isdigit() else float(one)
        for key, one in zip(("minimum", "maximum"), written, strict=True)
        if one is not None
    }
    if len(bounds) == 2 and bounds["minimum"] > bounds["maximum"]:
        raise ValueError(f"the bounds of {path!r} go from {bounds['minimum']} to {bounds['maximum']}; swap them")
    if "integer" in _types_of(schema) and any(isinstance(one, float) for one in bounds.values()):
        raise ValueError(f"the bounds of {path!r}, an int, must be whole numbers")
    return bounds


def write_interface(name: str, parameters: Schema, returns: Schema) -> tuple[str, list[str]]:
    """Return the signature and the lines that stand for these schemas."""
    arguments = ", ".join(f"{name}: {_write_type(of)}" for name, of in parameters["properties"].items())
    told = [(path, of) for path, of in _iter_paths(parameters, returns) if "description" in of]
    return f"{name}({arguments}) -> {_write_type(returns)}", [
        f"{path}{_written_bounds(of)}: {of['description']}" for path, of in told
    ]


def _written_bounds(schema: Schema) -> str:
    if "items" in schema and "description" not in schema["items"]:
        return _written_bounds(schema["items"])
    low, high = (str(schema.get(key, "")) for key in ("minimum", "maximum"))
    return f" ({low}..{high})" if low or high else ""


def _write_type(schema: Schema) -> str:
    """Write a type as the signature has it."""
    (kind,) = (one for one in _types_of(schema) if one != "null")
    if "enum" in schema:
        written = " | ".join(json.dumps(one, ensure_ascii=False) for one in schema["enum"] if one is not None)
    elif kind == "array":
        written = f"list[{_write_type(schema['items'])}]"
    elif kind == "object":
        written = f"{{{', '.join(f'{name}: {_write_type(of)}' for name, of in schema['properties'].items())}}}"
    else:
        written = _PYTHON[kind]
    return f"{written} | None" if "null" in _types_of(schema) else written


#: What a model is shown, without choices: a weak one copies them.
_EXAMPLE = "find_boat(day: str, seats: int = 4) -> list[{name: str, metres: float}]"
#: Its arguments, and that of the example in the prompt of the task `tool`.
SHOWN_ARGUMENTS = frozenset({"day", "seats", "by"})


# What a model is told of lengths.
_Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), Field(json_schema_extra={"maxLength": 400})
]
_Signature = Annotated[str, StringConstraints(strip_whitespace=True), Field(json_schema_extra={"maxLength": 1_200})]
_Dependency = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class ToolSpec(Action):
    """The interface of a tool for something that this person needs and a language model alone does badly."""

    name: ClassVar[str] = "tool"
    remembered: ClassVar[str] = "You thought of a tool, $text"
    checks: ClassVar[tuple[Check, ...]] = TEXT_CHECKS
    kind: Literal["tool"]
    purpose: Annotated[Phrase, Field(description="What it does for this person, in one or two sentences.")]
    signature: Annotated[
        _Signature,
        Field(
            description="One line of Python: a name in snake_case that is specific to what the tool does, up to eight "
            f"arguments, and what it returns, as {_EXAMPLE}. Types are str, int, float, bool, texts to choose from, "
            "list[...] and {name: type}."
        ),
    ]
    meanings: Annotated[
        list[_Line],
        Field(
            json_schema_extra={"maxItems": 32},
            description="A line for each argument, for each name within { } and for return: the name, a colon, and "
            "what it means, with its unit or format; the bounds of a number in brackets. So one line of the example is "
            "day: The day, as 2026-05-01, another is seats (1..12): Seats that are needed, and another is "
            "return.metres (0..): Length.",
        ),
    ]
    depend: Annotated[
        list[_Dependency],
        Field(max_length=8, description="Libraries or services that it would need; empty for Python alone."),
    ] = Field(default_factory=list)
    #: Python that implements it; empty where it was not built.
    code: SkipJsonSchema[str] = ""

    @field_validator("signature")
    @classmethod
    def _is_readable(cls, signature: str) -> str:
        read_signature(signature)
        return signature

    @field_validator("meanings")
    @classmethod
    def _fit_the_signature(cls, meanings: list[str], info: ValidationInfo) -> list[str]:
        if "signature" in info.data:
            _, parameters, returns = read_signature(info.data["signature"])
            described(parameters, returns, meanings)
        return meanings

    @field_validator("depend")
    @classmethod
    def _check_different(cls, depend: list[str]) -> list[str]:
        if len(set(depend)) < len(depend):
            raise ValueError("the libraries and services must differ")
        return depend

    @cached_property
    def interface(self) -> dict[str, Any]:
        """`name`, `parameters` and `returns`: the last two are JSON Schemas."""
        name, parameters, returns = read_signature(self.signature)
        parameters, returns = described(parameters, returns, self.meanings)
        return {"name": name, "parameters": parameters, "returns": returns}

    @property
    def tool_name(self) -> str:
        """The name that the signature gives the tool."""
        return str(self.interface["name"])

    @property
    def emitted_text(self) -> str:
        """Name, purpose and arguments, as one text that can be compared with other tools."""
        arguments = self.interface["parameters"]["properties"]
        told = {name: schema.get("description", "") for name, schema in arguments.items()}
        spoken = "; ".join(f"{name}: {about}" if about else name for name, about in told.items())
        return f"{self.tool_name}: {self.purpose} ({spoken})"

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield what is written for people: the purpose, and all meanings as one text, without the names."""
        yield "purpose", self.purpose
        yield "meanings", "\n".join(line.partition(":")[2].strip() for line in self.meanings)

    @property
    def payload(self) -> dict[str, Any]:
        """Name, purpose, `parameters` and `returns` (JSON Schemas), and what the tool depends on."""
        told = self.interface
        return {
            "name": told["name"],
            "purpose": self.purpose,
            "parameters": told["parameters"],
            "returns": told["returns"],
            "depend": list(self.depend),
            **({"code": self.code} if self.code else {}),
        }

    def apply(self, effects: ActionEffects) -> None:
        """Have the tool from now on, if it was built."""
        if self.code:
            effects.world.build(self.tool_name, f"{self.signature}{ABOUT}{self.purpose}", self.code)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Build the tool spec of a payload. Raises `ValidationError`, `KeyError` or `TypeError` if it is not one."""
        signature, meanings = write_interface(payload["name"], payload["parameters"], payload["returns"])
        told = {name: payload[name] for name in ("purpose", "depend", "code") if name in payload}
        return cls.model_validate({"kind": cls.name, **told, "signature": signature, "meanings": meanings})
