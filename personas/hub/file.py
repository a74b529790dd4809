"""Opening a hub: one file, one writer at a time, one sentence for what is wrong; and what it holds, in numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb

from ...core.database import (
    CONFIG,
    check_regular,
    has_tables,
    interrupted_by_ctrl_c,
    is_damage,
    is_database,
    is_interrupt,
    is_made,
    make_database,
    open_error,
    said,
)
from ...core.errors import UPGRADE, SetupError, SourceError, StorageError
from ...core.files import private_umask, remove_database, remove_parts
from ...core.table import Table, column_names, declared_tables
from .queries import NEAR_DUPLICATES, REJECTED, RETAINED, SURVIVORS

if TYPE_CHECKING:
    from ...core.query import Params, QueryResult


#: Values with how often they occur, the most frequent first; None where nothing is stated.
type NumberedValues = tuple[tuple[str | int | None, int], ...]

#: Answers a statement with its rows.
type HubQuery = Callable[[str], Sequence[tuple[Any, ...]]]

_MOST = 10
_RULE_RESULT = "rule || ' ' || replace(outcome, '_', ' ')"
#: What people are counted by, and what other tables are counted.
#: Growth counts people by the hop that asked, which may ask about people of any earlier one.
_NAMES = {"hop": "hops from text"}
_BY = ("origin", "hop", "language", "source", "licence", "model")
#: Of these an imported person may have several, one in each row of imports.
_SEVERAL = ("source", "licence")
_TABLES = ("passages", "profiles", "contradictions", "biographies", "elites", "imports", "selections", "vectors")
#: Other tables that say which model wrote a row.
_WITH_MODEL = ("profiles", "biographies", "elites")
_VERDICTS = "duplicates WHERE kind = 'persona'"


@dataclass(frozen=True, slots=True)
class HubInfo:
    """The numbers of one hub."""

    path: Path
    #: Size of the file on disk; a run's other rows are in it too.
    bytes: int
    personas: int
    #: Of them, those who are neither near-duplicates nor rejected by a rule.
    retained: int
    #: Those whom rules have rejected, and of the rest the near-duplicates.
    near_duplicates: int
    rejected: int
    relations: int
    #: People by origin, hop, language, source, licence and model: the ten most frequent values of each, and how many
    #: values there are. People with several sources or licences count for each of them.
    people: dict[str, NumberedValues]
    values: dict[str, int]
    #: Verdicts that hold and verdicts that were undone, by stage.
    stages: NumberedValues
    undone: NumberedValues
    #: What rules of quality and for personal data said, by rule and outcome; undone ones not counted.
    rule_results: NumberedValues
    #: Relations by kind.
    kinds: NumberedValues
    #: Rows of other tables that are not empty.
    tables: dict[str, int]
    #: Files whose import was cut off.
    unfinished: tuple[str, ...]
    #: Whether the stand-in, which is no language model, wrote about any of them.
    by_stand_in: bool

    @property
    def bytes_per_persona(self) -> float | None:
        """Size on disk by persona; None for a hub without anybody."""
        return self.bytes / self.personas if self.personas else None

    def as_rows(self) -> list[tuple[str, str]]:
        """Name and value of everything, in words, as a table for people."""
        each = self.bytes_per_persona
        size = f"{self.bytes:,} bytes" + (f", {each:,.0f} a persona" if each is not None else "")
        by = [(name, _format_counts(counts, self.values[name])) for name, counts in self.people.items() if counts]
        away = f", {self.rejected:,} rejected by rules" if self.rejected else ""
        retained = f"; {self.retained:,} retained" if self.retained != self.personas else ""
        rows = [
            ("personas", f"{self.personas:,}, {self.near_duplicates:,} of them near-duplicates{away}{retained}"),
            *((_NAMES.get(name, f"by {name}"), listed) for name, listed in by),
            ("duplicates", _format_counts(self.stages, len(self.stages)) or "none found"),
            ("undone", _format_counts(self.undone, len(self.undone))),
            ("rule_results", _format_counts(self.rule_results, len(self.rule_results))),
            ("relations", f"{self.relations:,}"),
            ("by kind", _format_counts(self.kinds, len(self.kinds))),
            *((name, f"{count:,}") for name, count in self.tables.items()),
            ("cut off", ", ".join(self.unfinished)),
            ("size on disk", size),
        ]
        return [(name, value) for name, value in rows if value]

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self) | {"path": str(self.path), "bytes_per_persona": self.bytes_per_persona}


def describe(path: Path, ask: HubQuery) -> HubInfo:
    """The numbers of the hub at `path`; `ask` answers statements, in this process or another."""
    there = {str(name) for (name,) in ask("SELECT table_name FROM duckdb_tables()")}
    grouped = {column: _count_values(ask, _people_by(column, there), column) for column in _BY}
    holding = f"{_VERDICTS} AND NOT undone"
    return HubInfo(
        path=path,
        bytes=sum(file.stat().st_size for file in (path, path.with_name(f"{path.name}.wal")) if file.exists()),
        personas=_count_rows(ask, "count(*) FROM personas"),
        retained=_count_rows(ask, f"count(*) FROM personas WHERE {RETAINED}"),
        near_duplicates=_count_rows(ask, f"count(*) FROM personas SEMI JOIN ({NEAR_DUPLICATES}) ON persona = id"),
        rejected=_count_rows(ask, f"count(*) FROM personas SEMI JOIN ({REJECTED}) ON persona = id"),
        relations=_count_rows(ask, "count(*) FROM relations"),
        people={column: counts[:_MOST] for column, counts in grouped.items()},
        values={column: len(counts) for column, counts in grouped.items()},
        stages=_count_values(ask, f"{holding} GROUP BY stage", "stage"),
        undone=_count_values(ask, f"{_VERDICTS} AND undone GROUP BY stage", "stage"),
        rule_results=_count_values(ask, "rule_results WHERE NOT undone GROUP BY ALL", _RULE_RESULT),
        kinds=_count_values(ask, "relations GROUP BY kind", "kind"),
        tables={
            name: rows for name in _TABLES if name in there and (rows := _count_rows(ask, f"count(*) FROM {name}"))
        },
        unfinished=_list_unfinished(ask) if "imported_files" in there else (),
        by_stand_in=any(
            _count_rows(ask, f"count(*) FROM {name} WHERE model = 'procedural'")
            for name in ("personas", *_WITH_MODEL)
            if name in there
        ),
    )


# The names in these statements are constants of this module.
def _people_by(column: str, there: set[str]) -> str:
    if column not in _SEVERAL or "imports" not in there:
        return f"personas GROUP BY {column}"
    more = f"""SELECT DISTINCT i.persona, i.{column} FROM imports AS i JOIN personas AS p ON p.id = i.persona
        WHERE i.{column} IS NOT NULL AND i.{column} IS DISTINCT FROM p.{column}"""  # noqa: S608
    return f"(SELECT id, {column} FROM personas UNION ALL {more}) GROUP BY {column}"  # noqa: S608


def _count_values(ask: HubQuery, rows: str, value: str) -> NumberedValues:
    found = ask(f"SELECT {value} AS value, count(*) AS times FROM {rows} ORDER BY times DESC, value")  # noqa: S608
    return tuple((value, times) for value, times in found)


def _count_rows(ask: HubQuery, what: str) -> int:
    ((number,),) = ask(f"SELECT {what}")
    return int(number)


def _list_unfinished(ask: HubQuery) -> tuple[str, ...]:
    rows = ask("SELECT name, read_to FROM imported_files WHERE NOT complete ORDER BY file")
    return tuple(f"{name} behind line or row {read_to:,}" for name, read_to in rows)


def _format_counts(counts: NumberedValues, values: int) -> str:
    named = ", ".join(f"{'not stated' if value is None else value} {times:,}" for value, times in counts)
    return f"{named} and {values - len(counts):,} more" if values > len(counts) else named


#: The version that this Populace writes and reads. It goes up when a declaration of a table changes.
HUB_VERSION = 2

#: The rows of a table that is the same in all hubs.
_OCCUPATION_GROUPS = """
INSERT INTO occupation_groups VALUES
    (0, 'Armed forces occupations'),
    (1, 'Managers'),
    (2, 'Professionals'),
    (3, 'Technicians and associate professionals'),
    (4, 'Clerical support workers'),
    (5, 'Service and sales workers'),
    (6, 'Skilled agricultural, forestry and fishery workers'),
    (7, 'Craft and related trades workers'),
    (8, 'Plant and machine operators, and assemblers'),
    (9, 'Elementary occupations');
"""


@cache
def hub_tables() -> Sequence[Table]:
    """Return the tables of a hub as they are declared."""
    from .tables import PEOPLE

    return [table for table in declared_tables() if table.is_hub or table.row_type in PEOPLE]


def hub_table(name: str) -> Table:
    """Return the table of a hub that has this name."""
    return next(table for table in hub_tables() if table.name == name)


@cache
def _table_statements() -> Mapping[str, str]:
    made = {table.name: table.statements() for table in hub_tables()}
    return made | {"occupation_groups": made["occupation_groups"] + _OCCUPATION_GROUPS}


def make_hub_schema(con: duckdb.DuckDBPyConnection) -> None:
    """Make those tables of a hub that an empty file, a run file or a hub has not.

    All of it happens in the caller's transaction, or each statement in its own when there is none.
    """
    there = {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    con.execute("\n".join(sql for name, sql in _table_statements().items() if name not in there))
    con.execute("INSERT OR IGNORE INTO hub_migrations VALUES (?, 'declared tables')", [HUB_VERSION])


def lend_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make those tables of a hub that a file opened for reading lacks, empty and temporary.

    Cursors of the connection and `has_tables` do not see them.
    """
    query = "SELECT lower(table_name) FROM information_schema.tables"
    there = {str(name) for (name,) in con.execute(query).fetchall()}
    con.execute("\n".join(table.statements("TEMP TABLE") for table in hub_tables() if table.name not in there))


def check_hub(con: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise `SourceError` for a database that holds no people, whose tables are not a hub's, or that is newer."""
    if not _has_people(con):
        raise SourceError(
            f"{path!r} is a DuckDB database but no hub, for it has no table personas; give a hub or a run file."
        )
    if check_hub_version(con, path):
        return
    columns = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    there = {(str(table), str(column)) for table, column in con.execute(columns).fetchall()}
    known = {table for table, _ in there}
    wanted = sorted((table.name, column) for table in hub_tables() for column in column_names(table.row_type))
    for table, column in wanted:
        if table in known and (table, column) not in there:
            raise SourceError(
                f"{path!r} has a table {table} without the column {column} of a hub's; write its people to a file such "
                "as people.parquet, and import that with `populace hub import`."
            )


def _has_people(con: duckdb.DuckDBPyConnection) -> bool:
    # A view has no rowid, and one that somebody else made may read files.
    with con.cursor() as own, suppress(duckdb.BinderException, duckdb.CatalogException, duckdb.PermissionException):
        own.execute("SELECT rowid FROM main.personas LIMIT 0")
        return True
    # The caller's transaction may have made it.
    return con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'personas'").fetchone() is not None


def check_hub_version(con: duckdb.DuckDBPyConnection, path: str) -> int:
    """Return the version of the hub's tables. Raises `SourceError` for a newer one."""
    if (version := hub_version(con)) > HUB_VERSION:
        raise SourceError(
            f"{path!r} has version {version} of the hub's tables and this Populace knows versions up to {HUB_VERSION}; "
            f"{UPGRADE}."
        )
    return version


def hub_version(con: duckdb.DuckDBPyConnection) -> int:
    """Return the version of the hub's tables in a database; 0 if it has none."""
    if not has_tables(con, "hub_migrations"):
        return 0
    ((version,),) = con.execute("SELECT coalesce(max(version), 0) FROM hub_migrations").fetchall()
    return int(version)


#: A hub of some people takes 2 MB with it, and is filled in half the time that the smallest blocks take.
_BLOCK = 65_536


class HubFile:
    """A hub: `con` is its connection, which reaches no other file and no network.

    Any DuckDB file with a table `personas` is a hub, a run file too. It is opened by `with`, or by whatever needs the
    connection, and is open until it is closed; then for writing, no other process can open it.
    """

    def __init__(self, path: Path, con: duckdb.DuckDBPyConnection | None = None, *, write: bool = False) -> None:
        self.path = path
        self._write = write
        self._con: duckdb.DuckDBPyConnection | None = None
        self._held = ExitStack()
        if con is not None:
            self._hold_connection(con)

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The connection. Raises `SourceError` for what is no hub, is of a newer version, or in use elsewhere."""
        if self._con is None:
            con = _connect_file(self.path, write=self._write)
            self._hold_connection(con)
            _check_opened(self, write=self._write)
            return con
        return self._con

    def _hold_connection(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._held.enter_context(interrupted_by_ctrl_c(con))

    def __enter__(self) -> Self:
        """Open the hub and return it."""
        _ = self.con
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the hub. Raises `SourceError` for a file that has turned out to be damaged."""
        self.close()
        if error is not None and is_interrupt(error):
            raise KeyboardInterrupt from error
        if error is not None and is_damage(error):
            raise _damage_error(self.path, error) from error

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open one transaction: all of it is kept, or none. Raises `StorageError` for a full disk."""
        self.con.execute("BEGIN TRANSACTION")
        try:
            yield self.con
            self.con.execute("COMMIT")
        except BaseException as error:
            # DuckDB has rolled back already after some errors, and says so when it is asked again.
            with suppress(duckdb.Error):
                self.con.execute("ROLLBACK")
            if _is_full(error):
                raise StorageError(
                    f"The hub {str(self.path)!r} cannot be written ({said(error)}); make room, then go on."
                ) from error
            raise

    def sql(self, query: str, params: "Params" = ()) -> "QueryResult":
        """Run one read-only statement on the hub; the result has `.rows`, `.df()`, `.pl()` and `.arrow()`.

        Raises `QueryError` with the database's own words.
        """
        from ...core.query import answer

        with self._lend_connection() as con, con.cursor() as cursor:
            return answer(cursor, query, params, None)

    @contextmanager
    def _lend_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend the connection; close it afterwards if the hub was not open."""
        was_open = self._con is not None
        try:
            yield self.con
        finally:
            if not was_open:
                self.close()

    def _repr_html_(self) -> str:
        """Show the hub in numbers, for a notebook."""
        from ...core.result import html_table

        with self._lend_connection():
            return html_table((self.path.name, ""), describe_hub(self).as_rows(), most=100)

    @property
    def has_agents(self) -> bool:
        """Whether the file is a run with a finished step, whose rows refer to the people as they are."""
        return has_tables(self.con, "steps") and bool(self.con.execute("SELECT 1 FROM steps LIMIT 1").fetchall())

    def check_writable(self, why: str) -> None:
        """Raise `SetupError` if the hub is open for reading only; `why` is the reason to write to it."""
        query = "SELECT readonly FROM duckdb_databases() WHERE database_name = current_database()"
        if self.con.execute(query).fetchall() == [(True,)]:
            raise SetupError(f"{str(self.path)!r} is open for reading only, and {why}; open it with write=True.")

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        try:
            if self._con is not None:
                with suppress(duckdb.OperationalError):  # a query that could not be stopped still has it
                    self._con.close()
        finally:
            self._con = None
            self._held.close()

    def hold_private(self) -> None:
        """Give the database's temporary files the file's own mode, until it is closed."""
        self._held.enter_context(private_umask(self.path))


def _is_full(error: BaseException) -> bool:
    if isinstance(error, duckdb.TransactionException):
        return "Failed to commit" in str(error)
    # What another hub that is read meanwhile lacks is no lack of room here.
    return isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException) and not is_damage(error)


def _damage_error(path: Path, error: BaseException) -> SourceError:
    return SourceError(f"{str(path)!r} is damaged ({said(error)}); restore it from a copy.")


def open_hub(path: Path | str, *, write: bool = False) -> HubFile:
    """Open an existing hub or run file, for use in `with`; to write, its tables are brought up to date first.

    Raises `SourceError` if there is no such file. Once opened, also raises it if the file is not a hub, is of a newer
    version, or is in use by another process.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"There is no hub {str(path)!r}; make one with `populace hub import` or `populace grow`.")
    if path.is_dir():
        raise SourceError(f"{str(path)!r} is a folder; give the path of a hub in it.")
    check_regular(path, what="hub", raised=SourceError)
    return HubFile(path, write=write)


def _connect_file(path: Path, *, write: bool) -> duckdb.DuckDBPyConnection:
    try:
        # Written to, a table of text would be taken for a database in memory.
        return duckdb.connect(path.absolute(), read_only=not (write and is_database(path)), config=dict(CONFIG))
    except duckdb.Error as error:
        if is_damage(error):
            raise _damage_error(path, error) from error
        raise open_error(path, error, what="hub", raised=SourceError) from error


def create_hub(path: Path | str) -> HubFile:
    """Create a new, empty hub, open for writing. Raises `SourceError` if the path is taken or cannot be written.

    Only its owner can read it, unless within `share_files`.
    """
    path = Path(path)
    check_regular(path, what="hub", raised=SourceError)
    if is_made(path):
        raise SourceError(f"{str(path)!r} exists already; give another path for the new hub.")
    if not path.parent.is_dir():
        raise SourceError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it first.")
    try:
        make_database(path, make_hub_schema, block_size=_BLOCK)
        con = duckdb.connect(path.absolute(), config=dict(CONFIG))
    except FileExistsError as error:
        raise SourceError(f"{str(path)!r} exists already; give another path for the new hub.") from error
    except (duckdb.Error, OSError) as error:
        why = said(error) if isinstance(error, duckdb.Error) else error.strerror
        raise SourceError(f"{str(path)!r} cannot be written: {why}; make room, or give another path.") from error
    hub = HubFile(path, con)
    hub.hold_private()
    return hub


@contextmanager
def filled_hub(path: Path | str) -> Iterator[HubFile]:
    """Open the hub at `path` for writing; create it if it is missing, and remove it again if it stays empty."""
    path = Path(path)
    made, is_empty = not is_made(path), False
    try:
        with create_hub(path) if made else open_hub(path, write=True) as hub:
            try:
                yield hub
            finally:
                is_empty = not hub.con.execute("SELECT 1 FROM personas LIMIT 1").fetchall()
    finally:
        if made and is_empty:
            remove_database(path)


def _check_opened(hub: HubFile, *, write: bool) -> None:
    try:
        check_hub(hub.con, str(hub.path))
        if write:
            remove_parts(hub.path)
            hub.hold_private()
            if hub_version(hub.con) < HUB_VERSION:
                with hub.writing():
                    make_hub_schema(hub.con)
        else:
            lend_tables(hub.con)
    except BaseException as error:
        hub.close()
        if is_damage(error):
            raise _damage_error(hub.path, error) from error
        raise


def describe_hub(hub: HubFile) -> HubInfo:
    """Describe a hub in numbers."""
    return describe(hub.path, lambda statement: hub.con.execute(statement).fetchall())


_REPEATS = "CREATE OR REPLACE TEMP TABLE graph_folds AS {}"
_CHAINED = "SELECT min(a.persona) FROM graph_folds AS a SEMI JOIN graph_folds AS b ON b.persona = a.survivor"

#: Each round follows chains twice as far.
_FOLLOWED = """
CREATE OR REPLACE TEMP TABLE graph_folds AS
SELECT a.persona, coalesce(b.survivor, a.survivor) AS survivor
FROM graph_folds AS a LEFT JOIN graph_folds AS b ON b.persona = a.survivor
"""
_ROUNDS = 32

_AWAY = "CREATE OR REPLACE TEMP TABLE graph_away AS {}"
#: People rejected are in no graph, and a near-duplicate among them has no survivor.
_GONE = "DELETE FROM graph_folds WHERE persona IN (FROM graph_away)"


def fold_duplicates(hub: HubFile) -> None:
    """Fill the temporary tables `graph_folds` (persona, survivor) with near-duplicates, and `graph_away` (persona).

    `graph_away` has the personas that a rule rejected. Graphs leave them and their ties out.

    Raises `SourceError` for verdicts that lead in a circle.
    """
    hub.con.execute(_AWAY.format(REJECTED))
    hub.con.execute(_REPEATS.format(SURVIVORS))
    for _ in range(_ROUNDS):
        ((chained,),) = hub.con.execute(_CHAINED).fetchall()
        if chained is None:
            hub.con.execute(_GONE)
            return
        hub.con.execute(_FOLLOWED)
    raise SourceError(
        f"{str(hub.path)!r}: the near-duplicate verdicts on {chained} lead in a circle; undo one of them."
    )
