"""The naming game: how people who talk in pairs come to call a thing by one name."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.sim import Resident, SocietyView, State

from .law import STANDARD_ERRORS, Measured, RuleScenario, Trial, copies_of, final_values, place_of


class Names(State):
    """The names that an agent knows for one thing."""

    known: tuple[str, ...]


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
        if self.word in hearer.known:
            hearer.known = effects.state.known = (self.word,)
        else:
            hearer.known = (*hearer.known, self.word)


#: Agents that talk to each other, of whom the first begins with the name A, the others with B.
_TALKERS = 4


class NamingGame(RuleScenario):
    """In each group one agent at a time names a thing to another."""

    name = "naming-game"
    actions = (Speak,)
    agent_state_type = Names

    def agent_state(self, resident: Resident, rng: random.Random) -> Names:
        """One name."""
        return Names(known=("B" if place_of(resident.persona.text) % _TALKERS else "A",))

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """A speaker from each group that does not agree yet."""
        return [rng.choice(group) for group in _undecided(society.residents)]

    def ended(self, society: SocietyView) -> bool:
        """Once every group agrees."""
        return not _undecided(society.residents)

    def rule(self, seen: Observation, rng: random.Random) -> Speak:
        """Any name to anybody."""
        return Speak(kind="speak", to=rng.choice(seen.addressees), word=rng.choice(seen.state.known))


def _undecided(people: Sequence[Resident]) -> list[Sequence[Resident]]:
    groups = (people[first : first + _TALKERS] for first in range(0, len(people), _TALKERS))
    return [group for group in groups if len({one.state.known for one in group}) > 1 or len(group[0].state.known) > 1]


def naming_game(trial: Trial) -> Iterator[Measured]:
    """Consensus is certain; which name wins, and how long it takes, is known from the Markov chain of such a group."""
    copies = 200 * trial.times
    pairs = [(one, other) for one in range(_TALKERS) for other in range(one)]
    run = trial.run(NamingGame(), copies_of(copies, _TALKERS, pairs), steps=2_000)
    final = [tuple(names) for names in final_values(run, "known")]
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
