"""Epidemics: the final size of an outbreak among people who all meet each other."""

import math
import random
from collections.abc import Iterator, Sequence
from math import comb
from typing import ClassVar, Literal

from pydantic import Field

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.sim import Resident, SocietyView, State

from .contagion import Cascade, compare_sizes, sizes_of
from .law import STANDARD_ERRORS, Measured, RuleScenario, RuleSettings, Trial, copies_of, final_values, society_of


class Infection(State):
    """When an agent was infected; 0 is never."""

    infected_at: int = 0


class Ward(State):
    """How many were infected in the latest step in which anybody was."""

    infectious: int = 0
    step: int = 0


class Infect(Action):
    """Be infected, and infectious for one step."""

    name: ClassVar[str] = "infect"
    novelty = "none"
    kind: Literal["infect"]
    step: int

    def apply(self, effects: ActionEffects) -> None:
        """One more who is infectious in the next step."""
        effects.state.infected_at = self.step
        ward = effects.world.state
        ward.infectious = ward.infectious + 1 if ward.step == self.step else 1
        ward.step = self.step


class EpidemicSettings(RuleSettings):
    """How infectious, and how many at first."""

    escape: float = Field(0.999, ge=0, le=1, description="Chance of escaping one infectious agent in a step")
    first: int = Field(1, ge=1, description="Agents that are infected at first")


class Epidemic(RuleScenario):
    """Everybody meets everybody: who is infected is infectious in the next step, then immune."""

    name = "epidemic"
    actions = (Infect,)
    agent_state_type = Infection
    world_state_type = Ward
    settings_type = EpidemicSettings
    settings: EpidemicSettings

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those who can be infected; in the first step those who are."""
        if society.world.step == 1:
            return society.residents[: self.settings.first]
        return [one for one in society.residents if not one.state.infected_at]

    def ended(self, society: SocietyView) -> bool:
        """Once nobody was infected in a step."""
        return bool(society.world.step) and not society.emitted_this_step

    def rule(self, seen: Observation, rng: random.Random) -> Infect | None:
        """Escape all who are infectious, or not."""
        escape = self.settings.escape**seen.world_state.infectious if seen.step > 1 else 0.0
        return None if rng.random() < escape else Infect(kind="infect", step=seen.step)


def sir(trial: Trial) -> Iterator[Measured]:
    """Small complete graphs: the chain binomial. A large one: the final-size equation, and its normal deviation."""
    people, chance, copies = 8, 0.2, 200 * trial.times
    ties = [(one, other) for one in range(people) for other in range(people) if one != other]
    sizes = reed_frost(people - 1, 1, 1 - chance)
    run = trial.run(Cascade({"people": people, "chance": chance}), copies_of(copies, people, ties), steps=50)
    spread = {1 + size: share for size, share in enumerate(sizes)}
    yield from compare_sizes(spread, sizes_of(run, copies, people))
    yield from _large(trial)


def _large(trial: Trial) -> Iterator[Measured]:
    people, first, contacts = 2_000 * trial.times, 100 * trial.times, 1.5
    susceptible = people - first
    escape = 1 - contacts / susceptible
    run = trial.run(Epidemic({"escape": escape, "first": first}), society_of(people), steps=100)
    infected = sum(step > 1 for step in final_values(run, "infected_at")) / susceptible
    rate, share = -susceptible * math.log(escape), 0.5
    for _ in range(200):
        share = 1 - math.exp(-rate * (share + first / susceptible))
    error = math.sqrt(share * (1 - share) / susceptible) / (1 - rate * (1 - share))
    yield Measured(f"share infected of {susceptible}", share, infected, STANDARD_ERRORS * error)


def reed_frost(susceptible: int, infectious: int, escape: float) -> list[float]:
    """The chances of each number of people infected in the end, from 0, by the triangular equations.

    Of `size` susceptible people, those infected are the whole of a subset with a chance that depends on the size of
    the subset alone: P(k of n) = C(n, k) P(k of k) q^((n - k)(m + k)), and all P(k of n) are 1 together.
    """
    whole: list[float] = []
    for size in range(susceptible + 1):
        smaller = sum(_ended(size, k, infectious, escape) * whole[k] for k in range(size))
        whole.append(1 - smaller)
    return [_ended(susceptible, k, infectious, escape) * whole[k] for k in range(susceptible + 1)]


def _ended(size: int, infected: int, infectious: int, escape: float) -> float:
    return comb(size, infected) * escape ** ((size - infected) * (infectious + infected))
