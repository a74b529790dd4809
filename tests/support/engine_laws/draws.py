"""Chance: draws of different agents, steps and seeds are independent, those of one seed the same in every run."""

import math
import random
from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.scenarios.laws.law import STANDARD_ERRORS, Measured, RuleScenario, Trial, society_of, values_by_step
from populace.sim import State


class Coin(State):
    """The latest draw of an agent, from 0 to 1."""

    drawn: float = 0.0


class Toss(Action):
    """Toss a coin."""

    name: ClassVar[str] = "toss"
    novelty = "none"
    kind: Literal["toss"]
    drawn: float

    @property
    def emitted_text(self) -> str:
        """How it fell."""
        return "heads" if self.drawn < 0.5 else "tails"

    def apply(self, effects: ActionEffects) -> None:
        """The agent notes it."""
        effects.state.drawn = self.drawn


class Tossing(RuleScenario):
    """Everybody tosses a coin in each step."""

    name = "tossing"
    actions = (Toss,)
    agent_state_type = Coin

    def rule(self, seen: Observation, rng: random.Random) -> Toss:
        """By chance."""
        return Toss(kind="toss", drawn=rng.random())


def independent_draws(trial: Trial) -> Iterator[Measured]:
    """Sums of tosses over agents and over steps have the variance of a binomial; a seed says all."""
    people, steps = 80 * trial.times, 40
    crowd = society_of(people)
    run = trial.run(Tossing(), crowd, steps=steps)
    drawn = np.array(values_by_step(run, "drawn")[1:])
    error = 1 / math.sqrt(12 * people * steps)
    yield Measured("mean of draws from 0 to 1", 0.5, float(drawn.mean()), STANDARD_ERRORS * error)
    heads = drawn < 0.5
    error = 0.5 / math.sqrt(people * steps)
    yield Measured("share of heads", 0.5, float(heads.mean()), STANDARD_ERRORS * error)
    for sums, tosses, about in ((heads.sum(axis=1), people, "steps"), (heads.sum(axis=0), steps, "agents")):
        # The mean of n squares of a standardised binomial has the variance (2 - 2 / tosses) / n.
        ratio = float(np.mean((sums - tosses / 2) ** 2) / (tosses / 4))
        error = math.sqrt((2 - 2 / tosses) / len(sums))
        yield Measured(f"variance over {about}, as a share of a binomial's", 1, ratio, STANDARD_ERRORS * error)
    again = trial.run(Tossing(), crowd, steps=steps, seed=trial.seed + 1)
    other = np.array(values_by_step(again, "drawn")[1:]) < 0.5
    error = 0.5 / math.sqrt(people * steps)
    same = float((heads == other).mean())
    yield Measured("share of tosses that fall the same with another seed", 0.5, same, STANDARD_ERRORS * error)
    again = trial.run(Tossing(), crowd, steps=steps)
    yield Measured("event hashes that differ in a second run with the same seed", 0, again.event_hash != run.event_hash)
