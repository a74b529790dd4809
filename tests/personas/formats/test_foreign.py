"""Texts of other files: each with its file, row and column."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_people import make_hub

from populace.core.errors import SetupError, SourceError
from populace.personas.formats.foreign import ForeignText, ForeignTexts
from populace.personas.persona import Persona
from populace.sim.runfile.database import make_schema

RIVER = "How high does the river rise?"
BRIDGE = "How long is the bridge?"


def jsonl(path: Path, *rows: Mapping[str, Any] | str) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def read(*files: Path, columns: tuple[str, ...] = ()) -> list[tuple[str, int, str]]:
    return [(found.column, found.row, found.text) for found in ForeignTexts(files, columns=columns)]


def test_columns_of_the_usual_names_are_read(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "bench.jsonl", {"id": "x 1", "problem": RIVER, "solution": "Two metres."})
    assert read(file) == [("problem", 1, RIVER), ("solution", 1, "Two metres.")]


def test_rows_of_jsonl_may_have_other_columns_than_the_first(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "bench.jsonl", {"problem": RIVER}, {"question": BRIDGE})
    assert read(file) == [("problem", 1, RIVER), ("question", 2, BRIDGE)]


def test_named_columns_are_read_alone(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "bench.jsonl", {"problem": RIVER, "solution": "Two metres."})
    assert read(file, columns=("problem",)) == [("problem", 1, RIVER)]


def test_a_column_of_another_name_has_to_be_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"task_id": ["a1"], "stem": [RIVER]}), path := tmp_path / "bench.parquet")
    with pytest.raises(SourceError, match=r"--column.*: it has 'task_id', 'stem'"):
        ForeignTexts([path])
    assert [text.text for text in ForeignTexts([path], columns=("stem",))] == [RIVER]


def test_a_column_that_is_not_there_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "bench.jsonl", {"problem": RIVER})
    with pytest.raises(SourceError, match="no column 'problems'"):
        ForeignTexts([file], columns=("problems",))


def test_each_message_of_a_conversation_is_a_text(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": RIVER}, {"role": "assistant", "content": "Two metres."}]
    file = jsonl(tmp_path / "chat.jsonl", {"messages": messages})
    assert read(file) == [("messages", 1, RIVER), ("messages", 1, "Two metres.")]


def test_plain_text_is_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "bench.txt").write_bytes(f"{RIVER}\n\n\xff\xfe\n{BRIDGE}\n".encode("latin-1"))
    texts = ForeignTexts([tmp_path / "bench.txt"])
    assert [(found.row, found.text) for found in texts] == [(1, RIVER), (4, BRIDGE)]
    assert [str(s) for s in texts.skipped[str(tmp_path / "bench.txt")]] == [
        "1 because the line is not UTF-8 (line or row 3)"
    ]


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    texts = ForeignTexts([jsonl(tmp_path / "bench.jsonl", {"text": RIVER}, "{broken", {"text": BRIDGE})])
    assert [found.row for found in texts] == [1, 3]
    (skips,) = texts.skipped.values()
    assert [skip.rows for skip in skips] == [1]


def test_of_a_hub_the_people_are_read(tmp_path: Path) -> None:
    hub = make_hub(tmp_path / "hub.duckdb", [Persona("A baker"), Persona("A nurse")])
    assert read(hub) == [("text", 1, "A baker"), ("text", 2, "A nurse")]


def test_of_a_run_the_outputs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    with duckdb.connect(path) as con:
        make_schema(con)
        con.execute("INSERT INTO emissions BY NAME SELECT 7 AS emission, 1 AS step, 'a' AS agent, 'problem' AS kind,"
                    " ? AS text, ? AS payload, false AS revised, 'm' AS model, 'p@1' AS prompt",
                    [RIVER, json.dumps({"text": RIVER, "solution": "Two metres."})])  # fmt: skip
    assert read(path) == [("text", 7, RIVER)]
    assert read(path, columns=("solution",)) == [("solution", 7, "Two metres.")]


def test_a_folder_stands_for_the_tables_in_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    jsonl(tmp_path / "data" / "b.jsonl", {"text": BRIDGE})
    jsonl(tmp_path / "data" / "a.jsonl", {"text": RIVER})
    (tmp_path / "README.md").write_text("No data.")
    assert [text for _, _, text in read(tmp_path)] == [RIVER, BRIDGE]


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="No file"):
        ForeignTexts([])
    with pytest.raises(SourceError, match="There is no file"):
        ForeignTexts([tmp_path / "gone.jsonl"])
    with duckdb.connect(tmp_path / "empty.duckdb") as con:
        make_schema(con)
    with pytest.raises(SourceError, match="neither outputs nor people"):
        ForeignTexts([tmp_path / "empty.duckdb"])


def test_the_place_of_a_text_is_said_in_words() -> None:
    assert ForeignText("bench.jsonl", 4, RIVER, "problem").place == "bench.jsonl, row 4, problem"
