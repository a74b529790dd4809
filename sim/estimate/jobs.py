"""What jobs on people, outputs, problems and agents will ask of their models, and cost; and vectors of texts.

A part of the file that a job works on is copied into a temporary one, and the job done there: with the stand-in, to
count its requests, and with the real models for a sample.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import duckdb
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from ...agents.embedding.client import Batching
from ...agents.embedding.models import EmbeddingHandle
from ...agents.embedding.vectors import text_hash
from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices, known_prices
from ...agents.gateway.limits import Limits
from ...personas.arrow import read_table
from ...personas.errors import PausedError
from ...personas.hub.dedup import read_texts, without_vector
from ...personas.hub.file import create_hub, open_hub
from ...personas.hub.queries import registered
from ...personas.selection.selection import choose_people
from ..embedding import without_text_vector
from ..enrichment.job import Enrichment, EnrichmentJob, enrich
from ..jobs.kind import JobModels
from ..jobs.life import run_job
from ..prompt_limits import check_survey_prompts
from ..resident import Resident
from ..run_models import choose_model
from ..runfile.database import connect, make_run_file
from ..runfile.reader import open_run
from ..runfile.recording import run_of
from ..seeds import rng_for
from ..state import SocietyState
from ..survey.declared import Panel, Sample, Survey
from ..survey.job import survey_run
from ..survey.recall import with_recall
from ..survey.stored import check_finished, give_known_vectors, known_vectors, stored_society
from ..tasks.evaluation import EvaluationJob, evaluate
from ..tasks.outputs import CHOSEN_OUTPUTS, OutputJob, OutputSpec
from ..tasks.problem_sets import ProblemSet
from .dry_run import Answered, DryRun, counted_calls
from .estimator import Estimate, Job, Models, Sampling, estimate_job
from .forecast import Items
from .intervals import Interval
from .purposes import TOKENS, Asked, Counted, Purpose, add_purposes

#: Items of a dry run at most: people, outputs, problems, respondents of a survey.
_PEOPLE, _OUTPUTS, _PROBLEMS, _RESPONDENTS = 100, 300, 60, 50
#: People whose texts are in memory at a time.
_CHUNK = 10_000
#: The role by which an estimate names the embedding model.
_EMBEDDINGS = "embeddings"

_CHOSEN = f"SELECT emission {CHOSEN_OUTPUTS} ORDER BY md5(emission::VARCHAR || 'estimate') LIMIT $most"
_OF_THESE = "emission IN (SELECT unnest($these))"
_OUTPUT_TABLES = {
    "jobs": "job = 1",
    "phases": "job = 1",
    "personas": f"id IN (SELECT agent FROM emissions WHERE {_OF_THESE})",  # noqa: S608 - our own words
    **dict.fromkeys(("emissions", "checks", "duplicates", "solutions", "responses"), _OF_THESE),
}
#: Some people, who they are tied to, and what is known of these.
_THEIRS = """
WITH around AS (
    SELECT target FROM relations WHERE source IN (SELECT unnest($these))
    UNION SELECT source FROM relations WHERE target IN (SELECT unnest($these))
)
"""
_HUB_TABLES = {
    "personas": "id IN (SELECT unnest($these)) OR id IN (FROM around)",
    "relations": "source IN (SELECT unnest($these)) OR target IN (SELECT unnest($these))",
    "profiles": "persona IN (FROM around) AND persona NOT IN (SELECT unnest($these))",
}
#: What is large in a run, and nothing that its agents know.
_LEFT_OUT = {"calls", "observations", "checks", "duplicates", "answers", "failures", "markers", "migrations"}

#: Does a job of so many items in a temporary folder, and gives the file and the number of items.
type Do = Callable[[Path, int, Models, dict[str, Any]], tuple[Path, int]]


def _estimate(
    counts: str, whole: int, most: int, models: Models, tokens: int, sampling: Sampling, do: Do, **what: Any
) -> Estimate:
    """Estimate a job whose items are asked about separately."""
    phases: Sequence[str] = what.pop("phases", ())
    requests: int | None = what.pop("requests", None)

    def done(number: int, models: Models, **given: Any) -> tuple[DryRun, int]:
        with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
            begun, stopped = time.perf_counter(), ""
            try:
                path, items = do(Path(folder) / "part.duckdb", number, models, given)
            except PausedError as error:
                path, items, stopped = Path(folder) / "part.duckdb", number, str(error)
                if not path.is_file():
                    raise
            found = counted_calls(path, time.perf_counter() - begun)
            answered = tuple(one for one in found.answered if not phases or one.phase in phases)
            return replace(found, answered=answered, people=items, steps=0, stopped=stopped), items

    def draw(number: int, limits: Limits) -> DryRun:
        # Batches take hours, so that a sample is asked one by one.
        return done(number, models, limits=limits, cache=sampling.cache, progress=sampling.progress)[0]

    counted, items = done(min(whole, most), models.counting) if whole else (_NOTHING, 1)
    units = requests or whole
    if requests is not None:  # single items of a respondent are requests that look alike
        counted = replace(counted, answered=tuple(replace(a, replicate=n) for n, a in enumerate(counted.answered)))
        items = len(counted.answered)
    job = Job(
        counts, whole, models, Asked(tokens), Counted(counted, phases={"": Interval.exactly(units / items)}), draw,
        worst=lambda job, n: add_purposes("", job.computed()).times(n / whole),
        basis=lambda drawn: _items(whole, drawn), what=what,
    )  # fmt: skip
    return estimate_job(job, sampling)


def _items(whole: int, drawn: DryRun) -> Items:
    """Return the items that answers belong to. Some of a sample may not have been asked about."""
    owners = dict.fromkeys(map(_owner, drawn.answered))
    unasked = (f"unasked {place}" for place in range(drawn.people - len(owners)))
    return Items(whole, dict.fromkeys((*owners, *unasked), 1.0), _owner)


def _owner(answer: Answered) -> str:
    return answer.owner.partition("|")[0]


_NOTHING = DryRun((), 0, None, 0, 0, (0, 0), {}, 0.0)


def _copy(source: duckdb.DuckDBPyConnection, into: Any, tables: Mapping[str, str], these: Any, head: str = "") -> None:
    """Copy the rows of these tables that meet their conditions. Tables that do not exist are skipped."""
    there = _tables(source)
    known = _tables(into)
    for table, condition in tables.items():
        if table not in there:
            continue
        query = f"{head} SELECT * FROM {table} WHERE {condition}"  # noqa: S608 - our own words
        rows = source.sql(query, params={"these": these} if "$these" in query else None)
        with registered(into, read_table(rows), "copied"):
            into.execute(
                f"INSERT INTO {table} BY NAME FROM copied" if table in known else f"CREATE TABLE {table} AS FROM copied"
            )


def _tables(con: Any) -> set[str]:
    return {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def estimate_output_job[S: OutputSpec](
    path: Path | str,
    make_job: Callable[[S], OutputJob[S]],
    spec: S,
    *,
    model: str | ModelHandle | None = None,
    base_url: str | Sequence[str] | None = None,
    prices: Prices | None = None,
    batch: bool = False,
    seed: int = 0,
    sampling: Sampling | None = None,
) -> Estimate:
    """Estimate what `run_output_job` with the same arguments will ask its models, and cost.

    Real models are asked about a sample of the outputs, by default or as `sampling` says. Raises what `check_outputs`
    raises.
    """
    path, job = Path(path), make_job(spec)
    handle, prices = choose_model(path, model, base_url, prices)
    number = job.prepare(path, seed, JobModels(model=handle))
    others = {role: open_model(one.model, base_url=one.base_url or None) for role, one in spec.roles.items()}
    given = {role: one.prices for role, one in spec.roles.items()}

    def do(copy: Path, most: int, models: Models, asked: dict[str, Any]) -> tuple[Path, int]:
        with connect(path, read_only=True) as con:
            these = [one for (one,) in con.execute(_CHOSEN, job.chosen | {"most": most}).fetchall()]
            make_run_file(copy, lambda small: _copy(con, small, _OUTPUT_TABLES, these))
        some = make_job(spec.model_copy(update={"n": None}))
        some.is_dry_run = True
        asked["prices"] = models.given.get("default")
        done = run_job(copy, some, model=models.default, seed=seed, roles=models.others, **asked)
        return copy, done.outputs

    models = Models({"default": handle, **others}, {"default": prices, **given})
    whole = min(number, spec.n or number)
    return _estimate(
        "outputs", whole, _OUTPUTS, models, job.answer_tokens, sampling or Sampling(), do,
        batch=batch, phases=job.phase_names,
    )  # fmt: skip


def estimate_evaluation(
    job: EvaluationJob,
    problems: ProblemSet,
    *,
    model: str | ModelHandle,
    base_url: str | Sequence[str] | None = None,
    prices: Prices | None = None,
    batch: bool = False,
    seed: int = 0,
    sampling: Sampling | None = None,
) -> Estimate:
    """Estimate what `evaluate` with the same arguments will ask and cost, from a sample of the problems."""
    handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)

    def do(copy: Path, most: int, models: Models, asked: dict[str, Any]) -> tuple[Path, int]:
        some = problems.drawn(most, seed)
        is_dry_run, asked["prices"] = models.default is not handle, models.given.get("default")
        part = EvaluationJob(job.spec)
        part.problems, part.is_dry_run = some.problems, is_dry_run
        evaluate(
            part,
            copy,
            model=models.default,
            seed=seed,
            **asked,
        )
        return copy, len(some.problems)

    models = Models({"default": handle}, {"default": prices})
    whole = len(problems.problems)
    return _estimate("problems", whole, _PROBLEMS, models, job.answer_tokens, sampling or Sampling(), do, batch=batch)


def estimate_enrichment(
    hub: Path | str,
    enrichment: Enrichment | None = None,
    *,
    model: str | BaseChatModel | ModelHandle | None = None,
    base_url: str | list[str] | None = None,
    prices: Prices | None = None,
    batch: bool = False,
    seed: int = 0,
    sampling: Sampling | None = None,
) -> Estimate:
    """Estimate what `enrich` with the same arguments will ask its model, and cost, from a sample of the personas.

    Raises `SourceError` if the file is not a hub, and `SetupError` if the request is invalid.
    """
    wanted = enrichment or Enrichment()
    wanted.check()
    handle, prices = choose_model(Path(hub), model, base_url, prices)
    with open_hub(hub) as opened:
        # A hub that was grown gets the tables of profiles with its first job.
        lacking = wanted.lacking if _tables(opened.con).issuperset(wanted.lacking) else ()
        chosen = choose_people(opened.con, where=wanted.where, n=wanted.n, seed=seed, lacking=lacking)

    def do(copy: Path, most: int, models: Models, asked: dict[str, Any]) -> tuple[Path, int]:
        these = rng_for(seed, "estimate").sample(chosen, min(len(chosen), most))
        with open_hub(hub) as opened, create_hub(copy) as small, small.writing() as con:
            _copy(opened.con, con, _HUB_TABLES, these, _THEIRS)
        where = f"id IN ({', '.join(f"'{persona}'" for persona in these)})"
        some = wanted.model_copy(update={"where": where, "n": None})
        enrich(copy, some, model=models.default, prices=models.given.get("default"), seed=seed, **asked)
        return copy, len(these)

    models = Models({"default": handle}, {"default": prices})
    return _estimate(
        "people",
        len(chosen),
        _PEOPLE,
        models,
        EnrichmentJob(wanted).answer_tokens,
        sampling or Sampling(),
        do,
        batch=batch,
    )


def estimate_survey(
    path: Path | str,
    surveys: Sequence[Survey],
    *,
    model: str | ModelHandle | None = None,
    base_url: str | Sequence[str] | None = None,
    prices: Prices | None = None,
    batch: bool = False,
    embeddings: str | Embeddings | EmbeddingHandle | None = None,
    embeddings_url: str | None = None,
    embeddings_prices: Prices | None = None,
    seed: int | None = None,
    sampling: Sampling | None = None,
) -> Estimate:
    """Estimate what `survey_run` with the same arguments will ask its models, and cost, from a sample of respondents.

    In the sample notes are recalled by words. Raises what `survey_run` raises for a run that cannot be surveyed.
    """
    path = Path(path)
    handle, prices = choose_model(path, model, base_url, prices)
    with open_run(path) as reader:
        check_finished(path)
        row, state = run_of(reader), stored_society(reader)
        recall = with_recall(
            JobModels(), path,
            {"embeddings": embeddings, "embeddings_url": embeddings_url, "base_url": base_url,
             "embeddings_prices": embeddings_prices},
        )  # fmt: skip
        known: set[str] = set()
        if recall.embeddings is not None:
            give_known_vectors(reader, list(state.residents.values()), recall.embeddings.name)
            known.update(known_vectors(reader, [one.cue for one in surveys], recall.embeddings.name))
    check_survey_prompts(surveys, world=row.world, prompt_tokens=state.scenario.settings.prompt_tokens)
    state.seed = state.seed if seed is None else seed
    asked_of = [_respondents(one, state) for one in surveys]
    whole = len({resident.id for some in asked_of for resident in some})
    requests = [len(one.items) ** one.one_by_one * one.repeats for one in surveys]

    def do(copy: Path, most: int, models: Models, asked: dict[str, Any]) -> tuple[Path, int]:
        share = min(1.0, most / whole)
        some = [_fewer(one, ceil(share * len(of))) for one, of in zip(surveys, asked_of, strict=True)]
        with connect(path, read_only=True) as con:
            tables = dict.fromkeys(_tables(con) - _LEFT_OUT, "true") | {"jobs": "job = 1", "phases": "job = 1"}
            make_run_file(copy, lambda small: _copy(con, small, tables, ()))
        survey_run(copy, some, model=models.default, prices=models.given.get("default"), seed=state.seed, **asked)
        return copy, max(len(_respondents(one, state)) for one in some)

    models = Models({"default": handle}, {"default": prices})
    tokens = state.scenario.settings.answer_tokens
    found = _estimate(
        "people", whole, _RESPONDENTS, models, tokens, sampling or Sampling(), do, batch=batch,
        requests=sum(len(of) * each for of, each in zip(asked_of, requests, strict=True)),
    )  # fmt: skip
    if recall.embeddings is None:
        return found
    embedded = _embedding(_lacking(surveys, state, known), recall.embeddings_prices, role=_EMBEDDINGS)
    models = Models(
        {"default": handle, _EMBEDDINGS: recall.embeddings}, {"default": prices, _EMBEDDINGS: recall.embeddings_prices}
    )
    return replace(
        found,
        models=models,
        purposes=(*found.purposes, embedded),
        total=add_purposes("in all", [found.total, embedded]),
        computed=add_purposes("in all", [found.computed, embedded]),
    )


def _respondents(survey: Survey, state: SocietyState) -> list[Resident]:
    return survey.respondents(list(state.residents.values()), seed=state.seed, step=state.world.step)


def _fewer(survey: Survey, number: int) -> Survey:
    """Return the same survey with `number` of its respondents."""
    return replace(survey, of=Panel(number) if isinstance(survey.of, Panel) else Sample(number))


def _lacking(surveys: Sequence[Survey], state: SocietyState, known: set[str]) -> Iterator[list[str]]:
    """Yield for each survey the texts whose vectors must be requested. Texts in `known` have vectors."""
    for survey in surveys:
        memories = [one.memory for one in _respondents(survey, state)]
        memories = [one for one in memories if one.has_choice(state.scenario.settings.recalled)]
        needed = {text for memory in memories for text in (survey.cue, *memory.without_vector())}
        yield sorted(needed - known)
        known |= needed


def estimate_embedding(hub: Path | str, model: EmbeddingHandle, *, prices: Prices | None = None) -> Estimate:
    """Estimate fetching the missing vectors of a hub. No model is asked. Raises `SourceError`."""
    with open_hub(hub) as opened:
        lacking = without_vector(opened, model.name)
        chunks = (read_texts(opened, lacking[start : start + _CHUNK]) for start in range(0, len(lacking), _CHUNK))
        return _estimate_vectors(chunks, len(lacking), model, prices)


def estimate_text_vectors(
    path: Path | str, model: EmbeddingHandle, texts: Iterable[str], *, prices: Prices | None = None
) -> Estimate:
    """Estimate `fetch_text_vectors` for these texts. No model is asked. Raises `SourceError`."""
    missing = without_text_vector(path, model.name, texts)
    return _estimate_vectors([missing], len(missing), model, prices)


def _embedding(chunks: Iterable[Sequence[str]], prices: Prices | None, *, role: str = "default") -> Purpose:
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


def _estimate_vectors(
    chunks: Iterable[Sequence[str]], number: int, model: EmbeddingHandle, prices: Prices | None
) -> Estimate:
    prices = prices or known_prices(model, writes=False)
    found = _embedding(chunks, prices)
    total = replace(found, name="in all")
    models = Models({"default": model}, {"default": prices})
    return Estimate((found,), total, number, (number, 0), models, 0, computed=total)
