"""Runs that are written by hand."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from made_run import MadeRun, NewRun


@pytest.fixture
def new_run(tmp_path: Path) -> NewRun:
    """Begins a run file in the test's folder."""

    def begin(name: str = "r1", **given: Any) -> MadeRun:
        return MadeRun(tmp_path / f"{name}.duckdb", name=name, **given)

    return begin


@pytest.fixture(scope="session")
def made_requests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people of one lineage who asked for five things, with responses; one is a near-duplicate."""
    run = MadeRun(tmp_path_factory.mktemp("asked") / "r1.duckdb", name="r1")
    baker = run.person("A baker by the mill.", licence="CC-BY-SA-4.0")
    helper = run.person("The baker's apprentice.", licence=None, parent=baker)
    clerk = run.person("A clerk at the station.", licence=None)
    for person in (baker, helper, clerk):
        run.call(person, {"temperature": 0.7})
    first = run.output(baker, "How long does rye dough rest?", response="Overnight.")
    run.repeats(run.output(helper, "How long does the rye dough rest?", response="Overnight."), first)
    run.output(helper, "Write to the miller.", response="Dear miller ...")
    run.fails(run.output(clerk, "As a clerk, I ask for a table."), "leak", "It repeats the description.")
    run.output(clerk, "Make a table of trains.", response="Here it is.")
    return run.done()


@pytest.fixture
def asked(made_requests: Path, tmp_path: Path) -> Path:
    """A copy of that run in the test's folder."""
    return Path(shutil.copy(made_requests, tmp_path / made_requests.name))
