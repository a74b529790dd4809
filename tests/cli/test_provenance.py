"""Who answers for the agents of a finished run, and what is said of who wrote it."""

from pathlib import Path

import duckdb
import pytest
from openai_server import OpenAIServer

from .conftest import ERRANDS, Ask

RULE = '''from populace.agents.actions import Silence
from populace.sim import Scenario


class Still(Scenario):
    """Everybody keeps still."""

    name = "still"
    actions = (Silence,)

    def mind(self):
        return lambda observation, rng: Silence(kind="silence")
'''
POLL = 'from populace.sim import Choice, Survey\n\npoll = Survey("poll", [Choice("Which?", ("tea", "coffee"))])\n'


@pytest.fixture
def by_model(ask: Ask, folder: Path, openai_server: OpenAIServer) -> Path:
    """A finished run of a model over HTTP, and a file with a survey beside it."""
    (folder / "errands.py").write_text(ERRANDS)
    (folder / "poll.py").write_text(POLL)
    given = ("--agents", 4, "--hops", 0, "--steps", 1, "--out", "real.duckdb")
    said = ask("run", "errands.py", "--model", "openai:m", "--base-url", openai_server.base_url, *given)
    assert said.code == 0, said
    return folder / "real.duckdb"


def authors_of_answers(run: Path) -> set[str]:
    with duckdb.connect(run, read_only=True) as con:
        return {name for (name,) in con.execute("SELECT DISTINCT model FROM answers").fetchall()}


@pytest.mark.parametrize("command", [("survey", "real.duckdb", "poll.py"), ("check", "drift", "real.duckdb", "--ask")])
def test_the_model_of_the_run_answers_unless_another_is_named(
    ask: Ask, by_model: Path, openai_server: OpenAIServer, command: tuple[str, ...]
) -> None:
    before = openai_server.calls
    assert ask(*command).code == 0
    assert openai_server.calls > before
    assert authors_of_answers(by_model) == {"openai:m"}
    said = ask(*command, "--model", "procedural")
    assert "Models are mixed: " in said.out, said
    assert authors_of_answers(by_model) == {"openai:m", "procedural"}


def test_a_command_that_reads_asks_nobody(ask: Ask, by_model: Path, openai_server: OpenAIServer) -> None:
    before = openai_server.calls
    ask("check", "drift", "real.duckdb").complains(2, "have not answered the questionnaire", "--ask")
    ask("survey", "real.duckdb").complains(2, "Nobody in this run was asked a survey")
    assert openai_server.calls == before


def test_an_interview_and_graders_are_of_the_model_of_the_run(
    ask: Ask, by_model: Path, openai_server: OpenAIServer
) -> None:
    before = openai_server.calls
    ask("ask", "real.duckdb", 1, "Do you drink tea?")
    ask("data", "grade", "real.duckdb", "--votes", 1)
    assert openai_server.calls > before
    with duckdb.connect(by_model, read_only=True) as con:
        assert con.execute("SELECT DISTINCT grader FROM votes").fetchall() == [("openai:m",)]


def test_the_model_of_a_file_from_elsewhere_is_asked_only_when_it_is_named(
    ask: Ask, by_model: Path, openai_server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another-machine"))
    before = openai_server.calls
    ask("survey", "real.duckdb", "poll.py").complains(2, "was not made here by you", "openai:m", "--base-url")
    assert openai_server.calls == before
    assert ask("survey", "real.duckdb", "poll.py", "--base-url", openai_server.base_url).code == 0


def test_what_rules_decided_over_given_people_is_not_called_the_stand_ins(ask: Ask, folder: Path) -> None:
    (folder / "still.py").write_text(RULE)
    (folder / "poll.py").write_text(POLL)
    (folder / "people.csv").write_text("persona\nA nurse who sails.\nA smith who sings.\n")
    assert ask("hub", "import", "people.csv", "--hub", "people.duckdb").code == 0
    said = ask("run", "still.py", "--hub", "people.duckdb", "--steps", 1)
    assert said.code == 0, said
    assert "0 calls" in said.out
    assert "built-in generator" not in said.out
    ask("survey", "still.duckdb", "poll.py").complains(2, "was made without asking a model", "--model")
