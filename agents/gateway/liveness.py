"""Whether an endpoint works at all: what tells one lost call from a wrong set-up."""

import asyncio

from ...personas.errors import EndpointError
from ...personas.model import Outcome
from ..endpoint.errors import RequestError, endpoint_error

__all__ = ["Liveness"]

_STOPPING = frozenset({Outcome.AUTH, Outcome.NOT_FOUND})

#: Faults that mean a wrong set-up when no call at all was ever answered.
_DOUBTFUL = frozenset({Outcome.UNREACHABLE, Outcome.BAD_REQUEST, Outcome.NOT_JSON})


class Liveness:
    """What the calls so far say of one model at one endpoint."""

    def __init__(self, model: str, endpoint: str | None) -> None:
        self._model = model
        self._endpoint = endpoint
        self._flights: set[asyncio.Future[None]] = set()
        self._stopped = ""
        #: Whether any call was ever answered.
        self.was_answered = False

    def check(self) -> None:
        """Raise the `EndpointError` that stopped an earlier call, if one did: no further one can succeed."""
        if self._stopped:
            raise EndpointError(self._stopped)

    def take_off(self) -> asyncio.Future[None]:
        """Count a call as under way, until `land`."""
        flight: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flights.add(flight)
        return flight

    def land(self, flight: asyncio.Future[None]) -> None:
        """Count a call as ended."""
        self._flights.discard(flight)
        if not flight.done():
            flight.set_result(None)

    async def judge(self, fault: RequestError) -> None:
        """Raise `EndpointError` when a fault, the last word on its request, means that no call can succeed.

        A doubtful one waits for the calls now under way: one bad request among good ones is that request's.
        """
        if fault.outcome in _DOUBTFUL and not self.was_answered and self._flights:
            await asyncio.wait(set(self._flights))
        self.check()
        if fault.outcome in _STOPPING or (fault.outcome in _DOUBTFUL and not self.was_answered):
            self._stopped = str(endpoint_error(fault, model=self._model, endpoint=fault.endpoint or self._endpoint))
            self.check()
