"""Relations of exported people: as rows, and with the people as a graph file (GraphML, GEXF, JSON)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ..arrow import iter_batches, table_of, to_rows, write_parquet
from ..errors import SetupError, parameter
from ..files import COMPRESSIONS, Compression, open_compressed, uncompressed_suffix
from ..hub.file import HubFile, fold_duplicates
from ..hub.queries import registered
from ..persona import RelationKind, legible
from ..readers import NodeLink, Skipped, SkippedRows, json_text, parse_json
from .columns import free_names, graph_names
from .people import ExportedPeople
from .row_files import write_csv, write_jsonl

#: The columns of the file.
RELATION_FIELDS = ("source", "target", "kind", "label", "hop")

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


def relations_of(people: ExportedPeople) -> duckdb.DuckDBPyRelation:
    """Query the relations with both ends exported, in order of arrival.

    The relations of near-duplicates that are left out go to their survivor. Those of rejected personas are left out.
    """
    con = people.hub.con
    if not people.has("relations"):
        return con.sql("SELECT '' AS source, '' AS target, '' AS kind, '' AS label, 1 AS hop WHERE false")
    fold_duplicates(people.hub)
    fields = ", ".join(RELATION_FIELDS)
    return con.sql(
        f"SELECT {fields} FROM ({_AS_WRITTEN if people.duplicates else _FOLDED}) AS r "  # noqa: S608 - our own words
        "WHERE source IN (SELECT id FROM exported_kept) AND target IN (SELECT id FROM exported_kept) "
        "ORDER BY ordinal, source, target"
    )


def write_relations(relations: duckdb.DuckDBPyRelation, form: str, part: Path, packing: Compression | None) -> None:
    """Write relations as rows of `jsonl`, `csv` or `parquet`."""
    if form == "parquet":
        write_parquet(relations, part)
        return
    with open_compressed(part, packing) as file:
        (write_jsonl if form == "jsonl" else write_csv)(iter_batches(relations, 10_000), file)


_TYPES = {
    "place": "BIGINT",
    "source": "VARCHAR",
    "target": "VARCHAR",
    "kind": "VARCHAR",
    "label": "VARCHAR",
    "hop": "INTEGER",
}
#: What other programs call the label of a tie, in the order in which it is looked for.
_LABELS = ("label", "relation", "type", "kind", "name")
_READ = {*RELATION_FIELDS, *_LABELS, "key"}
_NOBODY = "one of its two people is not in the hub"
#: Rows that an earlier file had brought are in imports as rows of that file.
_NAMES = """
CREATE OR REPLACE TEMP TABLE node_personas AS
SELECT node, arg_min(persona, n."row") AS persona FROM graph_nodes AS n JOIN (
    SELECT "row", persona FROM imports WHERE file = $file
    UNION ALL
    SELECT r."row", i.persona FROM repeated_rows AS r
    JOIN imports AS i ON i.file = r.first_file AND i."row" = r.first_row WHERE r.file = $file
) AS i ON i."row" = n."row" GROUP BY node
"""
_NAMED = """
CREATE OR REPLACE TEMP TABLE named_relations AS
SELECT t.* REPLACE (a.persona AS source, b.persona AS target) FROM imported_relations AS t
LEFT JOIN node_personas AS a ON a.node = t.source
LEFT JOIN node_personas AS b ON b.node = t.target
"""
_DANGLING = "SELECT place FROM named_relations WHERE source IS NULL OR target IS NULL ORDER BY place"
_ADD = """
INSERT INTO relations (ordinal, source, target, kind, label, hop)
SELECT (SELECT coalesce(max(ordinal), 0) FROM relations) + row_number() OVER (ORDER BY place),
       source, target, kind, label, hop
FROM (
    SELECT DISTINCT ON (source, target, kind, label) * FROM named_relations AS n
    WHERE source <> target
    AND NOT EXISTS (FROM relations AS r WHERE r.source = n.source AND r.target = n.target
                    AND r.kind = n.kind AND r.label = n.label)
    ORDER BY source, target, kind, label, place
) ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class RelationsReport:
    """The relations that were read from a graph."""

    #: Relations that the hub had not.
    new: int
    #: Relations that it had already, or that the file has twice.
    equal: int
    #: What was left out, by reason.
    skipped: tuple[Skipped, ...]
    #: What the file says of relations, by name, and a hub has no place for.
    unread: tuple[str, ...] = ()


def import_relations(hub: HubFile, graph: NodeLink, file: int) -> RelationsReport:
    """Import the relations of a graph whose nodes were imported as the rows of `file`."""
    tally, new, rows = SkippedRows(str(graph.path)), 0, 0
    unread: dict[str, None] = {}
    with hub.writing() as con:
        with registered(con, table_of(list(graph.ids()), {"row": "BIGINT", "node": "VARCHAR"}), "graph_nodes"):
            con.execute(_NAMES, {"file": file})
        for batch in graph.relations():
            unread |= dict.fromkeys(name for _, row in batch for name in row if name not in _READ)
            read = [one for number, row in batch if (one := _relation(number, row, tally)) is not None]
            with registered(con, table_of(read, _TYPES), "imported_relations"):
                con.execute(_NAMED)
                for (place,) in con.execute(_DANGLING).fetchall():
                    tally.count(_NOBODY, place)
                ((added,),) = con.execute(_ADD).fetchall()
            new, rows = new + added, rows + len(batch)
    return RelationsReport(new, rows - new - len(tally), tuple(tally), tuple(unread))


def _relation(number: int, row: Mapping[str, Any], tally: SkippedRows) -> tuple[Any, ...] | None:
    source, target = row.get("source"), row.get("target")
    if source in (None, "") or target in (None, ""):
        tally.count("it names nobody as source or target", number)
        return None
    said = next((str(row[name]) for name in _LABELS if row.get(name) not in (None, "")), "")
    kind = str(row.get("kind") or RelationKind.OTHER).lower()
    try:
        hop = 1 if row.get("hop") in (None, "") else int(row["hop"])
    except (ValueError, TypeError):
        tally.count("its hop is no whole number", number)
        return None
    known = kind if kind in RelationKind else RelationKind.OTHER.value
    return number, str(source), str(target), known, said or known, hop


_LONGEST = 40


def flat(value: Any) -> str | int | float | bool:
    """Return the value itself, or its text: lists are joined by semicolons, objects are written as JSON."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return "; ".join(one if isinstance(one, str) else json_text(one) for one in value)
    return json_text(value)


def short(text: str) -> str:
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
            node["label"] = short(row["text"])
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
    for source, target, kind, label, hop in relations_of(people).fetchall():
        yield source, target, {"kind": kind, "label": _held(label) if is_xml else label, "hop": hop}


def _held(value: Any) -> str | int | float | bool:
    value = flat(value)
    return legible(value) if isinstance(value, str) else value
