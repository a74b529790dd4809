"""A stage in which an agent finds things out by tools before it acts: the mind `react` (Yao et al. 2023).

    agent ──► a tool was chosen ──► tools (LangGraph's ToolNode) ──► agent
      └─────► an action was chosen, or nothing usable: the end

The loop is LangGraph's: its `ToolNode` runs the tools and its `tools_condition` decides. A tool is a plain function of
the scenario, offered as one more choice of the turn, so any model that can answer a turn can call it; each answer is a
call of the gateway, with its budget, cache, log and resume. Tools run in this process, change nothing, and give the
same for the same arguments: a resumed run calls them again.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NotRequired, TypedDict, cast, get_type_hints

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import StructuredTool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import get_runtime
from pydantic import Field, create_model

from ..core.errors import SetupError, hook
from ..core.model import Answer, RequestContext
from ..core.prompt import RenderedPrompt, fence, load_prompt
from .action_schema import check_actions, described_actions
from .actions import Action, Novelty, dump_json
from .mind import Deliberation, MindContext, MindState, Stage, draft_turn
from .observation import Observation
from .turn_prompt import Asides, TurnAnswer, fitted, follow_turn, phrase_of, refused_length, turn_prompt, turn_schema

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.runtime import Runtime

_ROOM = __package__ or "populace.agents"

#: Most characters of a result that the model is shown.
_LONGEST = 800
#: The parameter by which a tool is given what the agent observes; no model is asked for it.
_GIVEN = "observation"

#: A tool: its docstring and typed parameters tell the model what it is for; it gives a text, or anything JSON can hold.
type ToolFunction = Callable[..., object]


class ToolChoice(Action):
    """The call of a tool, as one of the choices of a turn; never emitted."""

    novelty: ClassVar[Novelty | None] = "none"

    @property
    def emitted_text(self) -> str:
        """The arguments as JSON."""
        return dump_json(self.payload)


#: What the arguments of tools cannot be called.
_TAKEN = frozenset({"kind", *dir(ToolChoice), *ToolChoice.__class_vars__})


@dataclass(frozen=True, slots=True)
class _ReactContext:
    """What one turn works on."""

    turn: MindContext
    request: RequestContext
    observation: Observation
    offered: tuple[type[Action], ...]
    tools: tuple[type[ToolChoice], ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The latest request of a turn, and its answer."""

    prompt: RenderedPrompt
    answer: Answer[TurnAnswer]
    view: Observation
    #: Requests of the whole turn so far.
    attempts: int


class _ReactState(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    asked: NotRequired[_Asked]


@lru_cache(maxsize=64)
def react_with(tools: tuple[ToolFunction, ...]) -> Stage:
    """Build the stage `react` with these tools, which replaces `generate`. Raises `SetupError` for an invalid tool."""
    calls = tool_calls(tools)
    graph = _compile_graph(tools, calls)

    async def react(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
        """Ask the model what the agent thinks and does, as long as it calls tools."""
        observation, offered, context = state["observation"], state["offered"], runtime.context
        turn = _ReactContext(context, state["request_context"], observation, offered, calls)
        limit = RunnableConfig(recursion_limit=2 * context.tool_calls + 3)
        ended = await graph.ainvoke({"messages": [HumanMessage(observation.task)]}, limit, context=turn)
        asked: _Asked = ended["asked"]
        schema = turn_schema(offered, asked.view.addressees, context.asks)
        update = draft_turn(asked.prompt, schema, asked.answer, asked.attempts)
        update["deliberations"] = tuple(_list_deliberations(ended["messages"]))
        return update if asked.view is observation else {**update, "observation": asked.view, "shown": asked.view}

    return react


def tool_calls(tools: tuple[ToolFunction, ...]) -> tuple[type[ToolChoice], ...]:
    """Return the choices by which tools are called. Raises `SetupError` for a tool that no model could call."""
    found = tuple(_call_of(tool) for tool in tools)
    check_actions(found, where="The tools")
    return found


def _call_of(tool: ToolFunction) -> type[ToolChoice]:
    name, told = getattr(tool, "__name__", repr(tool)), inspect.getdoc(tool)
    if not told:
        raise SetupError(f"The tool {name} has no docstring; say in one what it finds out, for the model.")
    hints = get_type_hints(tool, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(tool).parameters.values():
        if parameter.name == _GIVEN:
            continue
        if parameter.name in _TAKEN or parameter.name.startswith("_"):
            raise SetupError(
                f"The tool {name} has a parameter {parameter.name!r}, a name that actions have themselves; give it "
                f"another one, as {f'the_{parameter.name.strip("_")}'!r}."
            )
        if parameter.name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SetupError(f"The tool {name} has a parameter {parameter.name!r} without a type; give it one, as str.")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], Field(default))
    kind: Any = Literal[name]
    made = create_model(name, __base__=ToolChoice, __doc__=told, kind=(kind, ...), **fields)
    made.name = name
    return made


def _compile_graph(
    tools: tuple[ToolFunction, ...], calls: tuple[type[ToolChoice], ...]
) -> "CompiledStateGraph[_ReactState, _ReactContext, _ReactState, _ReactState]":
    graph = StateGraph(_ReactState, context_schema=_ReactContext)
    graph.add_node("agent", _ask_model)
    runnable = [_make_runnable(tool, call) for tool, call in zip(tools, calls, strict=True)]
    graph.add_node("tools", ToolNode(runnable, handle_tool_errors=_tell_error))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    return graph.compile(name="react")


async def _ask_model(state: _ReactState, runtime: "Runtime[_ReactContext]") -> Mapping[str, Any]:
    """Make one request, for thoughts and the call of a tool or an action."""
    turn, messages = runtime.context, state["messages"]
    context, before = turn.turn, state.get("asked")
    used = sum(isinstance(message, ToolMessage) for message in messages)
    is_last = used >= context.tool_calls

    def render_view(view: Observation) -> RenderedPrompt:
        asked = react_prompt(
            view,
            turn.offered,
            turn.tools,
            world=context.world,
            seed=context.angle_seed(turn.request),
            count=context.tool_calls,
            asks=context.asks,
        )
        return _extend_prompt(asked, messages, is_last=is_last)

    view = fitted(before.view if before else turn.observation, render_view, context.prompt_tokens)
    prompt = render_view(view)
    offered = turn.offered if is_last else (*turn.offered, *turn.tools)
    schema = turn_schema(offered, view.addressees, context.asks)
    refused: Answer[TurnAnswer] | None = refused_length(prompt, context.prompt_tokens)
    answer = refused or await context.model.ask(prompt, schema, turn.request)
    thought, calls = answer.value, []
    if thought is not None and isinstance(thought.action, ToolChoice):
        calls = [{"name": thought.action.name, "args": thought.action.payload, "id": f"call_{used + 1}"}]
    said = AIMessage(answer.raw, tool_calls=calls, additional_kwargs={"thoughts": thought.thoughts if thought else ""})
    attempts = answer.attempts + (before.attempts if before else 0)
    return {"messages": [said], "asked": _Asked(prompt, answer, view, attempts)}


def react_prompt(
    view: Observation,
    offered: tuple[type[Action], ...],
    tools: tuple[type[ToolChoice], ...],
    *,
    world: str,
    seed: int | None,
    count: int,
    asks: Asides,
) -> RenderedPrompt:
    """Build the first request of a turn in which `count` tool calls may come before the action."""
    turn = replace(asks, thoughts=False)  # the prompt `react` asks for them
    template, request = load_prompt(_ROOM, "react"), turn_prompt(view, offered, world=world, seed=seed, asks=turn)
    more = template.render(
        tools=described_actions(tools),
        number=phrase_of(template, "number", "one" if count == 1 else "several", count=str(count)),
        importance=phrase_of(template, "importance", "asked" if asks.importance else "unasked"),
    )
    return follow_turn(request, more)


def _extend_prompt(prompt: RenderedPrompt, messages: list[AnyMessage], *, is_last: bool) -> RenderedPrompt:
    """Return the prompt with the answers that called tools, and the results of the tools."""
    template = load_prompt(_ROOM, "react")
    answered = [message for message in messages if isinstance(message, AIMessage)]
    results = [message for message in messages if isinstance(message, ToolMessage)]
    for place, (said, result) in enumerate(zip(answered, results, strict=True), start=1):
        word = "last" if is_last and place == len(results) else "more"
        told = phrase_of(template, "result", word, result=fence("result", str(result.content), of=str(result.name)))
        prompt = prompt.followed_by(str(said.content), told)
    return prompt


def _list_deliberations(messages: list[AnyMessage]) -> list[Deliberation]:
    found: list[Deliberation] = []
    arguments = ""
    for message in messages:
        if isinstance(message, AIMessage) and (thoughts := message.additional_kwargs["thoughts"]):
            found.append(Deliberation("thought", thoughts))
            arguments = dump_json(message.tool_calls[0]["args"]) if message.tool_calls else ""
        elif isinstance(message, ToolMessage):
            is_error = message.status == "error"
            found.append(Deliberation("tool", str(message.content), message.name, arguments, is_error))
    return found


def _tell_error(error: ValueError) -> str:
    """Tell the model that a tool does not take the arguments."""
    return f"That cannot be found out: {error}"


def _make_runnable(tool: ToolFunction, call: type[ToolChoice]) -> Any:
    """Return the tool as LangGraph runs it, on the observation of the agent whose turn it is."""
    is_given = _GIVEN in inspect.signature(tool).parameters
    owner = getattr(tool, "__self__", tool)

    async def run_tool(**arguments: Any) -> str:
        given = {_GIVEN: get_runtime(_ReactContext).context.observation} if is_given else {}
        refused: ValueError | None = None
        text = ""
        with hook(owner, call.name):
            try:
                result: object = tool(**arguments, **given)
                if inspect.isawaitable(result):
                    result = await cast("Awaitable[object]", result)
                # What JSON cannot hold has no text that is the same when a resumed run calls the tool again.
                text = result if isinstance(result, str) else dump_json(result)
            except ValueError as error:  # arguments that it does not take: the model is told
                refused = error
        if refused is not None:
            raise refused
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in call.model_fields.items() if name != "kind"
    }
    arguments = create_model(f"{call.name}_arguments", **fields)
    return StructuredTool.from_function(
        coroutine=run_tool, name=call.name, description=call.__doc__, args_schema=arguments, infer_schema=False
    )
