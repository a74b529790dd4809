"""What the run cost and what it lost: calls by purpose, hops of growth, failures by reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..queryable import Queryable
from ..wording import clip
from .limits import FAILURE_REASONS, TEXT

__all__ = ["FailureReason", "Hop", "Purpose", "read_failures", "read_hops", "read_purposes"]

_PURPOSES = """
WITH all_calls AS (
    SELECT *, source IN ('endpoint', 'batch') AS is_sent, epoch(ended_at - started_at) AS seconds FROM calls
)
SELECT purpose, count(*), count(*) FILTER (NOT is_sent), count(*) FILTER (outcome = 'ok'),
       sum(input_tokens) FILTER (is_sent), sum(output_tokens) FILTER (is_sent), sum(cost),
       median(seconds) FILTER (is_sent), quantile_cont(seconds, 0.95) FILTER (is_sent)
FROM all_calls GROUP BY purpose ORDER BY count(*) DESC, purpose
"""

_OTHERWISE = """
SELECT purpose, outcome, sum(calls)::BIGINT AS calls
FROM cost WHERE outcome <> 'ok' GROUP BY purpose, outcome ORDER BY calls DESC, outcome
"""

_FAILURES = """
SELECT phase, purpose, outcome, reason, failures, attempts, sum(failures) OVER ()::BIGINT, count(*) OVER ()
FROM failure_reasons ORDER BY failures DESC, phase, purpose, outcome, reason LIMIT ?
"""

_HOPS = "SELECT hop, asked, failed, born, duplicates, relations FROM growth ORDER BY hop"


@dataclass(frozen=True, slots=True)
class Purpose:
    """The calls made for one purpose; times in seconds, None where none was sent, tokens where none were counted."""

    name: str
    calls: int
    #: Of the calls, those whose answers were paid for elsewhere.
    recalled: int
    ok: int
    #: Outcomes other than ok, with their number.
    otherwise: Sequence[tuple[str, int]]
    input_tokens: int | None
    output_tokens: int | None
    #: US dollars; None where the price is not known.
    dollars: float | None
    median_latency: float | None
    slow_latency: float | None


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Lost turns or growth requests that share a reason."""

    phase: str
    purpose: str
    outcome: str
    reason: str
    count: int
    attempts: int
    #: How many there are in all, beyond those that are listed.
    all_failures: int
    all_reasons: int


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of growth."""

    hop: int
    asked: int
    failed: int
    born: int
    duplicates: int
    relations: int


def read_purposes(run: Queryable) -> list[Purpose]:
    """Calls by purpose, most calls first."""
    otherwise: dict[str, list[tuple[str, int]]] = {}
    for purpose, outcome, count in run.query(_OTHERWISE).rows:
        otherwise.setdefault(purpose, []).append((outcome, count))
    return [
        Purpose(name, calls, recalled, ok, otherwise.get(name, ()), *rest)
        for name, calls, recalled, ok, *rest in run.query(_PURPOSES).rows
    ]


def read_failures(run: Queryable) -> list[FailureReason]:
    """The commonest reasons why turns and growth requests were lost."""
    rows = run.query(_FAILURES, [FAILURE_REASONS]).rows
    return [
        FailureReason(phase, purpose, outcome, clip(reason, TEXT), *counts)
        for phase, purpose, outcome, reason, *counts in rows
    ]


def read_hops(run: Queryable) -> list[Hop]:
    """The completed hops of growth, in order."""
    return [Hop(*row) for row in run.query(_HOPS).rows]
