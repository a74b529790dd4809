"""The emissions of a run with the fields of their actions as columns of their own."""

from collections.abc import Sequence

__all__ = ["emissions_query"]

_OWN = ("emission", "step", "agent", "group_name", "kind", "text", "revised")
_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}


def emissions_query(fields: Sequence[tuple[str, str, str]]) -> str:
    """The SQL for all emissions, in their order, with a typed column for each field given as kind, name and type.

    Kinds that have a field of one name and type share its column; a column is called KIND_FIELD where types differ, or
    where the name is one of the emissions' own.
    """
    types: dict[str, set[str]] = {}
    for _, name, type_ in fields:
        types.setdefault(name, set()).add(type_)
    columns: dict[str, tuple[str, str, list[str]]] = {}
    for kind, name, type_ in fields:
        column = name if name not in _OWN and len(types[name]) == 1 else f"{kind}_{name}"
        columns.setdefault(column, (name, type_, []))[2].append(kind)
    said = [
        f"CASE WHEN kind IN ({', '.join(map(_quoted, kinds))}) THEN "
        f"TRY_CAST(e.payload ->> {_quoted(name)} AS {_TYPES.get(type_, 'VARCHAR')}) END AS {_named(column)}"
        for column, (name, type_, kinds) in columns.items()
    ]
    return (
        f"SELECT {', '.join([*_OWN, *said])} FROM emissions AS e LEFT JOIN agents USING (agent) "  # noqa: S608 - quoted
        "ORDER BY emission"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _named(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
