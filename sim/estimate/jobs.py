"""What jobs on people, outputs, problems and agents will ask of their models, and cost; and vectors of texts.

A part of the file that a job works on is copied into a temporary one, and the job done there: with the stand-in, to
count its requests, and with the real models for a sample.
"""

import copy
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Unpack

from arro3.core import RecordBatchReader

from ...agents.embedding.embedder import Batching
from ...agents.embedding.vectors import text_hash
from ...agents.gateway.budget import Prices, known_prices
from ...core.errors import PausedError, SetupError
from ...personas.hub.dedup import read_texts, without_vector
from ...personas.hub.file import create_hub, open_hub
from ...personas.hub.queries import registered
from ...personas.selection.selection import choose_people
from ..embedding import EmbeddingJob, without_text_vector
from ..engine import JobModels
from ..enrichment import EnrichmentJob
from ..jobs.kind import Asked as AskedModels
from ..jobs.kind import JobKind
from ..jobs.life import run_job
from ..resident import Resident
from ..runfile.database import connect, make_run_file
from ..runfile.reader import open_run
from ..seeds import rng_for
from ..state import SocietyState
from ..survey.job import SurveyJob
from ..survey.stored import stored_society
from ..survey.survey import Panel, Sample, Survey
from ..tasks.evaluation import EvaluationJob
from ..tasks.outputs import OutputJob
from .dry_run import Answered, DryRun, count_calls
from .estimator import TOKENS, TOTAL, Counted, Estimator, JobEstimate, Models, Sampling, Units, describe_prices
from .prediction import Interval, Purpose

#: Items of a dry run at most: people, outputs, problems, respondents of a survey.
_PEOPLE, _OUTPUTS, _PROBLEMS, _RESPONDENTS = 100, 300, 60, 50
#: People whose texts are in memory at a time.
_CHUNK = 10_000

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

    def count(self) -> Counted:
        """Count the calls of some items."""
        if not self.whole:
            return Counted(_NOTHING)
        counted, share = self._do_items(min(self.whole, self.most), self.models.counting)
        return Counted(counted, rest=1 / share)

    def do_part(self, size: int, models: Models, **options: Any) -> DryRun:
        """Do the job on some items. Batches take hours, so a sample is asked one by one."""
        return self._do_items(size, models, **options)[0]

    def find_units(self, name: str, counted: Counted, sample: DryRun) -> Units:
        """Count by items. Some of a sample may not have been asked about."""
        owners = dict.fromkeys(map(_read_item, sample.answered))
        unasked = (f"unasked {place}" for place in range(sample.people - len(owners)))
        return Units(self.whole, dict.fromkeys((*owners, *unasked), 1.0), _read_item)

    def _do_items(self, number: int, models: Models, **options: Any) -> tuple[DryRun, float]:
        """Do the job on a number of items in a temporary file. Return its calls, and the share of the whole."""
        with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
            path, stopped = Path(folder) / "part.duckdb", ""
            job, share = self.take(path, number)
            seed = self.asked.get("seed")
            options |= {"model": models.default, "prices": models.given.get("default"), "roles": models.others}
            try:
                run_job(path, job, seed=self.job.seed(self.path) if seed is None else seed, anew=True, **options)
            except PausedError as error:
                stopped = str(error)
                if not path.is_file():
                    raise
            return replace(count_calls(path), people=round(share * self.whole), steps=0, stopped=stopped), share


def _read_item(answer: Answered) -> str:
    return answer.owner.partition("|")[0]


def _copy(source: Any, into: Any, tables: Mapping[str, str], these: Sequence[str] = ()) -> None:
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
        make_run_file(target, lambda into: _copy(con, into, dict.fromkeys(_list_tables(con) - _LEFT_OUT, "true")))


def _list_tables(con: Any) -> set[str]:
    return {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def estimate_file_job(
    path: Path | str, job: JobKind[Any, Any], *, sampling: Sampling | None = None, **asked: Unpack[AskedModels]
) -> JobEstimate:
    """Estimate what `run_job` with the same arguments will ask its models, and cost, from a sample of its items.

    In a survey, notes are recalled by words, and vectors are not counted. For vectors no model is asked. Raises what
    `run_job` raises for a file that is not ready for the job, and `SetupError` for a kind without an estimate.
    """
    path = Path(path)
    if isinstance(job, EmbeddingJob):
        return _estimate_embedding(path, job, asked)
    models = job.open_models(path, asked)
    match job:
        case SurveyJob():
            part = _take_respondents(path, job, asked)
        case EvaluationJob():
            part = _take_problems(job, asked)
        case OutputJob():
            part = _take_outputs(path, job, models, asked)
        case EnrichmentJob():
            part = _take_people(path, job, asked)
        case _:
            raise SetupError(f"There is no estimate of the kind of job {job.kind!r}; run it with max_calls.")
    found = _estimate_part(path, job, models, sampling, asked, part)
    uncounted = ("The vectors by which agents recall are not counted.",) if models.embeddings else ()
    return replace(found, notes=found.notes + uncounted)


#: What items are, their number, how many a dry run takes at most, and how some are taken.
type _Part = tuple[str, int, int, Callable[[Path, int], tuple[JobKind[Any, Any], float]]]


def _estimate_part(
    path: Path, job: JobKind[Any, Any], models: JobModels, sampling: Sampling | None, asked: AskedModels, part: _Part
) -> JobEstimate:
    handles = {role: handle for role, (handle, _) in models.roles.items()}
    given = {role: prices for role, (_, prices) in models.roles.items()}
    counts, whole, most, take = part
    return _FileEstimator(
        counts=counts,
        whole=whole,
        most=most,
        take=take,
        job=job,
        path=path,
        asked=asked,
        models=Models({"default": models.first, **handles}, {"default": models.prices, **given}),
        sampling=sampling or Sampling(),
        answer_tokens=job.answer_tokens,
    ).estimate()


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
            _copy(opened.con, con, _HUB_TABLES, these)
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


def _estimate_embedding(path: Path, job: EmbeddingJob, asked: AskedModels) -> JobEstimate:
    """Count the requests for vectors that the people of a hub, or the texts of the job, do not have."""
    models = job.open_models(path, asked)
    model, prices = models.embeddings, models.embeddings_prices
    if model is None:
        raise RuntimeError("the job opens an embedding model")
    prices = prices or known_prices(model, writes=False)
    if job.spec.texts:
        missing = without_text_vector(path, model.name, job.texts)
        number, found = len(missing), _count_embedding([missing], prices)
    else:
        with open_hub(path) as opened:
            lacking = without_vector(opened, model.name)
            chunks = (read_texts(opened, lacking[start : start + _CHUNK]) for start in range(0, len(lacking), _CHUNK))
            number, found = len(lacking), _count_embedding(chunks, prices)
    handles = Models({"default": model}, {"default": prices})
    said = (f"Requests were counted over {number:,} texts.", *describe_prices(handles, ["default"]))
    total = replace(found, name=TOTAL)
    return JobEstimate((found,), total, total, number, handles, notes=said)


def _count_embedding(chunks: Iterable[Sequence[str]], prices: Prices | None) -> Purpose:
    """Return the requests for the vectors of these texts. Chunks do not share requests."""
    requests = size = 0
    for texts in chunks:
        for batch in Batching().batches({text_hash(text): text for text in texts}):
            requests += 1
            size += sum(len(snippet.text.encode()) for snippet in batch)
    tokens = TOKENS * size
    cost = None if prices is None else Interval(prices.of(tokens.low, 0), prices.of(tokens.high, 0))
    return Purpose("embedding", Interval.exactly(requests), tokens, Interval.exactly(0.0), cost, "embeddings")
