"""The hash of a run's event log: equal for equal seed, settings and answers, interrupted or not."""

import hashlib
from collections.abc import Iterable

import orjson

__all__ = ["EventHash"]

_ROOT = hashlib.sha256(b"populace event log").hexdigest()


class EventHash:
    """A chain over events: each link is the SHA-256 of the link before and the event as canonical JSON."""

    def __init__(self, hex: str | None = None) -> None:  # noqa: A002 - the same word as the property
        """Goes on from a hash that was given before, or from the root that all runs share."""
        self._link = bytes.fromhex(hex or _ROOT)

    @property
    def hex(self) -> str:
        """The hash of everything so far: 64 hexadecimal digits."""
        return self._link.hex()

    def extend(self, events: Iterable[object]) -> str:
        """The hash after these events too. They must be JSON-able: raises `TypeError` for what is not."""
        link = self._link
        for event in events:
            link = hashlib.sha256(link + orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).digest()
        self._link = link
        return self.hex
