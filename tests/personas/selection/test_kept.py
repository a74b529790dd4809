"""Selections that the hub keeps: their views, their names, and what is read of them."""

import json
from pathlib import Path

import duckdb
import pytest

from populace.core.errors import SetupError, SourceError
from populace.personas.hub import HubFile, open_hub, read_hub
from populace.personas.selection import SelectionSpec, drop_selection, select, write_selection


def test_a_kept_selection_is_a_view_with_profiles(town: HubFile) -> None:
    ids = select(town, SelectionSpec(where="region = 'north'", n=7, name="northerners")).ids
    rows = town.con.execute("SELECT id, place, region, profile_model FROM northerners").fetchall()
    assert rows == [(identity, place, "north", "procedural") for place, identity in enumerate(ids, start=1)]


def test_the_row_of_a_selection_says_how_it_was_made(town: HubFile) -> None:
    spec = SelectionSpec(n=9, stratify=("region",), seed=4, name="nine")
    report = select(town, spec).report
    row = town.con.execute("SELECT n, rule, columns, seed, people, hub_people, spec, report FROM selections").fetchone()
    assert row is not None
    assert row[:6] == (9, "stratify", ["region"], 4, 9, 240)
    assert SelectionSpec.model_validate_json(row[6]) == spec
    assert json.loads(row[7]) == json.loads(report.to_json())


def test_the_stored_wish_makes_the_same_selection_again(town: HubFile) -> None:
    ids = select(town, SelectionSpec(n=9, where="hop > 0", seed=4, name="nine")).ids
    ((stored,),) = town.con.execute("SELECT spec FROM selections").fetchall()
    drop_selection(town, "nine")
    assert select(town, SelectionSpec.model_validate_json(stored)).ids == ids


def test_dropping_a_selection_drops_its_view_and_nobody_from_the_hub(town: HubFile) -> None:
    select(town, SelectionSpec(n=9, name="nine"))
    drop_selection(town, "nine")
    assert town.con.execute("FROM selections").fetchall() == []
    assert town.con.execute("SELECT count(*) FROM personas").fetchall() == [(240,)]
    assert town.con.execute("SELECT count(*) FROM duckdb_views() WHERE view_name = 'nine'").fetchall() == [(0,)]


@pytest.mark.parametrize("name", ["", "a b", "1st", 'x"; DROP TABLE personas; --', "é", "a" * 64])
def test_a_name_that_is_none_is_refused(town: HubFile, name: str) -> None:
    with pytest.raises(SetupError, match="A selection cannot be called"):
        select(town, SelectionSpec(n=1, name=name))


@pytest.mark.parametrize("name", ["personas", "Selections", "select", "profiles"])
def test_a_name_that_means_something_already_is_refused(town: HubFile, name: str) -> None:
    with pytest.raises(SetupError, match="has a meaning in this hub or in SQL"):
        select(town, SelectionSpec(n=1, name=name))


def test_a_name_is_given_once(town: HubFile) -> None:
    select(town, SelectionSpec(n=1, name="one"))
    with pytest.raises(SetupError, match="There is a selection 'ONE' already"):
        select(town, SelectionSpec(n=1, name="ONE"))


def test_dropping_what_is_not_there_names_what_is(town: HubFile) -> None:
    with pytest.raises(SetupError, match="keeps no selection 'x'; make one with"):
        drop_selection(town, "x")
    select(town, SelectionSpec(n=1, name="one"))
    with pytest.raises(SetupError, match="no selection 'x'; there are: one"):
        drop_selection(town, "x")


def test_a_hub_that_is_open_for_reading_is_chosen_from_but_keeps_nothing(town: HubFile) -> None:
    town.close()
    with open_hub(town.path) as hub:
        assert len(select(hub, SelectionSpec(n=3)).ids) == 3
        with pytest.raises(SetupError, match="is open for reading"):
            select(hub, SelectionSpec(n=3, name="three"))


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_those_chosen_are_written_with_their_profiles(town: HubFile, tmp_path: Path, suffix: str) -> None:
    selection = select(town, SelectionSpec(n=5, where="region = 'south'"))
    # Somebody whose description was rewritten goes by the id of exports.
    town.con.execute("INSERT INTO rewritten_people VALUES (?, 'f00')", selection.ids[:1])
    path = tmp_path / f"it's{suffix}"
    write_selection(town, selection, path)
    quoted = str(path).replace("'", "''")
    assert duckdb.execute(f"SELECT id, region FROM '{quoted}' ORDER BY place").fetchall() == [
        (identity, "south") for identity in ("f00", *selection.ids[1:])
    ]


@pytest.mark.parametrize(("name", "said"), [("people.xlsx", "ends in .parquet"), ("town.duckdb", "ends in .parquet")])
def test_those_chosen_are_written_to_tables_alone(town: HubFile, tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        write_selection(town, select(town, SelectionSpec(n=5)), tmp_path / name)


def test_a_file_that_is_there_is_not_overwritten(town: HubFile, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("mine")
    with pytest.raises(SetupError, match="exists already"):
        write_selection(town, select(town, SelectionSpec(n=5)), tmp_path / "people.csv")


def test_a_selection_is_read_as_a_hub_with_the_relations_among_its_people(town: HubFile) -> None:
    town.con.execute(
        "INSERT INTO relations SELECT i, md5(i::VARCHAR), md5((i + 1)::VARCHAR), 'work', 'colleague', 1 "
        "FROM range(1, 240) AS t(i)"
    )
    select(town, SelectionSpec(where="ordinal <= 4 AND ordinal <> 2", name="few"))
    town.close()
    hub = read_hub(town.path, select="few")
    assert [persona.text.split()[3] for persona in hub.personas] == ["w1", "w3", "w4"]
    assert len(hub.relations) == 1


def test_what_is_said_of_a_duplicate_is_said_of_the_one_chosen(town: HubFile) -> None:
    town.con.execute(
        "INSERT INTO relations VALUES (1, md5('1'), md5('2'), 'work', 'colleague', 1);"
        "INSERT INTO duplicates VALUES ('persona', NULL, md5('2'), md5('3'), NULL, NULL, 'minhash', 0.95, false)"
    )
    select(town, SelectionSpec(where="ordinal IN (1, 3)", name="pair"))
    town.close()
    hub = read_hub(town.path, select="pair")
    assert [(tie.source, tie.target) for tie in hub.relations] == [(hub.personas[0].id, hub.personas[1].id)]


def test_chosen_duplicates_live_beside_the_one_they_duplicate(town: HubFile) -> None:
    town.con.execute(
        "INSERT INTO duplicates VALUES ('persona', NULL, md5('2'), md5('1'), NULL, NULL, 'minhash', 0.95, false)"
    )
    select(town, SelectionSpec(where="ordinal < 3", with_duplicates=True, name="pair"))
    town.close()
    assert len(read_hub(town.path, select="pair").personas) == 2


def test_reading_a_selection_that_is_not_there_names_those_that_are(town: HubFile, tmp_path: Path) -> None:
    select(town, SelectionSpec(n=1, name="one"))
    town.close()
    with pytest.raises(SourceError, match="keeps no selection 'two'; there are: one"):
        read_hub(town.path, select="two")
    (tmp_path / "people.csv").write_text("persona\nA baker.\n")
    with pytest.raises(SourceError, match="keeps no selections"):
        read_hub(tmp_path / "people.csv", select="two")
