"""The network that a society begins with, where that is not the one that growth found: drawn once, and stored.

The ties of a run are drawn when its people are there and before its first step, by its seed. Sessions that follow,
forks and replays read them from the run file.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import orjson

from ...core.arrow import Matrix
from ...core.errors import RunError, SetupError, parameter
from ...core.inputs import nearest, resolve_file
from ...personas.hub import Hub
from ...personas.network.spec import GROWN, NetworkSpec, parse_network
from ...personas.persona import Relation, RelationKind
from ...personas.population import PersonaGraph
from ..config import RunConfig
from ..engine import Engine
from ..growth import GrowthSource
from ..jobs.loop import Changes, Chunks, Phase, run_phase
from ..observe import EmbeddingRecall
from ..runfile.rows import NodeMeasureRow, TieRow
from ..runfile.runlog import RunLog
from ..scenario import Scenario, check_details
from ..seeds import derive_seed, rng_for
from ..state import SocietyState
from .archetypes import check_archetype_people

if TYPE_CHECKING:
    from ..resident import SocietyView

_IMPORTED = "SELECT persona, attributes::VARCHAR FROM imports WHERE attributes IS NOT NULL ORDER BY rowid"
#: Columns that everybody has, whether grown or imported, and that tell some from others.
_OF_ALL = ("hop", "language", "origin", "source", "licence", "model", "prompt")
#: What two people are to each other who are both this to somebody.
_SHARED = {RelationKind.KINSHIP: "relative", RelationKind.WORK: "colleague"}
#: Columns that people were imported with, by whose values a file of ties may name them.
_NAMED_BY = ("id", "name")


class NetworkPhase(Phase[None, None]):
    """Commits the ties that were drawn, so that nothing of them is drawn again."""

    name = "network"
    chunk = None

    def __init__(self, ties: Sequence[TieRow]) -> None:
        self._ties = ties

    def collect(self) -> Changes:
        """Return the ties."""
        return Changes(rows=[*self._ties], events=self._ties, counts={"ties": len(self._ties)})


async def draw_network(engine: Engine, state: SocietyState, network: str, recall: EmbeddingRecall | None) -> None:
    """Set the graph of the state to the named network. For the grown network, change nothing.

    Raises `SetupError` if these personas cannot form the network, and `SourceError` for a file that names others.
    """
    if network == GROWN:
        return
    if Chunks(engine, NetworkPhase.name, 1, None).is_closed:
        ties = engine.log.rows(TieRow, "ORDER BY ordinal")
    else:
        ties = list(state.known_ties) or await _draw_ties(engine.log, state, parse_network(network), recall)
        await run_phase(engine, NetworkPhase(ties))
    people = {persona.id: persona for persona in state.graph.personas}
    kinds = {kind.value: kind for kind in RelationKind}
    relations = (Relation(t.source, t.target, kinds[t.kind], t.label, 0) for t in ties)
    state.graph = PersonaGraph(people, relations)
    for t in ties:
        if t.weight != 1.0:
            state.graph.set_tie(t.source, t.target, kinds[t.kind], t.label, t.weight)


def opened_source(config: RunConfig, scenario: Scenario) -> GrowthSource:
    """Open what the personas of a run come from before there is a run file, and check all that the run is to read.

    Raises `SourceError` if something cannot be read. Raises `SetupError` if the personas are known to lack what prompts
    need, or cannot form the network.
    """
    config.growth.check_readable()
    scenario.check_readable()
    source = config.growth.source(seed=derive_seed(config.seed, "sources"))
    check_details(scenario, source)
    check_archetype_people(config.archetypes, have_profiles=isinstance(source, Hub) and bool(source.details))
    _check_network(config, source)
    return source


def _check_network(config: RunConfig, source: GrowthSource) -> None:
    spec, ties = parse_network(config.network), None
    if spec.needs_vectors and config.embeddings is None:
        raise SetupError(
            f"{parameter('network')} is {config.network!r}, and no embedding model is named; add "
            f"{parameter('embeddings')} MODEL, or name a column, as homophily:region."
        )
    if spec.file is not None:
        resolve_file(spec.file)
    if spec.kind == "file" and spec.file is not None:
        from ...personas.network.spec import placed_ties, read_ties_file

        ties = read_ties_file(spec.file)
    hub = source if isinstance(source, Hub) else None
    is_known = hub is not None and not config.growth.hops
    people = len(hub.personas) if hub is not None and is_known else config.growth.agents
    if people is not None:
        spec.check_people(people)
    if spec.column and not spec.needs_vectors and spec.column not in _OF_ALL and (hub is None or not hub.details):
        raise SetupError(
            f"{parameter('network')} is {config.network!r}, and there are no profiles that could have the column "
            f"{spec.column!r}; take people of a hub that knows more of them ({parameter('hub', 'HUB')}, after "
            f"`populace hub enrich HUB`), or name one of {', '.join(_OF_ALL)}."
        )
    if hub is not None and is_known and ties is not None:
        imports = hub.details.get("imports")
        columns = () if imports is None else (imports[name].to_pylist() for name in ("persona", "attributes"))
        placed_ties(ties, _list_names([p.id for p in hub.personas], zip(*columns, strict=True)))


async def _draw_ties(
    log: RunLog, state: SocietyState, spec: NetworkSpec, recall: EmbeddingRecall | None
) -> list[TieRow]:
    from ...personas.network import drawing  # which loads scipy

    ids = [persona.id for persona in state.graph.personas]
    if spec.kind == "file":
        return _from_file(log, spec, ids)
    spec.check_people(len(ids))
    rng = rng_for(state.seed, "network")
    numbers = np.random.default_rng(derive_seed(state.seed, "network"))
    match spec.kind:
        case "configuration":
            pairs = drawing.draw_configuration(len(ids), _grown_pairs(state.graph, ids), rng)
        case "woven":
            languages = [persona.language for persona in state.graph.personas]
            pairs = drawing.draw_woven(spec, _grown_pairs(state.graph, ids), languages, rng)
        case "stochastic-block":
            pairs = drawing.draw_blocks(_find_blocks(log, state, spec, ids), spec, numbers)
        case "homophily" if spec.needs_vectors:
            pairs = drawing.draw_near(spec, drawing.unit(await _fetch_vectors(state, recall)), numbers)
        case "homophily":
            values = _read_values(log, spec.column, ids)
            if spec.probability and max(Counter(value for value in values if value is not None).values()) < 2:
                raise SetupError(
                    f"{parameter('network')} is {str(spec)!r}, and no two people have the same value of "
                    f"{spec.column!r}, so nobody is alike; name a column with fewer values, or a share of 0."
                )
            pairs = drawing.draw_alike(spec, values, numbers)
        case _:
            pairs = drawing.draw_regular(spec, len(ids), rng)
    return _make_rows(state.graph, ids, pairs, is_woven=spec.kind == "woven")


def _make_rows(
    graph: PersonaGraph, ids: Sequence[str], pairs: Iterable[tuple[int, int]], *, is_woven: bool
) -> list[TieRow]:
    """Return the ties of these pairs, in the order of personas.

    Two personas that growth related keep the relation found there. Others are acquaintances; in a woven network, kin
    of the same person are relatives, and colleagues of the same person are colleagues.
    """
    from ...personas.network.spec import KIND, LABEL

    known: dict[frozenset[str], Relation] = {}
    for relation in graph.relations:
        known.setdefault(frozenset((relation.source, relation.target)), relation)
    through: dict[str, dict[RelationKind, set[str]]] = {}
    for relation in graph.relations if is_woven else ():
        if relation.kind in _SHARED:
            for one, other in ((relation.source, relation.target), (relation.target, relation.source)):
                through.setdefault(one, {}).setdefault(relation.kind, set()).add(other)
    rows = []
    for number, (a, b) in enumerate(sorted((min(pair), max(pair)) for pair in pairs), start=1):
        grown = known.get(frozenset((ids[a], ids[b]))) if known else None
        if grown is not None:
            tie = (grown.source, grown.target, grown.kind, grown.label)
        else:
            mine, theirs = through.get(ids[a], {}), through.get(ids[b], {})
            shared = next((kind for kind in _SHARED if mine.get(kind, set()) & theirs.get(kind, set())), None)
            tie = (ids[a], ids[b], *((KIND, LABEL) if shared is None else (shared, _SHARED[shared])))
        rows.append(TieRow(number, *tie, 1.0))
    return rows


def _grown_pairs(graph: PersonaGraph, ids: Sequence[str]) -> list[tuple[int, int]]:
    places = {persona: place for place, persona in enumerate(ids)}
    return [(places[r.source], places[r.target]) for r in graph.relations]


def _find_blocks(log: RunLog, state: SocietyState, spec: NetworkSpec, ids: Sequence[str]) -> list[str]:
    if spec.column:
        return ["unknown" if value is None else value for value in _read_values(log, spec.column, ids)]
    groups = [state.residents[persona].group for persona in ids]
    if not any(groups):
        raise SetupError(
            f"{parameter('network')} is {str(spec)!r}, and the scenario {state.scenario.name!r} puts nobody in a "
            f"group; name a column whose values are the blocks, as stochastic-block:0.2,0.01,region."
        )
    return ["none" if group is None else group for group in groups]


def _read_values(log: RunLog, column: str, ids: Sequence[str]) -> list[str | None]:
    """Return each persona's value in a column of profiles or imported tables, as text."""
    from ...personas.selection.candidates import PeopleColumns, joins_for

    with log.cursors.reading() as cursor:
        found = PeopleColumns(cursor).column(column, asked_by="network")
        query = f"SELECT p.id, ({found.sql})::VARCHAR FROM personas AS p {joins_for([found])}"  # noqa: S608 - quoted
        known = dict(cursor.execute(query).fetchall())
    values = [known.get(persona) for persona in ids]
    if all(value is None for value in values):
        raise SetupError(
            f"{parameter('network')} names the column {column!r}, which is empty for all {len(ids):,} people; name one "
            f"with values, or make profiles with `populace hub enrich HUB`."
        )
    return values


async def _fetch_vectors(state: SocietyState, recall: EmbeddingRecall | None) -> Matrix:
    if recall is None:
        raise RunError("People are to be alike by vectors, and no embedding model is there.")
    people = state.graph.personas
    found = await recall.embed((p.text for p in people), seed=derive_seed(state.seed, "network") >> 32)
    if lost := sum(p.text not in found for p in people):
        raise RunError(
            f"The embedding model gave {lost:,} of {len(people):,} descriptions no vector, so it is not known who is "
            f"alike; resume the run when the endpoint is well."
        )
    return np.array([found[p.text] for p in people], np.float32)


def _from_file(log: RunLog, spec: NetworkSpec, ids: Sequence[str]) -> list[TieRow]:
    from ...personas.network.spec import placed_ties, read_ties_file

    has_imports = log.query("SELECT 1 FROM duckdb_tables() WHERE table_name = 'imports'")
    imported = log.query(_IMPORTED) if has_imports else []
    placed = placed_ties(read_ties_file(spec.file), _list_names(ids, imported)) if spec.file else []
    return [
        TieRow(number, tie.source, tie.target, tie.kind, tie.label, weight)
        for number, (tie, weight) in enumerate(placed, start=1)
    ]


def _list_names(ids: Sequence[str], imported: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Return the ways in which a file may name personas, each with the ids by name.

    A name that several personas share is left out.
    """
    ways = {"ids of personas": {persona: persona for persona in ids}}
    first: dict[str, dict[str, object]] = {}
    for persona, attributes in imported:
        first.setdefault(persona, orjson.loads(attributes))
    for column in _NAMED_BY:
        values = [(str(first[p][column]).strip(), p) for p in ids if first.get(p, {}).get(column) is not None]
        times = Counter(value for value, _ in values)
        if values:
            shared = sum(count > 1 for count in times.values())
            but = f" (but for {shared:,} that several people have)" if shared else ""
            way = f"the column {column} that they were imported with{but}"
            ways[way] = {value: persona for value, persona in values if times[value] == 1}
    ways["their places from 1"] = {str(place): persona for place, persona in enumerate(ids, start=1)}
    return ways


#: What can be measured of each agent's place.
_MEASURES = ("degree", "strength", "pagerank", "betweenness", "community")
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
    graph = _make_graph(society, agents)
    seed = derive_seed(society.seed, "community", society.world.step) >> 32
    measured = {name: _measure(graph, name, seed) for name in names}
    return {name: {agents[node]: float(value) for node, value in found.items()} for name, found in measured.items()}


def _make_graph(society: "SocietyView", agents: Sequence[str]) -> nx.Graph:
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


def _measure(graph: nx.Graph, name: str, seed: int) -> Mapping[int, float]:
    match name:
        case "degree":
            return dict(graph.degree())
        case "strength":
            return dict(graph.degree(weight="weight"))
        case "pagerank":
            return dict(nx.pagerank(graph, weight="weight", tol=1e-10, max_iter=1000)) if graph else {}
        case "betweenness":
            return dict(nx.betweenness_centrality(graph))
    found = nx.community.louvain_communities(graph, seed=seed) if graph else []
    ordered = sorted(found, key=lambda members: (-len(members), min(members)))
    return {node: number for number, members in enumerate(ordered, start=1) for node in members}


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
