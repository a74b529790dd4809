"""What came of growing people: hop by hop, and in all."""

from dataclasses import dataclass
from itertools import islice, zip_longest

from ..personas.hub.standing import AWAY, STANDING
from .queryable import Queryable, Rows

__all__ = ["Grown", "distances_of", "hops_of", "read_grown", "skipped_of"]

_HOPS = """
SELECT hop AS "asked in hop", sum(asked)::BIGINT AS asked, sum(failed)::BIGINT AS failed, sum(born)::BIGINT AS born,
       sum(duplicates)::BIGINT AS duplicates, sum(repeats)::BIGINT AS repeats,
       sum(dropped)::BIGINT AS "turned away", sum(relations)::BIGINT AS relations,
       round(sum(born) / nullif(sum(born) + sum(duplicates) + sum(repeats) + sum(dropped), 0), 3)::DOUBLE AS novelty
FROM growth_chunks GROUP BY hop ORDER BY hop
"""

_IN_ALL = f"""
WITH away AS ({AWAY})
SELECT status, reason, model, is_language_model, event_hash,
       (SELECT count(*) FROM personas WHERE {STANDING}),
       (SELECT count(*) FROM relations AS r ANTI JOIN away AS a ON a.persona = r.source
        ANTI JOIN away AS b ON b.persona = r.target),
       (SELECT count(*) FROM passages),
       (SELECT count(*) FROM failures WHERE phase = 'growth'),
       (SELECT coalesce(max(hop), 0) FROM growth),
       (SELECT count(*) FROM calls WHERE source IN ('endpoint', 'batch')),
       (SELECT sum(cost) FROM calls),
       (SELECT coalesce(sum(epoch(ended_at - started_at)), 0.0) FROM growth_chunks),
       (growth_settings ->> 'until_novelty')::DOUBLE,
       (SELECT latest FROM growth_chunks ORDER BY extension DESC, hop DESC, chunk DESC LIMIT 1),
       (SELECT max(hop) FROM growth_chunks
        WHERE asked > 0 AND extension = (SELECT max(extension) FROM growth_chunks)),
       (SELECT count(*) FROM growth_extensions), (SELECT coalesce(sum(unwanted), 0)::BIGINT FROM growth_chunks)
FROM runs
"""  # noqa: S608 - our own words

_SKIPPED = """
SELECT kind, sum(number)::BIGINT, flatten(list(examples ORDER BY chunk))
FROM skipped_sources GROUP BY kind ORDER BY sum(number) DESC, kind
"""

#: People by relations between them and a text, where that is not the hop in which somebody was asked about.
_BORN_AT = f"""
SELECT hop, count(*) FROM personas WHERE {STANDING} GROUP BY hop ORDER BY hop
"""  # noqa: S608 - our own words

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Grown:
    """What growth came to."""

    status: str
    #: Why it failed or was paused.
    reason: str | None
    model: str
    is_language_model: bool
    event_hash: str | None
    #: Those who are nobody's near-duplicate.
    people: int
    relations: int
    passages: int
    #: Questions that were not answered.
    failed: int
    hops: int
    calls: int
    #: US dollars; None where the prices are not known.
    dollars: float | None
    seconds: float
    until_novelty: float | None
    #: The latest 500 newcomers, as in `growth_chunks`.
    latest: str | None
    last_asked: int | None
    #: How often finished growth was asked for more.
    extensions: int = 0
    #: Relations of other kinds than were wanted.
    unwanted: int = 0

    @property
    def ending(self) -> str:
        """One sentence when growth ended because too few newcomers were somebody new; else nothing."""
        if self.until_novelty is None or not self.latest or len(self.latest) < 500:
            return ""
        share = self.latest.count("1") / len(self.latest)
        if share >= self.until_novelty:
            return ""
        return (
            f"Growth ended in hop {self.last_asked}: {share:.0%} of the latest 500 newcomers were somebody new, "
            f"less than {self.until_novelty:.0%}."
        )

    def as_rows(self) -> list[tuple[str, str]]:
        """Label and value of each line."""
        written = self.model if self.is_language_model else f"{self.model} (a stand-in, no language model)"
        cost = [] if self.dollars is None or not self.is_language_model else [("cost", f"{self.dollars:,.4f} dollars")]
        return [
            ("people", f"{self.people:,}, with {self.relations:,} relations"),
            ("from", f"{self.passages:,} passages" if self.passages else "people who were there before"),
            ("model", written),
            ("status", self.status if self.reason is None else f"{self.status}: {self.reason}"),
            ("calls", f"{self.calls:,}, {self.failed:,} questions without an answer"),
            *([("left out", f"{self.unwanted:,} relations of other kinds than were wanted")] if self.unwanted else []),
            *([("extended", f"{self.extensions} times" if self.extensions > 1 else "once")] if self.extensions else []),
            *cost,
            ("time", f"{self.seconds:,.1f} s"),
            ("event hash", self.event_hash or "none yet"),
        ]


def hops_of(run: Queryable) -> Rows:
    """A row a hop: asked, failed, born, near-duplicates, repeats, turned away, relations, and the share of the new."""
    return run.query(_HOPS)


def distances_of(run: Queryable) -> str:
    """A sentence on how far people are from a text, where that is not the hop in which somebody was asked about."""
    born = dict(run.query("SELECT hop, sum(born)::BIGINT FROM growth_chunks GROUP BY hop HAVING sum(born) > 0").rows)
    people = dict(run.query(_BORN_AT).rows)
    if born == people:
        return ""
    counts = ", ".join(f"{number:,} with {hop}" for hop, number in people.items())
    return f"By relations between them and a text: {counts}. A later hop may ask about people of any earlier one."


def skipped_of(run: Queryable) -> list[str]:
    """What the sources passed over: how many and why, then up to three examples, of different kinds first."""
    found = run.query(_SKIPPED).rows
    if not found:
        return []
    by_turns = (example for turn in zip_longest(*(examples for *_, examples in found)) for example in turn if example)
    kinds = ", ".join(f"{number:,} {kind}" for kind, number, _ in found)
    examples = [f"  {example}" for example in islice(by_turns, _EXAMPLES)]
    return [f"{sum(number for _, number, _ in found):,} skipped: {kinds}. Examples:", *examples]


def read_grown(run: Queryable) -> Grown:
    """What came of growth in all."""
    return Grown(*run.query(_IN_ALL).rows[0])
