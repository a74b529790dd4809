"""Several runs in one export."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from made_run import MadeRun, read_lines

from populace.analysis.export import DatasetOptions, export_outputs
from populace.analysis.export.source import find_strictest
from populace.core.errors import SetupError


@pytest.fixture(scope="module")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a with 12 requests under CC0 and run b with 6 problems under CC-BY-NC; gives their folder."""
    folder = tmp_path_factory.mktemp("runs")
    for name, kind, number, licence in (("a", "instruction", 12, "CC0-1.0"), ("b", "problem", 6, "CC-BY-NC-4.0")):
        run = MadeRun(folder / f"{name}.duckdb", name=name, seed=len(name))
        person = run.person(f"A person of {name}.", licence=licence)
        for n in range(number):
            run.output(person, f"{kind} {n}", kind, focus=f"f{n}")
        run.done()
    return folder


@pytest.fixture
def two_runs(made_runs: Path, tmp_path: Path) -> Path:
    """The test's folder, with copies of both."""
    for run in made_runs.iterdir():
        shutil.copy(run, tmp_path)
    return tmp_path


def test_runs_that_are_named_are_exported_whole_one_after_the_other(two_runs: Path) -> None:
    out = two_runs / "both.jsonl"
    export_outputs([two_runs / "a.duckdb", two_runs / "b.duckdb"], out)
    rows = read_lines(out)
    assert Counter(row["run"] for row in rows) == {"a": 12, "b": 6}
    assert {row["licence"] for row in rows} == {"CC0-1.0", "CC-BY-NC-4.0"}
    card = (two_runs / "both.jsonl.card.md").read_text()
    assert "This export mixes licences.** As a whole it is bound by the strictest: CC-BY-NC-4.0." in card


def test_a_run_is_named_once_and_has_the_kind_asked_for(two_runs: Path) -> None:
    runs = [two_runs / "a.duckdb", two_runs / "b.duckdb"]
    with pytest.raises(SetupError, match="named twice"):
        export_outputs([runs[0], runs[0]], two_runs / "c.jsonl")
    with pytest.raises(SetupError, match="no outputs of the kind 'poem'"):
        export_outputs(runs, two_runs / "c.jsonl", DatasetOptions(kinds=("poem",)))


@pytest.mark.parametrize(
    ("licences", "whole"),
    [
        (["CC0-1.0", "CC-BY-4.0"], "CC-BY-4.0"),
        (["CC-BY-NC-4.0", "CC-BY-SA-4.0"], "CC-BY-NC-4.0"),
        (["CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0"], "CC-BY-NC-ND-4.0"),
        (["CC-BY-SA-4.0", "GPL-3.0-only", "MIT"], "CC-BY-SA-4.0 AND GPL-3.0-only"),
        (["CC-BY-NC-ND-4.0", "Our own terms"], "Our own terms"),
        (["CC0-1.0", None], "unknown"),
        ([], "unknown"),
    ],
)
def test_the_strictest_licence_holds_and_unknown_is_never_free(licences: list[str | None], whole: str) -> None:
    assert find_strictest(licences) == whole
