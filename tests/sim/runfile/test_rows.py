from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.sim.runfile.database import describe
from populace.sim.runfile.job_rows import JobRow
from populace.sim.runfile.rows import EmissionRow, MessageRow
from populace.sim.runfile.runlog import RunLog
from populace.sim.runfile.writer import Inserts

TABLES = {entry.name: entry for entry in describe() if entry.kind == "table"}

MESSAGE = ", ".join(f"{column.name} {column.type}" for column in TABLES["messages"].columns)


def test_another_class_is_refused_at_once(log: RunLog) -> None:
    with pytest.raises(TypeError, match="str is not a row of the run file"):
        log.submit(["no row"])  # type: ignore[list-item]


def test_what_is_written_is_read_back(log: RunLog, run_row: JobRow) -> None:
    emission = EmissionRow(1, 1, "ada", "tool", "weigh: 秤 <script>", '{"a":[1,"é"]}', True, "m", "turn@1")
    message = MessageRow(1, 1, "ada", "player", "Good\nmorning \N{BEAR FACE}", None, None)
    log.commit([emission, message]).result()
    assert log.job_row == run_row
    assert log.rows(EmissionRow) == [emission]
    assert log.rows(MessageRow, "WHERE sender = ?", ["ada"]) == [message]


def test_rows_keep_their_order_and_clause(log: RunLog) -> None:
    log.commit([MessageRow(n, n % 3, "ada", "ben", "x", None, n) for n in (3, 1, 2)]).result()
    assert [row.message for row in log.rows(MessageRow, "ORDER BY message")] == [1, 2, 3]


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory: one for each example would take most of the time."""
    with duckdb.connect() as con:
        yield con


@settings(deadline=None, max_examples=25)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), number=st.integers(-(2**63), 2**63 - 1))
def test_any_text_and_number_survives_arrow(database: duckdb.DuckDBPyConnection, text: str, number: int) -> None:
    row = MessageRow(number, 1, "", text, text, None, number)
    with database.cursor() as con:
        con.execute(f"CREATE OR REPLACE TABLE messages ({MESSAGE})")
        Inserts(con).write([row])
        found = con.execute("FROM messages").fetchall()
    assert found == [(number, 1, "", text, text, None, number)]
