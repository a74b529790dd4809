"""Writing the people of a hub to files: as rows, as a graph, or the whole hub as a folder; whole or not at all."""

import hashlib
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Annotated, Any, BinaryIO, Literal

import duckdb
import orjson
from arro3.core import RecordBatchReader
from pydantic import AfterValidator, Field, ValidationError

from ...core.arrow import iter_batches, parquet, to_rows, write_parquet
from ...core.database import CONFIG, make_database, quote_name, quote_text, said
from ...core.errors import UPGRADE, SetupError, SourceError, parameter
from ...core.files import (
    COMPRESSIONS,
    compression_of,
    folder_beside,
    open_compressed,
    private_umask,
    uncompressed_suffix,
)
from ...core.inputs import shown
from ...core.model import FrozenModel
from ...core.readers import hash_file
from ...core.text import legible
from ...core.writers import (
    check_folder,
    check_free,
    explain_write_errors,
    json_text,
    write_csv,
    write_jsonl,
    write_new_file,
)
from ..hub.file import HUB_VERSION, HubFile, check_hub, fold_duplicates, hub_version
from ..hub.queries import count, registered
from .people import GRAPH_NAMES, ExportedPeople, Extra

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


#: Near-duplicates and people rejected who are exported themselves keep their ties.
_FOLDED = """
WITH folds AS (FROM graph_folds ANTI JOIN exported_kept ON id = persona),
away AS (FROM graph_away ANTI JOIN exported_kept ON id = persona)
SELECT DISTINCT ON (source, target, kind, label) source, target, kind, label, hop, ordinal FROM (
    SELECT coalesce(a.survivor, r.source) AS source, coalesce(b.survivor, r.target) AS target, kind, label, hop, ordinal
    FROM relations AS r
    LEFT JOIN folds AS a ON a.persona = r.source
    LEFT JOIN folds AS b ON b.persona = r.target
    WHERE r.source NOT IN (FROM away) AND r.target NOT IN (FROM away)
) WHERE source <> target ORDER BY source, target, kind, label, ordinal
"""
_AS_WRITTEN = "SELECT source, target, kind, label, hop, ordinal FROM relations"


def relations_path(path: Path) -> Path:
    """Return the file of the relations of the personas in `path`: `town.relations.csv.gz` for `town.csv.gz`."""
    name, packing = path.name, path.suffix if path.suffix.lower() in COMPRESSIONS else ""
    name = name.removesuffix(packing)
    ending = name[len(name) - len(uncompressed_suffix(path)) :] if uncompressed_suffix(path) else ""
    return path.with_name(f"{name.removesuffix(ending)}.relations{ending}{packing}")


def find_relations(people: ExportedPeople) -> duckdb.DuckDBPyRelation:
    """Query the relations with both ends exported, in order of arrival.

    The relations of near-duplicates that are left out go to their survivor. Those of rejected personas are left out.
    """
    con = people.hub.con
    fold_duplicates(people.hub)
    return con.sql(
        "SELECT coalesce(a.text_hash, source) AS source, coalesce(b.text_hash, target) AS target, kind, label, hop "  # noqa: S608 - our own words
        f"FROM ({_AS_WRITTEN if people.duplicates else _FOLDED}) AS r "
        "LEFT JOIN rewritten_people AS a ON a.persona = source LEFT JOIN rewritten_people AS b ON b.persona = target "
        "WHERE source IN (SELECT id FROM exported_kept) AND target IN (SELECT id FROM exported_kept) "
        "ORDER BY r.ordinal, r.source, r.target"
    )


_LONGEST = 40


def shorten_text(text: str) -> str:
    """Return the first words of a text, as the label of a node."""
    line = " ".join(text.split())
    if len(line) <= _LONGEST:
        return line
    words = line[:_LONGEST].rpartition(" ")[0]
    # In a script without spaces a word has no end.
    return f"{words if len(words) > _LONGEST // 2 else line[: _LONGEST - 1]}\u2026"


class ExportFormat(StrEnum):
    """What an export is written as."""

    #: One object, or row, with every column that a hub has of a person, and every column that was imported.
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    #: People and relations.
    GRAPHML = "graphml"
    GEXF = "gexf"
    JSON = "json"
    #: A folder with all tables, from which `populace hub import` makes an equal hub.
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    path: Path
    format: ExportFormat
    people: int
    #: Relations written, into the same file or a second one; None for formats that cannot hold any.
    relations: int | None
    #: The people who came without any licence.
    unlicensed: int
    #: How many of them have a profile, a biography and so on, for each of the extras that the file has.
    extras: tuple[tuple[Extra, int], ...] = ()
    #: The second file with the relations; None where they are in the same file, or there are none.
    relations_path: Path | None = None
    #: Columns whose cells are JSON text, because their values are nested, of several types, or too long integers.
    as_json: tuple[str, ...] = ()
    #: People who were imported in several rows that differ, and who are written as the first of them has them.
    several: int = 0
    #: Relations that could not come along, because the format has no place for them.
    left_relations: int = 0
    #: Tables, for a folder of a whole hub.
    tables: int = 0


_GRAPHS = (ExportFormat.GRAPHML, ExportFormat.GEXF, ExportFormat.JSON)
_ROWS = 10_000


def export_hub(
    hub: HubFile,
    out: Path | BinaryIO,
    *,
    format: ExportFormat | None = None,  # noqa: A002 - the word that users type
    select: str | None = None,
    duplicates: bool = False,
    extras: Collection[Extra] = (),
    notice: str | None = None,
) -> ExportReport:
    """Write the personas of a hub, or of one of its selections, in order of arrival, to a new file or a stream.

    The default format is that of the file's ending, and JSONL for a stream. Near-duplicates and personas that a rule
    has rejected are left out, unless `duplicates` is true or the selection has them. Profiles are among the columns if
    somebody has one, and the other `extras` if they are named. JSONL, CSV and Parquet have each imported column with
    its own type (see `personas.formats.people`), and relations in a second file beside them, of which a stream has
    none. `hub` writes a folder with all that the hub holds. `notice`, the sentence to show wherever these personas are
    shown, goes into the file if the format has a place for it. Raises `SetupError` for a file that exists, a format
    that is unknown or has no place for the extras, an unknown selection, and if there is nobody to export. Raises
    `StorageError` if the file cannot be written.
    """
    chosen = format or (_by_name(out) if isinstance(out, Path) else ExportFormat.JSONL)
    if chosen is ExportFormat.HUB:
        if not isinstance(out, Path) or select is not None or extras:
            raise SetupError(
                "All that a hub holds is written to a folder; give a path, and give neither "
                f"{parameter('select')} nor {parameter('extras')} with it."
            )
        return _export_whole(hub, out, notice)
    people = ExportedPeople(
        hub, select=select, duplicates=duplicates, extras=extras, reserved=GRAPH_NAMES if chosen in _GRAPHS else ()
    )
    if not people.count:
        raise SetupError(f"There is nobody to export in {str(hub.path)!r}{f' under {select!r}' if select else ''}.")
    report = _export_people(people, out, chosen, notice)
    return replace(report, extras=tuple(people.extras.items()), as_json=people.as_json, several=people.several)


def _export_people(
    people: ExportedPeople, out: Path | BinaryIO, chosen: ExportFormat, notice: str | None
) -> ExportReport:
    path = out if isinstance(out, Path) else Path("-")
    report = ExportReport(path, chosen, people.count, None, people.unlicensed)
    packing = None if chosen is ExportFormat.PARQUET else compression_of(path)
    with ExitStack() as stack:

        def opened(path: Path) -> AbstractContextManager[Any]:
            if not isinstance(out, Path):
                return nullcontext(out)
            return open_compressed(stack.enter_context(write_new_file(path)), packing)

        if chosen in _GRAPHS:
            with opened(path) as file:
                return replace(report, relations=_write_graph(people, chosen, file, notice))
        beside = relations_path(path)
        if isinstance(out, Path):
            check_free(beside)
        with opened(path) as file:
            _write_rows(people.batches(), chosen, file, {"format": 1} | ({"notice": notice} if notice else {}))
        relations = find_relations(people)
        if not isinstance(out, Path):
            return replace(report, left_relations=len(relations))
        if len(relations):
            with opened(beside) as file:
                _write_rows(iter_batches(relations, _ROWS), chosen, file, {})
            report = replace(report, relations=len(relations), relations_path=beside)
    return report


def _export_whole(hub: HubFile, path: Path, notice: str | None) -> ExportReport:
    people = ExportedPeople(hub, duplicates=True)
    rows = write_hub_folder(hub, path, notice=notice)
    relations = rows.get("relations", 0)
    return ExportReport(path, ExportFormat.HUB, people.count, relations, people.unlicensed, tables=len(rows))


def _write_rows(batches: Iterator[Any], form: ExportFormat, file: Any, facts: Mapping[str, Any]) -> None:
    """Write batches of rows as JSONL, CSV or Parquet; Parquet has the facts in its metadata."""
    if form is not ExportFormat.PARQUET:
        (write_csv if form is ExportFormat.CSV else write_jsonl)(batches, file)
        return
    metadata = {"populace": orjson.dumps(facts).decode()} if facts else {}
    with TemporaryDirectory(prefix="populace-") as folder:
        write_parquet(batches, whole := Path(folder, "rows.parquet"), metadata)
        with whole.open("rb") as written:
            copyfileobj(written, file)


def _by_name(path: Path) -> ExportFormat:
    suffix = uncompressed_suffix(path).removeprefix(".")
    if suffix in ExportFormat and suffix != ExportFormat.HUB:
        return ExportFormat(suffix)
    formats = ", ".join(ExportFormat)
    raise SetupError(
        f"{str(path)!r} does not say by its ending what to write; give {parameter('format')}, one of {formats}."
    )


#: networkx holds a graph as Python objects, about two kilobytes a person and one a tie.
MOST_PEOPLE = 200_000
#: An object for each attribute of a profile, of which no program that draws graphs makes anything.
_LEFT = {"evidence"}


def _write_graph(people: ExportedPeople, form: ExportFormat, file: Any, notice: str | None) -> int:
    """Write the graph of these personas as GraphML, GEXF or JSON, and return how many ties it has.

    A tie is written if both its ends are. A node has the columns of a row, and is labelled with the first words of the
    description. In XML, lists become strings, and the evidence of profiles is left out. Raises `SetupError` for more
    than `MOST_PEOPLE`.
    """
    import networkx as nx

    if people.count > MOST_PEOPLE:
        raise SetupError(
            f"There are {people.count:,} people to export, and {form} is written for {MOST_PEOPLE:,} at most; "
            f"export a selection with {parameter('select')}, or write Parquet."
        )
    graph = nx.MultiDiGraph(**({"notice": notice} if notice else {}))
    fit = _fit_json if form is ExportFormat.JSON else _fit_xml
    for row in (row for batch in people.batches() for row in to_rows(batch)):
        row["label"] = shorten_text(row["text"])
        left = () if form is ExportFormat.JSON else _LEFT
        node = {str(fit(name)): fit(value) for name, value in row.items() if value is not None and name not in left}
        graph.add_node(node.pop("id"), **node)
    for source, target, kind, label, hop in find_relations(people).fetchall():
        graph.add_edge(source, target, kind=kind, label=fit(label), hop=hop)
    if form is ExportFormat.JSON:
        file.write(json_text(nx.node_link_data(graph, edges="edges")).encode())
    elif form is ExportFormat.GEXF:
        nx.write_gexf(graph, file)
    else:
        nx.write_graphml_xml(graph, file)
    return int(graph.number_of_edges())


def _fit_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _fit_xml(value: Any) -> Any:
    if isinstance(value, list):
        value = "; ".join(one if isinstance(one, str) else json_text(one) for one in value)
    value = _fit_json(value)
    return legible(value) if isinstance(value, str) else value
