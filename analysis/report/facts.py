"""The facts of a report: what the run shows, how far it can be believed, and what it cost and lost."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from ...personas.hub.queries import NEAR_DUPLICATES
from ..page import clip
from ..summary import Summary
from ..table import Queryable
from .samples import TEXT

#: Reasons of failures.
FAILURE_REASONS = 12
#: Whom people stand for, where they were not selected to meet targets, and where they were.
_STAND_FOR = (
    "Whether these people resemble any population: none was drawn from one or compared with one.",
    "Whether these people resemble a population in anything but the shares that their selection was to meet.",
)
NOT_CHECKED: tuple[str, ...] = (
    "Whether anything that was said is true, safe, or free of bias.",
    _STAND_FOR[0],
    "Likeness in meaning: near-duplicates are found by the words they share, so a paraphrase counts as new.",
    "Whether a tool could be built as specified; only the form of its specification was checked.",
    "Whether a description or a line names or resembles a living person.",
    "What another seed, model or prompt would have given.",
)

_PROMPTS = """
SELECT DISTINCT prompt FROM (
    SELECT prompt FROM personas UNION ALL SELECT prompt FROM emissions
    UNION ALL SELECT DISTINCT purpose || '@' || prompt_version FROM calls
) WHERE prompt IS NOT NULL ORDER BY prompt
"""

_SHARES = f"""
SELECT (SELECT sum(active) FROM steps), (SELECT sum(failed) FROM steps),
       (SELECT sum(asked) FROM growth), (SELECT sum(failed) FROM growth),
       (SELECT count(*) FROM emissions),
       (SELECT count(DISTINCT emission) FROM duplicates WHERE NOT undone AND emission IS NOT NULL),
       (SELECT count(*) FROM personas),
       (SELECT count(*) FROM ({NEAR_DUPLICATES})),
       (SELECT count(*) FROM answers), (SELECT count(*) FROM answers WHERE outcome NOT IN ('ok', 'dont_know'))
"""  # noqa: S608 - our own words

_WRITERS = """
SELECT count(*) FILTER (origin = 'import'), count(*) FILTER (model = 'procedural'), count(*) FROM personas
"""


_TARGETS = 'SELECT "column", value, wanted, got, weighted FROM targets ORDER BY ordinal LIMIT ?'
#: Target shares that are listed.
TARGETS = 40


@dataclass(frozen=True, slots=True)
class ReachedTarget:
    """A share of the population that a selection of people was to meet, and what it is among these."""

    column: str
    value: str
    wanted: float
    #: Share of the people, and by their weights.
    got: float
    weighted: float


def read_targets(run: Queryable) -> list[ReachedTarget]:
    """Read the target shares of the people, in their order; empty if there were none."""
    return [ReachedTarget(*row) for row in run.query(_TARGETS, [TARGETS]).rows]


@dataclass(frozen=True, slots=True)
class Proportion:
    """So many of so many."""

    what: str
    part: int
    whole: int

    def __str__(self) -> str:
        return f"{self.what}: {self.part:,} of {self.whole:,} ({self.part / self.whole:.1%})"


@dataclass(frozen=True, slots=True)
class Provenance:
    """The honesty block: what made the text, how much of it failed or repeats, and what was not checked."""

    #: One sentence in large type, and what follows from it.
    headline: str
    consequence: str
    imports: str
    prompts: Sequence[str]
    versions: Sequence[tuple[str, str]]
    shares: Sequence[Proportion]
    not_checked: Sequence[str] = NOT_CHECKED


def read_provenance(run: Queryable, summary: Summary) -> Provenance:
    """Read what this run's report has to say about its origin."""
    headline, consequence = _made_by(summary)
    versions = orjson.loads(run.query("SELECT versions FROM runs").rows[0][0])
    return Provenance(
        headline=headline,
        consequence=consequence,
        imports=_described_by(run, summary),
        prompts=[prompt for (prompt,) in run.query(_PROMPTS).rows],
        versions=sorted((str(name), str(version)) for name, version in versions.items()),
        shares=_shares(run),
        not_checked=tuple(_STAND_FOR[1] if summary.targets and one == _STAND_FOR[0] else one for one in NOT_CHECKED),
    )


def _made_by(summary: Summary) -> tuple[str, str]:
    if list(summary.authors) == ["rule"]:
        return (
            "No model wrote this: rules of the scenario decided everything.",
            "A rule decides as it is written. Nothing here says anything about people beyond what the rule assumes.",
        )
    if not summary.is_language_model:
        return (
            f"No language model wrote this: the text is by the built-in generator, \u201c{summary.model}\u201d.",
            "It fills templates from word lists. Draw no conclusions about people, society, or what a language model "
            "would have written.",
        )
    return (
        f"Synthetic text by \u201c{summary.model}\u201d. No person said any of this.",
        "A language model wrote it in the roles it was given: these are not statements of people, and no "
        "evidence of what people think or do. "
        f"It is one run with one seed ({summary.seed}): no interval here says what another seed would give.",
    )


def _described_by(run: Queryable, summary: Summary) -> str:
    """Describe who wrote the descriptions of people, if that is not who wrote the rest."""
    ((unknown, by_stand_in, people),) = run.query(_WRITERS).rows
    told = []
    if unknown:
        part = f"{unknown:,} of {people:,} people were given, in a file or by the scenario"
        told.append(f"The descriptions of {part}; who wrote them is not known here.")
    if by_stand_in and summary.is_language_model:
        part = f"{by_stand_in:,} of {people:,} people"
        told.append(f"The descriptions of {part} are by the built-in generator, not a language model.")
    return " ".join(told)


def _shares(run: Queryable) -> list[Proportion]:
    turns, lost, asked, unanswered, emitted, repeated, people, doubles, items, missing = (
        int(n or 0) for n in run.query(_SHARES).rows[0]
    )
    shares = (
        Proportion("turns lost", lost, turns),
        Proportion("growth requests lost", unanswered, asked),
        Proportion("items of surveys without an answer", missing, items),
        Proportion("emissions that are near-duplicates", repeated, emitted),
        Proportion("personas that are near-duplicates", doubles, people),
    )
    return [share for share in shares if share.whole]


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
class PurposeCost:
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


def read_purposes(run: Queryable) -> list[PurposeCost]:
    """Read calls by purpose, most calls first."""
    otherwise: dict[str, list[tuple[str, int]]] = {}
    for purpose, outcome, count in run.query(_OTHERWISE).rows:
        otherwise.setdefault(purpose, []).append((outcome, count))
    return [
        PurposeCost(name, calls, recalled, ok, otherwise.get(name, ()), *rest)
        for name, calls, recalled, ok, *rest in run.query(_PURPOSES).rows
    ]


def read_failures(run: Queryable) -> list[FailureReason]:
    """Read the commonest reasons why turns and growth requests failed."""
    rows = run.query(_FAILURES, [FAILURE_REASONS]).rows
    return [
        FailureReason(phase, purpose, outcome, clip(reason, TEXT), *counts)
        for phase, purpose, outcome, reason, *counts in rows
    ]


def read_hops(run: Queryable) -> list[Hop]:
    """Read the completed hops of growth, in order."""
    return [Hop(*row) for row in run.query(_HOPS).rows]
