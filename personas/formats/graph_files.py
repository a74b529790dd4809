"""People and relations as a graph file: GraphML, GEXF, or JSON of nodes and edges."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from ..errors import SetupError, parameter
from ..text import legible
from .columns import graph_names, prefixed
from .people import ExportedPeople
from .reading import json_text, parse_json
from .relations import relations_of

_LONGEST = 40


def flat(value: Any) -> str | int | float | bool:
    """The value itself, or the text that it becomes: lists are joined by semicolons, objects are written as JSON."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return "; ".join(one if isinstance(one, str) else json_text(one) for one in value)
    return json_text(value)


def short(text: str) -> str:
    """The first words of a text, as the label of a node."""
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
    """Write the graph of these people as `graphml`, `gexf` or `json`, and say how many ties it has.

    A tie is there when both its ends are. The ties of near-duplicates that are left out become their
    survivor's; those of people whom a rule rejected are left out.
    A node is labelled with the first words of the description. In XML, lists and objects become strings, and the
    evidence of profiles is left out; JSON holds everything as it is. What was imported under a name that the hub or
    these formats have for themselves is called `imported_NAME`. Raises `SetupError` for more than `MOST_PEOPLE`.
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
    own = graph_names(people.extras)
    for batch in people.batches():
        for row in batch.to_pylist():
            imported = parse_json(row.pop("attributes", None) or "{}")
            for name in _JSON & row.keys():
                row[name] = parse_json(row[name]) if row[name] else None
            node = {prefixed(name, own): value for name, value in imported.items()} | row
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
    return value if isinstance(value, str) else json_text(value)


def _ties(people: ExportedPeople, *, is_xml: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for source, target, kind, label, hop in relations_of(people).fetchall():
        yield source, target, {"kind": kind, "label": _held(label) if is_xml else label, "hop": hop}


def _held(value: Any) -> str | int | float | bool:
    value = flat(value)
    return legible(value) if isinstance(value, str) else value
