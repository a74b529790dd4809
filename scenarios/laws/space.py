"""Space: Schelling's segregation on a grid, where people move one after the other."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product
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
    divided_groups,
    final_values,
    measured_share,
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
        return Grid(colours=_colour_cells([int(cell) for cell in self.settings.initial]))

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those who are not content."""
        grid: Grid = society.world.state
        return [
            one
            for one in society.residents
            if not is_content(grid.colours, one.state.value, _persona_colour(one.persona.text))
        ]

    def ended(self, society: SocietyView) -> bool:
        """Once all are content."""
        return not self.active(society, random.Random(0))  # noqa: S311 - draws nothing

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """The mean share of neighbours who are alike."""
        return {"alike": mean_alike(society.world.state.colours)}

    def rule(self, seen: Observation, rng: random.Random) -> Move:
        """Move, as those do who are not content."""
        return Move(kind="move", at=seen.state.value, colour=_persona_colour(seen.persona))


def _persona_colour(persona: str) -> str:
    return "red" if place_of(persona) < _PEOPLE // 2 else "blue"


def _colour_cells(cells: Sequence[int]) -> tuple[str, ...]:
    colours = [""] * _WIDTH**2
    for place, cell in enumerate(cells):
        colours[cell] = "red" if place < _PEOPLE // 2 else "blue"
    return tuple(colours)


def _cells_around(cell: int) -> list[int]:
    row, column = divmod(cell, _WIDTH)
    steps = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    return [(row + down) % _WIDTH * _WIDTH + (column + right) % _WIDTH for down, right in steps]


def share_alike(colours: Sequence[str], cell: int, colour: str) -> float:
    """The share of those around a cell who have the colour; 1 where nobody is there."""
    others = [colours[one] for one in _cells_around(cell) if colours[one]]
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
    return min(free, key=lambda one: (_cell_distance(cell, one), one), default=None)


def _cell_distance(one: int, other: int) -> int:
    """Steps between cells, sideways and down, around the edges."""
    apart = (abs(a - b) for a, b in zip(divmod(one, _WIDTH), divmod(other, _WIDTH), strict=True))
    return sum(min(steps, _WIDTH - steps) for steps in apart)


def schelling(trial: Trial) -> Iterator[Measured]:
    """Everybody ends in the cell where an independent simulation has them."""
    rng = random.Random(trial.seed)  # noqa: S311 - no secret
    cells = tuple(rng.sample(range(_WIDTH**2), _PEOPLE))
    at, colours = list(cells), list(_colour_cells(cells))
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
    final = _colour_cells(got)
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
        return [rng.choice(group) for group in divided_groups(society.residents, _TALKERS)]

    def ended(self, society: SocietyView) -> bool:
        """Once every group agrees."""
        return not divided_groups(society.residents, _TALKERS)

    def rule(self, seen: Observation, rng: random.Random) -> Speak:
        """Any name to anybody."""
        return Speak(kind="speak", to=rng.choice(seen.addressees), word=rng.choice(seen.state.value))


def naming_game(trial: Trial) -> Iterator[Measured]:
    """Consensus is certain; which name wins, and how long it takes, is known from the Markov chain of such a group."""
    copies = 200 * trial.times
    pairs = [(one, other) for one in range(_TALKERS) for other in range(one)]
    run = trial.run(NamingGame(), copies_of(copies, _TALKERS, pairs), steps=2_000)
    final = final_values(run, "value")
    known = [
        {name for names in final[first : first + _TALKERS] for name in names}
        for first in range(0, len(final), _TALKERS)
    ]
    yield Measured("groups without consensus", 0, sum(len(names) > 1 for names in known))
    wins, mean, deviation = absorption_chance(_TALKERS)
    got = known.count({"A"}) / copies
    yield measured_share("groups in which the name of the first wins, as a share", wins, got, copies)
    ((turns,),) = run.sql("SELECT count(*) FROM emissions").rows
    tolerance = STANDARD_ERRORS * deviation / math.sqrt(copies)
    yield Measured("mean number of turns until a group agrees", mean, turns / copies, tolerance)


def absorption_chance(people: int) -> tuple[float, float, float]:
    """The chance that A wins where one begins with it, and mean and standard deviation of the number of turns.

    A state of the chain is what each knows: A, B, or both.
    """
    ends = [("A",) * people, ("B",) * people]
    states = [one for one in product(("A", "B", "AB"), repeat=people) if one not in ends] + ends
    index = {state: place for place, state in enumerate(states)}
    moves = np.zeros((len(states), len(states)))
    for state in states[:-2]:
        for speaker, hearer in permutations(range(people), 2):
            for word in state[speaker]:
                after = list(state)
                if word in state[hearer]:  # both keep the word alone
                    after[speaker] = after[hearer] = word
                else:
                    after[hearer] = "AB"
                moves[index[state], index[tuple(after)]] += 1 / len(state[speaker])
    moves /= people * (people - 1)
    left = np.eye(len(states) - 2) - moves[:-2, :-2]
    times = np.linalg.solve(left, np.ones(len(left)))
    squares = np.linalg.solve(left, 2 * times - 1)
    start = index[("A", *("B",) * (people - 1))]
    wins = np.linalg.solve(left, moves[:-2, -2])[start]
    return float(wins), float(times[start]), math.sqrt(squares[start] - times[start] ** 2)
