"""What a society, its growth, a task with later jobs, or an experiment will ask of its models, and cost."""

import copy
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Budget, Prices
from ...agents.gateway.limits import Limits
from ...core.errors import PausedError, RunError, SetupError, parameter
from ...personas.hub import Hub
from ...personas.sources import Sources
from ..config import RunConfig, RunOptions, split_models
from ..experiment.design import Experiment, ModelCheckName, check_names
from ..experiment.folder import SAMPLING
from ..experiment.model_checks import ModelCheck, models_of
from ..growth import Growth
from ..jobs.life import run_job
from ..prompt_limits import check_prompts
from ..run_models import open_roles
from ..runfile.job_rows import Unit
from ..runfile.reader import RunReader, open_run
from ..scenario import GrowthOnly, Scenario
from ..scenario_checks import check_interventions, check_scenario, check_surveys
from ..seeds import derive_seed
from ..society import Society
from ..tasks.outputs import OutputJob
from ..tasks.task import MOST_ROUNDS, Task
from .dry_run import (
    Answered,
    DryRun,
    Interval,
    Scale,
    StageYield,
    count_calls,
    describe_yields,
    dry_run,
    share_interval,
)
from .estimator import (
    SAMPLED_CALLS,
    Estimate,
    EstimateTable,
    Job,
    Models,
    Sampling,
    describe_estimate,
    estimate_job,
    format_purpose,
)
from .forecast import Asked, Counted, Items, Purpose, add_purposes

if TYPE_CHECKING:
    from ..jobs.kind import JobOptions

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
#: Outputs that one person makes in a sample, at most: further people show more.
_SAMPLED_ROUNDS = 2
#: A society that is sampled has a quarter as many people as calls, so that some steps come up. For each hop it has as
#: many as will show something of growth, if that leaves half of the calls.
_EACH_HOP = 4

#: The role whose model does a job on what was made.
_ROLES = {"solving": "solver", "grading": "grader"}
_ACTIVE = "SELECT coalesce(sum(active), 0)::BIGINT FROM steps"
_MADE = "SELECT CAST(emission AS VARCHAR), status = 'accepted', step || ' ' || agent FROM outputs"
_LEFT = """
SELECT count(*) FILTER (status = 'accepted'), coalesce((
    SELECT any_value(reason) FROM (
        SELECT stage, reason, count(*) OVER (PARTITION BY stage) AS number FROM outputs
        WHERE status = 'rejected' AND (len($stages) = 0 OR list_contains($stages, stage))
        ORDER BY number DESC, stage, emission LIMIT 1
    )
), '') FROM outputs
"""


def estimate(
    scenario: Scenario,
    config: RunConfig | None = None,
    *,
    sample: int | None = None,
    later: Sequence[OutputJob[Any]] = (),
    announce: Callable[[str], None] = lambda _said: None,
    **options: Unpack[RunOptions],
) -> Estimate:
    """Estimate what `Society(...).run()` with the same arguments will ask and cost, as 90 % prediction intervals.

    All fields of `config` can also be given as keywords, as for `Society`. A language model is asked a sample. It is
    the given number of calls by a smaller, similar society, or the given number of outputs of a task. The default is at
    most 40 and 20, and at most a quarter of the total. `announce` is told the possible cost before the sample is asked.
    The cache keeps the answers.

    With `sample=0` no model is asked, and all numbers range from the least to the most possible. `later` are the jobs
    to be done on a task's rows. They are counted, and done on the outputs of the sample too.

    Raises `SetupError` if a run could not be made either, and `RunError` if the sample fails or accepts nothing.
    """
    progress = options.pop("progress", None)
    named, own = split_models(options)
    config = (config or RunConfig()).changed(**named)
    given = own.pop("model", None)
    handle = given if isinstance(given, ModelHandle) else open_model(given or config.model, base_url=config.base_url)
    roles = open_roles(config, own)
    models = Models(
        {"default": handle} | {role: one for role, (one, _) in roles.items()},
        {"default": config.prices} | {role: prices for role, (_, prices) in roles.items()},
    )
    check_scenario(scenario)
    check_prompts(scenario, config.mind)
    check_interventions(scenario, config.steps)
    check_surveys(scenario, config.steps)
    source = config.growth.source(seed=derive_seed(config.seed, "sources"))
    scale = Scale(config.growth, list(source) if isinstance(source, Sources) else source, config.seed, config.network)
    sampling = Sampling(sample, config.cache, config.limits, announce, progress)
    if isinstance(scenario, Task):
        job = _Making(scenario, scale, models, config, sampling, later).job()
    else:
        job = _Living(scenario, scale, models, config, sampling).job()
    _check(handle.name, sample, is_free=not models.is_language_model and not isinstance(scenario, Task))
    return estimate_job(job, sampling)


def _check(model: str, sample: int | None, *, is_free: bool) -> None:
    if sample is not None and sample < 0:
        raise SetupError(f"The size of the sample must be at least 0, but {sample} was given.")
    if sample and is_free:
        raise SetupError(f"Model {model} is no language model and costs nothing, so there is nothing to sample.")


@dataclass(frozen=True, slots=True)
class _Society:
    """A society that is estimated."""

    scenario: Scenario
    scale: Scale
    models: Models
    config: RunConfig
    sampling: Sampling

    def counting(self, scenario: Scenario, scale: Scale, steps: int, **how: Any) -> DryRun:
        """Return the calls of a society with the built-in generator."""
        models = self.models.counting
        how |= {"model": models.default, **models.others, **self.how}
        return dry_run(scenario, scale=scale, steps=steps, **how)

    def drawing(self, scenario: Scenario, scale: Scale, steps: int, limits: Limits, **how: Any) -> DryRun:
        """Run a society with the real models within these limits, and return its calls."""
        asked: dict[str, Any] = {"cache": self.sampling.cache, "progress": self.sampling.progress, "limits": limits}
        asked |= {"model": self.models.default, "prices": self.models.prices("default"), **self.models.others}
        return dry_run(scenario, scale=scale, steps=steps, **asked, **how)

    @property
    def how(self) -> dict[str, Any]:
        """How agents decide."""
        return {"mind": self.config.mind, "archetypes": self.config.archetypes}


@dataclass(frozen=True, slots=True)
class _Living(_Society):
    """A society that lives, or is only grown."""

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.scenario.most_steps or self.config.steps

    def job(self) -> Job:
        """Return the society as a job. A sample is bounded by its calls."""
        counted = self._counted()
        return Job(
            "people",
            self.scale.people,
            self.models,
            Asked.of(self.scenario, self.config.mind),
            counted,
            draw=lambda calls, limits: self.drawing(self.scenario, self._small(calls), self.steps, limits),
            worst=_price_dearest,
            basis=lambda _drawn: None,
            reference=lambda calls: self.counting(self.scenario, self._small(calls), self.steps),
            sample_most=SAMPLED_CALLS,
            sample_whole=None,
            sample_counts="calls",
            what={
                "steps": self.steps if self.scenario.takes_steps else counted.dry_run.steps,
                "batch": self.config.batch,
            },
        )

    def _small(self, calls: int) -> Scale:
        growth = self.scale.growth
        return self.scale.smaller(max(2, calls // 4, min(_EACH_HOP * (growth.hops + 1), calls // 2)))

    def _counted(self) -> Counted:
        """Count the calls of this society with the built-in generator. A large society is counted on a smaller one."""
        people, steps = self.scale.people, self.steps
        if people * steps <= _TURNS:
            return Counted(self.counting(self.scenario, self.scale, steps))
        counted = self.counting(self.scenario, self.scale.smaller(max(_FEWEST, _TURNS // steps)), steps)
        times = people / max(1, counted.people)
        turns = sum(a.unit == Unit.STEP for a in counted.answered)
        # How many of the people act in a step is known from the smaller society as from a sample.
        most = counted.people * max(1, counted.steps)
        share = share_interval(turns, most) * (most / turns) if 0 < turns <= most else Interval.exactly(1.0)
        if people > _GROWN or not any(a.unit == Unit.HOP for a in counted.answered):
            return Counted(counted, times, share * times)
        return Counted(counted.grown_as(self.counting(self.scenario, self.scale, 0)), 1.0, share * times)


@dataclass(frozen=True, slots=True)
class _Making(_Society):
    """A task, with the jobs that are done on its rows."""

    scenario: Task
    later: Sequence[OutputJob[Any]]

    def job(self) -> Job:
        """Return the task as a job whose items are outputs."""
        n = self.scenario.settings.n
        counted = self._counted()
        asked = replace(Asked.of(self.scenario), phase_tokens={one.kind: one.answer_tokens for one in self.later})
        what = {"rows": n, "per_persona": self.scenario.settings.per_persona, "batch": self.config.batch}
        return Job(
            "people", self.scale.people, self.models, asked, counted, self._draw, worst=self._describe_worst,
            basis=self._basis, sample_whole=n, sample_counts="outputs", recount=self._recount,
            what=what | {"steps": counted.dry_run.steps, "least_accepted": _LEAST_ACCEPTED},
        )  # fmt: skip

    def _recount(self, drawn: DryRun, counted: Counted) -> tuple[Counted, float]:
        least = min(_LEAST_ACCEPTED, *(one.share.low for one in drawn.yields))
        return _scaled(counted, self.scenario.settings.n, least=least), least

    def _counted(self) -> Counted:
        """Count the calls of a few rows. A real model's checks may reject as many outputs as they accept."""
        few = self.scenario.resized(min(self.scenario.settings.n, _ROWS_WITH_JOBS if self.later else _ROWS))
        counted = self._counting(few, self.scale.smaller(max(_FEWEST, 2 * few.people_needed)), MOST_ROUNDS)
        growth = self.scale.people / max(1, counted.people)
        return _scaled(Counted(counted, growth), self.scenario.settings.n)

    def _counting(self, few: Task, scale: Scale, rounds: int) -> DryRun:
        return self.counting(few, scale, rounds, behind=partial(self._run_later, models=self.models.counting))

    def _run_later(
        self, path: Path, made: DryRun, *, models: Models, budget: Budget | None = None, cache: Path | None = None
    ) -> DryRun:
        """Run the later jobs in the file, and add what each left. Stop at the first that leaves nothing."""
        with open_run(path) as run:
            ((turns,),) = run.query(_ACTIVE).rows
            found = [_read_yield(run, "making", int(turns))]
            outputs = {emission: (accepted, turn) for emission, accepted, turn in run.query(_MADE).rows}
        stopped = ""
        for job in self.later:
            if not found[-1].accepted:
                break
            some, role = copy.copy(job), _ROLES[job.kind]
            some.is_dry_run = models is not self.models
            asked: JobOptions = {"model": models.handles.get(role, models.default), "seed": self.scale.seed}
            asked |= {"cache": cache, "prices": models.given.get(role) or models.given.get("default")}
            if budget is not None:
                asked |= {"shared_budget": budget, "limits": budget.limits}
            try:
                run_job(path, some, **asked)
            except PausedError as error:
                stopped = str(error)
                break
            with open_run(path) as run:
                found.append(_read_yield(run, job.kind, found[-1].accepted, job.own_checks))
        return replace(count_calls(path, made.seconds), yields=tuple(found), made=outputs, stopped=stopped)

    def _few(self, outputs: int) -> tuple[Task, Scale, int]:
        """Return a task for `outputs` outputs, its personas, and its rounds.

        There are few rounds, since more personas show more.
        """
        settings = self.scenario.settings
        rounds = min(settings.per_persona, max(_SAMPLED_ROUNDS, ceil(outputs / max(1, self.scale.people))))
        fewer = settings.model_copy(update={"n": outputs, "per_persona": rounds})
        return type(self.scenario)(fewer), self.scale.smaller(max(2, ceil(outputs / rounds))), rounds

    def _draw(self, outputs: int, limits: Limits) -> DryRun:
        budget = Budget(limits)
        behind = partial(self._run_later, models=self.models, budget=budget, cache=self.sampling.cache)
        few, small, rounds = self._few(outputs)
        drawn = self.drawing(few, small, rounds, limits, budget=budget, behind=behind)
        self._check_yields(drawn)
        return drawn

    def _check_yields(self, drawn: DryRun) -> None:
        """Raise `RunError` if the sample accepted nothing in the end, or a budget cut it short."""
        cost = "unknown" if drawn.cost is None else f"${drawn.cost:.4f}"
        is_paid, n = self.models.is_language_model, self.scenario.settings.n
        took = f" The sample's {drawn.sent:,} calls are paid (cost: {cost})." if is_paid else ""
        if drawn.yields and not drawn.yields[-1].accepted:
            raise RunError(
                f"Nothing was accepted in the sample, so what {n:,} accepted rows take cannot be told: "
                f"{describe_yields(drawn.yields)}.{took} See what the model writes by making a few rows, or "
                "sample more."
            )
        if len(drawn.yields) <= len(self.later):
            stage = ("making", *(one.kind for one in self.later))[len(drawn.yields)]
            raise RunError(
                f"The sample was stopped at {stage}, so nothing can be told of what follows: {drawn.stopped}{took} "
                f"Give a larger budget or a smaller sample; {parameter('sample', 0)} estimates without asking."
            )

    def _describe_worst(self, job: Job, outputs: int) -> Purpose:
        few, small, rounds = self._few(outputs)
        counted = _scaled(Counted(self._counting(few, small, rounds)), outputs, least=1.0)
        return add_purposes("sample", job.computed(counted))

    def _basis(self, drawn: DryRun) -> Items:
        """Return the accepted outputs: what rejected ones take is part of what one accepted output takes."""

        def turn_of(answer: Answered) -> str | None:
            if answer.unit == Unit.HOP:
                return None
            made = drawn.made.get(answer.owner.partition("/")[0])
            return answer.turn if made is None or answer.unit == Unit.STEP else made[1]

        units = Counter[str]()
        for is_accepted, turn in drawn.made.values():
            units[turn] += is_accepted
        made = drawn.yields[0]
        return Items(self.scenario.settings.n, units, turn_of, made.rows if made.accepted == made.rows else 0)


def _read_yield(run: RunReader, stage: str, rows: int, checks: Sequence[str] = ()) -> StageYield:
    ((accepted, reason),) = run.query(_LEFT, {"stages": list(checks)}).rows
    return StageYield(stage, rows, accepted, reason)


def _price_dearest(job: Job, calls: int) -> Purpose:
    """Return `calls` calls, each at the highest possible cost."""
    found = [one for one in job.computed() if job.models.is_real(one.role)]
    each = max((one.cost.high / one.calls.high for one in found if one.cost), default=0.0)
    whole = add_purposes("sample", found)
    return replace(whole, calls=Interval.exactly(calls), cost=whole.cost and Interval(0.0, calls * each))


def _scaled(counted: Counted, n: int, *, least: float = _LEAST_ACCEPTED) -> Counted:
    """Return the calls of a dry run for `n` rows if each stage leaves all of them, or at least the share `least`."""
    answered = counted.dry_run.answered
    turns = max(1, len({a.turn for a in answered if a.unit == Unit.STEP}))
    phases: dict[str, Interval] = {}
    share = Interval.exactly(1.0)
    for one in counted.dry_run.yields[1:]:
        phases[one.stage] = share * (n / one.rows)
        share *= Interval(least, 1.0)
    return replace(counted, steps=Interval(n / turns, n / turns / least), phases=phases)


_COLUMNS = ("part", "runs", "calls", "tokens in", "tokens out", "reasoning", "dollars")
#: Calls of a sample of one part, at least.
_FEWEST_CALLS = 12


@dataclass(frozen=True, slots=True)
class ExperimentPart:
    """A part of an experiment, and what one of its runs will take."""

    name: str
    runs: int
    each: Estimate

    @property
    def all(self) -> Purpose:
        """What all its runs will take."""
        return self.each.total.times(self.runs)


def estimate_experiment(
    experiment: Experiment,
    scenario: type[Scenario],
    *,
    scenario_file: Path | None = None,
    checks: Mapping[ModelCheckName, ModelCheck] = MappingProxyType({}),
    prices: Prices | None = None,
    sampling: Sampling | None = None,
) -> list[ExperimentPart]:
    """Estimate what `run_experiment` with the same arguments will ask and cost, per part, as 90 % prediction intervals.

    For each part with a language model a sample is asked. The size of `sampling` is that of all parts together. The
    personas for the estimate are grown by the built-in generator, in a temporary file. Raises what `run_experiment`
    raises for an invalid experiment.
    """
    experiment.check(scenario)
    wanted = [checks[name] for name in check_names(experiment.model_checks)]
    models = [one for one in models_of(experiment, scenario) if not one.skipped] if wanted else []
    first, *_ = (experiment.settings_of(arm, scenario)[1] for arm in experiment.all_arms)
    asked: dict[str, Any] = {name: first[name] for name in ("model", "base_url") if name in first}
    people = len({experiment.people_of(*run) for run in experiment.runs()})
    sampling = _split_sample(sampling or Sampling(), 1 + len(models) * len(wanted) + len(experiment.all_arms))
    each = _estimate_part(GrowthOnly(), experiment.people, 1, prices, asked, sampling)
    found = [ExperimentPart("people", people, each)]
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            for check in wanted:
                path = Path(folder) / f"{check.name}.duckdb"
                if not path.exists():
                    _settle_people(path, Growth(agents=None, hops=0), check.people)
                each = _estimate_part(check.scenario, _of(path), check.steps, prices, model.options, sampling)
                found.append(ExperimentPart(f"{check.name} of {model.name}", 1, each))
        settled = Path(folder) / "people.duckdb"
        _settle_people(settled, experiment.people)
        for arm in experiment.all_arms:
            settings, options = experiment.settings_of(arm, scenario)
            given = options | ({"scenario_file": scenario_file} if scenario_file else {})
            each = _estimate_part(scenario(settings), _of(settled), experiment.steps, prices, given, sampling)
            found.append(ExperimentPart(arm.name, experiment.replicates_of(arm.name), each))
    return found


def build_experiment_table(parts: Sequence[ExperimentPart]) -> EstimateTable:
    """Return one row for each part that asks a model or is run, and one for the total."""
    rows = [_row(part.name.replace(",", ", "), part.runs, [part]) for part in parts]
    rows.append(_row("in all", sum(part.runs for part in parts), parts))
    return EstimateTable(tuple(rows), _COLUMNS, ("VARCHAR",) * len(_COLUMNS))


def _row(name: str, runs: int, parts: Sequence[ExperimentPart]) -> tuple[str, ...]:
    """Return calls, tokens and dollars of several parts. Tokens are left out if no part has a language model."""
    _, calls, *_ = format_purpose(add_purposes("", [part.all for part in parts]))
    asked = [part.all for part in parts if part.each.models.is_language_model]
    return name, str(runs), calls, *(format_purpose(add_purposes("", asked))[2:] if asked else ("-", "-", "-", "0"))


def describe_experiment(parts: Sequence[ExperimentPart]) -> list[str]:
    """Return sentences on what the numbers are based on."""
    runs = [part for part in parts if part.runs > 1] or parts
    found = dict.fromkeys(said for part in runs for said in describe_estimate(part.each))
    if not any(part.each.sample for part in parts):
        return list(found)
    asked = [part for part in parts if part.each.models.is_language_model]
    worst = add_purposes("", [part.each.computed.times(part.runs) for part in asked])
    dollars = "an unknown number of" if worst.cost is None else f"{worst.cost.high:,.2f}"
    whole = (
        "The intervals of the table hold with 90 % certainty each, and that of all parts together; in the worst case "
        f"all of it takes {worst.calls.high:,.0f} calls and {dollars} dollars. Of one run each:"
    )
    return [whole, *found]


def _split_sample(sampling: Sampling, parts: int) -> Sampling:
    if sampling.number == 0:
        return sampling
    return replace(sampling, number=max(_FEWEST_CALLS, (sampling.number or 2 * SAMPLED_CALLS) // parts))


def _of(hub: Path) -> Growth:
    return Growth(hub=hub, agents=None, hops=0)


def _settle_people(path: Path, growth: Growth, source: Hub | None = None) -> None:
    Society(GrowthOnly(), growth=growth, source=source, out=path, model="procedural").run()


def _estimate_part(
    scenario: Scenario,
    growth: Growth,
    steps: int,
    prices: Prices | None,
    options: Mapping[str, Any],
    sampling: Sampling,
) -> Estimate:
    limits = sampling.limits.changed(**{name: options[name] for name in SAMPLING if name in options})
    named = {name: value for name, value in options.items() if name not in SAMPLING}
    asked: dict[str, Any] = {"growth": growth, "steps": steps, "limits": limits, "prices": prices, **named}
    plain = estimate(scenario, sample=0, **asked)
    # What is as small as a sample of it is not asked twice.
    if not sampling.number or not plain.models.is_language_model or plain.calls.low <= sampling.number:
        return plain
    asked |= {"cache": sampling.cache, "progress": sampling.progress, "announce": sampling.announce}
    return estimate(scenario, sample=sampling.number, **asked)
