"""What came of growing people: hop by hop, and in all."""

from dataclasses import dataclass

from .queryable import Queryable, Rows

__all__ = ["Grown", "hops_of", "read_grown"]

_HOPS = """
SELECT hop, sum(asked)::BIGINT AS asked, sum(failed)::BIGINT AS failed, sum(born)::BIGINT AS born,
       sum(duplicates)::BIGINT AS duplicates, sum(repeats)::BIGINT AS repeats, sum(dropped)::BIGINT AS dropped,
       sum(relations)::BIGINT AS relations,
       round(sum(born) / nullif(sum(born) + sum(duplicates) + sum(repeats), 0), 3)::DOUBLE AS novelty
FROM growth_chunks GROUP BY hop ORDER BY hop
"""

_IN_ALL = """
SELECT status, reason, model, is_language_model, event_hash,
       (SELECT count(*) FROM personas)
       - (SELECT count(DISTINCT persona) FROM duplicates WHERE kind = 'persona' AND NOT undone),
       (SELECT count(*) FROM relations), (SELECT count(*) FROM passages),
       (SELECT count(*) FROM failures WHERE phase = 'growth'),
       (SELECT coalesce(max(hop), 0) FROM growth),
       (SELECT count(*) FROM calls WHERE source IN ('endpoint', 'batch')),
       (SELECT sum(cost) FROM calls),
       (SELECT coalesce(sum(epoch(ended_at - started_at)), 0.0) FROM growth_chunks),
       (growth_settings ->> 'until_novelty')::DOUBLE,
       (SELECT latest FROM growth_chunks ORDER BY hop DESC, chunk DESC LIMIT 1),
       (SELECT max(hop) FROM growth_chunks WHERE asked > 0)
FROM runs
"""


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
            *cost,
            ("time", f"{self.seconds:,.1f} s"),
            ("event hash", self.event_hash or "none yet"),
        ]


def hops_of(run: Queryable) -> Rows:
    """A row a hop: asked, failed, born, near-duplicates, repeats, dropped, relations, and the share that was new."""
    return run.query(_HOPS)


def read_grown(run: Queryable) -> Grown:
    """What came of growth in all."""
    return Grown(*run.query(_IN_ALL).rows[0])
