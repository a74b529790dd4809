"""Space: Schelling's segregation on a grid, where people move one after the other."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.sim import Resident, SocietyView, State

from .law import (
    ROUNDING,
    STANDARD_ERRORS,
    Held,
    Measured,
    RuleScenario,
    Trial,
    copies_of,
    final_values,
    place_of,
    society_of,
)

#: Cells of a row and a column, and people. The edges of the grid are joined.
_WIDTH = 10
_PEOPLE = 80
#: The share of like neighbours from which somebody is content.
_CONTENT = 0.5
_STEPS = 40


class Grid(State):
    """Who lives in which cell: its colour, or nothing."""

    colours: tuple[str, ...]


class Move(Action):
    """Move to the nearest cell where one is content."""

    name: ClassVar[str] = "move"
    novelty = "none"
    kind: Literal["move"]
    at: int
    colour: str

    def apply(self, effects: ActionEffects) -> None:
        """Earlier agents of the step have moved already."""
        grid = effects.world.state
        to = nearest_content(grid.colours, self.at, self.colour)
        if to is not None:
            colours = list(grid.colours)
            colours[self.at], colours[to] = "", self.colour
            grid.colours, effects.state.value = tuple(colours), to


class Schelling(RuleScenario):
    """Two groups, of whom each wants half of the neighbours to be alike."""

    name = "schelling"
    order = "fixed"
    actions = (Move,)
    world_state_type = Grid

    def world_state(self, rng: random.Random) -> Grid:
        """The grid that follows from where everybody is."""
        return Grid(colours=_coloured([int(cell) for cell in self.settings.initial]))

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those who are not content."""
        grid: Grid = society.world.state
        return [
            one for one in society.residents if not is_content(grid.colours, one.state.value, _colour(one.persona.text))
        ]

    def ended(self, society: SocietyView) -> bool:
        """Once all are content."""
        return not self.active(society, random.Random(0))  # noqa: S311 - draws nothing

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """The mean share of neighbours who are alike."""
        return {"alike": mean_alike(society.world.state.colours)}

    def rule(self, seen: Observation, rng: random.Random) -> Move:
        """Move, as those do who are not content."""
        return Move(kind="move", at=seen.state.value, colour=_colour(seen.persona))


def _colour(persona: str) -> str:
    return "red" if place_of(persona) < _PEOPLE // 2 else "blue"


def _coloured(cells: Sequence[int]) -> tuple[str, ...]:
    colours = [""] * _WIDTH**2
    for place, cell in enumerate(cells):
        colours[cell] = "red" if place < _PEOPLE // 2 else "blue"
    return tuple(colours)


def _around(cell: int) -> list[int]:
    row, column = divmod(cell, _WIDTH)
    steps = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    return [(row + down) % _WIDTH * _WIDTH + (column + right) % _WIDTH for down, right in steps]


def share_alike(colours: Sequence[str], cell: int, colour: str) -> float:
    """The share of those around a cell who have the colour; 1 where nobody is there."""
    others = [colours[one] for one in _around(cell) if colours[one]]
    return others.count(colour) / len(others) if others else 1.0


def is_content(colours: Sequence[str], cell: int, colour: str) -> bool:
    """Whether enough of those around are alike."""
    return share_alike(colours, cell, colour) >= _CONTENT


def mean_alike(colours: Sequence[str]) -> float:
    """The mean share of like neighbours, over everybody."""
    shares = [share_alike(colours, cell, colour) for cell, colour in enumerate(colours) if colour]
    return sum(shares) / len(shares)


def nearest_content(colours: Sequence[str], cell: int, colour: str) -> int | None:
    """The nearest free cell where this one would be content, the first of equals; None where there is none."""
    without = list(colours)
    without[cell] = ""
    free = [one for one, found in enumerate(colours) if not found and is_content(without, one, colour)]
    return min(free, key=lambda one: (_distance(cell, one), one), default=None)


def _distance(one: int, other: int) -> int:
    """Steps between cells, sideways and down, around the edges."""
    apart = (abs(a - b) for a, b in zip(divmod(one, _WIDTH), divmod(other, _WIDTH), strict=True))
    return sum(min(steps, _WIDTH - steps) for steps in apart)


def schelling(trial: Trial) -> Iterator[Measured]:
    """Everybody ends in the cell where an independent simulation has them."""
    rng = random.Random(trial.seed)  # noqa: S311 - no secret
    cells = tuple(rng.sample(range(_WIDTH**2), _PEOPLE))
    at, colours = list(cells), list(_coloured(cells))
    for _ in range(_STEPS):
        movers = [place for place in range(_PEOPLE) if not is_content(colours, at[place], colours[at[place]])]
        for place in movers:
            colour = colours[at[place]]
            to = nearest_content(colours, at[place], colour)
            if to is not None:
                colours[at[place]], colours[to] = "", colour
                at[place] = to
        if not movers:
            break
    run = trial.run(Schelling({"initial": cells}), society_of(_PEOPLE), steps=_STEPS)
    got = final_values(run, "value")
    wrong = sum(one != other for one, other in zip(at, got, strict=True))
    yield Measured("agents in another cell than in a simulation without the engine", 0, wrong)
    final = _coloured(got)
    unhappy = sum(not is_content(final, cell, colour) for cell, colour in enumerate(final) if colour)
    left = sum(not is_content(colours, cell, colour) for cell, colour in enumerate(colours) if colour)
    yield Measured("agents who are not content at the end, as in the simulation", left, unhappy)
    ((logged,),) = run.sql("SELECT arg_max(value, step) FROM measures WHERE name = 'alike'").rows
    yield Measured("mean share of like neighbours at the end, as the log has it", mean_alike(colours), logged, ROUNDING)


class Names(Held):
    """The names that an agent knows for one thing."""

    value: tuple[str, ...] = ()


class Speak(Action):
    """Call the thing by a name that one knows."""

    name: ClassVar[str] = "speak"
    novelty = "none"
    kind: Literal["speak"]
    to: str
    word: str

    def apply(self, effects: ActionEffects) -> None:
        """Where the hearer knows the name, both forget all others; else the hearer learns it."""
        hearer = effects.state_of(self.to)
        if self.word in hearer.value:
            hearer.value = effects.state.value = (self.word,)
        else:
            hearer.value = (*hearer.value, self.word)


#: Agents that talk to each other, of whom the first begins with the name A, the others with B.
_TALKERS = 4


class NamingGame(RuleScenario):
    """In each group one agent at a time names a thing to another."""

    name = "naming-game"
    actions = (Speak,)
    agent_state_type = Names

    def agent_state(self, resident: Resident, rng: random.Random) -> Names:
        """One name."""
        return Names(value=("B" if place_of(resident.persona.text) % _TALKERS else "A",))

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """A speaker from each group that does not agree yet."""
        return [rng.choice(group) for group in _undecided(society.residents)]

    def ended(self, society: SocietyView) -> bool:
        """Once every group agrees."""
        return not _undecided(society.residents)

    def rule(self, seen: Observation, rng: random.Random) -> Speak:
        """Any name to anybody."""
        return Speak(kind="speak", to=rng.choice(seen.addressees), word=rng.choice(seen.state.value))


def _undecided(people: Sequence[Resident]) -> list[Sequence[Resident]]:
    groups = (people[first : first + _TALKERS] for first in range(0, len(people), _TALKERS))
    return [group for group in groups if len({one.state.value for one in group}) > 1 or len(group[0].state.value) > 1]


def naming_game(trial: Trial) -> Iterator[Measured]:
    """Consensus is certain; which name wins, and how long it takes, is known from the Markov chain of such a group."""
    copies = 200 * trial.times
    pairs = [(one, other) for one in range(_TALKERS) for other in range(one)]
    run = trial.run(NamingGame(), copies_of(copies, _TALKERS, pairs), steps=2_000)
    final = [tuple(names) for names in final_values(run, "value")]
    groups = [final[first : first + _TALKERS] for first in range(0, len(final), _TALKERS)]
    yield Measured("groups without consensus", 0, sum(len(set(group)) > 1 or len(group[0]) > 1 for group in groups))
    wins, mean, deviation = absorption(_TALKERS, 1)
    got = sum(group[0] == ("A",) for group in groups) / copies
    error = math.sqrt(wins * (1 - wins) / copies)
    yield Measured("groups in which the name of the first wins, as a share", wins, got, STANDARD_ERRORS * error)
    ((turns,),) = run.sql("SELECT count(*) FROM emissions").rows
    tolerance = STANDARD_ERRORS * deviation / math.sqrt(copies)
    yield Measured("mean number of turns until a group agrees", mean, turns / copies, tolerance)


def absorption(people: int, first: int) -> tuple[float, float, float]:
    """The chance that A wins where so many begin with it, and mean and standard deviation of the number of turns.

    A state of the chain is how many know A alone and how many know B alone; the others know both.
    """
    states = [(a, b) for a in range(people + 1) for b in range(people + 1 - a) if people not in (a, b)]
    index = {state: place for place, state in enumerate(states)}
    stay = np.zeros((len(states), len(states)))
    to_a = np.zeros(len(states))
    for (a, b), row in index.items():
        for after, share in _turns(people, a, b).items():
            if after in index:
                stay[row, index[after]] += share
            elif after[0] == people:
                to_a[row] += share
    left = np.eye(len(states)) - stay
    start = index[first, people - first]
    times = np.linalg.solve(left, np.ones(len(states)))
    squares = np.linalg.solve(left, 2 * times - 1)
    deviation = math.sqrt(squares[start] - times[start] ** 2)
    return float(np.linalg.solve(left, to_a)[start]), float(times[start]), deviation


def _turns(people: int, a: int, b: int) -> Mapping[tuple[int, int], float]:
    """Where one turn leads from a state, with its chances."""
    both = people - a - b
    counts = {"A": a, "B": b, "AB": both}
    after: dict[tuple[int, int], float] = {}
    for speaker, speakers in counts.items():
        for hearer, hearers in counts.items():
            pairs = speakers * (hearers - (speaker == hearer)) / (people * (people - 1))
            for word in speaker if pairs > 0 else ():
                left = dict(counts)
                if word in hearer:  # both keep the word alone
                    left[speaker] -= 1
                    left[hearer] -= 1
                    left[word] += 2
                else:
                    left[hearer] -= 1
                    left["AB"] += 1
                key = left["A"], left["B"]
                after[key] = after.get(key, 0.0) + pairs / len(speaker)
    return after
