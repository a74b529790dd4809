"""The agents of a society, and the society as a scenario sees it."""

from typing import TYPE_CHECKING, Any, Protocol

import networkx as nx

from ..agents.memory import Memory
from ..personas.persona import Persona
from ..personas.population import PersonaGraph
from .mesa import FixedAgent, Model, Network

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence

    from .emitted import Emission
    from .runfile.rows import MessageRow
    from .world import World


class Resident(FixedAgent):  # type: ignore[misc]  # mesa ships no types
    """One persona, living on one node of the relationship graph (`cell`)."""

    def __init__(self, model: Model, persona: Persona, cell: Any, *, memory: Memory) -> None:
        """`memory` holds nothing yet."""
        super().__init__(model)
        self.cell = cell
        self.persona = persona
        self.memory = memory
        #: Of the type that the scenario declares; None where it declares none. Actions change it when they are applied.
        self.state: Any = None
        #: What was said to it and it has not acted on yet, oldest first.
        self.inbox: list[MessageRow] = []
        #: Turns that it had, and how many of its outputs were accepted: no check failed, and they repeated nothing.
        self.asked = self.accepted = 0

    @property
    def id(self) -> str:
        """The persona's id, by which the run file knows the agent."""
        return self.persona.id


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
        """All agents, in the fixed order in which effects are applied."""
        ...

    @property
    def newest(self) -> "deque[bool]":
        """Of the latest 500 outputs, oldest first, whether each was new: no near-duplicate of an earlier one."""
        ...

    def resident(self, agent: str) -> Resident:
        """The agent with this id. Raises `KeyError` for an unknown id."""
        ...

    @property
    def emitted_this_step(self) -> "Sequence[Emission]":
        """What the step that is being measured, or else the latest, emitted, in the order of agents."""
        ...


def settle(model: Model, graph: PersonaGraph, *, memory: "Callable[[Persona], Memory]") -> dict[str, Resident]:
    """A resident for each persona of the graph, by id, each on its node of a Mesa network."""
    space = Network(nx.Graph(graph.nx), layout=None, random=model.random)
    return {
        persona.id: Resident(model, persona, space[persona.id], memory=memory(persona)) for persona in graph.personas
    }
