"""JSON whose integers stay exact beyond 64 bits, and which has words for what JSON has no numbers for."""

import json
import math
import re
from typing import Any

import orjson

__all__ = ["finite", "json_text", "parse_json"]

#: orjson reads an integer of more than 64 bits as a float; it has 19 digits at least.
_LONG = re.compile(rb"[0-9]{19}")
_WORDS = {"NaN": None, "Infinity": "Infinity", "-Infinity": "-Infinity"}


def parse_json(data: bytes | str) -> Any:
    """The value that JSON text holds, integers exact; NaN is None, and infinities are the words for them.

    Raises `ValueError` for what is no JSON.
    """
    encoded = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if _LONG.search(encoded) is None:
        try:
            return orjson.loads(encoded)
        except orjson.JSONDecodeError:
            pass  # Python writes NaN and Infinity, which orjson refuses
    return json.loads(data, parse_constant=_WORDS.__getitem__)


def json_text(value: Any) -> str:
    """The value as JSON text; what JSON has no type for is the text that it shows itself as.

    Raises `TypeError`, `ValueError` or `RecursionError` for what JSON cannot hold, such as half a character.
    """
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # an integer of more than 64 bits, or something that JSON cannot hold
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str)
        text.encode()
        return text


def finite(value: Any) -> Any:
    """The value with None for NaN and the words for infinities, however deep they are in it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _WORDS[json.dumps(value)]
    if isinstance(value, list):
        return [finite(item) for item in value]
    return {name: finite(item) for name, item in value.items()} if isinstance(value, dict) else value
