"""`populace check replay`: what it says, and how it ends."""

from pathlib import Path

import duckdb
import pytest

from .conftest import ERRANDS, Ask


def test_a_run_that_is_the_same_again_says_so_with_its_hash(ask: Ask, run_file: Path) -> None:
    with duckdb.connect(run_file, read_only=True) as con:
        ((event_hash,),) = con.execute("SELECT event_hash FROM runs").fetchall()
    said = ask("check", "replay", run_file)
    assert (said.code, said.complaint) == (0, "")
    assert said.out.startswith("The same again: 2 steps from ")
    assert f"no call to a model, event hash {event_hash}." in said.out


@pytest.mark.slow
def test_a_hash_that_differs_is_one_sentence_and_exit_code_1(ask: Ask, run_file: Path) -> None:
    with duckdb.connect(run_file) as con:
        con.execute("UPDATE calls SET raw = '{}' WHERE phase = 'step' AND number = 1")
    ask("check", "replay", run_file).complains(
        1, "The replay of 'run.duckdb' first differs in step 1", "then and is", "now"
    )


@pytest.mark.slow
def test_a_script_that_has_moved_or_changed_is_told(ask: Ask) -> None:
    Path("errands.py").write_text(ERRANDS)
    ask("run", "errands.py", "--agents", 4, "--hops", 0, "--steps", 1)
    Path("errands.py").rename("chores.py")
    ask("check", "replay", "errands.duckdb").complains(2, "the script 'errands.py'", "--script")
    assert ask("check", "replay", "errands.duckdb", "--script", "chores.py").out.startswith(
        "The same again: 1 step from "
    )
    Path("chores.py").write_text(ERRANDS.replace("market day", "washing day"))
    ask("check", "replay", "errands.duckdb", "--script", "chores.py").complains(
        1, "In step 1", "that the run", "never asked"
    )


def test_what_is_no_run_file_is_told(ask: Ask) -> None:
    ask("check", "replay", "nothing.duckdb").complains(2, "There is no run file 'nothing.duckdb'")
