"""How an agent thinks: one LangGraph graph, compiled once and shared by everybody.

    deliberate ──► accept (the graph ends)
        └────────► revise, once, when the draft nearly repeats what was said before ──► accept

Whether a kind of action is ever revised, it says itself (`Action.novelty`).

A graph of a scenario's own is as good, if it reads `MindState` and writes `decision`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from ..personas.model import Answer, AnswerSchema, Outcome, PersonaModel, RequestContext
from ..personas.prompt import RenderedPrompt, fence, load_prompt
from .action_check import novelty_of
from .actions import Action, answer_schema
from .hooks import hook
from .observation import Observation

__all__ = ["Decision", "Draft", "Mind", "MindContext", "MindState", "build_mind"]

_ROOM = __package__ or "populace.agents"

#: How much of an earlier text a revision is shown, in characters.
_EARLIER = 600


@dataclass(frozen=True, slots=True)
class Decision:
    """What an agent does in a turn, or why its turn was lost."""

    action: Action | None
    outcome: Outcome = Outcome.OK
    reason: str = ""
    #: Requests that were sent or recalled for it.
    attempts: int = 1
    #: True when a first draft was too close to something said before.
    revised: bool = False
    #: The prompt that was answered, as `name@version`.
    prompt: str = "turn@1"


@dataclass(frozen=True, slots=True)
class MindContext:
    """What all minds of a step share."""

    model: PersonaModel
    #: The world text, first in every prompt.
    world: str
    #: The earlier text that a text of this kind nearly repeats, or None; reads the snapshot, changes nothing.
    earlier: Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True)
class Draft:
    """A valid answer that nearly repeats `earlier`."""

    prompt: RenderedPrompt
    schema: AnswerSchema[Action]
    answer: Answer[Action]
    earlier: str


class MindState(TypedDict):
    """What goes into a mind, and the decision that comes out."""

    observation: Observation
    offered: tuple[type[Action], ...]
    request_context: RequestContext
    draft: NotRequired[Draft]
    decision: NotRequired[Decision]


type Mind = CompiledStateGraph[MindState, MindContext, MindState, MindState]


@cache
def build_mind() -> Mind:
    """The default mind. One model call a turn, a second one only for a revision."""
    graph = StateGraph(MindState, context_schema=MindContext)
    graph.add_node("deliberate", deliberate, destinations=("revise", END))
    graph.add_node("revise", revise)
    graph.add_edge(START, "deliberate")
    graph.add_edge("revise", END)
    return graph.compile(name="mind")


async def deliberate(state: MindState, runtime: Runtime[MindContext]) -> dict[str, Any] | Command[Any]:
    """Ask what the agent does; go to `revise` when a valid answer nearly repeats what was said before."""
    observation, context = state["observation"], runtime.context
    schema = answer_schema(state["offered"], observation.addressees)
    prompt = load_prompt(_ROOM, "turn").render(
        world=context.world,
        persona=fence("persona", observation.persona),
        observation=observation.text,
        task=observation.task,
    )
    answer = await context.model.ask(prompt, schema, state["request_context"])
    if answer.value is not None and novelty_of(type(answer.value)) == "revise":
        with hook(answer.value, "emitted_text"):
            text = answer.value.emitted_text
        earlier = context.earlier(answer.value.name, text)
        if earlier is not None:
            return Command(update={"draft": Draft(prompt, schema, answer, earlier)}, goto="revise")
    return {"decision": _decided(answer, prompt)}


async def revise(state: MindState, runtime: Runtime[MindContext]) -> dict[str, Any]:
    """Ask once more for something else; a revision that fails leaves the draft, which is valid and paid for."""
    draft = state["draft"]
    request = load_prompt(_ROOM, "revise").render(earlier=fence("earlier", draft.earlier[:_EARLIER]))
    prompt = replace(
        draft.prompt.followed_by(draft.answer.raw, request.messages[-1][1]),
        name=request.name,
        version=request.version,
    )
    answer = await runtime.context.model.ask(prompt, draft.schema, state["request_context"])
    attempts = draft.answer.attempts + answer.attempts
    if answer.value is None:
        return {"decision": _decided(draft.answer, draft.prompt, attempts=attempts)}
    return {"decision": _decided(answer, prompt, attempts=attempts, revised=True)}


def _decided(
    answer: Answer[Action], prompt: RenderedPrompt, *, attempts: int | None = None, revised: bool = False
) -> Decision:
    return Decision(
        action=answer.value,
        outcome=answer.outcome,
        reason=answer.reason,
        attempts=answer.attempts if attempts is None else attempts,
        revised=revised,
        prompt=f"{prompt.name}@{prompt.version}",
    )
