"""What a scenario declares to happen to its society: who comes, what changes when, and by which levers."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...core.errors import SetupError
from ...core.inputs import nearest
from ...personas.persona import Persona, RelationKind

if TYPE_CHECKING:
    from ..resident import Resident, SocietyView
    from .world import World

#: What rows name as the intervention for what `Scenario.resolve` changed.
RESOLVE = "resolve"

#: Whom an intervention is meant for: ids, the name of a group, or a condition on agents.
type Targets = Sequence[str] | str | Callable[[Resident], bool]


@dataclass(frozen=True, slots=True)
class Intervention:
    """A change that is declared beforehand: at the start of step `at`, from 1, or once `when` holds.

    Raises `SetupError` for an invalid step, and for what would change nothing.
    """

    at: int | None = None
    name: str = ""
    #: What those it is meant for hear of it, for two steps.
    news: str | None = None
    #: What else it changes: a function of `Levers`.
    effect: "Callable[[Levers], object] | None" = None
    #: True where a run that ends before step `at` does without it; else such a run is refused.
    optional: bool = False
    #: Asked at the start of each step until it is True; the change comes in that step.
    when: "Callable[[SocietyView], bool] | None" = None
    #: Whom it is meant for: who hears the news, and `Levers.residents`. None for everybody.
    to: Targets | None = None
    #: True where the change comes in each step in which `when` holds, not in the first alone.
    again: bool = False
    #: Within the step, the line of its conversations before which it comes: 1 for its start, before anybody acts. Where
    #: conversations end sooner, it comes behind their last line.
    line: int = 1

    def __post_init__(self) -> None:
        words: tuple[object, ...] = (self.name, *(() if self.news is None else (self.news,)))
        if not all(isinstance(one, str) and one.strip() for one in words):
            raise SetupError(
                f"An intervention needs a name, and news where there are any, that are texts, but {words!r:.80} "
                f"were given."
            )
        if self.name == RESOLVE:
            raise SetupError(
                f"An intervention cannot be called {RESOLVE!r}: rows name so what the scenario's resolve() changed."
            )
        self._check_time()
        line: object = self.line
        if isinstance(line, bool) or not isinstance(line, int) or line < 1:
            raise SetupError(f"The intervention {self.name!r} is to come before line {line!r}; give a number from 1.")
        if self.effect is not None and not callable(self.effect):
            raise SetupError(
                f"The intervention {self.name!r} has the effect {self.effect!r}; give a function of the levers, as "
                f"`lambda levers: levers.world.suspend(RelationKind.TRADE)`."
            )
        if self.effect is None and self.news is None:
            raise SetupError(f"The intervention {self.name!r} changes nothing; give it news, an effect, or both.")

    def _check_time(self) -> None:
        at: object = self.at
        if self.when is not None:
            if at is not None or self.optional:
                raise SetupError(
                    f"The intervention {self.name!r} has a condition (`when`), so it takes neither `at` nor `optional`."
                )
            if not callable(self.when):
                raise SetupError(
                    f"The intervention {self.name!r} is to come when {self.when!r}; give a function of the society, "
                    f"as `lambda society: society.world.state.price > 2`."
                )
        elif isinstance(at, bool) or not isinstance(at, int) or at < 1:
            raise SetupError(
                f"The intervention {self.name!r} is to come at step {at!r}; give a whole number from 1 or a condition "
                f"(`when`), or leave it out of `interventions` where it is never to come."
            )
        elif self.again:
            raise SetupError(
                f"The intervention {self.name!r} is to come again, which needs a condition; give `when` instead of "
                f"`at`."
            )


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who is to come: asked for as one who is related to an agent, or given as a persona.

    Raises `SetupError` for neither, for no description and no kind of relation, and for a persona with a relation of
    which half is missing.
    """

    #: The agent to whom the newcomer is related, or its id. Without a persona, a model is asked who that is.
    of: "Resident | str | None" = None
    #: The kind of the relation: any where it is None, and a model is asked.
    kind: RelationKind | None = None
    #: The newcomer, as a persona or its description; nobody is asked.
    persona: Persona | str | None = None
    #: What a newcomer who is given is to `of`, in words.
    label: str = ""

    def __post_init__(self) -> None:
        if self.of is None and self.persona is None:
            raise SetupError("An arrival needs somebody: give the agent it is related to (`of`), or a `persona`.")
        given: object = self.persona.text if isinstance(self.persona, Persona) else self.persona
        if given is not None and not (isinstance(given, str) and given.strip()):
            raise SetupError(f"An arrival has the persona {self.persona!r:.80}; give a description of somebody.")
        if self.kind is not None and self.kind not in RelationKind:
            raise SetupError(
                f"An arrival has a relation of the kind {self.kind!r}{nearest(str(self.kind), RelationKind)}; give "
                f"one of {', '.join(RelationKind)}."
            )
        is_tied = (self.of is not None, self.kind is not None, bool(self.label))
        if self.persona is not None and any(is_tied) and not all(is_tied):
            raise SetupError(
                f"The arrival of {self.persona!r:.80} has a relation of which a part is missing; give `of`, `kind` and "
                f"`label`, or none of them."
            )


class LeverChanges(Protocol):
    """What levers change of agents and ties; each change leaves a row."""

    @property
    def independent(self) -> bool:
        """Whether turns are independent, so that the world alone may change."""
        ...

    def tie(self, source: str, target: str, kind: RelationKind, label: str, weight: float) -> None:
        """Add a tie, or strengthen it. Raises `ValueError` for an invalid tie."""
        ...

    def untie(self, one: str, other: str, kind: RelationKind | None) -> None:
        """Remove the ties between two agents, of one kind or all."""
        ...

    def depart(self, agent: str) -> None:
        """Let an agent leave."""
        ...

    def arrive(self, arrival: Arrival) -> None:
        """Add an arrival."""
        ...


class Levers:
    """What an intervention's effect and `Scenario.resolve` can read and change.

    Each change becomes a row of `intervention_effects`. Methods of the world can be called on the levers too, as
    `levers.suspend(RelationKind.TRADE)`.
    """

    def __init__(
        self,
        society: "SocietyView",
        residents: "Sequence[Resident]",
        changes: LeverChanges,
        rng: random.Random,
    ) -> None:
        self._changes = changes
        #: Draws by the run's seed, the step and the intervention.
        self.rng = rng
        #: The society as scenarios see it.
        self.society = society
        #: The agents that the intervention is meant for, in their order.
        self.residents = residents

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(self.world, name):
            raise AttributeError(f"neither the levers of an intervention nor the world have {name!r}")
        return getattr(self.world, name)

    @property
    def world(self) -> "World":
        """The world: announces news, suspends and restores kinds of ties, holds the scenario's world state."""
        return self.society.world

    def set_state(self, resident: "Resident | str", **fields: Any) -> None:
        """Set fields of an agent's state. They must belong to the type the scenario declares."""
        _set_fields(self._find_resident(resident).state, fields, "agent_state_type")

    def set_world(self, **fields: Any) -> None:
        """Set fields of the world's state. They must belong to the type the scenario declares."""
        _set_fields(self.world.state, fields, "world_state_type")

    def tie(
        self,
        source: "Resident | str",
        target: "Resident | str",
        kind: RelationKind,
        label: str,
        *,
        weight: float = 1.0,
    ) -> None:
        """Add a tie, so that `source` knows `target` as its `label` from this step on.

        An existing tie of this kind and label becomes stronger by `weight`. Raises `ValueError` for an invalid kind,
        label or weight, and for a tie of an agent with itself.
        """
        self._changes.tie(*self._find_pair(source, target), kind, label, weight)

    def untie(self, one: "Resident | str", other: "Resident | str", kind: RelationKind | None = None) -> None:
        """Remove the ties between two agents, of one kind or all, from this step on."""
        self._changes.untie(*self._find_pair(one, other), None if kind is None else RelationKind(kind))

    def block(self, agent: "Resident | str", other: "Resident | str | None" = None) -> None:
        """Block an agent, or contact between two, until it is unblocked.

        A blocked agent takes no turn, and is neither seen nor heard. Of two, neither sees or hears the other.
        """
        self.world.block(*self._find_blocked(agent, other))

    def unblock(self, agent: "Resident | str", other: "Resident | str | None" = None) -> None:
        """Undo `block`. Lines held back are heard now."""
        self.world.unblock(*self._find_blocked(agent, other))

    def depart(self, agent: "Resident | str") -> None:
        """Let an agent leave at once, before the turns of this step."""
        self._changes.depart(self._find_resident(agent).id)

    def arrive(self, arrival: Arrival) -> None:
        """Add an arrival before the turns of this step. `agent_changes` records who it was."""
        if self._changes.independent:
            raise TypeError("nobody comes to an independent scenario; leave out `independent = True`")
        self._changes.arrive(arrival)

    def _find_blocked(self, agent: "Resident | str", other: "Resident | str | None") -> tuple[str, ...]:
        return (self._find_resident(agent).id,) if other is None else self._find_pair(agent, other)

    def _find_resident(self, one: "Resident | str") -> "Resident":
        agent = one if isinstance(one, str) else one.id
        resident: Resident | None
        try:
            resident = self.society.resident(agent)
        except KeyError:
            resident = None
        if resident is None or resident.departed:
            raise ValueError(f"no agent has the id {agent!r}; give a resident, or its `id`")
        if self._changes.independent:
            raise TypeError("an independent scenario changes the world alone; leave out `independent = True`")
        return resident

    def _find_pair(self, one: "Resident | str", other: "Resident | str") -> tuple[str, str]:
        pair = self._find_resident(one).id, self._find_resident(other).id
        if pair[0] == pair[1]:
            raise ValueError(f"a tie is between two agents, and {pair[0]!r} was given twice")
        return pair


def _set_fields(state: Any, fields: Mapping[str, Any], declared: str) -> None:
    if state is None:
        raise TypeError(f"the scenario declares no such state; set its `{declared}`")
    for name, value in fields.items():
        setattr(state, name, value)
