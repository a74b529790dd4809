from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import duckdb
import pytest

from populace.core.table import Table, table_of


class Mood(StrEnum):
    GLAD = "glad"


@dataclass(frozen=True, slots=True)
class VisitRow:
    """Who came's visits."""

    mood: Annotated[Mood, "The visitor's mood"]
    offset: Annotated[int | None, "Seconds; null where nobody looked", "BIGINT"]
    names: Annotated[Sequence[str], "Who came"]
    at: Annotated[datetime, "UTC"]
    share: Annotated[float, "Share, 0 to 1"] = 0.5
    is_paid: Annotated[bool, "Whether it was paid"] = False
    note: Annotated[str | None, "Note"] = None
    job: Annotated[int, "Job"] = 1


VISITS = Table("visits", VisitRow, ("job", "mood"), ("job",), fork=None, undo=None)


def test_a_declaration_makes_columns_keys_and_comments() -> None:
    with duckdb.connect() as con:
        con.execute(VISITS.statements())
        columns = "column_name, data_type, is_nullable, column_default, comment"
        assert con.execute(f"SELECT {columns} FROM duckdb_columns() WHERE NOT internal").fetchall() == [
            ("job", "INTEGER", False, "1", "Job"),
            ("mood", "VARCHAR", False, None, "The visitor's mood"),
            ("offset", "BIGINT", True, None, "Seconds; null where nobody looked"),
            ("names", "VARCHAR[]", False, None, "Who came"),
            ("at", "TIMESTAMP", False, None, "UTC"),
            ("share", "DOUBLE", False, "0.5", "Share, 0 to 1"),
            ("is_paid", "BOOLEAN", False, "false", "Whether it was paid"),
            ("note", "VARCHAR", True, None, "Note"),
        ]
        assert con.execute("SELECT comment FROM duckdb_tables()").fetchall() == [("Who came's visits",)]
        con.execute("INSERT INTO visits (mood, names, \"at\") VALUES ('glad', [], now())")
        with pytest.raises(duckdb.ConstraintException, match="primary key"):
            con.execute("INSERT INTO visits (mood, names, \"at\") VALUES ('glad', [], now())")


def test_a_class_that_declares_no_table_is_refused() -> None:
    with pytest.raises(TypeError, match="VisitRow is not a row of the run file"):
        table_of(VisitRow)
