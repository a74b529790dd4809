"""`populace fork`: what it says, and how it ends."""

import re
from pathlib import Path

import duckdb
import pytest
from openai_server import OpenAIServer

from populace.scenarios.village import Village
from populace.sim.society import Society

from .conftest import ERRANDS, Ask


def test_a_fork_says_how_many_requests_were_answered_as_in_the_run(ask: Ask, run_file: Path) -> None:
    said = ask("fork", run_file, "--at", 1, "--out", "fork.duckdb")
    assert (said.code, said.complaint) == (0, "")
    assert re.search(r"\nOf (\d+) requests, \1 were answered as in 'run\.duckdb' and 0 were sent\.\n$", said.out)
    assert "steps" in said.out


def test_a_changed_setting_is_sent_and_kept(ask: Ask, run_file: Path) -> None:
    said = ask("fork", run_file, "--at", 0, "--set", "answer_tokens=300", "--steps", 1, "--out", "fork.duckdb")
    assert said.out.startswith("The length of an answer is limited to 300 tokens and was to 1024, so no request is ")
    assert re.search(r"\nOf (\d+) requests, 0 were answered as in 'run\.duckdb' and \1 were sent\.\n$", said.out)
    assert "300" in ask("sql", "fork.duckdb", "SELECT settings->>'answer_tokens' AS tokens FROM runs").out


def test_another_model_is_said_to_be_asked_everything(ask: Ask, run_file: Path, openai_server: OpenAIServer) -> None:
    there = ("--model", "openai:test", "--base-url", openai_server.base_url)
    said = ask("fork", run_file, "--at", 1, "--out", "fork.duckdb", *there)
    assert said.out.startswith("The model is openai:test and was procedural, so no request is the same as in ")
    assert openai_server.calls >= 4


@pytest.mark.slow
def test_a_changed_script_is_a_change_too(ask: Ask, folder: Path) -> None:
    script = folder / "errands.py"
    script.write_text(ERRANDS)
    ask("run", script, "--agents", 4, "--hops", 0, "--steps", 2, "--out", "run.duckdb")
    changed = folder / "changed.py"
    changed.write_text(ERRANDS.replace("by a river", "in the hills"))
    said = ask("fork", "run.duckdb", "--at", 1, "--out", "fork.duckdb", "--script", changed)
    assert said.out.startswith("The world text, which every prompt begins with, has changed, so no request is the same")
    assert ask("resume", "fork.duckdb", "--steps", 3).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--at", 9), "can be forked at step 0 (after growth) to 2, but 9 was given"),
        (("--at", -1), "but -1 was given"),
        (("--at", 2), "has no step to run; give --steps 3 or more"),
        (("--at", 1, "--set", "memry=1"), "has no setting 'memry'"),
        (("--at", 1, "--max-calls", 0), "--max-calls"),
        (("--at", 1, "--model", "nothing"), "There is no model named 'nothing'"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(
    ask: Ask, run_file: Path, folder: Path, arguments: tuple[object, ...], words: str
) -> None:
    ask("fork", run_file, "--out", "fork.duckdb", *arguments).complains(2, words)
    assert [p.name for p in folder.iterdir()] == [run_file.name]


def test_a_file_that_is_there_already_is_kept(ask: Ask, run_file: Path) -> None:
    ask("fork", run_file, "--at", 1, "--out", run_file).complains(2, "'run.duckdb' exists; give another path")
    with duckdb.connect(run_file, read_only=True) as con:
        assert con.execute("SELECT count(*) FROM steps").fetchall() == [(2,)]


def test_a_run_that_goes_on_is_waited_for_or_stopped(ask: Ask, run_file: Path) -> None:
    with Society.resume(run_file, Village, steps=3):
        ask("fork", run_file, "--at", 1, "--out", "fork.duckdb").complains(2, "wait until it has ended, or stop it")
