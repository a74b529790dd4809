"""Biographies: a long life that fits the profile and the people around it, as the paper plans (section on limits)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from ..model import Answer, AnswerSchema, PersonaModel, RequestContext, strict_schema
from ..persona import Persona
from ..prompt import Prompt, fence, language_phrase, load_prompt
from .biography_check import Stated, contradictions_of
from .relatives import Tied, estimated_tokens, told_facts

__all__ = ["Biography", "Tied", "write_biography"]

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


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, AfterValidator(_parse_text)]
    mentions: list[str]


class _AnsweredBiography(Stated, _Text):
    """The text first, and then what it states: a model that writes in order has its text to read that from."""


async def write_biography(
    model: PersonaModel,
    persona: Persona,
    *,
    values: Mapping[str, Any],
    tied: Sequence[Tied] = (),
    context: RequestContext,
) -> Answer[Biography]:
    """A biography of `persona` that fits `values` (its profile by attribute) and the people it is `tied` to.

    As many of those people are described as the prompt has room for, the first first. Beside the text, the model states
    what it says about them all. When that, or an age in the text, contradicts what is known, the answer is a schema
    mismatch and is asked for again.
    """
    prompt = load_prompt(_PACKAGE, "biography")
    offered = _offered(tied)
    request = prompt.render(
        persona=fence("persona", persona.text),
        profile=fence("profile", told_facts(values)),
        known=fence("known", "\n".join(other.told(key) for key, other in offered.items())),
        lead=prompt.drawn("lead", context.seed),
        language=language_phrase(prompt, persona.language),
    )
    return await model.ask(request, _schema(persona, values, offered, prompt, model.name), context)


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
        answered = _AnsweredBiography.model_validate(answer)
        if mistakes := "\n".join(dict.fromkeys(_mistakes(answered, persona, values, offered))):
            raise ValueError(mistakes)
        mentions = tuple(dict.fromkeys(offered[key].persona for key in answered.mentions))
        return Biography(
            persona.id, answered.text, mentions, persona.language, model, f"{prompt.name}@{prompt.version}"
        )

    return AnswerSchema("biography", _form(offered, needs_age=values.get("age_band") is not None), biography)


def _mistakes(
    answered: _AnsweredBiography, persona: Persona, values: Mapping[str, Any], offered: Mapping[str, Tied]
) -> Iterator[str]:
    for name, keys in (("mentions", answered.mentions), ("others", [other.key for other in answered.others])):
        if strangers := [key for key in keys if key not in offered]:
            yield f"{name}: {strangers[0]!r} is nobody's key; list keys of known people, or none"
    if answered.age is None and values.get("age_band") is not None:
        yield f"age: the person is {values['age_band']} years old; say which age your text gives, as a number"
    yield from contradictions_of(answered, answered.text, values=values, known=offered, language=persona.language)


def _form(offered: Mapping[str, Tied], *, needs_age: bool) -> dict[str, Any]:
    schema = strict_schema(_AnsweredBiography.model_json_schema())
    properties = schema["properties"]
    properties["mentions"]["maxItems"] = properties["others"]["maxItems"] = len(offered)
    if needs_age:
        properties["age"] = next(form for form in properties["age"]["anyOf"] if form["type"] == "integer")
    if offered:
        properties["mentions"]["items"]["enum"] = list(offered)
        schema["$defs"]["StatedOfAnother"]["properties"]["key"]["enum"] = list(offered)
    return schema
