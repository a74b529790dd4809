"""How an agent thinks: the stages of a turn, compiled once as a LangGraph graph and shared by all agents.

    generate ──► check ──► keep (the graph ends)
                  └──► revise, once, when the draft nearly repeats what was said before ──► keep

One model call a turn by default, a second one only for a revision. `build_mind` takes other stages; a graph of a
scenario's own serves as well, if it reads `MindState` and writes `decision`.

`decide` runs a turn. LangGraph's scheduler costs about 1 ms of CPU a turn where these stages cost 0.06 ms, so the
stages of a graph made by `build_mind` are called one after the other, and the graph is entered where one of them asks
for a stage outside that sequence. Both ways give the same decisions.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Any, NotRequired, TypedDict, cast

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from ..personas.model import Answer, AnswerSchema, Outcome, PersonaModel, RequestContext
from ..personas.prompt import RenderedPrompt, fence, load_prompt
from .action_check import novelty_of
from .actions import Action, answer_schema
from .hooks import hook
from .observation import Observation

__all__ = [
    "Decision",
    "Draft",
    "Mind",
    "MindContext",
    "MindState",
    "Stage",
    "build_mind",
    "check",
    "decide",
    "generate",
    "keep",
    "revise",
]

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
    """An answer of the model, and the request that it answers."""

    prompt: RenderedPrompt
    schema: AnswerSchema[Action]
    answer: Answer[Action]
    #: Requests that were sent or recalled so far.
    attempts: int
    revised: bool = False
    #: The earlier text that the answer nearly repeats.
    earlier: str | None = None


class MindState(TypedDict):
    """What goes into a mind, what its stages pass on, and the decision that comes out."""

    observation: Observation
    offered: tuple[type[Action], ...]
    request_context: RequestContext
    draft: NotRequired[Draft]
    #: For stages of a scenario's own.
    results: NotRequired[Mapping[str, Any]]
    #: The stage at which the graph is entered; the first one when it is not given.
    entry: NotRequired[str]
    decision: NotRequired[Decision]


type Mind = CompiledStateGraph[MindState, MindContext, MindState, MindState]

#: A stage returns the part of the state that it changes, and the next stage follows; or a `Command` that names another.
type Stage = Callable[[MindState, Runtime[MindContext]], Awaitable[Mapping[str, Any] | Command[Any]]]

#: Each graph that `build_mind` made, and its stages, by the identity of the graph.
_BUILT: dict[int, tuple[Mind, tuple[Stage, ...]]] = {}


async def generate(state: MindState, runtime: Runtime[MindContext]) -> Mapping[str, Any]:
    """Ask the model what the agent does."""
    observation, context = state["observation"], runtime.context
    schema = answer_schema(state["offered"], observation.addressees)
    prompt = load_prompt(_ROOM, "turn").render(
        world=context.world,
        persona=fence("persona", observation.persona),
        observation=observation.text,
        task=observation.task,
    )
    answer = await context.model.ask(prompt, schema, state["request_context"])
    return {"draft": Draft(prompt, schema, answer, answer.attempts)}


async def check(state: MindState, runtime: Runtime[MindContext]) -> Mapping[str, Any] | Command[Any]:
    """Go to `revise` when a valid answer nearly repeats what was said before."""
    draft = state["draft"]
    action = draft.answer.value
    if action is None or draft.revised or novelty_of(type(action)) != "revise":
        return {}
    with hook(action, "emitted_text"):
        text = action.emitted_text
    earlier = runtime.context.earlier(action.name, text)
    if earlier is None:
        return {}
    return Command(update={"draft": replace(draft, earlier=earlier)}, goto="revise")


async def revise(state: MindState, runtime: Runtime[MindContext]) -> Mapping[str, Any]:
    """Ask once more for something else; a revision that fails leaves the draft, which is valid and paid for."""
    draft = state["draft"]
    request = load_prompt(_ROOM, "revise").render(earlier=fence("earlier", (draft.earlier or "")[:_EARLIER]))
    prompt = replace(
        draft.prompt.followed_by(draft.answer.raw, request.messages[-1][1]),
        name=request.name,
        version=request.version,
    )
    answer = await runtime.context.model.ask(prompt, draft.schema, state["request_context"])
    attempts = draft.attempts + answer.attempts
    if answer.value is None:
        return {"draft": replace(draft, attempts=attempts)}
    return {"draft": Draft(prompt, draft.schema, answer, attempts, revised=True)}


async def keep(state: MindState, runtime: Runtime[MindContext]) -> Mapping[str, Any]:
    """Make the decision of the draft."""
    draft = state["draft"]
    answer = draft.answer
    return {
        "decision": Decision(
            action=answer.value,
            outcome=answer.outcome,
            reason=answer.reason,
            attempts=draft.attempts,
            revised=draft.revised,
            prompt=f"{draft.prompt.name}@{draft.prompt.version}",
        )
    }


@cache
def build_mind(stages: tuple[Stage, ...] = (generate, check, keep)) -> Mind:
    """A mind of these stages, one after the other; a stage can send a draft to `revise`, which leads to the last.

    The graph is compiled once for the same stages.
    """
    graph = StateGraph(MindState, context_schema=MindContext)
    names = [_name_of(stage) for stage in stages]
    for stage, name, following in zip(stages, names, (*names[1:], None), strict=True):
        drawn = ("revise",) if stage is check else ()
        graph.add_node(name, _node(stage, following), destinations=(*drawn, following or "__end__"))
    graph.add_node("revise", _node(revise, names[-1]), destinations=(names[-1],))
    graph.add_conditional_edges(START, lambda state: state.get("entry", names[0]), [names[0], "revise"])
    mind = graph.compile(name="mind")
    _BUILT[id(mind)] = (mind, stages)
    return mind


async def decide(mind: Mind, state: MindState, context: MindContext) -> Decision:
    """The decision of one turn; of a mind that `build_mind` made, without LangGraph as long as its stages follow on."""
    built = _BUILT.get(id(mind))
    if built is None:
        return _decision(await mind.ainvoke(state, context=context))
    runtime = Runtime(context=context)
    for stage in built[1]:
        update = await stage(state, runtime)
        if isinstance(update, Command):
            entered = {**state, **cast("Mapping[str, Any]", update.update or {}), "entry": update.goto}
            return _decision(await mind.ainvoke(cast("MindState", entered), context=context))
        state = cast("MindState", {**state, **update})
    return _decision(state)


def _decision(state: Mapping[str, Any]) -> Decision:
    decision: Decision = state["decision"]
    return decision


def _node(stage: Stage, following: str | None) -> Callable[..., Awaitable[Any]]:
    """The stage as a node of the graph: it names what follows, so that no edge has to be decided."""

    @wraps(stage)
    async def node(state: MindState, runtime: Runtime[MindContext]) -> Any:
        update = await stage(state, runtime)
        if following is None or isinstance(update, Command):
            return update
        return Command(update=update, goto=following)

    return node


def _name_of(stage: Stage) -> str:
    return stage.__name__
