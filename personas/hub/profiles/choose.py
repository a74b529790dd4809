"""Who is to be asked about: those who meet a condition and lack what is wished, all of them or a random sample."""

from collections.abc import Sequence

import duckdb
import numpy as np

from ...user_sql import run_query
from ..select.condition import WHERE_LIMIT, parse_condition
from ..select.draw import lots
from ..select.people import People

__all__ = ["choose_people"]


def choose_people(
    con: duckdb.DuckDBPyConnection,
    *,
    where: str | None = None,
    n: int | None = None,
    seed: int = 0,
    lacking: Sequence[str] = (),
) -> list[str]:
    """Ids in order of arrival, near-duplicates left out; with `n`, so many of them drawn by `seed`.

    `lacking` are tables keyed by persona: whoever is in all of them is left out. Raises `SetupError` for a condition
    that cannot be asked.
    """
    people = People(con)
    condition = parse_condition(con, where, people)
    used = {*condition.columns, people.column("id", asked_by="--where")}
    tables = [f"id IN (SELECT persona FROM {table})" for table in lacking]  # noqa: S608 - the caller's own names
    has_all = " AND ".join(tables) or "false"
    relation = people.relation(used, with_duplicates=False)
    query = f'SELECT id, "#arrival" FROM {relation} WHERE {condition} AND NOT ({has_all}) ORDER BY "#arrival"'  # noqa: S608
    found = run_query(con, lambda: con.sql(query).to_arrow_table(), WHERE_LIMIT)
    ids: list[str] = found[0].to_pylist()
    if n is None or n >= len(ids):
        return ids
    drawn = np.argsort(lots(found[1].to_numpy().astype(np.int64), seed), kind="stable")[:n]
    return [ids[place] for place in np.sort(drawn)]
