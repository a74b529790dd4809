"""What an action can change when it is applied: the `ActionEffects` of one turn."""

from typing import TYPE_CHECKING, Any, Protocol

from ..agents.observation import Observation
from ..personas.persona import RelationKind
from .dynamics.ties import TieChanges, WantedTie, checked_tie
from .dynamics.world import World

if TYPE_CHECKING:
    from .dynamics.arrivals import PeopleChanges
    from .runfile.rows import EmissionRow


class StepEffects(Protocol):
    """Where the turns of a step leave what they change."""

    @property
    def world(self) -> World:
        """The world, as actions may change it."""
        ...

    @property
    def ties(self) -> TieChanges:
        """The changes of ties."""
        ...

    @property
    def people(self) -> "PeopleChanges":
        """Who comes and leaves."""
        ...

    def state_of(self, agent: str, *, asked_by: str | None = None) -> Any:
        """Return the state of an agent."""
        ...

    def say(self, seen: Observation, emission: "EmissionRow", to: str, text: str) -> None:
        """Send a line to the agent with the key `to`."""
        ...

    def post(self, seen: Observation, emission: "EmissionRow", channel: str, text: str, reply_to: str | None) -> None:
        """Post a text in a channel."""
        ...


class TurnEffects:
    """What an action can change, with the turn in which it is done: the `ActionEffects` of `Action.apply`."""

    __slots__ = ("_effects", "_emission", "_seen")

    def __init__(self, effects: StepEffects, seen: Observation, emission: "EmissionRow") -> None:
        self._effects, self._seen, self._emission = effects, seen, emission

    @property
    def agent(self) -> str:
        """Id of the agent that acts."""
        return self._seen.agent

    @property
    def state(self) -> Any:
        """The agent's state."""
        return self._effects.state_of(self._seen.agent)

    @property
    def world(self) -> World:
        """The world."""
        return self._effects.world

    def state_of(self, key: str) -> Any:
        """Return the state of the agent with this key."""
        return self._effects.state_of(self._seen.agent_behind(key), asked_by=self._seen.agent)

    def tie(self, to: str, kind: RelationKind, label: str, *, weight: float = 1.0) -> None:
        """Add or strengthen a tie to the agent with this key when the step ends."""
        self._want(to, *checked_tie(kind, label, weight))

    def untie(self, to: str, kind: RelationKind | None = None) -> None:
        """Remove the ties with the agent with this key when the step ends."""
        self._want(to, None if kind is None else RelationKind(kind), None, 0.0)

    def _want(self, to: str, kind: RelationKind | None, label: str | None, weight: float) -> None:
        target = self._seen.agent_behind(to)
        self._effects.ties.want(WantedTie(self._seen.agent, target, kind, label, weight, self._emission.emission))

    def say(self, to: str, text: str) -> None:
        """Send a line to the agent with this key."""
        self._effects.say(self._seen, self._emission, to, text)

    def post(self, channel: str, text: str, *, reply_to: str | None = None) -> None:
        """Post a text in a channel."""
        self._effects.post(self._seen, self._emission, channel, text, reply_to)

    def depart(self) -> None:
        """Let the agent leave when the step ends."""
        self._effects.people.want_to_leave(self._seen.agent, self._emission.emission)
