"""What a run will ask of its model and cost: known before it begins, as ranges, with what they rest on.

A dry run of the society with the stand-in counts requests and measures them as they would be sent. What a real model
makes of them is bounded; a sample of its own answers narrows that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Unpack

from langchain_core.language_models.chat_models import BaseChatModel

from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices, known_prices
from ...agents.gateway.limits import Limits
from ...personas.errors import SetupError
from ...personas.sources import Sources
from ..config import GivenModel, RunConfig, RunOptions
from ..engine import Progress
from ..growth import Growth
from ..prompt_limits import check_prompts
from ..run_models import open_roles
from ..runfile.job_rows import Unit
from ..scenario import Scenario
from ..scenario_checks import check_interventions, check_scenario, check_surveys
from ..seeds import derive_seed
from ..tasks.task import MOST_ROUNDS, Task
from .dry_run import ByteCounter, DryRun, Scale, StageYield, TaskStage, dry_run
from .funnel import JobsBehind, LaterJobs, check_yields, share_of
from .purposes import (
    Asked,
    Counted,
    Interval,
    Purpose,
    counted_purposes,
    duration,
    mean_interval,
    purposes,
    share_interval,
)

#: Turns up to which the whole society has a dry run, at some 3 ms each, and people up to whom it is grown.
_TURNS = 2_000
_GROWN = 2_000
#: People of the smaller society that has one instead, at least.
_FEWEST = 24
#: Rows of a task up to which all of them have a dry run, and the least share of outputs that a real model's checks may
#: be expected to accept.
_ROWS = 200
#: And where jobs are done on them, of several calls each.
_ROWS_WITH_JOBS = 60
_LEAST_ACCEPTED = 0.5
#: A society that is sampled has a quarter as many people as calls, so that some steps come up. For each hop it has as
#: many as will show something of growth, if that leaves half of the calls.
_EACH_HOP = 4


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """The result of asking the real model a sample of the requests."""

    sent: int
    answered: int
    input_tokens: int
    output_tokens: int
    #: Dollars; None where the price or the tokens are not known.
    cost: float | None
    #: Seconds that an answer took: the mean, as a range, and the longest.
    latency: Interval | None
    longest: float
    #: Answers kept in a cache to requests that the run will make in the same words, so far as that can be known.
    reused: int | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take, by purpose and in total."""

    purposes: tuple[Purpose, ...]
    people: int
    #: People and steps of the dry run.
    dry_run: tuple[int, int]
    model: str
    is_language_model: bool
    prices: Prices | None
    answer_tokens: int
    #: Whether a part of the calls goes through batches.
    batch: bool
    steps: int = 0
    sample: ModelTrial | None = None
    #: Seconds the run takes, where a sample shows how long an answer takes.
    seconds: Interval | None = None
    #: Rows that a task is to make; None for a society.
    rows: int | None = None
    #: Whether the model can be asked for a sample, which narrows the ranges.
    can_be_sampled: bool = True
    #: What `people` and the dry run count.
    counts: str = "people"
    #: The prices of models of other roles, by role; None where they are not known.
    role_prices: Mapping[str, Prices | None] = field(default=MappingProxyType({}), hash=False)
    #: What the stages of a sample left, and the names of the models of other roles, by role.
    yields: tuple[StageYield, ...] = ()
    #: Rows of a task that one person gives, at most.
    per_persona: int = 1
    role_models: Mapping[str, str] = field(default=MappingProxyType({}), hash=False)

    @property
    def calls(self) -> Interval:
        """Calls in all."""
        return _sum(p.calls for p in self.purposes)

    @property
    def input(self) -> Interval:
        """Tokens asked in all."""
        return _sum(p.input for p in self.purposes)

    @property
    def output(self) -> Interval:
        """Tokens answered in all, reasoning included."""
        return _sum(p.output for p in self.purposes)

    @property
    def writes(self) -> bool:
        """Whether the model writes answers, as for all but vectors."""
        return self.answer_tokens > 0

    @property
    def cost(self) -> Interval | None:
        """Dollars in all; None where the price is not known."""
        found = [cost for p in self.purposes if (cost := self.cost_of(p)) is not None]
        is_known = self.prices is not None or all(p.role in self.role_prices for p in self.purposes)
        return _sum(found) if is_known and len(found) == len(self.purposes) else None

    @property
    def stages(self) -> tuple[TaskStage, ...]:
        """The stages that calls are made for: making alone, or that and the jobs behind it."""
        return tuple(dict.fromkeys(p.stage for p in self.purposes))

    def cost_of(self, purpose: Purpose) -> Interval | None:
        """Dollars for one purpose; the least reckons with what an endpoint may have cached."""
        prices = self.role_prices.get(purpose.role, self.prices)
        if prices is None:
            return None
        asked, answered = purpose.input, purpose.output
        cached = min(asked.low, purpose.calls.low * purpose.each_cached)
        cheapest = min(prices.of(asked.low, answered.low, share) for share in (0.0, cached))
        return Interval(cheapest, prices.of(asked.high, answered.high))


def estimate(
    scenario: Scenario,
    config: RunConfig | None = None,
    *,
    model: str | BaseChatModel | ModelHandle | None = None,
    solver: GivenModel | None = None,
    grader: GivenModel | None = None,
    sample: int = 0,
    later: LaterJobs | None = None,
    progress: Progress | None = None,
    **options: Unpack[RunOptions],
) -> Estimate:
    """What `Society(...).run()` with the same arguments will ask of its model, and cost; the model is not asked.

    All that `config` holds can be given by keyword too, as for `Society`. With `sample` the model is asked so many
    times, never more, by a smaller society that is like this one; the cache then keeps the answers. Of a task the
    sample is so many outputs. `later` says which jobs are to be done on a task's rows: they are counted, and done on
    the outputs of the sample, too.
    Raises `SetupError` for what a run could not do either, `RunError` when the sample fails, or accepts nothing.
    """
    own = {
        r: one for r, one in (("solver", solver), ("grader", grader)) if isinstance(one, BaseChatModel | ModelHandle)
    }
    named = {"solver": solver, "grader": grader, "model": model if isinstance(model, str) else None}
    config = (config or RunConfig()).changed(**options, **{name: one for name, one in named.items() if name not in own})
    given = None if isinstance(model, str) else model
    handle = given if isinstance(given, ModelHandle) else open_model(given or config.model, base_url=config.base_url)
    roles = open_roles(config, own)
    others = {role: one for role, (one, _) in roles.items()}
    known = {role: one.is_language_model for role, one in ({"default": handle} | others).items()}
    _check(handle.name, sample, is_free=not any(known.values()) and later is None)
    check_scenario(scenario)
    check_prompts(scenario, config.mind)
    check_interventions(scenario, config.steps)
    check_surveys(scenario, config.steps)
    growth, steps, prices = (
        config.growth,
        scenario.most_steps or config.steps,
        _prices_of(handle, config.prices, others),
    )
    source = growth.source(seed=derive_seed(config.seed, "sources"))
    scale = Scale(growth, list(source) if isinstance(source, Sources) else source, config.seed, config.network)
    role_prices = {role: _prices_of(one, its, {}) for role, (one, its) in roles.items()}
    names = {"default": handle.name} | {role: one.name for role, one in others.items()}
    asked, drawn, reference = Asked.of(scenario, config.mind), None, None
    how = {"mind": config.mind, "archetypes": config.archetypes}
    asked_by: dict[str, Any] = {
        "cache": config.cache,
        "progress": progress,
        "model": handle,
        "prices": prices,
        **how,
        **others,
    }
    if isinstance(scenario, Task):
        later = later or LaterJobs()
        asked = replace(asked, phase_tokens=later.answer_tokens)
        counted = _counted_rows(scenario, scale, names, later)
        if sample:
            few, rounds = scenario.resized(min(sample, scenario.settings.n)), scenario.settings.per_persona
            small = scale.smaller(max(2, few.people_needed))
            behind = JobsBehind(
                later,
                models={"default": handle} | others,
                prices={"default": prices} | role_prices,
                seed=config.seed,
                limits=config.limits,
                cache=config.cache,
            )
            drawn = dry_run(few, scale=small, steps=rounds, limits=config.limits, behind=behind.done_in, **asked_by)
            reference = _counting_run(few, small, names, rounds, later)
            check_yields(drawn, later, scenario.settings.n, is_paid=any(known.values()))
            counted = _scaled(counted, drawn.yields, scenario.settings.n)
    else:
        counted = _counted(scenario, scale, names, steps, how)
        if sample:
            small, budget = scale.smaller(_sampled_people(growth, sample)), config.limits.changed(max_calls=sample)
            drawn = dry_run(scenario, scale=small, steps=steps, limits=budget, **asked_by)
            reference = _counting_run(scenario, small, names, steps, how=how)
    found = purposes(counted, asked, drawn, reference) if any(known.values()) else []
    found = [p for p in found if known.get(p.role, known["default"])]
    found += [p for p in counted_purposes(counted) if not known.get(p.role, known["default"])]
    shown = _shown(drawn, counted.dry_run, is_kept=config.cache is not None) if drawn else None
    return Estimate(
        tuple(found),
        people=scale.people,
        steps=steps if scenario.takes_steps and not isinstance(scenario, Task) else counted.dry_run.steps,
        dry_run=(counted.dry_run.people, counted.dry_run.steps),
        model=handle.name,
        is_language_model=any(known.values()),
        prices=prices,
        role_prices=role_prices,
        role_models={role: one.name for role, one in others.items()},
        yields=drawn.yields if drawn is not None else (),
        sample=shown,
        seconds=_seconds(found, counted.dry_run, shown, config.limits),
        answer_tokens=asked.answer_tokens,
        batch=config.batch,
        rows=scenario.settings.n if isinstance(scenario, Task) else None,
        per_persona=scenario.settings.per_persona if isinstance(scenario, Task) else 1,
    )


def _prices_of(model: ModelHandle, given: Prices | None, others: Mapping[str, ModelHandle]) -> Prices | None:
    """The prices of a model; beside others that cost something, the stand-in is free."""
    is_free = not model.is_language_model and (not others or any(one.is_language_model for one in others.values()))
    return given or known_prices(model) or (Prices(0.0, 0.0, source="no language model") if is_free else None)


def _sampled_people(growth: Growth, sample: int) -> int:
    return max(2, sample // 4, min(_EACH_HOP * (growth.hops + 1), sample // 2))


def _seconds(found: Sequence[Purpose], counted: DryRun, sample: ModelTrial | None, limits: Limits) -> Interval | None:
    if sample is None or sample.latency is None:
        return None
    return duration(found, counted, sample.latency, sample.longest, limits)


def _check(model: str, sample: int, *, is_free: bool) -> None:
    if sample < 0:
        raise SetupError(f"The number of calls to sample must be at least 1, but {sample} was given.")
    if sample and is_free:
        raise SetupError(f"Model {model} is no language model and costs nothing, so there is nothing to sample.")


def _counted(scenario: Scenario, scale: Scale, names: Mapping[str, str], steps: int, how: Mapping[str, Any]) -> Counted:
    """The calls of this society, or of a smaller one where it is large, with the stand-in."""
    people = scale.people
    if people * steps <= _TURNS:
        return Counted(_counting_run(scenario, scale, names, steps, how=how), growth=1.0, steps=Interval.exactly(1.0))
    small = scale.smaller(max(_FEWEST, _TURNS // steps))
    counted = _counting_run(scenario, small, names, steps, how=how)
    times = people / max(1, counted.people)
    turns = sum(a.unit == Unit.STEP for a in counted.answered)
    # How many of the people act in a step is known from the smaller society as from a sample.
    most = counted.people * max(1, counted.steps)
    share = share_interval(turns, most) * (most / turns) if 0 < turns <= most else Interval.exactly(1.0)
    if people > _GROWN or not any(a.unit == Unit.HOP for a in counted.answered):
        return Counted(counted, growth=times, steps=share * times)
    grown = _counting_run(scenario, scale, names, 0)
    return Counted(counted.grown_as(grown), growth=1.0, steps=share * times)


def _counted_rows(task: Task, scale: Scale, names: Mapping[str, str], later: LaterJobs) -> Counted:
    """The calls of a task: those of a few rows, of which a real model's checks may reject as many as they accept."""
    few = task.resized(min(task.settings.n, _ROWS_WITH_JOBS if later.stages else _ROWS))
    small = scale.smaller(max(_FEWEST, 2 * few.people_needed))
    counted = _counting_run(few, small, names, MOST_ROUNDS, later)
    return _scaled(Counted(counted, scale.people / max(1, counted.people), Interval.exactly(1.0)), (), task.settings.n)


def _scaled(counted: Counted, sample: Sequence[StageYield], n: int) -> Counted:
    """The same for so many rows, by what each stage of a sample left, or by what it leaves at least and at most."""
    left = {one.stage: share_of(one) for one in sample}
    guess = Interval(_LEAST_ACCEPTED, 1.0)
    answered = counted.dry_run.answered
    turns = max(1, len({(a.number, a.owner) for a in answered if a.unit == Unit.STEP}))
    made = left.get("making", guess)
    phases: dict[str, Interval] = {}
    share = Interval.exactly(1.0)
    for one in counted.dry_run.yields[1:]:
        phases[one.stage] = share * (n / one.rows)
        share *= left.get(one.stage, guess)
    return replace(counted, steps=Interval(n / turns / made.high, n / turns / made.low), phases=phases)


def _counting_run(
    scenario: Scenario,
    scale: Scale,
    names: Mapping[str, str],
    steps: int,
    later: LaterJobs | None = None,
    how: Mapping[str, Any] = MappingProxyType({}),
) -> DryRun:
    # The name is part of a request, so that requests of the dry run can be matched with those of the run.
    counters = {role: ModelHandle(named, ByteCounter(), is_language_model=False) for role, named in names.items()}
    behind = JobsBehind(later, counters, {}, scale.seed, is_dry_run=True).done_in if later is not None else None
    others = {role: one for role, one in counters.items() if role != "default"}
    return dry_run(scenario, scale=scale, steps=steps, behind=behind, model=counters["default"], **how, **others)


def _shown(drawn: DryRun, counted: DryRun, *, is_kept: bool) -> ModelTrial:
    sent = [a for a in drawn.answered if a.was_sent]
    known = {a.request_hash for a in counted.answered}
    return ModelTrial(
        sent=drawn.sent,
        answered=len(sent),
        input_tokens=sum(a.input or 0 for a in sent),
        output_tokens=sum(a.output or 0 for a in sent),
        cost=drawn.cost,
        latency=mean_interval([a.seconds for a in sent], of=len(sent)) if len(sent) > 2 else None,
        longest=max((a.seconds for a in sent), default=0.0),
        reused=sum(a.request_hash in known for a in drawn.answered) if is_kept else None,
    )


def _sum(intervals: Iterable[Interval]) -> Interval:
    return sum(intervals, start=Interval.exactly(0.0))
