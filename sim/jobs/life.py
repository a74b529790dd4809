"""The life of a job of any kind: it begins, goes on and is replayed in the file that it is about, from its spec."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import orjson

from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.budget import Budget
from ...agents.gateway.cache import AnswerCache
from ...agents.gateway.call import Call
from ...agents.gateway.limits import Limits, Prices
from ...core.errors import RunError, SetupError, parameter
from ...core.inputs import check_seed
from ...core.table import declared_tables, make_missing_tables
from ...personas.hub.file import HubInfo, describe, describe_hub, open_hub
from ...personas.hub.rewrites import COSINE_STAGE
from ..engine import Engine, JobModels, Progress
from ..observe import EmbeddingRecall
from ..replay import RecordedEmbedder, RecordedGateway, Replayed, compare_replay, recorded_model, recorded_recall
from ..runfile.database import BusyError, connect, cursors_of, folder_beside
from ..runfile.job_rows import JobRow
from ..runfile.live import Sidecar
from ..runfile.reader import FileTables, Recording, markers, open_hub_or_run
from ..runfile.runlog import RunLog
from ..specs import JobSpec, RoleModel
from ..trust import TrustedKind, check_trusted, find_named, remember_trust
from .kind import Asked, JobContext, JobKind, JobOptions, count_items, find_kind

if TYPE_CHECKING:
    from ...agents.actions import Action


#: What may be changed when a job is resumed.
_CHANGEABLE = ("base_url", "embedding_url", "limits", "prices", "cache")
#: Where the spec of a job holds the prices of an embedding model beside the model.
EMBEDDING_PRICES = "embedding_prices"

_HAS_JOBS = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'jobs'"
_OF_KIND = "WHERE kind = $kind ORDER BY job"
_PAID = "SELECT count(raw) FROM calls WHERE job = $job"


def jobs_in(path: Path) -> list[JobRow]:
    """Return the jobs of a run file or hub, in the order in which they began. Empty for a hub without jobs.

    Raises what `open_hub_or_run` raises.
    """
    with open_hub_or_run(path) as run:
        return FileTables(run).rows(JobRow, "ORDER BY job") if run.query(_HAS_JOBS).rows else []


def hub_in_numbers(path: Path) -> HubInfo:
    """Return the figures of a hub. While a job is running in it, they cover what is committed.

    Raises `SourceError` if the file is not a hub, and `RunFileError` if a process holds it that answers no SQL.
    """
    # A job that was killed leaves its note behind: then the reader gets no answer, and opens the file.
    if path.name and (cursors_of(path) or Sidecar.read(path) is not None):
        with open_hub_or_run(path) as run:
            return describe(path, lambda statement: run.query(statement).rows)
    with open_hub(path) as hub:
        return describe_hub(hub)


def stored_job(path: Path, job: int) -> JobRow:
    """Return a job as stored in a file."""
    with open_hub_or_run(path) as run:
        return FileTables(run).rows(JobRow, "WHERE job = $job", {"job": job})[0]


def stored_kind(row: JobRow, actions: Sequence["type[Action]"] = ()) -> JobKind[Any, Any]:
    """Return a job as it is to go on or to be done again, from its spec. Raises `RunFileError` for an unknown kind."""
    kind = find_kind(row.kind)
    spec = orjson.loads(row.spec)
    spec.pop(EMBEDDING_PRICES, None)
    return kind(kind.spec_type.model_validate(spec), actions)


def run_job[S: JobSpec, R](path: Path | str, kind: JobKind[S, R], **options: Unpack[JobOptions]) -> R:
    """Run a job in the file that it is about, and return what came of it.

    If called again with the same spec, model and seed, a stopped job continues, and answers that were paid for are not
    paid again. A finished job is repeated only with `anew`. Another unfinished job of the kind with paid answers is
    abandoned only with `anew`.

    Raises `SetupError` if the request is invalid or the file not ready for it, `SourceError` or `RunFileError` if it is
    no file of ours, and `PausedError` if the budget is spent.
    """
    path, anew, seed = Path(path), options.get("anew", False), options.get("seed")
    kind.check()
    models = kind.open_models(path, options)
    kind.set_batch(options.get("batch", False))
    work = _Work(path, kind, models, options, check_seed(kind.seed(path) if seed is None else seed))
    kind.make_file(path)
    unfinished, finished = work.find()
    own = next((row for row, _ in reversed(unfinished) if not anew and work.is_same(row)), None)
    items = 0
    if own is None:
        done = next((row.job for row in reversed(finished) if work.is_same(row)), None)
        if kind.is_done_once and done is not None and not anew:
            raise SetupError(
                f"Job {done} of {str(path)!r} has done just this; to have it done and paid for again, give "
                f"{parameter('anew', value=True)}."
            )
        items = kind.prepare(path, work.seed, models)
    kind.abandoned = work.abandon_jobs(
        [one for one in unfinished if one[0] is not own], is_allowed=anew or kind.keeps_all
    )
    if own is None and not items:
        return kind.nothing(path, models)
    log = RunLog.begin(path, work.row, work.fill) if own is None else work.reopen_job(own.job)
    return work.run(log, options.get("progress"), shared_budget=options.get("shared_budget"))


def resume_job(
    path: Path | str,
    number: int,
    *,
    actions: Sequence["type[Action]"] = (),
    solver: RoleModel | None = None,
    grader: RoleModel | None = None,
    changed: dict[str, Any] | None = None,
    progress: Progress | None = None,
    **asked: Unpack[Asked],
) -> Any:
    """Continue an unfinished job from its spec, and return what came of it.

    Limits, prices and cache are those of the job, except for the limits in `changed` and what is in `asked`; a cache of
    False is none. `solver` and `grader` name the addresses of the job's other models again, and change nothing else.
    `actions` are those of the run's scenario, where the built-in generator is asked.

    Raises `SetupError` if the job uses an address or a file that was not named on this machine.
    """
    path = Path(path)
    row = stored_job(path, number)
    kind = stored_kind(row, actions)
    embeddings, where = asked.get("embeddings"), asked.get("embeddings_url")
    again = {"solver": _named_again(kind.spec, "solver", solver), "grader": _named_again(kind.spec, "grader", grader)}
    check_trusted(path, row, find_named({**asked, **again}))
    kind.check()
    own = Limits.model_validate_json(row.limits)
    cache = asked.get("cache")
    prices, vectors = orjson.loads(row.prices or "null"), orjson.loads(row.spec).get(EMBEDDING_PRICES)
    options: Asked = {
        "model": asked.get("model") or row.model,
        "base_url": asked.get("base_url") or (row.base_url or "").split() or None,
        "limits": own.changed(**(changed or {})),
        "prices": asked.get("prices") or (Prices(**prices) if prices else None),
        "cache": (Path(row.cache) if row.cache and cache is None else None) or cache or None,
        "batch": row.batch,
        "embeddings": embeddings or row.embedding_model,
        "embeddings_url": where or row.embedding_url,
        "embeddings_prices": asked.get("embeddings_prices") or (Prices(**vectors) if vectors else None),
    }
    if isinstance(embeddings, str):
        _check_recall(row, embeddings)
    models = kind.open_models(path, options)
    if models.embeddings is not None:
        _check_recall(row, models.embeddings.name)
    work = _Work(path, kind, models, options, row.seed)
    return work.run(work.reopen_job(number), progress)


def _check_recall(row: JobRow, embeddings: str) -> None:
    if embeddings != row.embedding_model:
        raise SetupError(
            f"Job {row.job} was begun with recall by {row.embedding_model or 'words'}, and goes on so; leave "
            f"{parameter('embeddings', embeddings)} out."
        )


def _named_again(spec: JobSpec, kind: TrustedKind, given: RoleModel | None) -> RoleModel | None:
    """Return the model given if it names all addresses and files of the job's models of this kind, else None."""
    models = [one for role, one in spec.roles.items() if role.partition("-")[0] == kind]
    addresses = {url for one in models for url in one.base_url}
    files = {one.model for one in models if one.model.startswith("gguf:")}
    if given is None or not addresses <= set(given.base_url) or not files <= {given.model}:
        return None
    return given


class _Work[S: JobSpec, R]:
    """One job in its file, with its models open."""

    def __init__(self, path: Path, kind: JobKind[S, R], models: JobModels, asked: Asked, seed: int) -> None:
        self.path = path
        self.seed = seed
        self._kind = kind
        self._models = models
        self._limits = asked.get("limits") or Limits()
        self._cache = asked.get("cache")
        self._is_batch = asked.get("batch", False)
        models.check(self._limits, batch=self._is_batch)

    @property
    def row(self) -> JobRow:
        """The job as a row, not numbered yet."""
        models, spec = self._models, self._kind.spec.model_dump(mode="json")
        if models.model is not None and models.embeddings is not None:
            spec[EMBEDDING_PRICES] = models.embeddings_prices
        return models.make_row(
            self._kind.kind,
            orjson.dumps(spec).decode(),
            seed=self.seed,
            limits=self._limits,
            cache=self._cache,
            batch=self._is_batch,
        )

    def find(self) -> tuple[list[tuple[JobRow, int]], list[JobRow]]:
        """Return the unfinished jobs of this kind, each with the number of its paid answers, and the finished ones."""
        with open_hub(self.path) if self._kind.is_on_hub else nullcontext(), open_hub_or_run(self.path) as run:
            kind = {"kind": self._kind.kind}
            rows = FileTables(run).rows(JobRow, _OF_KIND, kind) if run.query(_HAS_JOBS).rows else []
            unfinished = [(row, run.query(_PAID, {"job": row.job}).rows[0][0]) for row in rows if not row.is_ended]
        return unfinished, [row for row in rows if row.status == "finished"]

    def is_same(self, other: JobRow) -> bool:
        """Return whether a job has the same spec, models and seed. Prices may differ."""
        spec, mine = ({**orjson.loads(row.spec), EMBEDDING_PRICES: None} for row in (other, self.row))
        return (spec, other.model, other.seed, other.embedding_model) == (
            mine, self.row.model, self.row.seed, self.row.embedding_model,
        )  # fmt: skip

    def abandon_jobs(self, others: Sequence[tuple[JobRow, int]], *, is_allowed: bool) -> tuple[int, ...]:
        """Mark unfinished jobs as abandoned, and return the numbers of those with paid answers.

        Raises `SetupError` if there are such, unless that is allowed.
        """
        for row, paid in others:
            if paid and not is_allowed:
                raise SetupError(_describe_other(self.path, row))
        for row, _ in others:
            with RunLog.open(self.path, row.job) as log:
                log.finish("abandoned", "Another job was begun instead.", row.event_hash)
        return tuple(row.job for row, paid in others if paid)

    def fill(self, con: Any, number: int) -> None:
        """Write what the job begins with."""
        make_missing_tables(con, self._kind.tables)
        self._kind.fill(con, number, self.seed)

    def reopen_job(self, number: int) -> RunLog:
        """Reopen an unfinished job with the current limits, prices, cache and addresses."""
        log = RunLog.open(self.path, number)
        log.commit(statements=log.change(**{name: getattr(self.row, name) for name in _CHANGEABLE})).result()
        return log

    def run(self, log: RunLog, progress: Progress | None, *, shared_budget: Budget | None = None) -> R:
        """Run the job to its end, write into the file how that came, and return the report."""
        answers = None
        try:
            remember_trust(log.job_row)
            answers = AnswerCache.shared(self._cache) if self._cache else None
            engine = Engine(
                log,
                self._models,
                limits=self._limits,
                cache=answers,
                batched=frozenset(self._kind.phase_names if self._is_batch else ()),
                answer_tokens=self._kind.answer_tokens,
                progress=progress,
                shared_budget=shared_budget,
            )
        except BaseException:
            if answers is not None:
                answers.close()
            log.close()
            raise
        with end_with(engine):
            embedder = engine.embedder
            context = JobContext(
                engine=engine,
                seed=self.seed,
                items=count_items(log),
                source=self.path,
                embedder=embedder,
                recall=None if embedder is None else EmbeddingRecall(embedder, job=log.job),
                others=[handle for handle, _ in self._models.roles.values()],
            )
            self._kind.run(context)
            return self._kind.report(context)


@contextmanager
def end_with(engine: Engine) -> Iterator[None]:
    """Open the engine, and write into the file how what is done within ends."""
    with engine:
        try:
            yield
        except BaseException as error:
            engine.finish(error)
            raise
        engine.finish(None)


def _describe_other(path: Path, job: JobRow) -> str:
    wished = {name: value for name, value in orjson.loads(job.spec).items() if value not in (None, False)}
    written = orjson.dumps(wished).decode()
    written = written if len(written) <= 400 else f"{written[:400]} ..."
    return (
        f"{str(path)!r} holds another {job.kind} that is not finished (model {job.model}, seed {job.seed}, "
        f"{written}), with paid answers; go on with that first, `populace resume {path}`, or "
        f"begin this one instead with --anew."
    )


_BEGUN = "UPDATE jobs SET status = 'running', event_hash = NULL WHERE job = $job"


def replay_job(path: Path | str, job: int, *, progress: Progress | None = None) -> Replayed:
    """Repeat a finished job of a file without calling a model, and compare the event hashes.

    It runs in a copy without the results of this job and later ones. Raises `RunFileError` if the job is not finished,
    and `RunError` if something is asked that was not asked then.
    """
    with Recording.open(Path(path), job) as recording, folder_beside(recording.path) as folder:
        if recording.is_live:
            raise BusyError(f"{str(path)!r} is being written; wait until that has ended, or stop it, and replay then.")
        copy = folder / recording.path.name
        _copy_file(recording, copy)
        failure: RunError | None = None
        recalled = 0
        try:
            recalled = _done_again(recording, copy, progress)
        except RunError as error:
            failure = error
        with open_hub_or_run(copy) as again:
            found = markers(again, job)
        return compare_replay(recording, found, failure, recalled=recalled)


def _copy_file(recording: Recording, copy: Path) -> None:
    for suffix in ("", ".wal"):
        file = recording.path.with_name(recording.path.name + suffix)
        if file.exists():
            shutil.copyfile(file, copy.with_name(copy.name + suffix))
    row = recording.job_row
    values = {"job": row.job, "began": row.started_at, "stage": f"{COSINE_STAGE}{row.embedding_model}"}
    with connect(copy, read_only=False) as con:
        # By its calls a job's vectors are known.
        there = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        undone = (one for one in declared_tables() if one.undo and one.name in there)
        made = sorted(undone, key=lambda one: one.row_type is Call)
        for statement in (*(f"DELETE FROM {one.name} WHERE {one.undo}" for one in made), _BEGUN):  # noqa: S608
            con.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})


def _done_again(recording: Recording, copy: Path, progress: Progress | None) -> int:
    """Run the job in the copy, and return how many answers came from the recording."""
    row = recording.job_row
    kind, model = stored_kind(row), recorded_model(row)
    roles = {role: ModelHandle(one.model, model.served) for role, one in kind.spec.roles.items()}
    gateway = RecordedGateway(model, recording, answer_tokens=kind.answer_tokens, roles=roles)
    embedder = RecordedEmbedder(recording, row.embedding_model) if row.embedding_model else None
    log = RunLog.open(copy, row.job)
    engine = Engine(
        log,
        JobModels(model=model),
        limits=gateway.limits,
        answer_tokens=kind.answer_tokens,
        progress=progress,
        gateway=gateway,
    )
    with end_with(engine):
        kind.run(
            JobContext(
                engine=engine,
                seed=row.seed,
                items=count_items(log),
                is_replay=True,
                source=recording.path,
                embedder=embedder,
                recall=recorded_recall(recording, row),
            )
        )
    return gateway.recalled or (embedder.recalled if embedder is not None else 0)
