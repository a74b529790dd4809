"""Each task from seed texts to a data set that other programs read back."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import populace
from populace.analysis.export import DatasetFormat, DatasetOptions, export_outputs
from populace.scenarios.catalog import iter_tasks

SEEDS = "\n".join(
    json.dumps({"text": text, "licence": licence})
    for text, licence in (
        ("The kiln must cool for two days before anybody opens it; whoever is impatient loses the glaze.", "CC0-1.0"),
        ("A nurse writes down how many steps she takes in a night, and where the lamp in the ward is broken.", None),
        ("How to prune a pear tree against a wall, with the tools that you have.", "CC-BY-4.0"),
    )
)
#: Formats for training that a task has rows for, beside the folder for `datasets`, with the columns that TRL documents.
TRAINED = {
    "instruction": (DatasetFormat.OPENAI, {"messages"}),
    "conversation": (DatasetFormat.OPENAI, {"messages"}),
    "tool-use": (DatasetFormat.TOOLS, {"messages", "tools"}),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    (folder / "seeds.jsonl").write_text(SEEDS, "utf-8")
    populace.grow(folder / "seeds.jsonl", hub=folder / "hub.duckdb", agents=12, hops=2)
    return folder / "hub.duckdb"


#: The quick ones have rows for training and call no tools.
QUICK = TRAINED.keys() - {"tool-use"}
TASKS = [pytest.param(task.name, marks=() if task.name in QUICK else pytest.mark.slow) for task in iter_tasks()]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_goes_from_seeds_to_a_data_set(
    task: str, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_tools(hub, tmp_path) if task == "tool-use" else {}
    options: dict[str, Any] = {"hub": hub, "prompting": "few-shot", "seed": 1, "settings": settings}
    run = populace.make(task, 4, out=tmp_path / "made.duckdb", **options).path
    folder = tmp_path / "set"
    report = export_outputs([run], folder, DatasetOptions())
    assert report.rows == 4
    (file,) = report.files
    frame = pd.read_parquet(file)
    assert list(frame["text"]) == [row["text"] for row in loaded(folder, monkeypatch)["train"]]
    assert frame["synthetic"].all()
    assert frame["procedural"].all()
    assert set(frame["licence"]) <= {"CC0-1.0", "CC-BY-4.0", "unknown"}
    with duckdb.connect(run, read_only=True) as con:
        accepted = con.execute("SELECT text FROM outputs WHERE status = 'accepted' ORDER BY emission").fetchall()
    assert [(text,) for text in frame["text"]] == accepted
    if task in TRAINED:
        format_, columns = TRAINED[task]
        export_outputs([run], tmp_path / "train.jsonl", DatasetOptions(format=format_))
        rows = pd.read_json(tmp_path / "train.jsonl", lines=True)
        assert columns <= set(rows.columns)
        assert all(messages[0]["role"] in ("system", "user") for messages in rows["messages"])
    shutil.rmtree(folder)


def with_tools(hub: Path, folder: Path) -> dict[str, object]:
    code = populace.make("tool-code", 4, hub=hub, settings={"execute": True}, out=folder / "code.duckdb")
    return {"tools": str(code.path), "execute": True}


def loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    return datasets.load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))
