"""What a run will ask of its model and cost: known before it begins, as ranges, with what they rest on.

The society is lived with the stand-in, which counts requests and measures them as they would be sent. What a real
model makes of them is bounded; a sample of its own answers narrows that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.action_check import novelty_of
from ..agents.endpoint.models import ModelHandle, open_model
from ..agents.gateway.limits import Limits
from ..agents.gateway.prices import Prices, known_prices
from ..agents.mind import build_mind
from ..personas.errors import SetupError
from ..personas.sources import Sources
from .estimating.duration import duration
from .estimating.life import Life, live
from .estimating.purposes import Asked, Counted, Purpose, counted_purposes, purposes
from .estimating.ruler import Ruler
from .estimating.scale import Scale
from .estimating.span import Span, mean_span, share_span
from .growth import Growth
from .progress import Progress
from .scenario import Scenario, check_interventions, check_scenario
from .seeds import derive_seed

__all__ = ["Estimate", "Sample", "estimate"]

#: Turns up to which the whole society is lived with the stand-in, at some 3 ms each, and people up to whom it is grown.
_TURNS = 2_000
_GROWN = 2_000
#: People of the smaller society that is lived instead, at least.
_FEWEST = 24
#: A society that is sampled has a quarter as many people as calls, so that some steps come up. For each hop it has as
#: many as will show something of growth, if that leaves half of the calls.
_EACH_HOP = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """What asking the real model came to."""

    sent: int
    answered: int
    input_tokens: int
    output_tokens: int
    #: Dollars; None where the price or the tokens are not known.
    cost: float | None
    #: Seconds that an answer took: the mean, as a range, and the longest.
    latency: Span | None
    longest: float
    #: Answers kept in a cache to requests that the run will make in the same words, so far as that can be known.
    reused: int | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run comes to, by purpose and in all."""

    purposes: tuple[Purpose, ...]
    people: int
    steps: int
    #: People and steps of the life that was counted.
    lived: tuple[int, int]
    model: str
    is_language_model: bool
    prices: Prices | None
    sample: Sample | None
    #: Seconds the run takes, where a sample shows how long an answer takes.
    seconds: Span | None
    answer_tokens: int
    #: Whether a part of the calls goes through batches.
    batch: bool

    @property
    def calls(self) -> Span:
        """Calls in all."""
        return _sum(p.calls for p in self.purposes)

    @property
    def input(self) -> Span:
        """Tokens asked in all."""
        return _sum(p.input for p in self.purposes)

    @property
    def output(self) -> Span:
        """Tokens answered in all, reasoning included."""
        return _sum(p.output for p in self.purposes)

    @property
    def cost(self) -> Span | None:
        """Dollars in all; None where the price is not known."""
        found = [self.cost_of(p) for p in self.purposes]
        return None if self.prices is None else _sum(cost for cost in found if cost is not None)

    def cost_of(self, purpose: Purpose) -> Span | None:
        """Dollars for one purpose; the least reckons with what an endpoint may have cached."""
        if self.prices is None:
            return None
        asked, answered = purpose.input, purpose.output
        cached = min(asked.low, purpose.calls.low * purpose.each_cached)
        cheapest = min(self.prices.of(asked.low, answered.low, share) for share in (0.0, cached))
        return Span(cheapest, self.prices.of(asked.high, answered.high))


def estimate(
    scenario: Scenario,
    *,
    growth: Growth | None = None,
    seed: int = 0,
    model: str | BaseChatModel | ModelHandle = "procedural",
    base_url: str | Sequence[str] | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    batch: bool = False,
    steps: int = 8,
    sample: int = 0,
    progress: Progress | None = None,
) -> Estimate:
    """What `Society(...).run()` with the same arguments will ask of its model, and cost; the model is not asked.

    With `sample` it is asked so many times, never more, by a smaller society that is like this one; `cache` then keeps
    the answers. Raises `SetupError` for what a run could not do either, `RunError` when the sample fails.
    """
    handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
    _check(handle, steps, sample)
    check_scenario(scenario)
    check_interventions(scenario, steps)
    growth, limits, prices = growth or Growth(), limits or Limits.given(), prices or known_prices(handle)
    source = growth.source(seed=derive_seed(seed, "sources"))
    scale = Scale(growth, list(source) if isinstance(source, Sources) else source, seed)
    counted, drawn, ruler = _counted(scenario, scale, handle.name, steps), None, None
    if sample:
        small, budget = scale.smaller(_sampled_people(growth, sample)), limits.changed(max_calls=sample)
        options = {"model": handle, "limits": budget, "prices": prices, "cache": cache, "progress": progress}
        drawn = live(scenario, scale=small, steps=steps, **options)
        ruler = _by_ruler(scenario, small, handle.name, steps)
    asked = _asked(scenario)
    found = purposes(counted, asked, drawn, ruler) if handle.is_language_model else counted_purposes(counted)
    shown = _shown(drawn, counted.life, is_kept=cache is not None) if drawn else None
    return Estimate(
        tuple(found),
        people=scale.people,
        steps=steps if scenario.lives else 0,
        lived=(counted.life.people, counted.life.steps),
        model=handle.name,
        is_language_model=handle.is_language_model,
        prices=prices,
        sample=shown,
        seconds=_seconds(found, counted.life, shown, limits),
        answer_tokens=asked.answer_tokens,
        batch=batch,
    )


def _sampled_people(growth: Growth, sample: int) -> int:
    return max(2, sample // 4, min(_EACH_HOP * (growth.hops + 1), sample // 2))


def _asked(scenario: Scenario) -> Asked:
    settings = scenario.settings
    may_repeat = any(novelty_of(action) == "revise" for action in scenario.actions)
    is_revised = may_repeat and scenario.mind() is build_mind()
    return Asked(settings.answer_tokens, settings.observation_tokens, is_revised=is_revised)


def _seconds(found: Sequence[Purpose], life: Life, sample: Sample | None, limits: Limits) -> Span | None:
    if sample is None or sample.latency is None:
        return None
    return duration(found, life, sample.latency, sample.longest, limits)


def _check(model: ModelHandle, steps: int, sample: int) -> None:
    if steps < 1:
        raise SetupError(f"The number of steps must be at least 1, but {steps} was given.")
    if sample < 0:
        raise SetupError(f"The number of calls to sample must be at least 1, but {sample} was given.")
    if sample and not model.is_language_model:
        raise SetupError(f"Model {model.name} is no language model and costs nothing, so there is nothing to sample.")


def _counted(scenario: Scenario, scale: Scale, name: str, steps: int) -> Counted:
    """The calls of this society, or of a smaller one where it is large, with the stand-in."""
    people = scale.people
    if people * steps <= _TURNS:
        return Counted(_by_ruler(scenario, scale, name, steps), grown=1.0, lived=Span.exactly(1.0))
    small = scale.smaller(max(_FEWEST, _TURNS // steps))
    life = _by_ruler(scenario, small, name, steps)
    times = people / max(1, life.people)
    turns = sum(a.phase == "step" for a in life.answered)
    # How many of the people act in a step is known from the smaller society as from a sample.
    most = life.people * max(1, life.steps)
    share = share_span(turns, most) * (most / turns) if 0 < turns <= most else Span.exactly(1.0)
    if people > _GROWN or not any(a.phase == "growth" for a in life.answered):
        return Counted(life, grown=times, lived=share * times)
    grown = _by_ruler(scenario, scale, name, 0)
    return Counted(life.grown_as(grown), grown=1.0, lived=share * times)


def _by_ruler(scenario: Scenario, scale: Scale, name: str, steps: int) -> Life:
    # The name is part of a request, so that requests of this life can be told to be those of the run.
    model = ModelHandle(name, Ruler(), is_language_model=False)
    return live(scenario, scale=scale, steps=steps, model=model)


def _shown(drawn: Life, life: Life, *, is_kept: bool) -> Sample:
    sent = [a for a in drawn.answered if a.was_sent]
    known = {a.request_hash for a in life.answered}
    return Sample(
        sent=drawn.sent,
        answered=len(sent),
        input_tokens=sum(a.input or 0 for a in sent),
        output_tokens=sum(a.output or 0 for a in sent),
        cost=drawn.cost,
        latency=mean_span([a.seconds for a in sent], of=len(sent)) if len(sent) > 2 else None,
        longest=max((a.seconds for a in sent), default=0.0),
        reused=sum(a.request_hash in known for a in drawn.answered) if is_kept else None,
    )


def _sum(spans: Iterable[Span]) -> Span:
    return sum(spans, start=Span.exactly(0.0))
