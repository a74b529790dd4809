"""Exporting in the shapes in which collections are published: rows that were imported come back, none is made up."""

import csv
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from properties import holds

from populace.personas.errors import SetupError
from populace.personas.formats.exporting import ExportFormat, ExportReport, export_hub
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import HubFile, create_hub

type Row = dict[str, Any]

TASKS = [
    {"input persona": "A nurse", "synthesized text": "Math problem: 2 + 2", "description": "math"},
    {
        "input persona": "A nurse",
        "synthesized text": "User prompt: \u201eHelp\u201c,\nplease",
        "description": "instruction",
    },
    {"input persona": "A baker", "synthesized text": "Title: Rye", "description": "knowledge"},
]
ELITE = [
    {
        "persona": "A topologist",
        "general domain (top 1 percent)": "Mathematics",
        "specific domain (top 1 percent)": "None",
        "general domain (top 0.1 percent)": "None",
        "specific domain (top 0.1 percent)": "Knots",
    }
]
NEMOTRON = [
    {"uuid": "a1", "professional_persona": "Ann bakes.", "persona": "A baker", "age": 31, "zipcode": "04101"},
    {"uuid": "b2", "professional_persona": "Bo fishes.", "persona": "A fisher", "age": 64, "zipcode": "00501"},
]


def imported(hub: HubFile, path: Path, rows: list[Row] | None = None, **wish: Any) -> None:
    if rows is not None:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    list(import_files(hub, [path], ImportOptions.given(**wish)))


def again(rows: list[Row], folder: Path, form: str, ending: str = "jsonl", **wish: Any) -> tuple[Path, ExportReport]:
    """The rows imported and exported."""
    with create_hub(folder / f"{form}.duckdb") as hub:
        imported(hub, folder / "given.jsonl", rows, **wish)
        path = folder / f"{form}.{ending}"
        return path, export_hub(hub, path, format=ExportFormat(form))


def lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def content(hub: HubFile) -> list[Any]:
    people = hub.con.execute("SELECT id, text, language, licence FROM personas ORDER BY ordinal").fetchall()
    rows = hub.con.execute("SELECT persona, row, licence, attributes FROM imports ORDER BY file, row").fetchall()
    return [people, [(*row[:3], row[3] and json.loads(row[3])) for row in rows]]


@pytest.mark.parametrize(("form", "rows"), [("tasks", TASKS), ("elite", ELITE), ("nemotron", NEMOTRON)])
def test_rows_come_back_as_they_were(tmp_path: Path, form: str, rows: list[Row]) -> None:
    path, report = again(rows, tmp_path, form, licence="CC-BY-NC-SA-4.0")
    assert lines(path) == rows
    assert [list(row) for row in lines(path)] == [list(row) for row in rows]
    assert (report.rows, report.without, report.unlicensed) == (len(rows), 0, 0)
    assert report.people == len({row.get("persona", row.get("input persona")) for row in rows})


def test_csv_and_parquet_have_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    path, _ = again(NEMOTRON, tmp_path, "nemotron", "parquet")
    assert pq.read_table(path).to_pylist() == NEMOTRON
    path, _ = again(NEMOTRON, tmp_path / "csv", "nemotron", "csv")
    with path.open(newline="") as file:
        assert list(csv.DictReader(file)) == [row | {"age": str(row["age"])} for row in NEMOTRON]


def test_the_licences_of_the_rows_stand_beside_them(tmp_path: Path) -> None:
    _, report = again(TASKS, tmp_path, "tasks", licence="CC0-1.0", revision="r7")
    assert report.licences is not None
    assert report.licences.read_text().splitlines()[1:] == ["CC0-1.0,given.jsonl,r7,,2,1-3"]


def test_whoever_has_no_such_row_is_left_out_and_counted(tmp_path: Path) -> None:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        imported(hub, tmp_path / "tasks.jsonl", TASKS)
        imported(hub, tmp_path / "persona.jsonl", [{"persona": text} for text in ("A baker", "A pilot", "A judge")])
        report = export_hub(hub, path := tmp_path / "out.jsonl", format=ExportFormat.TASKS)
        assert (report.people, report.rows, report.without) == (2, 3, 2)
        assert lines(path) == TASKS
        with pytest.raises(SetupError, match="has a row of the format elite"):
            export_hub(hub, tmp_path / "elite.jsonl", format=ExportFormat.ELITE)
        assert not (tmp_path / "elite.jsonl").exists()


def test_a_near_duplicate_and_who_was_rejected_keep_their_rows_to_themselves(tmp_path: Path) -> None:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        imported(hub, tmp_path / "given.jsonl", TASKS)
        hub.con.execute("INSERT INTO rule_results (persona, rule, reason, outcome, became, text, undone) "
            "SELECT id, 'refusal', 'It refuses.', 'rejected', NULL, NULL, false "
                        "FROM personas WHERE text = 'A nurse'")  # fmt: skip
        export_hub(hub, path := tmp_path / "out.jsonl", format=ExportFormat.TASKS)
        assert lines(path) == TASKS[2:]
        report = export_hub(hub, tmp_path / "all.jsonl", format=ExportFormat.TASKS, duplicates=True)
        assert report.rows == 3


def test_a_file_that_was_imported_in_two_ways_gives_its_rows_once(tmp_path: Path) -> None:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        imported(hub, tmp_path / "given.jsonl", TASKS)
        imported(hub, tmp_path / "given.jsonl", licence="CC0-1.0")
        assert export_hub(hub, tmp_path / "out.jsonl", format=ExportFormat.TASKS).rows == 3


def test_columns_that_were_read_as_something_else_come_back_under_their_names(tmp_path: Path) -> None:
    rows: list[Row] = [row | {"lang": "en", "who": row["input persona"].lower(), "may": "CC0-1.0"} for row in TASKS]
    wish: dict[str, Any] = {"mapping": {"text": "who", "language": "lang", "licence": "may"}}
    path, _ = again(rows, tmp_path, "tasks", **wish)
    assert lines(path) == rows


def test_who_was_raised_is_among_the_elite(tmp_path: Path) -> None:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        imported(hub, tmp_path / "given.jsonl", [{"persona": "A welder"}, {"persona": "The best welder"}])
        hub.con.execute("INSERT INTO elites SELECT id, id, 'welding', '0.1%', 'Crafts', 'Welding', '[]', 'm', 'p@1', "
                        "now()::TIMESTAMP FROM personas WHERE text = 'The best welder'")  # fmt: skip
        report = export_hub(hub, path := tmp_path / "elite.jsonl", format=ExportFormat.ELITE)
        assert (report.rows, report.without) == (1, 1)
        assert lines(path) == [
            dict.fromkeys(ELITE[0], "None")
            | {"persona": "The best welder"}
            | {"general domain (top 0.1 percent)": "Crafts", "specific domain (top 0.1 percent)": "Welding"}
        ]


def test_what_parquet_cannot_hold_and_an_unknown_ending_are_refused(tmp_path: Path) -> None:
    rows: list[Row] = [TASKS[0] | {"score": 1}, TASKS[1] | {"score": "high"}]
    with pytest.raises(SetupError, match="'score' are of several types"):
        again(rows, tmp_path, "tasks", "parquet")
    assert not list(tmp_path.glob("tasks.parquet*"))
    (tmp_path / "other").mkdir()
    with pytest.raises(SetupError, match="tasks is written as JSONL, CSV or Parquet"):
        again(rows, tmp_path / "other", "tasks", "graphml")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)
VALUES = TEXTS | st.sampled_from(["None", ""]) | st.integers(-9, 9) | st.booleans() | st.lists(TEXTS, max_size=2)
DESCRIPTIONS = st.sampled_from(["A nurse", "A baker of rye", "\u4e00\u540d\u6e14\u6c11", "Somebody called None"])


@st.composite
def collections(draw: st.DrawFn) -> tuple[str, list[Row]]:
    """Rows of one of the shapes, with columns of their own, some of which hold nothing."""
    form, text, known = draw(st.sampled_from([
        ("tasks", "input persona", ["synthesized text", "description"]),
        ("elite", "persona", list(ELITE[0])[1:]),
        ("nemotron", "persona", ["uuid", "arts_persona", "age"]),
    ]))  # fmt: skip
    others = draw(st.lists(TEXTS.filter(lambda name: name not in known and "persona" not in name.lower()), max_size=3))
    row = st.fixed_dictionaries({text: DESCRIPTIONS}, optional=dict.fromkeys([*known, *others], VALUES))
    return form, draw(st.lists(row, min_size=1, max_size=6))


@holds(collections(), few=5, many=40)
def test_what_is_exported_is_imported_as_the_same_hub(collection: tuple[str, list[Row]]) -> None:
    form, rows = collection
    with TemporaryDirectory() as name:
        folder = Path(name)
        with create_hub(folder / "one.duckdb") as one, create_hub(folder / "other.duckdb") as other:
            imported(one, folder / "given.jsonl", rows, format=form)
            export_hub(one, folder / "out.jsonl", format=ExportFormat(form))
            imported(other, folder / "out.jsonl", format=form)
            assert content(one) == content(other)
