"""Outputs made, solved, graded and exported from Python, and a run as a table."""

from pathlib import Path

import duckdb
import pytest
from arro3.core import Table

import populace
from populace.core.errors import SetupError
from populace.sim.runfile.reader import FinishedRun


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return populace.make("math", 4, agents=12, out=tmp_path_factory.mktemp("made") / "math.duckdb")


def test_a_run_iterates_and_streams_its_outputs(made: FinishedRun) -> None:
    assert len(made) == len(list(made)) >= 4
    assert {row["kind"] for row in made} == {"math"}
    assert Table.from_arrow(made).num_rows == len(made)
    with duckdb.connect() as con:
        con.register("made", made)
        assert con.execute("SELECT count(*) FROM made").fetchall() == [(len(made),)]


def test_problems_are_solved_graded_and_exported(made: FinishedRun, tmp_path: Path) -> None:
    assert populace.solve(made.path, samples=2).done == {"solving": 4}
    assert sum(populace.grade(made.path, votes=1).done.values()) == 4
    assert populace.grade(made.path, responses=2, pairwise=True, pairs=1).done
    accepted = made.sql("SELECT count(*) FROM outputs WHERE status = 'accepted'").rows[0][0]
    assert populace.export(made.path, tmp_path / "math.jsonl").rows == accepted >= 3  # one grade is low
    with pytest.raises(SetupError, match="`pairs` is for pairwise"):
        populace.grade(made.path, pairs=3)
