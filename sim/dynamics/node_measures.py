"""Measures of agents by their place in the network, by name: for `Scenario.node_measures`.

def node_measures(self, society):
    trust = {one.id: one.state.trust for one in society.residents}
    return {"trust": trust, **network_measures(society, "degree", "pagerank")}
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import networkx as nx

from ...personas.errors import SetupError
from ...personas.inputs import nearest
from ..runfile.society_rows import NodeMeasureRow
from ..seeds import derive_seed

if TYPE_CHECKING:
    from ..resident import SocietyView

#: Digits that are kept of a value, so that the last ones, which differ from machine to machine, are not in the hash.
_DIGITS = 12


def network_measures(society: "SocietyView", *names: str) -> dict[str, dict[str, float]]:
    """Return these measures of each agent in the current network of ties, by measure and agent.

    The network is undirected, and the weights of all ties between two agents are added up.

    - `degree`: number of other agents it is tied to.
    - `strength`: total weight of its ties.
    - `pagerank`: PageRank by weight, with a damping of 0.85 (Brin and Page 1998). The values add up to 1.
    - `betweenness`: share of the shortest paths between others that lead through the agent (Freeman 1977). The time
      grows with the number of agents times the number of ties.
    - `community`: number of its community, from 1 for the largest, by Louvain's method (Blondel et al. 2008). The
      random draws use the run's seed and the step.

    Raises `SetupError` for an unknown measure.
    """
    for name in names:
        if name not in _MEASURES:
            raise SetupError(
                f"There is no measure {name!r}{nearest(name, _MEASURES)}; there are {', '.join(_MEASURES)}."
            )
    agents = [one.id for one in society.residents]
    graph = _network(society, agents)
    seed = derive_seed(society.seed, "community", society.world.step) >> 32
    measured = {name: _MEASURES[name](graph, seed) for name in names}
    return {name: {agents[node]: float(value) for node, value in found.items()} for name, found in measured.items()}


def _network(society: "SocietyView", agents: Sequence[str]) -> nx.Graph:
    # Nodes are numbers: sets of texts would be in another order in each process.
    number = {agent: place for place, agent in enumerate(agents)}
    graph = nx.empty_graph(len(agents))
    for agent in agents:
        for tie in society.graph.neighbours(agent):
            if tie.outgoing:
                ends = number[agent], number[tie.id]
                known = graph.get_edge_data(*ends, {"weight": 0.0})
                graph.add_edge(*ends, weight=known["weight"] + tie.weight)
    return graph


def _degree(graph: nx.Graph, seed: int) -> Mapping[int, float]:
    return dict(graph.degree())


def _strength(graph: nx.Graph, seed: int) -> Mapping[int, float]:
    return dict(graph.degree(weight="weight"))


def _pagerank(graph: nx.Graph, seed: int) -> Mapping[int, float]:
    return dict(nx.pagerank(graph, weight="weight", tol=1e-10, max_iter=1000)) if graph else {}


def _betweenness(graph: nx.Graph, seed: int) -> Mapping[int, float]:
    return dict(nx.betweenness_centrality(graph))


def _community(graph: nx.Graph, seed: int) -> Mapping[int, float]:
    found = nx.community.louvain_communities(graph, seed=seed) if graph else []
    ordered = sorted(found, key=lambda members: (-len(members), min(members)))
    return {node: number for number, members in enumerate(ordered, start=1) for node in members}


_MEASURES: Mapping[str, Callable[[nx.Graph, int], Mapping[int, float]]] = {
    "degree": _degree,
    "strength": _strength,
    "pagerank": _pagerank,
    "betweenness": _betweenness,
    "community": _community,
}


def node_measure_rows(measured: object, society: "SocietyView") -> Iterator[NodeMeasureRow]:
    """Yield a row for each value that a scenario measured, in the order of agents.

    Raises `TypeError` if it is not a mapping of names to values by agent, and `ValueError` for an unknown agent.
    """
    if not isinstance(measured, Mapping) or not all(isinstance(values, Mapping) for values in measured.values()):
        raise TypeError(f"it must give a mapping of names to values by agent, and gave {measured!r:.80}")
    agents = [one.id for one in society.residents]
    for name, values in measured.items():
        if strangers := values.keys() - set(agents):
            raise ValueError(f"it measured {name!r} of {sorted(map(str, strangers))[0]!r}, and no agent has that id")
        for agent in agents:
            if agent in values:
                yield NodeMeasureRow(society.world.step, agent, str(name), float(f"{float(values[agent]):.{_DIGITS}g}"))
