"""Arrow tables lent to a connection for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

__all__ = ["registered"]


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, table: pa.Table) -> Iterator[str]:
    """The table as a relation of the connection, by the name that is given; it is gone afterwards."""
    name = "lent_to_select"
    con.register(name, table)
    try:
        yield name
    finally:
        con.unregister(name)
