"""How far a batch is, for whoever watches the run."""

from dataclasses import dataclass
from typing import Self

from .trip import Trip

__all__ = ["BatchProgress"]


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far one batch is, by what its server said last."""

    #: None until the server has named it.
    batch_id: str | None
    status: str
    requests: int
    completed: int
    failed: int

    @classmethod
    def of(cls, trip: Trip) -> Self:
        """The progress of a batch on its trip."""
        state = trip.state
        counts = state.request_counts if state is not None else None
        return cls(
            batch_id=trip.batch.batch_id if trip.batch else None,
            status=state.status if state is not None else "sending",
            requests=len(trip.names),
            completed=counts.completed if counts is not None else 0,
            failed=counts.failed if counts is not None else 0,
        )
