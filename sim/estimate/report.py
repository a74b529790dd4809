"""An estimate in words: a table of ranges, and sentences that say what they rest on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...agents.gateway.budget import Prices
from ...personas.errors import parameter
from .dry_run import StageYield, describe_yields
from .intervals import Interval, share_interval
from .purposes import Purpose

if TYPE_CHECKING:
    from .estimator import Estimate

_COLUMNS = ("purpose", "calls", "tokens in", "tokens out", "reasoning", "dollars")


@dataclass(frozen=True, slots=True)
class EstimateTable:
    """An estimate as a table of text."""

    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...] = _COLUMNS
    types: tuple[str, ...] = ("VARCHAR",) * len(_COLUMNS)


def table(estimate: "Estimate") -> EstimateTable:
    """Return one row for each purpose, and one for the total."""
    found = []
    for stage, total in estimate.by_stage.items():
        found += [figures(p) for p in estimate.purposes if p.stage == stage]
        found += [figures(total)] if len(estimate.by_stage) > 1 else []
    if not estimate.by_stage:
        found = [figures(p) for p in estimate.purposes]
    found.append(figures(estimate.total))
    return EstimateTable(
        tuple(found if estimate.is_language_model else [(*row[:2], "-", "-", "-", "0") for row in found])
    )


def figures(purpose: Purpose) -> tuple[str, ...]:
    """Return the row of a purpose, or of several together."""
    tokens = _tokens(purpose.input, purpose.output, purpose.reasoning)
    return purpose.name, _count(purpose.calls), *tokens, _money(purpose.cost)


def sentences(estimate: "Estimate") -> list[str]:
    """Return sentences on what the numbers mean, what they are based on, and how to improve them."""
    if not estimate.is_language_model:
        free = f"The model {estimate.model} is no language model: it is free, and its tokens mean nothing."
        return [_dry_run(estimate), *_yields(estimate), free]
    if estimate.sample is None:
        return [_dry_run(estimate), _calls(estimate), _lengths(estimate), *_prices(estimate)]
    return [_headline(estimate), _worst(estimate), *_sampled(estimate), *_yields(estimate), *_prices(estimate)]


def _headline(estimate: "Estimate") -> str:
    total, rows = estimate.total, "" if estimate.rows is None else f" for {estimate.rows:,} accepted rows"
    cost = "" if total.cost is None else f"{_money(total.cost)} dollars, "
    taken = f"{cost}{_count(total.calls)} calls, {_rounded(total.input)} tokens in and {_rounded(total.output)} out"
    return (
        f"With 90 % certainty the job takes {taken}{rows}: prediction intervals from the lengths of answers, answers "
        "asked for again, revisions and rejections in the sample (Student's t, Wilson's interval), if the whole is "
        "like the sample. Calls that fail on the way and are sent again come on top."
    )


def _worst(estimate: "Estimate") -> str:
    worst = estimate.computed
    cost = "an unknown number of" if worst.cost is None else _dollars(worst.cost.high)
    asked, answered = (_digits(one.high, math.ceil) for one in (worst.input, worst.output))
    accepted = ""
    if estimate.rows is not None:
        accepted = f", only {estimate.least_accepted:.0%} of the outputs accepted"
    return (
        f"The worst case: {cost} dollars, {math.ceil(worst.calls.high):,} calls, {asked:,} tokens in and "
        f"{answered:,} out, if every second answer is asked for again, each "
        f"is as long as the limit of {estimate.answer_tokens:,} tokens{accepted}."
    )


def _dry_run(estimate: "Estimate") -> str:
    if not estimate.writes:
        return f"Requests were counted over {estimate.people:,} texts."
    (people, steps), stages = estimate.dry_run, f" and {_some(estimate.steps, 'step')}" if estimate.steps else ""
    said = f"Requests were counted in a dry run of {people:,} {estimate.counts}"
    said += f"{f' and {_some(steps, "step")}' if steps else ''} with the built-in generator"
    if (people, steps) != (estimate.people, estimate.steps):
        said += f", and estimated from that for {estimate.people:,} {estimate.counts}{stages}"
    return f"{said}; a model's answers may lead to other requests." if estimate.is_language_model else f"{said}."


def _calls(estimate: "Estimate") -> str:
    """Return what the numbers of calls are without a sample."""
    said = ["from every answer valid at first to every second one asked for again"] if estimate.writes else []
    if any(p.name == "persona_to_persona" for p in estimate.purposes):
        said.append("of the relations found in growth, all to every second one lead to somebody new")
    if estimate.steps:
        said.append("revisions: none to every second turn")
    if estimate.rows is not None:
        of_jobs = ", by the jobs behind it too" if len(estimate.by_stage) > 1 else ""
        said.append(
            f"to have {estimate.rows:,} rows, all outputs are accepted, to every second one rejected{of_jobs}; where "
            f"more are, it takes more"
        )
    counted = f"Calls: {'; '.join(said)}. " if said else ""
    return f"{counted}Calls that fail on the way and are sent again come on top."


def _lengths(estimate: "Estimate") -> str:
    bytes_said = "Tokens in: one for 4 bytes of UTF-8, times 0.75 to 1.33"
    if not estimate.writes:
        return f"{bytes_said}."
    seen = (
        "; from observations half as long as the built-in generator's, to full ones with the schema"
        if estimate.steps
        else ""
    )
    narrower = f"; only a sample narrows that ({parameter('sample', 40)})"
    return (
        f"{bytes_said}{seen}. Tokens out, reasoning among them: from 1 to the limit of "
        f"{estimate.answer_tokens:,} an answer{narrower}."
    )


def _prices(estimate: "Estimate") -> list[str]:
    models = estimate.models
    used = {p.role if p.role in models.handles else "default" for p in estimate.purposes} or {"default"}
    return [
        _priced(role, models.handles[role].name, models.prices(role), estimate)
        for role in models.handles
        if role in used
    ]


def _priced(role: str, model: str, prices: Prices | None, estimate: "Estimate") -> str:
    if prices is None:
        given = "embeddings_prices" if not estimate.writes else "prices" if role == "default" else f"{role}_prices"
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


def _yields(estimate: "Estimate") -> list[str]:
    """Return what the sample of a task says about the number of outputs the rows take."""
    yields, n = estimate.yields, estimate.rows
    if not yields or n is None:
        return []
    made, last = yields[0], yields[-1]
    said = [f"Yield of the sample, with 90 % intervals: {describe_yields(yields)}."]
    turns = _rounded(Interval(n / made.share.high, n / made.share.low))
    needs = f"{n:,} rows take {turns} outputs"
    left = Interval.exactly(1.0)
    if last is not made:
        left, whole = share_interval(last.accepted, made.accepted), share_interval(last.accepted, made.rows)
        needs += (
            f", and {_stages(yields[1:])} {_rounded(left * n)} of them; for {n:,} that "
            f"pass all stages, make {_rounded(Interval(n / left.high, n / left.low))} rows, of "
            f"{_rounded(Interval(n / whole.high, n / whole.low))} outputs"
        )
    said.append(f"{needs}. Each person gives {_some(estimate.per_persona, 'row')} at most.")
    if estimate.is_language_model and estimate.cost is not None:
        each = Interval(estimate.cost.low / (n * left.high), estimate.cost.high / (n * left.low))
        said.append(f"An accepted row costs {_money(each)} dollars.")
    return said


def _stages(yields: Sequence[StageYield]) -> str:
    names = [one.stage for one in yields]
    return f"{' and '.join(names)} {'leaves' if len(names) == 1 else 'leave'}"


def _sampled(estimate: "Estimate") -> list[str]:
    sample = estimate.sample
    if sample is None:
        return []
    cost = "unknown" if sample.cost is None else f"${sample.cost:.4f}"
    said = [
        f"The sample of {sample.of}: {_some(sample.sent, 'call')}, {sample.answered:,} answered, "
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
        said.append(f"The job would take {_time(estimate.seconds)}, if the endpoint stays as fast as in the sample.")
    return said


def _tokens(*intervals: Interval | None) -> tuple[str, ...]:
    return tuple("unknown" if interval is None else _rounded(interval) for interval in intervals)


def _count(interval: Interval) -> str:
    # A hair of floating point is no call.
    return _between(math.floor(interval.low + 1e-6), math.ceil(interval.high - 1e-6))


def _rounded(interval: Interval) -> str:
    return _between(_digits(interval.low, math.floor), _digits(interval.high, math.ceil))


def _digits(number: float, rounding: Callable[[float], int]) -> int:
    """Round a number to three digits."""
    unit = 10 ** max(0, math.floor(math.log10(max(1.0, number))) - 2)
    return int(rounding(number / unit) * unit)


def _between(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _money(interval: Interval | None) -> str:
    if interval is None:
        return "unknown"
    return f"{_dollars(interval.low)} to {_dollars(interval.high)}"


def _dollars(number: float) -> str:
    return f"{number:,.2f}" if number >= 1 else f"{number:.2g}"


def _time(interval: Interval) -> str:
    for unit, seconds in (("hours", 3600), ("minutes", 60)):
        if interval.high >= 2 * seconds:
            return f"{interval.low / seconds:.1f} to {interval.high / seconds:.1f} {unit}"
    return f"{interval.low:.0f} to {math.ceil(interval.high)} seconds"


def _some(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
