"""Conditions that users write in SQL: one expression that is true or false of a person, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from ...database import said
from ...errors import SetupError
from ...user_sql import QueryLimit, check_functions, iter_nodes, parse_sql, run_query
from .people import People, PeopleColumn

__all__ = ["WHERE_LIMIT", "Condition", "parse_condition"]

#: What a SELECT may have beside its condition, and what it has when nobody wrote any.
_NOTHING_ELSE: dict[str, object] = {
    "modifiers": [],
    "group_expressions": [],
    "having": None,
    "qualify": None,
    "sample": None,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition over `people`, and the columns that it asks."""

    sql: str
    columns: tuple[PeopleColumn, ...]

    def __str__(self) -> str:
        # On lines of its own, so that a comment at its end ends with it.
        return f"(\n{self.sql}\n)"


#: How long a condition may be asked where nobody says.
WHERE_LIMIT = QueryLimit(30, "ask something simpler of them")


def parse_condition(
    con: duckdb.DuckDBPyConnection, text: str | None, people: People, limit: QueryLimit = WHERE_LIMIT
) -> Condition:
    """The condition, checked against the hub's columns; None is true of everybody.

    Raises `SetupError` for anything but one expression: another statement, a subquery, a parameter, an unknown
    column, or a function that waits, reaches beyond the hub or answers differently each time it is asked.
    """
    if text is None:
        return Condition("true", ())
    if not text.strip():
        raise SetupError("--where is empty; give a condition such as \"language = 'en'\", or leave it out.")
    nodes = list(iter_nodes(_expression(text)))
    _check_nodes(nodes)
    try:
        check_functions(nodes)
    except SetupError as error:
        raise SetupError(f"--where is {text!r}: {error}") from error
    _check_stable(con, nodes)
    names = dict.fromkeys(_column_names(nodes))
    condition = Condition(text, tuple(people.column(name, asked_by="--where") for name in names))
    _check_type(con, condition, people, limit)
    return condition


def _expression(text: str) -> Any:
    """The tree of the expression, as DuckDB parses it."""
    # In brackets it must be one expression, and without them it must not close brackets that it never opened.
    _parsed(text, f"SELECT 1 FROM people WHERE (\n{text}\n)")  # noqa: S608 - parsed, not run
    node = _parsed(text, f"SELECT 1 FROM people WHERE \n{text}\n")  # noqa: S608 - parsed, not run
    return node["where_clause"]


def _parsed(text: str, statement: str) -> Any:
    try:
        trees = parse_sql(statement)
    except SetupError as error:
        raise SetupError(f"--where is {text!r}, which is no condition in SQL: {error}") from error
    node = trees[0]
    plain = node["type"] == "SELECT_NODE" and node["where_clause"] is not None
    if len(trees) != 1 or not plain or any(node[key] != value for key, value in _NOTHING_ELSE.items()):
        raise SetupError(f"--where is {text!r}; it takes one condition, such as \"language = 'en' AND hop < 3\".")
    return node


def _check_nodes(nodes: list[dict[str, Any]]) -> None:
    classes = {node.get("class") for node in nodes}
    if "SUBQUERY" in classes:
        raise SetupError("--where takes one condition on a person, without a query inside it.")
    if "PARAMETER" in classes:
        raise SetupError("--where holds a parameter (? or $); write the value itself.")
    if "STAR" in classes:
        raise SetupError("--where names all columns at once (*); name those that count.")


def _check_stable(con: duckdb.DuckDBPyConnection, nodes: list[dict[str, Any]]) -> None:
    called = {str(node["function_name"]).lower() for node in nodes if node.get("class") == "FUNCTION"}
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    fickle = {str(name).lower() for (name,) in con.execute(query).fetchall()} if called else set()
    for name in sorted(called & fickle):
        raise SetupError(f"--where calls {name}(), whose answer changes; a selection must be the same every time.")


def _column_names(nodes: list[dict[str, Any]]) -> Iterator[str]:
    lambdas = [node for node in nodes if node.get("class") == "LAMBDA"]
    own = {str(name) for node in lambdas for side in iter_nodes(node["lhs"]) for name in side.get("column_names", ())}
    for node in nodes:
        names = [str(name) for name in node.get("column_names", ())]
        if names[:1] == ["people"] and len(names) > 1:
            names = names[1:]
        if names and names[0] not in own | _MADE_UP:
            yield names[0]


#: What DuckDB itself calls the elements when it rewrites a list comprehension.
_MADE_UP = frozenset({"elem"})


def _check_type(con: duckdb.DuckDBPyConnection, condition: Condition, people: People, limit: QueryLimit) -> None:
    relation = people.relation(condition.columns, with_duplicates=True)
    try:
        # Asked for as a condition too, where DuckDB takes neither aggregates nor windows.
        asked = f"SELECT {condition} FROM {relation} WHERE {condition} LIMIT 0"  # noqa: S608 - parsed above
        kind = run_query(con, lambda: str(con.sql(asked).types[0]), limit)
    except duckdb.Error as error:
        raise SetupError(f"--where is {condition.sql!r}, which cannot be asked: {said(error)}.") from error
    if kind != "BOOLEAN":
        raise SetupError(f"--where is {condition.sql!r}, which is {kind}; it must be true or false of each person.")
