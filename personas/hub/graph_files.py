"""People and relations as a file of a graph: GraphML, GEXF, or JSON of nodes and edges."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from ..characters import legible
from ..errors import SetupError
from .flat import flat, short
from .graph.folds import fold_duplicates
from .people import People

__all__ = ["MOST_PEOPLE", "write_graph"]

#: networkx holds a graph as Python objects, about two kilobytes a person and one a tie.
MOST_PEOPLE = 200_000

#: Only whoever is not exported gives ties away, and only those of somebody turned away are dropped who is not either.
_TIES = """
WITH folds AS (FROM graph_folds ANTI JOIN exported_kept ON id = persona),
away AS (FROM graph_away ANTI JOIN exported_kept ON id = persona)
SELECT DISTINCT ON (source, target, kind, label) source, target, kind, label, hop FROM (
    SELECT coalesce(a.survivor, r.source) AS source, coalesce(b.survivor, r.target) AS target, kind, label, hop, ordinal
    FROM relations AS r
    LEFT JOIN folds AS a ON a.persona = r.source
    LEFT JOIN folds AS b ON b.persona = r.target
    WHERE r.source NOT IN (FROM away) AND r.target NOT IN (FROM away)
) WHERE source <> target ORDER BY source, target, kind, label, ordinal
"""
_AS_WRITTEN = "SELECT source, target, kind, label, hop FROM relations ORDER BY ordinal"
#: An object for each attribute of a profile, of which no program that draws graphs makes anything.
_LEFT = {"evidence"}
#: What these say of a node is not what a table that was imported may say by the same names.
_MEANT = {"label", "pid", "start", "end", "parents", "slices", "spells", "viz", "key"}


def write_graph(people: People, part: Path, form: str, *, packed: Callable[[], Any]) -> int:
    """Write the graph of these people as `graphml`, `gexf` or `json`, and say how many ties it has.

    A tie is there when both its ends are. Near-duplicates that are left out give their ties to whom they repeat, and
    whom a rule turned away takes all ties along.
    A node is labelled with the first words of the description. Lists and objects become strings, for no format of
    graphs holds them, and the evidence of profiles is left out. What was imported as `label`, or as another word that
    these formats have for themselves, is called `imported_label`. Raises `SetupError` for more than `MOST_PEOPLE`.
    """
    import networkx as nx

    if people.count > MOST_PEOPLE:
        raise SetupError(
            f"There are {people.count:,} people to export, and {form} is written for {MOST_PEOPLE:,} at most; "
            "export a selection with --select, or write Parquet."
        )
    graph = nx.MultiDiGraph()
    nodes = list(_nodes(people))
    graph.add_nodes_from(nodes if form == "json" else _alike(nodes))
    graph.add_edges_from(tie for tie in _ties(people) if tie[0] in graph and tie[1] in graph)
    with packed() as file:
        if form == "json":
            file.write(orjson.dumps(nx.node_link_data(graph, edges="edges")))
        elif form == "gexf":
            nx.write_gexf(graph, file)
        else:
            nx.write_graphml_xml(graph, file)
    return int(graph.number_of_edges())


def _nodes(people: People) -> Iterator[tuple[str, dict[str, Any]]]:
    own = set(people.own)
    for batch in people.batches():
        for row in batch.to_pylist():
            imported = orjson.loads(row.pop("attributes", None) or "{}")
            named = {f"imported_{name}" if name in _MEANT else str(name): value for name, value in imported.items()}
            row["label"] = short(row["text"])
            # The hub's own columns stand where an imported one has the same name; profiles do where they say something.
            said = {name: value for name, value in row.items() if value is not None and name not in _LEFT}
            node = {name: value for name, value in named.items() if name not in own} | said
            yield str(node.pop("id")), {str(_held(k)): _held(value) for k, value in node.items() if value is not None}


def _alike(nodes: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """The nodes with numbers, or else texts, wherever nodes differ in the type of an attribute: XML has one for all."""
    types: dict[str, set[type]] = {}
    for _, node in nodes:
        for name, value in node.items():
            types.setdefault(name, set()).add(type(value))
    mixed = {name: float if found == {int, float} else _text for name, found in types.items() if len(found) > 1}
    for _, node in nodes:
        node.update({name: mixed[name](node[name]) for name in mixed.keys() & node.keys()})
    return nodes


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _ties(people: People) -> Iterator[tuple[str, str, dict[str, Any]]]:
    con = people.hub.con
    fold_duplicates(people.hub)
    rows = con.execute(_AS_WRITTEN if people.duplicates else _TIES).fetchall()
    return (
        (source, target, {"kind": kind, "label": _held(label), "hop": hop}) for source, target, kind, label, hop in rows
    )


def _held(value: Any) -> str | int | float | bool:
    value = flat(value)
    return legible(value) if isinstance(value, str) else value
