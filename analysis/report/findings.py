"""What a run shows, in a few sentences: what was measured, chosen and emitted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from ..queryable import Queryable
from ..questions import Field, read_fields
from ..summary import Summary
from ..wording import clip
from .limits import FINDINGS

__all__ = ["Finding", "read_findings"]

_MEASURES = """
SELECT name, arg_min(value, step), arg_max(value, step), min(step), max(step)
FROM measures WHERE isfinite(value) GROUP BY name ORDER BY min(value) = max(value), name
"""
_CHOICES = """
SELECT value, count(*) FROM (SELECT payload ->> ? AS value FROM emissions WHERE kind = ?)
WHERE value IS NOT NULL GROUP BY value ORDER BY count(*) DESC, value
"""
_NUMBERS = """
WITH said AS (SELECT step, TRY_CAST(payload ->> ? AS DOUBLE) AS value FROM emissions WHERE kind = ?),
means AS (SELECT step, avg(value) AS mean FROM said WHERE isfinite(value) GROUP BY step)
SELECT arg_min(mean, step), arg_max(mean, step), min(step), max(step) FROM means HAVING count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the run shows: of what, and a sentence without its subject."""

    subject: str
    said: str


def read_findings(run: Queryable, summary: Summary) -> Sequence[Finding]:
    """The first few: what the scenario measures, then fields of its actions, then what was emitted in all."""
    measures, fields = list(_measures(run)), list(_fields(run))
    # Where there is more of both than has room, both are there.
    room = FINDINGS - 1
    shown = max(room - len(fields), (room + 1) // 2)
    return [*measures[:shown], *fields[: room - len(measures[:shown])], *_emitted(summary)]


def _fields(run: Queryable) -> Iterator[Finding]:
    for field in read_fields(run):
        said = _number(run, field) if field.is_number else _choice(run, field)
        if said:
            yield _finding(field.title, said)


def _choice(run: Queryable, field: Field) -> str:
    counts = run.query(_CHOICES, [field.name, field.kind]).rows
    whole = sum(count for _, count in counts)
    shares = ", ".join(f"{clip(value, 24)} {count / whole:.0%}" for value, count in counts[:4])
    return f"{shares}{', \u2026' if len(counts) > 4 else ''} (of {whole:,})" if counts else ""


def _number(run: Queryable, field: Field) -> str:
    for first, last, begun, ended in run.query(_NUMBERS, [field.name, field.kind]).rows:
        return _change(first, last, begun, ended, "on average ")
    return ""


def _measures(run: Queryable) -> Iterator[Finding]:
    for name, first, last, begun, ended in run.query(_MEASURES).rows:
        if isfinite(first) and isfinite(last):
            yield _finding(name.replace("_", " "), _change(first, last, begun, ended, ""))


def _change(first: float, last: float, begun: int, ended: int, how: str) -> str:
    if begun == ended:
        return f"{how}{first:.3g} in step {begun}"
    return f"{how}{first:.3g} in step {begun}, {last:.3g} in step {ended}"


def _emitted(summary: Summary) -> Iterator[Finding]:
    if summary.emissions:
        kinds = ", ".join(f"{n:,} {clip(kind, 24)}" for kind, n in list(summary.emissions.items())[:4])
        more = f", {len(summary.emissions) - 4} other kinds" if len(summary.emissions) > 4 else ""
        yield _finding("emissions", f"{kinds}{more}, in {_n(summary.steps, 'step')}")


def _finding(subject: str, said: str) -> Finding:
    # The notice on who wrote it all stands below, and is to be on the first screen of a telephone too.
    return Finding(clip(subject, 40), clip(said, 110))


def _n(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
