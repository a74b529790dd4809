"""The task tool-use: conversations whose calls are answered by the tools' implementations, errors included."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Limits
from populace.core.errors import SetupError
from populace.scenarios.tool.task import ToolTask
from populace.scenarios.tool_code.task import ToolCodeTask
from populace.scenarios.tool_code.tool_set import GivenTool, read_tools
from populace.scenarios.tool_use.task import (
    DECLINE,
    Step,
    ToolCall,
    ToolUse,
    ToolUseTask,
    UserRequest,
    call_tool,
    ending,
    read_native,
    tool_use,
)
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society
from populace.sim.tasks.task import Task, read_demonstrations

HALF = GivenTool(
    interface={
        "name": "half",
        "purpose": "Halves.",
        "parameters": {
            "type": "object",
            "properties": {"of": {"type": "number", "description": "A number."}},
            "required": ["of"],
            "additionalProperties": False,
        },
        "returns": {"type": "number", "description": "A number."},
    },
    code="def half(of):\n    if of < 0:\n        raise ValueError('less than nothing')\n    return of / 2\n",
)


def rows(path: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def made(path: Path, task: Task, *, people: int | None = None) -> Path:
    growth = task.growth(Growth() if people is None else Growth(agents=people), is_counted=people is not None)
    Society(task, growth=growth, seed=3, out=path).run()
    return path


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    tools = made(folder / "tools.duckdb", ToolTask({"n": 8}), people=8)
    return made(folder / "code.duckdb", ToolCodeTask({"n": 8, "tools": str(tools), "execute": True}))


@pytest.fixture(scope="module")
def conversations(code: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"n": 8, "tools": str(code), "execute": True, "tools_shown": 3, "beyond": 0.3, "prompting": "few-shot"}
    return made(tmp_path_factory.mktemp("use") / "use.duckdb", ToolUseTask(settings))


def payloads(path: Path) -> list[dict[str, Any]]:
    return [json.loads(payload) for (payload,) in rows(path, "SELECT payload FROM outputs ORDER BY emission")]


async def test_calls_get_what_the_implementations_give(code: Path, conversations: Path) -> None:
    tools = read_tools(str(code)).tools
    messages = next(p["messages"] for p in payloads(conversations) if p["calls"])
    calls = {call["id"]: call["function"] for one in messages for call in one.get("tool_calls", ())}
    for one in messages:
        if one["role"] == "tool":
            called = calls[one["tool_call_id"]]
            call = ToolCall(tool=called["name"], arguments=called["arguments"])
            assert (await call_tool(tools, call))[0].partition(";")[0] == one["content"].partition(";")[0]


def test_conversations_are_in_the_form_of_openai(conversations: Path) -> None:
    for payload in payloads(conversations):
        assert len(payload["tools"]) == 3
        assert payload["text"] == payload["messages"][0]["content"]
        assert payload["calls"] == fault_or_calls(payload["messages"])


def fault_or_calls(messages: list[dict[str, Any]]) -> int | str:
    """How many calls there are, or what OpenAI's form does not allow: each call is answered before anything is said."""
    open_calls: list[str] = []
    seen: set[str] = set()
    before = "assistant"
    for message in messages:
        role = message["role"]
        if role == "tool":
            if message["tool_call_id"] not in open_calls:
                return f"an answer to no call: {message}"
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            return f"{open_calls} without an answer"
        if (role == "user") != (before == "assistant"):
            return f"{role} after {before}"
        open_calls = [call["id"] for call in message.get("tool_calls", ())]
        if seen & set(open_calls) or len(set(open_calls)) < len(open_calls):
            return f"{open_calls} twice"
        seen |= set(open_calls)
        before = "calls" if open_calls else role
        if bool(open_calls) == bool(message["content"]):
            return f"calls and text, or neither: {message}"
    return len(seen) if before == "assistant" and not open_calls else f"it ends with {before}"


def test_a_conversation_holds_several_requests_and_calls_at_once(conversations: Path) -> None:
    found = payloads(conversations)
    assert {len(p["requests"]) for p in found} == {1, 2, 3}
    assert all([m["role"] for m in p["messages"]].count("user") == len(p["requests"]) for p in found)
    assert max(len(m.get("tool_calls", ())) for p in found for m in p["messages"]) == 2
    for p in found:
        for one in p["requests"]:
            assert one["ended"] == ("answer" if one["needs"] else "decline")
            assert one["calls"] - one["wrong_calls"] == len(one["needs"])
        assert p["calls"] == sum(one["calls"] for one in p["requests"])


def test_wrong_calls_and_refusals_are_kept(conversations: Path) -> None:
    found = payloads(conversations)
    assert any(p["wrong_calls"] for p in found)
    assert any(not one["needs"] for p in found for one in p["requests"])
    assert '\\"error\\"' in json.dumps(found)
    statuses = rows(conversations, "SELECT status, count(*) FROM outputs GROUP BY ALL")
    assert dict(statuses)["accepted"] == 8
    assert replay(conversations, ToolUseTask).difference == ""


@pytest.mark.parametrize(
    ("tool", "arguments", "content"),
    [
        ("half", '{"of": 3}', "1.5"),
        ("half", '{"of": -3}', '{"error": "ValueError: less than nothing"}'),
        ("half", '{"of": "3"}', "The arguments do not fit: '3' is not of type 'number'."),
        ("half", "{of: 3}", "The arguments are not JSON"),
        ("half", "[]", "The arguments do not fit: [] is not of type 'object'."),
        ("double", "{}", "There is no tool 'double'; there are half."),
    ],
)
async def test_a_call_gives_a_value_or_an_error(tool: str, arguments: str, content: str) -> None:
    found, is_wrong = await call_tool([HALF], ToolCall(tool=tool, arguments=arguments))
    assert content in found
    assert is_wrong == (found != "1.5")


def use(*requests: UserRequest) -> ToolUse:
    counted = {name: sum(getattr(one, name) for one in requests) for name in ("calls", "wrong_calls")}
    return ToolUse(kind="tool_use", text="what is half of three", requests=requests, **counted)


def test_checks_say_how_a_conversation_went() -> None:
    good = UserRequest(needs=("half",), calls=1, ended="answer")
    assert ending(use(good)).outcome == "passed"
    many = UserRequest(needs=("half",), calls=4, ended="calls")
    assert "made 4 calls for request 2 and did not answer" in ending(use(good, many)).reason
    late = UserRequest(needs=("half",), ended="timeout")
    assert "for request 1 ended with timeout" in ending(use(late)).reason
    assert tool_use(use(good.model_copy(update={"calls": 2, "wrong_calls": 1}))).score == 0.5
    assert "No call gave anything for request 2" in tool_use(use(good, late)).reason
    assert "did not decline" in tool_use(use(UserRequest(needs=(), ended="answer"))).reason
    assert tool_use(use(good, UserRequest(needs=(), ended="decline"))).outcome == "passed"


def test_a_step_holds_what_it_does() -> None:
    with pytest.raises(ValueError, match="needs at least one call in calls"):
        Step(does="call", calls=[], text="")
    with pytest.raises(ValueError, match="of the kind 'decline' needs its text"):
        Step(does="decline", calls=[], text=" ")


def test_what_is_missing_is_said_before_anything_is_asked(code: Path) -> None:
    with pytest.raises(SetupError, match="tool-use needs tools: give a run of `populace make tool-code --execute`"):
        ToolUseTask().check_readable()
    with pytest.raises(SetupError, match="runs the code of tools in a sandbox; allow it with"):
        ToolUseTask({"tools": str(code)}).check_readable()
    bare = code.with_name("tools.duckdb")
    with pytest.raises(SetupError, match="have no implementations"):
        ToolUseTask({"tools": str(bare), "execute": True}).check_readable()
    with pytest.raises(SetupError, match="are for the people of that run; leave `hub` out"):
        ToolCodeTask({"tools": str(bare)}).growth(Growth(hub=code), is_counted=False)


def test_demonstrations_are_requests_of_people() -> None:
    assert all(one.persona for one in read_demonstrations(ToolUseTask().demonstrations_file))


type Writer = Callable[[dict[str, Any]], str | dict[str, Any]]


def assistant(examples: Mapping[str, str], *, passes_over: bool = False) -> Writer:
    """What a model writes that calls its first tool once, and answers then: by tools of its own or in JSON."""

    def write(asked: dict[str, Any]) -> str | dict[str, Any]:
        last = asked["messages"][-1]
        form = asked.get("response_format", {}).get("json_schema", {"name": ""})
        if "tools" in asked:
            name = asked["tools"][0]["function"]["name"]
            if last["role"] == "tool" or passes_over:
                return f"It is what {name} gave."
            function = {"name": name, "arguments": examples[name]}
            calls = [{"id": "x", "type": "function", "function": function}]
            return {"content": None, "tool_calls": calls, "finish_reason": "tool_calls"}
        if form["name"] != "tool_use_step":
            return json.dumps({"kind": "tool_use", "text": hashlib.sha256(last["content"].encode()).hexdigest()})
        # A complaint follows the conversation where it is asked for again.
        prompt = next(one["content"] for one in asked["messages"] if one["role"] == "user")
        name = json.loads(prompt.partition("<tools>\n")[2].partition("\n")[0])["name"]
        if '"role": "tool"' in prompt:
            return json.dumps({"does": "answer", "calls": [], "text": f"It is what {name} gave."})
        calls = [{"tool": name, "arguments": examples[name]}]
        return json.dumps({"does": "call", "calls": calls, "text": ""})

    return write


def asked_of(server: OpenAIServer, code: Path, out: Path, *, width: int = 8) -> Society:
    server.keep_bodies = True
    settings = {"n": 6, "tools": str(code), "execute": True, "tools_shown": 2, "requests": 1, "beyond": 0}
    task = ToolUseTask(settings)
    growth = task.growth(Growth(), is_counted=False)
    limits = Limits(max_in_flight=width)
    return Society(task, growth=growth, seed=3, out=out, model="openai:test", base_url=server.base_url, limits=limits)


@pytest.mark.parametrize("kind", ["calls", "refuses", "passes over"])
def test_an_endpoint_that_calls_tools_itself_makes_what_others_make_in_json(
    code: Path, tmp_path: Path, openai_server: OpenAIServer, kind: str
) -> None:
    examples = {tool.name: tool.example for tool in read_tools(str(code)).tools}
    openai_server.writer = assistant(examples, passes_over=kind == "passes over")
    if kind == "refuses":
        openai_server.fault("no_tools")
    path = tmp_path / "use.duckdb"
    run = asked_of(openai_server, code, path, width=1).run()
    made = payloads(path)
    assert len(made) == 6
    for one in made:
        assert [message["role"] for message in one["messages"]] == ["user", "assistant", "tool", "assistant"]
        assert (one["ended"], one["calls"], one["wrong_calls"]) == ("answer", 1, 0)
    native = [body for body in openai_server.bodies if "tools" in body]
    # Two steps for each of six requests; one refusal, or three texts where a call is due, are enough.
    assert len(native) == {"calls": 12, "refuses": 1, "passes over": 3}[kind]
    assert native[0]["messages"][0]["role"] == "system"
    assert DECLINE in native[0]["messages"][0]["content"]
    raw = [
        json.loads(text)
        for (text,) in rows(path, "SELECT raw FROM calls WHERE purpose = 'tool_use_step' AND outcome = 'ok'")
    ]
    assert [set(one) for one in raw] == [{"does", "calls", "text"}] * 12
    assert replay(path, ToolUseTask).difference == ""
    if kind == "calls":
        assert [one["role"] for one in native[-1]["messages"]] == ["system", "user", "assistant", "tool"]
        assert "response_format" not in native[0]
        wide = tmp_path / "wide.duckdb"
        assert asked_of(openai_server, code, wide).run().event_hash == run.event_hash
        with asked_of(openai_server, code, tmp_path / "stopped.duckdb") as begun:
            begun.step()
        calls = openai_server.calls
        assert (
            Society.resume(tmp_path / "stopped.duckdb", ToolUseTask, base_url=openai_server.base_url).run().event_hash
            == run.event_hash
        )
        assert openai_server.calls == calls


def test_calls_and_texts_of_an_endpoint_make_a_step() -> None:
    def step(calls: Sequence[tuple[str, str]], text: str = "", *, has_results: bool = False) -> Any:
        found = read_native(calls, text, has_results=has_results)
        return None if found is None else Step.model_validate(found)

    called = step([("half", '{"of": 2}'), ("half", "{")], "Let me see.")
    assert [(one.tool, one.arguments) for one in called.calls] == [("half", '{"of": 2}'), ("half", "{")]
    assert step([(DECLINE, '{"text": "I cannot ring anybody."}')]).does == "decline"
    assert (
        step([(DECLINE, "{}")]) is step([(DECLINE, "[")]) is step([], "It is 3.") is step([], has_results=True) is None
    )
    assert step([], "It is 3.", has_results=True).does == "answer"
