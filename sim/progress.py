"""How a run tells what it is doing, to whoever shows it."""

from typing import Protocol

from ..agents.gateway.gateway import Gateway

__all__ = ["Progress", "SilentProgress"]


class Progress(Protocol):
    """Somebody who shows progress; called from the run's own thread, so every method must be quick."""

    def opened(self, gateway: Gateway) -> None:
        """The run stands: from now on calls go through `gateway`, whose meter may be read at any time."""
        ...

    def began(self, title: str, total: int) -> None:
        """A phase of `total` pieces begins; the one before it has ended."""
        ...

    def advanced(self) -> None:
        """One more piece is done."""
        ...

    def ended(self) -> None:
        """There is nothing more to show."""
        ...


class SilentProgress:
    """Shows nothing."""

    def opened(self, gateway: Gateway) -> None:
        """Nothing."""

    def began(self, title: str, total: int) -> None:
        """Nothing."""

    def advanced(self) -> None:
        """Nothing."""

    def ended(self) -> None:
        """Nothing."""
