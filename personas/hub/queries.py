"""SQL shared by everything that reads a hub: who is retained and who is a near-duplicate of whom, and its quoting.

A person is retained whom no rule rejected and no verdict marks as a near-duplicate. Information, exports,
selections, graphs, merges, societies and reports take the definition from here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from ...core.errors import SourceError

#: Those whom a rule rejected (`persona`).
REJECTED = "SELECT DISTINCT persona FROM rule_results WHERE outcome = 'rejected' AND NOT undone"
#: People whom a check removed or rewrote, and who have their first description (again).
RETURNED = """
SELECT r.persona FROM rule_results AS r JOIN personas AS p ON p.id = r.persona
WHERE r.outcome IN ('rewritten', 'removed') AND NOT r.undone AND r."column" IS NULL
AND (r.text IS NULL OR r.text = p.text)
"""
#: Each near-duplicate once (`persona`) and whom it repeats (`survivor`), who may be a near-duplicate too. Of several
#: verdicts on one person the most similar counts, as in the view `survivors` of a run file. A verdict that was undone
#: does not hold, nor one whose survivor was rejected: a near-duplicate is never left out together with its survivor.
SURVIVORS = f"""
SELECT persona, arg_max("of", (similarity, "of")) AS survivor FROM duplicates
WHERE kind = 'persona' AND NOT undone AND "of" NOT IN ({REJECTED}) GROUP BY persona
"""  # noqa: S608 - our own words
#: The near-duplicates whom no rule rejected (`persona`).
NEAR_DUPLICATES = f"SELECT persona FROM ({SURVIVORS}) WHERE persona NOT IN ({REJECTED})"  # noqa: S608 - our own words
#: Condition on `id`: who is retained.
RETAINED = f"id NOT IN ({REJECTED}) AND id NOT IN (SELECT persona FROM ({SURVIVORS}))"  # noqa: S608 - our own words


def table_names(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of all tables, temporary ones included."""
    return {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def check_selection(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Raise `SourceError` unless the hub at `path` keeps a selection of this name."""
    there = [str(kept) for (kept,) in con.execute("SELECT name FROM selections ORDER BY name").fetchall()]
    if name not in there:
        known = f"there are: {', '.join(there)}" if there else "make one with `populace hub sample --name`"
        raise SourceError(f"{str(path)!r} keeps no selection {name!r}; {known}.")


def count(con: duckdb.DuckDBPyConnection, query: str, params: object = None) -> int:
    """The whole number that a query answers."""
    ((number,),) = con.execute(query, params).fetchall()
    return int(number)


@contextmanager
def registered(
    con: duckdb.DuckDBPyConnection,
    rows: Any,
    name: str = "registered_table",
    types: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[str]:
    """Give rows, as a table or as columns of Python values, a name on the connection within the block.

    Columns that `types` does not name have the type of their first value.
    """
    from ...core.arrow import make_table

    con.register(name, make_table(rows, types) if isinstance(rows, Mapping) else rows)
    try:
        yield name
    finally:
        with suppress(duckdb.TransactionException):  # one that was aborted, which is what is to be told
            con.unregister(name)
