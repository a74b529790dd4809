"""Whose turn it is: everybody's in each step, that of some by chance or by group, or each at its own time.

class Town(Scenario):
    activation = by_group({"merchants": everybody(), "farmers": share(0.3)})
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import expm1, inf
from typing import TYPE_CHECKING, Protocol

from ...core.errors import SetupError, hook
from ..mesa import Event, EventList
from ..runfile.rows import TurnTimeRow
from ..seeds import derive_seed, rng_for

if TYPE_CHECKING:
    from ..resident import Resident, SocietyView
    from ..runfile.runlog import RunLog

_NEXT_TIMES = """
SELECT agent, next_time FROM turn_times QUALIFY row_number() OVER (PARTITION BY agent ORDER BY step DESC) = 1
"""


class Activation(ABC):
    """A rule by which a step chooses the agents that have a turn; scenarios may derive their own."""

    @abstractmethod
    def choose(
        self, residents: "Sequence[Resident]", society: "SocietyView", rng: random.Random
    ) -> "Sequence[Resident]":
        """Return the agents among `residents` that have a turn, in their order. Use only `rng` for random draws."""


@dataclass(frozen=True, slots=True)
class _Everybody(Activation):
    def choose(
        self, residents: "Sequence[Resident]", society: "SocietyView", rng: random.Random
    ) -> "Sequence[Resident]":
        return residents


def _draw_numbers(residents: "Sequence[Resident]", rng: random.Random) -> list[int]:
    """Draw a 63-bit number for each agent that does not depend on which other agents are there."""
    seed = rng.getrandbits(63)
    return [derive_seed(seed, one.id) for one in residents]


@dataclass(frozen=True, slots=True)
class _Share(Activation):
    share: float

    def choose(
        self, residents: "Sequence[Resident]", society: "SocietyView", rng: random.Random
    ) -> "Sequence[Resident]":
        drawn = _draw_numbers(residents, rng)
        first = sorted(range(len(drawn)), key=drawn.__getitem__)[: round(self.share * len(residents))]
        return [residents[place] for place in sorted(first)]


@dataclass(frozen=True, slots=True)
class _Poisson(Activation):
    rate: float

    def choose(
        self, residents: "Sequence[Resident]", society: "SocietyView", rng: random.Random
    ) -> "Sequence[Resident]":
        most = -expm1(-self.rate) * (1 << 63)
        return [one for one, drawn in zip(residents, _draw_numbers(residents, rng), strict=True) if drawn < most]


@dataclass(frozen=True, slots=True)
class _ByGroup(Activation):
    groups: Mapping[str, Activation]
    others: Activation

    def choose(
        self, residents: "Sequence[Resident]", society: "SocietyView", rng: random.Random
    ) -> "Sequence[Resident]":
        members: dict[str | None, list[Resident]] = {name: [] for name in (*self.groups, None)}
        for resident in residents:
            members[resident.group if resident.group in self.groups else None].append(resident)
        if society.world.step == 1:
            self._check_groups({resident.group for resident in residents})
        rules: dict[str | None, Activation] = {name: self.groups.get(name or "", self.others) for name in members}
        chosen = {one.id for name, some in members.items() for one in rules[name].choose(some, society, rng)}
        return [resident for resident in residents if resident.id in chosen]

    def _check_groups(self, there: set[str | None]) -> None:
        for name in self.groups:
            if name not in there:
                known = ", ".join(sorted(one for one in there if one is not None))
                raise ValueError(f"nobody is in the group {name!r}; there are: {known or 'none'}")


def everybody() -> Activation:
    """Return the rule that gives every agent a turn in each step."""
    return _Everybody()


def share(of: float) -> Activation:
    """Return the rule that gives a share of the agents a turn, sampled again in each step.

    The number of agents is rounded. Raises `SetupError` if `of` is not a share.
    """
    if not _is_number(of) or not 0 <= of <= 1:
        raise SetupError(f"A share of the agents is a number from 0 to 1, but {of!r} was given to share().")
    return _Share(float(of))


def poisson(rate: float) -> Activation:
    """Give each agent a turn with probability 1 - exp(-rate), that of an event in a Poisson process of this rate.

    Raises `SetupError` if `rate` is not a valid rate.
    """
    if not _is_number(rate) or not 0 <= rate < inf:
        raise SetupError(f"A rate is a number of turns a step from 0, but {rate!r} was given to poisson().")
    return _Poisson(float(rate))


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def by_group(groups: Mapping[str, Activation], *, others: Activation | None = None) -> Activation:
    """Return the rule that uses an own rule for each group, and `others` for agents in none of them.

    By default, agents in no group all have a turn. Raises `SetupError` if `groups` is not a mapping to rules, or
    `others` is not a rule.
    """
    given: object = groups
    rules: list[object] = [*given.values(), others or everybody()] if isinstance(given, Mapping) else [given]
    if wrong := [one for one in rules if not isinstance(one, Activation)]:
        raise SetupError(f"by_group() takes a rule for each group, as {{'farmers': share(0.3)}}, not {wrong[0]!r}.")
    return _ByGroup(dict(groups), others or everybody())


class Timed(Protocol):
    """A scenario that is not in lock-step."""

    @property
    def time_window(self) -> float:
        """The time over which a step holds the turns that fall due."""
        ...

    def next_turn(self, resident: "Resident", rng: random.Random) -> float:
        """Return the time until the agent's next turn."""
        ...


class EventTime:
    """When each agent has its next turn, in a world that is not in lock-step; the events are kept by Mesa's scheduler.

    A step holds the turns that fall due at one instant, or within the scenario's `time_window` from the first of them.
    """

    def __init__(self, scenario: Timed, society: "SocietyView", log: "RunLog") -> None:
        """Schedule the turns stored in the run file. Without any, schedule the first turn of each agent."""
        self._scenario, self._society = scenario, society
        self._events = EventList()
        self._due: list[tuple[str, float]] = []
        known = dict(log.query(_NEXT_TIMES))
        for one in society.residents:
            if known.get(one.id) is not None:
                self._add_event(one.id, known[one.id])
        if not known:
            society.world.time = 0.0
            log.commit(self.schedule_turns((one, 0.0) for one in society.residents)).result()

    @property
    def is_over(self) -> bool:
        """Whether no agent has another turn."""
        return bool(self._events.is_empty())

    def advance(self) -> None:
        """Advance to the next instant."""
        if not self.is_over:
            event = self._events.pop_event()
            self._events.add_event(event)
            self._society.world.time = max(self._society.world.time or 0.0, event.time)

    def begin(self) -> "list[Resident]":
        """Return the agents that have a turn, as they fall due. Blocked agents wait, even while time advances."""
        self._due, waiting = [], []
        society, world, end = self._society, self._society.world, inf
        while not self._events.is_empty():
            event = self._events.pop_event()
            (agent,) = event.function_args
            if event.time > end:
                waiting.append(event)
                break
            if agent in world.blocked:
                waiting.append(event)
            if agent in world.blocked or society.resident(agent).departed:
                continue
            if not self._due:
                world.time = max(world.time or 0.0, event.time)
                end = world.time + self._scenario.time_window
            self._due.append((agent, max(world.time or 0.0, event.time)))
        for event in waiting:
            self._events.add_event(event)
        return [society.resident(agent) for agent, _ in self._due]

    def end(self, newcomers: "Sequence[Resident]") -> list[TurnTimeRow]:
        """Schedule the next turns of agents that had one and the first turns of new agents. Returns a row for each."""
        times = dict(self._due) | {one.id: self._society.world.time or 0.0 for one in newcomers}
        return self.schedule_turns((one, times[one.id]) for one in self._society.residents if one.id in times)

    def schedule_turns(self, had: "Iterable[tuple[Resident, float]]") -> list[TurnTimeRow]:
        """Schedule the next turns of agents that had one at these times. Returns a row for each."""
        seed, step, scenario = self._society.seed, self._society.world.step, self._scenario
        rows = []
        for resident, time in had:
            rng = rng_for(seed, "next_turn", step, resident.id)
            with hook(scenario, "next_turn"):
                after = float(scenario.next_turn(resident, rng))
                if not after >= 0:
                    raise ValueError(f"it must give a time from 0, and gave {after!r}")
            following = time + after if time + after < inf else None
            if following is not None:
                self._add_event(resident.id, following)
            rows.append(TurnTimeRow(step, resident.id, time, following))
        return rows

    def _add_event(self, agent: str, time: float) -> None:
        # Mesa calls the function of an event; ours are taken out of its list when they fall due.
        self._events.add_event(Event(time, self._add_event, function_args=[agent]))
