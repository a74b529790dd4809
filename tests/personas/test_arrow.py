"""Columns between Python, DuckDB and Parquet, without pyarrow."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arro3.core import Table

from populace.core.arrow import (
    UNFIT,
    ColumnFile,
    engine,
    iter_batches,
    make_table,
    open_parquet,
    read_table,
    to_rows,
    write_parquet,
)
from populace.core.errors import SetupError

NOW = datetime(2026, 11, 24, 12, 30, 1, 7)
EAST = NOW.replace(tzinfo=timezone(timedelta(hours=2)))
TYPES = {"a": "BIGINT", "b": "VARCHAR[]", "c": "TIMESTAMP", "d": 'STRUCT("role" VARCHAR)[]', "e": "FLOAT[]"}
COLUMNS: dict[str, list[Any]] = {
    "a": [1, None], "b": [["x", None], None], "c": [NOW, EAST], "d": [[{"role": "user"}], []],
    "e": [np.array([0.5, 2], np.float32), np.array([1], np.float32)],
}  # fmt: skip


def test_values_of_all_types_come_back_from_the_database_and_from_a_file(tmp_path: Path) -> None:
    table = make_table(COLUMNS, TYPES)
    write_parquet(iter([table]), tmp_path / "a.parquet", {"made": '{"by": "it\'s"}'})
    expected = [(1, ["x", None], NOW, [{"role": "user"}], [0.5, 2]), (None, None, NOW - timedelta(hours=2), [], [1])]
    with engine(given=table) as con, open_parquet(tmp_path / "a.parquet") as rows:
        assert con.execute("FROM given").fetchall() == rows.fetchall() == expected
    assert [tuple(row.values()) for row in to_rows(table)] == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("BIGINT", "1"),
        ("BIGINT", 2**70),
        ("INTEGER", 2**40),
        ("VARCHAR", 1),
        ("VARCHAR", "\ud83d"),
        ("TIMESTAMP", "now"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused(kind: str, value: object) -> None:
    with pytest.raises(UNFIT):
        make_table({"a": [value]}, {"a": kind})


def test_a_relation_is_read_in_small_batches_and_its_failure_is_one_of_the_database() -> None:
    with duckdb.connect() as con:
        assert [batch.num_rows for batch in iter_batches(con.sql("FROM range(25)"), 10)] == [10, 10, 5]
        assert read_table(con.sql("FROM range(0)")).column_names == ["range"]
        with pytest.raises(duckdb.Error, match="late"):
            read_table(con.sql("SELECT if(range > 900_000, error('late'), range) FROM range(1_000_000)"))


def test_what_fails_while_a_file_is_written_is_raised_as_it_was(tmp_path: Path) -> None:
    def tables() -> Iterator[Table]:
        yield make_table({"a": [1]})
        raise LookupError("row 2")

    with pytest.raises(LookupError, match="row 2"):
        write_parquet(tables(), tmp_path / "a.parquet")
    with pytest.raises(OSError, match="nowhere"):
        write_parquet(iter([make_table({"a": [1]})]), tmp_path / "nowhere" / "a.parquet")


def write_invalid(path: Path, *, is_parquet: bool) -> None:
    """Write three rows, of which the second is not UTF-8."""
    held = pa.array([b"A baker.", b"\xff\xfe", b"A clerk."], pa.binary())
    table = pa.table({"text": pa.Array.from_buffers(pa.string(), 3, held.buffers()), "n": [1.5, 2, 3]})
    if is_parquet:
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)


@pytest.mark.parametrize("is_parquet", [True, False])
def test_a_row_that_is_not_utf8_keeps_its_number_and_no_other_row(tmp_path: Path, is_parquet: bool) -> None:
    write_invalid(path := tmp_path / "a", is_parquet=is_parquet)
    file = ColumnFile(path, is_parquet=is_parquet)
    assert file.types == {"text": "VARCHAR", "n": "DOUBLE"}
    assert list(file.rows(["n"], 2, 3)) == [[(3, {"n": 3.0})]]
    assert list(file.rows(["text"], 9)) == [[(1, {"text": "A baker."}), (2, None), (3, {"text": "A clerk."})]]


@pytest.mark.parametrize(("is_parquet", "why"), [(True, "text that is not UTF-8"), (False, "an Arrow file")])
def test_what_only_pyarrow_reads_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_parquet: bool, why: str
) -> None:
    write_invalid(path := tmp_path / "a", is_parquet=is_parquet)
    for module in ("pyarrow", "pyarrow.ipc", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SetupError, match=rf"a .*{why}; .*\[arrow\]"):
        list(ColumnFile(path, is_parquet=is_parquet).rows(["text"], 9))


NAMES = {"Age": [1], "age": [2], "": [3], "s": [{"x": 1, "y": [4]}], "z": [5]}


@pytest.mark.parametrize("ours", [True, False])
def test_columns_keep_names_that_duckdb_has_no_place_for(tmp_path: Path, ours: bool) -> None:
    table, path = pa.table(NAMES), tmp_path / "a.parquet"
    write_parquet(iter([Table.from_arrow(table)]), path) if ours else pq.write_table(table, path)
    file = ColumnFile(path, is_parquet=True)
    assert list(file.types) == list(NAMES)
    assert list(file.rows(["z", "age", ""], 9)) == [[(1, {"z": 5, "age": 2, "": 3})]]


WITHOUT_PYARROW = """
import sys
sys.modules['pyarrow'] = None
from populace.cli import main
for line in sys.stdin:
    sys.argv = ['populace', *line.split()]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, line
"""


def test_a_run_its_report_and_its_exports_need_no_pyarrow(tmp_path: Path) -> None:
    commands = """run village --agents 4 --hops 1 --steps 1 --out village.duckdb
        report village.duckdb
        make math --n 4 --out math.duckdb
        export math.duckdb math.jsonl
        export math.duckdb math.csv
        export math.duckdb math.parquet
        export math.duckdb --format huggingface math
        hub import math.parquet --hub people.duckdb --map text=persona_text
        hub export people.duckdb people.parquet"""
    given = {"cwd": tmp_path, "input": commands, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", WITHOUT_PYARROW], **given)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "math" / "data").num_rows == 4
    assert pq.read_table(tmp_path / "people.parquet").num_rows > 0
