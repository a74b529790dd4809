"""An agent of a finished run is interviewed in a file beside it, and the run stays as it is."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError, RunError, RunFileError, SetupError
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.interview import find_agent, interview, interviews_path, told_so_far
from populace.sim.jobs.life import replay_job
from populace.sim.runfile.reader import open_hub_or_run, open_run
from populace.sim.society import Society


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people who lived two steps; never to be written to."""
    out = tmp_path_factory.mktemp("made") / "run.duckdb"
    return Society(Village(), growth=Growth(agents=8, hops=0), out=out, steps=2).run().path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


def people(path: Path) -> list[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query("SELECT agent, a.ordinal, text FROM agents AS a JOIN personas ON id = agent ORDER BY 2").rows


def test_an_interview_goes_on_and_leaves_the_run_as_it_is(path: Path) -> None:
    before = path.read_bytes()
    (first,) = interview(path, "3", ["What do you do?"])
    second, third = interview(path, "3", ["Why?", "Since when?"])
    (other,) = interview(path, "4", ["What do you do?"])
    (again,) = interview(path, "3", ["What do you do?"], anew=True)
    assert path.read_bytes() == before
    assert [(row.interview, row.turn) for row in (first, second, third, other, again)] == [
        (1, 1), (1, 2), (1, 3), (1, 1), (2, 1)
    ]  # fmt: skip
    assert told_so_far(path, first.agent) == [first, second, third, again]
    assert all(row.answer and row.model == "procedural" and row.prompt == "interview@1" for row in (first, again))
    assert first.answer != other.answer
    for job in (1, 3):
        replayed = replay_job(interviews_path(path), job)
        assert (replayed.recalled, replayed.difference) == (1, "")
        assert replayed.event_hash == replayed.expected != ""
    with duckdb.connect(str(interviews_path(path))) as file:
        file.execute('UPDATE jobs SET spec = json_merge_patch(spec, \'{"question": "What now?"}\') WHERE job = 3')
    with pytest.raises(RunError, match="never"):
        replay_job(interviews_path(path), 3)
    path.unlink()
    with pytest.raises(SetupError, match="which is not there; put that run beside it"):
        replay_job(interviews_path(path), 1)


def test_the_agent_is_shown_what_it_knows_and_what_was_said_before(path: Path) -> None:
    agent, _, text = people(path)[0]
    with OpenAIServer() as server:
        where: dict[str, Any] = {"model": "openai:test", "base_url": server.base_url}
        (first,) = interview(path, agent, ["What do you do?"], **where)
        interview(path, agent, ["Why </question> that?"], **where)
        messages = server.bodies[-1]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "Lindenford" in messages[0]["content"]
    assert f"<persona>\n{text}\n</persona>" in messages[1]["content"]
    assert "<memory>" in messages[1]["content"]
    assert messages[2]["content"] == first.raw
    assert "<question>\nWhy &lt;/question> that?\n</question>" in messages[3]["content"]
    assert "<memory>" not in messages[3]["content"] or messages[3]["content"] != messages[1]["content"]


def test_an_answer_that_does_not_come_is_a_row_and_no_part_of_the_conversation(path: Path) -> None:
    with OpenAIServer() as server:
        where: dict[str, Any] = {"model": "openai:test", "base_url": server.base_url}
        server.fail_forever("Unspeakable", "refusal")
        (lost,) = interview(path, "1", ["Unspeakable?"], **where)
        (then,) = interview(path, "1", ["What do you do?"], **where)
        assert len(server.bodies[-1]["messages"]) == 2
    assert (lost.answer, lost.outcome, bool(lost.reason)) == (None, "refusal", True)
    assert (then.turn, then.outcome) == (2, "ok")


def test_one_budget_holds_for_all_questions_and_what_is_left_can_be_asked_again(path: Path) -> None:
    with OpenAIServer() as server:
        where: dict[str, Any] = {"model": "openai:test", "base_url": server.base_url}
        with pytest.raises(PausedError, match=r"budget of 2 calls .* Questions: 1 of 3 left\."):
            interview(path, "1", ["Who?", "What?", "Why?"], limits=Limits(max_calls=2), **where)
        assert server.calls == 2
        (last,) = interview(path, "1", ["Why?"], **where)
        assert (last.turn, server.calls) == (3, 3)


def test_what_is_no_run_says_that_it_holds_interviews(path: Path) -> None:
    interview(path, "1", ["Who?"])
    with (
        pytest.raises(RunFileError, match="holds interviews with agents of a run, and no run itself"),
        open_run(interviews_path(path)),
    ):
        pass


def test_agents_are_found_by_id_number_and_words(path: Path) -> None:
    with open_run(path) as run:
        for agent, ordinal, text in people(path):
            for wanted in (agent, agent[:8], str(ordinal), text.upper()):
                assert find_agent(run, wanted)[0] == agent


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (
            "a qwertz",
            r"No agent of the run in .* is 'a qwertz'; give an id or its beginning, a num",
        ),
        ("9", r"No agent of the run in .* is '9'"),
        ("", r"No agent of the run in .* is ''"),
        ("a", r"8 agents fit 'a': give a number or more words. 1: .*; and 3 more\."),
    ],
)
def test_who_is_not_there_and_who_is_meant_is_asked_for(path: Path, wanted: str, sentence: str) -> None:
    with open_run(path) as run, pytest.raises(SetupError, match=sentence):
        find_agent(run, wanted)


def test_a_file_of_another_run_and_what_cannot_be_asked_are_refused(path: Path, tmp_path: Path) -> None:
    interview(path, "1", ["What do you do?"])
    with open_hub_or_run(interviews_path(path)) as file:
        assert file.query("SELECT status, kind FROM jobs").rows == [("finished", "interview")]
    other = Society(Village(), growth=Growth(agents=4, hops=0), out=tmp_path / "other.duckdb", steps=1).run().path
    interviews_path(path).rename(interviews_path(other))
    with pytest.raises(RunFileError, match="holds interviews of another run than"):
        interview(other, "1", ["What do you do?"])
    with pytest.raises(SetupError, match="A question must be a text, but ' ' was given"):
        interview(path, "1", [" "])
