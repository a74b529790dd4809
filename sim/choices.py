"""Nearest names, for messages about a name that does not exist."""

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(given: str, known: Iterable[str]) -> str:
    """What is near to `given`, as a hint in brackets behind a space; nothing when nothing is near."""
    close = difflib.get_close_matches(given, list(known), n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
