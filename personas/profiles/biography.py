"""Biographies: a long life that fits the profile and the people around it, as the paper plans (section on limits).

What a biography states, in the fields that the model fills in beside the text, is compared with both.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from ...core.errors import SetupError
from ...core.model import (
    Answer,
    AnswerError,
    AnswerMistake,
    AnswerSchema,
    Description,
    FrozenModel,
    PersonaModel,
    RequestContext,
    strict_schema,
)
from ...core.prompt import Prompt, fence, language_phrase, load_prompt
from ...core.text import canonical_text, estimated_tokens
from ...core.text import words as words_of
from ..persona import Persona
from .profile import Household, LanguageTag, Name, Sentence, Tied, told_facts

# Plain aliases, because a `type` would become a reference in the schema, in which `age` is narrowed.
Age = Annotated[int, Field(ge=0, le=120)]
_NarrativeLine = Annotated[str, Field(max_length=200)]

#: Years that a parent is older than a child, at least.
_PARENTHOOD = 13
#: Letters compared of two words, so that Bavaria matches the Bavarian Alps.
_STEM = 5


class StatedOfAnother(FrozenModel):
    """What the text states of one of the people around."""

    key: str
    age: Age | None
    region: _NarrativeLine | None
    occupation: _NarrativeLine | None


class Stated(FrozenModel):
    """What the text states of the person, each null or empty where it leaves that open."""

    age: Age | None
    region: _NarrativeLine | None
    languages: Annotated[list[LanguageTag], Field(max_length=8)]
    occupation: _NarrativeLine | None
    household: Household | None
    children: Annotated[int, Field(ge=0, le=40)] | None
    others: list[StatedOfAnother]


def contradictions_of(
    stated: Stated, *, values: Mapping[str, Any], known: Mapping[str, Tied], language: str
) -> Iterator[str]:
    """Yield one sentence per contradiction, with the way out.

    `values` is the profile, and `known` holds the people by key. Nothing contradicts what the profile does not know.
    """
    yield from _of_age(stated.age, values.get("age_band"), "age")
    yield from _of_place(stated.region, values.get("region"), "region")
    yield from _of_place(stated.occupation, values.get("occupation"), "occupation")
    yield from _of_languages(stated.languages, values.get("languages"))
    yield from _of_home(stated, values.get("household"))
    yield from _of_children(stated, values.get("age_band"), known, language)
    for other in stated.others:
        if other.key in known:
            yield from _of_another(other, known[other.key], stated.age, language)


def _age_bounds(band: str | None) -> tuple[int, int] | None:
    if band is None:
        return None
    least = int(band.rstrip("+").partition("-")[0])
    return least, 120 if band.endswith("+") else least + 9


def _of_age(age: int | None, band: str | None, name: str) -> Iterator[str]:
    bounds = _age_bounds(band)
    if age is not None and bounds is not None and not bounds[0] <= age <= bounds[1]:
        yield f"{name}: {age} contradicts {band}, which is known; write a life that fits {band}"


def _of_place(stated: str | None, known: str | None, name: str) -> Iterator[str]:
    # The model is asked to use the known words for the same place, so that a comparison of words is enough.
    if stated and known and not _word_stems(stated) & _word_stems(known):
        yield (
            f"{name}: {stated!r} contradicts {known!r}, which is known; write a life that fits it, and where the same "
            f"is meant, say it in those words"
        )


def _word_stems(text: str) -> set[str]:
    return {word[:_STEM] for word in words_of(text) if len(word) > 2 or not word.isascii()}


def _of_languages(stated: list[str], known: list[str] | None) -> Iterator[str]:
    spoken = {tag.partition("-")[0] for tag in known or ()}
    if stated and spoken and spoken.isdisjoint(tag.partition("-")[0] for tag in stated):
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
    bounds = (stated.age, stated.age) if stated.age is not None else _age_bounds(band)
    # At most one child per year.
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


_PACKAGE = "populace.personas"
#: The most tokens of the prompt for the people around a person.
_PEOPLE_TOKENS = 1_200
#: In bytes of UTF-8, because scripts with three bytes per character say as much in fewer characters.
_SHORTEST = 1_200
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Biography:
    """A long text about the life of one persona."""

    persona: str
    text: str
    #: Ids of the tied people whom it mentions.
    mentions: tuple[str, ...]
    language: str
    model: str
    prompt: str


def _parse_text(text: str) -> str:
    text = re.sub(r"[ \t]+", " ", re.sub(r"\s*\n\s*\n\s*", "\n\n", text.strip()))
    length = len(text.encode())
    if length < _SHORTEST:
        raise ValueError(f"a biography of {len(text)} characters is too short; write four paragraphs or more")
    if length > _LONGEST:
        raise ValueError(f"a biography of {len(text)} characters is too long; write eight paragraphs or fewer")
    return text


class _TextAndMentions(FrozenModel):
    text: Annotated[str, AfterValidator(_parse_text)]
    mentions: list[str]


class _AnsweredBiography(Stated, _TextAndMentions):
    """The text first, and then what it states: a model that writes in order has its text to read that from."""


async def write_biography(
    model: PersonaModel,
    persona: Persona,
    *,
    values: Mapping[str, Any],
    tied: Sequence[Tied] = (),
    context: RequestContext,
) -> Answer[Biography]:
    """Write a biography of `persona` that fits `values` (its profile by attribute) and the people it is `tied` to.

    The prompt describes as many of those people as it has room for, in their order. Besides the text, the model states
    what it says about them all. If that, or an age in the text, contradicts what is known, the answer is a schema
    mismatch and is asked for again.
    """
    prompt = load_prompt(_PACKAGE, "biography")
    offered = _offer_people(tied)
    request = prompt.render(
        persona=fence("persona", persona.text),
        profile=fence("profile", told_facts(values)),
        known=fence("known", "\n".join(other.told(key) for key, other in offered.items())),
        lead=prompt.drawn("lead", context.seed),
        language=language_phrase(prompt, persona.language),
    )
    return await model.ask(request, _biography_schema(persona, values, offered, prompt, model.name), context)


def _offer_people(tied: Sequence[Tied]) -> dict[str, Tied]:
    room, offered = _PEOPLE_TOKENS, dict[str, Tied]()
    for number, other in enumerate(tied, start=1):
        key = f"k{number}"
        room -= estimated_tokens(other.told(key))
        if room < 0:
            break
        offered[key] = other
    return offered


def _biography_schema(
    persona: Persona, values: Mapping[str, Any], offered: Mapping[str, Tied], prompt: Prompt, model: str
) -> AnswerSchema[Biography]:
    def check_biography(answer: object) -> Biography:
        answered = _AnsweredBiography.model_validate(answer)
        mistakes = [*_find_mistakes(answered, values, offered)]
        found = [*contradictions_of(answered, values=values, known=offered, language=persona.language)]
        if complaint := "\n".join(dict.fromkeys([*mistakes, *found])):
            raise AnswerError(complaint, AnswerMistake.INCONSISTENCY) if found else ValueError(complaint)
        mentions = tuple(dict.fromkeys(offered[key].persona for key in answered.mentions))
        return Biography(
            persona.id, answered.text, mentions, persona.language, model, f"{prompt.name}@{prompt.version}"
        )

    return AnswerSchema("biography", _make_form(offered, needs_age=values.get("age_band") is not None), check_biography)


def _find_mistakes(
    answered: _AnsweredBiography, values: Mapping[str, Any], offered: Mapping[str, Tied]
) -> Iterator[str]:
    for name, keys in (("mentions", answered.mentions), ("others", [other.key for other in answered.others])):
        if strangers := [key for key in keys if key not in offered]:
            yield f"{name}: {strangers[0]!r} is nobody's key; list keys of known people, or none"
    if answered.age is None and values.get("age_band") is not None:
        yield f"age: the person is {values['age_band']} years old; say which age your text gives, as a number"


def _make_form(offered: Mapping[str, Tied], *, needs_age: bool) -> dict[str, Any]:
    schema = strict_schema(_AnsweredBiography.model_json_schema())
    properties = schema["properties"]
    properties["mentions"]["maxItems"] = properties["others"]["maxItems"] = len(offered)
    if needs_age:
        properties["age"] = next(form for form in properties["age"]["anyOf"] if form["type"] == "integer")
    if offered:
        properties["mentions"]["items"]["enum"] = list(offered)
        schema["$defs"]["StatedOfAnother"]["properties"]["key"]["enum"] = list(offered)
    return schema


_LONGEST_SKILL = 80


class Tier(StrEnum):
    """The share of all people with a skill to which somebody belongs."""

    ONE_PERCENT = "1%"
    ONE_PER_MILLE = "0.1%"


class Change(FrozenModel):
    """One thing in which a raised persona differs from the original."""

    #: Words of the original description; empty for what is new.
    before: Annotated[str, Field(max_length=300)]
    #: Words of the new description.
    after: Annotated[str, Field(max_length=300)]
    why: Sentence


@dataclass(frozen=True, slots=True)
class Elite:
    """A persona who is among the best at a skill, made from another."""

    persona: Persona
    original: str
    skill: str
    tier: Tier
    general_domain: str
    specific_domain: str
    changes: tuple[Change, ...]


class _AnsweredElite(FrozenModel):
    general_domain: Name
    specific_domain: Name
    persona: Description
    changes: Annotated[list[Change], Field(min_length=1, max_length=8)]


async def raise_persona(
    model: PersonaModel, persona: Persona, *, skill: str, tier: Tier, context: RequestContext
) -> Answer[Elite]:
    """`persona` rewritten as one of the best at `skill`, with a list of changes; the original is kept.

    A change whose words are not in the descriptions is a schema mismatch and is asked for again. Raises `SetupError`
    for a skill that is empty or too long.
    """
    skill = canonical_text(skill)
    if not skill or len(skill) > _LONGEST_SKILL:
        raise SetupError(f"A skill is named in 1 to {_LONGEST_SKILL} characters, but {skill[:100]!r} was given.")
    prompt = load_prompt(_PACKAGE, "raise")
    request = prompt.render(
        persona=fence("persona", persona.text),
        skill=fence("skill", skill),
        tier=prompt.find_phrase("tier", tier),
        language=language_phrase(prompt, persona.language),
    )
    return await model.ask(request, _elite_schema(persona, skill, tier, prompt, model.name), context)


def _elite_schema(persona: Persona, skill: str, tier: Tier, prompt: Prompt, model: str) -> AnswerSchema[Elite]:
    def check_elite(answer: object) -> Elite:
        answered = _AnsweredElite.model_validate(answer)
        if mistakes := "\n".join(_elite_mistakes(answered, persona)):
            raise ValueError(mistakes)
        # No relation was followed, so the hop is that of the original.
        raised = replace(
            persona,
            text=canonical_text(answered.persona),
            origin="persona",
            parent=persona.id,
            model=model,
            prompt=f"{prompt.name}@{prompt.version}",
        )
        changes = tuple(answered.changes)
        return Elite(raised, persona.id, skill, tier, answered.general_domain, answered.specific_domain, changes)

    return AnswerSchema("raise", strict_schema(_AnsweredElite.model_json_schema()), check_elite)


def _elite_mistakes(answered: _AnsweredElite, original: Persona) -> Iterator[str]:
    old, new = (canonical_text(text).casefold() for text in (original.text, answered.persona))
    if old == new:
        yield "persona: the description is the old one; rewrite it as somebody among the very best"
    for number, change in enumerate(answered.changes):
        before, after = (canonical_text(side).casefold() for side in (change.before, change.after))
        if before not in old:
            yield f"changes.{number}.before: {change.before!r} is not in the given description; copy its words exactly"
        if after not in new:
            yield f"changes.{number}.after: {change.after!r} is not in the new description; copy its words exactly"
        if before == after:
            yield f"changes.{number}: before and after are the same; list what differs"
