"""What making data came to: rows wanted and accepted, what was rejected and lost and why, in a few lines."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from ..personas.hub.read import DrawReport
from .table import Queryable

_RUN = """
SELECT scenario, model, is_language_model, seed, status, reason, settings, event_hash,
       (SELECT count(*) FROM agents), (SELECT count(DISTINCT agent) FROM emissions), (SELECT count(*) FROM steps), drawn
FROM runs
"""
_ACCEPTED = "SELECT count(*) FROM outputs WHERE status = 'accepted'"
_REJECTED = """
SELECT stage, count(*) FROM outputs WHERE status = 'rejected' GROUP BY stage ORDER BY count(*) DESC, stage
"""
_LOST = """
SELECT outcome, count(*) FROM failures WHERE step IS NOT NULL AND purpose NOT IN ('embedding', 'plan', 'reflect')
GROUP BY outcome ORDER BY count(*) DESC, outcome
"""
#: As `Task.ended` looks at them.
_LATEST = 500
_NOVELTY = f"""
SELECT if(count(*) < {_LATEST}, NULL, avg(is_new::INTEGER)) FROM (
    SELECT emission NOT IN (SELECT emission FROM duplicates WHERE NOT undone AND emission IS NOT NULL) AS is_new
    FROM emissions ORDER BY emission DESC LIMIT {_LATEST}
)
"""  # noqa: S608 - our own number
#: Rows of files to compare with that could not be read (chunk -1): how many, and the first sentence of each reason.
_UNREAD = "SELECT sum(number), list(examples[1]) FROM skipped_sources WHERE chunk = -1"
_CALLS = "SELECT count(*), sum(cost) FROM calls WHERE source IN ('endpoint', 'batch')"


@dataclass(frozen=True, slots=True)
class DataSummary:
    """One run of a task in numbers; counts are in falling order."""

    task: str
    model: str
    is_language_model: bool
    seed: int
    status: str
    reason: str | None
    settings: Mapping[str, object]
    event_hash: str | None
    wanted: int
    accepted: int
    #: Outputs that were rejected, by the check that failed, or `near_duplicate`.
    rejected: Mapping[str, int]
    #: Turns without an output, by the outcome of their last call.
    lost: Mapping[str, int]
    #: People in the run, and those who gave an output.
    people: int
    asked: int
    rounds: int
    calls: int
    #: US dollars; None where they are not known.
    cost: float | None
    #: How people were drawn from a hub that had more, and how many ties remained, in one sentence; else empty.
    drawn: str = ""
    #: Share of the latest 500 outputs that repeat no earlier one; None where there are fewer.
    novelty: float | None = None
    #: Which rows of files to compare with could not be read, and so were not compared; empty where all were.
    unread: str = ""

    def as_rows(self) -> list[tuple[str, str]]:
        """Label and value of each line."""
        shown = {name: value for name, value in self.settings.items() if value not in ("", None, [])}
        if shown.get("persona_detail") == "description":
            del shown["persona_detail"]
        rounds = _plural(self.rounds, "round")
        rows = [
            ("task", f"{self.task}, seed {self.seed}"),
            ("settings", ", ".join(f"{name}={value}" for name, value in shown.items())),
            ("model", self.model if self.is_language_model else f"{self.model} (no language model)"),
            ("status", self.status if self.reason is None else f"{self.status}: {self.reason}"),
            ("accepted", f"{self.accepted:,} of {self.wanted:,} rows wanted"),
            ("rejected", _counted(self.rejected)),
            ("lost", _counted(self.lost)),
            ("people", f"{self.asked:,} of {self.people:,} gave an output, in {rounds}"),
            *([("drawn", self.drawn)] if self.drawn else []),
            *([("not compared", self.unread)] if self.unread else []),
            ("calls", f"{self.calls:,}"),
        ]
        if self.is_language_model:
            rows.append(("cost", "price not known" if self.cost is None else f"{self.cost:,.4f} dollars"))
        return [*rows, ("event hash", self.event_hash or "none yet")]

    def lines(self, changed: Mapping[str, object]) -> dict[str, str]:
        """Return the task and its rows in two lines; `changed` are the settings that differ from their defaults."""
        given = "".join(f", {name}={value}" for name, value in changed.items() if name != "n")
        state = "" if self.status == "finished" else f"; {self.status}"
        rejected = f"; {_counted(self.rejected)} rejected" if self.rejected else ""
        failed = f"; {_counted(self.lost)} failed" if self.lost else ""
        return {
            "task": f"{self.task}, seed {self.seed}{given}{state}",
            "rows": f"{self.accepted:,} of {self.wanted:,} accepted{rejected}{failed}; {self.asked:,} of "
            f"{self.people:,} personas asked",
        }

    @property
    def has_run_short(self) -> bool:
        """Whether people ran out before all rows were accepted; False where too little was new, as was asked."""
        return bool(self.shortfall) and not self._is_exhausted

    @property
    def _is_exhausted(self) -> bool:
        least = self.settings.get("until_novelty")
        return isinstance(least, int | float) and self.novelty is not None and self.novelty < least

    @property
    def shortfall(self) -> str:
        """One sentence when fewer rows were accepted than were wanted, with what would give more; else nothing."""
        if self.accepted >= self.wanted or self.status != "finished":
            return ""
        if self._is_exhausted:
            least = self.settings["until_novelty"]
            why = (
                f"{self.novelty:.1%} of the latest {_LATEST} outputs was new, less than --until-novelty {least:g} asks"
            )
            return f"{self.accepted:,} of {self.wanted:,} rows were accepted: {why}."
        rejected, lost = sum(self.rejected.values()), sum(self.lost.values())
        if not self.accepted and (rejected or lost):
            failed = self.rejected if rejected >= lost else self.lost
            what = f"{_plural(rejected, 'output')} rejected" if rejected >= lost else f"{_plural(lost, 'turn')} lost"
            why = f"{what}, most often for {next(iter(failed))}; the funnel shows the reasons"
            return f"None of {_plural(self.wanted, 'row')} wanted was accepted: {why}."
        each = f"{self.settings['per_persona']} row{'s' * (self.settings['per_persona'] != 1)}"
        why = f"{self.people:,} people gave what they could at {each} each"
        return (
            f"{self.accepted:,} of {self.wanted:,} rows were accepted: {why}. A larger hub, more --agents or a higher "
            f"--per-persona gives more."
        )


def summarise_data(run: Queryable) -> DataSummary | None:
    """The summary of a run of a task, whatever its state; None for any other run."""
    found = run.query(_RUN).rows
    if not found:
        return None
    task, model, is_language_model, seed, status, reason, settings, event_hash, people, asked, rounds, drawn = found[0]
    stored = orjson.loads(settings)
    if "per_persona" not in stored:
        return None
    ((accepted,),) = run.query(_ACCEPTED).rows
    ((calls, cost),) = run.query(_CALLS).rows
    ((novelty,),) = run.query(_NOVELTY).rows
    ((unread, reasons),) = run.query(_UNREAD).rows
    own = [name for name in stored if name not in SOCIETY_SETTINGS]
    return DataSummary(
        task=task,
        model=model,
        is_language_model=is_language_model,
        seed=seed,
        status="interrupted" if status == "running" and not run.is_live else status,
        reason=reason,
        settings={name: stored[name] for name in own},
        event_hash=event_hash,
        wanted=stored["n"],
        accepted=accepted,
        rejected=_counts(run, _REJECTED),
        lost=_counts(run, _LOST),
        people=people,
        asked=asked,
        rounds=rounds,
        calls=calls,
        cost=cost,
        drawn=DrawReport(**orjson.loads(drawn)).sentence() if drawn else "",
        novelty=novelty,
        unread=f"{_plural(unread, 'row')} of the files to compare with: {'; '.join(reasons)}" if unread else "",
    )


#: Settings of every scenario that have no effect where agents do not see each other.
SOCIETY_SETTINGS = frozenset(
    {
        *("neighbours", "heard", "recalled", "memory", "observation_tokens", "neighbours_by"),
        *(
            "memory_kind",
            "recency",
            "relevance",
            "importance",
            "recency_decay",
            "reflect_at",
            "plan_every",
            "tool_calls",
        ),
    }
)


def _plural(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _counts(run: Queryable, sql: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in run.query(sql).rows}


def _counted(counts: Mapping[str, int]) -> str:
    if not counts:
        return "0"
    return f"{sum(counts.values()):,} ({', '.join(f'{name} {count:,}' for name, count in counts.items())})"
