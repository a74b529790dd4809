"""A whole hub as a folder: a Parquet file for each table, and a manifest from which an equal hub is made.

What there is comes from the database's own catalogue, so tables that later versions bring come along. The manifest
holds the statements that make tables, indexes and views, every comment, and of each file its rows and SHA-256.
"""

import hashlib
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import duckdb
import orjson
from arro3.core import RecordBatchReader
from pydantic import AfterValidator, Field, ValidationError

from ...core.arrow import parquet, write_parquet
from ...core.database import CONFIG, make_database, quote_name, quote_text, said
from ...core.errors import UPGRADE, SetupError, SourceError
from ...core.files import folder_beside, private_umask
from ...core.inputs import shown
from ...core.model import FrozenModel
from ...core.readers import hash_file
from ...core.writers import check_folder, check_free, explain_write_errors
from ..hub.file import HUB_VERSION, HubFile, check_hub, hub_version
from ..hub.queries import count, registered

MANIFEST = "manifest.json"
#: The version of the folder's own format.
_FORMAT = 1
#: As in every hub.
_BLOCK = 65_536
#: Types that Parquet holds as they are, with lists of them; all others go through text.
_PLAIN = re.compile(
    r"(BOOLEAN|U?TINYINT|U?SMALLINT|U?INTEGER|U?BIGINT|FLOAT|DOUBLE|VARCHAR|BLOB|DATE|TIMESTAMP)(\[[0-9]*\])*"
)
_FILE = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.parquet$"
_HERE = "database_name = current_database() AND schema_name = 'main'"
_TABLES = f"SELECT table_name, sql FROM duckdb_tables() WHERE {_HERE} AND NOT temporary ORDER BY table_oid"  # noqa: S608
_SQL = {
    "sequences": f"SELECT sql FROM duckdb_sequences() WHERE {_HERE} ORDER BY sequence_oid",  # noqa: S608
    "indexes": f"SELECT sql FROM duckdb_indexes() WHERE {_HERE} AND sql IS NOT NULL ORDER BY index_oid",  # noqa: S608
    "views": f"SELECT sql FROM duckdb_views() WHERE {_HERE} AND NOT internal ORDER BY view_oid",  # noqa: S608
}
_COMMENTS = f"""
SELECT 'TABLE' AS kind, table_name AS name, NULL AS col, comment FROM duckdb_tables() WHERE {_HERE}
UNION ALL SELECT 'VIEW', view_name, NULL, comment FROM duckdb_views() WHERE {_HERE} AND NOT internal
UNION ALL SELECT 'COLUMN', table_name, column_name, comment FROM duckdb_columns() WHERE {_HERE} AND NOT internal
"""  # noqa: S608 - our own words


def _check_creation(sql: str) -> str:
    try:
        if [one.type for one in duckdb.extract_statements(sql)] == [duckdb.StatementType.CREATE]:
            return sql
    except duckdb.Error:
        pass
    raise ValueError("not one statement that creates something")


#: Statements that make one thing of the schema, and nothing else.
_ONE = AfterValidator(_check_creation)
type _Sequence = Annotated[str, Field(pattern="^CREATE SEQUENCE "), _ONE]
type _Table = Annotated[str, Field(pattern="^CREATE TABLE "), _ONE]
type _Index = Annotated[str, Field(pattern="^CREATE (UNIQUE )?INDEX "), _ONE]
type _View = Annotated[str, Field(pattern="^CREATE VIEW "), _ONE]


class _FolderTable(FrozenModel):
    name: str
    sql: _Table
    file: Annotated[str, Field(pattern=_FILE)]
    rows: int
    sha256: str


class _Comment(FrozenModel):
    kind: Literal["TABLE", "VIEW", "COLUMN"]
    name: str
    column: str | None
    comment: str


class _Manifest(FrozenModel):
    populace: Literal["hub"] = "hub"
    format: int
    schema_version: int
    notice: str | None
    sequences: tuple[_Sequence, ...]
    tables: tuple[_FolderTable, ...]
    indexes: tuple[_Index, ...]
    views: tuple[_View, ...]
    comments: tuple[_Comment, ...]


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What a folder brought into a new hub."""

    path: Path
    people: int
    #: Rows by table.
    rows: Mapping[str, int]


def write_hub_folder(hub: HubFile, path: Path, *, notice: str | None) -> dict[str, int]:
    """Write all tables of a hub to a new folder, and return the number of rows of each.

    The folder appears only once it is complete. Raises `SetupError` if there is something at `path`, and `StorageError`
    if it cannot be written.
    """
    check_free(path)
    with explain_write_errors(path), folder_beside(path.absolute()) as beside, private_umask(path):
        part = beside / "hub"
        part.mkdir()
        tables = tuple(_write_table(hub.con, name, sql, part) for name, sql in hub.con.execute(_TABLES).fetchall())
        made = {kind: tuple(sql for (sql,) in hub.con.execute(query).fetchall()) for kind, query in _SQL.items()}
        comments = tuple(
            _Comment(kind=kind, name=name, column=column, comment=comment)
            for kind, name, column, comment in hub.con.execute(_COMMENTS).fetchall()
            if comment is not None
        )
        manifest = _Manifest(
            format=_FORMAT, schema_version=hub_version(hub.con), notice=notice, tables=tables, comments=comments, **made
        )
        (part / MANIFEST).write_bytes(orjson.dumps(manifest.model_dump(), option=orjson.OPT_INDENT_2) + b"\n")
        part.rename(path)
    return {table.name: table.rows for table in tables}


def import_hub_folder(folder: Path, out: Path) -> FolderReport:
    """Make a new hub, equal to the one that was written to a folder.

    The hub appears only once it is complete. Raises `SourceError` for a folder without a manifest, for one that another
    program or a newer Populace wrote, and for files that differ from the manifest. Raises `SetupError` if there is
    something at `out`.
    """
    manifest = _read_manifest(folder)
    if out.exists():
        raise SetupError(
            f"{str(out)!r} exists already, and a whole hub is imported as a new one; give another path, "
            "and unite the two with `populace hub merge`."
        )
    for table in manifest.tables:
        _check_file(folder, table)

    def fill(con: duckdb.DuckDBPyConnection) -> None:
        try:
            _fill_hub(con, folder, manifest)
            check_hub(con, str(folder))
        except (duckdb.BinderException, duckdb.CatalogException, duckdb.ConversionException, ValueError) as error:
            raise SourceError(
                f"{str(folder)!r} does not make a hub: {said(error)}; export the hub once more."
            ) from error

    check_folder(out)
    with explain_write_errors(out):
        # The folder has a schema of its own.
        make_database(out, lambda con: None, block_size=_BLOCK, fill=fill)
    rows = {table.name: table.rows for table in manifest.tables}
    return FolderReport(out, rows["personas"], rows)


def _write_table(con: duckdb.DuckDBPyConnection, name: str, sql: str, folder: Path) -> _FolderTable:
    file = (
        f"{name}.parquet"
        if re.fullmatch(_FILE, f"{name}.parquet")
        else f"{hashlib.sha256(name.encode()).hexdigest()}.parquet"
    )
    columns = con.execute(f"DESCRIBE {quote_name(name)}").fetchall()
    selected = ", ".join(
        quote_name(column) + ("" if _PLAIN.fullmatch(kind) else f"::VARCHAR AS {quote_name(column)}")
        for column, kind, *_ in columns
    )
    # In the order of arrival: the first of several rows is the one that counts.
    write_parquet(con.sql(f"SELECT {selected} FROM {quote_name(name)} ORDER BY rowid"), folder / file)  # noqa: S608
    rows = count(con, f"SELECT count(*) FROM {quote_name(name)}")  # noqa: S608
    return _FolderTable(name=name, sql=sql, file=file, rows=rows, sha256=hash_file(folder / file)[0])


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise SourceError(
            f"{str(folder)!r} is a folder without {MANIFEST}; give a file, or a folder that "
            "`populace hub export --format hub` has written."
        )
    try:
        held = orjson.loads(path.read_bytes())
        if not isinstance(held, dict) or held.get("populace") != "hub":
            raise SourceError(
                f"{str(path)!r} is no manifest of a hub; give a folder that `populace hub export` has written."
            )
        for name, known in (("format", _FORMAT), ("schema_version", HUB_VERSION)):
            version = held.get(name)
            if isinstance(version, int) and version > known:
                raise SourceError(
                    f"{str(path)!r} has {name} {version} and this Populace knows versions up to {known}; {UPGRADE}."
                )
        return _Manifest.model_validate(held, strict=False)
    except (OSError, orjson.JSONDecodeError, ValidationError) as error:
        why = str(error)
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False)[0]
            why = f"{'.'.join(map(str, first['loc']))} is {shown(first['input'])}"
        raise SourceError(f"{str(path)!r} is damaged: {why}; export the hub once more.") from error


def _check_file(folder: Path, table: _FolderTable) -> None:
    path = folder / table.file
    if not path.is_file():
        raise SourceError(f"{str(path)!r} is missing, which {MANIFEST} names; export the hub once more.")
    if hash_file(path)[0] != table.sha256:
        raise SourceError(f"{str(path)!r} is not as {MANIFEST} has it; export the hub once more.")


def _fill_hub(con: duckdb.DuckDBPyConnection, folder: Path, manifest: _Manifest) -> None:
    for sql in (*manifest.sequences, *(table.sql for table in manifest.tables)):
        con.execute(sql)
    for table in manifest.tables:
        with parquet(folder / table.file) as rows, registered(con, RecordBatchReader.from_arrow(rows), "restored"):
            con.execute(f"INSERT INTO {quote_name(table.name)} BY NAME FROM restored")
    for sql in (*manifest.indexes, *_in_order(manifest)):
        con.execute(sql)
    for one in manifest.comments:
        name = quote_name(one.name) + ("" if one.column is None else f".{quote_name(one.column)}")
        con.execute(f"COMMENT ON {one.kind} {name} IS {quote_text(one.comment)}")


def _in_order(manifest: _Manifest) -> Sequence[str]:
    """Sort the views, each after those that it uses: a replaced view comes after its users in the catalogue."""
    ordered, waiting, failed = list[str](), deque(manifest.views), 0
    with duckdb.connect(config=dict(CONFIG)) as con:  # a statement that fails would end the transaction of the hub's
        for sql in (*manifest.sequences, *(table.sql for table in manifest.tables)):
            con.execute(sql)
        while waiting:
            sql = waiting.popleft()
            try:
                con.execute(sql)
            except (duckdb.CatalogException, duckdb.BinderException):
                if failed == len(waiting):
                    raise
                waiting.append(sql)
                failed += 1
            else:
                ordered.append(sql)
                failed = 0
    return ordered
