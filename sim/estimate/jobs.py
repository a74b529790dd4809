"""What jobs on people, outputs, problems and agents will ask of their models, and cost; and vectors of texts.

A part of the file that a job works on is copied into a temporary one, and the job done there: with the stand-in, to
count its requests, and with the real models for a sample.
"""

import copy
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Unpack

from arro3.core import RecordBatchReader

from ...agents.embedding.embedder import Batching
from ...agents.embedding.vectors import text_hash
from ...agents.gateway.budget import Prices, known_prices
from ...agents.gateway.limits import Limits
from ...core.errors import PausedError, SetupError
from ...personas.hub.dedup import read_texts, without_vector
from ...personas.hub.file import create_hub, open_hub
from ...personas.hub.queries import registered
from ...personas.selection.selection import choose_people
from ..embedding import EmbeddingJob, without_text_vector
from ..enrichment import EnrichmentJob
from ..jobs.kind import Asked as AskedModels
from ..jobs.kind import JobKind, JobModels
from ..jobs.life import run_job
from ..resident import Resident
from ..runfile.database import connect, make_run_file
from ..runfile.reader import open_run
from ..seeds import rng_for
from ..state import SocietyState
from ..survey.job import SurveyJob
from ..survey.stored import give_known_vectors, known_vectors, stored_society
from ..survey.survey import Panel, Sample, Survey
from ..tasks.evaluation import EvaluationJob
from ..tasks.outputs import OutputJob
from .dry_run import Answered, DryRun, Interval, count_calls
from .estimator import Estimate, Job, Models, Sampling, estimate_job
from .forecast import TOKENS, Asked, Counted, Items, Purpose, add_purposes

#: Items of a dry run at most: people, outputs, problems, respondents of a survey.
_PEOPLE, _OUTPUTS, _PROBLEMS, _RESPONDENTS = 100, 300, 60, 50
#: People whose texts are in memory at a time.
_CHUNK = 10_000
#: The role by which an estimate names the embedding model.
_EMBEDDINGS = "embeddings"

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
_NOTHING = DryRun((), 0, None, 0, 0, (0, 0), {}, 0.0)


@dataclass(frozen=True, slots=True)
class _Part[K: JobKind[Any, Any]]:
    """A job whose items are asked about separately, and how a part of it is done."""

    job: K
    path: Path
    asked: AskedModels
    counts: str
    whole: int
    #: Items of a dry run at most.
    most: int
    #: Copy what a number of items needs into a file; return the job on them, and their share of the whole.
    take: Callable[[Path, int], tuple[K, float]]
    models: JobModels

    def ask(self, number: int, models: Models, **options: Any) -> tuple[DryRun, float]:
        """Do the job on a number of items in a temporary file. Return its calls, and the share of the whole."""
        with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
            path, begun, stopped = Path(folder) / "part.duckdb", time.perf_counter(), ""
            job, share = self.take(path, number)
            seed = self.asked.get("seed")
            options |= {"model": models.default, "prices": models.given.get("default"), "roles": models.others}
            try:
                run_job(path, job, seed=self.job.seed(self.path) if seed is None else seed, anew=True, **options)
            except PausedError as error:
                stopped = str(error)
                if not path.is_file():
                    raise
            found = count_calls(path, time.perf_counter() - begun)
            return replace(found, people=round(share * self.whole), steps=0, stopped=stopped), share

    def estimate(self, sampling: Sampling | None) -> Estimate:
        """Estimate the job by a dry run of a part, and by a sample."""
        sampling, whole = sampling or Sampling(), self.whole
        handles = {role: handle for role, (handle, _) in self.models.roles.items()}
        given = {role: prices for role, (_, prices) in self.models.roles.items()}
        models = Models({"default": self.models.first, **handles}, {"default": self.models.prices, **given})
        counted, share = self.ask(min(whole, self.most), models.counting) if whole else (_NOTHING, 1.0)
        # The items of a questionnaire are requests that look alike; none is asked again in a dry run.
        counted = replace(counted, answered=tuple(replace(a, replicate=n) for n, a in enumerate(counted.answered)))

        def draw(number: int, limits: Limits) -> DryRun:
            # Batches take hours, so that a sample is asked one by one.
            return self.ask(number, models, limits=limits, cache=sampling.cache, progress=sampling.progress)[0]

        job = Job(
            self.counts, whole, models, Asked(self.job.answer_tokens),
            Counted(counted, phases={"": Interval.exactly(1 / share)}), draw,
            worst=lambda job, n: add_purposes("", job.computed()).times(n / whole),
            basis=lambda drawn: _items(whole, drawn), what={"batch": self.asked.get("batch", False)},
        )  # fmt: skip
        return estimate_job(job, sampling)


def _items(whole: int, drawn: DryRun) -> Items:
    """Return the items that answers belong to. Some of a sample may not have been asked about."""
    owners = dict.fromkeys(map(_owner, drawn.answered))
    unasked = (f"unasked {place}" for place in range(drawn.people - len(owners)))
    return Items(whole, dict.fromkeys((*owners, *unasked), 1.0), _owner)


def _owner(answer: Answered) -> str:
    return answer.owner.partition("|")[0]


def _copy(source: Any, into: Any, tables: Mapping[str, str], these: Sequence[str] = ()) -> None:
    """Copy the rows of these tables that meet their conditions. Tables that do not exist are skipped."""
    known = _tables(into)
    for table, condition in tables.items():
        if table not in _tables(source):
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
        make_run_file(target, lambda into: _copy(con, into, dict.fromkeys(_tables(con) - _LEFT_OUT, "true")))


def _tables(con: Any) -> set[str]:
    return {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def estimate_file_job(
    path: Path | str, job: JobKind[Any, Any], *, sampling: Sampling | None = None, **asked: Unpack[AskedModels]
) -> Estimate:
    """Estimate what `run_job` with the same arguments will ask its models, and cost, from a sample of its items.

    In the sample of a survey notes are recalled by words. For vectors no model is asked. Raises what `run_job` raises
    for a file that is not ready for the job, and `SetupError` for a kind without an estimate.
    """
    path = Path(path)
    match job:
        case EmbeddingJob():
            return _estimate_embedding(path, job, asked)
        case SurveyJob():
            return _estimate_survey(path, job, sampling, asked)
        case EvaluationJob():
            part: _Part[Any] = _part_of_problems(path, job, asked)
        case OutputJob():
            part = _part_of_outputs(path, job, asked)
        case EnrichmentJob():
            part = _part_of_people(path, job, asked)
        case _:
            raise SetupError(f"There is no estimate of the kind of job {job.kind!r}; run it with max_calls.")
    return part.estimate(sampling)


def _part_of_outputs(path: Path, job: OutputJob[Any], asked: AskedModels) -> _Part[OutputJob[Any]]:
    models = job.open_models(path, asked)
    number = job.prepare(path, asked.get("seed") or 0, models)
    whole = min(number, job.spec.n or number)

    def take(copied: Path, most: int) -> tuple[OutputJob[Any], float]:
        _copy_run(path, copied)
        some = copy.copy(job)
        some.spec, some.is_dry_run = job.spec.model_copy(update={"n": most}), True
        return some, most / whole

    return _Part(job, path, asked, "outputs", whole, _OUTPUTS, take, models)


def _part_of_problems(path: Path, job: EvaluationJob, asked: AskedModels) -> _Part[EvaluationJob]:
    whole = len(job.problems)

    def take(_: Path, most: int) -> tuple[EvaluationJob, float]:
        some = copy.copy(job)
        some.problems = rng_for(asked.get("seed") or 0, "problems").sample(job.problems, most)
        some.is_dry_run = True
        return some, most / whole

    models = job.open_models(path, asked)
    return _Part(job, path, asked, "problems", whole, _PROBLEMS, take, models)


def _part_of_people(hub: Path, job: EnrichmentJob, asked: AskedModels) -> _Part[EnrichmentJob]:
    seed, wanted = asked.get("seed") or 0, job.spec
    job.check()
    models = job.open_models(hub, asked)
    with open_hub(hub) as opened:
        # A hub that was grown gets the tables of profiles with its first job.
        lacking = wanted.lacking if _tables(opened.con).issuperset(wanted.lacking) else ()
        chosen = choose_people(opened.con, where=wanted.where, n=wanted.n, seed=seed, lacking=lacking)

    def take(copied: Path, most: int) -> tuple[EnrichmentJob, float]:
        these = rng_for(seed, "estimate").sample(chosen, most)
        with open_hub(hub) as opened, create_hub(copied) as small, small.writing() as con:
            _copy(opened.con, con, _HUB_TABLES, these)
        where = f"id IN ({', '.join(f"'{persona}'" for persona in these)})"
        return EnrichmentJob(wanted.model_copy(update={"where": where, "n": None})), most / len(chosen)

    return _Part(job, hub, asked, "people", len(chosen), _PEOPLE, take, models)


def _estimate_survey(path: Path, job: SurveyJob, sampling: Sampling | None, asked: AskedModels) -> Estimate:
    seed, surveys, known = asked.get("seed"), job.surveys, set[str]()
    with open_run(path) as reader:
        state = stored_society(reader)
        models = job.open_models(path, asked)
        if models.embeddings is not None:
            give_known_vectors(reader, list(state.residents.values()), models.embeddings.name)
            known.update(known_vectors(reader, [one.cue for one in surveys], models.embeddings.name))
    state.seed = state.seed if seed is None else seed
    whole = len({resident.id for one in surveys for resident in _respondents(one, state)})

    def requests(some: Sequence[Survey]) -> int:
        return sum(len(_respondents(one, state)) * len(one.items) ** one.one_by_one * one.repeats for one in some)

    def take(copied: Path, most: int) -> tuple[SurveyJob, float]:
        _copy_run(path, copied)
        some = [_reduce_survey(one, ceil(most / whole * len(_respondents(one, state)))) for one in surveys]
        reduced = job.spec.model_copy(update={"surveys": tuple(one.as_json() for one in some)})
        return SurveyJob(reduced), requests(some) / requests(surveys)

    found = _Part(job, path, asked, "people", whole, _RESPONDENTS, take, models).estimate(sampling)
    if models.embeddings is None:
        return found
    prices = models.embeddings_prices
    embedded = _count_embedding(_find_missing_texts(surveys, state, known), prices, role=_EMBEDDINGS)
    handles, given = {_EMBEDDINGS: models.embeddings}, {_EMBEDDINGS: prices}
    return replace(
        found,
        models=Models({**found.models.handles, **handles}, {**found.models.given, **given}),
        purposes=(*found.purposes, embedded),
        total=add_purposes("in all", [found.total, embedded]),
        computed=add_purposes("in all", [found.computed, embedded]),
    )


def _respondents(survey: Survey, state: SocietyState) -> list[Resident]:
    return survey.respondents(list(state.residents.values()), seed=state.seed, step=state.world.step)


def _reduce_survey(survey: Survey, number: int) -> Survey:
    """Return the same survey with `number` of its respondents."""
    return replace(survey, of=Panel(number) if isinstance(survey.of, Panel) else Sample(number))


def _find_missing_texts(surveys: Sequence[Survey], state: SocietyState, known: set[str]) -> Iterator[list[str]]:
    """Yield for each survey the texts whose vectors must be requested. Texts in `known` have vectors."""
    for survey in surveys:
        memories = [one.memory for one in _respondents(survey, state)]
        memories = [one for one in memories if one.has_choice(state.scenario.settings.recalled)]
        needed = {text for memory in memories for text in (survey.cue, *memory.without_vector())}
        yield sorted(needed - known)
        known |= needed


def _estimate_embedding(path: Path, job: EmbeddingJob, asked: AskedModels) -> Estimate:
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
    total = replace(found, name="in all")
    handles = Models({"default": model}, {"default": prices})
    return Estimate((found,), total, number, (number, 0), handles, 0, computed=total)


def _count_embedding(chunks: Iterable[Sequence[str]], prices: Prices | None, *, role: str = "default") -> Purpose:
    """Return the requests for the vectors of these texts. Chunks do not share requests."""
    requests = size = 0
    for texts in chunks:
        for batch in Batching().batches({text_hash(text): text for text in texts}):
            requests += 1
            size += sum(len(snippet.text.encode()) for snippet in batch)
    tokens = TOKENS * size
    cost = None if prices is None else Interval(prices.of(tokens.low, 0), prices.of(tokens.high, 0))
    calls, none = Interval.exactly(requests), Interval.exactly(0.0)
    return Purpose("embedding", calls, Interval(tokens.low, tokens.high), none, none, cost, role)
