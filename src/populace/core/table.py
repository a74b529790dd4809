"""Tables of files, each declared once: by the class of its rows, whose annotated fields are its columns.

    @table("votes", key="job emission", fork=None, undo="job >= $job")
    @dataclass(frozen=True, slots=True)
    class VoteRow:
        '''Labels that graders gave.'''

        job: Annotated[int, "Job, as in jobs"]
        emission: Annotated[int, "Output that was judged", "BIGINT"]
        label: Annotated[str | None, "Label; null where there was no answer"]

The SQL that makes the tables, and the lists of those that are copied or undone, follow from the declarations.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from datetime import datetime
from itertools import chain, groupby
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    import duckdb
    from _typeshed import DataclassInstance

#: A row of a declared table.
type Row = DataclassInstance

#: The condition that every row meets.
ALL = "true"

_SQL_TYPES: Mapping[type, str] = {
    bool: "BOOLEAN",
    int: "INTEGER",
    float: "DOUBLE",
    str: "VARCHAR",
    datetime: "TIMESTAMP",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A declared table: its name, and which of its rows copies of the file take over."""

    name: str
    row_type: type[Any]
    #: Columns of the primary key.
    key: tuple[str, ...]
    #: Columns that come before the others; the rest are in the order of the fields.
    first: tuple[str, ...]
    #: Condition for the rows that a fork at step $at takes over; None where it takes none.
    fork: str | None
    #: Condition for the rows that job $job and later ones made, which a copy for its replay is without.
    undo: str | None
    #: Whether hubs alone have it.
    is_hub: bool = False
    #: Whether it is made when the first job of a kind begins that writes it.
    is_of_job: bool = False

    def statements(self, kind: str = "TABLE") -> str:
        """Return the SQL that makes the table, with its comments; a `TEMP TABLE` has none."""
        meaning = inspect.getdoc(self.row_type) or ""
        columns, comments = [], [f"COMMENT ON TABLE {self.name} IS {_quote_text(meaning.removesuffix('.'))};"]
        for field, kinds, comment, sql_type in self._iter_columns():
            constraint = "" if type(None) in kinds else " NOT NULL"
            if field.default is not MISSING and field.default is not None:
                constraint += f" DEFAULT {field.default!r}"
            columns.append(f'"{field.name}" {sql_type}{constraint}')
            comments.append(f'COMMENT ON COLUMN {self.name}."{field.name}" IS {_quote_text(comment)};')
        if self.key:
            columns.append(f"PRIMARY KEY ({', '.join(f'"{name}"' for name in self.key)})")
        made = f"CREATE {kind} {self.name} (\n    {',\n    '.join(columns)}\n);"
        return "\n".join([made, *comments]) if kind == "TABLE" else made

    @property
    def types(self) -> dict[str, str]:
        """The SQL types of the columns, by name."""
        return {field.name: sql_type for field, _, _, sql_type in self._iter_columns()}

    def query(self, clause: str = "") -> str:
        """Return the query for the rows, narrowed or ordered by a clause; JSON travels as text."""
        names = ((f'"{field.name}"', sql_type) for field, _, _, sql_type in self._iter_columns())
        columns = ", ".join(f"{name}::VARCHAR AS {name}" if sql_type == "JSON" else name for name, sql_type in names)
        return f"SELECT {columns} FROM {self.name} {clause}"  # noqa: S608 - our own names

    def _iter_columns(self) -> Iterator[tuple[Field[Any], Sequence[Any], str, str]]:
        """Yield each column's field, Python types, comment and SQL type, in the order of the table."""
        hints = get_type_hints(self.row_type, include_extras=True)
        for field in sorted(fields(self.row_type), key=lambda field: (*self.first, field.name).index(field.name)):
            kind, comment, *given = get_args(hints[field.name])
            kinds = get_args(kind) if get_origin(kind) is UnionType else (kind,)
            yield field, kinds, comment, given[0] if given else _sql_type(kinds[0])


_TABLES: dict[type[Any], Table] = {}


def table[R](
    name: str,
    *,
    key: str = "",
    first: str = "",
    fork: str | None,
    undo: str | None = None,
    is_hub: bool = False,
    is_of_job: bool = False,
) -> Callable[[type[R]], type[R]]:
    """Declare the table whose rows are of the class; `key` and `first` name columns, separated by spaces."""

    def declare_table(row_type: type[R]) -> type[R]:
        _TABLES[row_type] = Table(
            name, row_type, tuple(key.split()), tuple(first.split()), fork, undo, is_hub, is_of_job
        )
        return row_type

    return declare_table


class RowBuffer:
    """Rows of several tables, each table's in the order in which they were added."""

    def __init__(self) -> None:
        self._by_type: dict[type[Row], list[Any]] = {}

    def of[R: Row](self, row_type: type[R]) -> list[R]:
        """Return the list of the rows of this class, to be read and added to."""
        return self._by_type.setdefault(row_type, [])

    def __iter__(self) -> Iterator[Row]:
        return chain.from_iterable(self._by_type.values())


def declared_tables() -> Sequence[Table]:
    """Return the tables that the modules loaded so far declare.

    Of a class of rows and a later one with more columns, for the same table, the later declares it.
    """
    return tuple({table.name: table for table in _TABLES.values()}.values())


def make_missing_tables(con: "duckdb.DuckDBPyConnection", row_types: Iterable[type[object]]) -> None:
    """Make the tables of these rows that a file lacks."""
    there = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    for row_type in row_types:
        if table_of(row_type) not in there:
            con.execute(_TABLES[row_type].statements())


def table_of(row_type: type[object]) -> str:
    """Return the table that rows of this class are kept in. Raises `TypeError` for any other class."""
    try:
        return _TABLES[row_type].name
    except KeyError:
        raise TypeError(f"{row_type.__name__} is not a row of the run file.") from None


def by_type(rows: Iterable[Row]) -> dict[type[Row], list[Row]]:
    """Group rows by class, in their order. Raises `TypeError` for what is no row."""
    found: dict[type[Row], list[Row]] = {}
    for row_type, alike in groupby(rows, type):
        table_of(row_type)
        found.setdefault(row_type, []).extend(alike)
    return found


def column_names(row_type: type[Row]) -> tuple[str, ...]:
    """Return the columns of the class's table or view, which are its fields."""
    return tuple(field.name for field in fields(row_type))


def select_rows(row_type: type[Row], clause: str = "") -> str:
    """Return the query for rows of a class, narrowed or ordered by a clause."""
    columns = ", ".join(f'"{name}"' for name in column_names(row_type))
    return f"SELECT {columns} FROM {table_of(row_type)} {clause}"  # noqa: S608 - our own names


def make_rows[R: Row](row_type: type[R], found: Iterable[Sequence[Any]]) -> list[R]:
    """Make rows of what `select_rows` found."""
    make: Callable[..., R] = row_type
    return [make(*values) for values in found]


def _sql_type(kind: Any) -> str:
    if items := get_args(kind):  # a sequence
        return f"{_sql_type(items[0])}[]"
    return next(sql for python, sql in _SQL_TYPES.items() if issubclass(kind, python))


def _quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
