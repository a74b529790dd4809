"""Values for cells and nodes, which hold numbers and texts alone; and a description as a label."""

from datetime import datetime
from typing import Any

from .exact_json import json_text

__all__ = ["flat", "short"]

_LONGEST = 40


def flat(value: Any) -> str | int | float | bool:
    """The value itself, or the text that it becomes: lists are joined by semicolons, objects are written as JSON."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return "; ".join(one if isinstance(one, str) else json_text(one) for one in value)
    return json_text(value)


def short(text: str) -> str:
    """The first words of a text, as many as stand beside a node."""
    line = " ".join(text.split())
    if len(line) <= _LONGEST:
        return line
    words = line[:_LONGEST].rpartition(" ")[0]
    # In a script without spaces a word has no end.
    return f"{words if len(words) > _LONGEST // 2 else line[: _LONGEST - 1]}\u2026"
