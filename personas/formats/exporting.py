"""Writing the personas of a hub to files as rows, or with their relations as a graph, whole or not at all."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import duckdb
import orjson

from ...core.arrow import iter_batches, to_rows, write_parquet
from ...core.errors import SetupError, parameter
from ...core.files import COMPRESSIONS, Compression, compression_of, open_compressed, uncompressed_suffix
from ...core.readers import parse_json
from ...core.text import legible
from ...core.writers import check_free, json_text, write_csv, write_jsonl, write_new_file
from ..hub.file import HubFile, fold_duplicates
from .hub_folder import write_hub_folder
from .people import (
    ExportedPeople,
    Extra,
    PeopleRows,
    free_names,
    graph_names,
)

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
    if not people.has("relations"):
        return con.sql("SELECT '' AS source, '' AS target, '' AS kind, '' AS label, 1 AS hop WHERE false")
    fold_duplicates(people.hub)
    return con.sql(
        "SELECT coalesce(a.text_hash, source) AS source, coalesce(b.text_hash, target) AS target, kind, label, hop "  # noqa: S608 - our own words
        f"FROM ({_AS_WRITTEN if people.duplicates else _FOLDED}) AS r "
        "LEFT JOIN rewritten_people AS a ON a.persona = source LEFT JOIN rewritten_people AS b ON b.persona = target "
        "WHERE source IN (SELECT id FROM exported_kept) AND target IN (SELECT id FROM exported_kept) "
        "ORDER BY r.ordinal, r.source, r.target"
    )


def write_relations(relations: duckdb.DuckDBPyRelation, form: str, part: Path, packing: Compression | None) -> None:
    """Write relations as rows of `jsonl`, `csv` or `parquet`."""
    if form == "parquet":
        write_parquet(relations, part)
        return
    with open_compressed(part, packing) as file:
        (write_jsonl if form == "jsonl" else write_csv)(iter_batches(relations, 10_000), file)


_LONGEST = 40


def flatten_value(value: Any) -> str | int | float | bool:
    """Return the value itself, or its text: lists are joined by semicolons, objects are written as JSON."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return "; ".join(one if isinstance(one, str) else json_text(one) for one in value)
    return json_text(value)


def shorten_text(text: str) -> str:
    """Return the first words of a text, as the label of a node."""
    line = " ".join(text.split())
    if len(line) <= _LONGEST:
        return line
    words = line[:_LONGEST].rpartition(" ")[0]
    # In a script without spaces a word has no end.
    return f"{words if len(words) > _LONGEST // 2 else line[: _LONGEST - 1]}\u2026"


#: networkx holds a graph as Python objects, about two kilobytes a person and one a tie.
MOST_PEOPLE = 200_000

#: An object for each attribute of a profile, of which no program that draws graphs makes anything.
_LEFT = {"evidence"}
#: Columns of extras that are texts of JSON.
_JSON = {"evidence", "elite_changes"}


def write_graph(people: ExportedPeople, form: str, *, opened: Callable[[], Any], notice: str | None = None) -> int:
    """Write the graph of these personas as `graphml`, `gexf` or `json`, and return how many ties it has.

    A tie is written if both its ends are. The ties of near-duplicates that are left out go to their survivor. Those of
    personas that a rule rejected are left out. A node is labelled with the first words of the description. In XML,
    lists and objects become strings, and the evidence of profiles is left out. JSON holds everything unchanged.
    Underscores are appended to imported names that the hub or these formats reserve. Raises `SetupError` for more than
    `MOST_PEOPLE`.
    """
    import networkx as nx

    if people.count > MOST_PEOPLE:
        raise SetupError(
            f"There are {people.count:,} people to export, and {form} is written for {MOST_PEOPLE:,} at most; "
            f"export a selection with {parameter('select')}, or write Parquet."
        )
    graph = nx.MultiDiGraph(**({"notice": notice} if notice else {}))
    nodes = _nodes(people)
    graph.add_nodes_from(nodes if form == "json" else _alike([(persona, _flat(node)) for persona, node in nodes]))
    graph.add_edges_from(_ties(people, is_xml=form != "json"))
    with opened() as file:
        if form == "json":
            file.write(json_text(nx.node_link_data(graph, edges="edges")).encode())
        elif form == "gexf":
            nx.write_gexf(graph, file)
        else:
            nx.write_graphml_xml(graph, file)
    return int(graph.number_of_edges())


def _nodes(people: ExportedPeople) -> Iterator[tuple[str, dict[str, Any]]]:
    there = dict.fromkeys(name for row in people.attributes() if row is not None for name in parse_json(row))
    names = free_names(there, graph_names(people.extras))
    for batch in people.batches():
        for row in to_rows(batch):
            imported = parse_json(row.pop("attributes", None) or "{}")
            for name in _JSON & row.keys():
                row[name] = parse_json(row[name]) if row[name] else None
            node = {names[name]: value for name, value in imported.items()} | row
            node["label"] = shorten_text(row["text"])
            yield (
                str(node.pop("id")),
                {name: _dated(value) for name, value in node.items() if value is not None},
            )


def _dated(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _flat(node: dict[str, Any]) -> dict[str, Any]:
    return {str(_held(name)): _held(value) for name, value in node.items() if name not in _LEFT}


def _alike(nodes: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Convert attributes whose type differs between nodes to numbers, or else texts: XML has one type for all."""
    types: dict[str, set[type]] = {}
    for _, node in nodes:
        for name, value in node.items():
            types.setdefault(name, set()).add(type(value))
    mixed = {name: float if found == {int, float} else _text for name, found in types.items() if len(found) > 1}
    for _, node in nodes:
        node.update({name: mixed[name](node[name]) for name in mixed.keys() & node.keys()})
    return nodes


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)


def _ties(people: ExportedPeople, *, is_xml: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for source, target, kind, label, hop in find_relations(people).fetchall():
        yield source, target, {"kind": kind, "label": _held(label) if is_xml else label, "hop": hop}


def _held(value: Any) -> str | int | float | bool:
    value = flatten_value(value)
    return legible(value) if isinstance(value, str) else value


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
_ROWS = (ExportFormat.JSONL, ExportFormat.CSV, ExportFormat.PARQUET)

#: Opens what is written to, for bytes.
type Opened = Callable[[], Any]


def export_hub(
    hub: HubFile,
    path: Path,
    *,
    format: ExportFormat | None = None,  # noqa: A002 - the word that users type
    select: str | None = None,
    duplicates: bool = False,
    extras: Collection[Extra] = (),
    notice: str | None = None,
) -> ExportReport:
    """Write the personas of a hub, or of one of its selections, in order of arrival, to a new file.

    The default format is that of the file's ending. Near-duplicates and personas that a rule has rejected are left out,
    unless `duplicates` is true or the selection has them. Profiles are among the columns if somebody has one, and the
    other `extras` if they are named. JSONL, CSV and Parquet have each imported column with its own type (see
    `personas.formats.people`), and relations in a second file beside them. In JSONL the first rows may be those that
    show the types of columns, before the order of arrival. `hub` writes a folder with all that the hub holds. `notice`,
    the sentence to show wherever these personas are shown, goes into the file if the format has a place for it. Raises
    `SetupError` for a file that exists, a format that is unknown or has no place for the extras, an unknown selection,
    and if there is nobody to export. Raises `StorageError` if the file cannot be written.
    """
    chosen = format or _by_name(path)
    beside = [relations_path(path)] if chosen in _ROWS else []
    for taken in (path, *beside):
        check_free(taken)
    if chosen is ExportFormat.HUB:
        return _export_whole(hub, path, select=select, extras=extras, notice=notice)
    people = _find_people(hub, select=select, duplicates=duplicates, extras=extras)
    with ExitStack() as stack:
        part = stack.enter_context(write_new_file(path))
        packing = None if chosen is ExportFormat.PARQUET else compression_of(path)
        report = _write(people, chosen, path, partial(open_compressed, part, packing), notice)
        if chosen in _ROWS:
            report = _write_relations(people, chosen, report, stack)
    return report


def stream_hub(
    hub: HubFile,
    out: BinaryIO,
    *,
    format: ExportFormat = ExportFormat.JSONL,  # noqa: A002 - the word that users type
    select: str | None = None,
    duplicates: bool = False,
    extras: Collection[Extra] = (),
    notice: str | None = None,
) -> ExportReport:
    """Write what `export_hub` writes to a stream of bytes, without a second file.

    Raises `SetupError` as `export_hub` does, and for a whole hub.
    """
    if format is ExportFormat.HUB:
        raise SetupError("A whole hub is written to a folder, and not to a stream; give a path.")
    people = _find_people(hub, select=select, duplicates=duplicates, extras=extras)
    report = _write(people, format, Path("-"), partial(_stays_open, out), notice)
    return report if format in _GRAPHS else replace(report, left_relations=len(find_relations(people)))


def _find_people(hub: HubFile, *, select: str | None, duplicates: bool, extras: Any) -> ExportedPeople:
    people = ExportedPeople(hub, select=select, duplicates=duplicates, extras=extras)
    if not people.count:
        raise SetupError(f"There is nobody to export in {str(hub.path)!r}{f' under {select!r}' if select else ''}.")
    return people


def _write(
    people: ExportedPeople,
    chosen: ExportFormat,
    path: Path,
    opened: Opened,
    notice: str | None,
) -> ExportReport:
    """Write the personas themselves, and return the report."""
    report = ExportReport(path, chosen, people.count, None, people.unlicensed, _beside(people))
    if chosen in _GRAPHS:
        relations = write_graph(people, chosen.value, opened=opened, notice=notice)
        return replace(report, relations=relations, several=people.several)
    rows = PeopleRows(people, types_first=chosen is ExportFormat.JSONL)
    if chosen is ExportFormat.PARQUET:
        metadata = {"populace": orjson.dumps({"format": 1} | ({"notice": notice} if notice else {})).decode()}
        with TemporaryDirectory(prefix="populace-") as folder, opened() as file:
            write_parquet(rows.batches(), whole := Path(folder, "people.parquet"), metadata)
            with whole.open("rb") as written:
                copyfileobj(written, file)
    else:
        with opened() as file:
            (write_csv if chosen is ExportFormat.CSV else write_jsonl)(rows.batches(), file)
    return replace(report, as_json=rows.as_json, several=people.several)


def _write_relations(
    people: ExportedPeople, chosen: ExportFormat, report: ExportReport, stack: ExitStack
) -> ExportReport:
    relations = find_relations(people)
    if not (number := len(relations)):
        return report
    path = relations_path(report.path)
    part = stack.enter_context(write_new_file(path))
    packing = None if chosen is ExportFormat.PARQUET else compression_of(path)
    write_relations(relations, chosen.value, part, packing)
    return replace(report, relations=number, relations_path=path)


def _export_whole(
    hub: HubFile, path: Path, *, select: str | None, extras: Collection[Extra], notice: str | None
) -> ExportReport:
    if select is not None or extras:
        raise SetupError(
            f"The format hub writes all that a hub holds; give neither {parameter('select')} nor "
            f"{parameter('extras')} with it."
        )
    people = ExportedPeople(hub, duplicates=True)
    written = write_hub_folder(hub, path, notice=notice)
    relations = written.get("relations", 0)
    return ExportReport(path, ExportFormat.HUB, people.count, relations, people.unlicensed, tables=len(written))


def _beside(people: ExportedPeople) -> tuple[tuple[Extra, int], ...]:
    """Add profiles to the columns if anybody has one, and count how many people have each of the extras."""
    numbers = {extra: people.number_with(extra) for extra in {Extra.PROFILES, *people.extras}}
    people.extras = tuple(extra for extra in Extra if extra in people.extras or numbers.get(extra))
    return tuple((extra, numbers[extra]) for extra in people.extras)


def _by_name(path: Path) -> ExportFormat:
    suffix = uncompressed_suffix(path).removeprefix(".")
    if suffix in ExportFormat and suffix != ExportFormat.HUB:
        return ExportFormat(suffix)
    formats = ", ".join(ExportFormat)
    raise SetupError(
        f"{str(path)!r} does not say by its ending what to write; give {parameter('format')}, one of {formats}."
    )


@contextmanager
def _stays_open(out: BinaryIO) -> Iterator[BinaryIO]:
    yield out
