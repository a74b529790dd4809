"""Which column of a file holds the descriptions, by the shapes in which collections of personas are published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from ..errors import SourceError
from .columns import is_exported

__all__ = ["Columns", "Shape", "resolve_columns"]


class Shape(StrEnum):
    """How the rows of a collection look; each is known by its columns."""

    #: Persona Hub's people: `persona` and nothing else.
    PERSONAHUB = "personahub"
    #: Persona Hub's instructions, problems, tools, ...: `input persona`, `synthesized text`, `description`.
    TASKS = "tasks"
    #: Persona Hub's elite: `persona` and domains of the top 1 and 0.1 percent, where the word None means nothing.
    ELITE = "elite"
    #: Nemotron-Personas: `persona`, several more such as `professional_persona`, and attributes of the person.
    NEMOTRON = "nemotron"
    #: People as `populace hub export` writes them: with all fields, and each imported column under its name.
    POPULACE = "populace"
    #: Any other table.
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file's columns mean: those named here are read, all others are kept as attributes."""

    shape: Shape
    text: str
    language: str | None = None
    source: str | None = None
    licence: str | None = None

    @property
    def meanings(self) -> dict[str, str]:
        """The columns that are read, by what they mean."""
        named = {"text": self.text, "language": self.language, "source": self.source, "licence": self.licence}
        return {meaning: column for meaning, column in named.items() if column is not None}

    def __str__(self) -> str:
        return ", ".join(f"{meaning} from {column!r}" for meaning, column in self.meanings.items())


#: What the text may be called, in the order in which it is looked for.
_TEXTS: Mapping[Shape, tuple[str, ...]] = {
    Shape.PERSONAHUB: ("persona",),
    Shape.TASKS: ("input persona",),
    Shape.ELITE: ("persona",),
    Shape.NEMOTRON: ("persona",),
    Shape.POPULACE: ("text",),
    Shape.TABLE: ("text", "persona"),
}


def resolve_columns(
    path: Path, columns: Sequence[str], *, mapping: Mapping[str, str], shape: Shape | None = None
) -> Columns:
    """What the columns mean: as `mapping` says (`text`, `language`, ... to a column), else by their names.

    `shape` is taken for granted when it is given. Raises `SourceError` for a column that is not there, and
    when no column is known to hold the text; it names those that are there.
    """
    known = shape or _shape(columns)
    found = {meaning: _column(path, columns, wanted) for meaning, wanted in mapping.items()}
    if "text" not in found:
        found["text"] = _text_column(path, columns, known)
    if known in (Shape.TABLE, Shape.POPULACE):
        for meaning in ("language", "source", "licence"):
            if meaning in columns:
                found.setdefault(meaning, meaning)
    return Columns(known, **found)


def _shape(columns: Sequence[str]) -> Shape:
    names = {name.strip().lower() for name in columns}
    if is_exported(columns):
        return Shape.POPULACE
    if "input persona" in names:
        return Shape.TASKS
    if "persona" in names and any(name.startswith(("general domain", "specific domain")) for name in names):
        return Shape.ELITE
    if "persona" in names and any(name.endswith("_persona") for name in names):
        return Shape.NEMOTRON
    return Shape.PERSONAHUB if names == {"persona"} else Shape.TABLE


def _column(path: Path, columns: Sequence[str], wanted: str) -> str:
    if wanted in columns:
        return wanted
    near = [column for column in columns if column.strip().lower() == wanted.strip().lower()]
    if len(near) == 1:
        return near[0]
    close = get_close_matches(wanted, columns, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    raise SourceError(f"{path} has no column {wanted!r}; its columns are {_listed(columns)}{meant}")


def _text_column(path: Path, columns: Sequence[str], shape: Shape) -> str:
    by_name = {name.strip().lower(): name for name in reversed(columns)}
    for name in _TEXTS[shape]:
        if name in by_name:
            return by_name[name]
    if shape is not Shape.TABLE:
        raise SourceError(
            f"{path} is not in the format {shape}: it has no column {_TEXTS[shape][0]!r}; "
            f"its columns are {_listed(columns)}."
        )
    raise SourceError(
        f"{path} has no column that is known to hold descriptions; its columns are {_listed(columns)}; "
        "say which it is with --map text=COLUMN."
    )


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(map(repr, columns[:40]))
    return f"{shown} and {len(columns) - 40} more" if len(columns) > 40 else shown or "none at all"
