"""`populace make` and `solve` with a reasoning model that is asked for long texts as plain text, over HTTP."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

import populace

from .conftest import Ask

RESPONSE = "Cut it at $\\frac{3}{4}$ of \\beta.\n\nThen save it in C:\\new\\table."
SOLUTION = "First $\\frac{1}{2} \\times 8 = 4$.\n\n\\boxed{4}"
PROGRAM = "Here it is:\n```python\nimport re\nprint(len(re.findall(r'\\d', '1\\n234')))\n```"
THOUGHT = "Let me think of the carpenter first."


@pytest.fixture
def hub() -> Path:
    populace.grow(hub="hub.duckdb", agents=3, hops=0)
    return Path("hub.duckdb")


@pytest.fixture
def reasoner(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    """Thinks aloud, and writes LaTeX and paths as they are."""
    numbers = itertools.count(3)

    def answer(asked: dict[str, Any]) -> str:
        system = asked["messages"][0]["content"]
        if "response_format" in asked:
            name = asked["response_format"]["json_schema"]["name"]
            number = next(numbers)
            kind = {"Request": "instruction", "MathProblem": "math"}.get(name, "conversation")
            text = f"How do I cut a board of {number} metres into {number + 1} equal pieces for house {7 * number}?"
            beside = {"plan": "", "topic": "fractions", "check": ""} if kind == "math" else {}
            return json.dumps({"kind": kind, **beside, "text": text})
        if "You play a user" in system:
            return "done: yes" if str(asked["messages"]).count("Cut it at") > 1 else "And if it is wet?"
        if "writing programs" in system:
            return PROGRAM
        return SOLUTION if "You solve problems" in system else RESPONSE

    monkeypatch.setenv("OPENAI_API_KEY", "x")
    openai_server.writer = lambda asked: f"<think>{THOUGHT}</think>\n\n{answer(asked)}"
    return openai_server


def rows(path: str, sql: str) -> list[tuple[Any, ...]]:
    with populace.open_run(path) as run:
        return list(run.query(sql).rows)


def exported(ask: Ask, path: str, *given: str) -> list[dict[str, Any]]:
    for left in ("made.jsonl", "made.jsonl.card.md"):
        Path(left).unlink(missing_ok=True)
    said = ask("export", path, "made.jsonl", "--format", "jsonl", *given)
    assert said.code == 0, said
    return [json.loads(line) for line in Path("made.jsonl").read_text().splitlines()]


def test_responses_are_kept_as_they_were_written_without_the_thoughts(
    ask: Ask, hub: Path, reasoner: OpenAIServer
) -> None:
    given = ("--model", "openai:test", "--base-url", reasoner.base_url, "--out", "made.duckdb")
    ask("make", "instruction", "--hub", hub, "--n", 2, *given)
    assert set(rows("made.duckdb", "SELECT payload->>'response' FROM emissions")) == {(RESPONSE,)}
    assert set(rows("made.duckdb", "SELECT reasoning, repair FROM calls WHERE purpose = 'respond'")) == {(THOUGHT, "")}
    assert rows("made.duckdb", f"SELECT count(*) FROM calls WHERE raw LIKE '%{THOUGHT}%'") == [(0,)]
    assert THOUGHT not in json.dumps(exported(ask, "made.duckdb", "--all"))
    assert {row["reasoning"] for row in exported(ask, "made.duckdb", "--all", "--columns", "reasoning")} == {THOUGHT}
    assert ask("check", "replay", "made.duckdb").code == 0


def test_a_conversation_goes_on_until_the_user_is_done(ask: Ask, hub: Path, reasoner: OpenAIServer) -> None:
    given = ("--model", "openai:test", "--base-url", reasoner.base_url, "--out", "made.duckdb")
    ask("make", "conversation", "--hub", hub, "--n", 1, "--set", "turns=5", *given)
    ((payload,),) = rows("made.duckdb", "SELECT payload FROM emissions LIMIT 1")
    made = json.loads(payload)
    assert made["ended"] == "done"
    assert [message["content"] for message in made["messages"][1:]] == [RESPONSE, "And if it is wet?", RESPONSE]


def test_solutions_in_words_and_by_program_are_read_from_plain_text(
    ask: Ask, hub: Path, reasoner: OpenAIServer
) -> None:
    given = ("--model", "openai:test", "--base-url", reasoner.base_url)
    unchecked = ("--verify", 0, "--set", "review=false")
    ask("make", "math", "--hub", hub, "--n", 1, "--out", "made.duckdb", *unchecked, *given)
    solved = ask("data", "solve", "made.duckdb", "--solver", "openai:test", "--base-url", reasoner.base_url,
                 "--method", "text", "--method", "program", "--execute", "--samples", 2)  # fmt: skip
    assert solved.code == 0, solved
    assert set(rows("made.duckdb", "SELECT method, answer FROM solutions")) == {("text", "4"), ("program", "4")}
    assert set(rows("made.duckdb", "SELECT solution FROM solutions WHERE method = 'text'")) == {(SOLUTION,)}
    (row,) = exported(ask, "made.duckdb", "--all", "--columns", "solution,reasoning")[:1]
    assert row["reasoning"] == THOUGHT
