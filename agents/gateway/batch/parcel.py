"""One request on its way through batches, and how many of them go into one file."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....personas.errors import SetupError
from ....personas.model import Outcome
from ...endpoint.errors import RequestError

if TYPE_CHECKING:
    from .trip import Trip

__all__ = ["MOST_IN_A_BATCH", "BatchLimits", "Parcel"]

#: Requests that a batch may hold by the protocol.
MOST_IN_A_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold."""

    requests: int = MOST_IN_A_BATCH
    #: Of the file; OpenAI takes 200 MB.
    size: int = 190_000_000

    def __post_init__(self) -> None:
        if self.requests <= 0 or self.size <= 0:
            raise SetupError(f"A batch of {self.requests:,} requests and {self.size:,} bytes holds nothing.")

    def split(self, parcels: Iterable["Parcel"]) -> Iterator[list["Parcel"]]:
        """The parcels by batch, in their order; one that is too large for any batch gets its fault at once."""
        batch: list[Parcel] = []
        size = 0
        for parcel in parcels:
            if len(parcel.line) > self.size:
                detail = f"The request is {len(parcel.line):,} bytes long; a batch takes {self.size:,}."
                parcel.settle(RequestError(Outcome.BAD_REQUEST, detail))
                continue
            if len(batch) == self.requests or size + len(parcel.line) > self.size:
                yield batch
                batch, size = [], 0
            batch.append(parcel)
            size += len(parcel.line)
        if batch:
            yield batch


@dataclass(slots=True, eq=False)
class Parcel:
    """A request that waits for its answer. Those of an earlier session have no line until they are asked again."""

    custom_id: str
    #: A chat completion, or the reason why there is none: as a value, since there may be nobody to raise it.
    answer: asyncio.Future[dict[str, Any] | Exception]
    line: bytes = b""
    #: The batch that it is in; None while it waits to be in one.
    trip: "Trip | None" = None
    #: Batches that it was in, of this session.
    rounds: int = 0
    #: How many wait for it now.
    askers: int = 0

    def settle(self, answer: dict[str, Any] | Exception) -> bool:
        """Give it its answer; False when it had one."""
        if self.answer.done():
            return False
        self.answer.set_result(answer)
        return True
