"""Writing the people of a hub to files, as rows or as a graph; whole or not at all."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import duckdb
import orjson

from ...core.arrow import iter_batches, to_rows, write_parquet
from ...core.errors import SetupError, parameter
from ...core.files import (
    COMPRESSIONS,
    compression_of,
    open_compressed,
    uncompressed_suffix,
)
from ...core.text import make_legible
from ...core.writers import (
    check_free,
    json_text,
    write_csv,
    write_jsonl,
    write_new_file,
)
from ..hub.file import HubFile, fold_duplicates
from .people import GRAPH_NAMES, ExportedPeople, Extra

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
    none. `notice`, the sentence to show wherever these personas are shown, goes into the file if the format has a place
    for it. Raises `SetupError` for a file that exists, a format that is unknown, an unknown selection, and if there is
    nobody to export. Raises `StorageError` if the file cannot be written.
    """
    chosen = format or (_by_name(out) if isinstance(out, Path) else ExportFormat.JSONL)
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
    if suffix in ExportFormat:
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
    return make_legible(value) if isinstance(value, str) else value
