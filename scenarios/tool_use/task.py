"""Conversations in which an assistant calls tools that people need, and gets what their implementations give.

`populace make tool-use --tools code.duckdb --execute` takes the tools of a run of `populace make tool-code`. Each
person asks for one thing or several, one after the other; for each, the assistant (the role `solver`) sees a few tools
and calls, answers or declines. Calls that do not fit the interface, and those that the implementation refuses, stay in
the conversation with their errors.
"""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from populace.agents.actions import Action, Check
from populace.agents.checks import TEXT_CHECKS, CheckResult, failed, passed
from populace.agents.mind import Draft, Mind, MindState, Rule, check, keep
from populace.agents.procedural.lexicon import fill_frame, read_toml, split
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import Speaker
from populace.agents.responses import ask_line, check_lines, schema_of
from populace.agents.sandbox import FunctionCall, confinement, run_code
from populace.agents.tools import as_openai, value_fault
from populace.agents.turn_prompt import turn_prompt
from populace.core.errors import SetupError, parameter
from populace.core.model import Answer, AnswerSchema, FrozenModel, NativeTools, Outcome
from populace.core.prompt import Prompt, fence, read_prompt
from populace.scenarios.tool.task import find_kit
from populace.scenarios.tool_code.tool_set import GivenTool, ToolSetSettings, ToolSetTask
from populace.sim.scenario import Settings

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from populace.agents.mind import MindContext

#: Most calls of one step.
_MOST_AT_ONCE = 16


class ToolCall(FrozenModel):
    """One call."""

    tool: Annotated[str, Field(description="Name of the tool.")]
    arguments: Annotated[str, Field(description="Its arguments by name, as a JSON object.")]


class Step(FrozenModel):
    """What the assistant does next."""

    does: Annotated[Literal["call", "answer", "decline"], Field(description="What kind of step it is.")]
    calls: Annotated[
        list[ToolCall],
        Field(max_length=_MOST_AT_ONCE, description="Calls that do not need each other's results; empty otherwise."),
    ]
    text: Annotated[str, Field(max_length=4_000, description="What the user is told; empty for calls.")]

    @model_validator(mode="after")
    def _holds_what_it_does(self) -> Self:
        if self.does == "call" and not self.calls:
            raise ValueError("a step that calls needs at least one call in calls")
        if self.does != "call" and not self.text.strip():
            raise ValueError(f"a step of the kind {self.does!r} needs its text")
        return self


#: The tool by which an assistant declines where the endpoint calls tools itself.
DECLINE = "decline_request"


def read_native(calls: Sequence[tuple[str, str]], text: str, *, has_results: bool) -> dict[str, Any] | None:
    """Return the step that an endpoint's own calls of tools make; None for a text before any tool was called.

    Endpoints that pass over tools answer with such a text, and are then asked for a step in JSON.
    """
    declined = [arguments for name, arguments in calls if name == DECLINE]
    if declined:
        try:
            return {"does": "decline", "calls": [], "text": json.loads(declined[0])["text"]}
        except (ValueError, KeyError, TypeError):
            return None
    if calls:
        told = [{"tool": name, "arguments": arguments} for name, arguments in calls]
        return {"does": "call", "calls": told, "text": ""}
    return {"does": "answer", "calls": [], "text": text} if has_results and text.strip() else None


async def call_tool(shown: Sequence[GivenTool], call: ToolCall) -> tuple[str, bool]:
    """What a call gives, as JSON, and whether it is an error: of the call, or of the implementation that refuses it."""
    tool = next((one for one in shown if one.name == call.tool), None)
    if tool is None:
        return refuse_call(f"There is no tool {call.tool!r}; there are {', '.join(one.name for one in shown)}.")
    try:
        arguments = json.loads(call.arguments)
    except ValueError as error:
        return refuse_call(f"The arguments are not JSON: {error}.")
    if wrong := value_fault(arguments, tool.interface["parameters"]):
        return refuse_call(f"The arguments do not fit: {wrong}.")
    done = await run_code(tool.code, calls=[FunctionCall(tool.name, arguments)])
    if not done.returned:
        return refuse_call(done.reason)
    (returned,) = done.returned
    return refuse_call(returned.error) if returned.error else (json.dumps(returned.value, ensure_ascii=False), False)


def refuse_call(reason: str) -> tuple[str, bool]:
    """What a call gets that gives nothing."""
    return json.dumps({"error": reason}, ensure_ascii=False), True


_PHRASES = Path(__file__).with_name("phrases.toml")
#: The share of requests of which the first call is wrong, and of those that take several tools and get them at once.
_WRONG, _AT_ONCE = 0.3, 0.6
#: What a further request begins with, and how two questions are put in one.
_FURTHER = ("", "ok. ", "Thanks. ", "Next one: ", "one more: ", "Good. Now this: ")
_TOGETHER = ("1) {first} 2) {second}", "{first}\n{second}", "{first}\nand: {second}")


def request(
    needs: Sequence[GivenTool], seed: int, rng: random.Random, situation: Situation, schema: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What the person asks: the questions that the tools' examples answer, or something that takes hands or a phone."""
    if needs:
        return {"text": _join_questions(needs, seed, rng)}
    told = {"things": rng.choice(Speaker(rng, situation).me.role.things)}
    told |= {slot: rng.choice(split(read_toml(_PHRASES)[slot])) for slot in ("name", "day")}
    return {"text": _say_phrase("beyond", rng, **told)}


def _say_phrase(kind: str, rng: random.Random, /, **slots: str) -> str:
    return fill_frame(rng.choice(split(read_toml(_PHRASES)[kind])), slots.get) or ""


def further_request(
    needs: Sequence[GivenTool],
    seed: int,
    earlier: Sequence[str],
    rng: random.Random,
    situation: Situation,
    schema: Mapping[str, Any],
) -> Mapping[str, Any]:
    """The next request, or none where all that could be asked was asked earlier."""
    text = str(request(needs, seed, rng, situation, schema)["text"])
    if any(text in one for one in earlier):
        return {"done": True, "text": ""}
    return {"done": False, "text": rng.choice(_FURTHER if needs else _FURTHER[:2]) + text}


def _join_questions(needs: Sequence[GivenTool], seed: int, rng: random.Random) -> str:
    first, *others = (question_of(tool, seed)[0] for tool in needs)
    for second in others:
        first = rng.choice(_TOGETHER).format(first=first, second=second)
    return first


def question_of(tool: GivenTool, seed: int) -> tuple[str, str]:
    """A question that the tool answers, and the arguments of the call: with other figures for another seed."""
    if (found := find_kit(tool.name)) is None:
        return tool.question, tool.example
    kit, thing = found
    made = kit.write_implementation(tool.name, thing, random.Random(f"figures {seed}"))  # noqa: S311 - no secret
    return made["question"], made["example"]["arguments"]


def next_step(
    needs: Sequence[GivenTool],
    seed: int,
    shown: Sequence[GivenTool],
    messages: Sequence[Mapping[str, Any]],
    rng: random.Random,
    situation: Situation,
    schema: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Call the tools, correct a call that was wrong, and say what came out; decline where no tool fits."""
    if not needs:
        purpose = rng.choice(shown).interface["purpose"].partition(". ")[0].rstrip(".")
        return _make_step("decline", _say_phrase("declined", rng, purpose=purpose[:1].lower() + purpose[1:]))
    since = messages[max(place for place, one in enumerate(messages) if one["role"] == "user") + 1 :]
    given = {one["name"]: one["content"] for one in since if one["role"] == "tool" and not _is_error(one["content"])}
    left = [tool for tool in needs if tool.name not in given]
    if not left:
        return _make_step("answer", "\n".join(_describe_value(json.loads(given[tool.name]), rng) for tool in needs))
    # Drawn by the request alone, so that the second step goes on as the first one began.
    chance = random.Random(f"steps {seed}")  # noqa: S311 - no secret
    at_once = chance.random() < _AT_ONCE
    calls = [{"tool": tool.name, "arguments": question_of(tool, seed)[1]} for tool in (left if at_once else left[:1])]
    if not since and chance.random() < _WRONG:
        calls[0] = _make_mistake(calls[0], left[0], chance)
    return {"does": "call", "calls": calls, "text": ""}


def _make_mistake(call: Mapping[str, str], tool: GivenTool, rng: random.Random) -> dict[str, str]:
    """The call with a mistake that assistants make."""
    arguments = json.loads(call["arguments"])
    mistakes = [
        {"arguments": call["arguments"].removesuffix("}")},
        {"arguments": json.dumps({**arguments, "note": "as asked"})},
        {"arguments": json.dumps(dict(list(arguments.items())[1:]))},
        {"tool": f"{tool.name}_tool"},
    ]
    if tool.refused:
        mistakes.append({"arguments": rng.choice(tool.refused)})
    return {**call, **rng.choice(mistakes)}


def _make_step(does: str, text: str) -> dict[str, Any]:
    return {"does": does, "calls": [], "text": text}


def _is_error(content: str) -> bool:
    found = json.loads(content)
    return isinstance(found, dict) and found.keys() == {"error"}


def _describe_value(value: Any, rng: random.Random) -> str:
    """Return a value in words."""
    kind = "nothing" if value == [] else "parts" if isinstance(value, list | dict) else "plain"
    return _say_phrase(kind, rng, value=_plain_value(value))


def _plain_value(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{key.replace('_', ' ')} {_plain_value(one)}" for key, one in value.items())
        case []:
            return "nothing"
        case list():
            return ("; " if isinstance(value[0], dict) else ", ").join(map(_plain_value, value))
        case float():
            return f"{value:.10g}"
    return str(value)


_FOLDER = Path(__file__).parent
PROMPT = read_prompt(_FOLDER / "tool_use.v1.toml")
FURTHER = read_prompt(_FOLDER / "further.v2.toml")
ASSISTANT = read_prompt(_FOLDER / "assistant.v2.toml")
#: Share of requests that take one tool, where they may take more.
_ONE_TOOL = 0.6

SpokenText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=2_000)]


class UserRequest(FrozenModel):
    """One of the user's requests, and how it ended."""

    #: Names of the tools that it takes; none for what no tool can do.
    needs: tuple[str, ...]
    #: Calls that were made for it, and those of them that got an error.
    calls: int = 0
    wrong_calls: int = 0
    #: `answer` or `decline`, as the assistant ended; `calls` where it made too many; or how a request ended.
    ended: str = ""


class ToolUse(Action):
    """What this person would type to the assistant now, word for word and nothing around it."""

    name: ClassVar[str] = "tool_use"
    prompt: ClassVar[str | Prompt] = PROMPT
    checks: ClassVar[tuple[Check, ...]] = TEXT_CHECKS

    kind: Literal["tool_use"]
    text: Annotated[SpokenText, Field(description="The request itself, as this person would type it.")]
    #: The conversation in OpenAI's form: `tool_calls` of the assistant, and messages of the role `tool`.
    messages: SkipJsonSchema[list[dict[str, Any]]] = Field(default_factory=list)
    #: The tools that the assistant had, as OpenAI functions.
    tools: SkipJsonSchema[list[dict[str, Any]]] = Field(default_factory=list)
    #: What was asked for, in order; the first is `text`.
    requests: SkipJsonSchema[tuple[UserRequest, ...]] = ()
    #: Calls of all requests, and those of them that got an error.
    calls: SkipJsonSchema[int] = 0
    wrong_calls: SkipJsonSchema[int] = 0
    #: How the last request ended.
    ended: SkipJsonSchema[str] = ""
    #: What confined the tools' code (`SandboxLevel`).
    confinement: SkipJsonSchema[str] = ""

    @property
    def emitted_text(self) -> str:
        """The first request."""
        return self.text


class ToolUseSettings(ToolSetSettings):
    """Which tools the assistant has, and how far it goes."""

    tools_shown: int = Field(4, ge=1, le=32, description="Tools that the assistant has in a conversation")
    requests: int = Field(3, ge=1, le=10, description="Requests of the user in a conversation; drawn from 1 to this")
    tools_needed: int = Field(2, ge=1, le=4, description="Tools that a request takes, at most")
    most_calls: int = Field(4, ge=1, le=20, description="Calls that the assistant may make for a request")
    beyond: float = Field(0.15, ge=0, le=1, description="Share of requests that none of the tools can do")


@dataclass(slots=True)
class ToolDialogue:
    """A conversation: what it is about, and how far it has gone."""

    #: The tools that the assistant has.
    shown: Sequence[GivenTool]
    #: For each request the tools that it takes; none for one that is beyond them all.
    needs: Sequence[Sequence[GivenTool]]
    messages: list[dict[str, Any]] = field(default_factory=list)
    done: list[UserRequest] = field(default_factory=list)
    #: Calls so far, by which they are numbered.
    calls: int = 0


class ToolUseTask(ToolSetTask):
    """Conversations in which an assistant calls tools, errors included."""

    name = "tool-use"
    actions: tuple[type[Action], ...] = (ToolUse,)
    settings_type: ClassVar[type[Settings]] = ToolUseSettings
    settings: ToolUseSettings
    for_anybody: ClassVar[bool] = True

    def check_readable(self) -> None:
        """Read the tools. Raises `SourceError`, and `SetupError` where nothing could be called."""
        super().check_readable()
        how = "`populace make tool-code --execute`"
        if not self.settings.tools:
            raise SetupError(f"tool-use needs tools: give a run of {how} with {parameter('tools')}.")
        if not self.settings.execute:
            raise SetupError(f"tool-use runs the code of tools in a sandbox; allow it with {parameter('execute')}.")
        if not any(tool.code for tool in self.given_tools):
            raise SetupError(
                f"The tools in {self.settings.tools!r} have no implementations; give a run of {how} with "
                f"{parameter('tools')}."
            )

    def mind(self) -> Mind | Rule:
        """Ask for the request, check it, and let the assistant work and the person go on."""
        return Mind((self.ask, check, self.converse, keep))

    def begin(self, agent: str, rng: random.Random) -> ToolDialogue:
        """What a conversation with this person is about: first a tool that was made for them, where there is one."""
        able = [tool for tool in self.given_tools if tool.code]
        first = rng.choice([tool for tool in able if tool.agent == agent] or able)
        others = [tool for tool in able if tool.name != first.name]
        shown = [first, *rng.sample(others, min(len(others), self.settings.tools_shown - 1))]
        rng.shuffle(shown)
        needs = [
            self._needed_tools(first if not place else rng.choice((first, rng.choice(shown))), shown, rng)
            for place in range(rng.randint(1, self.settings.requests))
        ]
        return ToolDialogue(shown, needs)

    def _needed_tools(self, tool: GivenTool, shown: Sequence[GivenTool], rng: random.Random) -> Sequence[GivenTool]:
        """The tools that a request takes which needs this one."""
        if rng.random() < self.settings.beyond:
            return ()
        others = [one for one in shown if one is not tool]
        most = min(self.settings.tools_needed, len(shown))
        count = 1 if most == 1 or rng.random() < _ONE_TOOL else rng.randint(2, most)
        return (tool, *rng.sample(others, count - 1))

    async def ask(self, state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
        """Ask for what the person would ask of an assistant with these tools."""
        context, seed = state["request_context"], state["request_context"].seed
        talk = self.begin(state["observation"].agent, random.Random(seed))  # noqa: S311 - no secret
        observation = replace(state["observation"], task=_describe_need(talk, 0))
        prompt = turn_prompt(observation, (ToolUse,), world=runtime.context.world, seed=seed)
        schema = cast("AnswerSchema[Action]", schema_of(ToolUse, PROMPT.name, partial(request, talk.needs[0], seed)))
        answer = await runtime.context.model.ask(prompt, schema, context)
        return {
            "draft": Draft(prompt, schema, answer, answer.attempts),
            "observation": observation,
            "results": {"talk": talk},
        }

    async def converse(self, state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
        """Let the assistant see to each request, and the person go on, until what was planned has been asked."""
        draft, talk = state["draft"], state["results"]["talk"]
        action = draft.accepted
        if not isinstance(action, ToolUse):
            return {}
        text = action.text
        while text:
            talk.messages.append({"role": "user", "content": text})
            talk.done.append(await self._see_to(talk, state, runtime))
            is_over = len(talk.done) == len(talk.needs) or talk.done[-1].ended not in ("answer", "decline")
            text = "" if is_over else await _ask_further(talk, state, runtime)
        kept = action.model_copy(
            update={
                "messages": talk.messages,
                "tools": [as_openai(tool.interface) for tool in talk.shown],
                "requests": tuple(talk.done),
                "calls": talk.calls,
                "wrong_calls": sum(one.wrong_calls for one in talk.done),
                "ended": talk.done[-1].ended,
                "confinement": confinement().value,
            }
        )
        draft = replace(draft, answer=replace(draft.answer, value=kept))
        said = [
            (f"messages[{at}].content", one["content"])
            for at, one in enumerate(talk.messages)
            if at and one["role"] == "user"
        ]
        persona = state["observation"].persona
        draft = check_lines(state, runtime.context, draft, said, persona=persona, rules=FURTHER.system)
        return {"draft": draft.checked("ended", ending(kept)).checked("used_tools", tool_use(kept))}

    async def _see_to(self, talk: ToolDialogue, state: MindState, runtime: "Runtime[MindContext]") -> UserRequest:
        """Let the assistant call tools until it answers, declines, or has made as many calls as it may."""
        made, wrong = 0, 0
        while True:
            left = max(0, self.settings.most_calls - made)
            answer = await _next_step(talk, left, state, runtime)
            step = answer.value
            if step is None or step.does != "call":
                if step is not None:
                    talk.messages.append({"role": "assistant", "content": step.text})
                ended = answer.outcome.value if step is None else step.does
                break
            if not left:
                ended = "calls"
                break
            given = await asyncio.gather(*(call_tool(talk.shown, call) for call in step.calls[:left]))
            given += [refuse_call("No more calls may be made for this request.")] * (len(step.calls) - len(given))
            made += len(step.calls)
            wrong += sum(is_wrong for _, is_wrong in given)
            _add_calls(talk, step, [content for content, _ in given])
        needs = tuple(tool.name for tool in talk.needs[len(talk.done)])
        return UserRequest(needs=needs, calls=made, wrong_calls=wrong, ended=ended)


def _describe_need(talk: ToolDialogue, place: int) -> str:
    """What is said to whoever writes a request of what it takes."""
    names = [tool.name for tool in talk.needs[place]]
    phrase = PROMPT.find_phrase("need", ("beyond", "one")[len(names)] if len(names) < 2 else "several")
    told = "\n".join(f"- {tool.name}: {tool.interface['purpose']}" for tool in talk.shown)
    return Template(phrase).substitute(tools=told, needed=", ".join(names))


async def _ask_further(talk: ToolDialogue, state: MindState, runtime: "Runtime[MindContext]") -> str:
    """The person's next request; empty where there is none."""
    place, seed = len(talk.done), state["request_context"].seed
    prompt = FURTHER.render(
        persona=fence("persona", state["observation"].persona),
        conversation=fence("conversation", "\n".join(_show_message(one) for one in talk.messages if one["content"])),
        task=fence("task", _describe_need(talk, place)),
    )
    earlier = [one["content"] for one in talk.messages if one["role"] == "user"]
    said = await ask_line(state, runtime, prompt, partial(further_request, talk.needs[place], seed + place, earlier))
    return said.value or "" if said.outcome is Outcome.OK else ""


async def _next_step(talk: ToolDialogue, left: int, state: MindState, runtime: "Runtime[MindContext]") -> Answer[Step]:
    shown, place = talk.shown, len(talk.done)
    prompt = ASSISTANT.render(
        tools=fence("tools", "\n".join(json.dumps(as_openai(tool.interface)["function"]) for tool in shown)),
        conversation=fence("conversation", "\n".join(_show_message(one) for one in talk.messages)),
        left=str(left),
    )
    seed = state["request_context"].seed + place
    generate = partial(next_step, talk.needs[place], seed, shown, list(talk.messages))
    schema = replace(schema_of(Step, ASSISTANT.name, generate), native=_native_tools(talk, left))
    return await runtime.context.model.ask(prompt, schema, state["request_context"].vary_context(role="solver"))


def _native_tools(talk: ToolDialogue, left: int) -> NativeTools:
    """The next step for an endpoint that calls tools itself: it declines by a tool, too."""
    system, about, text = (ASSISTANT.find_phrase("native", word) for word in ("system", "decline", "text"))
    told = Template(system).substitute(decline=DECLINE, left=left).strip()
    said = {"type": "string", "description": text}
    form = {"type": "object", "properties": {"text": said}, "required": ["text"], "additionalProperties": False}
    tools = [tool.interface for tool in talk.shown]
    return NativeTools(
        messages=({"role": "system", "content": told}, *talk.messages),
        tools=[as_openai(one) for one in (*tools, {"name": DECLINE, "purpose": about, "parameters": form})],
        read=partial(read_native, has_results=talk.messages[-1]["role"] == "tool"),
    )


def _show_message(message: Mapping[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)


def _add_calls(talk: ToolDialogue, step: Step, contents: Sequence[str]) -> None:
    """The message that calls, and one with what came of each call, in the order of the calls."""
    calls, results = [], []
    for call, content in zip(step.calls, contents, strict=True):
        talk.calls += 1
        key = f"call_{talk.calls}"
        calls.append({"id": key, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}})
        results.append({"role": "tool", "tool_call_id": key, "name": call.tool, "content": content})
    talk.messages.append({"role": "assistant", "content": None, "tool_calls": calls})
    talk.messages.extend(results)


def ending(made: ToolUse) -> CheckResult:
    """Whether the assistant came to an end that the user can read, for every request."""
    last = made.requests[-1]
    if last.ended in ("answer", "decline"):
        return passed()
    place = f"request {len(made.requests)}"
    if last.ended == "calls":
        return failed(f"The assistant made {last.calls} calls for {place} and did not answer.")
    return failed(f"A step of the assistant for {place} ended with {last.ended}.")


def tool_use(made: ToolUse) -> CheckResult:
    """Whether tools were used where one fits, and only there: the score is the share of calls that were right."""
    score = 1 - made.wrong_calls / made.calls if made.calls else None
    for place, one in enumerate(made.requests, start=1):
        if one.needs and one.calls == one.wrong_calls:
            return failed(f"No call gave anything for request {place}, though a tool fits it.", score)
        if not one.needs and one.ended != "decline":
            return failed(f"No tool fits request {place}, and the assistant did not decline it.", score)
    return passed(score)
