"""Ties read from a file: a list of them as a table or GraphML."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from ...core.errors import SetupError, SourceError, parameter
from ...core.files import whole_file
from ...core.inputs import nearest, read_number, resolve_file
from ...core.readers import read_rows
from ...core.writers import write_csv_rows
from ..persona import Relation, RelationKind

if TYPE_CHECKING:
    import networkx as nx

#: The kind and label of ties that do not say theirs.
KIND, LABEL = RelationKind.NEIGHBOURHOOD, "acquaintance"
_ENDS = ("source", "target")
#: People up to whom names are compared for what was meant.
_COMPARED = 2_000
_WAY_OUT = "write a line for each tie, with source and target"


@dataclass(frozen=True, slots=True)
class FileTie:
    """A tie of a file: the ends as they stand there, and where."""

    where: str
    source: str
    target: str
    kind: RelationKind
    label: str
    weight: float


def read_ties_file(path: Path) -> list[FileTie]:
    """The ties of a file, in its order. Raises `SourceError` for whatever cannot be read, naming the line."""
    rows = list(_graphml_rows(resolve_file(path)) if path.suffix.lower() == ".graphml" else _table_rows(path))
    if not rows:
        raise SourceError(f"{str(path)!r} has no ties; give a line for each, with source and target.")
    return [_read_tie(where, row) for where, row in rows]


def write_graph_ties(graph: "nx.Graph", path: Path) -> None:
    """Write the edges of a networkx graph as a CSV file of ties.

    Nodes that are all strings name people as in any such file; other nodes stand for people by their place, the first
    node for the first person. Edges keep `kind`, `label` and `weight`. Raises `SetupError` for a graph without edges.
    """
    if not graph.number_of_edges():
        raise SetupError(f"The graph that is given as {parameter('network')} has no edges; give one that has.")
    are_names = all(isinstance(node, str) for node in graph)
    names = {node: node if are_names else str(place) for place, node in enumerate(graph, start=1)}
    with whole_file(path.absolute(), replace=True) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = (
            (names[source], names[target], *(said.get(name, "") for name in ("kind", "label", "weight")))
            for source, target, said in graph.edges(data=True)
        )
        write_csv_rows(((*_ENDS, "kind", "label", "weight"), *rows), file)


def _table_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in read_rows(path, _WAY_OUT):
        folded = {name.strip().lower(): value for name, value in row.items()}
        _check_columns(path, list(folded), f", line {number},")
        yield f"{path}, line {number}", folded


def _check_columns(path: Path, names: Sequence[str], where: str) -> None:
    if missing := [name for name in _ENDS if name not in names]:
        raise SourceError(
            f"{path}{where} has no {' and no '.join(missing)}, but {', '.join(names) or 'nothing'}; each tie needs "
            "source and target, and may have kind, label and weight."
        )


def _graphml_rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    import networkx as nx

    try:
        graph = nx.read_graphml(path)
    except (ParseError, nx.NetworkXError, KeyError, ValueError) as error:
        raise SourceError(f"{str(path)!r} is no GraphML: {error}.") from error
    edges = graph.edges(data=True)
    return [
        (f"{path}, edge {number}", {**said, "source": source, "target": target})
        for number, (source, target, said) in enumerate(edges, start=1)
    ]


def _read_tie(where: str, row: Mapping[str, Any]) -> FileTie:
    ends = [str(row[name]).strip() if row[name] is not None else "" for name in _ENDS]
    if not all(ends):
        raise SourceError(f"{where} has no {_ENDS[ends.index('')]}; fill it in, or remove the line.")
    kind, label = (str(row.get(name) or "").strip() for name in ("kind", "label"))
    known = RelationKind(kind.lower()) if kind.lower() in RelationKind else RelationKind.OTHER if kind else KIND
    return FileTie(where, ends[0], ends[1], known, label or kind or LABEL, _read_weight(where, row.get("weight")))


def _read_weight(where: str, given: object) -> float:
    if given in (None, ""):
        return 1.0
    weight = read_number(given)
    if not 0 < weight < math.inf:
        raise SourceError(f"{where}: the weight is {given!r}; it must be a number greater than 0.")
    return weight


def placed_ties(ties: Sequence[FileTie], names: Mapping[str, Mapping[str, str]]) -> list[tuple[Relation, float]]:
    """The ties as relations between personas, with their weights; equal ones count once.

    `names` has ways to name a person, each with the ids of the personas by name: the first by which all ends of the
    file can be found is taken. Raises `SourceError` for an end that is nobody, by the way that finds the most, for a
    person tied to itself, and for a tie that comes again with another weight.
    """
    unknown = {
        way: [(one, end) for one in ties for end in (one.source, one.target) if end not in ids]
        for way, ids in names.items()
    }
    way = min(names, key=lambda one: len(unknown[one]))
    ids = names[way]
    if unknown[way]:
        first, end = unknown[way][0]
        some = ", ".join(repr(known) for known in list(ids)[:3])
        close = nearest(end, ids) if len(ids) <= _COMPARED else ""
        raise SourceError(
            f"{first.where}: {end!r} names none of the {len(ids):,} people{close}. People are named by "
            f"{_list_ways(list(names))}, as {some}; correct the line, remove it, or take everybody that the file names."
        )
    placed: dict[tuple[str, str, str, str], tuple[Relation, float]] = {}
    for one in ties:
        source, target = ids[one.source], ids[one.target]
        if source == target:
            raise SourceError(f"{one.where} ties {one.source!r} to itself; remove the line.")
        key = (source, target, one.kind, one.label)
        _, weight = placed.setdefault(key, (Relation(*key, 0), one.weight))
        if weight != one.weight:
            raise SourceError(
                f"{one.where} has the tie of {one.source!r} to {one.target!r} again with the weight {one.weight:g}, "
                f"which was {weight:g} before; keep one of them."
            )
    return list(placed.values())


def _list_ways(ways: Sequence[str]) -> str:
    return " or ".join([", ".join(ways[:-1]), ways[-1]] if len(ways) > 1 else ways)
