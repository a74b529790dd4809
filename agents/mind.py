"""How an agent decides: the stages of a turn, nodes of one LangGraph graph that all agents share.

    generate ──► check ──► keep (the graph ends)
                  ▲ └──► revise, once, when the draft nearly repeats an earlier text or fails a check that asks for it
                  └──────┘

One model call a turn by default, a second one only for a revision. A `Mind` of other stages adds to that; a compiled
graph of a scenario's own serves as well, if it reads `MindState` and writes `decision`. So does a plain function, a
`Rule`: it decides without LangGraph, model or comparison with earlier texts.

LangGraph runs the stages, at about 1 ms of CPU a turn. Those of the mind `one-call` take 0.06 ms when they are called
without it, so they are (`Mind.is_direct`). Both ways give the same decisions.
"""

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial, wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast
from uuid import uuid4

from pydantic import BaseModel

from ..core.errors import hook, raise_explained
from ..core.model import HUMAN, Answer, AnswerSchema, Outcome, PersonaModel, RequestContext
from ..core.prompt import RenderedPrompt, fence, load_prompt
from .action_schema import novelty_of
from .actions import Action, run_checks
from .checks import CheckContext, CheckOutcome, CheckResult
from .memory import MemoryNote
from .observation import Observation
from .text_faults import is_refusal, speaks_as_model
from .text_forms import WHOLE
from .turn_prompt import (
    ACTION_ALONE,
    Asides,
    TurnAnswer,
    action_of,
    drawn_angle,
    fitted,
    phrase_of,
    prompt_size,
    refused_length,
    turn_prompt,
    turn_schema,
)

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.runtime import Runtime
    from langgraph.types import Command

ROOM = __package__ or "populace.agents"

#: How much of an earlier text a revision is shown, in characters.
_EARLIER = 600


@dataclass(frozen=True, slots=True)
class MissedStage:
    """A stage beside the turn itself that got no usable answer: a plan, a reflection."""

    #: The prompt that was asked.
    purpose: str
    outcome: Outcome
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Deliberation:
    """What came before an action, as a thought or what a tool gave; or an assistant's answer to a request."""

    kind: Literal["thought", "tool", "answer"]
    text: str
    #: Of a tool: its name, its arguments as JSON, and whether it did not take them.
    tool: str | None = None
    arguments: str | None = None
    is_error: bool = False


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
class Decision:
    """What an agent does in a turn, or why its turn was lost; nothing at all where a rule decides so."""

    action: Action | None
    outcome: Outcome = Outcome.OK
    reason: str = ""
    #: Requests that were sent or recalled for it.
    attempts: int = 1
    #: True when a first draft was too close to something said before.
    revised: bool = False
    #: The prompt that was answered, as `name@version`.
    prompt: str = "turn@7"
    #: What was drawn for its request, by tables of the prompt.
    drawn: Mapping[str, str] = field(default_factory=dict)
    #: The results of the checks of the action.
    checks: tuple[CheckResult, ...] = ()
    #: What decided, as it is written into the rows; None for the model of the run.
    model: str | None = None
    #: What the agent notes besides what it heard and did: plans and reflections.
    notes: tuple[MemoryNote, ...] = ()
    #: How much what it did matters to the agent, from 1 to 10, where the model was asked; else None.
    importance: int | None = None
    #: Stages that left it without what they were to bring.
    missed: tuple[MissedStage, ...] = ()
    #: What the agent was shown, where stages changed the observation: with a new plan, or shortened; else None.
    shown: Observation | None = None
    #: What the agent thought and found out before it acted, in this order.
    deliberations: tuple[Deliberation, ...] = ()
    #: The agent that was asked for all that are alike, where one was; it may be this one.
    archetype: str | None = None
    #: The state that the agent has once all have decided, where a rule gave one.
    state: BaseModel | None = None


@dataclass(frozen=True, slots=True)
class EarlierText:
    """What an agent emitted before."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class MindContext:
    """What all minds of a step share."""

    model: PersonaModel
    #: The world text, first in every prompt.
    world: str
    #: The earlier text of this kind that a text nearly repeats, or None; reads the snapshot, changes nothing.
    earlier: Callable[[str, str], EarlierText | None]
    #: Tokens of a prompt at most, estimated; 0 for as many as it takes.
    prompt_tokens: int = 0
    #: What turns ask for beside the action.
    asks: Asides = ACTION_ALONE
    #: Tools that an agent calls in a turn at most.
    tool_calls: int = 0
    #: The code of tools that were built, by name; None where nothing is built or run.
    built: Mapping[str, str] | None = None
    #: Whether prompts end with an angle drawn by seed, and whether near-repeats are sent back, as in data making.
    draws_angles: bool = False
    revises_repeats: bool = False

    def angle_seed(self, context: RequestContext) -> int | None:
        """Return the seed that draws the angle of a prompt, or None if none is drawn."""
        return context.seed if self.draws_angles else None


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer of the model, and the request that it answers."""

    prompt: RenderedPrompt
    schema: AnswerSchema[Action]
    answer: Answer[Action]
    #: Requests that were sent or recalled so far.
    attempts: int
    revised: bool = False
    #: True once it is not to be revised any more.
    is_final: bool = False
    #: The earlier text that the answer nearly repeats.
    earlier: EarlierText | None = None
    checks: tuple[CheckResult, ...] = ()
    #: What the agent means to do next; empty where that was not asked or is the same as before.
    intends: str = ""
    #: Makes the prompt of an observation, so that it can be made shorter; None where that is not known.
    render: Callable[[Observation], RenderedPrompt] | None = None

    @property
    def accepted(self) -> Action | None:
        """The action, where there is one that no check has failed."""
        is_failed = any(one.outcome is CheckOutcome.FAILED for one in self.checks)
        return None if is_failed else self.answer.value

    def updated(self, **fields: object) -> "Draft":
        """Return the draft with further values in the fields of its action, as a stage sets them."""
        action = cast("Action", self.answer.value).model_copy(update=fields)
        return replace(self, answer=replace(self.answer, value=action))

    def checked(self, name: str, result: CheckResult, *, version: int = 1) -> "Draft":
        """Return the draft with the result of a stage, which becomes a row of `checks` with those of the action."""
        return replace(self, checks=(*self.checks, replace(result, check=name, version=version)))


class MindState(TypedDict):
    """What goes into a mind, what its stages pass on, and the decision that comes out."""

    observation: Observation
    offered: tuple[type[Action], ...]
    request_context: RequestContext
    draft: NotRequired[Draft]
    #: What stages have the agent note, and those that got no usable answer.
    notes: NotRequired[tuple[MemoryNote, ...]]
    missed: NotRequired[tuple[MissedStage, ...]]
    #: What the agent thought and found out, and how much its turn matters to it.
    deliberations: NotRequired[tuple[Deliberation, ...]]
    importance: NotRequired[int | None]
    #: The observation in the prompt, where it is not the one with which the turn began.
    shown: NotRequired[Observation]
    #: For stages of a scenario's own.
    results: NotRequired[Mapping[str, Any]]
    decision: NotRequired[Decision]


type Graph = CompiledStateGraph[MindState, MindContext, MindState, MindState]

#: Decides what an agent does, its next state, or that it does nothing, from what it observes; draws by chance from the
#: generator alone.
type Rule = Callable[[Observation, random.Random], Action | BaseModel | None]

#: A stage returns the part of the state that it changes, and the next stage follows; or a `Command` that names another.
type Stage = Callable[[MindState, Runtime[MindContext]], Awaitable[Mapping[str, Any] | Command[Any]]]


async def generate(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Ask the model what the agent does and, where the context says so, what it thinks and what it means to do next."""
    observation, offered, context = state["observation"], state["offered"], runtime.context
    seed = context.angle_seed(state["request_context"])
    render = partial(turn_prompt, offered=offered, world=context.world, seed=seed, asks=context.asks)
    view = fitted(observation, render, context.prompt_tokens)
    prompt, schema = render(view), turn_schema(offered, view.addressees, context.asks)
    refused: Answer[TurnAnswer] | None = refused_length(prompt, context.prompt_tokens)
    answer = refused or await context.model.ask(prompt, schema, state["request_context"])
    turn = answer.value
    thoughts = (Deliberation("thought", turn.thoughts),) if turn and turn.thoughts else ()
    return draft_turn(prompt, schema, answer, answer.attempts, render=render) | {
        "deliberations": thoughts,
        **({} if view is observation else {"observation": view, "shown": view}),
    }


def draft_turn(
    prompt: RenderedPrompt,
    schema: AnswerSchema[TurnAnswer],
    answer: Answer[TurnAnswer],
    attempts: int,
    *,
    render: Callable[[Observation], RenderedPrompt] | None = None,
) -> dict[str, Any]:
    """Return the draft that a turn's answer gives, and how much the turn matters to the agent."""
    turn = answer.value
    only: Answer[Action] = replace(cast("Answer[Any]", answer), value=turn and turn.action)
    draft = Draft(prompt, action_of(schema), only, attempts, render=render, intends=turn.intends if turn else "")
    return {"draft": draft, "importance": turn and turn.importance}


async def check(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Check a valid draft. `revise` follows if it nearly repeats an earlier text or fails a check that asks for it."""
    draft, context = state["draft"], runtime.context
    action = draft.answer.value
    if action is None or (draft.is_final and not draft.revised):
        return {}
    if action.checks:
        about = CheckContext(
            state["observation"],
            context.world,
            context.model,
            state["request_context"],
            _read_instructions(draft.prompt),
        )
        draft = replace(draft, checks=await run_checks(action, about))
    revises = novelty_of(type(action)) == "revise" and (context.revises_repeats or action.novelty == "revise")
    if revises and not draft.is_final:
        with hook(action, "emitted_text"):
            text = action.emitted_text
        draft = replace(draft, earlier=context.earlier(action.name, text))
    return {"draft": draft}


def _is_sent_back(state: Mapping[str, Any]) -> bool:
    draft: Draft = state["draft"]
    return not draft.is_final and bool(draft.earlier or _list_complaints(draft))


async def revise(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Ask the model to fix the faults of failed checks, or for something else where it repeats what was said.

    A revision that fails leaves the draft, which is valid and paid for.
    """
    draft = state["draft"]
    template, earlier = load_prompt(ROOM, "revise"), draft.earlier
    complaints = [one.reason for one in _list_complaints(draft)]
    is_renewed = earlier is not None or any(one.renews for one in _list_complaints(draft))
    # Of what another agent said nothing is shown: this one could not know it.
    whose = "none" if earlier is None else "own" if earlier.agent == state["observation"].agent else "other"
    request = template.render(
        earlier=phrase_of(
            template, "earlier", whose, text=fence("earlier", earlier.text[:_EARLIER]) if earlier else ""
        ),
        complaints=phrase_of(
            template, "complaints", "some" if complaints else "none", reasons="\n".join(f"- {c}" for c in complaints)
        ),
        task=phrase_of(template, "task", "renew" if is_renewed else "repair"),
        angle=drawn_angle(template, state["request_context"].seed) if is_renewed else "",
    )
    followed = (draft.answer.raw, request.messages[-1][1])
    prompt = draft.prompt.followed_by(*followed)
    most, render = runtime.context.prompt_tokens, draft.render
    if most and render is not None and prompt_size(prompt) > most:
        shorter = fitted(state["observation"], lambda view: render(view).followed_by(*followed), most)
        prompt = render(shorter).followed_by(*followed)
    if most and prompt_size(prompt) > most:
        return {"draft": replace(draft, is_final=True)}
    prompt = replace(prompt, name=request.name, version=request.version)
    answer = await runtime.context.model.ask(prompt, draft.schema, state["request_context"])
    attempts = draft.attempts + answer.attempts
    if answer.value is None:
        return {"draft": replace(draft, attempts=attempts, is_final=True)}
    revised = Draft(prompt, draft.schema, answer, attempts, revised=True, is_final=True, intends=draft.intends)
    return {"draft": revised}


async def keep(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Make the decision from the draft."""
    draft = state["draft"]
    answer, notes, missed = draft.answer, state.get("notes", ()), state.get("missed", ())
    if draft.intends and draft.accepted is not None:
        if is_refusal(draft.intends) or speaks_as_model(draft.intends):
            missed = (*missed, MissedStage("intends", Outcome.REFUSAL, f"It declines: {draft.intends!r:.80}", 0))
        elif draft.intends != state["observation"].plan:
            notes = (*notes, MemoryNote(draft.intends, "plan"))
    return {
        "decision": Decision(
            action=answer.value,
            outcome=answer.outcome,
            reason=answer.reason,
            attempts=draft.attempts,
            revised=draft.revised,
            prompt=f"{draft.prompt.name}@{draft.prompt.version}",
            drawn=draft.prompt.drawn,
            checks=draft.checks,
            notes=notes,
            missed=missed,
            shown=state.get("shown"),
            deliberations=state.get("deliberations", ()),
            importance=state.get("importance"),
        )
    }


async def ask_many[T](
    state: MindState,
    runtime: "Runtime[MindContext]",
    prompt: RenderedPrompt,
    schema: AnswerSchema[T],
    *,
    role: str = "solver",
    count: int = 1,
) -> list[Answer[T]]:
    """Ask one role the same request several times at once, each with its own sampling seed.

    For a scenario's own stages. All answers are awaited before an error is raised, so that no paid answer is lost.
    Raises what `PersonaModel.ask` raises.
    """
    contexts = [state["request_context"].vary_context(role=role, replicate=n) for n in range(count)]
    asked = (runtime.context.model.ask(prompt, schema, context) for context in contexts)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return cast("list[Answer[T]]", answers)


#: The values that a field may have, as a prompt lists them; a text may well be one.
_CHOICES = re.compile(r"\(one of [^\n]*\)")
#: The words of the draft that a complaint quotes.
_QUOTED_FAULT = re.compile(r"\((['\"]).*?\1\)")


def _read_instructions(prompt: RenderedPrompt) -> str:
    """Return the instructions of a prompt: its rules, and its text about the actions and this request."""
    template, slots = prompt.template, prompt.slots
    told = [_CHOICES.sub("", slots.get("actions", "")), slots.get("angle", "")]
    if prompt.messages[-2:-1] and prompt.messages[-2][0] == "assistant":
        told.append(_QUOTED_FAULT.sub("", prompt.messages[-1][1]))  # what it was asked to mend
    return "\n".join((template.system, template.user, *told)) if template else ""


def _list_complaints(draft: Draft) -> list[CheckResult]:
    """Return the failed checks that ask for a revision."""
    asking = {one.name for one in draft.answer.value.checks if one.revises} if draft.answer.value else set()
    return [one for one in draft.checks if one.outcome is CheckOutcome.FAILED and one.check in asking]


#: The stages of the default mind.
DEFAULT_STAGES: tuple[Stage, ...] = (generate, check, keep)


@dataclass(frozen=True, slots=True)
class Mind:
    """How an agent decides: the stages of a turn, one after the other.

    `check` can send a draft to `revise`, which leads back to it.
    """

    stages: tuple[Stage, ...] = DEFAULT_STAGES
    #: A compiled graph that takes the place of the stages.
    own: "Graph | None" = None
    #: Whether the stages are called without LangGraph. They may then return no `Command`.
    is_direct: bool = False

    @property
    def graph(self) -> "Graph":
        """The LangGraph graph of the stages, compiled when it is first asked for and shared by equal minds."""
        return self.own or _compile_graph(self.stages)

    async def decide(self, state: MindState, context: MindContext) -> Decision:
        """Return the decision of one turn."""
        if not self.is_direct:
            return _read_decision(await self._run_graph(state, context))
        runtime = cast("Runtime[MindContext]", SimpleNamespace(context=context))  # such stages read the context alone
        for stage in self.stages:
            state = _update_state(state, await stage(state, runtime))
            if stage is check and _is_sent_back(state):
                state = _update_state(state, await revise(state, runtime))
                state = _update_state(state, await check(state, runtime))
        return _read_decision(state)

    async def _run_graph(self, state: MindState, context: MindContext) -> Mapping[str, Any]:
        """Return the state in which the graph ends. The role `human` answers where the graph interrupts itself."""
        graph = self.graph
        if not getattr(graph, "checkpointer", None):
            return cast("Mapping[str, Any]", await graph.ainvoke(state, context=context))
        from langgraph.checkpoint.memory import InMemorySaver
        from langgraph.types import Command

        graph = graph.copy({"checkpointer": InMemorySaver(serde=_Held())})

        asked, config = 0, cast("RunnableConfig", {"configurable": {"thread_id": uuid4().hex}})
        found = await graph.ainvoke(state, config, context=context)
        while interrupts := found.get("__interrupt__"):
            answers = {}
            for one in interrupts:
                about = state["request_context"].vary_context(role=HUMAN, replicate=asked)
                answer = await context.model.ask(_interruption_prompt(one.value), _TYPED, about)
                if answer.value is None:
                    return {"decision": Decision(None, answer.outcome, answer.reason, prompt="interrupt@1")}
                answers[one.id], asked = answer.value, asked + 1
            found = await graph.ainvoke(Command(resume=answers), config, context=context)
        return cast("Mapping[str, Any]", found)


class _Held:
    """Holds what LangGraph keeps of a graph that waits, as it is: it is needed for one turn, and written nowhere."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        self._values.append(value)
        return "held", str(len(self._values) - 1).encode()

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        return self._values[int(data[1])]


def _interruption_prompt(value: object) -> RenderedPrompt:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return RenderedPrompt("interrupt", 1, (("user", text),))


#: What somebody types where a graph interrupts itself.
_TYPED: AnswerSchema[str] = AnswerSchema("Typed", {"type": "object"}, lambda typed: typed["text"], text_form=WHOLE)  # type: ignore[index]


#: Graphs that are kept compiled: more than one program has at a time.
_KEPT = 64


@lru_cache(maxsize=_KEPT)
def _compile_graph(stages: tuple[Stage, ...]) -> "Graph":
    from langgraph.graph import START, StateGraph

    graph = StateGraph(MindState, context_schema=MindContext)
    names = [stage.__name__ for stage in stages]
    for stage, name, following in zip(stages, names, (*names[1:], None), strict=True):
        graph.add_node(
            name,
            _make_node(stage, following),
            destinations=(*(("revise",) if stage is check else ()), following or "__end__"),
        )
    if check in stages:
        graph.add_node("revise", _make_node(revise, check.__name__), destinations=(check.__name__,))
    graph.add_edge(START, names[0])
    return graph.compile(name="mind")


def _make_node(stage: Stage, following: str | None) -> Callable[..., Awaitable[Any]]:
    """Return the stage as a node of the graph. It names what follows, so that no edge has to be decided."""
    from langgraph.types import Command

    @wraps(stage)
    async def node(state: MindState, runtime: "Runtime[MindContext]") -> Any:
        update = await stage(state, runtime)
        if not isinstance(update, Mapping):
            return update
        if stage is check and _is_sent_back(_update_state(state, update)):
            return Command(update=update, goto="revise")
        return update if following is None else Command(update=update, goto=following)

    return node


def decide_by_rule(rule: Rule, observation: Observation, offered: tuple[type[Action], ...], seed: int) -> Decision:
    """Return the decision of a plain function, which may be to do nothing. Raises `HookError` if it fails."""
    try:
        action: object = rule(observation, random.Random(seed))  # noqa: S311 - no secret
        if observation.state is not None and isinstance(action, type(observation.state)):
            return Decision(None, attempts=0, prompt="rule", model="rule", state=action)
        if action is not None and not isinstance(action, offered):
            raise TypeError(
                f"it must give one of the actions that are offered, the agent's state, or None, and gave {action!r:.80}"
            )
        for key in action.addressees if isinstance(action, Action) and action.addressed else ():
            if key not in observation.addressees:
                raise ValueError(f"it speaks to {key!r}, who is not there")
    except Exception as error:
        raise_explained(error, getattr(rule, "__self__", rule), getattr(rule, "__name__", "mind"))
        raise
    return Decision(action, attempts=0, prompt="rule", model="rule")


def _update_state(state: MindState, update: Any) -> MindState:
    return cast("MindState", {**state, **update})


def _read_decision(state: Mapping[str, Any]) -> Decision:
    decision: Decision = state["decision"]
    return decision
