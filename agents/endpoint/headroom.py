"""What an endpoint's answers say of how much more it will take: the rate-limit headers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Headroom", "headroom"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPANS = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")


@dataclass(frozen=True, slots=True)
class Headroom:
    """What is left of a rate limit, and the seconds until there is more of it."""

    #: True when not one more request, or no token, is left.
    is_spent: bool
    wait: float


def headroom(headers: Mapping[str, str]) -> Headroom | None:
    """What the `x-ratelimit-remaining-*` and `x-ratelimit-reset-*` headers say; None where there are none."""
    waits = [
        _seconds(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if _is_zero(headers.get(f"x-ratelimit-remaining-{kind}"))
    ]
    if waits:
        return Headroom(is_spent=True, wait=max(waits))
    known = any(f"x-ratelimit-remaining-{kind}" in headers for kind in ("requests", "tokens"))
    return Headroom(is_spent=False, wait=0.0) if known else None


def _is_zero(number: str | None) -> bool:
    try:
        return number is not None and float(number) <= 0
    except ValueError:
        return False


def _seconds(span: str) -> float:
    """Seconds in `1s`, `6m0s`, `120ms` or `7.5`; 0 for what cannot be read."""
    spans = _SPANS.findall(span)
    if spans:
        return sum(float(number) * _UNITS[unit] for number, unit in spans)
    try:
        return max(0.0, float(span))
    except ValueError:
        return 0.0
