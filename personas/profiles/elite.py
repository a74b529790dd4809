"""Elite personas: a person raised to the top 1 % or 0.1 % of those who have a skill, and what that changes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ..errors import SetupError
from ..model import Answer, AnswerSchema, Description, FrozenModel, PersonaModel, RequestContext, strict_schema
from ..persona import Persona, canonical_text
from ..prompt import Prompt, fence, language_phrase, load_prompt
from .profile import Name, Sentence

_PACKAGE = "populace.personas"
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
        tier=prompt.phrase("tier", tier),
        language=language_phrase(prompt, persona.language),
    )
    return await model.ask(request, _schema(persona, skill, tier, prompt, model.name), context)


def _schema(persona: Persona, skill: str, tier: Tier, prompt: Prompt, model: str) -> AnswerSchema[Elite]:
    def elite(answer: object) -> Elite:
        answered = _AnsweredElite.model_validate(answer)
        if mistakes := "\n".join(_mistakes(answered, persona)):
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

    return AnswerSchema("raise", strict_schema(_AnsweredElite.model_json_schema()), elite)


def _mistakes(answered: _AnsweredElite, original: Persona) -> Iterator[str]:
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
