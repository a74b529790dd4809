"""Strings by pattern, by format or by meaning, within their lengths."""

import random
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from .fault import UnsatisfiableSchemaError
from .hints import Hints
from .pattern import matches, string_like

__all__ = ["fill_string", "string_fits"]

_TRIES = 100
_WORDS = ("harbour", "lantern", "orchard", "bridge", "mill", "market", "river", "chapel")


def string_fits(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether a string satisfies the lengths and patterns of `schema`."""
    return (
        schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        and ("pattern" not in schema or matches(schema["pattern"], text))
        and all(matches(p, text) for p in schema.get("x-patterns", ()))
    )


def fill_string(rng: random.Random, schema: Mapping[str, Any], hints: Hints, name: str, path: str) -> str:
    """A string valid under `schema` that says something where it may. Raises `UnsatisfiableSchemaError`."""
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    if longest is not None and shortest > longest:
        raise UnsatisfiableSchemaError(path, f"minLength {shortest} is more than maxLength {longest}")
    if "pattern" in schema:
        return _by_pattern(rng, schema, shortest, longest, path)
    made = _FORMATS.get(schema.get("format", ""))
    if made is not None:
        text = made(rng)
        if not string_fits(text, schema):
            raise UnsatisfiableSchemaError(
                path, f"a {schema['format']} such as {text!r} does not fit the lengths asked for"
            )
        return text
    said = hints.for_text(name, schema.get("description", ""), shortest, longest)
    return _fitted(rng, said, shortest, longest)


def _by_pattern(rng: random.Random, schema: Mapping[str, Any], shortest: int, longest: int | None, path: str) -> str:
    pattern = schema["pattern"]
    try:
        # Where several patterns must be found, each of them is drawn from in turn.
        patterns = [pattern, *schema.get("x-patterns", ())]
        for attempt in range(1 if len(patterns) == 1 else _TRIES):
            text = string_like(rng, patterns[attempt % len(patterns)], shortest, longest)
            if text is not None and string_fits(text, schema):
                return text
    except re.error as error:
        raise UnsatisfiableSchemaError(
            path, f"its pattern {pattern!r} is not a regular expression ({error})"
        ) from error
    raise UnsatisfiableSchemaError(path, f"no string of the lengths asked for was found to match {pattern!r}")


def _fitted(rng: random.Random, text: str, shortest: int, longest: int | None) -> str:
    if longest is not None and len(text) > longest:
        whole = text[: longest + 1].rpartition(" ")[0].rstrip(" ,;:")
        text = whole if whole and len(whole) >= shortest else text[:longest]
    while len(text) < shortest:
        text = f"{text} {rng.choice(_WORDS)}" if text else rng.choice(_WORDS)
        if longest is not None:
            text = text[:longest]
    if longest is not None and text != text.strip():
        text = text.strip().ljust(shortest, "s")
    return text


def _date(rng: random.Random) -> str:
    return f"{rng.randint(2019, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _time(rng: random.Random) -> str:
    return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00Z"


def _host(rng: random.Random) -> str:
    return f"{rng.choice(_WORDS)}.example"


_FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda rng: f"{_date(rng)}T{_time(rng)}",
    "duration": lambda rng: f"P{rng.randint(1, 30)}D",
    "email": lambda rng: f"{rng.choice(_WORDS)}{rng.randint(1, 99)}@{_host(rng)}",
    "idn-email": lambda rng: f"{rng.choice(_WORDS)}{rng.randint(1, 99)}@{_host(rng)}",
    "hostname": _host,
    "idn-hostname": _host,
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 0xFFFF):x}",
    "uri": lambda rng: f"https://{_host(rng)}/{rng.choice(_WORDS)}",
    "iri": lambda rng: f"https://{_host(rng)}/{rng.choice(_WORDS)}",
    "uri-reference": lambda rng: f"/{rng.choice(_WORDS)}/{rng.randint(1, 99)}",
    "iri-reference": lambda rng: f"/{rng.choice(_WORDS)}/{rng.randint(1, 99)}",
    "uri-template": lambda rng: f"https://{_host(rng)}/{{{rng.choice(_WORDS)}}}",
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "json-pointer": lambda rng: f"/{rng.choice(_WORDS)}/0",
    "relative-json-pointer": lambda rng: f"1/{rng.choice(_WORDS)}",
    "regex": lambda rng: f"^{rng.choice(_WORDS)}s?$",
}
