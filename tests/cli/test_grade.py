"""`populace data grade`: what it says, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from .conftest import Ask


def test_outputs_are_graded_by_the_rubric_of_their_kind(ask: Ask, run_file: Path) -> None:
    said = ask("data", "grade", run_file, "--kind", "instruction", "--votes", 2, "--grader", "procedural")
    assert said.code == 0, said
    assert "good enough" in said.out
    assert "not a language model" in said.out
    criteria = ask("sql", run_file, "SELECT DISTINCT criterion FROM votes ORDER BY 1", "--csv").out.split()
    assert criteria == ["criterion", "clear", "correct", "fulfils", "request"]


def test_an_estimate_writes_nothing(ask: Ask, run_file: Path) -> None:
    before = run_file.read_bytes()
    said = ask("data", "grade", run_file, "--votes", 2, "--estimate")
    assert said.code == 0, said
    assert "Requests were counted in a dry run of" in said.out
    assert run_file.read_bytes() == before


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
    ask("data", "grade", run_file, *given).complains(2, words)


@pytest.mark.slow
def test_graders_are_compared_with_each_other_and_with_people(ask: Ask, run_file: Path) -> None:
    ask("data", "agreement", run_file).complains(2, "Nothing in this run was graded yet")
    ask(
        "data",
        "grade",
        run_file,
        "--kind",
        "instruction",
        "--votes",
        2,
        "--grader",
        "procedural,procedural:accuracy=0.7",
    )
    said = ask("data", "agreement", run_file)
    assert said.code == 0, said
    assert "Krippendorff's alpha" in said.out
    Path("labels.csv").write_text("emission,clear\n999999,3\n")
    said = ask("data", "agreement", run_file, "--labels", "labels.csv")
    assert "No graded output matches line 2 (emission 999999)" in said.out
    found = json.loads(ask("data", "agreement", run_file, "--labels", "labels.csv", "--json").out)
    assert {row["graders"] for row in found["rows"]} >= {"all", "procedural"}
    assert "unmatched" in [note["code"] for note in found["parts"][0]["notes"]]


@pytest.mark.slow
def test_preferences_go_from_comparisons_to_dpo_rows(ask: Ask, run_file: Path) -> None:
    ask("data", "grade", run_file, "--pairwise", "--threshold", 0.5).complains(2, "--threshold is for grades")
    ask("data", "pairs", run_file).complains(2, "populace data grade")
    said = ask("data", "grade", run_file, "--kind", "instruction", "--responses", 3, "--votes", 1)
    assert said.code == 0, said
    assert "responses" in said.out
    said = ask("data", "pairs", run_file, "--margin", 0.01)
    assert said.code == 0, said
    assert "longer won" in said.out
    rows = json.loads(ask("data", "pairs", run_file, "--margin", 0.01, "--json").out)["rows"][0]["rows"]
    assert ask("export", run_file, "dpo.jsonl", "--format", "dpo").code == 0
    assert 0 < len(Path("dpo.jsonl").read_text().splitlines()) <= rows


@pytest.mark.slow
def test_responses_that_are_there_are_not_asked_for_again(ask: Ask, run_file: Path) -> None:
    given = ("data", "grade", run_file, "--kind", "instruction", "--responses", 2, "--votes", 1)
    ask(*given, "--max-calls", 1).complains(3, "`populace resume run.duckdb`")
    assert "They are not graded yet" in ask("resume", run_file, "--max-calls", 10_000).out
    calls = "SELECT count(*) FROM calls WHERE role = 'teacher'"
    asked = ask("sql", run_file, calls, "--csv").out
    assert ask(*given, "--pairwise").code == 0
    assert ask("sql", run_file, calls, "--csv").out == asked


def test_a_model_that_reviews_its_own_problems_is_named_once(
    ask: Ask, run_file: Path, openai_server: OpenAIServer
) -> None:
    sound = {"is_complete": True, "asks": True, "lacks_figure": False, "gives_solution": False, "gives_role": False}
    text = "A mill grinds 40 kg of rye in an hour. How many kilograms does it grind in a day of 24 hours?"

    def write(asked: dict[str, Any]) -> str:
        wanted = str(asked.get("response_format"))
        if "is_complete" in wanted:
            return json.dumps(sound)
        thoughts = {"plan": "A mill, its grain.", "check": "40 times 24 is 960."}
        return json.dumps({"kind": "math", "topic": "rates of work", "text": text, "answer": "960", **thoughts})

    openai_server.writer = write
    given = ("--hub", run_file, "--set", "verify=0", "--base-url", openai_server.base_url, "--model")
    for grader, count in (((), 1), (("--grader", f"openai:other@{openai_server.base_url}"), 0)):
        said = ask("make", "math", "--n", 1, *given, "openai:test", *grader, "--out", f"own{count}.duckdb")
        assert said.out.count("openai:test grades what it wrote itself") == count, said


def test_a_teacher_who_grades_its_responses_is_named(ask: Ask, run_file: Path, openai_server: OpenAIServer) -> None:
    model = ("--base-url", openai_server.base_url, "--kind", "instruction", "--responses", 2, "--votes", 1)
    for teacher, is_named in (("openai:test", True), ("openai:other", False)):
        names = ("--teacher", teacher, "--grader", "openai:test", "--pairwise")
        said = ask("data", "grade", run_file, *names, *model, "--anew")
        assert said.code == 0, said
        assert ("openai:test grades what it wrote itself" in said.out) is is_named


def test_a_model_that_grades_its_own_text_is_named(ask: Ask, openai_server: OpenAIServer) -> None:
    model = ("openai:test", "--base-url", openai_server.base_url)
    ask("run", "village", "--agents", 3, "--hops", 0, "--steps", 1, "--model", *model, "--out", "own.duckdb")
    for grader, is_named in (("openai:test", True), ("openai:other", False)):
        said = ask("data", "grade", "own.duckdb", "--votes", 1, "--grader", grader, *model[1:])
        assert said.code == 0, said
        assert ("openai:test grades what it wrote itself" in said.out) is is_named
