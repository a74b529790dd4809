"""Networks that runs draw: small worlds and preferential attachment, as agents find them and the file has them."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import networkx as nx
import numpy as np

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.scenarios.laws.law import STANDARD_ERRORS, Hold, Measured, RuleScenario, Trial, final_values, society_of
from populace.scenarios.laws.spreading import Cascade
from populace.sim import FinishedRun, State


class Circle(State):
    """What an agent knows of those around it."""

    acquaintances: int = 0
    #: Ordered pairs of them that know each other.
    closed: int = 0


class Introduce(Action):
    """Tell everybody around whom one knows."""

    name: ClassVar[str] = "introduce"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["introduce"]
    known: tuple[str, ...]
    closed: int
    to: tuple[str, ...]

    @property
    def emitted_text(self) -> str:
        """The ids of those one knows."""
        return " ".join(self.known)

    def apply(self, effects: ActionEffects) -> None:
        """All around hear it in the next step."""
        effects.state.acquaintances, effects.state.closed = len(self.known), self.closed
        super().apply(effects)


class LearnAcquaintances(RuleScenario):
    """Everybody learns which of those around know each other."""

    name = "acquaintances"
    actions = (Introduce,)
    agent_state_type = Circle

    def rule(self, seen: Observation, rng: random.Random) -> Introduce:
        """Count among whom the others named those one knows."""
        known = tuple(one.agent for one in seen.neighbours)
        closed = sum(len(set(line.text.split()) & set(known)) for line in seen.heard)
        return Introduce(kind="introduce", known=known, closed=closed, to=seen.addressees)


def watts_strogatz(trial: Trial) -> Iterator[Measured]:
    """Few rewired ties leave neighbours who know each other, and make everybody near to everybody."""
    people, ties, rewired = 300 * trial.times, 6, 0.1
    begun = 3 * (ties - 2) / (4 * (ties - 1))
    for chance in (0.0, rewired):
        network = f"watts-strogatz:{ties},{chance}"
        run = trial.run(LearnAcquaintances(), society_of(people), steps=2, network=network)
        tolerance = 1e-12 if not chance else STANDARD_ERRORS * _spread(people, ties, chance)
        about = f"share of acquaintances who know each other, {chance:.0%} rewired"
        yield Measured(about, begun * (1 - chance) ** 3, _transitivity(run), tolerance)
    yield from _distances(trial, 100, ties)


def _transitivity(run: FinishedRun) -> float:
    known = np.array(final_values(run, "acquaintances"))
    return float(sum(final_values(run, "closed")) / (known * (known - 1)).sum())


def _spread(people: int, ties: int, chance: float) -> float:
    """The standard deviation of the measure from graph to graph, of forty that networkx draws."""
    graphs = (nx.watts_strogatz_graph(people, ties, chance, seed=seed) for seed in range(40))
    return float(np.std([nx.transitivity(graph) for graph in graphs]))


def _distances(trial: Trial, people: int, ties: int) -> Iterator[Measured]:
    """News takes one step a tie."""
    ring = nx.watts_strogatz_graph(people, ties, 0)
    both = [(one, other) for pair in ring.edges for one, other in (pair, pair[::-1])]
    run = trial.run(Cascade({"people": people, "chance": 1.0}), society_of(people, both), steps=people)
    exact = [math.ceil(min(place, people - place) / (ties // 2)) for place in range(people)]
    reached = [step - 1 for step in final_values(run, "value")]
    late = sum(one != other for one, other in zip(exact, reached, strict=True))
    yield Measured("agents whom news on a ring reaches after another number of steps than ties", 0, late)


def barabasi_albert(trial: Trial) -> Iterator[Measured]:
    """With m ties for each newcomer, 2/(m + 2) of all people have no more than those m; the best known have many."""
    people, ties = 1_000 * trial.times, 2
    network = f"barabasi-albert:{ties}"
    run = trial.run(LearnAcquaintances({"neighbours": 0}), society_of(people), steps=1, network=network)
    degrees = [degree for (degree,) in run.sql(_DEGREES).rows]
    yield Measured("ties", ties * (people - ties), sum(degrees) / 2)
    for degree in (ties, ties + 1, ties + 2):
        share = 2 * ties * (ties + 1) / (degree * (degree + 1) * (degree + 2))
        error = math.sqrt(share * (1 - share) / people)
        got = degrees.count(degree) / people
        yield Measured(f"share of people with {degree} ties", share, got, STANDARD_ERRORS * error)


_DEGREES = """
SELECT count(t.source) FROM agents AS a LEFT JOIN ties AS t ON a.agent IN (t.source, t.target) GROUP BY a.agent
"""


#: How many ties each half of the people has, and the chance that one of them infects another.
_DEGREES_OF, _INFECTS = (2, 6), 0.4


class Contact(Cascade):
    """The same along ties without a direction."""

    def rule(self, seen: Observation, rng: random.Random) -> Hold:
        """Become active, and reach some of all neighbours."""
        reached = tuple(one.key for one in seen.neighbours if rng.random() < self.settings.chance)
        return Hold(value=seen.step, to=reached)


def sir_configuration(trial: Trial) -> Iterator[Measured]:
    """Ties drawn anew with the same number for each: the epidemic is that of generating functions (Newman 2002)."""
    half, first = 400 * trial.times, 0.05
    few, many = _DEGREES_OF
    ties = [
        (start + place, start + (place + far) % half)
        for start, degree in ((0, few), (half, many))
        for place in range(half)
        for far in range(1, degree // 2 + 1)
    ]
    seeds = tuple(range(0, 2 * half, round(1 / first)))
    scenario = Contact({"people": 2 * half, "seeds": seeds, "chance": _INFECTS})
    run = trial.run(scenario, society_of(2 * half, ties), steps=100, network="configuration")
    degrees = [degree for (degree,) in run.sql(f"{_DEGREES} ORDER BY any_value(a.ordinal)").rows]
    wrong = sum(degree != (few, many)[place >= half] for place, degree in enumerate(degrees))
    yield Measured("people with another number of ties than before they were drawn anew", 0, wrong)
    escapes = 0.5
    for _ in range(200):  # what no tie brings: the other end is no seed, and all of its other ties bring nothing
        excess = (few * escapes ** (few - 1) + many * escapes ** (many - 1)) / (few + many)
        escapes = 1 - _INFECTS + _INFECTS * (1 - first) * excess
    share = 1 - (escapes**few + escapes**many) / 2
    infected = [since > 1 for since in final_values(run, "value")]
    got = sum(infected) / (2 * half - len(seeds))
    error = float(np.std([_outbreak(half, seeds, seed) for seed in range(40)]))
    yield Measured("share infected on a network drawn by its degrees", share, got, STANDARD_ERRORS * error)


def _outbreak(half: int, seeds: Sequence[int], seed: int) -> float:
    """The share infected in a graph of networkx of which ties are open by chance."""
    graph = nx.Graph(nx.configuration_model([degree for degree in _DEGREES_OF for _ in range(half)], seed=seed))
    rng = random.Random(seed)
    graph.remove_edges_from([edge for edge in list(graph.edges) if rng.random() >= _INFECTS])
    reached = set[int]().union(*(nx.node_connected_component(graph, one) for one in seeds))
    return (len(reached) - len(seeds)) / (2 * half - len(seeds))
