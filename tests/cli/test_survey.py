"""`populace survey`, `ask` and `drift`: what they ask, show and refuse, and how they end."""

import json
from pathlib import Path

import duckdb
import pytest

from .conftest import Ask

POLL = """from populace.sim import Choice, Likert, Survey

poll = Survey("poll", [Likert("I trust the council.", dont_know=True), Choice("Which?", ("tea", "coffee"))], repeats=2)
"""


@pytest.fixture
def poll(folder: Path) -> Path:
    """A file with a survey of two items."""
    path = folder / "poll.py"
    path.write_text(POLL)
    return path


def test_what_a_survey_will_take_is_told_before(ask: Ask, run_file: Path, poll: Path) -> None:
    said = ask("survey", run_file, poll, "--estimate", "--model", "openai:m", "--base-url", "http://127.0.0.1:9")
    assert (said.code, said.complaint) == (0, ""), said
    assert "│ 16 " in said.out
    ask("survey", run_file, "--estimate").complains(2, "--estimate is for a survey that is to be asked")
    ask("survey", run_file).complains(2, "Nobody in this run was asked a survey")


def test_a_finished_run_is_asked_and_its_tables_shown(ask: Ask, run_file: Path, poll: Path) -> None:
    said = ask("survey", run_file, poll)
    assert (said.code, said.complaint) == (0, ""), said
    assert "8 respondents gave" in said.out
    for word in (
        "poll (job 2)",
        "coffee",
        "repeats after step 2",
        "kappa",
        "All agents count alike.",
        "built-in generator",
    ):
        assert word in said.out
    found = json.loads(ask("survey", run_file, "--json", "--by", "group").out)
    assert {row["group"] for row in found["rows"]} == {"all", "(none)"}
    ask("survey", run_file, poll).complains(2, "has done just this", "--anew")
    assert ask("survey", run_file, poll, "--anew", "--survey", "poll").code == 0
    assert "job 2 (survey) from 16 recorded answers" in ask("check", "replay", run_file).out


def test_what_cannot_be_surveyed_is_refused(ask: Ask, run_file: Path, poll: Path, folder: Path) -> None:
    ask("survey", run_file).complains(2, "Nobody in this run was asked a survey", "populace survey RUN FILE.py")
    ask("survey", run_file, poll, "--survey", "pol").complains(2, "has no survey 'pol' (did you mean 'poll'")
    (folder / "none.py").write_text("x = 1")
    ask("survey", run_file, "none.py").complains(2, "'none.py' defines no Survey")
    (folder / "twice.py").write_text("from populace.sim import Choice\nChoice('Which?', ('tea', 'tea'))")
    ask("survey", run_file, "twice.py").complains(2, "The item 'Which?' has the option 'tea' twice")
    ask("survey", run_file, "gone.py").complains(2, "There is no survey file 'gone.py'")


def test_an_agent_is_interviewed(ask: Ask, run_file: Path) -> None:
    before = run_file.read_bytes()
    assert "It was asked nothing yet" in ask("ask", run_file, 3).out
    said = ask("ask", run_file, 3, "What do you do?", "Why?")
    assert (said.code, said.complaint) == (0, ""), said
    assert "> What do you do?\n" in said.out
    assert "> Why?\n" in said.out
    assert "built-in generator" in said.out
    assert ask("ask", run_file, 3).out == said.out
    assert run_file.read_bytes() == before
    with duckdb.connect(str(run_file)) as file:
        file.execute("UPDATE jobs SET embedding_model = 'openai:m' WHERE job = 1")
    told = "recalled their notes by meaning (openai:m); as no embedding model is named, they recall by words now. As in"
    assert told in ask("ask", run_file, 3, "Since when?").complaint
    ask("ask", run_file, 3, "And now?", "--embeddings", "openai:x", "--embeddings-url", "http://127.0.0.1:9").complains(
        2, "recalled their notes by the embedding model openai:m", "--embeddings openai:x"
    )
    ask("ask", run_file, 99, "Hello?").complains(2, "No agent of the run in 'run.duckdb' is '99'")


def test_drift_asks_once_and_says_that_there_are_no_profiles(ask: Ask, run_file: Path) -> None:
    unasked = ask("check", "drift", run_file)
    assert (unasked.code, unasked.complaint.split("; ")[1]) == (
        2,
        "ask them: `populace check drift run.duckdb --ask`.\n",
    )
    said = ask("check", "drift", run_file, "--ask")
    assert (said.code, said.complaint) == (0, ""), said
    assert "Spread" in said.out
    assert "The run holds no profiles, so answers could not be compared" in said.out
    again = ask("check", "drift", run_file, "--ask")
    assert (again.code, "has done just this" in again.complaint) == (2, True)
    again = ask("check", "drift", run_file, "--json")
    found = json.loads(again.out)
    assert "no_profiles" in [note["code"] for note in found["notes"]]
    assert {row["job"] for row in found["parts"][0]["rows"]} == {2}


def test_answers_of_a_run_are_compared_with_peoples(ask: Ask, run_file: Path, poll: Path, folder: Path) -> None:
    assert ask("survey", run_file, poll).code == 0
    people = folder / "people.csv"
    options = json.loads(ask("survey", run_file, "--json").out)["parts"][0]["rows"]
    (item,) = {row["item"] for row in options if row["option"] == "tea"}
    people.write_text(f"item,value,n\n{item},tea,900\n{item},coffee,100\n")
    said = ask("survey", run_file, "--benchmark", people, "--margin", 0.9)
    assert (said.code, said.complaint) == (0, ""), said
    assert "Distance from people's answers" in said.out
    (found,) = json.loads(ask("survey", run_file, "--benchmark", people, "--json").out)["parts"][-1]["rows"]
    assert (found["item"], found["agents"], found["people"]) == (item, 8, 1_000)
    ask("survey", run_file, "--margin", 0.1).complains(2, "--margin says which distance", "--benchmark")
