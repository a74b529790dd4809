"""A stage in which an agent thinks before it acts, in one answer: the mind `think`, and the thoughts of `react`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StringConstraints

from ..core.model import Answer, AnswerSchema, FrozenModel, strict_schema
from ..core.prompt import RenderedPrompt, fence, load_prompt
from .action_schema import answer_schema
from .actions import Action
from .memory import MemoryNote
from .mind import Deliberation, Draft, MindState, MissedStage
from .observation import Observation
from .turn_prompt import fitted, named_language, named_posts, phrase_of, refused_length, turn_prompt

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from .mind import MindContext

_ROOM = __package__ or "populace.agents"

#: Most characters of thoughts.
_LONGEST = 1_200


@dataclass(frozen=True, slots=True)
class Thought:
    """What an agent thinks, and what it then does."""

    thoughts: str
    action: Action
    #: From 1 to 10; None where it was not asked.
    importance: int | None = None


async def think(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Ask the model what the agent thinks, and then does. Replaces `generate`."""
    observation, offered, context = state["observation"], state["offered"], runtime.context
    seed, weighs = context.angle_seed(state["request_context"]), context.weighs_notes
    render = partial(thinking_prompt, offered=offered, world=context.world, seed=seed, weighs=weighs)
    view = fitted(observation, render, context.prompt_tokens)
    prompt, schema = render(view), thinking_schema(offered, view.addressees, weighs=weighs)
    answer = refused_length(prompt, context.prompt_tokens)
    answer = answer or await context.model.ask(prompt, schema, state["request_context"])
    thought: Thought | None = answer.value
    draft = Draft(
        prompt, acting(schema), replace(answer, value=thought and thought.action), answer.attempts, render=render
    )
    update: dict[str, Any] = {"draft": draft}
    if view is not observation:
        update |= {"observation": view, "shown": view}
    if thought is not None:
        update |= {"deliberations": (Deliberation("thought", thought.thoughts),), "importance": thought.importance}
    return update


@lru_cache(maxsize=256)
def thinking_schema(
    offered: tuple[type[Action], ...], addressees: tuple[str, ...], *, weighs: bool = False
) -> AnswerSchema[Thought]:
    """Return the schema of thoughts followed by one of the `offered` actions.

    With `weighs`, the importance of the action comes between them. Raises `ValueError` if no action is possible.
    """
    bare = answer_schema(offered, addressees)
    is_single = "action" not in bare.json_schema["properties"]
    alone = {name: part for name, part in bare.json_schema.items() if name != "$defs"}
    properties: dict[str, Any] = {
        "thoughts": {"type": "string", "minLength": 1, "maxLength": _LONGEST},
        "importance": {"type": "integer", "minimum": 1, "maximum": 10},
        "action": {"anyOf": [alone]} if is_single else bare.json_schema["properties"]["action"],
    }
    if not weighs:
        del properties["importance"]
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "$defs": bare.json_schema.get("$defs", {}),
    }

    def validate(answer: object) -> Thought:
        if not isinstance(answer, dict) or set(answer) != set(properties):
            raise ValueError(f"the answer must be an object with the keys {', '.join(properties)}")
        thoughts, importance = answer["thoughts"], answer.get("importance")
        if not isinstance(thoughts, str) or not 1 <= len(thoughts.strip()) <= _LONGEST:
            raise ValueError(f"thoughts: must be a text of 1 to {_LONGEST} characters")
        if weighs and (isinstance(importance, bool) or not isinstance(importance, int) or not 1 <= importance <= 10):
            raise ValueError("importance: must be a whole number from 1 to 10")
        action = bare.validate(answer["action"] if is_single else {"action": answer["action"]})
        return Thought(" ".join(thoughts.split()), action, importance)

    return AnswerSchema("Thought", schema, validate, bare.generators)


def acting(schema: AnswerSchema[Thought]) -> AnswerSchema[Action]:
    """Return the same schema for a revision, which takes only the action from the answer."""
    return AnswerSchema(
        schema.name, schema.json_schema, lambda answer: schema.validate(answer).action, schema.generators
    )


def thinking_prompt(
    observation: Observation, offered: tuple[type[Action], ...], *, world: str, seed: int | None, weighs: bool
) -> RenderedPrompt:
    """Build the request of a turn that asks for thoughts too.

    With `weighs`, it also asks for the importance of what is done.
    """
    turn = turn_prompt(observation, offered, world=world, seed=seed)
    template = load_prompt(_ROOM, "think")
    asked = phrase_of(template, "importance", "asked" if weighs else "unasked")
    return followed(turn, template.render(importance=asked))


def followed(turn: RenderedPrompt, more: RenderedPrompt) -> RenderedPrompt:
    """Append the prompt `more` to that of a turn. The result has the name and version of `more`."""
    *before, (role, text) = turn.messages
    last = (role, f"{text}\n\n{more.messages[-1][1]}")
    return replace(turn, name=more.name, version=more.version, messages=(*before, last))


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
