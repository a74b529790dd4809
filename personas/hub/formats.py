"""Which column of a file holds the descriptions, by the shapes in which collections of personas are published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from ..errors import SetupError, SourceError
from .columns import is_exported
from .composed import Composer, parse_template, rule_composer

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
    #: None where descriptions are composed of other columns, which stay attributes.
    text: str | None
    language: str | None = None
    source: str | None = None
    licence: str | None = None
    composer: Composer | None = None

    @property
    def meanings(self) -> dict[str, str]:
        """The columns that are read, by what they mean."""
        named = {"text": self.text, "language": self.language, "source": self.source, "licence": self.licence}
        return {meaning: column for meaning, column in named.items() if column is not None}

    def __str__(self) -> str:
        said = [f"{meaning} from {column!r}" for meaning, column in self.meanings.items()]
        if self.composer is not None:
            said.insert(0, f"text composed of {', '.join(map(repr, self.composer.columns))}")
        return ", ".join(said)


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
    path: Path,
    columns: Sequence[str],
    *,
    mapping: Mapping[str, str],
    shape: Shape | None = None,
    compose: str | None = None,
) -> Columns:
    """What the columns mean: as `mapping` says (`text`, `language`, ... to a column), else by their names.

    `shape` is taken for granted when it is given. Descriptions are composed by the template `compose`, or, of a table
    where no column is known to hold them, of the columns that are known. Raises `SourceError` for a column that is not
    there, and when there is no text; it names those that are there. Raises `SetupError` for a template that is none.
    """
    known = Shape.TABLE if compose is not None else shape or _shape(columns)
    found: dict[str, str | None] = {m: _column(path, columns, wanted) for m, wanted in mapping.items()}
    composer: Composer | None = None
    if compose is not None:
        if "text" in found:
            raise SetupError("Both --compose and --map text=COLUMN were given; descriptions come from one of them.")
        composer = parse_template(compose, columns, where=str(path))
    elif "text" not in found:
        found["text"] = _text_column(columns, known)
        if found["text"] is None:
            composer = rule_composer(columns) if known is Shape.TABLE else None
            if composer is None:
                raise _textless(path, columns, known)
    found.setdefault("text", None)
    if known in (Shape.TABLE, Shape.POPULACE):
        for meaning in ("language", "source", "licence"):
            if meaning in columns:
                found.setdefault(meaning, meaning)
    return Columns(known, found.pop("text"), **found, composer=composer)


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


def _text_column(columns: Sequence[str], shape: Shape) -> str | None:
    by_name = {name.strip().lower(): name for name in reversed(columns)}
    for name in _TEXTS[shape]:
        if name in by_name:
            return by_name[name]
    return None


def _textless(path: Path, columns: Sequence[str], shape: Shape) -> SourceError:
    if shape is not Shape.TABLE:
        return SourceError(
            f"{path} is not in the format {shape}: it has no column {_TEXTS[shape][0]!r}; "
            f"its columns are {_listed(columns)}."
        )
    return SourceError(
        f"{path} has no column that is known to hold descriptions; its columns are {_listed(columns)}; "
        "say which it is with --map text=COLUMN, or make them of others with --compose 'A {age}-year-old ...'."
    )


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(map(repr, columns[:40]))
    return f"{shown} and {len(columns) - 40} more" if len(columns) > 40 else shown or "none at all"
