"""Stages before and after a turn: an agent plans what it will do, and reflects on what it noted."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StringConstraints

from ..core.model import Answer, AnswerSchema, FrozenModel, strict_schema
from ..core.prompt import RenderedPrompt, fence, load_prompt
from .memory import MemoryNote
from .mind import MindState, MissedStage
from .observation import Observation
from .turn_prompt import fitted, named_language, named_posts, phrase_of, refused_length

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from .mind import MindContext

_ROOM = __package__ or "populace.agents"

#: Most insights of one reflection.
_INSIGHTS = 3

_Sentences = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]


class Plan(FrozenModel):
    """What a person means to do."""

    text: _Sentences = Field(description="One to three things, in the order in which they come, in short sentences.")


class Insight(FrozenModel):
    """What a person concludes."""

    text: _Sentences = Field(description="The conclusion, in one sentence.")
    importance: int = Field(ge=1, le=10, description="How much it matters to this person.")


class Reflection(FrozenModel):
    """What a person concludes from what they noted."""

    insights: list[Insight] = Field(min_length=1, max_length=_INSIGHTS)


_PLAN = AnswerSchema("plan", strict_schema(Plan.model_json_schema()), Plan.model_validate)
_REFLECTION = AnswerSchema("reflect", strict_schema(Reflection.model_json_schema()), Reflection.model_validate)


async def plan(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Ask what the agent means to do if a plan is due.

    The answer becomes a note, and part of the observation that the next stages see.
    """
    observation = state["observation"]
    if not observation.plan_ahead:
        return {}
    answer = await _asked(partial(plan_prompt, world=runtime.context.world), _PLAN, state, runtime)
    if answer.value is None:
        return {"missed": (*state.get("missed", ()), _missed("plan", answer))}
    text = answer.value.text
    planned = replace(observation, plan=text, plan_time="", plan_ahead=0)
    return {
        "observation": planned,
        "shown": planned,
        "notes": (*state.get("notes", ()), MemoryNote(text, "plan")),
    }


async def reflect(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Ask what the agent concludes from its notes if a reflection is due. The answer becomes up to three notes."""
    if not state["observation"].reflects_on:
        return {}
    answer = await _asked(partial(reflect_prompt, world=runtime.context.world), _REFLECTION, state, runtime)
    if answer.value is None:
        return {"missed": (*state.get("missed", ()), _missed("reflect", answer))}
    insights = (MemoryNote(one.text, "reflection", one.importance) for one in answer.value.insights)
    return {"notes": (*state.get("notes", ()), *insights)}


def plan_prompt(observation: Observation, *, world: str) -> RenderedPrompt:
    """Build the request for a plan for as many steps as the observation says."""
    template, steps = load_prompt(_ROOM, "plan"), observation.plan_ahead
    return template.render(
        world=fence("world", world),
        persona=fence("persona", observation.persona),
        observation=observation.text,
        posts=named_posts(template, observation),
        steps=phrase_of(template, "steps", "one" if steps == 1 else "several", number=str(steps)),
        language=named_language(template, observation.language),
    )


def reflect_prompt(observation: Observation, *, world: str) -> RenderedPrompt:
    """Build the request for conclusions from the notes that the observation holds."""
    template = load_prompt(_ROOM, "reflect")
    return template.render(
        world=fence("world", world),
        persona=fence("persona", observation.persona),
        # As an observation of nothing else, so that notes are cut in the same way.
        notes=observation.text,
        language=named_language(template, observation.language),
    )


async def _asked[T](
    render: partial[RenderedPrompt], schema: AnswerSchema[T], state: MindState, runtime: "Runtime[MindContext]"
) -> Answer[T]:
    observation, most = state["observation"], runtime.context.prompt_tokens
    if schema is _REFLECTION:
        observation = Observation(
            observation.agent,
            observation.persona,
            "",
            memories=observation.reflects_on,
            language=observation.language,
            item_length=observation.item_length,
        )
    prompt = render(fitted(observation, render, most))
    refused: Answer[T] | None = refused_length(prompt, most)
    return refused or await runtime.context.model.ask(prompt, schema, state["request_context"])


def _missed(stage: str, answer: Answer[Any]) -> MissedStage:
    return MissedStage(stage, answer.outcome, answer.reason, answer.attempts)
