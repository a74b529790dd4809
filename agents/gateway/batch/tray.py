"""Where requests are collected until none has come for a moment."""

import asyncio
from collections.abc import Callable

from .parcel import Parcel

__all__ = ["Tray"]


class Tray:
    """Parcels that wait to be in a batch."""

    def __init__(self, send: Callable[[list[Parcel]], None], *, quiet: float, most: int) -> None:
        """`send` gets all that lie here when none has come for `quiet` seconds, or when there are `most`."""
        self.parcels: list[Parcel] = []
        self._send = send
        self._quiet = quiet
        self._most = most
        self._timer: asyncio.TimerHandle | None = None
        self._came = 0.0

    def add(self, parcel: Parcel) -> None:
        """Lay a parcel down."""
        self.parcels.append(parcel)
        loop = asyncio.get_running_loop()
        self._came = loop.time()
        if len(self.parcels) >= self._most:
            self.flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._quiet, self._ring)

    def flush(self) -> None:
        """Send what there is."""
        parcels = self.clear()
        if parcels:
            self._send(parcels)

    def clear(self) -> list[Parcel]:
        """Take everything away, unsent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        parcels, self.parcels = self.parcels, []
        return parcels

    def _ring(self) -> None:
        # One timer that looks when the last one came, and not one more for each of 50,000.
        loop = asyncio.get_running_loop()
        self._timer = None
        left = self._came + self._quiet - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._ring)
        else:
            self.flush()
