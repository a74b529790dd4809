"""Doing a job again from its own answers, to see that it was as its file says."""

import shutil
from pathlib import Path

from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.call import Call
from ...core.errors import RunError
from ...core.table import declared_tables
from ...personas.hub.rewrites import COSINE_STAGE
from ..engine import Engine, JobModels, Progress
from ..replay import RecordedEmbedder, RecordedGateway, Replayed, compare_replay, recorded_model, recorded_recall
from ..runfile.database import BusyError, connect, folder_beside
from ..runfile.reader import open_hub_or_run
from ..runfile.recording import Recording, markers
from ..runfile.runlog import RunLog
from .kind import JobContext, count_items
from .life import end_with, stored_kind

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
        _copy(recording, copy)
        failure: RunError | None = None
        recalled = 0
        try:
            recalled = _done_again(recording, copy, progress)
        except RunError as error:
            failure = error
        with open_hub_or_run(copy) as again:
            found = markers(again, job)
        return compare_replay(recording, found, failure, recalled=recalled)


def _copy(recording: Recording, copy: Path) -> None:
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
    roles = {role: ModelHandle(one.model, model.chat) for role, one in kind.spec.roles.items()}
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
