"""Folders of Parquet files: loaded by `datasets`, described by their card."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml
from made_run import TOOL_TALK, NewRun

from populace.analysis.export import DatasetFormat, DatasetOptions, Split, export, export_outputs
from populace.analysis.export import source as source_module
from populace.core.errors import RunFileError, SetupError


def loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    return datasets.load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))


def header(card: str) -> Any:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_folder_is_loaded_by_datasets_with_its_splits(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    for number in range(12):
        person = run.person(f"Person {'abcdefghijkl'[number]} of the town.")
        run.output(person, f"{'abcdefghijkl'[number]}1 {'abcdefghijkl'[number]}2?", response=f"Answer {number}.")
    folder = run.done().with_name("set")
    options = DatasetOptions(format=DatasetFormat.OPENAI, split=Split(0.75))
    report = export_outputs([run.path], folder, options)
    found = loaded(folder, monkeypatch)
    assert {side: len(rows) for side, rows in found.items()} == {"train": 9, "test": 3}
    assert {(side,): len(rows) for side, rows in found.items()} == report.tally.by("side")
    assert [m["role"] for m in found["train"][0]["messages"]] == ["user", "assistant"]
    assert header((folder / "README.md").read_text())["configs"][0]["data_files"][1]["split"] == "test"
    assert {path.name for path in report.files} == {"train-00000.parquet", "test-00000.parquet"}


def test_conversations_with_tools_are_loaded_by_datasets(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    person = run.person("A pilot.")
    run.output(person, "When is high water?", "talk", **TOOL_TALK)
    run.output(person, "And the weather?", "talk", messages=TOOL_TALK["messages"], tools=[])
    folder = run.done().with_name("tools")
    export_outputs([run.path], folder, DatasetOptions(format=DatasetFormat.TOOLS))
    rows = loaded(folder, monkeypatch)["train"]
    assert [json.loads(row["tools"]) for row in rows] == [TOOL_TALK["tools"], []]
    assert rows[0]["messages"][1]["tool_calls"][0]["function"]["name"] == "tide"


def test_an_export_that_was_stopped_begins_anew(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "_PAGE", 3)
    monkeypatch.setattr(export, "_SHARD_ROWS", 6)
    run = new_run()
    diver = run.person("A diver.")
    for letter in "abcdefghijklmnopqrst":
        run.output(diver, f"How deep is it at {letter}?", response="Forty metres.")
    folder = run.done().with_name("set")
    with monkeypatch.context() as patch:
        patch.setattr(export, "render_card", lambda *_: pytest.fail("stopped"))
        with pytest.raises(pytest.fail.Exception):
            export_outputs([run.path], folder)
    assert not folder.exists()
    report = export_outputs([run.path], folder)
    assert report.rows == sum(pq.read_metadata(path).num_rows for path in report.files) == 20
    assert len(report.files) == 4
    assert not folder.with_name("set.partial").exists()


def test_the_numbers_of_the_card_are_those_of_the_files(asked: Path) -> None:
    folder = asked.with_name("set")
    report = export_outputs([asked], folder)
    card = (folder / "README.md").read_text()
    with duckdb.connect() as con:
        table = f"'{folder}/data/*.parquet'"
        ((rows, people),) = con.execute(f"SELECT count(*), count(DISTINCT persona) FROM {table}").fetchall()
        licences = con.execute(f"SELECT licence, count(*) FROM {table} GROUP BY ALL").fetchall()
    assert (report.rows, report.tally.personas) == (rows, people)
    assert f"| rows | {rows} |" in card
    assert f"| personas | {people} |" in card
    for licence, number in licences:
        assert re.search(rf"\| {re.escape(licence)} \| [\w, ]+ \| {number} \|", card)
    assert "This export mixes licences" in card
    assert "licence is unknown" in card
    assert "| errands | 7 | near_duplicate | 1 | 20.0% |" in card
    assert "| errands | 7 | leak | 1 | 20.0% |" in card
    assert header(card)["license"] == ["cc-by-sa-4.0", "unknown"]
    assert "synthetic" in header(card)["tags"]


def test_a_folder_of_parquet_has_its_files_at_the_top(asked: Path) -> None:
    folder = asked.with_name("shards")
    export_outputs([asked], folder, DatasetOptions(format=DatasetFormat.PARQUET))
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "train-00000.parquet"]
    schema = pq.read_schema(folder / "train-00000.parquet")
    assert json.loads(schema.metadata[b"populace"])["synthetic"] is True
    with pytest.raises(SetupError, match="exists already"):
        export_outputs([asked], folder, DatasetOptions(format=DatasetFormat.PARQUET))


def test_an_export_with_nothing_to_write_leaves_nothing_behind(new_run: NewRun) -> None:
    run = new_run()
    run.output(run.person("A diver."), "How deep?", response="")
    folder = run.done().with_name("set")
    with pytest.raises(SetupError, match=r"Nothing is left to export \(1 for no response\)"):
        export_outputs([run.path], folder, DatasetOptions(format=DatasetFormat.OPENAI))
    assert [path.name for path in folder.parent.iterdir()] == ["r1.duckdb"]


def test_a_folder_is_readable_by_its_owner_alone(asked: Path) -> None:
    folder = asked.with_name("set")
    export_outputs([asked], folder)
    modes = {path.relative_to(folder.parent).as_posix(): path.stat().st_mode & 0o77 for path in folder.rglob("*")}
    assert not any(modes.values()), modes
    assert not folder.stat().st_mode & 0o77


def test_a_run_that_is_being_written_is_refused(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.sim.runfile.reader.RunReader.is_live", True)
    with pytest.raises(RunFileError, match="is being written"):
        export_outputs([asked], asked.with_name("set"))
