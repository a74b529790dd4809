"""The interface of a tool, as an action: a signature that a model writes in one line, and what its names mean."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from .actions import Action, Check, Phrase
from .text_checks import TEXT_CHECKS
from .tool_signature import described, read_signature, write_interface

# What a model is told of lengths; what was kept by older runs may be longer.
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
            'arguments, and what it returns, as find_boat(day: str, seats: int = 4, by: "oar" | "sail" | None = '
            "None) -> list[{name: str, metres: float}]. Types are str, int, float, bool, texts to choose from, "
            "list[...] and {name: type}."
        ),
    ]
    meanings: Annotated[
        list[_Line],
        Field(
            json_schema_extra={"maxItems": 32},
            description="A line for each argument, for each name within { } and for return: what it means, with its "
            "unit or format; the bounds of a number in brackets, as day: The day, as 2026-05-01; seats (1..12): Seats "
            "that are needed; return.metres (0..): Length.",
        ),
    ]
    depend: Annotated[
        list[_Dependency],
        Field(max_length=8, description="Libraries or services that it would need; empty for Python alone."),
    ] = Field(default_factory=list)

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
    def _differ(cls, depend: list[str]) -> list[str]:
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
        spoken = "; ".join(f"{name}: {schema['description']}" for name, schema in arguments.items())
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
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Build the tool spec of a payload. Raises `ValidationError`, `KeyError` or `TypeError` if it is not one."""
        signature, meanings = write_interface(payload["name"], payload["parameters"], payload["returns"])
        told = {"purpose": payload["purpose"], "depend": payload.get("depend", [])}
        return cls.model_validate({"kind": cls.name, **told, "signature": signature, "meanings": meanings})
