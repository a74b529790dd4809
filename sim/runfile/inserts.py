"""Writing rows into their tables through Arrow: one insert a table, whatever number of rows there is."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

import duckdb
import pyarrow as pa

from .rows import Row, column_names, table_of

__all__ = ["Inserts"]

_BATCH = "rows_to_insert"


class Inserts:
    """Inserts rows over one connection; what a table's columns hold is asked of the table once."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        pa.array([])  # looks for pandas the first time, which is too late when the process is ending
        self._con = con
        self._tables: dict[type[Row], _Table] = {}

    def write(self, rows: Iterable[Row]) -> None:
        """Insert the rows, those of one table together and in the order given."""
        by_type: dict[type[Row], list[Row]] = {}
        for row in rows:
            by_type.setdefault(type(row), []).append(row)
        for row_type, alike in by_type.items():
            self._table(row_type).insert(alike)

    def _table(self, row_type: type[Row]) -> "_Table":
        if row_type not in self._tables:
            self._tables[row_type] = _Table(self._con, row_type)
        return self._tables[row_type]


class _Table:
    def __init__(self, con: duckdb.DuckDBPyConnection, row_type: type[Row]) -> None:
        table = table_of(row_type)
        self._con = con
        self._values = attrgetter(*column_names(row_type))
        self._schema = con.sql(f"FROM {table} LIMIT 0").to_arrow_table().schema
        self._statement = f"INSERT INTO {table} FROM {_BATCH}"

    def insert(self, rows: Sequence[Row]) -> None:
        columns = zip(*map(self._values, rows), strict=True)
        arrays = [
            pa.array(column, type=field.type) for column, field in zip(columns, self._schema, strict=True)
        ]
        self._con.register(_BATCH, pa.Table.from_arrays(arrays, schema=self._schema))
        try:
            self._con.execute(self._statement)
        finally:
            self._con.unregister(_BATCH)
