"""Lives that are lived to be counted: a society in a file that is gone afterwards, and the calls it made."""

import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...personas.errors import PausedError
from ...personas.hub.queries import TURNED_AWAY
from ..collector import rare_collections
from ..runfile.reader import open_run
from ..scenario import Scenario
from ..society import Society
from .scale import Scale

__all__ = ["Answered", "Life", "live"]

_ANSWERED = """
SELECT phase, number, owner, purpose, request_hash, input_tokens, output_tokens, reasoning_tokens, cached_tokens,
       epoch(ended_at) - epoch(started_at), source IN ('endpoint', 'batch')
FROM calls WHERE raw IS NOT NULL ORDER BY rowid
"""
_SENT = """
SELECT count(*), count(raw) - count(cost), coalesce(sum(cost), 0.0) FROM calls WHERE source IN ('endpoint', 'batch')
"""
#: Whom rules have turned away are rows, and nobody asks about them.
_TAKEN_IN = f"(FROM personas WHERE id NOT IN ({TURNED_AWAY}))"
#: Where people are only grown, nobody of them is an agent.
_PEOPLE = f"""
SELECT coalesce(nullif((SELECT count(*) FROM agents), 0), (SELECT count(*) FROM {_TAKEN_IN})),
       (SELECT coalesce(max(step), 0) FROM steps)
"""  # noqa: S608 - our own words
_FOUND = f"SELECT (SELECT count(*) FROM relations), (SELECT count(*) FROM {_TAKEN_IN} WHERE hop > 0)"  # noqa: S608 - ours
_SEEN = "SELECT step, avg(strlen(text)) FROM observations GROUP BY step"


@dataclass(frozen=True, slots=True)
class Answered:
    """One call that was answered; the counts are bytes where the stand-in did, tokens where a model did."""

    phase: str
    number: int
    owner: str
    purpose: str
    request_hash: str
    input: int | None
    output: int | None
    reasoning: int | None
    cached: int | None
    seconds: float
    was_sent: bool

    @property
    def request(self) -> tuple[str, int, str, str]:
        """What is the same for all answers to one request, those that were asked for again among them."""
        return self.phase, self.number, self.owner, self.purpose


@dataclass(frozen=True, slots=True)
class Life:
    """What a life came to."""

    answered: tuple[Answered, ...]
    #: Calls that were sent, answered or not, and their dollars; None where some have no known price.
    sent: int
    cost: float | None
    people: int
    steps: int
    #: New people to each relation that was found.
    newcomers: float | None
    #: Mean bytes of an observation, by step.
    seen: Mapping[int, float]
    #: Seconds it took; with the stand-in, all of them are our own work.
    seconds: float

    def of(self, purpose: str) -> tuple[Answered, ...]:
        """The answers to requests of that purpose."""
        return tuple(a for a in self.answered if a.purpose == purpose)

    def requests(self, purpose: str) -> int:
        """How many requests of that purpose there were, each counted once however often it was asked again."""
        return len({a.request for a in self.of(purpose)})

    def grown_as(self, other: "Life") -> "Life":
        """The steps of this life after the growth of another."""
        kept = tuple(a for a in self.answered if a.phase == "step")
        return replace(self, answered=other.answered + kept, newcomers=other.newcomers)

    @property
    def purposes(self) -> tuple[str, ...]:
        """The purposes of calls, in the order in which they came up."""
        return tuple(dict.fromkeys(a.purpose for a in self.answered))


def live(scenario: Scenario, *, scale: Scale, steps: int, **options: Any) -> Life:
    """Live so many steps (0: grow the people only) and count; a spent budget ends the life and is no error.

    `options` are those of `Society`. Nothing of the life is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
        path, begun = Path(folder) / "life.duckdb", time.perf_counter()
        again = type(scenario)(scenario.settings)
        society = Society(
            again, growth=scale.growth, source=scale.source, seed=scale.seed, out=path, steps=max(1, steps), **options
        )
        with suppress(PausedError), society, rare_collections():
            society.run_for(steps)
        return _counted(path, time.perf_counter() - begun)


def _counted(path: Path, seconds: float) -> Life:
    with open_run(path) as run:
        ((sent, unpriced, cost),) = run.query(_SENT).rows
        ((people, steps),) = run.query(_PEOPLE).rows
        ((relations, born),) = run.query(_FOUND).rows
        return Life(
            answered=tuple(Answered(*row) for row in run.query(_ANSWERED).rows),
            sent=sent,
            cost=None if unpriced else cost,
            people=people,
            steps=steps,
            newcomers=born / relations if relations and born else None,
            seen=dict(run.query(_SEEN).rows),
            seconds=seconds,
        )
