"""What a field of a spec is on the command line: `Annotated[int | None, Option("How many.")]`.

A spec is the one place that states what can be asked for. Options are made of its fields in `populace.cli.specs`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo


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
