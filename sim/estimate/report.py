"""An estimate in words: a table of ranges, and sentences that say what they rest on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...agents.gateway.budget import Prices
from ...personas.errors import parameter
from .dry_run import StageYield
from .funnel import share_of, yields_said
from .purposes import Interval, Purpose, share_interval

if TYPE_CHECKING:
    from .estimator import Estimate

_COLUMNS = ("purpose", "calls", "tokens in", "tokens out", "reasoning", "dollars")

_METHODS = (
    "Ranges by it are of 95 % confidence (Student's t for means, Wilson's for shares), and 5 % more either way, "
    "10 for steps that it did not reach."
)


@dataclass(frozen=True, slots=True)
class EstimateTable:
    """An estimate as a table of text."""

    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...] = _COLUMNS
    types: tuple[str, ...] = ("VARCHAR",) * len(_COLUMNS)


def table(estimate: "Estimate") -> EstimateTable:
    """One row for each purpose, and one for all of them."""
    found = []
    for stage in estimate.stages:
        of_stage = [p for p in estimate.purposes if p.stage == stage]
        found += [(p.name, *_figures(estimate, [p])) for p in of_stage]
        if len(estimate.stages) > 1:
            found.append((f"{stage} in all", *_figures(estimate, of_stage)))
    found.append(("in all", *_figures(estimate, estimate.purposes)))
    return EstimateTable(
        tuple(found if estimate.is_language_model else [(*row[:2], "-", "-", "-", "0") for row in found])
    )


def _figures(estimate: "Estimate", purposes: Sequence[Purpose]) -> tuple[str, ...]:
    """Calls, tokens and dollars of these purposes together."""
    calls, asked, answered = (_sum([getattr(p, name) for p in purposes]) for name in ("calls", "input", "output"))
    reasoning = _known_sum([p.reasoning for p in purposes])
    cost = _known_sum([estimate.cost_of(p) for p in purposes])
    return _count(calls), *_tokens(asked, answered, reasoning), _money(cost)


def figures_of(estimates: Sequence["Estimate"]) -> tuple[str, ...]:
    """Calls, tokens and dollars of several estimates together; tokens of what is no language model mean nothing."""
    asked = [one for one in estimates if one.is_language_model]
    calls = _count(_sum([one.calls for one in estimates]))
    if not asked:
        return calls, "-", "-", "-", "0"
    reasoning = _known_sum([p.reasoning for one in asked for p in one.purposes])
    tokens = _tokens(_sum([one.input for one in asked]), _sum([one.output for one in asked]), reasoning)
    return calls, *tokens, _money(_known_sum([one.cost for one in asked]))


def _sum(found: Sequence[Interval]) -> Interval:
    return sum(found, start=Interval.exactly(0.0))


def _known_sum(found: Sequence[Interval | None]) -> Interval | None:
    known = [one for one in found if one is not None]
    return _sum(known) if known and len(known) == len(found) else None


def sentences(estimate: "Estimate") -> list[str]:
    """What the numbers rest on, and what would make them better."""
    said = [_dry_run(estimate)]
    if not estimate.is_language_model:
        return [
            *said,
            *_yields(estimate),
            f"The model {estimate.model} is no language model: it is free, and its tokens mean nothing.",
        ]
    said += [_calls(estimate), _lengths(estimate), *_prices(estimate)]
    return [*said, *_yields(estimate), *_sampled(estimate)]


def _dry_run(estimate: "Estimate") -> str:
    if not estimate.writes:
        return f"Requests were counted over {estimate.people:,} texts."
    (people, steps), stages = estimate.dry_run, f" and {_some(estimate.steps, 'step')}" if estimate.steps else ""
    said = f"Requests were counted in a dry run of {people:,} {estimate.counts}"
    said += f"{f' and {_some(steps, "step")}' if steps else ''} with the stand-in"
    if (people, steps) != (estimate.people, estimate.steps):
        said += f", and estimated from that for {estimate.people:,} {estimate.counts}{stages}"
    return f"{said}; a model's answers may lead to other requests." if estimate.is_language_model else f"{said}."


def _calls(estimate: "Estimate") -> str:
    again = revised = "as in the sample"
    if estimate.sample is None:
        again, revised = (
            "from every answer valid at first to every second one asked for again",
            "none to every second turn",
        )
    said = [again] if estimate.writes else []
    if any(p.name == "persona_to_persona" for p in estimate.purposes):
        said.append("of the relations found in growth, all to every second one lead to somebody new")
    if estimate.steps:
        said.append(f"revisions: {revised}")
    if estimate.rows is not None:
        share = "as many outputs are rejected as in the sample"
        if not estimate.yields:
            of_jobs = ", by the jobs behind it too" if len(estimate.stages) > 1 else ""
            share = f"all outputs are accepted, to every second one rejected{of_jobs}"
        said.append(f"to have {estimate.rows:,} rows, {share}")
    counted = f"Calls: {'; '.join(said)}. " if said else ""
    return f"{counted}Calls that fail on the way and are sent again come on top."


def _lengths(estimate: "Estimate") -> str:
    if estimate.sample is not None:
        return "Tokens: as in the sample, those in by the size of prompts; where it has too few answers, as without it."
    bytes_said = "Tokens in: one for 4 bytes of UTF-8, times 0.75 to 1.33"
    if not estimate.writes:
        return f"{bytes_said}."
    seen = "; from observations half as long as the stand-in's, to full ones with the schema" if estimate.steps else ""
    narrower = f"; only a sample narrows that ({parameter('sample', 40)})" if estimate.can_be_sampled else ""
    return (
        f"{bytes_said}{seen}. Tokens out, reasoning among them: from 1 to the limit of "
        f"{estimate.answer_tokens:,} an answer{narrower}."
    )


def _prices(estimate: "Estimate") -> list[str]:
    models = {"default": (estimate.model, estimate.prices)}
    models |= {role: (name, estimate.role_prices.get(role)) for role, name in estimate.role_models.items()}
    used = {p.role if p.role in models else "default" for p in estimate.purposes} or {"default"}
    return [_priced(role, *models[role], estimate) for role in models if role in used]


def _priced(role: str, model: str, prices: Prices | None, estimate: "Estimate") -> str:
    if prices is None:
        given = "embeddings_prices" if not estimate.writes else "prices" if role == "default" else f"{role}_prices"
        return (
            f"What {model} costs at its endpoint is unknown; give it as {parameter(given)}, in dollars "
            "for a million tokens."
        )
    cached = f", {prices.cached:g} where the endpoint had them cached" if prices.cached is not None else ""
    lead = "Dollars" if len(estimate.role_models) == 0 else f"Dollars of {model}"
    return (
        f"{lead}: {prices.input:g} for a million tokens in{cached}, {prices.output:g} for a million out "
        f"({prices.source}).{' Calls in batches are counted at full price.' if estimate.batch else ''}"
    )


def _yields(estimate: "Estimate") -> list[str]:
    """What a sample of a task says of how many outputs the rows take."""
    yields, n = estimate.yields, estimate.rows
    if not yields or n is None:
        return []
    made, last = yields[0], yields[-1]
    said = [f"Yield of the sample, with 95 % intervals: {yields_said(yields)}."]
    turns = _rounded(Interval(n / share_of(made).high, n / share_of(made).low))
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
        f"The sample: {_some(sample.sent, 'call')}, {sample.answered:,} answered, {sample.input_tokens:,} tokens in, "
        f"{sample.output_tokens:,} out; its cost is {cost}. {_METHODS}"
    ]
    if sample.reused is not None:
        said.append(
            f"Of its answers, {sample.reused:,} are to requests that the run makes in the same words and need not be "
            f"paid again with this {parameter('cache')}; the others were given to a smaller society."
        )
    if estimate.seconds is not None:
        said.append(f"The run would take {_time(estimate.seconds)}, if the endpoint stays as fast as in the sample.")
    return said


def _tokens(*intervals: Interval | None) -> tuple[str, ...]:
    return tuple("unknown" if interval is None else _rounded(interval) for interval in intervals)


def _count(interval: Interval) -> str:
    # A hair of floating point is no call.
    return _between(math.floor(interval.low + 1e-6), math.ceil(interval.high - 1e-6))


def _rounded(interval: Interval) -> str:
    return _between(_digits(interval.low, math.floor), _digits(interval.high, math.ceil))


def _digits(number: float, rounding: Callable[[float], int]) -> int:
    """The number to three digits."""
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
