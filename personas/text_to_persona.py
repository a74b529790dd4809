"""Text-to-Persona: who is likely to read, write, like or dislike a text? (paper, section 2.1)."""

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from .description import Description, language_phrase
from .errors import SetupError
from .model import Answer, AnswerSchema, Occasion, PersonaModel
from .persona import Persona
from .prompt import Prompt, fence, load_prompt
from .strict import strict_schema

if TYPE_CHECKING:
    from .passage import Passage

__all__ = ["text_to_persona"]


class _Person(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    persona: Description


class _People(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    personas: list[_Person]


async def text_to_persona(
    model: PersonaModel,
    passage: "Passage",
    *,
    verb: str = "read",
    granularity: str = "specific",
    count: int = 1,
    language: str = "en",
    occasion: Occasion,
) -> Answer[tuple[Persona, ...]]:
    """`count` people who are likely to `verb` the passage, described in `language` (a BCP 47 tag).

    `granularity` is `broad`, `specific` or `detailed`. Raises `SetupError` for a granularity that the prompt
    does not know, an empty verb or a count below 1.
    """
    _check(verb, count)
    prompt = load_prompt(__package__, "text_to_persona")
    request = prompt.render(
        verb=verb,
        granularity=prompt.phrase("granularity", granularity),
        count=str(count),
        language=language_phrase(prompt, language),
        passage=fence("passage", passage.text),
    )
    return await model.ask(request, _schema(passage, prompt, model.name, count, language), occasion)


def _check(verb: str, count: int) -> None:
    if not verb.strip():
        raise SetupError(f"The verb of Text-to-Persona is {verb!r}; give a word such as read, write, like or dislike.")
    if count < 1:
        raise SetupError(f"The number of people per passage must be 1 or more, but {count} was given.")


def _schema(
    passage: "Passage", prompt: Prompt, model: str, count: int, language: str
) -> AnswerSchema[tuple[Persona, ...]]:
    def person(text: str) -> Persona:
        return Persona(
            text,
            origin="text",
            language=language,
            source=passage.source or passage.id,
            licence=passage.licence,
            model=model,
            prompt=f"{prompt.name}@{prompt.version}",
        )

    def people(answer: object) -> tuple[Persona, ...]:
        given = tuple(person(p.persona) for p in _People.model_validate(answer).personas)
        if len(given) != count:
            raise ValueError(f"personas: give exactly {count}, not {len(given)}")
        if len({p.id for p in given}) < count:
            raise ValueError("personas: two descriptions are the same; describe different people")
        return given

    return AnswerSchema("Personas", _json_schema(count), people)


@cache
def _json_schema(count: int) -> dict[str, Any]:
    schema = strict_schema(_People.model_json_schema())
    schema["properties"]["personas"] |= {"minItems": count, "maxItems": count}
    return schema
