"""Games: contributions to a public good, guessing 2/3 of the average, choosing in turn."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.scenarios.laws.law import (
    ROUNDING,
    STANDARD_ERRORS,
    Measured,
    RuleScenario,
    RuleSettings,
    Trial,
    copies_of,
    final_values,
    place_of,
    society_of,
    values_by_step,
)
from populace.sim import Resident, State

#: Players of a group, and what each has.
_GROUP = 4
_ENDOWMENT = 20.0
#: What the players of a group give in the first round.
_FIRST = (5.0, 10.0, 15.0, 20.0)


class Account(State):
    """What a player gave in the latest round."""

    given: float


class Give(Action):
    """Give to the public good, and let the group see it."""

    name: ClassVar[str] = "give"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["give"]
    amount: float
    to: tuple[str, ...]

    @property
    def emitted_text(self) -> str:
        """The amount, to its last digit."""
        return repr(self.amount)

    def apply(self, effects: ActionEffects) -> None:
        """The group hears of it before the next round."""
        effects.state.given = self.amount
        super().apply(effects)


class GoodSettings(RuleSettings):
    """How players choose."""

    returned: float | None = Field(None, ge=0, description="What each gets of a unit given, for players who maximise")
    matched: float = Field(
        0.8, ge=0, le=1, description="Share of others' mean contribution that is matched, for others"
    )


class PublicGood(RuleScenario):
    """Groups of four give to a good of which all of the group have the same."""

    name = "public-good"
    actions = (Give,)
    agent_state_type = Account
    settings_type = GoodSettings
    settings: GoodSettings

    def agent_state(self, resident: Resident, rng: random.Random) -> Account:
        """What is given in the first round: more by each next player of a group."""
        return Account(given=_FIRST[place_of(resident.persona.text) % _GROUP])

    def rule(self, seen: Observation, rng: random.Random) -> Give:
        """Give what pays most, or match the others in part."""
        amount = seen.state.given
        if seen.heard:
            others = [float(line.text) for line in seen.heard]
            amount = self._matching(others) if self.settings.returned is None else self._best(others)
        return Give(kind="give", amount=amount, to=seen.addressees)

    def _matching(self, others: Sequence[float]) -> float:
        return self.settings.matched * sum(others) / len(others)

    def _best(self, others: Sequence[float]) -> float:
        share = self.settings.returned or 0.0
        return max((0.0, _ENDOWMENT), key=lambda own: _ENDOWMENT - own + share * (own + sum(others)))


def public_goods(trial: Trial) -> Iterator[Measured]:
    """Nobody gives where a unit returns less than it costs, all give all where more; matching in part decays."""
    copies = 2
    groups = copies_of(copies, _GROUP, [(one, other) for one in range(_GROUP) for other in range(one)])
    for returned, expected in ((0.4, 0.0), (1.2, _ENDOWMENT)):
        run = trial.run(PublicGood({"returned": returned}), groups, steps=3)
        given = final_values(run, "given")
        yield Measured(f"mean contribution where a unit returns {returned}", expected, float(np.mean(given)))
    matched, rounds = 0.8, 12
    path = np.array(values_by_step(trial.run(PublicGood({"matched": matched}), groups, steps=rounds), "given"))[1:]
    first, rounds_before = np.array(_FIRST * copies), np.arange(rounds)[:, None]
    mean = first.mean()
    exact = matched**rounds_before * (mean + (-1 / (_GROUP - 1)) ** rounds_before * (first - mean))
    deviation = float(abs(path - exact).max())
    yield Measured("largest deviation from the decay of conditional cooperation", 0, deviation, ROUNDING)


class Guess(State):
    """The latest guess of a player."""

    guess: float


class Board(State):
    """All guesses of the latest round, added up."""

    step: int = 0
    total: float = 0.0


class Write(Action):
    """Hand in a guess."""

    name: ClassVar[str] = "write"
    novelty = "none"
    kind: Literal["write"]
    step: int
    guess: float

    @property
    def emitted_text(self) -> str:
        """The guess, to its last digit."""
        return repr(self.guess)

    def apply(self, effects: ActionEffects) -> None:
        """It counts in the mean that all know in the next round."""
        effects.state.guess = self.guess
        board = effects.world.state
        board.total = self.guess + (board.total if board.step == self.step else 0.0)
        board.step = self.step


class BeautySettings(RuleSettings):
    """What is guessed, and by how many."""

    people: int = Field(1, ge=1, description="Players")


class Beauty(RuleScenario):
    """Who is nearest to 2/3 of the average of all guesses wins; each expects the others to guess as before."""

    name = "beauty"
    actions = (Write,)
    agent_state_type = Guess
    world_state_type = Board
    settings_type = BeautySettings
    settings: BeautySettings

    def agent_state(self, resident: Resident, rng: random.Random) -> Guess:
        """Any number up to 100."""
        return Guess(guess=100 * rng.random())

    def rule(self, seen: Observation, rng: random.Random) -> Write:
        """2/3 of the mean of the round before."""
        guess = seen.state.guess
        if seen.step > 1:
            guess = 2 / 3 * seen.world_state.total / self.settings.people
        return Write(kind="write", step=seen.step, guess=guess)


def beauty_contest(trial: Trial) -> Iterator[Measured]:
    """The mean guess falls by a third in each round, towards the only equilibrium, 0."""
    people, rounds = 40, 30
    run = trial.run(Beauty({"people": people}), society_of(people), steps=rounds)
    means = [float(np.mean(guesses)) for guesses in values_by_step(run, "guess")[1:]]
    exact = [means[0] * (2 / 3) ** round_ for round_ in range(rounds)]
    deviation = max(abs(one - other) for one, other in zip(means, exact, strict=True))
    yield Measured("largest deviation of the mean guess from (2/3)^t of the first", 0, deviation, ROUNDING)
    yield Measured("mean guess at the end, where 0 is the equilibrium", 0, means[-1], 100 * (2 / 3) ** (rounds - 1))
    error = 100 / math.sqrt(12 * people)
    yield Measured("mean of the first guesses, drawn from 0 to 100", 50, means[0], STANDARD_ERRORS * error)


class Home(State):
    """What an agent has got; -1 for nothing."""

    house: int = -1


class Houses(State):
    """The houses that are left."""

    free: tuple[int, ...]


class Choose(Action):
    """Take the first house of a list that is free."""

    name: ClassVar[str] = "choose"
    novelty = "none"
    kind: Literal["choose"]
    wishes: tuple[int, ...]

    @property
    def emitted_text(self) -> str:
        """The list."""
        return " ".join(map(str, self.wishes))

    def apply(self, effects: ActionEffects) -> None:
        """Earlier agents have chosen; later ones find one house less."""
        houses = effects.world.state
        effects.state.house = next(house for house in self.wishes if house in houses.free)
        houses.free = tuple(house for house in houses.free if house != effects.state.house)


class HousingSettings(RuleSettings):
    """What everybody wishes."""

    wishes: tuple[tuple[int, ...], ...] = Field((), description="All houses by each agent's preference")


class Housing(RuleScenario):
    """Everybody names its preferences at once, and houses are given in the order of agents."""

    name = "housing"
    order = "fixed"
    actions = (Choose,)
    agent_state_type = Home
    world_state_type = Houses
    settings_type = HousingSettings
    settings: HousingSettings

    def world_state(self, rng: random.Random) -> Houses:
        """As many houses as agents."""
        return Houses(free=tuple(range(len(self.settings.wishes))))

    def rule(self, seen: Observation, rng: random.Random) -> Choose:
        """The true preferences: nothing is gained by others."""
        return Choose(kind="choose", wishes=self.settings.wishes[place_of(seen.persona)])


def serial_dictatorship(trial: Trial) -> Iterator[Measured]:
    """Each gets the best of what those before it left; where all wish the same, agent k gets the k-th of it."""
    rng = random.Random(trial.seed)
    people = 40
    alike = tuple(rng.sample(range(people), people))
    own = tuple(tuple(rng.sample(range(people), people)) for _ in range(people))
    for wishes, about in (((alike,) * people, "equal preferences"), (own, "preferences of their own")):
        free, expected = list(range(people)), []
        for wish in wishes:
            expected.append(next(house for house in wish if house in free))
            free.remove(expected[-1])
        run = trial.run(Housing({"wishes": wishes}), society_of(people), steps=1)
        got = final_values(run, "house")
        wrong = sum(one != other for one, other in zip(expected, got, strict=True))
        yield Measured(f"agents with another house than their turn gives them, {about}", 0, wrong)
