"""An estimate of a job: a dry run, a sample of the real model, and what they say in a table and in sentences."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.budget import known_prices
from ...agents.gateway.limits import Limits, Prices
from ...core.errors import PausedError, RunError, SetupError, parameter
from ..engine import JobModels, Progress
from .dry_run import Answered, ByteCounter, DryRun
from .prediction import ENOUGH, Interval, Part, Purpose, add_purposes, predict_purpose

#: Tokens to a byte of UTF-8: one for 4 bytes, and what tokenisers make of prose and JSON (3 to 5.3 bytes).
TOKENS = Interval(0.75 / 4, 1.33 / 4)
#: The columns of an estimate's table.
COLUMNS = ("purpose", "calls", "tokens in", "tokens out", "dollars")
TOTAL = "in all"
#: Seconds to wait for an endpoint that is gone.
_WAIT = 10.0
#: Calls that a sample may take beyond those of the built-in generator, as answers are asked for again.
_MARGIN = 2


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the model is asked for a sample."""

    #: Items, or calls of a society, at most; None for a quarter of all up to a limit, 0 for no sample.
    number: int | None = None
    #: A file that keeps the answers for the job.
    cache: Path | None = None
    limits: Limits = field(default_factory=Limits)
    #: Is told what the sample may cost before anything is asked.
    announce: Callable[[str], None] = lambda _said: None
    progress: Progress | None = None
    #: The limit of a sample whose number is not given; None for that of its kind.
    most: int | None = None


def find_prices(models: JobModels, role: str) -> Prices | None:
    """Return the prices of the model that is asked in a role. The built-in generator is free."""
    handle, prices = models.of(role)
    return prices or (known_prices(handle) if handle.is_language_model else Prices(0.0, 0.0, source="no model"))


def count_bytes_with(models: JobModels) -> JobModels:
    """Return models that count, of the same names, so that requests of dry runs are those of the job."""

    def counting(role: str) -> ModelHandle:
        return ModelHandle(models.of(role)[0].name, ByteCounter(), is_language_model=False)

    return JobModels(model=counting("default"), roles={role: (counting(role), None) for role in models.roles})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JobEstimate(Purpose):
    """What a job will take in all and by purpose: with a sample as 90 % prediction intervals."""

    purposes: tuple[Purpose, ...]
    models: JobModels
    #: People, or what else its items are, and steps of the dry run.
    dry_run: tuple[int, int] = (0, 0)
    #: The calls of the sample; None without one.
    sample: DryRun | None = None
    #: What the numbers are based on, in sentences.
    notes: tuple[str, ...] = ()

    def as_rows(self) -> list[tuple[str, ...]]:
        """Return one row for each purpose, and one for the total. Without a language model, tokens mean nothing."""
        found: list[tuple[str, ...]] = [
            (p.name, format_count(p.calls), format_span(p.input), format_span(p.output), format_cost(p.cost))
            for p in (*self.purposes, self)
        ]
        return found if self.models.is_language_model else [(*row[:2], "-", "-", "0") for row in found]


@dataclass(frozen=True, kw_only=True)
class Estimator(ABC):
    """A job that is estimated, and how a part of it is done with any models."""

    whole: int
    models: JobModels
    sampling: Sampling
    counts: str = "people"
    #: Tokens of an answer at most.
    answer_tokens: int

    #: What a sample is counted in, if not in the items themselves, and its limit where its size is not given.
    sampled: ClassVar[str] = ""
    most_sampled: ClassVar[int] = 20

    @abstractmethod
    def count(self) -> DryRun:
        """Count the calls of the whole job, or of a part of it, with the built-in generator."""

    @abstractmethod
    def do_part(self, size: int, models: JobModels, **options: Any) -> DryRun:
        """Do as much of the job as a sample of this size takes, and count its calls."""

    @abstractmethod
    def find_units(self, name: str, counted: DryRun, sample: DryRun) -> tuple[Part, Callable[[Answered], str]] | None:
        """Return what the calls for a purpose are counted by, and what tells the item that an answer belongs to.

        Items may be people, accepted outputs, turns or requests. None where the sample says too little.
        """

    def count_sampled(self, computed: Sequence[Purpose]) -> int:
        """Return how many could be sampled at most."""
        return self.whole

    def check_sample(self, sample: DryRun) -> None:
        """Raise `RunError` if the sample says nothing."""
        real = [a for a in sample.answered if self.models.of(a.role)[0].is_language_model]
        if self.models.is_language_model and len(real) < ENOUGH:
            raise RunError(
                f"The sample brought {len(real)} answers of {sample.sent} calls, so nothing can be told by it. "
                f"{sample.stopped} {parameter('sample', 0)} estimates without asking."
            )

    def estimate(self) -> JobEstimate:
        """Estimate the job. Raises `RunError` if the sample brings no answer."""
        counted = self.count()
        computed = [self._compute_purpose(name, counted) for name in counted.purposes]
        size = self._sample_size(computed)
        reference = self.do_part(size, count_bytes_with(self.models)) if size else counted
        sample = self._ask_sample(size, computed, reference) if size else None
        known, parts = {one.name: one for one in computed}, dict[str, Part]()
        if sample is not None:
            for name in dict.fromkeys((*counted.purposes, *sample.purposes)):
                if (part := self._count_part(name, counted, sample, reference)) is not None:
                    parts[name] = part
            zero = Interval.exactly(0.0)
            known |= {
                name: Purpose(name, zero, zero, zero, None, sample.of(name)[0].role)
                for name in parts
                if name not in known
            }
        purposes = [predict_purpose(one, [parts[name]]) if name in parts else one for name, one in known.items()]
        unreached = [one for one in purposes if one.name not in parts]
        # The total of parts is narrower than the sum of their intervals.
        reached = add_purposes(TOTAL, [known[name] for name in parts])
        predicted = [predict_purpose(reached, list(parts.values()))] if parts else []
        total = add_purposes(TOTAL, [*predicted, *unreached])
        return JobEstimate(
            name=TOTAL,
            **total.spans,
            purposes=tuple(purposes),
            models=self.models,
            dry_run=(counted.people, counted.steps),
            sample=sample,
            notes=tuple(self._describe_estimate(counted, sample, total, unreached)),
        )

    def _compute_purpose(self, name: str, counted: DryRun) -> Purpose:
        """Return what is known without a sample: from empty answers to full ones, each request asked once."""
        answers = counted.of(name)
        first, number = answers[0], len(answers)
        calls = Interval.exactly(round(sum(map(counted.times, answers)), 6))
        if not self.models.of(first.role)[0].is_language_model:
            zero = Interval.exactly(0.0)
            return Purpose(name, calls, zero, zero, zero, first.role)
        size, schema = (sum(getattr(a, key) or 0 for a in answers) / number for key in ("input", "schema"))
        asked = Interval(calls.low * size * TOKENS.low, calls.high * (size + schema) * TOKENS.high)
        answered = Interval(0.0, calls.high * self.answer_tokens)
        prices, cost = find_prices(self.models, first.role), None
        if prices is not None:  # at the least, the endpoint has cached all
            least = min(prices.of(asked.low, 0), prices.of(asked.low, 0, asked.low))
            cost = Interval(least, prices.of(asked.high, answered.high))
        return Purpose(name, calls, asked, answered, cost, first.role)

    def _sample_size(self, computed: Sequence[Purpose]) -> int:
        """Return the size of the sample; 0 for none."""
        number, whole = self.sampling.number, self.count_sampled(computed)
        if not self.whole or not computed or number == 0:
            return 0
        if number is None:
            size = min(self.sampling.most or self.most_sampled, whole // 4)
            return size if size >= ENOUGH and self.models.is_language_model else 0
        if min(number, whole) < ENOUGH:
            raise SetupError(
                f"A sample takes {ENOUGH} or more to say anything of the rest, but {min(number, whole)} was given."
            )
        return min(number, whole)

    def _ask_sample(self, size: int, computed: Sequence[Purpose], reference: DryRun) -> DryRun | None:
        """Ask the real models for a sample, after saying what that may cost. None if it took too few calls."""
        sampling = self.sampling
        calls = size if self.sampled == "calls" else _MARGIN * len(reference.answered)
        real = [one for one in computed if self.models.of(one.role)[0].is_language_model]
        dearest = max((one.cost.high / one.calls.high for one in real if one.cost), default=0.0)
        cost = "unknown dollars" if any(one.cost is None for one in real) else f"${calls * dearest:,.4f}"
        kept = (
            f"kept in {str(sampling.cache)!r}"
            if sampling.cache
            else f"not kept, unless {parameter('cache')} names a file"
        )
        sampling.announce(
            f"A sample is asked first: {size:,} {self.sampled or self.counts}, at most {calls:,} calls and {cost}; the "
            f"answers are {kept}. Without: {parameter('sample', 0)}."
        )
        limits = sampling.limits.changed(
            max_calls=min(calls, sampling.limits.max_calls or calls),
            max_rejected=1.0,
            min_yield=0.0,
            wait=min(_WAIT, sampling.limits.wait),
        )
        asked = {"cache": sampling.cache, "progress": sampling.progress, "limits": limits}
        try:
            sample = self.do_part(size, self.models, **asked)
        except PausedError as error:
            raise RunError(
                f"The sample could not be asked: {error} {parameter('sample', 0)} estimates without."
            ) from error
        if sampling.number is None and sample.sent < ENOUGH and not sample.stopped:
            sampling.announce(
                f"The sample took {sample.sent} calls, too few to tell the rest by; what follows is computed."
            )
            return None
        self.check_sample(sample)
        return sample

    def _count_part(self, name: str, counted: DryRun, sample: DryRun, reference: DryRun) -> Part | None:
        """Return what the sample took for a purpose, by item."""
        answers = sample.of(name)
        found = self.find_units(name, counted, sample) if answers else None
        if found is None or not found[0].whole or not sum(found[0].units.values()):
            return None
        part, item_of = found
        sizes = [_scale_prompt(a, counted, reference) for a in answers]
        took: dict[str, Mapping[str, float] | None] = {}
        for measure, numbers in _measure_answers(answers, sizes, find_prices(self.models, answers[0].role)).items():
            by_item = Counter[str]()
            for answer, number in zip(answers, numbers or (), strict=numbers is not None):
                by_item[item_of(answer)] += number  # type: ignore[assignment]
            took[measure] = None if numbers is None else by_item
        items = {**dict.fromkeys(map(item_of, answers), 0.0), **part.units}
        requests = len({a.request for a in answers})
        return replace(part, units=items, took=took, calls=len(answers), requests=requests)

    def _describe_estimate(
        self, run: DryRun, sample: DryRun | None, total: Purpose, unreached: Sequence[Purpose]
    ) -> list[str]:
        """Return sentences on what the numbers mean, and what they are based on."""
        models = self.models
        steps = f" and {run.steps:,} steps" if run.steps else ""
        of = f" of {self.whole:,}" if run.people != self.whole else ""
        said = [f"Requests were counted in a dry run of {run.people:,}{of} {self.counts}{steps}."]
        yields: list[str] = []
        if sample is not None and sample.asked:
            yields.append(f"In the sample, {sample.accepted:,} of {sample.asked:,} outputs were accepted.")
        if not models.is_language_model:
            return [
                *said,
                *yields,
                f"{models.first.name} is not a language model: it is free, and its tokens mean nothing.",
            ]
        if sample is None:
            said.append(
                "The range is from empty answers to answers as long as the limit of "
                f"{self.answer_tokens:,} tokens, each request answered once. What is asked again, revised or rejected "
                f"comes on top; a sample shows it ({parameter('sample', 40)})."
            )
            return [*said, *describe_prices(models, (a.role for a in run.answered))]
        cost = "unknown" if sample.cost is None else f"${sample.cost:.4f}"
        said = [
            f"With 90 % certainty the job takes {format_cost(total.cost)} dollars, {format_count(total.calls)} calls"
            f"{self.describe_whole()}, if the whole is like the sample.",
            f"The sample of {sample.sent:,} calls used {sum(a.input or 0 for a in sample.answered):,} tokens in and "
            f"{sum(a.output or 0 for a in sample.answered):,} out; its cost is {cost}, and comes on top.",
        ]
        if missing := [one.name for one in unreached if one.name != "revise"]:
            said.append(f"Too few answers of the sample are for {', '.join(missing)}: as without a sample.")
        sent = [a.seconds for a in sample.answered if a.was_sent]
        if sent:
            minutes = self._predict_minutes(total.calls, sum(sent) / len(sent))
            said.append(f"At the endpoint's speed in the sample, the job takes about {minutes:,.1f} minutes.")
        return [*said, *yields, *describe_prices(models, (a.role for a in run.answered))]

    def _predict_minutes(self, calls: Interval, latency: float) -> float:
        limits, number = self.sampling.limits, (calls.low + calls.high) / 2
        return max(number * latency / limits.max_in_flight / 60, number / limits.rpm if limits.rpm else 0.0)

    def describe_whole(self) -> str:
        """Return what the job makes, for the first sentence."""
        return ""


def describe_prices(models: JobModels, roles: Iterable[str]) -> list[str]:
    """Return a sentence on the prices of each model that is asked in one of these roles."""
    said = []
    for role in dict.fromkeys(role if role in models.roles else "default" for role in roles):
        model, prices = models.of(role)[0], find_prices(models, role)
        if prices is None:
            option = "prices" if role == "default" else f"{role}_prices"
            said.append(
                f"The price of {model.name} is unknown; give it as {parameter(option)}, in dollars for 1M tokens."
            )
        elif model.is_language_model:
            cached = "" if prices.cached is None else f", {prices.cached:g} where they are cached"
            said.append(
                f"Dollars of {model.name}: {prices.input:g} for a million tokens in{cached}, {prices.output:g} for a "
                f"million out ({prices.source})."
            )
    return said


def _measure_answers(
    answers: Sequence[Answered], sizes: Sequence[float], prices: Prices | None
) -> dict[str, Sequence[float] | None]:
    """Return the measures of each answer; None if the endpoint does not count them, or the price is not known."""
    counts = {key: _fill_unknown([getattr(a, key) for a in answers]) for key in ("input", "output", "cached")}
    asked, answered = (
        counts["input"] and [n * by for n, by in zip(counts["input"], sizes, strict=True)],
        counts["output"],
    )
    cached, cost = counts["cached"] or [0.0] * len(answers), None
    if prices is not None and asked is not None and answered is not None:
        each = zip(asked, answered, cached, sizes, strict=True)
        cost = [prices.of(into, out, min(into, kept * by)) for into, out, kept, by in each]
    return {"calls": [1.0] * len(answers), "input": asked, "output": answered, "cost": cost}


def _fill_unknown(numbers: Sequence[int | None]) -> list[float] | None:
    """Return the numbers, with the mean in place of unknown ones. None if too few are known."""
    known = [float(one) for one in numbers if one is not None]
    if len(known) < min(ENOUGH, len(numbers)):
        return None
    return [sum(known) / len(known) if one is None else float(one) for one in numbers]


def _scale_prompt(answer: Answered, whole: DryRun, reference: DryRun) -> float:
    """Return how much longer such prompts are in the whole job than in the sample's own dry run, at this step."""
    of_purpose = reference.of(answer.purpose)
    own = _find_mean_input([a for a in of_purpose if a.number == answer.number] or of_purpose)
    return _find_mean_input(whole.of(answer.purpose)) / own if own else 1.0


def _find_mean_input(answers: Sequence[Answered]) -> float:
    return sum(a.input or 0 for a in answers) / len(answers) if answers else 0.0


def format_count(interval: Interval) -> str:
    """Return a number of calls, or a range of them."""
    # A hair of floating point is no call.
    return _format_range(math.floor(interval.low + 1e-6), math.ceil(interval.high - 1e-6))


def format_span(interval: Interval) -> str:
    """Return a range with three digits."""
    return _format_range(_round_digits(interval.low, math.floor), _round_digits(interval.high, math.ceil))


def _round_digits(number: float, rounding: Callable[[float], int]) -> int:
    unit = 10 ** max(0, math.floor(math.log10(max(1.0, number))) - 2)
    return int(rounding(number / unit) * unit)


def _format_range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def format_cost(interval: Interval | None) -> str:
    """Return a range of dollars."""
    if interval is None:
        return "unknown"
    if not interval.high:
        return "0"
    return " to ".join(f"{one:,.2f}" if one >= 1 else f"{one:.2g}" for one in (interval.low, interval.high))
