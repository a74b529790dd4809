"""What a job will ask of its models and cost, known before it begins.

Every estimate is made in the same way. A dry run of the job, or of a part of it, with the stand-in counts its requests
and measures them as they would be sent; what a real model makes of them is bounded by limits (`purposes`). By default
the model is then asked a small sample of them, from which follow 90 % prediction intervals (`forecast`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.budget import Prices, known_prices
from ...agents.gateway.limits import Limits
from ...personas.errors import PausedError, RunError, SetupError, parameter
from ..engine import Progress
from .dry_run import ByteCounter, DryRun, StageYield
from .forecast import Forecast, Items, Sampled
from .intervals import ENOUGH, Interval, mean_interval
from .purposes import Asked, Counted, Purpose, add_purposes, computed_purposes, counted_purposes

#: Items of a sample, and calls of a society's, where their number is not given: at most, and this share of all.
SAMPLED, SAMPLED_CALLS, _SHARE = 20, 40, 4
#: Seconds to wait for an endpoint that is gone.
_WAIT = 10.0
#: Our own work on a call takes so much longer than with the stand-in: HTTP has its part.
_OWN = 2


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the model is asked for a sample."""

    #: Items, or calls of a society, at most; None for as many as are of use, 0 for no sample.
    number: int | None = None
    #: A file that keeps the answers for the job.
    cache: Path | None = None
    limits: Limits = field(default_factory=Limits)
    #: Is told what the sample may cost before anything is asked.
    announce: Callable[[str], None] = lambda _said: None
    progress: Progress | None = None

    def size(self, whole: int, *, most: int = SAMPLED) -> int:
        """Return the sample size for `whole` items."""
        if self.number is None:
            size = min(most, whole // _SHARE)
            return size if size >= ENOUGH else 0
        return min(self.number, whole)


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a job by role, `default` among them, with their prices."""

    #: Chat models, and embedding models beside them or alone.
    handles: Mapping[str, Any]
    given: Mapping[str, Prices | None]

    @property
    def default(self) -> ModelHandle:
        """The model of all roles without one of their own."""
        model: ModelHandle = self.handles["default"]
        return model

    @property
    def others(self) -> dict[str, ModelHandle]:
        """The models of further roles."""
        return {role: one for role, one in self.handles.items() if role != "default"}

    @property
    def is_language_model(self) -> bool:
        """Whether any of them is."""
        return any(self.is_real(role) for role in self.handles)

    def is_real(self, role: str) -> bool:
        """Return whether the model of a role is a language model."""
        model = self.handles.get(role, self.default)
        return not isinstance(model, ModelHandle) or model.is_language_model

    def prices(self, role: str) -> Prices | None:
        """Return the prices of a role. If other roles cost something, the built-in generator is free."""
        role = role if role in self.handles else "default"
        model = self.handles[role]
        is_free = not self.is_real(role) and (len(self.handles) == 1 or self.is_language_model)
        free = Prices(0.0, 0.0, source="no language model") if is_free else None
        return self.given.get(role) or known_prices(model) or free

    @property
    def counting(self) -> "Models":
        """Stand-ins that count, of the same names, so that requests of dry runs are those of the job."""
        handles = {r: ModelHandle(one.name, ByteCounter(), is_language_model=False) for r, one in self.handles.items()}
        return Models(handles, {})


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """The result of asking the real model a sample of the requests."""

    #: What was asked, in words: "20 outputs".
    of: str
    sent: int
    answered: int
    input_tokens: int
    output_tokens: int
    #: Dollars; None where the price or the tokens are not known.
    cost: float | None
    #: Seconds that an answer took: the mean, as a range, and the longest.
    latency: Interval | None
    longest: float
    #: Answers kept in a cache to requests that the job will make in the same words, so far as that can be known.
    reused: int | None
    #: Purposes of which it says too little.
    unreached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What a job will take, by purpose and in total: with a sample as 90 % prediction intervals."""

    purposes: tuple[Purpose, ...]
    #: All purposes together, and those of each stage of a task.
    total: Purpose
    people: int
    #: People and steps of the dry run.
    dry_run: tuple[int, int]
    models: Models
    answer_tokens: int
    #: The same without a sample: the most that it may take is the worst case.
    computed: Purpose
    by_stage: Mapping[str, Purpose] = MappingProxyType({})
    #: Whether a part of the calls goes through batches.
    batch: bool = False
    steps: int = 0
    sample: ModelTrial | None = None
    #: Seconds the job takes, where a sample shows how long an answer takes.
    seconds: Interval | None = None
    #: Rows that a task is to make; None for everything else.
    rows: int | None = None
    #: The least share of outputs that the worst case reckons with.
    least_accepted: float = 1.0
    #: What `people` and the dry run count.
    counts: str = "people"
    #: What the stages of a sample left.
    yields: tuple[StageYield, ...] = ()
    #: Rows of a task that one person gives, at most.
    per_persona: int = 1

    @property
    def model(self) -> str:
        """The name of the default model."""
        return self.models.default.name

    @property
    def is_language_model(self) -> bool:
        """Whether any of the models is one."""
        return self.models.is_language_model

    @property
    def calls(self) -> Interval:
        """Calls in all."""
        return self.total.calls

    @property
    def input(self) -> Interval:
        """Tokens asked in all."""
        return self.total.input

    @property
    def output(self) -> Interval:
        """Tokens answered in all, reasoning included."""
        return self.total.output

    @property
    def cost(self) -> Interval | None:
        """Dollars in all; None where a price is not known."""
        return self.total.cost

    @property
    def writes(self) -> bool:
        """Whether the model writes answers, as for all but vectors."""
        return self.answer_tokens > 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job that is estimated: how it is asked, and how it is done with any models."""

    counts: str
    #: Items, people or rows in all.
    whole: int
    models: Models
    asked: Asked
    counted: Counted
    #: Does a part of the job with the real models, within these limits, or as far as it comes.
    draw: Callable[[int, Limits], DryRun]
    #: What it may take at most to sample so many.
    worst: Callable[["Job", int], Purpose]
    #: What the calls of such a sample are counted by.
    basis: Callable[[DryRun], Items | None]
    #: The dry run of a sample, where its requests are compared with those of the whole.
    reference: Callable[[int], DryRun] | None = None
    #: How many are sampled at most where that is not given, of how many, and what they are, if other than the items;
    #: None for calls.
    sample_most: int = SAMPLED
    sample_whole: int | None = 0
    sample_counts: str = ""
    #: The calls of the whole by what the stages of a sample left, and the least share that is reckoned with.
    recount: Callable[[DryRun, Counted], tuple[Counted, float]] | None = None
    what: Mapping[str, Any] = field(default_factory=dict)

    def computed(self, counted: Counted | None = None) -> list[Purpose]:
        """Return the purposes as known without a sample.

        For roles of the built-in generator, only their calls are known.
        """
        counted = counted or self.counted
        found = computed_purposes(counted, self.asked, self.models.prices) if self.models.is_language_model else []
        free = [one for one in counted_purposes(counted) if not self.models.is_real(one.role)]
        return [one for one in found if self.models.is_real(one.role)] + free

    def size(self, sampling: Sampling) -> int:
        """Return the sample size, or 0 if the job has no items or asks nothing.

        By default, it is also 0 if no model is a language model.
        """
        if not self.whole or not self.counted.dry_run.answered:
            return 0
        if sampling.number is None and not self.models.is_language_model:
            return 0
        calls = add_purposes("", self.computed()).calls
        whole = math.ceil(calls.high) if self.sample_whole is None else self.sample_whole or self.whole
        return sampling.size(whole, most=self.sample_most)

    def announced(self, sampling: Sampling) -> str:
        """Return the notice before a sample is asked: its size, its maximum cost, and what happens to the answers."""
        number = self.size(sampling)
        worst = self.worst(self, number)
        counts = self.sample_counts or self.counts
        cost = "unknown dollars" if worst.cost is None else f"${worst.cost.high:,.4f}"
        kept = (
            f"the answers are kept in {str(sampling.cache)!r}, so that equal requests of the job are not paid again"
            if sampling.cache
            else f"the answers are not kept, unless {parameter('cache')} names a file"
        )
        return (
            f"A sample is asked first: {number:,} {counts}, at most {math.ceil(worst.calls.high):,} calls and {cost}; "
            f"{kept}. Without: {parameter('sample', 0)}."
        )


def estimate_job(job: Job, sampling: Sampling) -> Estimate:
    """Estimate any job. Raises `RunError` if the sample brings no answer."""
    computed = tuple(job.computed())
    whole = add_purposes("in all", computed)
    stages = tuple(dict.fromkeys(one.stage for one in computed))
    by_stage = {one: add_purposes(f"{one} in all", [p for p in computed if p.stage == one]) for one in stages}
    counted = job.counted.dry_run
    known: dict[str, Any] = {"people": job.whole, "dry_run": (counted.people, counted.steps)}
    known |= {"counts": job.counts, "models": job.models, "answer_tokens": job.asked.answer_tokens, **job.what}
    found = Estimate(computed, total=whole, computed=whole, by_stage=by_stage, **known)
    number = job.size(sampling)
    if not number:
        return found
    if number < ENOUGH:
        raise SetupError(f"A sample takes {ENOUGH} or more to say anything of the rest, but {number} was given.")
    sampling.announce(job.announced(sampling))
    worst = math.ceil(job.worst(job, number).calls.high)
    limits = sampling.limits.changed(
        max_calls=min(worst, sampling.limits.max_calls or worst),
        max_rejected=1.0,
        min_yield=0.0,
        wait=min(_WAIT, sampling.limits.wait),
    )
    try:
        drawn = job.draw(number, limits)
    except PausedError as error:
        raise RunError(f"The sample could not be asked: {error} {parameter('sample', 0)} estimates without.") from error
    if sampling.number is None and drawn.sent < ENOUGH and not drawn.stopped:
        sampling.announce(f"The sample took {drawn.sent} calls, too few to tell the rest by; what follows is computed.")
        return found
    _check_answered(drawn, job.models)
    sampled = Sampled(
        drawn, job.counted, job.asked, job.models.prices, job.reference and job.reference(number), job.basis(drawn)
    )
    forecast = sampled.forecast(computed)
    if job.recount is not None:
        again, least = job.recount(drawn, job.counted)
        found = replace(found, computed=add_purposes("in all", job.computed(again)), least_accepted=least)
    trial = _trial(drawn, counted, forecast, f"{number:,} {job.sample_counts or job.counts}", sampling)
    whole, of = forecast.total("in all", forecast.purposes), forecast.purposes
    parts = {one: forecast.total(f"{one} in all", [p for p in of if p.stage == one]) for one in stages}
    seconds = _duration(of, whole, counted, trial, sampling.limits)
    return replace(found, purposes=of, total=whole, by_stage=parts, sample=trial, yields=drawn.yields, seconds=seconds)


def _check_answered(drawn: DryRun, models: Models) -> None:
    real = [a for a in drawn.answered if models.is_real(a.role)]
    if models.is_language_model and len(real) < ENOUGH:
        why = f" {drawn.stopped}" if drawn.stopped else ""
        raise RunError(
            f"The sample brought {len(real)} answers of {drawn.sent} calls, so nothing can be told by it.{why} "
            f"{parameter('sample', 0)} estimates without asking."
        )


def _trial(drawn: DryRun, counted: DryRun, forecast: Forecast, of: str, sampling: Sampling) -> ModelTrial:
    sent = [a for a in drawn.answered if a.was_sent]
    known = {a.request_hash for a in counted.answered}
    return ModelTrial(
        of,
        sent=drawn.sent,
        answered=len(sent),
        input_tokens=sum(a.input or 0 for a in sent),
        output_tokens=sum(a.output or 0 for a in sent),
        cost=drawn.cost,
        latency=mean_interval([a.seconds for a in sent], of=len(sent)) if len(sent) >= ENOUGH else None,
        longest=max((a.seconds for a in sent), default=0.0),
        reused=sum(a.request_hash in known for a in drawn.answered) if sampling.cache is not None else None,
        unreached=tuple(forecast.unreached),
    )


def _duration(
    purposes: Sequence[Purpose], whole: Purpose, dry_run: DryRun, trial: ModelTrial, limits: Limits
) -> Interval | None:
    """Return the seconds the calls take if the endpoint keeps its speed at the maximum concurrency.

    Returns None if the latency is not known. A hop or step begins when the one before it has ended, so each waits for
    its slowest answer. The work of this program, as the dry run shows it, may add to this.
    """
    latency = trial.latency
    if latency is None:
        return None
    low = high = 0.0
    for calls in _by_stage(purposes, dry_run):
        low += max(1.0, calls.low / limits.max_in_flight) * latency.low
        high += math.ceil(calls.high / limits.max_in_flight) * latency.high + trial.longest
    high += _OWN * dry_run.seconds * whole.calls.high / len(dry_run.answered)
    for used, cap in ((whole.calls, limits.rpm), (whole.input + whole.output, limits.tpm)):
        if cap is not None:  # the first minute's share may be used at once
            low, high = max(low, 60 * (used.low / cap - 1)), max(high, 60 * used.high / cap)
    return Interval(low, high)


def _by_stage(purposes: Sequence[Purpose], dry_run: DryRun) -> list[Interval]:
    """Return the calls of every hop and step, in the proportions of the dry run."""
    stages: dict[tuple[str, int], Interval] = {}
    for purpose in purposes:
        answers = dry_run.of(purpose.name) or [a for a in dry_run.answered if a.phase == "step"]
        for stage in {(a.phase, a.number) for a in answers}:
            share = sum((a.phase, a.number) == stage for a in answers) / len(answers)
            stages[stage] = stages.get(stage, Interval.exactly(0.0)) + purpose.calls * share
    return list(stages.values())
