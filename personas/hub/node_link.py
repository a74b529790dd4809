"""Graphs in JSON as networkx and others write them, nodes and links: the nodes as rows, the links as relations."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from pathlib import Path
from typing import Any

from ..errors import SourceError
from ..inputs import shown
from .columns import FIELDS
from .exact_json import parse_json
from .stream import reading
from .tables import Batch, Table
from .tally import Tally

__all__ = ["NodeLink", "open_node_link"]

_ROWS = 10_000
#: What no node lacks that Populace has written; what is null is not written.
_ALWAYS = {"id", "text", "origin", "hop", "language"}
#: The names that the list of links and the two ends of one go by.
_LINKS = ("edges", "links")


class NodeLink(Table):
    """A graph that was read whole; its nodes are numbered from 1."""

    def __init__(self, path: Path, nodes: Sequence[dict[str, Any]], links: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(path)
        self._nodes = nodes
        self._links = links

    def columns(self) -> Sequence[str]:
        """The names that any of the nodes has; all fields of a person where Populace wrote them."""
        names = dict.fromkeys(name for node in self._nodes for name in node)
        return list(dict.fromkeys((*FIELDS, *names))) if names.keys() >= _ALWAYS else list(names)

    def batches(self, tally: Tally) -> Iterator[Batch]:
        """All nodes, some thousands at a time."""
        return batched(((number, dict(node)) for number, node in enumerate(self._nodes, 1)), _ROWS)

    def relations(self) -> Iterator[Batch]:
        """The links, some thousands at a time, with `source` and `target` as the nodes' names."""
        return batched(((number, dict(link)) for number, link in enumerate(self._links, 1)), _ROWS)


def open_node_link(path: Path) -> NodeLink | None:
    """The graph in a file of JSON; None where it holds something else. Raises `SourceError` for half a graph."""
    with reading(path) as file:
        try:
            held = parse_json(file.read())
        except (ValueError, RecursionError):
            return None
    if not isinstance(held, dict) or not isinstance(held.get("nodes"), list):
        return None
    nodes, links = held["nodes"], next((held[name] for name in _LINKS if name in held), None)
    if not isinstance(links, list):
        raise SourceError(f"{path} has nodes and no list of {' or '.join(_LINKS)}; give a whole graph.")
    for kind, rows, needed in (("node", nodes, ("id",)), ("link", links, ("source", "target"))):
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict) or any(row.get(name) is None for name in needed):
                raise SourceError(
                    f"{path}, {kind} {number}: {shown(row)} has not {' and '.join(needed)}; "
                    "write it as networkx.node_link_data does."
                )
    if not nodes:
        raise SourceError(f"{path} is a graph without any node; give one with people in it.")
    return NodeLink(path, nodes, links)
