"""What a field of a spec is on the command line: `Annotated[int | None, Option("How many.")]`.

A spec is the one place that states what can be asked for. Options are made of its fields in `populace.cli.specs`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from .errors import SetupError, parameter
from .inputs import shown
from .model import FrozenModel


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command, for a field of a spec. Its type, and whether it repeats, follow from the field."""

    help: str
    #: Its name without dashes; None for the name of the field.
    name: str | None = None
    metavar: str | None = None
    #: The panel of the command's help that lists it.
    panel: str = "Options"


def iter_options(spec: type[BaseModel]) -> Iterator[tuple[str, FieldInfo, Option]]:
    """Yield each field of a spec that has an option: its name, itself and the option."""
    for name, field in spec.model_fields.items():
        for option in field.metadata:
            if isinstance(option, Option):
                yield name, field, option


def given_fields(spec: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given for the fields of a spec, by field; None and () are not given."""
    return {name: options[name] for name, _, _ in iter_options(spec) if options.get(name) not in (None, ())}


class Spec(FrozenModel):
    """The base of specs, which are built from options and refuse what cannot be in one sentence."""

    #: What a field must be, by name, where that is not said by its type and bounds.
    ways_out: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Build the spec from options. None means not given. Raises `SetupError` in one sentence."""
        return cls.parse({name: value for name, value in options.items() if value is not None})

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build the spec from the values of its fields. Raises `SetupError` in one sentence."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            # The innermost field: a part of a spec may have specs of its own.
            name = next((one for one in reversed(first["loc"]) if isinstance(one, str)), cls.__name__)
            if first["type"] == "missing":
                raise SetupError(f"{parameter(name)} is missing; give it.") from error
            said = re.sub(r"^(\w+ should |Value error, )", "", first["msg"])
            for words, plain in (("greater than or equal to", "at least"), ("less than or equal to", "at most")):
                said = said.replace(words, plain)
            wanted = f"be {cls.ways_out[name]}" if name in cls.ways_out else said
            raise SetupError(f"{parameter(name)} must {wanted}, but {shown(first['input'])} was given.") from error
