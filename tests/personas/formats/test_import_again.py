"""Rows that are met again: in other formats, in other files, and with what was not known the first time."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_people import ask_hub

from populace.personas.formats.importing import FileReport, import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import HubFile, create_hub, open_hub
from populace.personas.hub.file import describe_hub
from populace.personas.hub.merge import merge_hubs

TASKS = [
    {"input persona": f"A locksmith who mends clock {n // 2}", "synthesized text": f"Task {n}", "description": "a, b"}
    for n in range(6)
]

type Import = Callable[..., FileReport]


def take(hub: HubFile, path: Path, *, part: int = 1_000, **wish: Any) -> FileReport:
    (report,) = import_files(hub, [path], ImportOptions.given(**wish), part=part)
    return report


def written(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("part", [2, 1_000])
def test_equal_texts_of_several_files_are_one_person_and_each_row_is_kept(
    hub: HubFile, tmp_path: Path, part: int
) -> None:
    take(hub, written(tmp_path, "t.jsonl", TASKS), part=part)
    again = take(hub, written(tmp_path, "t.csv", TASKS), part=part, licence="CC0-1.0")
    third = take(hub, written(tmp_path, "t.parquet", TASKS), part=part)
    assert [(r.rows, r.new, r.unlicensed) for r in (again, third)] == [(6, 0, 0), (6, 0, 0)]
    assert ask_hub(hub, "SELECT count(*), count(licence), count(DISTINCT file) FROM imports") == [(18, 6, 3)]
    assert ask_hub(hub, "SELECT count(*), count(licence) FROM personas") == [(3, 3)]


def test_a_later_import_fills_what_was_unknown(hub: HubFile, tmp_path: Path) -> None:
    path = written(tmp_path, "p.jsonl", [{"persona": "Ada"}])
    assert take(hub, path).unlicensed == 1
    later = take(hub, path, licence="MIT", revision="r7", source="Somebody's people", language="de")
    assert (later.new, later.unlicensed) == (0, 0)
    assert ask_hub(hub, "SELECT licence, language FROM personas") == [("MIT", "de")]
    assert ask_hub(hub, "SELECT licence, source, revision FROM imports ORDER BY file") == [
        (None, "p.jsonl", None),
        ("MIT", "Somebody's people", "r7"),
    ]
    assert take(hub, path, licence="MIT", revision="r7", source="Somebody's people", language="de").already


def test_a_text_under_two_licences_keeps_both(hub: HubFile, tmp_path: Path) -> None:
    rows = [{"persona": "A nurse"}]
    take(hub, written(tmp_path, "a.jsonl", rows), licence="MIT")
    take(hub, written(tmp_path, "b.jsonl", rows), licence="CC0-1.0")
    assert ask_hub(hub, "SELECT licence FROM imports ORDER BY file") == [("MIT",), ("CC0-1.0",)]
    assert describe_hub(hub).people["licence"] == (("CC0-1.0", 1), ("MIT", 1))


def test_whoever_is_met_with_a_licence_in_another_row_is_not_without_one(hub: HubFile, tmp_path: Path) -> None:
    take(hub, written(tmp_path, "a.jsonl", [{"persona": "A nurse"}]))
    take(hub, written(tmp_path, "t.jsonl", [{"input persona": "A nurse", "synthesized text": "x"}]), licence="MIT")
    assert ask_hub(hub, "SELECT licence FROM personas") == [("MIT",)]
    assert describe_hub(hub).people["licence"] == (("MIT", 1),)


@pytest.mark.slow
def test_a_merge_fills_what_one_hub_did_not_know(tmp_path: Path) -> None:
    paths = [tmp_path / "one.duckdb", tmp_path / "two.duckdb"]
    with create_hub(paths[0]) as hub:
        take(hub, written(tmp_path, "t.jsonl", TASKS), language="und")
    with create_hub(paths[1]) as hub:
        take(hub, written(tmp_path, "t.csv", TASKS), licence="MIT", language="de")
    merge_hubs(paths, tmp_path / "both.duckdb")
    with open_hub(tmp_path / "both.duckdb") as hub:
        assert ask_hub(hub, "SELECT count(*), count(licence) FROM imports") == [(12, 6)]
        assert ask_hub(hub, "SELECT DISTINCT licence, language FROM personas") == [("MIT", "de")]
