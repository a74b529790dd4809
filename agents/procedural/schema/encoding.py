"""JSON of any value, also of numbers and texts that the fast encoder refuses."""

import json
from typing import Any

import orjson

__all__ = ["to_json"]


def to_json(value: Any, *, sort_keys: bool = False) -> str:
    """The value as JSON; what JSON has no form for is written as its text."""
    options = orjson.OPT_NON_STR_KEYS | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    try:
        return orjson.dumps(value, default=str, option=options).decode()
    except TypeError:  # integers beyond 64 bits, and halves of surrogate pairs
        return json.dumps(value, default=str, sort_keys=sort_keys)
