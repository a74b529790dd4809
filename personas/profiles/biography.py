"""Biographies: a long life that fits the profile and the people around it, as the paper plans (section on limits)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..description import language_phrase
from ..model import Answer, AnswerSchema, Occasion, PersonaModel
from ..persona import Persona
from ..prompt import Prompt, fence, load_prompt
from ..strict import strict_schema
from .facts import estimated_tokens, told_facts

__all__ = ["Biography", "Tied", "write_biography"]

_ROOM = "populace.personas"
#: What the people around a person may take up in the prompt: tokens, and characters of one description.
_PEOPLE_TOKENS = 1_200
_PERSON = 300
_MOST_FACTS = 5
#: Bytes of UTF-8, so that scripts without spaces, with three bytes a character, may be as much shorter as they read.
_SHORTEST = 1_200
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Tied:
    """Somebody whom a persona is tied to, as far as a biography must know."""

    persona: str
    #: What the other is to the persona ("mother"), or what the persona is to the other.
    label: str
    #: Whether the label says what the other is.
    is_theirs: bool
    text: str
    #: What is known of the other by attribute; empty without a profile.
    values: Mapping[str, Any]

    def told(self, key: str) -> str:
        """The line of the prompt."""
        tie = f"this person's {self.label}" if self.is_theirs else f"this person is their {self.label}"
        facts = told_facts(self.values, most=_MOST_FACTS)
        return f"{key}: {tie}: {self.text[:_PERSON]}" + (f" ({facts})" if facts else "")


@dataclass(frozen=True, slots=True)
class Biography:
    """A long text on the life of one persona."""

    persona: str
    text: str
    #: Ids of the tied people it speaks of.
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


class _Answered(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, AfterValidator(_parse_text)]
    mentions: list[str]
    age: Annotated[int, Field(ge=0, le=120)] | None


async def write_biography(
    model: PersonaModel,
    persona: Persona,
    *,
    values: Mapping[str, Any],
    tied: Sequence[Tied] = (),
    occasion: Occasion,
) -> Answer[Biography]:
    """A biography of `persona` that fits `values` (its profile by attribute) and the people it is `tied` to.

    The first of those people are told, as many as the prompt has room for. An age outside the profile's is a schema
    mismatch, and asked for again.
    """
    prompt = load_prompt(_ROOM, "biography")
    offered = _offered(tied)
    request = prompt.render(
        persona=fence("persona", persona.text),
        profile=fence("profile", told_facts(values)),
        known=fence("known", "\n".join(other.told(key) for key, other in offered.items())),
        language=language_phrase(prompt, persona.language),
    )
    return await model.ask(request, _schema(persona, values, offered, prompt, model.name), occasion)


def _offered(tied: Sequence[Tied]) -> dict[str, Tied]:
    room, offered = _PEOPLE_TOKENS, dict[str, Tied]()
    for number, other in enumerate(tied, start=1):
        key = f"k{number}"
        room -= estimated_tokens(other.told(key))
        if room < 0:
            break
        offered[key] = other
    return offered


def _schema(
    persona: Persona, values: Mapping[str, Any], offered: Mapping[str, Tied], prompt: Prompt, model: str
) -> AnswerSchema[Biography]:
    def biography(answer: object) -> Biography:
        answered = _Answered.model_validate(answer)
        if strangers := [key for key in answered.mentions if key not in offered]:
            raise ValueError(f"mentions: {strangers[0]!r} is nobody's key; list keys of known people, or none")
        _check_age(answered.age, values.get("age_band"))
        mentions = tuple(dict.fromkeys(offered[key].persona for key in answered.mentions))
        return Biography(
            persona.id, answered.text, mentions, persona.language, model, f"{prompt.name}@{prompt.version}"
        )

    schema = strict_schema(_Answered.model_json_schema())
    mentions = schema["properties"]["mentions"]
    mentions["maxItems"] = len(offered)
    if offered:
        mentions["items"]["enum"] = list(offered)
    return AnswerSchema("Biography", schema, biography)


def _check_age(age: int | None, band: str | None) -> None:
    if age is None or band is None:
        return
    least = int(band.rstrip("+").partition("-")[0])
    if age < least or (not band.endswith("+") and age > least + 9):
        raise ValueError(f"age: the person is {band} years old, not {age}; write a life that fits that age")
