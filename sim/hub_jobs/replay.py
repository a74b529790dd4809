"""Doing a job on the people of a hub again from its own answers, to see that it was as its file says."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.call import Call
from ...personas.errors import RunError
from ...personas.hub.reconcile import COSINE_STAGE
from ...personas.table import declared_tables
from ..embedding import KIND as EMBEDDING
from ..embedding import run_embedding
from ..engine import Progress
from ..grading.comparing import ComparingJob
from ..grading.grading import GradingJob
from ..grading.responding import RespondingJob
from ..interview import KIND as INTERVIEW
from ..interview import replay_interview
from ..replay import (
    RecordedEmbedder,
    RecordedGateway,
    Replayed,
    difference,
    recorded_embeddings,
    recorded_model,
    recorded_recall,
)
from ..runfile.database import BusyError, connect, folder_beside
from ..runfile.reader import open_hub_or_run
from ..runfile.recording import Recording, markers
from ..runfile.runlog import RunLog
from ..survey.job import KIND as SURVEY
from ..survey.job import replay_survey
from ..tasks.evaluation import EvaluationJob
from ..tasks.output_jobs import replay_output_job, stored_spec
from ..tasks.outputs import OutputJob
from ..tasks.solving import SolvingJob
from .enrichment import ANSWER_TOKENS, Enrichment, run_enrichment
from .jobs import HubJob

#: The jobs on what a run has made, by their kind.
OUTPUT_JOBS: Mapping[str, type[OutputJob[Any]]] = {
    one.kind: one for one in (SolvingJob, EvaluationJob, RespondingJob, GradingJob, ComparingJob)
}

_BEGUN = "UPDATE jobs SET status = 'running', event_hash = NULL WHERE job = $job"


def replay_job(path: Path | str, job: int, *, progress: Progress | None = None) -> Replayed:
    """Repeat a finished job on the personas of a hub without calling a model, and compare the event hashes.

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
        differing = difference(recording, found, ended=failure is None)
        if failure is not None and not differing:
            raise failure
        return Replayed(
            event_hash=found[-1].event_hash if found else "",
            expected=recording.markers[-1].event_hash if recording.markers else "",
            steps=0,
            recalled=recalled,
            begun=None,
            calls=0,
            difference=differing,
        )


def _copy(recording: Recording, copy: Path) -> None:
    for suffix in ("", ".wal"):
        file = recording.path.with_name(recording.path.name + suffix)
        if file.exists():
            shutil.copyfile(file, copy.with_name(copy.name + suffix))
    row = recording.job_row
    values = {"job": row.job, "began": row.started_at, "stage": f"{COSINE_STAGE}{row.embedding_model}"}
    with connect(copy, read_only=False) as con:
        # By its calls a job's vectors are known.
        made = sorted((one for one in declared_tables() if one.undo), key=lambda one: one.row_type is Call)
        for statement in (*(f"DELETE FROM {one.name} WHERE {one.undo}" for one in made), _BEGUN):  # noqa: S608
            con.execute(statement, {name: value for name, value in values.items() if f"${name}" in statement})


def _done_again(recording: Recording, copy: Path, progress: Progress | None) -> int:
    """Run the job in the copy, and return how many answers came from the recording."""
    row = recording.job_row
    model = recorded_model(row)
    spec = orjson.loads(row.spec)
    roles = {role: ModelHandle(one["model"], model.chat) for role, one in spec.get("roles", {}).items()}
    kind = OUTPUT_JOBS.get(row.kind)
    answer_tokens = spec.get("answer_tokens", ANSWER_TOKENS) if kind is None else kind.answer_tokens
    gateway = RecordedGateway(model, recording, answer_tokens=answer_tokens, roles=roles)
    job = HubJob(
        path=copy,
        kind=row.kind,
        spec=spec,
        seed=row.seed,
        model=(recorded_embeddings(row) if row.kind == EMBEDDING else None) or model,
        limits=gateway.limits,
        prices=None,
        cache=None,
    )
    log = RunLog.open(copy, row.job)
    if row.kind == INTERVIEW:
        replay_interview(job, log, gateway, progress, of=recording.path, recall=recorded_recall(recording, row))
        return gateway.recalled
    if row.kind == SURVEY:
        replay_survey(job, log, gateway, progress, recall=recorded_recall(recording, row))
        return gateway.recalled
    if kind is not None:
        replay_output_job(job, kind(stored_spec(kind.spec_type, row)), log, gateway, progress)
        return gateway.recalled
    with job.running(log, progress, answer_tokens=ANSWER_TOKENS, gateway=gateway) as engine:
        if row.embedding_model is not None:
            return run_embedding(engine, job, RecordedEmbedder(recording, row.embedding_model)).missing
        with log.cursor() as con:
            engine.call(partial(run_enrichment, engine, Enrichment.model_validate_json(row.spec), con, row.seed))
        return gateway.recalled
