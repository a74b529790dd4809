"""Turns: whose they are by chance, when they come in time, and those of many that one decides."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import orjson

from populace import Action
from populace.scenarios.laws.law import STANDARD_ERRORS, Measured, Trial, place_of, society_of
from populace.sim import Resident, by_group, poisson, share

from .chi_square import chi_square_z
from .draws import Toss, Tossing

_SHARE, _RATE, _MEMBERS = 0.25, 0.7, 40


class Sometimes(Tossing):
    """A quarter of one group, drawn for each step, and each of the others by a Poisson process."""

    name = "sometimes"
    activation = by_group({"some": share(_SHARE)}, others=poisson(_RATE))

    def group(self, resident: Resident) -> str | None:
        """Some, and others."""
        return "some" if place_of(resident.persona.text) < _MEMBERS else None


def activation(trial: Trial) -> Iterator[Measured]:
    """A share is exact in each step, and everybody's as often as chance has it; a Poisson process has no memory."""
    others, steps = 60 * trial.times, 40
    run = trial.run(Sometimes(), society_of(_MEMBERS + others), steps=steps)
    had = np.zeros((steps, _MEMBERS + others), bool)
    for step, place in run.sql("SELECT step, ordinal FROM emissions JOIN agents USING (agent)").rows:
        had[step - 1, place - 1] = True
    some, rest = had[:, :_MEMBERS], had[:, _MEMBERS:]
    wrong = int((some.sum(axis=1) != _SHARE * _MEMBERS).sum())
    yield Measured("steps in which another number than a quarter of a group has a turn", 0, wrong)
    total = float(((some.sum(axis=0) - steps * _SHARE) ** 2).sum() / (steps * _SHARE * (1 - _SHARE)))
    z = chi_square_z(total * (_MEMBERS - 1) / _MEMBERS, _MEMBERS - 1)
    yield Measured("spread of turns over a group, in standard errors", 0, z, STANDARD_ERRORS)
    chance = -math.expm1(-_RATE)
    error = math.sqrt(chance * (1 - chance) / rest.size)
    yield Measured("share of turns of a Poisson process", chance, float(rest.mean()), STANDARD_ERRORS * error)
    for axis, about, trials in ((0, "agents", steps), (1, "steps", others)):
        total = float(((rest.sum(axis=axis) - trials * chance) ** 2).sum() / (trials * chance * (1 - chance)))
        z = chi_square_z(total, rest.shape[1 - axis])
        yield Measured(f"spread of its turns over {about}, in standard errors", 0, z, STANDARD_ERRORS)


class AtTimes(Tossing):
    """Everybody tosses at times of its own, with exponential waits."""

    name = "at-times"

    def next_turn(self, resident: Resident, rng: random.Random) -> float:
        """The wait."""
        return rng.expovariate(1)


def poisson_times(trial: Trial) -> Iterator[Measured]:
    """Exponential waits: each turn is the earliest that is due, and turns of all are a Poisson process of the sum."""
    people, steps = 10, 200 * trial.times
    run = trial.run(AtTimes(), society_of(people), steps=steps)
    due: dict[str, float] = {}
    wrong, waits, last = 0, [], 0.0
    for step, agent, time, following in run.sql(
        "SELECT step, agent, time, next_time FROM turn_times ORDER BY step"
    ).rows:
        if step:
            wrong += agent != min(due, key=due.__getitem__) or time != due[agent]
            last = time
        due[agent] = following
        waits.append(following - time)
    spoke = run.sql(
        "SELECT step, agent FROM turn_times WHERE step > 0 EXCEPT ALL SELECT step, agent FROM emissions"
    ).rows
    yield Measured("turns that are not the earliest that is due, or not taken", 0, wrong + len(spoke))
    z = chi_square_z(2 * sum(waits), 2 * len(waits))
    yield Measured("sum of waits with the mean 1, in standard errors", 0, z, STANDARD_ERRORS)
    z = chi_square_z(2 * people * last, 2 * steps)
    yield Measured(f"time of turn {steps} of {people} processes, in standard errors", 0, z, STANDARD_ERRORS)


_NOISE = 0.5


class Echo(Tossing):
    """One of each group tosses; the others do the same, with noise."""

    name = "echo"

    def group(self, resident: Resident) -> str | None:
        """One of eight."""
        return str(place_of(resident.persona.text) % 8)

    def vary(self, action: Action, resident: Resident, rng: random.Random) -> Action:
        """Add noise of a known variance."""
        drawn = action.drawn if isinstance(action, Toss) else 0.0
        return action.model_copy(update={"drawn": drawn + rng.gauss(0, _NOISE)})


def archetypes(trial: Trial) -> Iterator[Measured]:
    """One of each cluster decides; the others are as far from it as noise puts them, each on its own."""
    people, steps = 64, 6 * trial.times
    run = trial.run(Echo(), society_of(people), steps=steps, archetypes="group")
    drawn: dict[tuple[int, str], float] = {}
    after, groups = defaultdict[tuple[int, str], list[str]](list), dict[str, str]()
    rows = run.sql("SELECT step, agent, archetype, payload, group_name FROM emissions JOIN agents USING (agent)").rows
    for step, agent, whose, payload, group in rows:
        drawn[step, agent], groups[agent] = orjson.loads(payload)["drawn"], group
        after[step, whose].append(agent)
    alien = sum(groups[agent] != groups[whose] for (_, whose), members in after.items() for agent in members)
    asked = Counter(step for step, _ in after)
    yield Measured("answers copied from another cluster", 0, alien)
    yield Measured(
        "steps in which another number than one of each cluster is asked", 0, sum(n != 8 for n in asked.values())
    )
    noise = [
        drawn[step, agent] - drawn[step, whose]
        for (step, whose), members in after.items()
        for agent in members
        if agent != whose
    ]
    z = sum(noise) / _NOISE / math.sqrt(len(noise))
    yield Measured("mean distance of copies from their original, in standard errors", 0, z, STANDARD_ERRORS)
    z = chi_square_z(sum(one**2 for one in noise) / _NOISE**2, len(noise))
    yield Measured("variance of copies around their original, in standard errors", 0, z, STANDARD_ERRORS)
