"""What an import is asked for, which column means what, and descriptions that are composed of columns."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field

from ...core.errors import SetupError, SourceError, parameter
from ...core.inputs import shown
from ...core.model import Spec
from ...core.readers import RowError

_TOKEN = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{(?P<column>[^{}]*)\}|(?P<mark>[\[\]{}])|(?P<text>[^\[\]{}]+)")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `{column}` for values, and `[ ... ]` around what is left out where a value is missing."""

    #: How the import is remembered, and the columns that it reads.
    name: str
    columns: tuple[str, ...]
    #: Pieces of text and columns (which are marked), and whether they are left out together where a column is empty.
    parts: tuple[tuple[Sequence[tuple[str, bool]], bool], ...]
    #: The language that it writes; None where that is for the template to say.
    language: None = None

    def text(self, row: Mapping[str, Any]) -> str:
        """Fill in the values of the row. Raises `RowError` for a row that says too little."""
        text = ""
        for pieces, is_optional in self.parts:
            said = [_describe_value(row.get(piece)) if is_column else piece for piece, is_column in pieces]
            if None not in said:
                text += "".join(map(str, said))
            elif not is_optional:
                missing = pieces[said.index(None)][0]
                raise RowError(f"it has no {missing!r}, which {parameter('compose')} needs outside of [ ]")
        if not text.strip():
            raise RowError(f"none of the columns that {parameter('compose')} names says anything")
        return text


def parse_template(template: str, columns: Sequence[str], *, where: str) -> Template:
    """The template over these columns. Raises `SetupError` for other marks, and for a column that is not there.

    A value is put in as it is: nothing in a template is evaluated, and a name can be that of a column only.
    """
    parts: list[tuple[Sequence[tuple[str, bool]], bool]] = []
    pieces, is_optional = list[tuple[str, bool]](), False
    for token in _TOKEN.finditer(template):
        if token["column"] is not None:
            column = _find_column(where, columns, token["column"], f", which {parameter('compose')} names")
            pieces.append((column, True))
        elif token["mark"] == ("]" if is_optional else "["):
            parts.append((pieces, is_optional))
            pieces, is_optional = [], not is_optional
        elif token["mark"] is not None:
            raise SetupError(
                f"{parameter('compose')} has a lone {token['mark']!r} at character {token.start() + 1}; write "
                "{column} for a value, [ ... ] around what may be missing, and such a mark itself twice."
            )
        else:
            pieces.append((token["text"] or token[0][0], False))
    if is_optional:
        raise SetupError(
            f"{parameter('compose')} opens a [ that it does not close; write [ ... ], or [[ for the mark itself."
        )
    parts.append((pieces, False))
    used = tuple(dict.fromkeys(piece for found, _ in parts for piece, is_column in found if is_column))
    if not used:
        raise SetupError(
            f"{parameter('compose')} names no column, so all descriptions would be the same; write {{column}}."
        )
    return Template(template, used, tuple(parts))


#: Known attributes, by the names that their columns may have. Age, sex and place begin the sentence.
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "age": ("age",),
    "sex": ("sex", "gender"),
    "place": ("city", "town", "municipality", "county", "state", "province", "region", "country"),
    "occupation": ("occupation", "job", "job_title", "profession"),
    "education": ("education", "education_level", "highest_education"),
    "marital status": ("marital_status",),
    "household": ("household", "household_type"),
    "household size": ("household_size",),
    "income": ("income", "annual_income", "household_income"),
    "languages": ("languages",),
    "religion": ("religion",),
    "ethnicity": ("ethnicity",),
    "nationality": ("nationality",),
    "interests": ("interests", "hobbies", "hobbies_and_interests_list"),
}
_NOUNS = {"f": "woman", "female": "woman", "woman": "woman", "m": "man", "male": "man", "man": "man"}
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class RuleComposer:
    """Says in English what the columns that are known say, and leaves out what is missing."""

    columns: tuple[str, ...]
    #: The columns by what they mean.
    meant: Mapping[str, tuple[str, ...]]
    name: str = "rule@1"
    language: str = "en"

    def text(self, row: Mapping[str, Any]) -> str:
        """`A 34-year-old woman from Leeds, England; occupation: nurse; ...`."""
        said = {meaning: self._describe_meaning(meaning, row) for meaning in self.meant}
        if not any(said.values()):
            raise RowError("none of the columns that descriptions are made of says anything")
        parts = [f"{meaning}: {said[meaning]}" for meaning in self.meant if meaning not in _FIRST and said[meaning]]
        return f"{'; '.join([_describe_opening(said), *parts])}."

    def _describe_meaning(self, meaning: str, row: Mapping[str, Any]) -> str:
        values = [value for name in self.meant[meaning] if (value := _describe_value(row.get(name))) is not None]
        return ", ".join(values).replace("_", " ")


_FIRST = ("age", "sex", "place")


def _describe_opening(said: Mapping[str, str]) -> str:
    age, sex = said.get("age", ""), said.get("sex", "")
    noun = _NOUNS.get(sex.casefold(), "person")
    is_years = age.isascii() and age.isdigit()
    article = "An" if is_years and (age in ("8", "11", "18") or (len(age) == 2 and age[0] == "8")) else "A"
    text = f"{article} {age}-year-old {noun}" if is_years else f"A {noun}"
    text += f" aged {age}" if age and not is_years else ""
    text += f" from {said['place']}" if said.get("place") else ""
    return text + (f"; sex: {sex}" if sex and noun == "person" else "")


def rule_composer(columns: Sequence[str]) -> RuleComposer | None:
    """What makes descriptions of columns that are known by their names; None where fewer than two are."""
    folded = {re.sub(r"[\s_-]+", "_", name.strip().casefold()): name for name in reversed(columns)}
    meant = {}
    for meaning, names in _KNOWN.items():
        there = [folded[name] for name in names if name in folded]
        if there:
            meant[meaning] = tuple(there if meaning == "place" else there[:1])
    used = tuple(name for names in meant.values() for name in names)
    return RuleComposer(used, meant) if len(meant) >= _FEWEST else None


#: Makes the descriptions of rows that have none. Its `text` raises `RowError` for a row that says too little.
type Composer = Template | RuleComposer


def _describe_value(value: object) -> str | None:
    """A value as a description says it; None for one that says nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(said for one in value if (said := _describe_value(one)) is not None) or None
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value).strip()
    return text or None


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
    #: Any other table.
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file's columns mean: those named here are read, all others are kept as attributes.

    With a `text` and a `composer`, the description of a row without a text is composed.
    """

    shape: Shape
    #: None where all descriptions are composed of other columns, which stay attributes.
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

    def settings(self) -> dict[str, Any]:
        """Return what of it decides what is written, as `ImportOptions.settings`."""
        read: dict[str, Any] = {"mapping": self.meanings, "format": self.shape}
        return read | ({"compose": self.composer.name} if self.composer is not None else {})

    def __str__(self) -> str:
        said = [f"{meaning} from {column!r}" for meaning, column in self.meanings.items()]
        if self.composer is not None:
            said.insert(0, f"text composed of {', '.join(map(repr, self.composer.columns))}")
        return ", ".join(said)


type FieldMeaning = Literal["text", "language", "source", "licence"]

#: What the text may be called, in the order in which it is looked for.
_TEXTS = ("input persona", "text", "persona", "description", "bio", "biography")


def resolve_columns(
    path: Path,
    columns: Sequence[str],
    *,
    mapping: Mapping[FieldMeaning, str],
    compose: str | None = None,
) -> Columns:
    """Resolve what the columns mean: as `mapping` says (`text`, `language`, ... to a column), else by their names.

    The template `compose` describes rows whose mapped text is empty, or all rows.
    Without it, a table that has no column of texts is described by the columns that are known. Raises `SourceError` for
    a column that is missing, also in the template, and if there is no text. Raises `SetupError` for a broken template.
    """
    known = Shape.TABLE if compose is not None else _find_shape(columns)
    found: dict[str, str | None] = {m: _find_column(path, columns, wanted) for m, wanted in mapping.items()}
    composer: Composer | None = None
    if compose is not None:
        composer = parse_template(compose, columns, where=str(path))
    elif "text" not in found:
        by_name = {name.strip().lower(): name for name in reversed(columns)}
        found["text"] = next((by_name[name] for name in _TEXTS if name in by_name), None)
        composer = rule_composer(columns) if found["text"] is None else None
        if found["text"] is None and composer is None:
            raise SourceError(
                f"{path} has no column that is known to hold descriptions; its columns are {_list_columns(columns)}; "
                f"say which it is with {parameter('mapping', 'text=COLUMN')}, or make them of others with "
                f"{parameter('compose')} 'A {{age}}-year-old ...'."
            )
    found.setdefault("text", None)
    if known is Shape.TABLE:
        for meaning in ("language", "source", "licence"):
            if meaning in columns:
                found.setdefault(meaning, meaning)
    return Columns(known, found.pop("text"), **found, composer=composer)


def _find_shape(columns: Sequence[str]) -> Shape:
    names = {name.strip().lower() for name in columns}
    if "input persona" in names:
        return Shape.TASKS
    if "persona" in names and any(name.startswith(("general domain", "specific domain")) for name in names):
        return Shape.ELITE
    if "persona" in names and any(name.endswith("_persona") for name in names):
        return Shape.NEMOTRON
    return Shape.PERSONAHUB if names == {"persona"} else Shape.TABLE


def _find_column(where: object, columns: Sequence[str], wanted: str, named_by: str = "") -> str:
    """Return the column of this name, or else the one whose name differs in case and outer spaces alone."""
    near = [column for column in columns if column.strip().casefold() == wanted.strip().casefold()]
    if wanted in columns or len(near) == 1:
        return wanted if wanted in columns else near[0]
    close = get_close_matches(wanted.strip(), columns, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    raise SourceError(f"{where} has no column {wanted!r}{named_by}; its columns are {_list_columns(columns)}{meant}")


def _list_columns(columns: Sequence[str]) -> str:
    shown = ", ".join(map(repr, columns[:40]))
    return f"{shown} and {len(columns) - 40} more" if len(columns) > 40 else shown or "none at all"


_MEANINGS = get_args(FieldMeaning.__value__)
#: A BCP 47 tag.
TAG = re.compile(r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$")
# SPDX expressions: ids, joined by AND, OR and WITH. What no list knows is written LicenseRef-NAME.
_LICENCE = r"^\(*[A-Za-z0-9.:+-]+\)*( (AND|OR|WITH) \(*[A-Za-z0-9.:+-]+\)*)*$"


class ImportOptions(Spec):
    """What is asked of an import; whatever is not asked for is taken from the file, or is not known."""

    ways_out: ClassVar = {
        "licence": "an SPDX expression such as CC-BY-4.0, or LicenseRef-NAME for one that SPDX does not list",
        "language": "a BCP 47 tag such as en or pt-BR",
        "personal": "keep, pseudonymise, drop or ignore",
        "max_length": "a whole number of characters from 1",
    }
    #: Columns by what they mean; what is not named is known by its name or is an attribute.
    mapping: Mapping[FieldMeaning, str] = Field(default_factory=dict)
    #: What to call the source, instead of the file's name.
    source: str | None = Field(default=None, min_length=1)
    #: Licence of the source, its revision, and the language of the descriptions, where no column states it.
    licence: str | None = Field(default=None, pattern=_LICENCE)
    revision: str | None = Field(default=None, min_length=1)
    language: str | None = Field(default=None, pattern=TAG.pattern)
    #: What becomes of personal data in descriptions, as `Policy` names it; `ignore` does not look for any.
    personal: Literal["keep", "pseudonymise", "drop", "ignore"] = "keep"
    #: Whether descriptions are judged by the rules of quality. Those of a published collection are their authors'.
    quality: bool = False
    #: Stop at the first row that cannot be imported, instead of leaving it out.
    strict: bool = False
    #: What the error of a strict import says can be done about a row that cannot be imported.
    way_out: str | None = None
    #: A template by which descriptions are composed of columns, as `A {age}-year-old [{occupation} ]in {city}`.
    compose: str | None = Field(default=None, min_length=1)
    #: Characters that a description may have.
    max_length: int = Field(default=20_000, ge=1)

    def settings(self) -> dict[str, Any]:
        """What, besides the file itself, decides what is written: the same settings make the same import."""
        said = self.model_dump(mode="json", exclude={"strict", "way_out"})
        # Hubs from before there were judges of imports, and templates, say nothing of them.
        earlier = {"personal": "ignore", "quality": False, "compose": None}
        return {name: value for name, value in said.items() if (name, value) not in earlier.items()}


def parse_mapping(items: Sequence[str]) -> dict[str, str]:
    """Columns by meaning, from items such as `text=bio`. Raises `SetupError` for an item that is not of this form."""
    mapping: dict[str, str] = {}
    for item in items:
        meaning, equals, column = item.partition("=")
        if meaning not in _MEANINGS or not equals or not column:
            raise SetupError(
                f"--map takes MEANING=COLUMN with a meaning of {', '.join(_MEANINGS)}, as --map text=bio, "
                f"but {shown(item)} was given; all other columns are kept as attributes."
            )
        if meaning in mapping:
            raise SetupError(f"--map gives {meaning!r} two columns, {mapping[meaning]!r} and {column!r}; give one.")
        mapping[meaning] = column
    return mapping
