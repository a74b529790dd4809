"""What a job will ask of its models, and cost: a society, its growth, a task, an experiment, or a job on a file.

A part of the file that a job works on is copied into a temporary one, and the job done there: with the stand-in, to
count its requests, and with the real models for a sample.
"""

import copy
import tempfile
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Unpack

from arro3.core import RecordBatchReader

from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.limits import SAMPLING, Prices
from ...core.errors import PausedError, RunError, SetupError, parameter
from ...personas.hub.file import create_hub, open_hub
from ...personas.hub.queries import registered
from ...personas.selection.selection import choose_people
from ...personas.sources import Sources
from ..config import RunConfig, RunOptions, split_models
from ..engine import JobModels
from ..enrichment import EnrichmentJob
from ..experiment.design import Experiment
from ..growth import Growth
from ..jobs.kind import Asked as AskedModels
from ..jobs.kind import JobKind
from ..jobs.life import run_job
from ..resident import Resident
from ..run_models import open_roles
from ..runfile.database import connect, make_run_file
from ..runfile.job_rows import Unit
from ..runfile.reader import open_run
from ..scenario import GrowthOnly, Scenario, check_interventions, check_scenario, check_surveys
from ..seeds import derive_seed, rng_for
from ..settling import check_prompts
from ..society import Society
from ..state import SocietyState
from ..survey.job import SurveyJob, stored_society
from ..survey.survey import Panel, Sample, Survey
from ..tasks.evaluation import EvaluationJob
from ..tasks.outputs import OutputJob
from ..tasks.task import MOST_ROUNDS, Task
from .dry_run import Answered, DryRun, Scale, count_calls, dry_run
from .estimator import TOTAL, Estimator, JobEstimate, Sampling, count_bytes_with, describe_prices
from .prediction import ENOUGH, Part, Purpose, add_purposes, share_interval

#: Items of a dry run at most: people, outputs, problems, respondents of a survey.
_PEOPLE, _OUTPUTS, _PROBLEMS, _RESPONDENTS = 100, 300, 60, 50

#: What is large in a run, and neither known to its agents nor shown to its graders.
_LEFT_OUT = {"calls", "observations", "answers", "failures", "markers", "migrations", "vectors", "job_items"}
#: Some people, who they are tied to, and what is known of these.
_AROUND = """(
    SELECT target FROM relations WHERE source IN (SELECT unnest($these))
    UNION SELECT source FROM relations WHERE target IN (SELECT unnest($these))
)"""
_HUB_TABLES = {
    "personas": f"id IN (SELECT unnest($these)) OR id IN {_AROUND}",
    "relations": "source IN (SELECT unnest($these)) OR target IN (SELECT unnest($these))",
    "profiles": f"persona IN {_AROUND} AND persona NOT IN (SELECT unnest($these))",
}
_NOTHING = DryRun((), 0, None, 0, 0, (0, 0))


@dataclass(frozen=True, kw_only=True)
class _FileEstimator(Estimator):
    """A job whose items are asked about separately."""

    job: JobKind[Any, Any]
    path: Path
    asked: AskedModels
    #: Items of a dry run at most.
    most: int
    #: Copy what a number of items needs into a file; return the job on them, and their share of the whole.
    take: Callable[[Path, int], tuple[JobKind[Any, Any], float]]

    def count(self) -> DryRun:
        """Count the calls of some items."""
        return self.do_part(min(self.whole, self.most), count_bytes_with(self.models)) if self.whole else _NOTHING

    def find_units(self, name: str, counted: DryRun, sample: DryRun) -> tuple[Part, Callable[[Answered], str]]:
        """Count by items. Some of a sample may not have been asked about."""
        owners = dict.fromkeys(map(_read_item, sample.answered))
        unasked = (f"unasked {place}" for place in range(sample.people - len(owners)))
        return Part(self.whole, dict.fromkeys((*owners, *unasked), 1.0)), _read_item

    def do_part(self, size: int, models: JobModels, **options: Any) -> DryRun:
        """Do the job on some items in a temporary file. Batches take hours, so a sample is asked one by one."""
        with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
            path, stopped = Path(folder) / "part.duckdb", ""
            job, share = self.take(path, size)
            seed = self.asked.get("seed")
            options |= {"model": models.model, "prices": models.prices}
            options["roles"] = {role: handle for role, (handle, _) in models.roles.items()}
            try:
                run_job(path, job, seed=self.job.seed(self.path) if seed is None else seed, anew=True, **options)
            except PausedError as error:
                stopped = str(error)
                if not path.is_file():
                    raise
            counted = count_calls(path)
        return replace(counted, people=round(share * self.whole), steps=0, stopped=stopped, rest=1 / share)


def _read_item(answer: Answered) -> str:
    return answer.owner.partition("|")[0]


def _copy_tables(source: Any, into: Any, tables: Mapping[str, str], these: Sequence[str] = ()) -> None:
    """Copy the rows of these tables that meet their conditions. Tables that do not exist are skipped."""
    known = _list_tables(into)
    for table, condition in tables.items():
        if table not in _list_tables(source):
            continue
        query = f"SELECT * FROM {table} WHERE {condition}"  # noqa: S608 - our own words
        # Read as a stream, since a run may be larger than memory.
        rows = source.sql(query, params={"these": these} if "$these" in query else None)
        with registered(into, RecordBatchReader.from_arrow(rows), "copied"):
            into.execute(
                f"INSERT INTO {table} BY NAME FROM copied" if table in known else f"CREATE TABLE {table} AS FROM copied"
            )


def _copy_run(run: Path, target: Path) -> None:
    """Copy a run with all that its agents know and its outputs are graded by."""
    with connect(run, read_only=True) as con:
        make_run_file(
            target, lambda into: _copy_tables(con, into, dict.fromkeys(_list_tables(con) - _LEFT_OUT, "true"))
        )


def _list_tables(con: Any) -> set[str]:
    return {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def estimate_file_job(
    path: Path | str, job: JobKind[Any, Any], *, sampling: Sampling | None = None, **asked: Unpack[AskedModels]
) -> JobEstimate:
    """Estimate what `run_job` with the same arguments will ask its models, and cost, from a sample of its items.

    In a survey, notes are recalled by words, and vectors are not counted. Raises what `run_job` raises for a file that
    is not ready for the job, and `SetupError` for a kind without an estimate.
    """
    path = Path(path)
    models = job.open_models(path, asked)
    match job:
        case SurveyJob():
            counts, whole, most, take = _take_respondents(path, job, asked)
        case EvaluationJob():
            counts, whole, most, take = _take_problems(job, asked)
        case OutputJob():
            counts, whole, most, take = _take_outputs(path, job, models, asked)
        case EnrichmentJob():
            counts, whole, most, take = _take_people(path, job, asked)
        case _:
            raise SetupError(f"There is no estimate of the kind of job {job.kind!r}; run it with max_calls.")
    found = _FileEstimator(
        counts=counts,
        whole=whole,
        most=most,
        take=take,
        job=job,
        path=path,
        asked=asked,
        models=models,
        sampling=sampling or Sampling(),
        answer_tokens=job.answer_tokens,
    ).estimate()
    uncounted = ("The vectors by which agents recall are not counted.",) if models.embeddings else ()
    return replace(found, notes=found.notes + uncounted)


#: What items are, their number, how many a dry run takes at most, and how some are taken.
type _Part = tuple[str, int, int, Callable[[Path, int], tuple[JobKind[Any, Any], float]]]


def _take_outputs(path: Path, job: OutputJob[Any], models: JobModels, asked: AskedModels) -> _Part:
    number = job.prepare(path, asked.get("seed") or 0, models)
    whole = min(number, job.spec.n or number)

    def take(copied: Path, most: int) -> tuple[OutputJob[Any], float]:
        _copy_run(path, copied)
        some = copy.copy(job)
        some.spec, some.is_dry_run = job.spec.model_copy(update={"n": most}), True
        return some, most / whole

    return "outputs", whole, _OUTPUTS, take


def _take_problems(job: EvaluationJob, asked: AskedModels) -> _Part:
    whole = len(job.problems)

    def take(_: Path, most: int) -> tuple[EvaluationJob, float]:
        some = copy.copy(job)
        some.problems = rng_for(asked.get("seed") or 0, "problems").sample(job.problems, most)
        some.is_dry_run = True
        return some, most / whole

    return "problems", whole, _PROBLEMS, take


def _take_people(hub: Path, job: EnrichmentJob, asked: AskedModels) -> _Part:
    seed, wanted = asked.get("seed") or 0, job.spec
    job.check()
    with open_hub(hub) as opened:
        # A hub that was grown gets the tables of profiles with its first job.
        lacking = wanted.lacking if _list_tables(opened.con).issuperset(wanted.lacking) else ()
        chosen = choose_people(opened.con, where=wanted.where, n=wanted.n, seed=seed, lacking=lacking)

    def take(copied: Path, most: int) -> tuple[EnrichmentJob, float]:
        these = rng_for(seed, "estimate").sample(chosen, most)
        with open_hub(hub) as opened, create_hub(copied) as small, small.writing() as con:
            _copy_tables(opened.con, con, _HUB_TABLES, these)
        where = f"id IN ({', '.join(f"'{persona}'" for persona in these)})"
        return EnrichmentJob(wanted.model_copy(update={"where": where, "n": None})), most / len(chosen)

    return "people", len(chosen), _PEOPLE, take


def _take_respondents(path: Path, job: SurveyJob, asked: AskedModels) -> _Part:
    seed, surveys = asked.get("seed"), job.surveys
    with open_run(path) as reader:
        state = stored_society(reader)
    state.seed = state.seed if seed is None else seed
    whole = len({resident.id for one in surveys for resident in _find_respondents(one, state)})

    def count_requests(some: Sequence[Survey]) -> int:
        return sum(len(_find_respondents(one, state)) * len(one.items) ** one.one_by_one * one.repeats for one in some)

    def take(copied: Path, most: int) -> tuple[SurveyJob, float]:
        _copy_run(path, copied)
        some = [_reduce_survey(one, ceil(most / whole * len(_find_respondents(one, state)))) for one in surveys]
        reduced = job.spec.model_copy(update={"surveys": tuple(one.as_json() for one in some)})
        return SurveyJob(reduced), count_requests(some) / count_requests(surveys)

    return "people", whole, _RESPONDENTS, take


def _find_respondents(survey: Survey, state: SocietyState) -> list[Resident]:
    return survey.respondents(list(state.residents.values()), seed=state.seed, step=state.world.step)


def _reduce_survey(survey: Survey, number: int) -> Survey:
    """Return the same survey with `number` of its respondents."""
    return replace(survey, of=Panel(number) if isinstance(survey.of, Panel) else Sample(number))


#: Turns up to which the whole society has a dry run, at some 3 ms each.
_TURNS = 2_000
#: People of the smaller society that has one instead, at least.
_FEWEST = 24
#: Rows of a task up to which all of them have a dry run.
_ROWS = 200
#: Outputs that one person makes in a sample, at most: further people show more.
_SAMPLED_ROUNDS = 2
#: A society that is sampled has a quarter as many people as calls, so that some steps come up. For each hop it has as
#: many as will show something of growth, if that leaves half of the calls.
_EACH_HOP = 4
#: How much more or less than a sample shows requests of a society may take, as answers shape later prompts.
_UNSEEN = 0.1
#: Calls of the samples of an experiment together, and of one of its parts at least.
_EXPERIMENT_CALLS, _PART_CALLS = 80, 12

_ACTIVE = "SELECT coalesce(sum(active), 0)::BIGINT FROM steps"
_MADE = "SELECT CAST(emission AS VARCHAR), status = 'accepted', step || ' ' || agent FROM outputs"


def estimate(
    scenario: Scenario,
    config: RunConfig | None = None,
    *,
    sample: int | None = None,
    announce: Callable[[str], None] = lambda _said: None,
    **options: Unpack[RunOptions],
) -> JobEstimate:
    """Estimate what `Society(...).run()` with the same arguments will ask and cost, as 90 % prediction intervals.

    All fields of `config` can also be given as keywords, as for `Society`. A language model is asked a sample. It is
    the given number of calls by a smaller, similar society, or the given number of outputs of a task. The default is at
    most 40 and 20, and at most a quarter of the total. `announce` is told the possible cost before the sample is asked.
    The cache keeps the answers.

    With `sample=0` no model is asked, and all numbers range from empty answers to full ones.

    Raises `SetupError` if a run could not be made either, and `RunError` if the sample fails or accepts nothing.
    """
    progress = options.pop("progress", None)
    named, own = split_models(options)
    config = (config or RunConfig()).changed(**named)
    sampling = Sampling(sample, config.cache, config.limits, announce, progress)
    return _estimate_society(scenario, config, own, sampling)


def _estimate_society(
    scenario: Scenario,
    config: RunConfig,
    own: Mapping[str, Any],
    sampling: Sampling,
) -> JobEstimate:
    given, rest = own.get("model"), {name: one for name, one in own.items() if name != "model"}
    handle = given if isinstance(given, ModelHandle) else open_model(given or config.model, base_url=config.base_url)
    models = JobModels(model=handle, prices=config.prices, roles=open_roles(config, rest))
    check_scenario(scenario)
    check_prompts(scenario, config.mind)
    check_interventions(scenario, config.steps)
    check_surveys(scenario, config.steps)
    if sampling.number is not None and sampling.number < 0:
        raise SetupError(f"The size of the sample must be at least 0, but {sampling.number} was given.")
    if sampling.number and not models.is_language_model and not isinstance(scenario, Task):
        raise SetupError(f"Model {handle.name} is no language model and costs nothing, so there is nothing to sample.")
    source = config.growth.source(seed=derive_seed(config.seed, "sources"))
    scale = Scale(config.growth, list(source) if isinstance(source, Sources) else source, config.seed, config.network)
    asked: dict[str, Any] = {"scenario": scenario, "scale": scale, "models": models, "sampling": sampling}
    asked |= {"whole": scale.people, "answer_tokens": scenario.settings.answer_tokens, "config": config}
    if isinstance(scenario, Task):
        return _TaskEstimator(**asked).estimate()
    return _SocietyEstimator(**asked).estimate()


@dataclass(frozen=True, kw_only=True)
class _SocietyEstimator(Estimator):
    """A society that lives, or is only grown. A sample is bounded by its calls."""

    scenario: Any
    scale: Scale
    config: RunConfig

    sampled: ClassVar[str] = "calls"
    most_sampled: ClassVar[int] = 40

    def live(self, scenario: Scenario, scale: Scale, steps: int, models: JobModels, **options: Any) -> DryRun:
        """Run a society with these models, and return its calls."""
        roles = {role: handle for role, (handle, _) in models.roles.items()}
        how = {"mind": self.config.mind, "archetypes": self.config.archetypes, **roles, **options}
        return dry_run(scenario, scale=scale, steps=steps, model=models.model, prices=models.prices, **how)

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.scenario.most_steps or self.config.steps

    def count(self) -> DryRun:
        """Count the calls of this society. A large one is counted on a smaller one."""
        people, steps = self.scale.people, self.steps
        fewer = people if people * steps <= _TURNS else max(_FEWEST, _TURNS // steps)
        counted = self.live(self.scenario, self.scale.make_smaller(fewer), steps, count_bytes_with(self.models))
        times = people / counted.people if fewer < people and counted.people else 1.0
        return replace(counted, growth=times, rest=times)

    def do_part(self, size: int, models: JobModels, **options: Any) -> DryRun:
        """Run a smaller society."""
        people = max(2, size // 4, min(_EACH_HOP * (self.scale.growth.hops + 1), size // 2))
        return self.live(self.scenario, self.scale.make_smaller(people), self.steps, models, **options)

    def count_sampled(self, computed: Sequence[Purpose]) -> int:
        """Return the calls of the whole society."""
        return ceil(add_purposes("", computed).calls.high)

    def find_units(self, name: str, counted: DryRun, sample: DryRun) -> tuple[Part, Callable[[Answered], str]] | None:
        """Count steps by turns, and growth by requests. Return None for too few agents."""
        first = (counted.of(name) or sample.of(name))[0]

        def find_owners(run: DryRun) -> dict[Hashable, str]:
            if first.unit == Unit.HOP:
                return {a.request: a.owner for a in run.of(name)}
            return {a.turn: a.owner for a in run.answered if a.phase == first.phase}

        units = Counter(find_owners(sample).values())
        if len(units) < ENOUGH:
            return None
        whole, wider = len(find_owners(counted)) * counted.times(first), _UNSEEN
        relations, born = sample.found
        if name == "persona_to_persona" and born and counted.newcomers:
            share, span = min(born, relations) / relations, share_interval(born, relations)
            whole *= counted.newcomers / (born / relations)
            wider += max(share / span.low, span.high / share) - 1
        return Part(whole, units, wider=wider), attrgetter("owner")


@dataclass(frozen=True, kw_only=True)
class _TaskEstimator(_SocietyEstimator):
    """A task. A sample is counted in outputs."""

    sampled: ClassVar[str] = "outputs"
    most_sampled: ClassVar[int] = 20

    @property
    def rows(self) -> int:
        """Rows that the task is to make."""
        return int(self.scenario.settings.n)

    def count(self) -> DryRun:
        """Count the calls of a few rows, all of which are accepted."""
        few = self.scenario.resize_task(min(self.rows, _ROWS))
        scale = self.scale.make_smaller(max(_FEWEST, 2 * few.people_needed))
        counted = self.live(few, scale, MOST_ROUNDS, count_bytes_with(self.models), read=_read_outputs)
        growth, rest = self.scale.people / max(1, counted.people), self.rows / max(1, counted.accepted)
        return replace(counted, growth=growth, rest=rest)

    def do_part(self, size: int, models: JobModels, **options: Any) -> DryRun:
        """Make `size` outputs, in few rounds, since more personas show more."""
        settings = self.scenario.settings
        rounds = min(settings.per_persona, max(_SAMPLED_ROUNDS, ceil(size / max(1, self.scale.people))))
        few = type(self.scenario)(settings.model_copy(update={"n": size, "per_persona": rounds}))
        scale = self.scale.make_smaller(max(2, ceil(size / rounds)))
        return self.live(few, scale, rounds, models, read=_read_outputs, **options)

    def count_sampled(self, computed: Sequence[Purpose]) -> int:
        """Return the rows."""
        return self.rows

    def find_units(self, name: str, counted: DryRun, sample: DryRun) -> tuple[Part, Callable[[Answered], str]] | None:
        """Count by accepted outputs: what rejected ones take is part of what one accepted output takes."""
        if any(a.unit == Unit.HOP for a in sample.of(name)):
            return super().find_units(name, counted, sample)
        units = Counter[str]()
        for is_accepted, turn in sample.made.values():
            units[turn] += is_accepted
        all_accepted = sample.asked if sample.accepted == sample.asked else 0

        def find_turn(answer: Answered) -> str:
            made = sample.made.get(answer.owner.partition("/")[0])
            return answer.turn if made is None or answer.unit == Unit.STEP else made[1]

        return Part(self.rows, units, all_accepted=all_accepted), find_turn

    def check_sample(self, sample: DryRun) -> None:
        """Raise `RunError` if the sample accepted nothing."""
        if not sample.accepted:
            cost = "unknown" if sample.cost is None else f"${sample.cost:.4f}"
            paid = f" The sample's {sample.sent:,} calls are paid (cost: {cost})."
            raise RunError(
                f"Nothing was accepted of {sample.asked:,} outputs in the sample, so what {self.rows:,} accepted rows "
                f"take cannot be told.{paid if self.models.is_language_model else ''} See what the model writes by "
                "making a few rows, or sample more."
            )
        super().check_sample(sample)

    def describe_whole(self) -> str:
        """Return the rows that the job makes."""
        return f" for {self.rows:,} accepted rows"


def _read_outputs(path: Path, counted: DryRun) -> DryRun:
    """Add the outputs of a task, and whether they were accepted."""
    with open_run(path) as run:
        ((turns,),) = run.query(_ACTIVE).rows
        made = {emission: (accepted, turn) for emission, accepted, turn in run.query(_MADE).rows}
    return replace(counted, asked=int(turns), made=made)


def estimate_experiment(
    experiment: Experiment,
    scenario: type[Scenario],
    *,
    prices: Prices | None = None,
    sampling: Sampling | None = None,
) -> JobEstimate:
    """Estimate what `run_experiment` with the same arguments will ask and cost: people and arms.

    One run of each arm is estimated, with personas by the built-in generator, and multiplied by its replicates. What
    runs share by a cache is not taken off. Raises what `run_experiment` raises for an invalid experiment.
    """
    experiment.check(scenario)
    sampling, parts = sampling or Sampling(), 1 + len(experiment.all_arms)
    number = sampling.number and max(_PART_CALLS, sampling.number // parts)
    sampling = replace(sampling, number=number, most=max(_PART_CALLS, _EXPERIMENT_CALLS // parts))
    found: list[Purpose] = []
    estimates: list[JobEstimate] = []

    def add(name: str, runs: int, asked: Scenario, options: Mapping[str, Any], **more: Any) -> None:
        limits = sampling.limits.changed(**{one: options[one] for one in SAMPLING if one in options})
        named, own = split_models({one: value for one, value in options.items() if one not in SAMPLING})
        config = RunConfig().changed(**named, **more, limits=limits, prices=prices, seed=experiment.seed)
        estimates.append(_estimate_society(asked, config, own, replace(sampling, limits=limits)))
        found.append(replace(estimates[-1].times(runs), name=name if runs == 1 else f"{name} ({runs} runs)"))

    settled = Growth(agents=None, hops=0)
    first, *_ = (experiment.settings_of(arm, scenario)[1] for arm in experiment.all_arms)
    asked: dict[str, Any] = {name: first[name] for name in ("model", "base_url") if name in first}
    groups = len({experiment.people_of(*run) for run in experiment.runs()})
    add("people", groups, GrowthOnly(), asked, growth=experiment.people)
    with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
        hub = Path(folder) / "people.duckdb"
        Society(GrowthOnly(), growth=experiment.people, out=hub, model="procedural").run()
        growth = settled.model_copy(update={"hub": hub})
        for arm in experiment.all_arms:
            settings, options = experiment.settings_of(arm, scenario)
            more = {"growth": growth, "steps": experiment.steps}
            add(arm.name, experiment.replicates, scenario(settings), options, **more)
    said = ["One run of each arm was estimated, times its replicates; what runs share by the cache is not taken off."]
    asking = next((one for one in estimates if one.models.is_language_model), estimates[-1])
    if any(one.sample for one in estimates):
        said.append("Each interval holds with 90 % certainty, if the whole is like the samples.")
    elif asking.models.is_language_model:
        said.append(f"Each range is from empty answers to full ones; {parameter('sample', 100)} narrows it.")
    for one in estimates:
        said += describe_prices(one.models, ["default"]) if one.models.is_language_model else []
    total = add_purposes(TOTAL, found)
    return replace(asking, **total.spans, purposes=tuple(found), notes=tuple(dict.fromkeys(said)))
