"""`populace grade`: what it says, and how it ends."""

from pathlib import Path

import pytest

from .conftest import Ask


def test_outputs_are_graded_by_the_rubric_of_their_kind(ask: Ask, run_file: Path) -> None:
    said = ask("grade", run_file, "--kind", "instruction", "--votes", 2, "--grader", "procedural")
    assert said.code == 0, said
    assert "good enough" in said.out
    assert "no language model" in said.out
    criteria = ask("sql", run_file, "SELECT DISTINCT criterion FROM votes ORDER BY 1", "--csv").out.split()
    assert criteria == ["criterion", "clear", "correct", "fulfils", "request"]


def test_an_estimate_writes_nothing(ask: Ask, run_file: Path) -> None:
    before = run_file.read_bytes()
    said = ask("grade", run_file, "--votes", 2, "--estimate")
    assert said.code == 0, said
    assert "Requests were counted in a dry run of" in said.out
    assert run_file.read_bytes() == before


def test_a_job_that_paused_is_gone_on_with(ask: Ask, run_file: Path) -> None:
    ask("grade", run_file, "--max-calls", 5).complains(3, "Paused.", "`populace resume run.duckdb`")
    said = ask("resume", run_file, "--max-calls", 10_000)
    assert said.code == 0, said
    assert "good enough" in said.out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--rubric", "instructions"), "did you mean 'instruction'"),
        (("--rubric", "mine.toml"), "mine.toml"),
        (("--kind", "instructions"), "made no 'instructions'"),
        (("--votes", 0), "votes must be at least 1"),
        (("--threshold", 2), "threshold must be at most 1"),
        (("--grader", "procedural,procedural"), "give --votes"),
        (("--rubric", "problem"), "choose with --kind"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(ask: Ask, run_file: Path, given: tuple[object, ...], words: str) -> None:
    ask("grade", run_file, *given).complains(2, words)
