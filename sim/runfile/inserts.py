"""Writing rows into their tables through Arrow: one insert a table, whatever number of rows there is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter

import duckdb
import pyarrow as pa

from .rows import Row, column_names, table_of

__all__ = ["Inserts"]


class Inserts:
    """Inserts rows over one connection; what a table's columns hold is asked of the table once."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        pa.array([])  # looks for pandas the first time, which is too late when the process is ending
        self._con = con
        self._tables: dict[type[Row], _Table] = {}

    def write(self, rows: Iterable[Row]) -> None:
        """Insert the rows, those of one table together and in the order given."""
        alike: defaultdict[type[Row], list[Row]] = defaultdict(list)
        for row in rows:
            alike[type(row)].append(row)
        for row_type, found in alike.items():
            if row_type not in self._tables:
                self._tables[row_type] = _Table(self._con, row_type)
            self._tables[row_type].insert(found)


class _Table:
    """One table's prepared insert: registering and planning anew would double the cost of a small batch."""

    def __init__(self, con: duckdb.DuckDBPyConnection, row_type: type[Row]) -> None:
        table = table_of(row_type)
        self._con = con
        self._values = attrgetter(*column_names(row_type))
        # A table may have columns that only work on a hub fills.
        there = con.sql(f"FROM {table} LIMIT 0").to_arrow_table().schema
        self._batch = _Batch(pa.schema([there.field(name) for name in column_names(row_type)]))
        con.register(f"new_{table}", self._batch)
        con.execute(f"PREPARE insert_{table} AS INSERT INTO {table} BY NAME FROM new_{table}")
        self._statement = f"EXECUTE insert_{table}"

    def insert(self, rows: Sequence[Row]) -> None:
        with self._batch.holding(zip(*map(self._values, rows), strict=True)):
            self._con.execute(self._statement)


class _Batch:
    """What the prepared insert reads each time it is run."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows = schema.empty_table()

    @contextmanager
    def holding(self, columns: Iterable[Sequence[object]]) -> Iterator[None]:
        fields = zip(columns, self._schema, strict=True)
        arrays = [pa.array(column, type=field.type) for column, field in fields]
        self._rows = pa.Table.from_arrays(arrays, schema=self._schema)
        try:
            yield
        finally:
            self._rows = self._schema.empty_table()

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)
