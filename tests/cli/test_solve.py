"""`populace data solve` and `evaluate`: what they print, how they are gone on with, and what they refuse."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sums import make_sums

SCRIPT = Path(make_sums.__code__.co_filename)

type Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sums(tmp_path_factory.mktemp("sums") / "sums.duckdb", people=8)


@pytest.fixture(autouse=True)
def sums(made: Path, folder: Path) -> Path:
    (folder / "set.jsonl").write_text(
        "".join(json.dumps({"problem": f"{n} + {n}?", "answer": str(2 * n)}) + "\n" for n in range(12))
    )
    return Path(shutil.copy(made, folder))


def test_a_model_is_measured(ask: Ask) -> None:
    said = ask("data", "evaluate", "set.jsonl", "--solver", "procedural:accuracy=1", "--n", "10")
    assert re.search(r"all +│ all +│ +10 │ +10 │ 100.0% \(72.2% to 100.0%\)", said.out)
    assert "not a language model" in said.out
    assert Path("set-accuracy-1.duckdb").exists()


@pytest.mark.parametrize(
    ("command", "file", "result", "kind"),
    [
        (("data", "solve", "sums.duckdb"), "sums.duckdb", "known answers  8 of 8 (100.0%)", "job 2 (solving) from 24"),
        (("data", "grade", "sums.duckdb"), "sums.duckdb", "good enough", "job 2 (grading) from 24"),
        (
            ("data", "evaluate", "set.jsonl", "--solver", "procedural"),
            "set-procedural.duckdb",
            "100.0% (75.8% to 100.0%)",
            "from 12",
        ),
    ],
)
def test_a_job_that_paused_is_gone_on_with_and_done_again(
    ask: Ask, command: tuple[str, ...], file: str, result: str, kind: str
) -> None:
    script = ("--script", str(SCRIPT)) if "solve" in command else ()
    ask(*command, *script, "--max-calls", "5").complains(3, f"go on with `populace resume {file}`")
    assert result in ask("resume", file, *script, "--max-calls", "100").out
    assert ask("resume", file, *script).code == 0
    script = ("--script", str(SCRIPT)) if file == "sums.duckdb" else ()
    assert f"{kind} recorded answers" in ask("check", "replay", file, *script).out


def test_an_estimate_writes_nothing(ask: Ask, folder: Path) -> None:
    files = sorted(folder.iterdir())
    said = ask("data", "evaluate", "set.jsonl", "--solver", "procedural", "--estimate")
    assert "12 problems" in said.out
    assert sorted(folder.iterdir()) == files


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("data", "solve", "nothing.duckdb"), ("nothing.duckdb",)),
        (("data", "solve", "sums.duckdb", "--solver", "nobody"), ("There is no model named 'nobody'", "openai:nobody")),
        (
            ("data", "solve", "sums.duckdb", "--solver", "procedural:accuracy=2", "--script", str(SCRIPT)),
            ("is no rate from 0 to 1",),
        ),
        (("data", "solve", "sums.duckdb"), ("the scenario 'sums'", "--script")),
        (("data", "solve", "sums.duckdb", "--solver", "procedural,procedural"), ("named twice", "--samples")),
        (("data", "solve", "sums.duckdb", "--method", "program", "--script", str(SCRIPT)), ("--execute",)),
        (("data", "solve", "sums.duckdb", "--kind", "sun", "--script", str(SCRIPT)), ("made no 'sun'", "sum")),
        (("data", "solve", "sums.duckdb", "--samples", "99", "--script", str(SCRIPT)), ("samples must be at most 64",)),
        (
            ("data", "evaluate", "sums.duckdb", "--solver", "procedural"),
            ("populace data solve sums.duckdb --samples 3",),
        ),
        (("data", "evaluate", "set.jsonl"), ("--solver",)),
        (("data", "evaluate", "set.jsonl", "--solver", "procedural,openai:x"), ("one --solver",)),
        (("data", "evaluate", "set.jsonl", "--solver", "nobody"), ("There is no model named",)),
    ],
)
def test_what_cannot_be_is_one_sentence(ask: Ask, command: tuple[str, ...], words: tuple[str, ...]) -> None:
    ask(*command).complains(2, *words)


def test_a_test_set_without_answers_is_refused(ask: Ask) -> None:
    Path("none.jsonl").write_text('{"problem": "What?", "solution": "It has no box."}\n')
    ask("data", "evaluate", "none.jsonl", "--solver", "procedural").complains(
        2, "no problem with an answer", r"\boxed{...}"
    )


def test_the_addresses_of_all_solvers_of_a_foreign_file_have_to_be_named(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    first, second = "http://127.0.0.1:9/v1", "http://127.0.0.1:11/v1"
    solvers = f"openai:x@{first},openai:y@{second}"
    assert ask("data", "solve", "sums.duckdb", "--solver", solvers, "--wait", "0").code == 1
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "elsewhere"))
    ask("resume", "sums.duckdb").complains(2, "not made here by you", first, second)
    named = ("resume", "sums.duckdb", "--base-url", first)
    ask(*named).complains(2, second)
    ask(*named, "--solver", "openai:y", "--solver-url", "http://127.0.0.1:13/v1").complains(2, second)
    ask(*named, "--solver", "openai:y", "--solver-url", second, "--wait", "0").complains(1, "Nothing answers")


def test_what_makes_no_problems_is_solved_only_where_its_kind_is_named(ask: Ask) -> None:
    ask("run", "village", "--agents", "4", "--hops", "0", "--steps", "1", "--out", "village.duckdb")
    ask("data", "solve", "village.duckdb").complains(2, "'village', which makes no problems", "--kind ")


def test_a_hub_is_called_that(ask: Ask) -> None:
    ask("grow", "--hub", "hub.duckdb", "--hops", "0", "--limit", "3")
    ask("data", "solve", "hub.duckdb").complains(2, "'hub.duckdb' is a hub: it holds people")
    ask("data", "grade", "hub.duckdb").complains(2, "'hub.duckdb' is a hub: it holds people")
    for command in (
        ("data", "yield", "hub.duckdb"),
        ("data", "agreement", "hub.duckdb"),
        ("export", "hub.duckdb", "rows.jsonl"),
    ):
        ask(*command).complains(2, "'hub.duckdb' is a hub: it holds people")


@pytest.mark.slow
def test_what_is_held_out_is_measured_on_and_left_out_of_exports(ask: Ask) -> None:
    ask("data", "evaluate", "sums.duckdb", "--held-out", "--solver", "procedural").complains(
        2, "populace data split sums.duckdb"
    )
    ask("export", "sums.duckdb", "x.jsonl", "--held-out", "only").complains(2, "populace data split sums.duckdb")
    ask("data", "split", "sums.duckdb").complains(2, "--train 0.9", "--undo")
    similarity = ("--similarity", "1", "--by", "persona")
    ask("data", "split", "sums.duckdb", "--train", "0.5", *similarity)
    ask("data", "evaluate", "sums.duckdb", "--held-out", "--solver", "procedural").complains(
        2, "of 4 held-out outputs 0 are solved"
    )
    ask("data", "solve", "sums.duckdb", "--script", str(SCRIPT))
    said = ask("data", "evaluate", "sums.duckdb", "--held-out", "--solver", "procedural", "--out", "out.duckdb")
    assert "4 problems of sums.duckdb, held out" in said.out
    query = "SELECT split_part(source, '#', 2)::BIGINT AS emission FROM test_problems"
    asked = {row["emission"] for row in json.loads(ask("sql", "out.duckdb", query, "--json").out)}

    def exported(*options: str) -> set[int]:
        Path("rows.jsonl").unlink(missing_ok=True)
        Path("rows.jsonl.card.md").unlink(missing_ok=True)
        assert ask("export", "sums.duckdb", "rows.jsonl", *options).code == 0
        return {json.loads(line)["emission"] for line in Path("rows.jsonl").read_text().splitlines()}

    trained = exported()
    assert "4 accepted outputs of the runs are held out" in Path("rows.jsonl.card.md").read_text()
    assert exported("--held-out", "only") == asked
    assert (len(trained), trained & asked, exported("--held-out", "include")) == (4, set(), trained | asked)
    ask("data", "split", "sums.duckdb", "--undo")
    assert exported() == trained | asked
    ask("data", "evaluate", "set.jsonl", "--held-out", "--solver", "procedural").complains(2, "is no run")
