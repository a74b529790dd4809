"""The state of the world: what is news, which ties are cut, and whatever values a scenario keeps."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from ..personas.persona import RelationKind

if TYPE_CHECKING:
    from ..personas.population import PersonaGraph


class State(BaseModel):
    """The base of a scenario's own types of state; assigned values are validated.

    Fields hold anything JSON can. A scenario names its types in `agent_state_type` and `world_state_type`.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class News(BaseModel):
    """Something everybody hears, until a step."""

    model_config = ConfigDict(extra="forbid")

    text: str
    #: The last step in which agents hear it.
    until: int


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

    @model_serializer(mode="wrap")
    def _without_undeclared(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The markers and event hashes of scenarios that declare no state hold none.
        written: dict[str, Any] = serialize(self)
        if self.state is None:
            del written["state"]
        return written

    def announce(self, text: str, *, steps: int = 2) -> None:
        """Make `text` news for this step and the `steps - 1` after it."""
        self.news.append(News(text=text, until=self.step + steps - 1))

    def suspend(self, kind: RelationKind) -> None:
        """Until it is restored, people who are tied by `kind` alone do not see, hear or speak to each other.

        A line that is under way is kept, and heard once the kind is restored. Raises `ValueError` for no kind.
        """
        kind = RelationKind(kind)
        if kind not in self.suspended:
            self.suspended.append(kind)

    def restore(self, kind: RelationKind) -> None:
        """Undo `suspend`: what was said and kept is heard now. Raises `ValueError` for no kind."""
        kind = RelationKind(kind)
        if kind in self.suspended:
            self.suspended.remove(kind)

    @property
    def told(self) -> tuple[str, ...]:
        """The news of the present step."""
        return tuple(item.text for item in self.news if item.until >= self.step)

    def begin(self, step: int) -> None:
        """Enter `step`, and forget the news that is over."""
        self.step = step
        self.news = [item for item in self.news if item.until >= step]


def is_cut(graph: "PersonaGraph", one: str, other: str, suspended: Collection[RelationKind]) -> bool:
    """Whether every tie of `other`, a resident, with `one` is of a suspended kind; never where they have none."""
    if not suspended:
        return False
    kinds = [tie.kind for tie in graph.neighbours(other) if tie.id == one]
    return bool(kinds) and all(kind in suspended for kind in kinds)
