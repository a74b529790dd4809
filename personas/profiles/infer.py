"""Inferring a profile from a description: one call, each attribute with its evidence."""

from collections.abc import Sequence

from ..description import language_phrase
from ..model import Answer, AnswerSchema, PersonaModel, RequestContext
from ..persona import Persona
from ..prompt import Prompt, fence, load_prompt
from .profile import Profile, parse_profile, profile_schema

__all__ = ["infer_profile"]

_ROOM = "populace.personas"


async def infer_profile(
    model: PersonaModel,
    persona: Persona,
    *,
    findings: Sequence[str] = (),
    only_evident: bool = False,
    context: RequestContext,
) -> Answer[Profile]:
    """The profile of `persona`, or the outcome and reason why there is none.

    `findings` are sentences on what in an earlier profile did not fit the people whom the persona is tied to.
    With `only_evident`, what the model assumed is unknown. Evidence that the description does not hold is a schema
    mismatch, and asked for again.
    """
    prompt = load_prompt(_ROOM, "profile")
    request = prompt.render(
        persona=fence("persona", persona.text),
        findings=fence("findings", "\n".join(f"- {finding}" for finding in findings)),
        findings_rule=prompt.phrase("findings_rule", "found" if findings else "none"),
        language=language_phrase(prompt, persona.language),
    )
    return await model.ask(request, _schema(persona, model.name, prompt, only_evident=only_evident), context)


def _schema(persona: Persona, model: str, prompt: Prompt, *, only_evident: bool) -> AnswerSchema[Profile]:
    def profile(answer: object) -> Profile:
        parsed = parse_profile(answer, persona, model=model, prompt=f"{prompt.name}@{prompt.version}")
        return parsed.evident() if only_evident else parsed

    return AnswerSchema("Profile", profile_schema(), profile)
