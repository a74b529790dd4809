"""The state of the world: what is news, who and which ties are blocked, and whatever values a scenario keeps."""

from collections.abc import Collection
from math import isfinite
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from ...personas.persona import RelationKind

if TYPE_CHECKING:
    from ...personas.population import PersonaGraph


class State(BaseModel):
    """The base of a scenario's own types of state; assigned values are validated.

    Fields hold anything JSON can, so numbers are finite. A scenario names its types in `agent_state_type` and
    `world_state_type`.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)


def checked_state(state: object) -> BaseModel:
    """Check a state and return it.

    Raises `TypeError` if it is not a pydantic model, and `ValueError` for numbers that JSON cannot hold.
    """
    if not isinstance(state, BaseModel):
        raise TypeError(f"it must give a state, as class Purse(State) is, and gave {state!r:.80}")
    for name, value in state:
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{name} is {value}, which the run file cannot hold; take a number, or None for no value")
    return state


class News(BaseModel):
    """Something that everybody hears, or some, until a step."""

    model_config = ConfigDict(extra="forbid")

    text: str
    #: The last step in which agents hear it.
    until: int
    #: The agents who hear it; None for everybody.
    to: frozenset[str] | None = None

    @model_serializer(mode="wrap")
    def _in_order(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        if self.to is None:
            del written["to"]
        else:
            written["to"] = sorted(self.to)
        return written


#: What markers and event hashes leave out, as of scenarios that do not use it.
_UNUSED: dict[str, object] = {
    "state": None, "blocked": {}, "blocked_ties": {}, "fired": [], "time": None, "tools": {}
}  # fmt: skip


class BuiltTool(BaseModel):
    """A tool that somebody wished for and that was built: how it is called, what for, and its Python code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    code: str


#: Most tools that a world has at a time.
_MOST_TOOLS = 6


class World(BaseModel):
    """What a step's marker keeps of the world, so that a resumed run finds it again.

    Interventions change it; nothing else of the society should be changed by them.
    """

    model_config = ConfigDict(extra="forbid")

    step: int = 0
    news: list[News] = Field(default_factory=list)
    #: Relation kinds that are suspended: those tied by them alone do not meet.
    suspended: list[RelationKind] = Field(default_factory=list)
    #: A scenario's own values; anything JSON can hold.
    values: dict[str, Any] = Field(default_factory=dict)
    #: The scenario's world state, of the type that it declares; None where it declares none.
    state: Any = None
    #: Agents who are blocked, each with the step in which that began, and ties, by both of their ends.
    blocked: dict[str, int] = Field(default_factory=dict)
    blocked_ties: dict[str, dict[str, int]] = Field(default_factory=dict)
    #: Names of interventions whose condition has been met.
    fired: list[str] = Field(default_factory=list)
    #: The time that it is, in a world that is not in lock-step.
    time: float | None = None
    #: The tools that were built, by name, oldest first.
    tools: dict[str, BuiltTool] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _without_unused(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        for name, empty in _UNUSED.items():
            if getattr(self, name) == empty:
                written.pop(name, None)
        return written

    def announce(self, text: str, *, steps: int = 2, to: Collection[str] | None = None) -> None:
        """Make `text` news for this step and the `steps - 1` after it: for everybody, or for the agents in `to`."""
        self.news.append(News(text=text, until=self.step + steps - 1, to=None if to is None else frozenset(to)))

    def build(self, name: str, about: str, code: str) -> None:
        """Have a tool from now on, which is news to everybody. Of many, the newest are kept."""
        self.tools[name] = BuiltTool(about=about, code=code)
        for oldest in list(self.tools)[:-_MOST_TOOLS]:
            del self.tools[oldest]
        self.announce(f"A tool was built: {about}")

    def suspend(self, kind: RelationKind) -> None:
        """Stop agents tied only by `kind` from seeing, hearing or speaking to each other until it is restored.

        Lines on their way are kept, and heard once the kind is restored. Raises `ValueError` for an invalid kind.
        """
        kind = RelationKind(kind)
        if kind not in self.suspended:
            self.suspended.append(kind)

    def restore(self, kind: RelationKind) -> None:
        """Undo `suspend`. Lines that were kept are heard now. Raises `ValueError` for an invalid kind."""
        kind = RelationKind(kind)
        if kind in self.suspended:
            self.suspended.remove(kind)

    def block(self, agent: str, other: str | None = None) -> None:
        """Block an agent, or the tie between two agents, until it is unblocked.

        A blocked agent takes no turn, and is neither seen nor heard. Over a blocked tie, neither agent sees or hears
        the other. Lines on their way are kept, and heard once nothing blocks them.
        """
        if other is None:
            self.blocked.setdefault(agent, self.step)
            return
        for one, end in ((agent, other), (other, agent)):
            self.blocked_ties.setdefault(one, {}).setdefault(end, self.step)

    def unblock(self, agent: str, other: str | None = None) -> None:
        """Undo `block`."""
        if other is None:
            self.blocked.pop(agent, None)
        elif other in self.blocked_ties.get(agent, ()):
            for one, end in ((agent, other), (other, agent)):
                del self.blocked_ties[one][end]
                if not self.blocked_ties[one]:
                    del self.blocked_ties[one]

    def is_blocked(self, one: str, other: str) -> bool:
        """Return whether one of two agents, or the tie between them, is blocked."""
        return one in self.blocked or other in self.blocked or other in self.blocked_ties.get(one, ())

    @property
    def is_open(self) -> bool:
        """Whether nothing is suspended or blocked."""
        return not (self.suspended or self.blocked or self.blocked_ties)

    @property
    def told(self) -> tuple[str, ...]:
        """The news of the present step."""
        return tuple(item.text for item in self.news if item.until >= self.step)

    def told_to(self, agent: str) -> tuple[str, ...]:
        """Return the news that this agent hears in the current step."""
        if not self.news:
            return ()
        return tuple(
            item.text for item in self.news if item.until >= self.step and (item.to is None or agent in item.to)
        )

    def begin(self, step: int) -> None:
        """Enter `step`, and drop news that has expired."""
        self.step = step
        self.news = [item for item in self.news if item.until >= step]


def is_cut(graph: "PersonaGraph", one: str, other: str, world: World) -> bool:
    """Return whether nothing is heard between `one` and the agent `other`.

    This is so if either agent or the tie between them is blocked, or if all their ties are of suspended kinds.
    """
    if world.is_open:
        return False
    if world.is_blocked(one, other):
        return True
    kinds = [tie.kind for tie in graph.neighbours(other) if tie.id == one]
    return bool(kinds) and all(kind in world.suspended for kind in kinds)
