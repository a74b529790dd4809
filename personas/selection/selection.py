"""`select`: the people of a hub that a specification asks for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from ..database import said
from ..errors import SetupError
from ..files import whole_file
from ..hub.file import HubFile
from ..hub.queries import registered
from ..query import Tabular, html_table
from ..user_sql import QueryLimit, run_query
from .candidates import WHERE_LIMIT, parse_condition, read_candidates
from .choosing import Choice, choose
from .columns import PeopleColumns, quote_name, quote_text
from .sampling import Numbers, numbers_table, random_keys
from .spec import Report, SelectionSpec
from .store import check_name, chosen_columns, keep_selection

__all__ = ["Selection", "check_output", "choose_people", "select", "write_selection"]

_FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "json", ".ndjson": "json"}
_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


@dataclass(frozen=True, slots=True, eq=False)
class Selection(Tabular):
    """Who was chosen, and how well that meets the spec; as a table with `arrow()`, `df()` and `pl()`."""

    spec: SelectionSpec
    #: One row a person: persona (id), ordinal (place, from 1) and weight (null where it is no sample).
    people: pa.Table
    report: Report

    @property
    def ids(self) -> list[str]:
        """Ids of the personas, in order."""
        ids: list[str] = self.people.column("persona").to_pylist()
        return ids

    def arrow(self) -> pa.Table:
        """Ids, places and weights of those chosen, as in `people`."""
        return self.people

    def _repr_html_(self) -> str:
        """The first of those chosen, for a notebook."""
        return html_table(self.people.column_names, [tuple(row.values()) for row in self.people.to_pylist()])


def select(hub: HubFile, spec: SelectionSpec, *, limit: QueryLimit = WHERE_LIMIT) -> Selection:
    """The people that the spec asks for; with a name, the hub keeps them, in a view of that name.

    The same spec gives the same people of the same hub. Raises `SetupError` when it cannot be met, or when its
    condition takes more than `limit`.
    """
    if spec.name is not None:
        check_name(hub, spec.name)
    people = PeopleColumns(hub.con)
    condition = parse_condition(hub.con, spec.where, people, limit)
    columns = [people.column(name, asked_by=spec.rule) for name in spec.columns]
    candidates = read_candidates(hub.con, people, condition, columns, with_duplicates=spec.with_duplicates, limit=limit)
    choice = choose(candidates, spec, lambda rows: _texts(hub.con, rows))
    selection = Selection(spec, _people(hub.con, choice), choice.report)
    if spec.name is not None:
        keep_selection(hub, spec, selection.people, choice.report)
    return selection


def check_output(path: Path) -> str:
    """The form of the file that people can be written to under this path. Raises `SetupError` when they cannot."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise SetupError(f"People cannot be written to {str(path)!r}; give a path that ends in {', '.join(_FORMATS)}.")
    if path.exists() or path.is_symlink():
        raise SetupError(f"{str(path)!r} exists already; give another path.")
    return form


def write_selection(hub: HubFile, selection: Selection, path: Path) -> None:
    """Write everything known of those chosen to a new file: .parquet, .csv or .jsonl. Raises `SetupError`.

    Lists are joined by semicolons in CSV, and what was imported is an object in JSONL and its text elsewhere.
    """
    form = check_output(path)
    with registered(hub.con, selection.people) as chosen:
        found = hub.con.sql(f"{chosen_columns(hub.con, chosen)} ORDER BY place")
        kinds = dict(zip(found.columns, map(str, found.types), strict=True))
        rows = found.to_arrow_table()
    shown = ", ".join(_shown(name, kind, form) for name, kind in kinds.items())
    # The hub's own connection reaches no other file.
    with duckdb.connect(config=dict(_OFFLINE)) as con, registered(con, rows) as everything:
        try:
            query = f"SELECT {shown} FROM {everything}"  # noqa: S608 - names are quoted
            with whole_file(path) as part:
                # Over the file that is there, whose mode it keeps.
                con.execute(f"COPY ({query}) TO {quote_text(str(part))} (FORMAT {form}, USE_TMP_FILE false)")
        except (duckdb.Error, OSError) as error:
            why = said(error) if isinstance(error, duckdb.Error) else error.strerror
            raise SetupError(f"{str(path)!r} cannot be written: {why}; make capacity, or give another path.") from error


def _shown(name: str, kind: str, form: str) -> str:
    column = quote_name(name)
    if form == "csv" and kind.endswith("[]"):
        return f"array_to_string({column}, '; ') AS {column}"
    return f"{column}::JSON AS {column}" if form == "json" and kind == "JSON" else column


def _people(con: duckdb.DuckDBPyConnection, choice: Choice) -> pa.Table:
    places = np.arange(1, len(choice.rows) + 1)
    numbers = {"row": choice.rows, "ordinal": places}
    weights = {} if choice.weights is None else {"weight": choice.weights}
    rows = numbers_table(**numbers, **weights)
    if choice.weights is None:
        rows = rows.append_column("weight", pa.nulls(len(places), pa.float64()))
    with registered(con, rows) as chosen:
        return con.sql(
            f'SELECT p.id AS persona, c.ordinal, c.weight FROM {chosen} AS c JOIN personas AS p ON p.rowid = c."row" '  # noqa: S608
            "ORDER BY c.ordinal"
        ).to_arrow_table()


def _texts(con: duckdb.DuckDBPyConnection, rows: Numbers) -> Iterable[str]:
    with registered(con, numbers_table(row=rows, place=np.arange(len(rows)))) as wanted:
        table = con.sql(
            f'SELECT p.text FROM {wanted} AS c JOIN personas AS p ON p.rowid = c."row" ORDER BY c.place'  # noqa: S608
        ).to_arrow_table()
    return _each(table.column(0))


def _each(column: pa.ChunkedArray) -> Iterator[str]:
    # A chunk at a time: a million Python strings would be held together with the arrays made of them.
    for chunk in column.chunks:
        yield from chunk.to_pylist()


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
    people = PeopleColumns(con)
    condition = parse_condition(con, where, people)
    used = {*condition.columns, people.column("id", asked_by="where")}
    tables = [f"id IN (SELECT persona FROM {table})" for table in lacking]  # noqa: S608 - the caller's own names
    has_all = " AND ".join(tables) or "false"
    relation = people.relation(used, with_duplicates=False)
    query = f'SELECT id, "#arrival" FROM {relation} WHERE {condition} AND NOT ({has_all}) ORDER BY "#arrival"'  # noqa: S608
    found = run_query(con, lambda: con.sql(query).to_arrow_table(), WHERE_LIMIT)
    ids: list[str] = found[0].to_pylist()
    if n is None or n >= len(ids):
        return ids
    drawn = np.argsort(random_keys(found[1].to_numpy().astype(np.int64), seed), kind="stable")[:n]
    return [ids[place] for place in np.sort(drawn)]
