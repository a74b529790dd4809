"""`select`: the people of a hub that a specification asks for, and the selections that a hub keeps.

A selection that is kept is a row, its people and a view; it can be read as if it were the whole hub.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
from arro3.core import Table

from ...core.arrow import Ints, iter_batches, read_table, to_rows, write_parquet
from ...core.database import quote_name, quote_text
from ...core.errors import SetupError
from ...core.query import QueryLimit, Tabular
from ...core.result import html_table
from ...core.writers import check_free, write_csv, write_jsonl, write_new_file
from ..hub.file import HubFile
from ..hub.queries import REJECTED, SURVIVORS, check_selection, registered
from .candidates import (
    WHERE_LIMIT,
    PeopleColumn,
    PeopleColumns,
    ask_people,
    joins_for,
    parse_condition,
    read_candidates,
)
from .choosing import ChosenPeople, choose
from .spec import Report, SelectionSpec, integers, random_keys

#: The hash of a text that was replaced stays in the hub.
_SHOWN_ID = "coalesce((SELECT any_value(text_hash) FROM rewritten_people WHERE persona = people.{0}), {0}) AS {0}"
_FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True, eq=False)
class Selection(Tabular):
    """Who was chosen, and how well that meets the spec; as a table with `arrow()`, `df()` and `pl()`."""

    spec: SelectionSpec
    #: One row a person: persona (id), ordinal (place, from 1) and weight (null where it is no sample).
    people: Table
    report: Report

    @property
    def ids(self) -> list[str]:
        """Ids of the personas, in order."""
        return list(self.people["persona"].to_pylist())

    def table(self) -> Table:
        """Return the ids, places and weights of the personas chosen, as in `people`."""
        return self.people

    def _repr_html_(self) -> str:
        """Show the first of the personas chosen, for a notebook."""
        return html_table(self.people.column_names, [tuple(row.values()) for row in to_rows(self.people)])


def select(hub: HubFile, spec: SelectionSpec, *, limit: QueryLimit = WHERE_LIMIT) -> Selection:
    """Select the personas that the spec asks for; if it has a name, the hub keeps them in a view of that name.

    The same spec gives the same personas of the same hub. Raises `SetupError` if the spec cannot be met, or if its
    condition takes more than `limit`.
    """
    if spec.name is not None:
        check_name(hub, spec.name)
    people = PeopleColumns(hub.con)
    condition = parse_condition(hub.con, spec.where, people, limit)
    columns = [people.column(name, asked_by=spec.rule) for name in spec.columns]
    candidates = read_candidates(hub.con, people, condition, columns, with_duplicates=spec.with_duplicates, limit=limit)
    choice = choose(candidates, spec, lambda rows: _read_texts(hub.con, rows))
    selection = Selection(spec, _read_people(hub.con, choice), choice.report)
    if spec.name is not None:
        keep_selection(hub, spec, selection.people, choice.report)
    return selection


def check_output(path: Path) -> str:
    """Return the file form in which personas can be written to this path. Raises `SetupError` if they cannot be."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise SetupError(f"People cannot be written to {str(path)!r}; give a path that ends in {', '.join(_FORMATS)}.")
    check_free(path)
    return form


def write_selection(hub: HubFile, selection: Selection, path: Path) -> None:
    """Write everything known of the personas chosen to a new file: .parquet, .csv or .jsonl. Raises `SetupError`.

    Lists are JSON arrays in CSV. Imported data is text that holds an object. Ids are those of exports.
    """
    form = check_output(path)
    with registered(hub.con, selection.people) as chosen, write_new_file(path) as part:
        people = hub.con.sql(chosen_columns(hub.con, chosen))
        ids = [name for name in ("id", "parent") if name in people.columns]
        shown = f"people.* REPLACE ({', '.join(map(_SHOWN_ID.format, ids))})"
        rows = iter_batches(people.query("people", f"SELECT {shown} FROM people ORDER BY place"), 10_000)  # noqa: S608
        if form == "parquet":
            write_parquet(rows, part)
            return
        with part.open("wb") as file:
            (write_csv if form == "csv" else write_jsonl)(rows, file)


def _read_people(con: duckdb.DuckDBPyConnection, choice: ChosenPeople) -> Table:
    places = np.arange(1, len(choice.rows) + 1)
    numbers = {"row": choice.rows, "ordinal": places}
    weights = [None] * len(places) if choice.weights is None else choice.weights
    with registered(con, numbers | {"weight": weights}, types={"weight": "DOUBLE"}) as chosen:
        relation = con.sql(
            f'SELECT p.id AS persona, c.ordinal, c.weight FROM {chosen} AS c JOIN personas AS p ON p.rowid = c."row" '  # noqa: S608
            "ORDER BY c.ordinal"
        )
        return read_table(relation)


def _read_texts(con: duckdb.DuckDBPyConnection, rows: Ints) -> Iterable[str]:
    with registered(con, {"row": rows, "place": np.arange(len(rows))}) as wanted:
        relation = con.sql(
            f'SELECT p.text FROM {wanted} AS c JOIN personas AS p ON p.rowid = c."row" ORDER BY c.place'  # noqa: S608
        )
        # A batch at a time: a million Python strings would be held together with the arrays made of them.
        for batch in iter_batches(relation, 10_000):
            yield from batch["text"].to_pylist()


def choose_people(
    con: duckdb.DuckDBPyConnection,
    *,
    where: str | None = None,
    n: int | None = None,
    seed: int = 0,
    lacking: Sequence[str] = (),
) -> list[str]:
    """Return ids in order of arrival, without near-duplicates; `n` limits them to a sample drawn by `seed`.

    `lacking` names tables keyed by persona: a persona in all of them is left out. Raises `SetupError` for a condition
    that cannot be asked.
    """
    people = PeopleColumns(con)
    condition = parse_condition(con, where, people)
    used = {*condition.columns, people.column("id", asked_by="where")}
    tables = [f"id IN (SELECT persona FROM {table})" for table in lacking]  # noqa: S608 - the caller's own names
    has_all = " AND ".join(tables) or "false"
    relation = people.relation(used, with_duplicates=False)
    query = f'SELECT id, "#arrival" FROM {relation} WHERE {condition} AND NOT ({has_all}) ORDER BY "#arrival"'  # noqa: S608
    found = ask_people(con, query, WHERE_LIMIT, duckdb.DuckDBPyRelation.fetchnumpy)
    ids: list[str] = found["id"].tolist()
    if n is None or n >= len(ids):
        return ids
    drawn = np.argsort(random_keys(integers(found["#arrival"]), seed), kind="stable")[:n]
    return [ids[place] for place in np.sort(drawn)]


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_STATE = f"""
    SELECT count(*), max({{ordinal}}), (SELECT count(*) FROM ({SURVIVORS})) + (SELECT count(*) FROM ({REJECTED})),
           (SELECT count(*) FROM profiles)
    FROM personas
"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class KeptSelection:
    """A selection that a hub keeps."""

    name: str
    people: int
    rule: str
    diverse: bool
    condition: str | None
    seed: int
    made_at: datetime
    #: Whether the hub is as it was then, so that the same spec gives the same people.
    is_current: bool


def check_name(hub: HubFile, name: str) -> None:
    """Raise `SetupError` when a selection cannot be kept under that name in this hub."""
    hub.check_writable("a selection is a row in it")
    if _NAME.fullmatch(name) is None:
        raise SetupError(
            f"A selection cannot be called {name!r}: take a letter, then letters, digits and _, at most 63 in all."
        )
    if any(kept.name.lower() == name.lower() for kept in list_selections(hub)):
        raise SetupError(
            f"There is a selection {name!r} already; drop it with `populace hub sample --drop {name}`, "
            "or take another name."
        )
    taken = "SELECT 1 FROM information_schema.tables WHERE lower(table_name) = lower(?)"
    reserved = "SELECT 1 FROM duckdb_keywords() WHERE keyword_name = lower(?) AND keyword_category = 'reserved'"
    if hub.con.execute(taken, [name]).fetchall() or hub.con.execute(reserved, [name]).fetchall():
        raise SetupError(f"{name!r} has a meaning in this hub or in SQL; take another name for the selection.")


def keep_selection(hub: HubFile, spec: SelectionSpec, people: Table, report: Report) -> None:
    """Write a selection, its people (persona, ordinal, weight) and its view, all or nothing."""
    name = str(spec.name)
    told = (name, spec.where, spec.wanted, spec.rule, list(spec.columns), spec.diverse, spec.seed, len(people))
    with hub.writing() as con, registered(con, people) as chosen:
        con.execute(
            f"INSERT INTO selections VALUES ({', '.join('?' * 15)})",  # noqa: S608 - question marks alone
            [
                *told,
                spec.model_dump_json(),
                report.to_json(),
                *_read_state(con),
                datetime.now(UTC).replace(tzinfo=None),
            ],
        )
        con.execute(f"INSERT INTO selected SELECT ?, persona, ordinal, weight FROM {chosen}", [name])  # noqa: S608 - ours
        make_view(con, name)


def make_view(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Give a selection that is written the view of its name: its people in their places, with profiles."""
    columns = chosen_columns(con, f"(FROM selected WHERE selection = {quote_text(name)})")
    con.execute(f"CREATE VIEW {quote_name(name)} AS {columns} ORDER BY place")
    con.execute(f"COMMENT ON VIEW {quote_name(name)} IS 'The people of the selection of this name, with profiles'")


def chosen_columns(con: duckdb.DuckDBPyConnection, chosen: str) -> str:
    """Return SQL that gives everything known of the personas in the relation `chosen` (persona, ordinal, weight)."""
    within = f"SELECT persona FROM {chosen}"  # noqa: S608 - our own words
    columns = PeopleColumns(con, within=within).every_column()
    shown = ", ".join(f"{column.sql} AS {quote_name(_shown_as(column))}" for column in columns)
    joined = f"{chosen} AS s JOIN personas AS p ON p.id = s.persona {joins_for(columns, within=within)}"
    return f"SELECT s.ordinal AS place, s.weight, {shown} FROM {joined}"  # noqa: S608 - names are quoted


def list_selections(hub: HubFile) -> list[KeptSelection]:
    """List every selection that the hub keeps, the oldest first."""
    found = hub.con.execute(
        "SELECT name, people, rule, diverse, condition, seed, made_at, "
        "(hub_people, hub_last, hub_left_out, hub_profiles) IS NOT DISTINCT FROM (?, ?, ?, ?) "
        "FROM selections ORDER BY made_at, name",
        _read_state(hub.con),
    ).fetchall()
    return [KeptSelection(*row) for row in found]


def drop_selection(hub: HubFile, name: str) -> None:
    """Delete a selection and its view; the personas stay in the hub. Raises `SetupError` if there is none."""
    check_selection(hub.con, hub.path, name)
    with hub.writing() as con:
        con.execute(f"DROP VIEW IF EXISTS {quote_name(name)}")
        con.execute("DELETE FROM selected WHERE selection = ?", [name])
        con.execute("DELETE FROM selections WHERE name = ?", [name])


def _shown_as(column: PeopleColumn) -> str:
    # The view has columns of these two names.
    return f"persona_{column.name}" if column.name.lower() in {"place", "weight"} else column.name


def _read_state(con: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Return what a choice depends on, in four numbers: personas, the last of them, those left out, profiles."""
    ordinal = "ordinal" if "ordinal" in PeopleColumns(con).columns else "NULL"
    (state,) = con.execute(_STATE.format(ordinal=ordinal)).fetchall()
    return tuple(state)


#: Those chosen and their near-duplicates, whose relations are theirs.
_CHOSEN = """
CREATE OR REPLACE TEMP TABLE chosen AS
WITH RECURSIVE found(persona) AS (
    {those}
    UNION
    SELECT d.persona FROM {hub}.duplicates AS d JOIN found ON d."of" = found.persona
    WHERE d.kind = 'persona' AND NOT d.undone
)
SELECT persona, persona IN ({those}) AS is_chosen FROM found
"""
_VIEWS = """
CREATE OR REPLACE TEMP VIEW personas AS
    SELECT * FROM {hub}.personas WHERE id IN (SELECT persona FROM temp.chosen WHERE is_chosen);
CREATE OR REPLACE TEMP VIEW duplicates AS
    SELECT * FROM {hub}.duplicates WHERE kind = 'persona' AND NOT undone
    AND persona IN (SELECT persona FROM temp.chosen WHERE NOT is_chosen)
    AND "of" IN (SELECT persona FROM temp.chosen);
CREATE OR REPLACE TEMP VIEW relations AS
    SELECT * FROM {hub}.relations
    WHERE source IN (SELECT persona FROM temp.chosen) AND target IN (SELECT persona FROM temp.chosen);
"""


def narrow(con: duckdb.DuckDBPyConnection, path: Path, selection: str) -> None:
    """Narrow the tables on this connection to a selection of the hub at `path`: personas, relations and duplicates.

    Relations stay if both personas are chosen, or duplicate somebody who is. Raises `SourceError` if the hub keeps no
    such selection.
    """
    check_selection(con, path, selection)
    hub = _main_schema(con)
    _narrow_tables(con, hub, f"SELECT persona FROM {hub}.selected WHERE selection = {quote_text(selection)}")  # noqa: S608 - quoted


def narrow_to(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    """Narrow the tables on this connection to the personas with these ids."""
    with registered(con, {"persona": list(ids)}) as lent:
        con.execute(f"CREATE OR REPLACE TEMP TABLE narrowed_to AS FROM {lent}")
    _narrow_tables(con, _main_schema(con), "SELECT persona FROM temp.narrowed_to")


def _main_schema(con: duckdb.DuckDBPyConnection) -> str:
    ((database,),) = con.execute("SELECT current_database()").fetchall()
    return f"{quote_name(database)}.main"


def _narrow_tables(con: duckdb.DuckDBPyConnection, hub: str, those: str) -> None:
    # Temporary views come before what the file has under the same names.
    con.execute(_CHOSEN.format(hub=hub, those=those))
    con.execute(_VIEWS.format(hub=hub))
