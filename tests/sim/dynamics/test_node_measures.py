"""Numbers of each agent: from its place in the network, or a scenario's own."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import pytest

from populace.core.errors import HookError, SetupError
from populace.personas.persona import Persona, Relation, RelationKind
from populace.personas.population import PersonaGraph
from populace.sim.dynamics.network import network_measures
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.resident import SocietyView
from populace.sim.scenario import Scenario
from populace.sim.society import Society

MEASURES = "SELECT step, agent, name, value FROM node_measures ORDER BY ALL"


def society(edges: list[tuple[int, int]], people: int) -> Any:
    """Agents with the numbers from 0, tied by these edges."""
    personas = [Persona(f"Person number {n}.") for n in range(people)]
    ties = [Relation(personas[a].id, personas[b].id, RelationKind.FRIENDSHIP, "friend") for a, b in edges]
    graph = PersonaGraph({one.id: one for one in personas}, ties)
    return SimpleNamespace(residents=personas, graph=graph, seed=1, world=SimpleNamespace(step=1))


def test_measures_of_a_star_are_those_of_its_formulas() -> None:
    star = society([(0, n) for n in range(1, 6)], people=6)
    found = network_measures(star, "degree", "strength", "betweenness", "pagerank")
    centre, *leaves = [one.id for one in star.residents]
    assert [found["degree"][one] for one in (centre, *leaves)] == [5, 1, 1, 1, 1, 1]
    assert found["strength"] == found["degree"]
    assert [found["betweenness"][one] for one in (centre, *leaves)] == [1, 0, 0, 0, 0, 0]
    # r = .15/6 + .85 * 5 * l for the centre, l = .15/6 + .85 * r / 5 for a leaf
    assert found["pagerank"][centre] == pytest.approx((0.025 + 0.85 * 5 * 0.025) / (1 - 0.85**2))


def test_two_cliques_are_two_communities_and_the_larger_is_the_first() -> None:
    cliques = [*nx.complete_graph(4).edges, *((a + 4, b + 4) for a, b in nx.complete_graph(5).edges), (0, 4)]
    found = network_measures(two := society(cliques, people=9), "community")["community"]
    assert [found[one.id] for one in two.residents] == [2, 2, 2, 2, 1, 1, 1, 1, 1]


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(SetupError, match=r"There is no measure 'degre' \(did you mean 'degree'"):
        network_measures(society([], 1), "degre")


class Measured(Scenario):
    """What is measured of each?"""

    name = "measured"

    def node_measures(self, society: SocietyView) -> dict[str, dict[str, float]]:
        if society.world.step == 2:
            return {}
        length = {one.id: float(len(one.persona.text)) for one in society.residents[:3]}
        return {"length": length, **network_measures(society, "degree", "pagerank", "community")}

    def mind(self):  # type: ignore[no-untyped-def]
        return lambda seen, rng: None


def test_measures_of_agents_are_rows_and_events_and_the_same_in_a_resumed_run(tmp_path: Path) -> None:
    growth = Growth(agents=10, hops=0)
    whole = Society(Measured(), growth=growth, out=tmp_path / "whole.duckdb", steps=3).run()
    found = whole.sql("SELECT step, name, count(*) FROM node_measures GROUP BY ALL ORDER BY ALL").rows
    each = [("community", 10), ("degree", 10), ("length", 3), ("pagerank", 10)]
    assert found == [(step, *one) for step in (1, 3) for one in each]
    Society(Measured(), growth=growth, out=tmp_path / "run.duckdb", steps=1).run()
    resumed = Society.resume(tmp_path / "run.duckdb", Measured, steps=3).run()
    forked = fork(whole.path, Measured, at=2, out=tmp_path / "fork.duckdb").run()
    assert resumed.event_hash == forked.event_hash == whole.event_hash
    assert resumed.sql(MEASURES).rows == forked.sql(MEASURES).rows == whole.sql(MEASURES).rows
    silent = type("Silent", (Measured,), {"node_measures": lambda self, society: {}})
    ((first,),) = whole.sql("SELECT event_hash FROM steps WHERE step = 1").rows
    assert Society(silent(), growth=growth, out=tmp_path / "no.duckdb", steps=1).run().event_hash != first
    wrong = type("Wrong", (Measured,), {"node_measures": lambda self, society: {"x": {"ada": 1}}})
    with pytest.raises(HookError, match="it measured 'x' of 'ada', and no agent has that id"):
        Society(wrong(), growth=growth, out=tmp_path / "wrong.duckdb", steps=1).run()
