"""A law: a model with a known result, as rule agents of the engine live it, and the measured result beside it."""

import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Literal, Unpack

import orjson
from pydantic import BaseModel, Field

from populace import Action
from populace.agents import ActionEffects, Rule
from populace.personas import Hub, Persona, Relation, RelationKind
from populace.sim import FinishedRun, Growth, Resident, Scenario, Settings, Society, State
from populace.sim.config import RunOptions

#: Standard errors by which a mean may miss its expectation: one in 16,000 honest means misses it by more.
STANDARD_ERRORS = 4.0

#: Rounding errors of sums of a few hundred floats of size one.
ROUNDING = 1e-9

_PLACE = re.compile(r"\d+")


class RuleSettings(Settings):
    """Agents recall nothing."""

    recalled: int = Field(0, ge=0, le=50, description="Notes that come to an agent's mind in a step, at most")
    memory: int = Field(1, ge=1, description="Notes an agent keeps; the newest count")
    initial: tuple[int | float, ...] = Field((), description="What each agent begins with; nothing unless given")


class Held(State):
    """What an agent holds."""

    value: Any = 0


class Hold(Action):
    """Hold a value, and say it to those who listen."""

    name: ClassVar[str] = "hold"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["hold"] = "hold"
    value: Any
    to: tuple[str, ...] = ()

    @property
    def emitted_text(self) -> str:
        """The value, to its last digit."""
        return repr(self.value)

    def apply(self, effects: ActionEffects) -> None:
        """Change the state; each listener hears the value in the next step."""
        effects.state.value = self.value
        super().apply(effects)


class RuleScenario(Scenario):
    """The base of all laws: nothing but what rules do happens."""

    world = "Rule agents obey a law whose result is known."
    settings_type: ClassVar[type[Settings]] = RuleSettings
    settings: RuleSettings
    actions: tuple[type[Action], ...] = (Hold,)
    agent_state_type: ClassVar[type[State] | None] = Held

    def agent_state(self, resident: Resident, rng: random.Random) -> BaseModel:
        """Hold what the settings give this agent."""
        made, initial = super().agent_state(resident, rng), self.settings.initial
        return made.model_copy(update={"value": initial[place_of(resident.persona.text)]}) if initial else made

    def mind(self) -> Rule:
        """The rule, for all agents."""
        return self.rule


#: Ties between agents, by their places.
type Ties = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of a law: what it is by theory, and what came out of the run file."""

    what: str
    expected: float
    got: float
    #: By how much it may differ: rounding errors, or standard errors of a mean.
    tolerance: float = 0.0
    #: The law, and the paper that its result is from; filled in by `Law.check`.
    law: str = ""
    source: str = ""

    @property
    def passes(self) -> bool:
        """Whether it is within its tolerance; a number that is none never is."""
        return abs(self.got - self.expected) <= self.tolerance


def measured_share(what: str, expected: float, got: float, draws: int) -> Measured:
    """A share of so many independent draws, within standard errors of its expectation."""
    return Measured(what, expected, got, STANDARD_ERRORS * math.sqrt(expected * (1 - expected) / draws))


@dataclass(slots=True)
class Trial:
    """Where a law is tried: a folder for its run files, the seed, and the size."""

    folder: Path
    seed: int = 0
    #: Copies or people, where a result holds in the mean, are so many times as many; tolerances fall with its root.
    times: int = 1
    _number: "count[int]" = field(default_factory=lambda: count(1))

    def run(
        self,
        scenario: Scenario,
        hub: Hub | None,
        **options: Unpack[RunOptions],
    ) -> FinishedRun:
        """The finished run of a society of these people, in a new run file; of those that `growth` names without."""
        chosen: RunOptions = {"growth": Growth(agents=None, hops=0), "seed": self.seed, **options}
        society = Society(
            scenario,
            source=hub,
            out=self.folder / f"{scenario.name}-{next(self._number)}.duckdb",
            **chosen,
        )
        return society.run()


@dataclass(frozen=True, slots=True)
class Law:
    """A law by its name, with the paper that its result is from."""

    name: str
    source: str
    measure: Callable[[Trial], Iterator[Measured]]

    def check(self, trial: Trial) -> Iterator[Measured]:
        """Its numbers, as soon as each is there."""
        for one in self.measure(trial):
            yield replace(one, expected=float(one.expected), got=float(one.got), law=self.name, source=self.source)


def society_of(people: int, ties: Iterable[tuple[int, int]] = ()) -> Hub:
    """So many people, and the directed ties between them; to name a pair n times gives its ties the weight n."""
    personas = [Persona(f"Agent {place}") for place in range(people)]
    named: dict[tuple[int, int], int] = {}
    relations = []
    for source, target in ties:
        times = named[source, target] = named.get((source, target), 0) + 1
        ends = personas[source].id, personas[target].id
        relations.append(Relation(*ends, RelationKind.OTHER, f"acquaintance {times}"))
    return Hub(tuple(personas), tuple(relations))


def copies_of(copies: int, people: int, ties: Iterable[tuple[int, int]]) -> Hub:
    """So many copies of one small society that know nothing of each other: replicates within one run."""
    pairs = list(ties)
    shifted = ((people * n + source, people * n + target) for n in range(copies) for source, target in pairs)
    return society_of(copies * people, shifted)


def place_of(persona: str) -> int:
    """The number of an agent, from 0, by its description."""
    found = _PLACE.search(persona)
    if found is None:
        raise ValueError(f"{persona!r} is none of the agents of a law")
    return int(found.group())


def divided_groups(people: Sequence[Resident], size: int) -> list[Sequence[Resident]]:
    """The groups of so many people, one after the other, whose members do not all hold the same one value."""
    groups = (people[first : first + size] for first in range(0, len(people), size))
    return [group for group in groups if len({held for one in group for held in held_values(one.state.value)}) > 1]


def held_values(value: Any) -> Sequence[Any]:
    """The values that an agent holds, where it may hold several."""
    return value if isinstance(value, tuple | list) else (value,)


def final_values(run: FinishedRun, name: str) -> list[Any]:
    """The last value of one field of the states of all agents, in their order."""
    asked = run.sql(
        "SELECT arg_max(s.value, s.step) FROM agents AS a JOIN agent_state AS s ON s.agent = a.agent AND s.name = ? "
        "GROUP BY a.ordinal ORDER BY a.ordinal",
        (name,),
    )
    return [orjson.loads(text) for (text,) in asked.rows]


def values_by_step(run: FinishedRun, name: str) -> list[list[Any]]:
    """The values of one field of the states of all agents after each step, from 0; None before they came."""
    asked = run.sql(
        """
        SELECT n.step, last_value(s.value IGNORE NULLS) OVER (PARTITION BY a.ordinal ORDER BY n.step)
        FROM agents AS a CROSS JOIN (SELECT 0 AS step UNION ALL SELECT step FROM steps) AS n
        LEFT JOIN agent_state AS s ON s.agent = a.agent AND s.step = n.step AND s.name = ?
        ORDER BY n.step, a.ordinal
        """,
        (name,),
    )
    steps: dict[int, list[Any]] = {}
    for step, text in asked.rows:
        steps.setdefault(step, []).append(None if text is None else orjson.loads(text))
    return list(steps.values())
