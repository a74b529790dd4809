"""An agent of the society: a persona at its place in the graph, with a memory and ears."""

from typing import TYPE_CHECKING, Any

from mesa.discrete_space import FixedAgent

from ..agents.memory import Memory
from ..personas.persona import Persona

if TYPE_CHECKING:
    from .runfile.rows import MessageRow
    from .society import Society

__all__ = ["Resident"]


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
