"""What a hub knows of its people: imported rows, profiles and biographies, which runs and growth take over."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import duckdb

from ...core.database import has_tables
from ..rules import Policy
from ..rules.pseudonyms import Pseudonyms
from .file import hub_table, make_hub_schema
from .queries import registered
from .redaction import clear_traces, judge_imports, names_of_people
from .verdicts import add_rule_results

if TYPE_CHECKING:
    from arro3.core import Table

#: The tables that are taken along, and how each is narrowed to the people in `read_people`, or to none, and ordered.
_READ = {
    "imports": """{among} ORDER BY file, "row\"""",
    "imported_files": "WHERE file IN (SELECT file FROM imports {among}) ORDER BY file",
    "imported_columns": """WHERE file IN (SELECT file FROM imports {among}) ORDER BY file, "column\"""",
    "profiles": "{among} ORDER BY persona",
    "biographies": "{among} ORDER BY persona",
}
_AMONG = "SEMI JOIN read_people ON persona = id"


def read_details(con: duckdb.DuckDBPyConnection, people: Mapping[str, str]) -> "Mapping[str, Table]":
    """Read the rows about people by their ids in the file; `people` gives the ids under which they are returned.

    A table without any is left out.
    """
    # Tables of the same names in a database that is no hub mean something else.
    if not has_tables(con, "hub_migrations"):
        return {}
    wanted = [name for name in _READ if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall()]  # noqa: S608 - ours
    if not wanted:
        return {}
    from ...core.arrow import read_table

    with registered(con, {"id": list(people)}, "read_people"):
        tables = {name: read_table(con.sql(_query(name, _AMONG))) for name in wanted}
    return details_of({name: table for name, table in tables.items() if table.num_rows}, people)


def read_all_details(ask: "Callable[[str], Table]") -> "Mapping[str, Table]":
    """The same of everybody in a file that answers SQL by `ask`."""
    there = set(ask("SELECT table_name FROM duckdb_tables()")["table_name"].to_pylist())
    names = [name for name in _READ if name in there and "hub_migrations" in there]
    tables = {name: ask(_query(name)) for name in names}
    return {name: table for name, table in tables.items() if table.num_rows}


def _query(name: str, among: str = "") -> str:
    return hub_table(name).query(_READ[name].format(among=among))


def details_of(tables: "Mapping[str, Table]", people: Mapping[str, str]) -> "Mapping[str, Table]":
    """Those of such rows that are about some of the people, whose ids are keys, under the ids that they have now."""
    if not tables:
        return {}
    from ...core.arrow import set_column, take_known

    about = {}
    for name, table in tables.items():
        if "persona" in table.column_names:
            kept = take_known(table, "persona", people)
            about[name] = set_column(kept, "persona", [people[was] for was in kept["persona"].to_pylist()])
    if "imports" in about:
        used = set(about["imports"]["file"].to_pylist())
        for name in tables.keys() & {"imported_files", "imported_columns"}:
            about[name] = take_known(tables[name], "file", used)
    return {name: table for name, table in about.items() if table.num_rows}


def write_details(
    con: duckdb.DuckDBPyConnection,
    tables: "Mapping[str, Table]",
    personal: Policy = Policy.KEEP,
    pseudonyms: Pseudonyms | None = None,
) -> None:
    """Write such rows into a run file, which gets the tables of a hub for it; replacing any that it has.

    What a policy for personal data takes out of descriptions is taken out of them too.
    """
    make_hub_schema(con)
    for name, table in tables.items():
        con.execute(f"DELETE FROM {name}")  # noqa: S608 - our own names
        with registered(con, table, "kept_beside"):
            # Of two people who have become one, the first is the one who is described.
            once = "" if name in ("imports", "imported_columns") else "ON CONFLICT DO NOTHING"
            con.execute(f"INSERT INTO {name} BY NAME FROM kept_beside {once}")
    if personal is not Policy.KEEP:
        about = [table["persona"].to_pylist() for table in tables.values() if "persona" in table.column_names]
        people = sorted({str(one) for column in about for one in column})
        names = names_of_people(con)
        columns = judge_imports(con, personal, pseudonyms, names)
        add_rule_results(con, [*columns, *clear_traces(con, people, pseudonyms, names)])
