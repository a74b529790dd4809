"""What is done behind a task in its estimate: solving and grading of what it makes, and what each of them leaves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...agents.actions import Action
from ...agents.gateway.limits import Limits
from ...personas.errors import PausedError, RunError, parameter
from ..grading.grading import GradingJob, GradingSpec
from ..jobs.life import run_job
from ..runfile.reader import RunReader, open_run
from ..tasks.outputs import OutputJob
from ..tasks.solving import SolvingJob, SolvingSpec
from .dry_run import DryRun, StageYield, TaskStage, counted_calls
from .estimator import Models
from .intervals import Interval, share_interval

_TURNS = "SELECT coalesce(sum(active), 0)::BIGINT FROM steps"
_SPENT = """
SELECT count(*), coalesce(sum(input_tokens) + sum(output_tokens), 0)::BIGINT, coalesce(sum(cost), 0)
FROM calls WHERE source IN ('endpoint', 'batch')
"""
_MADE = "SELECT CAST(emission AS VARCHAR), status = 'accepted', step || ' ' || agent FROM outputs"
_ACCEPTED = "SELECT count(*) FILTER (status = 'accepted') FROM outputs"
_REJECTED = """
SELECT coalesce(any_value(reason), '') FROM (
    SELECT stage, reason, count(*) OVER (PARTITION BY stage) AS number FROM outputs
    WHERE status = 'rejected' AND (len($stages) = 0 OR list_contains($stages, stage))
    ORDER BY number DESC, stage, emission LIMIT 1
)
"""


def share_of(one: StageYield) -> Interval:
    """Return the share that passes a stage, as a 90 % confidence interval."""
    return share_interval(one.accepted, one.rows)


def yield_said(accepted: int, rows: int) -> str:
    """Return a yield with its 90 % interval, in words."""
    share = share_interval(accepted, rows)
    known = f" ({accepted / rows:.1%}, from {share.low:.1%} to {share.high:.1%})" if rows else ""
    return f"{accepted:,} of {rows:,}{known}"


def yields_said(yields: Sequence[StageYield]) -> str:
    """Return the yields of the stages in words, with an example of why each rejected outputs."""
    return "; ".join(
        f"{one.stage} {yield_said(one.accepted, one.rows)}{f', rejected such as: {one.reason}' if one.reason else ''}"
        for one in yields
    ).rstrip(".")


@dataclass(frozen=True, slots=True)
class LaterJobs:
    """The jobs that are to be done on what a task makes, each by its model in the role `solver` or `grader`."""

    solving: SolvingSpec | None = None
    grading: GradingSpec | None = None
    actions: Sequence[type[Action]] = ()

    @property
    def stages(self) -> tuple[TaskStage, ...]:
        """The stages behind making."""
        both: tuple[tuple[TaskStage, object], ...] = (("solving", self.solving), ("grading", self.grading))
        return tuple(stage for stage, spec in both if spec is not None)

    @property
    def answer_tokens(self) -> Mapping[str, int]:
        """Tokens of an answer at most, by phase."""
        return {"solving": 4_096, "grading": GradingJob.answer_tokens}

    def jobs(self, *, is_dry_run: bool) -> Iterator[tuple[TaskStage, str, OutputJob[Any]]]:
        """Yield the jobs with their stages and the roles of their models. A dry run only asks."""
        if self.solving is not None:
            job = SolvingJob(self.solving, self.actions)
            job.is_dry_run = is_dry_run
            yield "solving", "solver", job
        if self.grading is not None:
            yield "grading", "grader", GradingJob(self.grading)


@dataclass(frozen=True, slots=True)
class JobsBehind:
    """The jobs with all that it takes to do them in the file of a finished run."""

    later: LaterJobs
    models: Models
    seed: int
    limits: Limits = field(default_factory=Limits)
    cache: Path | None = None
    is_dry_run: bool = False

    def done_in(self, path: Path, made: DryRun) -> DryRun:
        """Run the jobs in the file, and add what each stage left. Stop at the first stage that leaves nothing."""
        with open_run(path) as run:
            ((turns,),) = run.query(_TURNS).rows
            found = [_left(run, "making", int(turns), ())]
            outputs = {emission: (accepted, turn) for emission, accepted, turn in run.query(_MADE).rows}
        stopped = ""
        for stage, role, job in self.later.jobs(is_dry_run=self.is_dry_run):
            if not found[-1].accepted:
                break
            try:
                with open_run(path) as run:
                    limits = _rest(self.limits, run)
                opened = self.models.handles.get(role, self.models.default)
                prices = self.models.given.get(role) or self.models.given.get("default")
                run_job(path, job, model=opened, prices=prices, limits=limits, cache=self.cache, seed=self.seed)
            except PausedError as error:
                stopped = str(error)
                break
            with open_run(path) as run:
                found.append(_left(run, stage, found[-1].accepted, job.own_checks))
        return replace(counted_calls(path, made.seconds), yields=tuple(found), made=outputs, stopped=stopped)


def _rest(limits: Limits, run: RunReader) -> Limits:
    """Return the limits with what is left of the budget. Raises `PausedError` if nothing is left."""
    (spent,) = run.query(_SPENT).rows
    names = ("max_calls", "max_tokens", "max_cost")
    left = {
        name: getattr(limits, name) - used for name, used in zip(names, spent, strict=True) if getattr(limits, name)
    }
    if any(one <= 0 for one in left.values()):
        raise PausedError("The budget of the sample is spent.")
    return limits.changed(**left)


def check_yields(drawn: DryRun, later: LaterJobs, n: int, *, is_paid: bool) -> None:
    """Raise `RunError` if the sample accepted nothing in the end, or a budget cut it short."""
    cost = "unknown" if drawn.cost is None else f"${drawn.cost:.4f}"
    took = f" The sample's {drawn.sent:,} calls are paid (cost: {cost})." if is_paid else ""
    if drawn.yields and not drawn.yields[-1].accepted:
        raise RunError(
            f"Nothing was accepted in the sample, so what {n:,} accepted rows take cannot be told: "
            f"{yields_said(drawn.yields)}.{took} See what the model writes by making a few rows, or sample more."
        )
    if len(drawn.yields) <= len(later.stages):
        stage = ("making", *later.stages)[len(drawn.yields)]
        raise RunError(
            f"The sample was stopped at {stage}, so nothing can be told of what follows: {drawn.stopped}{took} "
            f"Give a larger budget or a smaller sample; {parameter('sample', 0)} estimates without asking."
        )


def _left(run: RunReader, stage: TaskStage, rows: int, checks: Sequence[str]) -> StageYield:
    ((accepted,),) = run.query(_ACCEPTED).rows
    ((reason,),) = run.query(_REJECTED, {"stages": list(checks)}).rows
    return StageYield(stage, rows, int(accepted), str(reason))
