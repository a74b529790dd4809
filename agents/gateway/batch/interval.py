"""How long to wait between two looks at a batch."""

from dataclasses import dataclass

__all__ = ["Interval"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Waits that grow from look to look. All in seconds."""

    first: float = 5.0
    most: float = 60.0
    growth: float = 1.5

    def wait(self, looks: int, *, asked: float | None = None) -> float:
        """Seconds to wait after so many looks (from 0); never less than the server asks for."""
        # Bounded first: a large power is no float.
        return max(asked or 0.0, min(self.most, self.first * self.growth ** min(looks, 100)))
