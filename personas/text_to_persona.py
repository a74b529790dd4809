"""Text-to-Persona: who is likely to read, write, like or dislike a text? (paper, section 2.1)."""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ..core.errors import SetupError
from ..core.model import (
    LONGEST,
    Answer,
    AnswerSchema,
    Description,
    FrozenModel,
    PersonaModel,
    RequestContext,
    parse_description,
    strict_schema,
)
from ..core.prompt import Prompt, fence, language_phrase, load_prompt
from ..core.text import canonical_text
from .persona import Persona

if TYPE_CHECKING:
    from .persona import Passage

#: The form of a description: prose, or named parts (paper, section 2.1).
type Form = Literal["plain", "structured"]

#: Selects all verbs of the paper.
_ANY = "any"
_ALL_VERBS = "read, write, like or dislike"
_LONGEST_VERB = 60
_LONGEST_PART = LONGEST // 6


class _Person(FrozenModel):
    persona: Description

    @property
    def text(self) -> str:
        return self.persona


class _People(FrozenModel):
    personas: list[_Person]


def _part(what: str) -> Any:
    return Field(description=what, max_length=_LONGEST_PART)


_Part = Annotated[str, AfterValidator(parse_description)]


class _Sheet(FrozenModel):
    role: _Part = _part("What the person is, with the field.")
    age: _Part = _part("The person's age or stage of life, in words.")
    circumstances: _Part = _part("Where and how the person lives or works.")
    knowledge: _Part = _part("What the person knows or can do.")
    concern: _Part = _part("What ties the person to the passage.")

    @property
    def text(self) -> str:
        return "; ".join(f"{name}: {str(value).rstrip(' .;')}" for name, value in self)


class _Sheets(FrozenModel):
    personas: list[_Sheet]


_FORMS: dict[Form, type[_People] | type[_Sheets]] = {"plain": _People, "structured": _Sheets}


async def text_to_persona(
    model: PersonaModel,
    passage: "Passage",
    *,
    verb: str = "read",
    granularity: str = "specific",
    count: int = 1,
    language: str = "en",
    form: Form = "plain",
    context: RequestContext,
) -> Answer[tuple[Persona, ...]]:
    """Ask for `count` people who are likely to `verb` the passage, described in `language` (a BCP 47 tag).

    Any verb is allowed; `any` means all of those in the paper. `granularity` is `broad`, `general`, `specific`,
    `very specific` or `detailed`. A `structured` description has named parts. Raises `SetupError` for an unknown
    granularity, an empty verb or a count below 1.
    """
    check_text_to_persona(verb=verb, granularity=granularity, count=count)
    prompt = load_prompt(__package__, "text_to_persona")
    request = prompt.render(
        verb=_ALL_VERBS if verb.strip() == _ANY else verb,
        granularity=prompt.phrase("granularity", granularity),
        form=prompt.phrase("form", form),
        count=str(count),
        language=language_phrase(prompt, language),
        angle=prompt.drawn("angle", context.seed),
        lead="" if form == "structured" else prompt.drawn("lead", context.seed),
        passage=fence("passage", passage.text),
    )
    schema = _schema(passage, count, form, language=language, model=model.name, prompt=prompt)
    return await model.ask(request, schema, context)


def check_text_to_persona(*, verb: str, granularity: str, count: int) -> None:
    """Raise `SetupError` for an invalid verb, granularity or count."""
    if not verb.strip() or len(verb) > _LONGEST_VERB or not verb.isprintable():
        raise SetupError(f"The verb of Text-to-Persona is {verb!r}; give a word such as read, write, like or dislike.")
    if count < 1:
        raise SetupError(f"The number of people per passage must be 1 or more, but {count} was given.")
    load_prompt(__package__, "text_to_persona").phrase("granularity", granularity)


def _schema(
    passage: "Passage", count: int, form: Form, *, language: str, model: str, prompt: Prompt
) -> AnswerSchema[tuple[Persona, ...]]:
    shared = Persona(
        "",
        origin="text",
        language=language,
        source=passage.source or passage.id,
        licence=passage.licence,
        model=model,
        prompt=f"{prompt.name}@{prompt.version}",
    )

    def people(answer: object) -> tuple[Persona, ...]:
        texts = [canonical_text(p.text) for p in _FORMS[form].model_validate(answer).personas]
        if len(texts) != count:
            raise ValueError(f"personas: give exactly {count}, not {len(texts)}")
        if len(set(texts)) < count:
            raise ValueError("personas: two descriptions are the same; describe different people")
        return tuple(replace(shared, text=text) for text in texts)

    return AnswerSchema("text_to_persona", _json_schema(count, form), people)


@cache
def _json_schema(count: int, form: Form) -> dict[str, Any]:
    schema = strict_schema(_FORMS[form].model_json_schema())
    schema["properties"]["personas"] |= {"minItems": count, "maxItems": count}
    return schema
