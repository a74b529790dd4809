"""`populace sql`, `report` and `resume` on run files, and on files that are none."""

import csv
import json
from pathlib import Path

import pytest

from .conftest import Ask

TALK = "SELECT kind, count(*) AS n FROM emissions GROUP BY kind ORDER BY kind"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEC 1", ('syntax error at or near "SELEC"',)),
        ("SELECT mood FROM runs", ('column "mood" not found',)),
        ("FROM emision", ("emision does not exist", "emissions")),
        ("", ("0 were given",)),
        ("SELECT 1; SELECT 2", ("One statement", "2 were given")),
        ("DELETE FROM runs", ("DELETE is refused", "SELECT")),
        ("SELECT count(*) FROM range(1_000_000_000) a, range(1_000) b", ("after 0.1 s", "with --timeout")),
    ],
)
def test_a_question_that_cannot_be_answered(
    ask: Ask, folder: Path, run_file: Path, sql: str, words: tuple[str, ...]
) -> None:
    before = run_file.read_bytes()
    # Only what is to be stopped is given too little time.
    ask("sql", run_file, sql, *(("--timeout", "0.1") if "--timeout" in words[-1] else ())).complains(2, *words)
    assert run_file.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["run.duckdb"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [("-1", "--timeout is -1"), ("inf", "--timeout is inf"), ("nan", "'--timeout': nan is no number")],
)
def test_a_time_limit_is_a_number_of_seconds(ask: Ask, run_file: Path, seconds: str, said: str) -> None:
    ask("sql", run_file, "SELECT 1", "--timeout", seconds).complains(2, said)


def test_an_answer_comes_as_a_table_as_csv_and_as_json(ask: Ask, run_file: Path) -> None:
    table, lines, objects = (ask("sql", run_file, TALK, *form).out for form in ([], ["--csv"], ["--json"]))
    rows = list(csv.DictReader(lines.splitlines()))
    assert [{"kind": row["kind"], "n": int(row["n"])} for row in rows] == json.loads(objects)
    assert sum(int(row["n"]) for row in rows) == 16
    assert all(f" {row['kind']} " in table for row in rows)


def test_an_answer_is_drawn_on_request(ask: Ask, run_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "spoken.svg"
    sql = "SELECT step, kind, count(*) AS emitted FROM emissions GROUP BY ALL ORDER BY step"
    assert ask("sql", run_file, sql, "--picture", picture).out == f"Wrote {picture}\n"
    assert "built-in generator" in picture.read_text()
    ask("sql", run_file, sql, "--picture", tmp_path / "spoken.png").complains(2, ".png", "written to .svg")


def test_a_report_is_written_beside_the_run_and_may_be_written_anew(ask: Ask, folder: Path, run_file: Path) -> None:
    for _ in range(2):
        assert ask("report", run_file).out == "Wrote run.html\n"
    assert "</html>" in (folder / "run.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("run.duckdb", ("'run.duckdb' is there already and is no report of the same run",)),
        ("mine.html", ("'mine.html' is there already", "name another file")),
        ("no/page.html", ("no/page.html", "No such file or directory")),
        (".", ("'.' is a folder", "'report.html'")),
    ],
)
def test_a_report_is_written_over_nothing_else(
    ask: Ask, folder: Path, run_file: Path, out: str, words: tuple[str, ...]
) -> None:
    (folder / "mine.html").write_text("<p>mine</p>")
    ask("report", run_file, "--out", out).complains(2, *words)
    assert (folder / "mine.html").read_text() == "<p>mine</p>"
    assert ask("sql", run_file, "FROM runs").code == 0


def test_a_finished_run_is_shown_again_and_how_to_go_on(ask: Ask, run_file: Path) -> None:
    before = run_file.read_bytes()
    said = ask("resume", run_file)
    assert (said.code, said.complaint) == (0, "")
    assert "8 agents, " in said.out
    assert "nothing to do" in said.out
    assert "`populace resume run.duckdb --steps 3`" in said.out
    assert run_file.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--steps", 1), ("has run 2 steps", "give 2 or more, but 1 was given")),
        (("--steps", 0), ("--steps must be at least 1, but 0 was given",)),
        (("--steps", 3, "--max-in-flight", 0), ("--max-in-flight must be at least 1",)),
        (("--steps", 3, "--rpm", 0), ("rpm must be at least 1",)),
        (("--steps", 3, "--tpm", 0), ("tpm must be at least 1",)),
        (("--steps", 3, "--script", "no.py"), ("the script 'no.py', which is not there",)),
    ],
)
def test_a_run_is_not_resumed_with_wrong_options(
    ask: Ask, run_file: Path, options: tuple[object, ...], words: tuple[str, ...]
) -> None:
    ask("resume", run_file, *options).complains(2, *words)
    assert "finished" in ask("sql", run_file, "SELECT status FROM runs").out
