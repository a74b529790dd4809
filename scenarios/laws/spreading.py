"""Opinions and contagion: averaging, bounded confidence, the voter model, thresholds in a crowd, cascades."""

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from math import comb
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.sim import FinishedRun, Resident, Society, SocietyView, State

from .law import (
    ROUNDING,
    STANDARD_ERRORS,
    Held,
    Hold,
    Measured,
    RuleScenario,
    RuleSettings,
    Ties,
    Trial,
    copies_of,
    divided_groups,
    final_values,
    measured_share,
    place_of,
    society_of,
    values_by_step,
)


class Averaging(RuleScenario):
    """Each takes the average of the own opinion and those of whom it trusts, by the weight of its ties to them."""

    name = "averaging"

    def rule(self, seen: Observation, rng: random.Random) -> Hold:
        """Average what was heard, from the second step on: in the first, everybody says what it begins with."""
        listeners = tuple(one.key for one in seen.neighbours if one.weight_from)
        value = seen.state.value
        if seen.step > 1:
            trust = {one.key: one.weight_to for one in seen.neighbours if one.weight_to}
            heard = sum(trust[line.key] * float(line.text) for line in seen.heard if line.key in trust)
            value = (value + heard) / (1 + sum(trust.values()))
        return Hold(value=value, to=listeners)


def trust_matrix(people: int, ties: Ties) -> NDArray[np.float64]:
    """The share that each gives each other one, and itself as much as one tie."""
    weights = np.eye(people)
    for source, target in ties:
        weights[source, target] += 1
    return weights / weights.sum(axis=1, keepdims=True)


def strongly_connected(people: int, rng: random.Random, *, more: int) -> list[tuple[int, int]]:
    """Directed ties around a ring, and so many more from each to others by chance; some pairs have several."""
    ring = [(place, (place + 1) % people) for place in range(people)]
    drawn = ((place, rng.randrange(people - 1), place) for place in range(people) for _ in range(more))
    return ring + [(source, target + (target >= place)) for source, target, place in drawn]


def degroot(trial: Trial) -> Iterator[Measured]:
    """All end at the average of their first opinions by influence; disagreement shrinks by the second eigenvalue."""
    rng = random.Random(trial.seed)  # noqa: S311 - no secret
    people, steps = 16, 80
    ties = strongly_connected(people, rng, more=3)
    initial = tuple(rng.random() for _ in range(people))
    trust = trust_matrix(people, ties)
    eigenvalues, vectors = np.linalg.eig(trust.T)
    influence = np.real(vectors[:, np.argmax(np.real(eigenvalues))])
    influence /= influence.sum()
    scenario = Averaging({"initial": initial})
    run = trial.run(scenario, society_of(people, ties), steps=steps)
    final = np.array(final_values(run, "value"))
    consensus = float(influence @ initial)
    yield Measured("opinion at the end, by the left Perron vector", consensus, float(final.mean()), ROUNDING)
    yield Measured("largest difference between two agents at the end", 0, float(np.ptp(final)), ROUNDING)
    path = np.array(values_by_step(run, "value"))
    exact = np.array([np.linalg.matrix_power(trust, max(0, step - 1)) @ initial for step in range(steps + 1)])
    yield Measured("largest deviation from the exact path in any step", 0, float(abs(path - exact).max()), ROUNDING)
    half = trial.run(scenario, society_of(people, ties), steps=steps // 2)
    resumed = Society.resume(half.path, Averaging, steps=steps).run()
    differs = resumed.event_hash != run.event_hash
    yield Measured("event hashes that differ in a run that is resumed half-way", 0, differs)
    yield from _measure_rate(trial)


def _measure_rate(trial: Trial) -> Iterator[Measured]:
    """On a ring, begun at the slowest eigenvector, each step multiplies all opinions by the second eigenvalue."""
    people, steps = 12, 30
    waves = [math.cos(2 * math.pi * place / people) for place in range(people)]
    ties = [(place, (place + step) % people) for place in range(people) for step in (1, -1)]
    run = trial.run(Averaging({"initial": tuple(waves)}), society_of(people, ties), steps=steps)
    spread = [float(np.ptp(values)) for values in values_by_step(run, "value")[1:]]
    second = (1 + 2 * math.cos(2 * math.pi / people)) / 3
    rates = [after / before for before, after in pairwise(spread)]
    yield Measured("rate of convergence on a ring, slowest step", second, max(rates), ROUNDING)
    yield Measured("rate of convergence on a ring, fastest step", second, min(rates), ROUNDING)


class Meet(Action):
    """Meet somebody, and move towards each other unless the two are too far apart."""

    name: ClassVar[str] = "meet"
    novelty = "none"
    kind: Literal["meet"]
    to: str
    confidence: float

    def apply(self, effects: ActionEffects) -> None:
        """Encounters follow one another: each finds the opinions that those before it left."""
        one, other = effects.state, effects.state_of(self.to)
        if abs(one.value - other.value) < self.confidence:
            one.value = other.value = (one.value + other.value) / 2


class ConfidenceSettings(RuleSettings):
    """Whom people listen to."""

    confidence: float = Field(0.5, gt=0, le=1, description="Opinions that are further apart do not meet")
    people: int = Field(1, ge=2, description="Agents that know each other; opinions go from 0 to 1 at equal distances")


class BoundedConfidence(RuleScenario):
    """People who meet by chance meet half-way, where they are not too far apart."""

    name = "bounded-confidence"
    order = "fixed"
    actions = (Meet,)
    settings_type = ConfidenceSettings
    settings: ConfidenceSettings

    def agent_state(self, resident: Resident, rng: random.Random) -> Held:
        """Evenly spread opinions."""
        people = self.settings.people
        return Held(value=place_of(resident.persona.text) % people / (people - 1))

    def rule(self, seen: Observation, rng: random.Random) -> Meet:
        """Meet one of those who are there."""
        return Meet(kind="meet", to=rng.choice(seen.addressees), confidence=self.settings.confidence)


def deffuant(trial: Trial) -> Iterator[Measured]:
    """As many clusters as an independent simulation finds; of three people, the middle one joins the first in 3/4."""
    copies, people, steps = 24 * trial.times, 12, 25
    rng = random.Random(trial.seed)  # noqa: S311 - no secret
    groups = copies_of(copies, people, ((one, other) for one in range(people) for other in range(one)))
    for confidence in (0.2, 0.5):
        run = trial.run(BoundedConfidence({"confidence": confidence, "people": people}), groups, steps=steps)
        final = np.reshape(final_values(run, "value"), (copies, people))
        got = [_count_clusters(group, confidence) for group in final]
        alone = (_simulate_encounters(people, confidence, steps, rng) for _ in range(1000 * trial.times))
        independent = [_count_clusters(group, confidence) for group in alone]
        error = np.std(independent) * math.sqrt(1 / copies + 1 / len(independent))
        about = f"with confidence {confidence}"
        yield Measured(
            f"clusters, {about}", float(np.mean(independent)), float(np.mean(got)), float(STANDARD_ERRORS * error)
        )
        conserved = float(abs(final.mean(axis=1) - 0.5).max())
        yield Measured(f"largest change of a mean opinion, which encounters conserve, {about}", 0, conserved, ROUNDING)
    yield from _measure_three(trial)


def _measure_three(trial: Trial) -> Iterator[Measured]:
    """The first meets the middle one first in 1/2; else the middle one, who acts next, meets the first in 1/2."""
    copies = 120 * trial.times
    trios = copies_of(copies, 3, ((0, 1), (1, 2), (2, 0)))
    run = trial.run(BoundedConfidence({"confidence": 0.6, "people": 3}), trios, steps=1)
    final = np.reshape(final_values(run, "value"), (copies, 3))
    first = float(np.mean(final[:, 0] > 0))
    yield measured_share("three people: share of middle ones who join the first", 0.75, first, copies)


def _simulate_encounters(people: int, confidence: float, steps: int, rng: random.Random) -> list[float]:
    """The same process without the engine: in each step each meets one other, one after the other."""
    values = [place / (people - 1) for place in range(people)]
    for _ in range(steps):
        for one in range(people):
            other = rng.choice([place for place in range(people) if place != one])
            if abs(values[one] - values[other]) < confidence:
                values[one] = values[other] = (values[one] + values[other]) / 2
    return values


def _count_clusters(values: Iterable[float], confidence: float) -> int:
    """The number of groups that are further apart than the confidence."""
    return 1 + sum(after - before > confidence for before, after in pairwise(sorted(values)))


#: A windmill: three triangles that share agent 0. It has six ties of 18, every other agent has two.
_WINDMILL_PEOPLE = 7
_WINDMILL: Ties = ((0, 1), (1, 2), (2, 0), (0, 3), (3, 4), (4, 0), (0, 5), (5, 6), (6, 0))


class Voters(RuleScenario):
    """Each copies one of those around it, all at once; in each windmill the one in the middle begins with yes."""

    name = "voters"

    def agent_state(self, resident: Resident, rng: random.Random) -> Held:
        """Yes in the middle, no elsewhere."""
        return Held(value=place_of(resident.persona.text) % _WINDMILL_PEOPLE == 0)

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those whose windmill does not agree yet."""
        return [one for mill in divided_groups(society.residents, _WINDMILL_PEOPLE) for one in mill]

    def ended(self, society: SocietyView) -> bool:
        """Once every windmill agrees."""
        return not divided_groups(society.residents, _WINDMILL_PEOPLE)

    def rule(self, seen: Observation, rng: random.Random) -> Hold:
        """Copy a line that was heard; nothing is heard in the first step."""
        vote = rng.choice(seen.heard).text == "True" if seen.heard else seen.state.value
        return Hold(value=vote, to=seen.addressees)


def voter(trial: Trial) -> Iterator[Measured]:
    """An opinion wins with the share of all tie ends that those who begin with it have."""
    copies = 200 * trial.times
    run = trial.run(Voters(), copies_of(copies, _WINDMILL_PEOPLE, _WINDMILL), steps=1_000)
    final = np.reshape(final_values(run, "value"), (copies, _WINDMILL_PEOPLE))
    yield Measured("windmills without consensus", 0, int(np.sum(np.ptp(final.astype(int), axis=1))))
    yield measured_share("consensus on the middle one's opinion", 1 / 3, float(final[:, 0].mean()), copies)


class Member(Held):
    """What somebody holds, and the step in which they joined; 0 is never."""

    joined_at: int = 0


class Crowd(State):
    """How many have joined, and how many of them in the latest step in which anybody did."""

    joined: int = 0
    latest: int = 0
    step: int = 0


class Join(Action):
    """Join."""

    name: ClassVar[str] = "join"
    novelty = "none"
    kind: Literal["join"] = "join"
    step: int

    def apply(self, effects: ActionEffects) -> None:
        """One more in the crowd, which all see from the next step on."""
        effects.state.joined_at = self.step
        crowd = effects.world.state
        crowd.joined += 1
        crowd.latest = crowd.latest + 1 if crowd.step == self.step else 1
        crowd.step = self.step


class Joining(RuleScenario):
    """The base of crowds that everybody sees, and can join once."""

    actions = (Join,)
    agent_state_type = Member
    world_state_type = Crowd

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those who have not joined yet."""
        return [one for one in society.residents if not one.state.joined_at]

    def ended(self, society: SocietyView) -> bool:
        """Once a step has gone by in which nobody joined."""
        return bool(society.world.step) and not society.emitted_this_step


class Riot(Joining):
    """A crowd in which each joins once enough others have."""

    name = "riot"

    def rule(self, seen: Observation, rng: random.Random) -> Join | None:
        """Join, if enough have."""
        return Join(step=seen.step) if seen.world_state.joined >= seen.state.value else None


def granovetter(trial: Trial) -> Iterator[Measured]:
    """With thresholds from 0 to 99 all 100 join, one in each step; where nobody has the threshold 1, one alone."""
    people = society_of(100)
    run = trial.run(Riot({"initial": tuple(range(100))}), people, steps=150)
    yield Measured("adopters, thresholds 0 to 99", 100, _count_adopters(run))
    order = [step for step in final_values(run, "joined_at") if step]
    late = sum(step != place for place, step in enumerate(order, start=1))
    yield Measured("adopters who join in another step than their threshold + 1", 0, late)
    changed = (0, 2, *range(2, 100))
    run = trial.run(Riot({"initial": changed}), people, steps=150)
    yield Measured("adopters, the threshold 1 changed to 2", 1, _count_adopters(run))


def _count_adopters(run: FinishedRun) -> int:
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
    least = min(spread)
    yield measured_share(
        f"copies with {least} active, as a share", spread[least], sizes.count(least) / len(sizes), len(sizes)
    )


def sizes_of(run: FinishedRun, copies: int, people: int) -> list[int]:
    """How many are active at the end in each copy."""
    active = [since > 0 for since in final_values(run, "value")]
    return [sum(active[first : first + people]) for first in range(0, copies * people, people)]


class EpidemicSettings(RuleSettings):
    """How infectious, and how many at first."""

    escape: float = Field(0.999, ge=0, le=1, description="Chance of escaping one infectious agent in a step")
    first: int = Field(1, ge=1, description="Agents that are infected at first")


class Epidemic(Joining):
    """Everybody meets everybody: who is infected is infectious in the next step, then immune."""

    name = "epidemic"
    settings_type = EpidemicSettings
    settings: EpidemicSettings

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those who can be infected; in the first step those who are."""
        return society.residents[: self.settings.first] if society.world.step == 1 else super().active(society, rng)

    def rule(self, seen: Observation, rng: random.Random) -> Join | None:
        """Escape all who were infected in the latest step, or not."""
        escape = self.settings.escape**seen.world_state.latest if seen.step > 1 else 0.0
        return None if rng.random() < escape else Join(step=seen.step)


def sir(trial: Trial) -> Iterator[Measured]:
    """Small complete graphs: the chain binomial. A large one: the final-size equation, and its normal deviation."""
    people, chance, copies = 8, 0.2, 200 * trial.times
    ties = [(one, other) for one in range(people) for other in range(people) if one != other]
    sizes = reed_frost(people - 1, 1, 1 - chance)
    run = trial.run(Cascade({"people": people, "chance": chance}), copies_of(copies, people, ties), steps=50)
    spread = {1 + size: share for size, share in enumerate(sizes)}
    yield from compare_sizes(spread, sizes_of(run, copies, people))
    yield from _measure_large(trial)


def _measure_large(trial: Trial) -> Iterator[Measured]:
    people, first, contacts = 2_000 * trial.times, 100 * trial.times, 1.5
    susceptible = people - first
    escape = 1 - contacts / susceptible
    run = trial.run(Epidemic({"escape": escape, "first": first}), society_of(people), steps=100)
    infected = sum(step > 1 for step in final_values(run, "joined_at")) / susceptible
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
        smaller = sum(_chance_of_end(size, k, infectious, escape) * whole[k] for k in range(size))
        whole.append(1 - smaller)
    return [_chance_of_end(susceptible, k, infectious, escape) * whole[k] for k in range(susceptible + 1)]


def _chance_of_end(size: int, infected: int, infectious: int, escape: float) -> float:
    return comb(size, infected) * escape ** ((size - infected) * (infectious + infected))
