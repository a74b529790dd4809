"""The minds that can be named (`--mind`): which stages a turn has, planning and reflecting among them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from ..core.model import Answer, AnswerSchema, FrozenModel, strict_schema
from ..core.prompt import RenderedPrompt, fence, load_prompt
from .actions import Action
from .memory import MemoryNote
from .mind import Mind, MindState, MissedStage, Stage, check, generate, keep
from .observation import Observation
from .responses import answer_request
from .turn_prompt import Asides, fitted, named_language, phrase_of, refused_length, turn_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langgraph.runtime import Runtime

    from .mind import MindContext
    from .react import ToolFunction


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
    answer = await _ask_fitted(partial(plan_prompt, world=runtime.context.world), _PLAN, state, runtime)
    if answer.value is None:
        return {"missed": (*state.get("missed", ()), _make_missed("plan", answer))}
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
    answer = await _ask_fitted(partial(reflect_prompt, world=runtime.context.world), _REFLECTION, state, runtime)
    if answer.value is None:
        return {"missed": (*state.get("missed", ()), _make_missed("reflect", answer))}
    insights = (MemoryNote(one.text, "reflection", one.importance) for one in answer.value.insights)
    return {"notes": (*state.get("notes", ()), *insights)}


def plan_prompt(observation: Observation, *, world: str) -> RenderedPrompt:
    """Build the request for a plan for as many steps as the observation says."""
    template, steps = load_prompt(_ROOM, "plan"), observation.plan_ahead
    return template.render(
        world=fence("world", world),
        persona=fence("persona", observation.persona),
        observation=observation.text,
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


async def _ask_fitted[T](
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


def _make_missed(stage: str, answer: Answer[Any]) -> MissedStage:
    return MissedStage(stage, answer.outcome, answer.reason, answer.attempts)


type MindName = Literal["one-call", "think", "react", "rule"]

#: What a turn is, by mind. All but the last plan before and reflect after, where the scenario's settings say so.
MINDS: Mapping[str, str] = {
    "one-call": "One request for an action, and another where a check asks for a revision.",
    "think": "One request for thoughts and an action, and another where a check asks for a revision.",
    "react": "Thoughts and a tool, its result, and so on; then thoughts and an action.",
    "rule": "The scenario's method `rule`; no model is asked.",
}


def named_mind(
    name: MindName = "one-call",
    *,
    plans: bool = False,
    reflects: bool = False,
    answers: bool = False,
    builds: bool = False,
    tools: "Sequence[ToolFunction]" = (),
) -> Mind:
    """Build the mind of this name that asks a model, with those stages that are wanted.

    They plan, reflect, answer requests, and build and use tools.

    `tools` are those of `react`. Raises `SetupError` for an invalid tool, and `ValueError` for `rule`, which has no
    stages.
    """
    if name == "rule":
        raise ValueError("a rule is a plain function, without stages")
    answering = _make_react(tools) if name == "react" else generate
    before: tuple[Stage, ...] = (plan,) if plans else ()
    after: list[Stage] = [*((answer_request,) if answers else ()), *((reflect,) if reflects else ())]
    if builds:
        from .tools import build_tool, use_tool  # loads the sandbox

        after = [build_tool, use_tool, *after]
    stages = (*before, answering, check, *after, keep)
    return Mind(stages, is_direct=name != "react" and not (plans or reflects))


def first_prompts(
    name: MindName,
    observation: Observation,
    offered: tuple[type[Action], ...],
    *,
    world: str,
    plans: bool = False,
    reflects: bool = False,
    tools: "Sequence[ToolFunction]" = (),
    tool_calls: int = 1,
    asks: Asides,
) -> Mapping[str, RenderedPrompt]:
    """Return the first prompts that a turn of this mind asks of an observation.

    They are keyed by purpose: the turn itself, plan, reflection.
    """
    if name == "react":
        from .react import react_prompt  # loads LangGraph
        from .react import tool_calls as calls_of

        calls = calls_of(tuple(tools))
        turn = react_prompt(observation, offered, calls, world=world, seed=0, count=tool_calls, asks=asks)
    else:
        turn = turn_prompt(observation, offered, world=world, seed=0, asks=asks)
    found = {"turns": turn}
    if plans:
        found["plans"] = plan_prompt(observation, world=world)
    if reflects:
        found["reflections"] = reflect_prompt(observation, world=world)
    return found


def _make_react(tools: "Sequence[ToolFunction]") -> Stage:
    from .react import react_with  # loads LangGraph

    return react_with(tuple(tools))
