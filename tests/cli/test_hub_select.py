"""`populace hub sample`: what it prints, keeps, writes, and refuses."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from .conftest import Ask


@pytest.fixture(scope="module")
def made_town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub of 40 people, every fourth of whom is Welsh."""
    from populace.personas.hub import create_hub

    with create_hub(path := tmp_path_factory.mktemp("town") / "town.duckdb") as hub:
        hub.con.execute(
            "INSERT INTO personas SELECT 'p' || i, i, 'Baker number ' || i, 'import', 0, NULL, "
            "CASE WHEN i % 4 = 0 THEN 'cy' ELSE 'en' END, NULL, NULL, NULL, NULL FROM range(1, 41) AS t(i)"
        )
    return path


@pytest.fixture
def town(made_town: Path, folder: Path) -> Path:
    """A copy of it: `town.duckdb` in the folder."""
    shutil.copy(made_town, folder)
    return Path(made_town.name)


def test_a_choice_says_how_well_it_meets_the_wish(ask: Ask, town: Path) -> None:
    said = ask("hub", "sample", town, "--n", 8, "--stratify", "language")
    assert (said.code, said.complaint) == (0, "")
    assert said.out.startswith("Chose 8 of 40 candidates, seed 0.\n")
    assert "│ cy       │         10 │      2 │   2 │          0 │" in said.out
    assert said.out.endswith("Not kept; --name keeps it in the hub, and --out writes it to a file.\n")


def test_a_named_choice_is_kept_and_dropped(ask: Ask, town: Path) -> None:
    assert ask("hub", "sample", town, "--n", 3, "--name", "three").out.endswith("Kept as three.\n")
    assert "three" in ask("sql", town, "SELECT name, people FROM selections").out
    assert ask("hub", "sample", town, "--drop", "three").out == "Dropped three.\n"
    assert "No rows" in ask("sql", town, "FROM selections").out


def test_a_choice_is_written_to_a_file(ask: Ask, town: Path, folder: Path) -> None:
    said = ask("hub", "sample", town, "--where", "language = 'cy'", "--n", 4, "--out", "welsh.csv")
    assert said.out.endswith("Wrote welsh.csv.\n")
    assert duckdb.execute("SELECT count(*), min(language) FROM 'welsh.csv'").fetchall() == [(4, "cy")]
    ask("hub", "sample", town, "--n", 4, "--name", "four", "--out", "welsh.csv").complains(2, "exists already")
    assert "No rows" in ask("sql", town, "FROM selections").out


def test_the_report_comes_as_json_too(ask: Ask, town: Path) -> None:
    report = json.loads(ask("hub", "sample", town, "--quota", "language=cy:2,en:3", "--json").out)
    assert report["chosen"] == 5
    assert [share["got"] for share in report["breakdowns"][0]["shares"]] == [2, 3]


def test_people_unlike_each_other_come_with_their_distances(ask: Ask, town: Path) -> None:
    assert "the two most alike are 0.50 apart" in ask("hub", "sample", town, "--n", 4, "--diverse").out


def test_fewer_than_asked_for_is_said(ask: Ask, town: Path) -> None:
    said = ask("hub", "sample", town, "--n", 90, "--allow-fewer").out
    assert said.startswith("Chose 40 of 40 candidates, seed 0.\n90 were asked for; there are no more.\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--n", 99), "99 people were asked for and 40 can be chosen"),
        (("--n", 0), "--n must be at least 1"),
        (("--seed", -1), "--seed must be at least 0"),
        (("--where", "job = 'nurse'"), "'job', which is no column of people"),
        (("--where", "true; DROP TABLE personas"), "no condition in SQL"),
        (("--where", "hop > 3"), "Nobody meets --where"),
        (("--n", 3, "--balance", "language,,hop"), "names of columns with commas"),
        (("--quota", "language=fr:3"), "Nobody among the 40 candidates has language 'fr'"),
        (("--n", 3, "--targets", "none.csv"), "There is no file none.csv"),
        (("--n", 3, "--name", "a b"), "cannot be called 'a b'"),
        (("--n", 3, "--out", "people.xlsx"), "ends in .parquet"),
        (("--drop", "x"), "no selection 'x'"),
    ],
)
def test_a_wrong_wish_is_one_sentence(ask: Ask, town: Path, options: tuple[object, ...], said: str) -> None:
    ask("hub", "sample", town, *options).complains(2, said)


def test_a_run_file_is_a_hub_to_choose_from(ask: Ask, run_file: Path) -> None:
    said = ask("hub", "sample", run_file, "--n", 3, "--name", "three")
    assert (said.code, said.complaint) == (0, "")
    assert ask("sql", run_file, "SELECT count(*) AS n FROM three JOIN people ON agent = id", "--csv").out == "n\n3\n"
