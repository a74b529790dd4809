"""The task tool-use: conversations whose calls are answered by the tools' implementations, errors included."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from populace.personas.errors import SetupError
from populace.scenarios.tool.task import ToolTask
from populace.scenarios.tool_code.task import ToolCodeTask
from populace.scenarios.tool_code.tool_set import GivenTool, read_tools
from populace.scenarios.tool_use.calls import Step, ToolCall, call_tool
from populace.scenarios.tool_use.task import ToolUse, ToolUseTask, UserRequest, ending, tool_use
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
