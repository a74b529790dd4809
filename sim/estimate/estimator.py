"""An estimate of a job: a dry run, a sample of the real model, and what they say in a table and in sentences."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.budget import Prices, known_prices
from ...agents.gateway.limits import Limits
from ...personas.errors import PausedError, RunError, SetupError, parameter
from ..engine import Progress
from .dry_run import ENOUGH, ByteCounter, DryRun, Interval, StageYield, describe_yields, mean_interval, share_interval
from .forecast import (
    Asked,
    Counted,
    Forecast,
    Items,
    Purpose,
    Sampled,
    add_purposes,
    compute_purposes,
    count_purposes,
)

_COLUMNS = ("purpose", "calls", "tokens in", "tokens out", "reasoning", "dollars")


@dataclass(frozen=True, slots=True)
class EstimateTable:
    """An estimate as a table of text."""

    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...] = _COLUMNS
    types: tuple[str, ...] = ("VARCHAR",) * len(_COLUMNS)


def build_table(estimate: "Estimate") -> EstimateTable:
    """Return one row for each purpose, one for each stage of several, and one for the total."""
    rows, several = [], len(estimate.by_stage) > 1
    for stage in estimate.by_stage or [""]:
        rows += [format_purpose(p) for p in estimate.purposes if stage in ("", p.stage)]
        rows += [format_purpose(estimate.by_stage[stage])] if several else []
    rows.append(format_purpose(estimate.total))
    is_asked = estimate.models.is_language_model
    return EstimateTable(tuple(rows if is_asked else [(*row[:2], "-", "-", "-", "0") for row in rows]))


def format_purpose(purpose: Purpose) -> tuple[str, ...]:
    """Return the row of a purpose, or of several together."""
    tokens = (purpose.input, purpose.output, purpose.reasoning)
    known = ("unknown" if one is None else _format_span(one) for one in tokens)
    return purpose.name, _format_count(purpose.calls), *known, _format_money(purpose.cost)


def describe_estimate(estimate: "Estimate") -> list[str]:
    """Return sentences on what the numbers mean, what they are based on, and how to improve them."""
    if not estimate.models.is_language_model:
        free = (
            f"The model {estimate.models.default.name} is no language model: it is free, and its tokens mean nothing."
        )
        return [_describe_dry_run(estimate), *_describe_yields(estimate), free]
    if estimate.sample is None:
        return [_describe_dry_run(estimate), *_describe_ranges(estimate), *_describe_prices(estimate)]
    return [
        _describe_total(estimate),
        _describe_worst(estimate),
        *_describe_sample(estimate),
        *_describe_yields(estimate),
        *_describe_prices(estimate),
    ]


def _describe_total(estimate: "Estimate") -> str:
    total, rows = estimate.total, "" if estimate.rows is None else f" for {estimate.rows:,} accepted rows"
    cost = "" if total.cost is None else f"{_format_money(total.cost)} dollars, "
    tokens = f"{_format_span(total.input)} tokens in and {_format_span(total.output)} out"
    return (
        f"With 90 % certainty the job takes {cost}{_format_count(total.calls)} calls, {tokens}{rows}: prediction "
        "intervals from the lengths of answers, answers asked for again, revisions and rejections in the sample "
        "(jackknife, Student's t), if the whole is like the sample. Calls that fail on the way and are sent again come "
        "on top."
    )


def _describe_worst(estimate: "Estimate") -> str:
    worst = estimate.computed
    cost = "an unknown number of" if worst.cost is None else _format_dollars(worst.cost.high)
    asked, answered = (_digits(one.high, math.ceil) for one in (worst.input, worst.output))
    accepted = ""
    if estimate.rows is not None:
        accepted = f", only {estimate.least_accepted:.0%} of the outputs accepted"
    return (
        f"The worst case: {cost} dollars, {math.ceil(worst.calls.high):,} calls, {asked:,} tokens in and "
        f"{answered:,} out, if every second answer is asked for again, each "
        f"is as long as the limit of {estimate.answer_tokens:,} tokens{accepted}."
    )


def _describe_dry_run(estimate: "Estimate") -> str:
    if not estimate.answer_tokens:
        return f"Requests were counted over {estimate.people:,} texts."
    (people, steps), stages = estimate.dry_run, f" and {_count_noun(estimate.steps, 'step')}" if estimate.steps else ""
    said = f"Requests were counted in a dry run of {people:,} {estimate.counts}"
    said += f"{f' and {_count_noun(steps, "step")}' if steps else ''} with the built-in generator"
    if (people, steps) != (estimate.people, estimate.steps):
        said += f", and estimated from that for {estimate.people:,} {estimate.counts}{stages}"
    return f"{said}{"; a model's answers may lead to other requests" if estimate.models.is_language_model else ''}."


def _describe_ranges(estimate: "Estimate") -> list[str]:
    """Return what the numbers of calls and tokens range over without a sample."""
    calls, seen = [], ""
    if estimate.answer_tokens:
        calls.append("from every answer valid at first to every second one asked for again")
    if any(p.name == "persona_to_persona" for p in estimate.purposes):
        calls.append("of the relations found in growth, all to every second one lead to somebody new")
    if estimate.steps:
        calls.append("revisions: none to every second turn")
        seen = "; from observations half as long as the built-in generator's, to full ones with the schema"
    if estimate.rows is not None:
        calls.append(f"to have {estimate.rows:,} rows, all outputs are accepted, to every second one rejected")
    said = f"Calls: {'; '.join(calls)}. " if calls else ""
    tokens = f"Tokens in: one for 4 bytes of UTF-8, times 0.75 to 1.33{seen}."
    if estimate.answer_tokens:
        tokens += (
            f" Tokens out, reasoning among them: from 1 to the limit of {estimate.answer_tokens:,} an answer; only a "
            f"sample narrows that ({parameter('sample', 40)})."
        )
    return [f"{said}Calls that fail on the way and are sent again come on top.", tokens]


def _describe_prices(estimate: "Estimate") -> list[str]:
    models = estimate.models
    used = {p.role if p.role in models.handles else "default" for p in estimate.purposes} or {"default"}
    return [
        _priced(role, models.handles[role].name, models.prices(role), estimate)
        for role in models.handles
        if role in used
    ]


def _priced(role: str, model: str, prices: Prices | None, estimate: "Estimate") -> str:
    if prices is None:
        given = (
            "embeddings_prices" if not estimate.answer_tokens else "prices" if role == "default" else f"{role}_prices"
        )
        return (
            f"What {model} costs at its endpoint is unknown; give it as {parameter(given)}, in dollars "
            "for a million tokens."
        )
    cached = f", {prices.cached:g} where the endpoint had them cached" if prices.cached is not None else ""
    lead = "Dollars" if len(estimate.models.handles) == 1 else f"Dollars of {model}"
    return (
        f"{lead}: {prices.input:g} for a million tokens in{cached}, {prices.output:g} for a million out "
        f"({prices.source}).{' Calls in batches are counted at full price.' if estimate.batch else ''}"
    )


def _describe_yields(estimate: "Estimate") -> list[str]:
    """Return what the sample of a task says about the number of outputs the rows take."""
    yields, n = estimate.yields, estimate.rows
    if not yields or n is None:
        return []
    made, last, stages = yields[0], yields[-1], [one.stage for one in yields[1:]]
    said = [f"Yield of the sample, with 90 % intervals: {describe_yields(yields)}."]
    turns = _format_span(Interval(n / made.share.high, n / made.share.low))
    needs = f"{n:,} rows take {turns} outputs"
    left = Interval.exactly(1.0)
    if last is not made:
        left, whole = share_interval(last.accepted, made.accepted), share_interval(last.accepted, made.rows)
        needs += (
            f", and {' and '.join(stages)} leave{'s' * (len(stages) == 1)} {_format_span(left * n)} of them; for {n:,} "
            f"that pass all stages, make {_format_span(Interval(n / left.high, n / left.low))} rows, of "
            f"{_format_span(Interval(n / whole.high, n / whole.low))} outputs"
        )
    said.append(f"{needs}. Each person gives {_count_noun(estimate.per_persona, 'row')} at most.")
    if estimate.models.is_language_model and estimate.cost is not None:
        each = Interval(estimate.cost.low / (n * left.high), estimate.cost.high / (n * left.low))
        said.append(f"An accepted row costs {_format_money(each)} dollars.")
    return said


def _describe_sample(estimate: "Estimate") -> list[str]:
    sample = estimate.sample
    if sample is None:
        return []
    cost = "unknown" if sample.cost is None else f"${sample.cost:.4f}"
    said = [
        f"The sample of {sample.of}: {_count_noun(sample.sent, 'call')}, {sample.answered:,} answered, "
        f"{sample.input_tokens:,} tokens in, {sample.output_tokens:,} out; its cost is {cost}, and comes on top. "
        f"A larger one narrows the intervals ({parameter('sample', 100)})."
    ]
    if sample.reused is not None:
        said.append(
            f"Of its answers, {sample.reused:,} are to requests that the dry run made in the same words; where the job "
            f"does too, they need not be paid again with this {parameter('cache')}."
        )
    if sample.unreached:
        said.append(f"Too few answers of the sample are for {', '.join(sample.unreached)}: as without a sample.")
    if estimate.per_persona > 2 and estimate.rows is not None:
        said.append("Of one person the sample has two outputs at most: where later ones repeat them, it takes more.")
    if estimate.seconds is not None:
        said.append(
            f"The job would take {_format_seconds(estimate.seconds)}, if the endpoint stays as fast as in the sample."
        )
    return said


def _format_count(interval: Interval) -> str:
    # A hair of floating point is no call.
    return _format_range(math.floor(interval.low + 1e-6), math.ceil(interval.high - 1e-6))


def _format_span(interval: Interval) -> str:
    return _format_range(_digits(interval.low, math.floor), _digits(interval.high, math.ceil))


def _digits(number: float, rounding: Callable[[float], int]) -> int:
    """Round a number to three digits."""
    unit = 10 ** max(0, math.floor(math.log10(max(1.0, number))) - 2)
    return int(rounding(number / unit) * unit)


def _format_range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _format_money(interval: Interval | None) -> str:
    if interval is None:
        return "unknown"
    return f"{_format_dollars(interval.low)} to {_format_dollars(interval.high)}"


def _format_dollars(number: float) -> str:
    return f"{number:,.2f}" if number >= 1 else f"{number:.2g}"


def _format_seconds(interval: Interval) -> str:
    for unit, seconds in (("hours", 3600), ("minutes", 60)):
        if interval.high >= 2 * seconds:
            return f"{interval.low / seconds:.1f} to {interval.high / seconds:.1f} {unit}"
    return f"{interval.low:.0f} to {math.ceil(interval.high)} seconds"


def _count_noun(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


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
        found = compute_purposes(counted, self.asked, self.models.prices) if self.models.is_language_model else []
        free = [one for one in count_purposes(counted) if not self.models.is_real(one.role)]
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
    seconds = _duration(whole, counted, trial, sampling.limits)
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


def _duration(whole: Purpose, dry_run: DryRun, trial: ModelTrial, limits: Limits) -> Interval | None:
    """Return the seconds the calls take if the endpoint keeps its speed, or None if the latency is not known.

    A hop or step begins when the one before it has ended, so each waits for its slowest answer. The work of this
    program, as the dry run shows it, may add to this.
    """
    latency, calls, stages = trial.latency, whole.calls, len({(a.phase, a.number) for a in dry_run.answered})
    if latency is None:
        return None
    low = max(stages, calls.low / limits.max_in_flight) * latency.low
    high = calls.high / limits.max_in_flight * latency.high + stages * (latency.high + trial.longest)
    high += _OWN * dry_run.seconds * calls.high / len(dry_run.answered)
    for used, cap in ((calls, limits.rpm), (whole.input + whole.output, limits.tpm)):
        if cap is not None:  # the first minute's share may be used at once
            low, high = max(low, 60 * (used.low / cap - 1)), max(high, 60 * used.high / cap)
    return Interval(low, high)
