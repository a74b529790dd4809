"""Descriptions made of columns, for people who come as columns alone: by a template, or of those that are known."""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import SetupError, parameter

_TOKEN = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{(?P<column>[^{}]*)\}|(?P<mark>[\[\]{}])|(?P<text>[^\[\]{}]+)")


class UnsaidError(Exception):
    """A row does not say what a description needs; its one argument is the reason why it is left out."""


class Composer(ABC):
    """Makes the descriptions of rows that have none."""

    #: The columns that it reads, and how the import is remembered.
    columns: tuple[str, ...]
    name: str
    #: The language that it writes; None where that is for the template to say.
    language: str | None = None

    @abstractmethod
    def text(self, row: Mapping[str, Any]) -> str:
        """The description of a row. Raises `UnsaidError` for one that says too little."""


@dataclass(frozen=True, slots=True)
class _TemplatePart:
    """Text and columns in turn, which are left out together where they are optional and a column is empty."""

    pieces: tuple[tuple[str, bool], ...]
    is_optional: bool

    def text(self, row: Mapping[str, Any]) -> str:
        values = [(_described(row.get(piece)) if is_column else piece, piece) for piece, is_column in self.pieces]
        missing = next((column for value, column in values if value is None), None)
        if missing is None:
            return "".join(str(value) for value, _ in values)
        if self.is_optional:
            return ""
        raise UnsaidError(f"it has no {missing!r}, which {parameter('compose')} needs outside of [ ]")


@dataclass(frozen=True, slots=True)
class Template(Composer):
    """A text with `{column}` for values, and `[ ... ]` around what is left out where a value is missing."""

    name: str
    columns: tuple[str, ...]
    parts: tuple[_TemplatePart, ...]

    def text(self, row: Mapping[str, Any]) -> str:
        """The template with the values of the row."""
        text = "".join(part.text(row) for part in self.parts)
        if not text.strip():
            raise UnsaidError(f"none of the columns that {parameter('compose')} names says anything")
        return text


def parse_template(template: str, columns: Sequence[str], *, where: str) -> Template:
    """The template over these columns. Raises `SetupError` for other marks, and for a column that is not there.

    A value is put in as it is: nothing in a template is evaluated, and a name can be that of a column only.
    """
    parts, pieces, is_optional = list[_TemplatePart](), list[tuple[str, bool]](), False
    for token in _TOKEN.finditer(template):
        if token["column"] is not None:
            pieces.append((_column(token["column"], columns, where), True))
        elif token["mark"] == ("]" if is_optional else "["):
            parts.append(_TemplatePart(tuple(pieces), is_optional))
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
    parts.append(_TemplatePart(tuple(pieces), False))
    used = tuple(dict.fromkeys(piece for part in parts for piece, is_column in part.pieces if is_column))
    if not used:
        raise SetupError(
            f"{parameter('compose')} names no column, so all descriptions would be the same; write {{column}}."
        )
    return Template(template, used, tuple(parts))


def _column(wanted: str, columns: Sequence[str], where: str) -> str:
    folded = {name.strip().casefold(): name for name in columns}
    if wanted in columns:
        return wanted
    if (name := folded.get(wanted.strip().casefold())) is not None:
        return name
    close = get_close_matches(wanted.strip().casefold(), folded, n=3, cutoff=0.5)
    near = " or ".join(repr(folded[name]) for name in close)
    there = ", ".join(map(repr, columns[:40]))
    meant = f"did you mean {near}?" if near else "write one of these in braces."
    raise SetupError(
        f"{where} has no column {wanted!r}, which {parameter('compose')} names; its columns are {there}; {meant}"
    )


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
class RuleComposer(Composer):
    """Says in English what the columns that are known say, and leaves out what is missing."""

    columns: tuple[str, ...]
    #: The columns by what they mean.
    meant: Mapping[str, tuple[str, ...]]
    name: str = "rule@1"
    language: str | None = "en"

    def text(self, row: Mapping[str, Any]) -> str:
        """`A 34-year-old woman from Leeds, England; occupation: nurse; ...`."""
        said = {meaning: self._said(meaning, row) for meaning in self.meant}
        if not any(said.values()):
            raise UnsaidError("none of the columns that descriptions are made of says anything")
        parts = [f"{meaning}: {said[meaning]}" for meaning in self.meant if meaning not in _FIRST and said[meaning]]
        return f"{'; '.join([_opening(said), *parts])}."

    def _said(self, meaning: str, row: Mapping[str, Any]) -> str:
        values = [value for name in self.meant[meaning] if (value := _described(row.get(name))) is not None]
        return ", ".join(values).replace("_", " ")


_FIRST = ("age", "sex", "place")


def _opening(said: Mapping[str, str]) -> str:
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


def _described(value: object) -> str | None:
    """A value as a description says it; None for one that says nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(said for one in value if (said := _described(one)) is not None) or None
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value).strip()
    return text or None
