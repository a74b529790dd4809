"""Networks that runs draw: small worlds and preferential attachment, as agents find them and the file has them."""

import math
import random
from collections.abc import Iterator
from typing import ClassVar, Literal

import networkx as nx
import numpy as np

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.sim import FinishedRun, State

from .contagion import Cascade
from .law import STANDARD_ERRORS, Measured, RuleScenario, Trial, final_values, society_of


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
    reached = [step - 1 for step in final_values(run, "active_since")]
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
