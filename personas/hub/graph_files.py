"""People and relations as a file of a graph: GraphML, GEXF, or JSON of nodes and edges."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from ..errors import SetupError
from .graph.folds import fold_duplicates
from .people import People

__all__ = ["MOST_PEOPLE", "write_graph"]

#: networkx holds a graph as Python objects, about two kilobytes a person and one a tie.
MOST_PEOPLE = 200_000

_TIES = """
SELECT DISTINCT ON (source, target, kind, label) source, target, kind, label, hop FROM (
    SELECT coalesce(a.survivor, r.source) AS source, coalesce(b.survivor, r.target) AS target, kind, label, hop, ordinal
    FROM relations AS r
    LEFT JOIN graph_folds AS a ON a.persona = r.source
    LEFT JOIN graph_folds AS b ON b.persona = r.target
) WHERE source <> target ORDER BY source, target, kind, label, ordinal
"""
_AS_WRITTEN = "SELECT source, target, kind, label, hop FROM relations ORDER BY ordinal"
# What XML 1.0 cannot hold.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def write_graph(people: People, part: Path, form: str, *, packed: Callable[[], Any]) -> int:
    """Write the graph of these people as `graphml`, `gexf` or `json`, and say how many ties it has.

    A tie is there when both its ends are. Near-duplicates that are left out give their ties to whom they repeat.
    Lists and objects among the attributes become strings, for no format of graphs holds them. Raises `SetupError`
    for more than `MOST_PEOPLE`.
    """
    import networkx as nx

    if people.count > MOST_PEOPLE:
        raise SetupError(
            f"There are {people.count:,} people to export, and {form} is written for {MOST_PEOPLE:,} at most; "
            "export a selection with --select, or write Parquet."
        )
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(_nodes(people))
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
    for batch in people.batches():
        for row in batch.to_pylist():
            attributes = orjson.loads(row.pop("attributes", None) or "{}")
            # The hub's own columns stand where an imported one has the same name.
            node = {str(name): _flat(value) for name, value in (attributes | row).items() if value is not None}
            yield str(node.pop("id")), node


def _ties(people: People) -> Iterator[tuple[str, str, dict[str, Any]]]:
    con = people.hub.con
    fold_duplicates(people.hub)
    rows = con.execute(_AS_WRITTEN if people.duplicates else _TIES).fetchall()
    return (
        (source, target, {"kind": kind, "label": _flat(label), "hop": hop}) for source, target, kind, label, hop in rows
    )


def _flat(value: Any) -> str | int | float | bool:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        value = "; ".join(one if isinstance(one, str) else orjson.dumps(one).decode() for one in value)
    elif not isinstance(value, str):
        value = orjson.dumps(value).decode()
    return _NO_XML.sub("\ufffd", value)
