"""The networks that a society can begin with: names, parameters, and ties read from a table or GraphML."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree.ElementTree import ParseError

from ...core.errors import SetupError, SourceError, parameter
from ...core.files import whole_file
from ...core.inputs import nearest, read_number, resolve_file
from ...core.readers import read_rows
from ...core.writers import write_csv_rows
from ..persona import Relation, RelationKind

if TYPE_CHECKING:
    import networkx as nx


type NetworkKind = Literal[
    "grown",
    "woven",
    "complete",
    "ring",
    "watts-strogatz",
    "barabasi-albert",
    "stochastic-block",
    "configuration",
    "homophily",
    "file",
]

#: The network that growth has found, or that a hub holds.
GROWN = "grown"
#: Ties that a society holds in memory, at most: each takes some 300 bytes.
MOST_TIES = 5_000_000
#: Ties of a person and share of them to people who are alike, where homophily does not say.
_DEGREE, _ALIKE = 6, 0.8
#: Ties of a person and share of closed triples, where `woven` does not say: a few close ties each, and a transitivity
#: within the wide range of social networks (Newman 2003, table II).
_WOVEN_DEGREE, _CLUSTERING = 5, 0.3

_FORMS = (
    "grown, woven[:K[,C]], complete, ring:K, watts-strogatz:K,P, barabasi-albert:M, "
    "stochastic-block:P_IN,P_OUT[,COLUMN], configuration, homophily:COLUMN|embedding[,K[,SHARE]], or file:PATH"
)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network by its kind and parameters; those that the kind does not have are 0, empty or None."""

    kind: NetworkKind
    #: Ties of a person: of ring and Watts-Strogatz before any is rewired, of homophily on average. Of Barabasi-Albert
    #: those that a newcomer brings.
    degree: int = 0
    #: Probability that a tie is rewired (Watts-Strogatz), or that two people of one block are tied; share of ties
    #: between people who are alike (homophily), or of closed triangles (woven).
    probability: float = 0.0
    #: Probability that two people of different blocks are tied.
    between: float = 0.0
    #: Column whose values are the blocks, or make people alike; empty for the scenario's groups.
    column: str = ""
    #: List of ties.
    file: Path | None = None

    @property
    def needs_vectors(self) -> bool:
        """Whether people are alike by the vectors of their descriptions."""
        return self.kind == "homophily" and self.column == "embedding"

    def check_people(self, people: int) -> None:
        """Raise `SetupError` when so many people cannot be tied in this way."""
        said = f"{parameter('network')} is {str(self)!r}"
        if self.kind in ("woven", "ring", "watts-strogatz", "barabasi-albert", "homophily") and self.degree >= people:
            raise SetupError(
                f"{said}, and a person of {people:,} can be tied to {max(0, people - 1):,} others at most; take fewer "
                f"than {self.degree} ties, or more people."
            )
        ties = people * (people - 1) // 2 if self.kind == "complete" else people * self.degree // 2
        if ties > MOST_TIES:
            raise SetupError(
                f"{said}, which of {people:,} people makes {ties:,} ties, and a society holds {MOST_TIES:,} at most; "
                f"take fewer people, or a network with fewer ties."
            )

    def scale_to(self, people: int, of: int) -> "NetworkSpec":
        """A network with about as many ties a person, which `people` can make who stand for `of`, without vectors."""
        most = max(1, people - 1)
        if people < 3:
            return NetworkSpec("complete")
        if self.needs_vectors or (self.file is not None and people < of):
            return NetworkSpec("ring", 2 * max(1, min(self.degree or _DEGREE, most) // 2))
        if self.kind in ("ring", "watts-strogatz"):
            return replace(self, degree=2 * max(1, min(self.degree, most) // 2))
        if self.kind == "stochastic-block":
            within, between = (min(1.0, share * of / people) for share in (self.probability, self.between))
            return replace(self, probability=within, between=between)
        return replace(self, degree=min(self.degree, most))

    def __str__(self) -> str:
        match self.kind:
            case "woven":
                return f"{self.kind}:{self.degree},{self.probability!r}"
            case "ring" | "barabasi-albert":
                return f"{self.kind}:{self.degree}"
            case "watts-strogatz":
                return f"{self.kind}:{self.degree},{self.probability!r}"
            case "stochastic-block":
                blocks = f",{self.column}" if self.column else ""
                return f"{self.kind}:{self.probability!r},{self.between!r}{blocks}"
            case "homophily":
                return f"{self.kind}:{self.column},{self.degree},{self.probability!r}"
            case "file":
                return f"{self.kind}:{self.file}"
        return self.kind


def parse_network(text: object) -> NetworkSpec:
    """The network that is named so, as `watts-strogatz:6,0.1`. Raises `SetupError` in one sentence."""
    if not isinstance(text, str):
        raise SetupError(f"{parameter('network')} is {text!r:.80}; give a text: {_FORMS}.")
    kind, _, rest = text.strip().partition(":")
    given = [one.strip() for one in rest.split(",")] if rest.strip() else []
    match kind, given:
        case (("grown" | "complete" | "configuration"), []):
            return NetworkSpec(kind)
        case "woven", [*numbers] if len(numbers) < 3:
            degree = _parse_whole(text, "K", numbers[0]) if numbers else _WOVEN_DEGREE
            share = _parse_share(text, "C", numbers[1]) if len(numbers) > 1 else _CLUSTERING
            return NetworkSpec("woven", degree, share)
        case "ring", [ties]:
            return NetworkSpec("ring", _parse_even(text, ties))
        case "watts-strogatz", [ties, share]:
            return NetworkSpec("watts-strogatz", _parse_even(text, ties), _parse_share(text, "P", share))
        case "barabasi-albert", [ties]:
            return NetworkSpec("barabasi-albert", _parse_whole(text, "M", ties))
        case "stochastic-block", [within, between, *column] if len(column) < 2:
            within_, between_ = _parse_share(text, "P_IN", within), _parse_share(text, "P_OUT", between)
            return NetworkSpec("stochastic-block", 0, within_, between_, "".join(column))
        case "homophily", [column, *numbers] if column and len(numbers) < 3:
            degree = _parse_whole(text, "K", numbers[0]) if numbers else _DEGREE
            alike = _parse_share(text, "SHARE", numbers[1]) if len(numbers) > 1 else _ALIKE
            return NetworkSpec("homophily", degree, alike, column=column)
        case "file", [_, *_]:
            return NetworkSpec("file", file=_absolute_path(rest.strip()))
    raise SetupError(f"{parameter('network')} is {text!r}, which is no network; give {_FORMS}.")


def _absolute_path(text: str) -> Path:
    # A run that is resumed from another folder must find the file that was meant.
    return Path(text).expanduser().absolute()


def _parse_whole(text: str, name: str, given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise SetupError(f"{parameter('network')} is {text!r}; {name} must be a whole number from 1, and is {given!r}.")
    return int(given)


def _parse_even(text: str, given: str) -> int:
    degree = _parse_whole(text, "K", given)
    if degree % 2:
        raise SetupError(
            f"{parameter('network')} is {text!r}; K must be even, for each person is tied to K/2 people on either side "
            f"of the ring; give {f'{degree - 1} or ' if degree > 1 else ''}{degree + 1}."
        )
    return degree


def _parse_share(text: str, name: str, given: str) -> float:
    share = read_number(given)
    if not 0 <= share <= 1:
        raise SetupError(f"{parameter('network')} is {text!r}; {name} must be a number from 0 to 1, and is {given!r}.")
    return share


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
