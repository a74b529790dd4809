"""Contagion: thresholds in a crowd, and cascades along ties."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import comb
from typing import ClassVar, Literal

from pydantic import Field

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.sim import FinishedRun, Resident, SocietyView, State

from .law import (
    STANDARD_ERRORS,
    Held,
    Hold,
    Measured,
    RuleScenario,
    RuleSettings,
    Ties,
    Trial,
    copies_of,
    final_values,
    place_of,
    society_of,
)


class Rioter(Held):
    """The threshold of somebody, and when they joined."""

    joined_at: int = 0


class Crowd(State):
    """How many have joined."""

    joined: int = 0


class Join(Action):
    """Join."""

    name: ClassVar[str] = "join"
    novelty = "none"
    kind: Literal["join"]
    step: int

    def apply(self, effects: ActionEffects) -> None:
        """One more in the crowd, which all see from the next step on."""
        effects.state.joined_at = self.step
        effects.world.state.joined += 1


class Riot(RuleScenario):
    """A crowd in which each joins once enough others have."""

    name = "riot"
    actions = (Join,)
    agent_state_type = Rioter
    world_state_type = Crowd

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those who have not joined yet."""
        return [one for one in society.residents if not one.state.joined_at]

    def ended(self, society: SocietyView) -> bool:
        """Once a step has gone by in which nobody joined."""
        return bool(society.world.step) and not society.emitted_this_step

    def rule(self, seen: Observation, rng: random.Random) -> Join | None:
        """Join, if enough have."""
        return Join(kind="join", step=seen.step) if seen.world_state.joined >= seen.state.value else None


def granovetter(trial: Trial) -> Iterator[Measured]:
    """With thresholds from 0 to 99 all 100 join, one in each step; where nobody has the threshold 1, one alone."""
    people = society_of(100)
    run = trial.run(Riot({"initial": tuple(range(100))}), people, steps=150)
    yield Measured("adopters, thresholds 0 to 99", 100, _adopters(run))
    order = [step for step in final_values(run, "joined_at") if step]
    late = sum(step != place for place, step in enumerate(order, start=1))
    yield Measured("adopters who join in another step than their threshold + 1", 0, late)
    changed = (0, 2, *range(2, 100))
    run = trial.run(Riot({"initial": changed}), people, steps=150)
    yield Measured("adopters, the threshold 1 changed to 2", 1, _adopters(run))


def _adopters(run: FinishedRun) -> int:
    return sum(step > 0 for step in final_values(run, "joined_at"))


class SeedSettings(RuleSettings):
    """Where a contagion begins."""

    people: int = Field(1, ge=1, description="Agents of one copy of the society")
    seeds: tuple[int, ...] = Field((0,), description="The agents of each copy that are active at first")
    chance: float = Field(0.5, ge=0, le=1, description="Chance that an active agent activates a neighbour")


class Cascade(RuleScenario):
    """Each agent that becomes active has one chance at each of those to whom a tie leads from it."""

    name = "cascade"
    settings_type = SeedSettings
    settings: SeedSettings

    def is_seed(self, persona: str) -> bool:
        """Whether the agent with this description is in the seed set."""
        return place_of(persona) % self.settings.people in self.settings.seeds

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """The seed set in the first step; then those who were told something and are not active."""
        if society.world.step == 1:
            return [one for one in society.residents if self.is_seed(one.persona.text)]
        return [one for one in society.residents if one.inbox and not one.state.value]

    def ended(self, society: SocietyView) -> bool:
        """Once nobody was told anything who is not active."""
        told = any(one.inbox and not one.state.value for one in society.residents)
        return bool(society.world.step) and not told

    def rule(self, seen: Observation, rng: random.Random) -> Action:
        """Become active, and reach some."""
        towards = (one.key for one in seen.neighbours if one.weight_to)
        reached = tuple(key for key in towards if rng.random() < self.settings.chance)
        return Hold(value=seen.step, to=reached)


#: Six people, of whom the first is the seed set: two ways lead to agent 3, one of them back; nothing reaches agent 5.
FEW = 6
TIES: Ties = ((0, 1), (0, 2), (1, 3), (2, 3), (2, 3), (3, 1), (3, 4), (5, 4), (5, 0))


def independent_cascade(trial: Trial) -> Iterator[Measured]:
    """As many are reached as when each tie is open by the toss of a coin beforehand, over all tosses."""
    chance, copies = 0.4, 250 * trial.times
    pairs = sorted(set(TIES))
    spread: dict[int, float] = {}
    for opened in product((False, True), repeat=len(pairs)):
        share = math.prod(chance if one else 1 - chance for one in opened)
        size = len(find_reached([pair for pair, one in zip(pairs, opened, strict=True) if one], (0,)))
        spread[size] = spread.get(size, 0.0) + share
    scenario = Cascade({"people": FEW, "chance": chance})
    run = trial.run(scenario, copies_of(copies, FEW, pairs), steps=50)
    yield from compare_sizes(spread, sizes_of(run, copies, FEW))


def find_reached(ties: Ties, seeds: Sequence[int]) -> set[int]:
    """Whoever ties lead to from the seeds, and the seeds."""
    reached, left = set(seeds), list(seeds)
    while left:
        source = left.pop()
        found = {target for start, target in ties if start == source} - reached
        reached |= found
        left += found
    return reached


def compare_sizes(spread: Mapping[int, float], sizes: Sequence[int]) -> Iterator[Measured]:
    """The mean size, and how often nobody but the seed set is reached, within standard errors by the distribution."""
    mean = sum(size * share for size, share in spread.items())
    variance = sum((size - mean) ** 2 * share for size, share in spread.items())
    error = math.sqrt(variance / len(sizes))
    yield Measured("mean number of active agents", mean, sum(sizes) / len(sizes), STANDARD_ERRORS * error)
    share = spread[min(spread)]
    error = math.sqrt(share * (1 - share) / len(sizes))
    got = sum(size == min(spread) for size in sizes) / len(sizes)
    yield Measured(f"copies with {min(spread)} active, as a share", share, got, STANDARD_ERRORS * error)


def sizes_of(run: FinishedRun, copies: int, people: int) -> list[int]:
    """How many are active at the end in each copy."""
    active = [since > 0 for since in final_values(run, "value")]
    return [sum(active[first : first + people]) for first in range(0, copies * people, people)]


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
