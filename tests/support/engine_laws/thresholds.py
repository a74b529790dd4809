"""Contagion with thresholds: whoever enough of those they listen to have caught it catches it, too."""

import math
import random
from collections.abc import Iterator
from itertools import product
from typing import ClassVar, Literal

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.scenarios.laws.law import Held, Hold, Measured, Trial, copies_of
from populace.scenarios.laws.spreading import FEW, TIES, Cascade, compare_sizes, find_reached, sizes_of
from populace.sim import Resident


class Influenced(Held):
    """How far a contagion has come with one agent."""

    #: The share of weight that must be active.
    threshold: float = 1.0
    #: Weight of the active ones it has heard of.
    weight: float = 0.0


class Hear(Action):
    """Hear of active neighbours without becoming active oneself."""

    name: ClassVar[str] = "hear"
    novelty = "none"
    kind: Literal["hear"]
    weight: float

    def apply(self, effects: ActionEffects) -> None:
        """It is kept for the next time."""
        effects.state.weight = self.weight


class Thresholds(Cascade):
    """Each agent becomes active once the active ones among those who influence it weigh as much as its threshold."""

    name = "thresholds"
    actions = (Hold, Hear)
    agent_state_type = Influenced

    def agent_state(self, resident: Resident, rng: random.Random) -> Influenced:
        """A threshold by chance."""
        return Influenced(threshold=rng.random())

    def rule(self, seen: Observation, rng: random.Random) -> Action:
        """Add up what is active; the weights of all ties that lead here are 1 together."""
        weights = {one.key: one.weight_from for one in seen.neighbours}
        weight = seen.state.weight + sum(weights[line.key] for line in seen.heard) / (sum(weights.values()) or 1)
        if weight < seen.state.threshold and not self.is_seed(seen.persona):
            return Hear(kind="hear", weight=weight)
        towards = tuple(one.key for one in seen.neighbours if one.weight_to)
        return Hold(value=seen.step, to=towards)


def linear_threshold(trial: Trial) -> Iterator[Measured]:
    """As many become active as when each draws one of those who influence it, by weight, and follows that one."""
    copies = 250 * trial.times
    into: dict[int, list[int]] = {}
    for source, target in TIES:
        into.setdefault(target, []).append(source)
    spread: dict[int, float] = {}
    for drawn in product(*into.values()):
        size = len(find_reached(list(zip(drawn, into, strict=True)), (0,)))
        spread[size] = spread.get(size, 0.0) + 1 / math.prod(map(len, into.values()))
    scenario = Thresholds({"people": FEW})
    run = trial.run(scenario, copies_of(copies, FEW, TIES), steps=50)
    yield from compare_sizes(spread, sizes_of(run, copies, FEW))
