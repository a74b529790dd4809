"""`populace fork`: what it says, and how it ends."""

import re
from pathlib import Path

import pytest

from .conftest import Ask


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
