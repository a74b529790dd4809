"""Several runs in one export: shares, caps and renamed columns by a recipe."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from made_run import MadeRun, read_lines

from populace.analysis.export import DatasetOptions, export_outputs, read_mix
from populace.analysis.export.source import strictest
from populace.core.errors import SetupError, SourceError


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


def mixed(folder: Path, recipe: str, **options: object) -> list[dict[str, object]]:
    (folder / "mix.toml").write_text(recipe)
    out = folder / f"mix{len(list(folder.iterdir()))}.jsonl"
    export_outputs(read_mix(folder / "mix.toml"), out, DatasetOptions(**options))  # type: ignore[arg-type]
    return read_lines(out)


def test_runs_that_are_named_are_exported_whole_one_after_the_other(two_runs: Path) -> None:
    out = two_runs / "both.jsonl"
    export_outputs([two_runs / "a.duckdb", two_runs / "b.duckdb"], out)
    rows = read_lines(out)
    assert Counter(row["run"] for row in rows) == {"a": 12, "b": 6}
    assert {row["licence"] for row in rows} == {"CC0-1.0", "CC-BY-NC-4.0"}
    card = (two_runs / "both.jsonl.card.md").read_text()
    assert "This export mixes licences.** As a whole it is bound by the strictest: CC-BY-NC-4.0." in card


@pytest.mark.slow
def test_weights_and_caps_say_how_much_of_each_run_is_taken(two_runs: Path) -> None:
    weighted = '[[run]]\nfile = "a.duckdb"\nweight = 1\n[[run]]\nfile = "b.duckdb"\nweight = 2\n'
    assert Counter(row["run"] for row in mixed(two_runs, weighted)) == {"a": 3, "b": 6}
    assert Counter(row["run"] for row in mixed(two_runs, f"rows = 6\n{weighted}")) == {"a": 2, "b": 4}
    capped = '[[run]]\nfile = "a.duckdb"\nmost = 5\n[[run]]\nfile = "b.duckdb"\nkinds = ["problem"]\n'
    assert Counter(row["run"] for row in mixed(two_runs, capped)) == {"a": 5, "b": 6}


def test_which_rows_are_taken_is_drawn_by_the_seed_and_stays(two_runs: Path) -> None:
    recipe = 'seed = {}\n[[run]]\nfile = "a.duckdb"\nmost = 4\n'
    drawn = [[row["text"] for row in mixed(two_runs, recipe.format(seed))] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    numbers = [int(str(text).split()[1]) for text in drawn[0]]
    assert numbers == sorted(numbers)
    assert numbers != [0, 1, 2, 3]


def test_columns_are_renamed_by_run_and_those_that_one_lacks_are_empty(two_runs: Path) -> None:
    recipe = '[[run]]\nfile = "a.duckdb"\nrename = { focus = "topic" }\n[[run]]\nfile = "b.duckdb"\n'
    rows = mixed(two_runs, recipe, columns=("text", "focus"))
    assert (rows[0]["topic"], rows[0]["focus"]) == ("f0", None)
    assert (rows[-1]["topic"], rows[-1]["focus"]) == (None, "f5")


def test_what_a_recipe_asks_for_in_vain_is_said_in_the_card(two_runs: Path) -> None:
    (two_runs / "mix.toml").write_text('rows = 100\n[[run]]\nfile = "b.duckdb"\n')
    report = export_outputs(read_mix(two_runs / "mix.toml"), two_runs / "m.jsonl")
    assert (report.rows, report.missing) == (6, 94)
    assert "asks for 94 rows more" in report.card.read_text()


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("[[run]", "is not TOML"),
        ("rows = 3", "run: Field required"),
        ('[[run]]\nfile = "a.duckdb"\nwieght = 2', "run.1.wieght: Extra inputs"),
        ('[[run]]\nfile = "a.duckdb"\nweight = 0', "run.1.weight: Input should be greater than 0"),
        ('[[run]]\nfile = "a.duckdb"\nrename = { licence = "l" }', "'licence' says where a row comes from"),
        ('[[run]]\nfile = "a.duckdb"\n[[run]]\nfile = "a.duckdb"', "named twice"),
        ('[[run]]\nfile = "a.duckdb"\nkinds = ["poem"]', "no outputs of the kind 'poem'"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused_in_a_sentence(two_runs: Path, recipe: str, words: str) -> None:
    with pytest.raises((SetupError, SourceError)) as refused:
        mixed(two_runs, recipe)
    assert words in str(refused.value)


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
    assert strictest(licences) == whole
