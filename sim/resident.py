"""An agent of the society: a persona at its place in the graph, with a memory and ears."""

from typing import TYPE_CHECKING, Any

import networkx as nx
from mesa.discrete_space import FixedAgent, Network

from ..agents.memory import Memory
from ..personas.persona import Persona

if TYPE_CHECKING:
    from .runfile.rows import MessageRow
    from .society import Society

__all__ = ["Resident", "settle"]


class Resident(FixedAgent):  # type: ignore[misc]  # mesa ships no types
    """One persona, living on one node of the relationship graph (`cell`)."""

    def __init__(self, society: "Society", persona: Persona, cell: Any) -> None:
        super().__init__(society)
        self.cell = cell
        self.persona = persona
        self.memory = Memory(society.scenario.settings.memory)
        #: What was said to it and it has not acted on yet, oldest first.
        self.inbox: list[MessageRow] = []

    @property
    def id(self) -> str:
        """The persona's id, by which the run file knows the agent."""
        return self.persona.id


def settle(society: "Society") -> dict[str, Resident]:
    """A resident for everybody in the society's graph, by id, each on its node of a space of Mesa's."""
    space = Network(nx.Graph(society.graph.nx), layout=None, random=society.random)
    return {persona.id: Resident(society, persona, space[persona.id]) for persona in society.graph.personas}
