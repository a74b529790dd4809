"""The agents of a society, and the society as a scenario sees it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..agents.memory import Memory
from ..agents.observation import disclosed_at, told_value
from ..personas.persona import Persona
from ..personas.population import PersonaGraph
from ..personas.profiles.profile import told_facts
from .mesa import Agent, Model

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

    from ..agents.observation import Disclosure
    from ..personas.profiles.profile import Profile
    from .details import PeopleDetails
    from .dynamics.world import World
    from .emitted import Emission
    from .runfile.rows import MessageRow

#: What prompts say of the agent itself.
type PersonaDetail = Literal["description", "profile", "biography"]

#: What one agent knows of another: all of a `Seen` but its key.
type KnownFacts = tuple[str, str, str, str, str, float, float]


@dataclass(frozen=True, slots=True)
class Acquaintances:
    """What an agent knows of each of those with whom it has ties, by id."""

    #: What it was made from: how much is known by kind of tie, and how often ties had changed.
    levels: "Mapping[str, Disclosure]"
    changes: int
    known: "Mapping[str, KnownFacts]"


class Resident(Agent):  # type: ignore[misc]  # mesa ships no types
    """One persona, living on one node of the relationship graph."""

    def __init__(
        self, model: Model, persona: Persona, *, memory: Memory, details: "PeopleDetails | None" = None
    ) -> None:
        """Create an agent with an empty `memory`.

        `details` holds what is known of all personas besides their descriptions.
        """
        super().__init__(model)
        self.persona = persona
        #: The persona's id, by which the run file knows the agent.
        self.id = persona.id
        self.memory = memory
        self._details = details
        #: Gives the state with which it begins, until somebody asks for it.
        self.begin_state: Callable[[Resident], BaseModel] | None = None
        self._state: Any = None
        #: The group in which the scenario puts it.
        self.group: str | None = None
        #: The name by which others call it; empty where agents have none.
        self.name = ""
        #: What was said to it and it has not acted on yet, oldest first.
        self.inbox: list[MessageRow] = []
        #: The last step in which it spoke with others, by agent; kept where neighbours are chosen by that.
        self.contacts: dict[str, int] = {}
        #: The step in which it came to the society, 0 for the beginning; and whether it has left it.
        self.arrived = 0
        self.departed = False
        #: Turns that it had, and how many of its outputs were accepted: no check failed, and they repeated nothing.
        self.asked = self.accepted = 0
        #: What it knows of those with whom it has ties, from when it was first asked for; `sim.observe` makes it.
        self.acquaintances: Acquaintances | None = None
        #: The level at which others saw it last, and what they know of it.
        self._disclosed: tuple[Disclosure, str] | None = None

    def disclosed_at(self, level: "Disclosure") -> str:
        """Return what is known of the agent at this level of disclosure."""
        if self._disclosed is None or self._disclosed[0] != level:
            self._disclosed = level, disclosed_at(self.persona.text, level)
        return self._disclosed[1]

    @property
    def state(self) -> Any:
        """Of the type that the scenario declares; None where it declares none. Actions change it when applied."""
        if self.begin_state is not None:
            begin, self.begin_state = self.begin_state, None
            self._state = begin(self)
        return self._state

    @state.setter
    def state(self, state: Any) -> None:
        self._state, self.begin_state = state, None

    @cached_property
    def attributes(self) -> "Mapping[str, Any]":
        """The columns that it was imported with, by their names, as `attributes["income"]`; empty where there are none.

        Values are as they were read: text of a CSV file, whatever JSON or Parquet hold.
        """
        return self._details.attributes(self.id) if self._details else {}

    def leave(self) -> None:
        """Leave the society, and remove the agent from Mesa's agent sets."""
        self.departed = True
        self.remove()

    @cached_property
    def profile(self) -> "Profile | None":
        """What is known of the agent by attribute, as a hub brought it; None where it brought nothing."""
        return self._details.profile(self.id) if self._details else None

    @property
    def biography(self) -> str:
        """The agent's biography, as a hub brought it; empty without one."""
        return self._details.biography(self.id) if self._details else ""

    @property
    def weight(self) -> float:
        """What the agent counts for in figures about the population, as a selection says; 1 without one."""
        return self._details.weight(self.id) if self._details else 1.0

    def described(self, detail: PersonaDetail, attributes: "Sequence[str]" = ()) -> str:
        """Return the description, followed by the agent's known attributes or its biography, if there are any.

        `attributes` are columns the persona was imported with. They are added too.
        """
        more = self.biography if detail == "biography" else ""
        if detail == "profile" and self.profile is not None:
            facts = told_facts({name: known.value for name, known in self.profile.attributes.items()})
            more = f"What is known of this person: {facts}." if facts else ""
        told = [f"{name}: {told_value(self.attributes[name])}" for name in attributes if name in self.attributes]
        columns = f"Known of this person: {'; '.join(told)}." if told else ""
        return "\n\n".join(one for one in (self.persona.text, more, columns) if one)


class SocietyView(Protocol):
    """What a scenario sees of its society. A scenario reads it; only interventions change the world.

    `Society` is one; a scenario that needs no more than this can be tested without one.
    """

    @property
    def seed(self) -> int:
        """The run's seed."""
        ...

    @property
    def world(self) -> "World":
        """The state of the world: the step, the news, suspended ties, and the scenario's own values."""
        ...

    @property
    def graph(self) -> PersonaGraph:
        """Who is related to whom."""
        ...

    @property
    def residents(self) -> "Sequence[Resident]":
        """All agents, in the order in which they came."""
        ...

    @property
    def newest(self) -> "deque[bool]":
        """Of the latest 500 outputs, oldest first, whether each was new: no near-duplicate of an earlier one."""
        ...

    def resident(self, agent: str) -> Resident:
        """Return the agent with this id. Raises `KeyError` for an unknown id."""
        ...

    @property
    def emitted_this_step(self) -> "Sequence[Emission]":
        """What the step that is being measured, or else the latest, emitted, in the order in which it was applied."""
        ...
