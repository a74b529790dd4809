"""How long to wait before a request is sent again."""

import random
from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential waits with full jitter, never shorter than the endpoint asks for. All in seconds."""

    base: float = 0.5
    cap: float = 30.0
    #: A request whose endpoint asks to wait longer than this is given up.
    patience: float = 600.0

    def delay(self, attempt: int, rng: random.Random, *, asked: float | None = None) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1); None when that asks too much."""
        if asked is not None and asked > self.patience:
            return None
        # Capped first: 2 to the power of a large attempt is no float.
        ceiling = min(self.cap, self.base * 2 ** min(attempt - 1, 60))
        return (asked or 0.0) + rng.uniform(0.0, ceiling)
