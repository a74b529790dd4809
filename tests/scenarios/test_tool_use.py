"""The task tool-use: conversations whose calls are answered by the tools' implementations, errors included."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from populace.personas.errors import SetupError
from populace.scenarios.tool.task import ToolTask
from populace.scenarios.tool_code.task import ToolCodeTask
from populace.scenarios.tool_code.tool_set import GivenTool
from populace.scenarios.tool_use.task import Step, ToolUse, ToolUseTask, call_tool, ending, tool_use
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society
from populace.sim.task import Task, read_demonstrations

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


def test_calls_get_what_the_implementations_give(code: Path, conversations: Path) -> None:
    results = {p["tool"]["name"]: p["results"][0]["value"] for p in payloads(code)}
    answered = [p for p in payloads(conversations) if p["ended"] == "answer"]
    assert answered
    for payload in answered:
        last = payload["messages"][-2]
        assert json.loads(last["content"]) == results[last["name"]]


def test_conversations_are_in_the_form_of_openai(conversations: Path) -> None:
    for payload in payloads(conversations):
        roles = [message["role"] for message in payload["messages"]]
        assert roles[0] == "user"
        assert roles[-1] == "assistant"
        named = {tool["function"]["name"] for tool in payload["tools"]}
        assert len(payload["tools"]) == 3
        calls = [call for message in payload["messages"] for call in message.get("tool_calls", ())]
        answers = [message for message in payload["messages"] if message["role"] == "tool"]
        assert [call["id"] for call in calls] == [message["tool_call_id"] for message in answers]
        assert {call["function"]["name"] for call in calls} <= named
        assert payload["calls"] == len(calls)
        assert payload["text"] == payload["messages"][0]["content"]


def test_wrong_calls_and_refusals_are_kept(conversations: Path) -> None:
    found = payloads(conversations)
    assert any(p["wrong_calls"] for p in found)
    assert {p["is_answerable"] for p in found if p["ended"] == "decline"} == {False}
    assert any("do not fit" in str(p["messages"]) for p in found)
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
    found, is_wrong = await call_tool([HALF], Step(does="call", tool=tool, arguments=arguments, text=""))
    assert content in found
    assert is_wrong == (found != "1.5")


def use(**fields: Any) -> ToolUse:
    return ToolUse(kind="tool_use", text="what is half of three", **fields)


def test_checks_say_how_a_conversation_went() -> None:
    assert ending(use(ended="answer")).outcome == "passed"
    assert "made 4 calls and did not answer" in ending(use(ended="calls", calls=4)).reason
    assert "ended with timeout" in ending(use(ended="timeout")).reason
    assert tool_use(use(ended="answer", calls=2, wrong_calls=1)).score == 0.5
    assert "though a tool fits" in tool_use(use(ended="answer")).reason
    assert "did not decline" in tool_use(use(ended="answer", is_answerable=False)).reason
    assert tool_use(use(ended="decline", is_answerable=False)).outcome == "passed"


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
