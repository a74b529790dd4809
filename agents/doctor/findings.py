"""What a check of an endpoint found, and how answers are read for it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ...personas.model import Outcome
from .probe import Reply, Trial

__all__ = ["Examination", "Finding", "Health", "formed", "seeded", "some", "spoken", "together"]

#: Model names of an endpoint that are shown.
_SHOWN = 8

#: The share of the calls made at once from which on it counts as all of them.
_ALL = 0.7


class Health(StrEnum):
    """What a check found."""

    OK = "ok"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, in a sentence or two."""

    check: str
    health: Health
    said: str


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was found out about one endpoint."""

    findings: tuple[Finding, ...]
    #: What a run does where the endpoint cannot do all, one sentence each.
    fallbacks: tuple[str, ...]
    #: Whether a run could work.
    works: bool
    #: Requests that were sent for it, and the tokens that the endpoint counted.
    calls: int
    tokens: int


def some(names: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    if not names:
        return "no models"
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def spoken(reply: Reply, *, most: int) -> tuple[Health, str]:
    """What the first plain answer shows; `most` is how many tokens it could have."""
    response = reply.response
    if response is not None and response.raw.strip():
        return Health.OK, f"The model says {' '.join(response.raw.split())[:60]!r}."
    reasoned = f", {response.reasoning_tokens} of them reasoning" if response and response.reasoning_tokens else ""
    said = f"The model was given {most} tokens{reasoned}, and said nothing"
    return Health.UNKNOWN, f"{said}: a run may have to allow longer answers (--set answer_tokens=N)."


def formed(tried: Trial) -> tuple[Health, str]:
    """What asking for a form shows."""
    if not tried.is_taken:
        return Health.NO, tried.why
    if tried.outcome is Outcome.OK:
        return Health.OK, "It is taken, and the answer fits."
    return Health.UNKNOWN if tried.is_doubtful else Health.NO, f"It is taken, but: {tried.why}"


def seeded(first: Reply, again: Reply, other: Reply) -> tuple[Health, str]:
    """What two answers to one seed and one to another show."""
    texts = [reply.response.raw for reply in (first, again, other) if reply.response is not None]
    if len(texts) < 3:
        return Health.UNKNOWN, f"It is taken, but not every call was answered: {again.why or other.why}"
    if texts[0] != texts[1]:
        return Health.NO, "It is taken, but the same seed gave two answers: a run repeats itself from its file only."
    if texts[0] == texts[2]:
        return Health.UNKNOWN, "It is taken, but two seeds gave one answer: another one may not come by asking again."
    return Health.OK, "The same seed gives the same answer, and another one another."


def together(replies: Sequence[Reply], one: float) -> tuple[Health, str]:
    """What several calls at once show, where one alone takes `one` second or so."""
    refused = [reply for reply in replies if reply.fault is not None]
    if refused:
        said = f"Of {len(replies)} calls at once {len(refused)} failed: {refused[0].why}"
        return Health.NO, f"{said} A run finds out how many it takes."
    median = statistics.median(reply.seconds for reply in replies)
    took = f"Of {len(replies)} calls at once, one takes {median:.2f} s"
    # Where k of n are worked on at a time, the median is that of 1, 1, ..., 2, 2, ..., n / k times as long.
    at_once = len(replies) / max(1.0, 2 * median / max(one, 1e-9) - 1)
    if at_once >= _ALL * len(replies):
        return Health.OK, f"{took}: it works on so many at least, and --max-in-flight may be more."
    return Health.OK, f"{took}: it works on about {max(1, round(at_once))} at a time."
