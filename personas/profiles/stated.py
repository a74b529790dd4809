"""What a biography states, and where that contradicts the profile, the people around, or the text itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..words import words as words_of
from .ages import ages_in
from .attributes import Household, LanguageTag
from .tied import Tied

__all__ = ["Stated", "StatedOfAnother", "contradictions_of"]

# Plain aliases: a `type` would be a reference in the schema, which `age` is narrowed in.
Age = Annotated[int, Field(ge=0, le=120)]
Line = Annotated[str, Field(max_length=200)]

#: Years that a parent is older than a child, at least.
_PARENTHOOD = 13
#: Letters by which two words count as one, so that Bavaria and the Bavarian Alps are.
_STEM = 5


class StatedOfAnother(BaseModel):
    """What the text states of one of the people around."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    age: Age | None
    region: Line | None
    occupation: Line | None


class Stated(BaseModel):
    """What the text states of the person, each null or empty where it leaves that open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    age: Age | None
    region: Line | None
    languages: Annotated[list[LanguageTag], Field(max_length=8)]
    occupation: Line | None
    household: Household | None
    children: Annotated[int, Field(ge=0, le=40)] | None
    others: list[StatedOfAnother]


def contradictions_of(
    stated: Stated, text: str, *, values: Mapping[str, Any], known: Mapping[str, Tied], language: str
) -> Iterator[str]:
    """A sentence for each contradiction, with what may be done; `values` are the profile, `known` the people by key.

    Every sentence has the word "contradicts". What the profile does not know is contradicted by nothing.
    """
    yield from _of_age(stated.age, values.get("age_band"), "age")
    yield from _in_text(stated.age, text, values.get("age_band"), known)
    yield from _of_place(stated.region, values.get("region"), "region")
    yield from _of_place(stated.occupation, values.get("occupation"), "occupation")
    yield from _of_languages(stated.languages, values.get("languages"))
    yield from _of_home(stated, values.get("household"))
    yield from _of_children(stated, values.get("age_band"), known, language)
    for other in stated.others:
        if other.key in known:
            yield from _of_another(other, known[other.key], stated.age, language)


def _bounds(band: str | None) -> tuple[int, int] | None:
    if band is None:
        return None
    least = int(band.rstrip("+").partition("-")[0])
    return least, 120 if band.endswith("+") else least + 9


def _of_age(age: int | None, band: str | None, name: str) -> Iterator[str]:
    bounds = _bounds(band)
    if age is not None and bounds is not None and not bounds[0] <= age <= bounds[1]:
        yield f"{name}: {age} contradicts {band}, which is known; write a life that fits {band}"


def _in_text(age: int | None, text: str, band: str | None, known: Mapping[str, Tied]) -> Iterator[str]:
    bounds = (age, age) if age is not None else _bounds(band)
    if bounds is None:
        return
    least, most = bounds
    others = {word for tied in known.values() for word in re.findall(r"\w+", tied.label.lower())}
    for found in ages_in(text, tuple(others)):
        if found.age > most or (found.is_now and found.age + 9 < least):
            is_at_most = f"{most}" if least == most else f"{band}"
            yield f"text: {found.words!r} contradicts the person's age, {is_at_most}; write a life that fits that age"


def _of_place(stated: str | None, known: str | None, name: str) -> Iterator[str]:
    # The model is asked for the known words where it means the same, so that these need not understand it.
    if stated and known and not _stems(stated) & _stems(known):
        yield (
            f"{name}: {stated!r} contradicts {known!r}, which is known; write a life that fits it, and where the same "
            f"is meant, say it in those words"
        )


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in words_of(text) if len(word) > 2 or not word.isascii()}


def _of_languages(stated: list[str], known: list[str] | None) -> Iterator[str]:
    tongues = {tag.partition("-")[0] for tag in known or ()}
    if stated and tongues and tongues.isdisjoint(tag.partition("-")[0] for tag in stated):
        yield (
            f"languages: {', '.join(stated)} contradicts {', '.join(known or ())}, which is known; write a life in "
            f"which the person speaks that"
        )


def _of_home(stated: Stated, known: str | None) -> Iterator[str]:
    if stated.household is not None and known is not None and stated.household != known:
        yield f"household: {stated.household!r} contradicts {known!r}, which is known; write a life that fits it"
    if known in ("couple with children", "single parent") and stated.children == 0:
        yield f"children: 0 contradicts the household, {known!r}; write a life with the children in it"


def _of_children(stated: Stated, band: str | None, known: Mapping[str, Tied], language: str) -> Iterator[str]:
    if stated.children is None:
        return
    bounds = (stated.age, stated.age) if stated.age is not None else _bounds(band)
    # One a year, though nobody has them so.
    if stated.children and bounds is not None and stated.children > bounds[1] - _PARENTHOOD:
        yield f"children: {stated.children} contradicts an age of {bounds[1]}; write a life that fits that age"
    tied = {other.persona for other in known.values() if other.relation(language) == "child"}
    if stated.children < len(tied):
        yield f"children: {stated.children} contradicts the {len(tied)} among the people around; write them into it"


def _of_another(stated: StatedOfAnother, other: Tied, age: int | None, language: str) -> Iterator[str]:
    name = f"others.{stated.key}"
    yield from _of_age(stated.age, other.values.get("age_band"), f"{name}.age")
    yield from _of_place(stated.region, other.values.get("region"), f"{name}.region")
    yield from _of_place(stated.occupation, other.values.get("occupation"), f"{name}.occupation")
    older = {"parent": 1, "child": -1}.get(other.relation(language) or "")
    if older is None or age is None or stated.age is None:
        return
    if older * (stated.age - age) < _PARENTHOOD:
        yield (
            f"{name}.age: {stated.age} contradicts the person's own age of {age}, as one of the two is the parent of "
            f"the other; write ages that fit"
        )
