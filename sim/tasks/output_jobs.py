"""Jobs on what a finished run has made: done, gone on with and replayed, in the run's own file.

Such a job is a row of `jobs` as enrichment is in a hub; its outputs are in `job_items`, and its calls and markers are
its own. What a kind of job is made of is in `sim.tasks.outputs`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import orjson

from ...agents.batch import check_batchable
from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices, check_priced, known_prices
from ...agents.gateway.gateway import Gateway
from ...agents.gateway.limits import Limits
from ...personas.errors import SetupError, parameter
from ...personas.inputs import check_seed, nearest
from ..config import RoleModel
from ..engine import Engine, Progress
from ..hub_jobs.jobs import HubJob, check_job_trusted, resumed, stored_job
from ..jobs import run_phase
from ..run_models import choose_model
from ..runfile.job_rows import JobRow
from ..runfile.reader import open_run
from ..runfile.runlog import RunLog
from ..scenario import GrowthOnly
from .outputs import CHOSEN_OUTPUTS, OutputContext, OutputJob, OutputSpec

#: Outputs of one chunk where requests go by batch, of which an endpoint takes hours.
_BATCH_CHUNK = 10_000

_STATUS = "SELECT status, scenario FROM runs"
_KINDS = "SELECT kind, count(*), count(*) FILTER (status = 'accepted') FROM outputs GROUP BY kind ORDER BY kind"
_COUNT = "SELECT count(*) FROM job_items WHERE job = $job"
_MARKER = "SELECT phase, items, failed, counts FROM markers WHERE job = $job AND chunk = 0 ORDER BY rowid"


@dataclass(frozen=True, slots=True)
class OutputJobReport:
    """The result of a job on outputs, over this session and earlier ones."""

    job: int
    outputs: int
    #: By phase: outputs worked on, outputs for which nothing usable came, and counts by name.
    done: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    is_language_model: bool = True
    event_hash: str = ""


def check_outputs(path: Path, job: OutputJob[Any]) -> int:
    """Return the number of items the job would have. They are outputs unless the job says otherwise.

    Raises `RunFileError` if the file is not a run file. Raises `SetupError` if the run is not finished, has no accepted
    output, or has none of the wanted kinds.
    """
    with open_run(path) as run:
        found = run.query(_STATUS).rows
        if not found or found[0][1] == GrowthOnly.name:
            raise SetupError(f"{str(path)!r} is a hub: it holds people, and nothing that they made; give a run file.")
        ((status, _),) = found
        if status != "finished":
            raise SetupError(
                f"The run in {str(path)!r} is not finished ({status}), and its outputs are not all there; go on with "
                f"it first: `populace resume {path}`."
            )
        kinds = {kind: (made, accepted) for kind, made, accepted in run.query(_KINDS).rows}
        ((outputs,),) = run.query(f"SELECT count(*) {CHOSEN_OUTPUTS}", job.chosen).rows
        number = job.count(run) if outputs else 0
    for kind in job.spec.kinds:
        if kind not in kinds:
            raise SetupError(
                f"The run in {str(path)!r} made no {kind!r}{nearest(kind, list(kinds))}; "
                f"it made: {', '.join(kinds) or 'nothing'}."
            )
    if not number:
        made = sum(one for one, _ in kinds.values())
        if not made:
            raise SetupError(f"The run in {str(path)!r} has made nothing, so there is nothing to work on.")
        why = f'populace sql {path} "FROM outputs"'
        raise SetupError(
            f"Of the {made:,} outputs of the run in {str(path)!r} none is accepted; see why with `{why}`, or take the "
            f"rejected ones too: --all."
        )
    return number


def run_output_job(
    path: Path | str,
    job: OutputJob[Any],
    *,
    model: str | ModelHandle | None = None,
    base_url: str | Sequence[str] | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    batch: bool = False,
    seed: int = 0,
    anew: bool = False,
    roles: Mapping[str, ModelHandle] | None = None,
    progress: Progress | None = None,
) -> OutputJobReport:
    """Run a job on the outputs of a finished run, in its file. `roles` are models of roles that are open already.

    Without a `model`, the run's own model is asked.

    If called again with the same spec, model and seed, a stopped job continues, and answers that were paid for are not
    paid again. A finished job is repeated only with `anew`. Another unfinished job of the kind with paid answers is
    abandoned only with `anew`.

    Raises what `check_outputs` raises, `SetupError` if the request is invalid, and `PausedError`.
    """
    check_seed(seed)
    path = Path(path)
    job.check()
    handle, prices = choose_model(path, model, base_url, prices)
    if batch:
        check_batchable(handle)
        job.spec = job.spec.model_copy(update={"chunk": max(job.spec.chunk, _BATCH_CHUNK)})
    with open_run(path):  # opened once for all that reads it before the job begins
        check_outputs(path, job)
        hub_job = file_job(path, job, handle, limits or Limits(), prices, cache, batch=batch, seed=seed, opened=roles)
        unfinished, done = hub_job.unfinished(), hub_job.finished()
    number, _ = hub_job.continued(unfinished, anew=anew)
    if number is None and not anew and done is not None:
        raise SetupError(
            f"Job {done} of {str(path)!r} has done just this; to have it done and paid for again, give "
            f"{parameter('anew', value=True)}."
        )
    return do_output_job(hub_job, job, number, progress)


def resume_output_job(
    path: Path,
    number: int,
    job: OutputJob[Any],
    *,
    model: str | None = None,
    base_url: Sequence[str] | None = None,
    solver: RoleModel | None = None,
    grader: RoleModel | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> OutputJobReport:
    """Continue an unfinished job, made from its stored spec. `given` are the limits, prices and cache to change.

    `solver` and `grader` name the addresses of the job's other models again, and change nothing else. Raises
    `SetupError` if the job uses an address or a file that was not named on this machine.
    """
    row = stored_job(path, number)
    named = {"solver": _named(job.spec, "solver", solver), "grader": _named(job.spec, "grader", grader)}
    check_job_trusted(path, row, address=base_url, model=model, cache=given.get("cache"), **named)
    job.check()
    handle = open_model(model or row.model, base_url=base_url or (row.base_url or "").split() or None)
    hub_job = file_job(path, job, handle, **resumed(row, **given))
    return do_output_job(hub_job, job, number, progress)


def _named(spec: OutputSpec, kind: str, given: RoleModel | None) -> RoleModel | None:
    """Return the model given if it names all addresses and files of the job's models of this kind, else None."""
    models = [one for role, one in spec.roles.items() if role.partition("-")[0] == kind]
    addresses = {url for one in models for url in one.base_url}
    files = {one.model for one in models if one.model.startswith("gguf:")}
    if given is None or not addresses <= set(given.base_url) or not files <= {given.model}:
        return None
    return given


def replay_output_job(
    hub_job: HubJob, job: OutputJob[Any], log: RunLog, gateway: Gateway, progress: Progress | None
) -> None:
    """Run a job again in a copy of its file, with the answers of `gateway`."""
    with hub_job.running(log, progress, answer_tokens=job.answer_tokens, gateway=gateway) as engine:
        run_output_phases(engine, job, hub_job.seed, is_replay=True)


def stored_spec[S: OutputSpec](spec_type: type[S], row: JobRow) -> S:
    """Return the spec of a job as stored in a file."""
    return spec_type.model_validate_json(row.spec)


def file_job(
    path: Path,
    job: OutputJob[Any],
    model: ModelHandle,
    limits: Limits,
    prices: Prices | None,
    cache: Path | None,
    *,
    batch: bool,
    seed: int,
    opened: Mapping[str, ModelHandle] | None = None,
) -> HubJob:
    """Return the job as a job of its file. Raises `SetupError` for a budget in dollars without known prices."""
    prices = prices or known_prices(model)
    check_priced(limits, prices)
    spec = job.spec.model_dump(mode="json")
    given = opened or {}
    roles = {
        role: (given[role], one.prices) if role in given else _opened(one, model)
        for role, one in job.spec.roles.items()
    }
    return HubJob(
        path=path,
        kind=job.kind,
        spec=spec,
        seed=seed,
        model=model,
        limits=limits,
        prices=prices,
        cache=cache,
        batch=batch,
        roles=roles,
    )


def _opened(role: RoleModel, default: ModelHandle) -> tuple[ModelHandle, Prices | None]:
    # Only a model that is served somewhere can be asked where the default model is.
    shared = (default.endpoints or "").split() if role.model.startswith("openai:") else []
    handle = open_model(role.model, base_url=role.base_url or shared or None)
    return handle, role.prices or known_prices(handle)


def _fill(job: OutputJob[Any], seed: int, con: duckdb.DuckDBPyConnection, number: int) -> None:
    job.fill(con, number, seed)


def do_output_job(
    hub_job: HubJob, job: OutputJob[Any], number: int | None, progress: Progress | None
) -> OutputJobReport:
    """Run a job in its file: the job of that number, or a new one for None."""
    log = hub_job.begin(partial(_fill, job, hub_job.seed)) if number is None else hub_job.reopen(number)
    with hub_job.running(log, progress, batched=job.phase_names, answer_tokens=job.answer_tokens) as engine:
        outputs = run_output_phases(engine, job, hub_job.seed)
        markers = log.query(_MARKER, {"job": log.job})
        counts = Counter[str]()
        for _, _, _, counted in markers:
            counts.update(orjson.loads(counted))
        return OutputJobReport(
            log.job,
            outputs,
            done={phase: items for phase, items, _, _ in markers},
            failed={phase: failed for phase, _, failed, _ in markers},
            counts=counts,
            is_language_model=log.job_row.is_language_model
            or any(one.is_language_model for one in hub_job.other_models),
            event_hash=engine.events.hex,
        )


def run_output_phases(engine: Engine, job: OutputJob[Any], seed: int, *, is_replay: bool = False) -> int:
    """Run all phases of the job to the end, and return its number of outputs."""
    ((outputs,),) = engine.log.query(_COUNT, {"job": engine.log.job})
    context = OutputContext(engine, seed, int(outputs), is_replay)
    for phase in job.phases(context):
        engine.call(partial(run_phase, engine, phase))
    return int(outputs)
