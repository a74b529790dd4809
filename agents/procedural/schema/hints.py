"""What a filler asks of whoever knows what the values should say."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["Hints"]


class Hints(Protocol):
    """Proposals for a schema's values. Each is used where the schema allows it, and passed over elsewhere."""

    def for_object(self, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """Proposed values by property name; none for a property nothing is known about."""
        ...

    def for_text(self, name: str, description: str, shortest: int, longest: int | None) -> str:
        """A text for the property `name` of which `description` says what it is."""
        ...

    def for_number(self, name: str) -> float | None:
        """A number for the property `name`, or None where any will do."""
        ...

    def for_count(self, name: str) -> int | None:
        """How many entries the list `name` should have, or None where any number will do."""
        ...

    def order(self, options: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Indexes of the options in the order in which to try them."""
        ...
