"""A profile told in one line, for a prompt that another person's life must fit."""

from collections.abc import Mapping
from typing import Any

__all__ = ["estimated_tokens", "told_facts"]

_EDUCATION = (
    "early childhood education",
    "primary school",
    "lower secondary school",
    "upper secondary school",
    "training after school",
    "short-cycle tertiary education",
    "bachelor's degree",
    "master's degree",
    "doctorate",
)
_TOLD = {
    "age_band": "aged {}",
    "occupation": "{}",
    "education": "education: {}",
    "household": "household: {}",
    "region": "lives in {}",
    "languages": "speaks {}",
    "interests": "likes {}",
    "values": "holds to {}",
    "favourite_colour": "favourite colour {}",
    "favourite_number": "favourite number {}",
    "family_background": "family: {}",
    "life_events": "events: {}",
}


def told_facts(values: Mapping[str, Any], *, most: int | None = None) -> str:
    """What is known by attribute, as one line; with `most`, the first so many facts. Empty when nothing is known."""
    facts = [
        form.format(_said(name, values[name])) for name, form in _TOLD.items() if values.get(name) not in (None, [])
    ]
    return "; ".join(facts[:most])


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has: one for four bytes of UTF-8, without any model's vocabulary."""
    return -(-len(text.encode()) // 4)


def _said(name: str, value: Any) -> str:
    if name == "education":
        return _EDUCATION[value]
    return ", ".join(value) if isinstance(value, list) else str(value)
