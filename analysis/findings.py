"""What a run shows, in a few lines: what its scenario measures, and the fields of its actions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from .page import clip
from .questions import RecordedField, read_fields
from .table import Queryable

#: Sentences on what a run shows, above the notice on who wrote it.
FINDINGS = 4

_MEASURES = """
SELECT name, arg_min(value, step), arg_max(value, step), min(step), max(step)
FROM measures WHERE isfinite(value) GROUP BY name ORDER BY min(value) = max(value), name
"""
_CHOICES = """
SELECT value, count(*), sum(weight) FROM (
    SELECT e.payload ->> ? AS value, coalesce(weight, 1) AS weight
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = ?
) WHERE value IS NOT NULL GROUP BY value ORDER BY sum(weight) DESC, value
"""
_NUMBERS = """
WITH said AS (
    SELECT step, TRY_CAST(e.payload ->> ? AS DOUBLE) AS value, coalesce(weight, 1) AS weight
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = ?
), means AS (SELECT step, sum(value * weight) / sum(weight) AS mean FROM said WHERE isfinite(value) GROUP BY step)
SELECT arg_min(mean, step), arg_max(mean, step), min(step), max(step) FROM means HAVING count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class Headline:
    """One thing that the run shows: of what, and a sentence without its subject."""

    subject: str
    said: str


def read_findings(run: Queryable) -> Sequence[Headline]:
    """Return the first few: what the scenario measures, then fields of its actions."""
    measures, fields = list(_measures(run)), list(_fields(run))
    # Where there is more of both than has room, both are there.
    shown = max(FINDINGS - len(fields), (FINDINGS + 1) // 2)
    return [*measures[:shown], *fields[: FINDINGS - len(measures[:shown])]]


def _fields(run: Queryable) -> Iterator[Headline]:
    by_weight = ", by weight" if has_weights(run) else ""
    for field in read_fields(run):
        said = _number(run, field, by_weight) if field.is_number else _choice(run, field, by_weight)
        if said:
            yield _finding(field.title, said)


def _choice(run: Queryable, field: RecordedField, by_weight: str) -> str:
    counts = run.query(_CHOICES, [field.name, field.kind]).rows
    number, whole = sum(count for _, count, _ in counts), sum(weight for *_, weight in counts)
    shares = ", ".join(f"{clip(value, 24)} {weight / whole:.0%}" for value, _, weight in counts[:4])
    return f"{shares}{', \u2026' if len(counts) > 4 else ''} (of {number:,}{by_weight})" if counts else ""


def _number(run: Queryable, field: RecordedField, by_weight: str) -> str:
    for first, last, begun, ended in run.query(_NUMBERS, [field.name, field.kind]).rows:
        return f"{_change(first, last, begun, ended, 'on average ')}{by_weight}"
    return ""


def _measures(run: Queryable) -> Iterator[Headline]:
    for name, first, last, begun, ended in run.query(_MEASURES).rows:
        if isfinite(first) and isfinite(last):
            yield _finding(name.replace("_", " "), _change(first, last, begun, ended, ""))


def _change(first: float, last: float, begun: int, ended: int, how: str) -> str:
    if begun == ended:
        return f"{how}{first:.3g} in step {begun}"
    return f"{how}{first:.3g} in step {begun}, {last:.3g} in step {ended}"


def _finding(subject: str, said: str) -> Headline:
    # The notice on who wrote it is below, and should be on the first screen of a telephone too.
    return Headline(clip(subject, 40), clip(said, 110))


def has_weights(run: Queryable) -> bool:
    """Whether agents stand for different numbers of people, by a selection that was to meet targets."""
    return bool(run.query("SELECT 1 FROM agents WHERE weight <> 1 LIMIT 1").rows)
