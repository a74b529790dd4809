"""What a job on the outputs of a run, or an evaluation, will take: known before it begins."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices, known_prices
from ...agents.gateway.limits import Limits
from ..evaluation import EvaluationJob
from ..hub_jobs import HubJob
from ..output_jobs import check_outputs, file_job, run_output_phases
from ..outputs import CHOSEN_OUTPUTS, OutputJob
from ..problem_sets import ProblemSet
from ..runfile.database import make_run_file
from ..runfile.reader import open_run
from ..runfile.rows import EmissionRow, column_names
from ..runfile.writer import Inserts
from .dry_run import ByteCounter, DryRun, counted_calls
from .estimator import Estimate
from .purposes import Asked, Counted, Interval, counted_purposes, purposes

#: Outputs of the dry run, at most.
_OUTPUTS = 40

_ITEMS = """
INSERT INTO job_items BY NAME
SELECT $job AS job, row_number() OVER (ORDER BY emission) AS ordinal, CAST(emission AS VARCHAR) AS item FROM emissions
"""

type _Fill = Callable[[duckdb.DuckDBPyConnection, int], None]


def estimate_output_job(path: Path | str, job: OutputJob[Any], **options: Any) -> Estimate:
    """What `run_output_job` with the same arguments will ask of its models, and cost; none of them is asked.

    `options` are model, base_url, prices, batch and seed. A dry run with the stand-in over some of the outputs counts
    requests and measures them. Raises what `check_outputs` raises, and `SetupError` for what cannot be as asked.
    """
    path = Path(path)
    outputs = check_outputs(path, job)
    names = ", ".join(f'e."{name}"' for name in column_names(EmissionRow))
    some = f"""
    SELECT {names} FROM emissions AS e WHERE emission IN (SELECT emission {CHOSEN_OUTPUTS})
    ORDER BY md5(CAST(emission AS VARCHAR) || $seed) LIMIT {_OUTPUTS}
    """  # noqa: S608 - our own words
    with open_run(path) as run:
        found = run.query(some, job.chosen | {"seed": str(options.get("seed", 0))}).rows
    rows = [EmissionRow(*row) for row in found]
    wanted = min(outputs, job.spec.n or outputs)
    return _estimate(job, wanted, rows[:wanted], partial(_keep_outputs, rows[:wanted]), "outputs", **options)


def estimate_evaluation(job: EvaluationJob, problems: ProblemSet, **options: Any) -> Estimate:
    """The same for `evaluate` on these problems."""
    some = problems.drawn(_OUTPUTS, options.get("seed", 0))
    small = EvaluationJob(job.spec, some)
    fill = partial(small.fill, seed=0)
    return _estimate(job, len(problems.problems), some.problems, fill, "problems", **options)


def _keep_outputs(rows: list[EmissionRow], con: duckdb.DuckDBPyConnection, number: int) -> None:
    Inserts(con).write(rows)
    con.execute(_ITEMS, {"job": number})


def _estimate(
    job: OutputJob[Any],
    items: int,
    some: "list[EmissionRow] | tuple[object, ...]",
    fill: _Fill,
    unit: str,
    *,
    model: str | ModelHandle = "procedural",
    base_url: str | list[str] | None = None,
    prices: Prices | None = None,
    batch: bool = False,
    seed: int = 0,
) -> Estimate:
    handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
    with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
        path = Path(folder) / "dry-run.duckdb"
        hub_job = file_job(path, job, handle, Limits(), prices, None, batch=False, seed=seed)
        counted = _counted(hub_job, job, fill)
    whole = Counted(counted, growth=1.0, steps=Interval.exactly(1.0), stages=items / max(1, len(some)))
    asked = Asked(job.answer_tokens, 0, turns=frozenset(), revised=frozenset())
    known = {role: one.is_language_model for role, (one, _) in hub_job.roles.items()}
    found = purposes(whole, asked, None, None)
    found = [p for p in found if known.get(p.role, handle.is_language_model)]
    found += [p for p in counted_purposes(whole) if not known.get(p.role, handle.is_language_model)]
    return Estimate(
        tuple(found),
        people=items,
        steps=0,
        dry_run=(len(some), 0),
        model=handle.name,
        is_language_model=handle.is_language_model or any(known.values()),
        prices=prices or known_prices(handle),
        role_prices={role: its for role, (_, its) in hub_job.roles.items()},
        sample=None,
        seconds=None,
        answer_tokens=job.answer_tokens,
        batch=batch,
        can_be_sampled=False,
        unit=unit,
    )


def _counted(hub_job: HubJob, job: OutputJob[Any], fill: _Fill) -> DryRun:
    """The calls of the job on a few outputs, with counting models in a temporary file."""
    begun = time.perf_counter()
    roles = {role: (_counting(one), its) for role, (one, its) in hub_job.roles.items()}
    dry = replace(hub_job, model=_counting(hub_job.model), roles=roles, prices=None)
    make_run_file(dry.path, _nothing)
    with dry.running(dry.begin(fill), None, answer_tokens=job.answer_tokens) as engine:
        run_output_phases(engine, job, dry.seed, is_replay=True)  # of the answers nothing is made
    return counted_calls(dry.path, time.perf_counter() - begun)


def _counting(model: Any) -> ModelHandle:
    return ModelHandle(model.name, ByteCounter(), is_language_model=False)


def _nothing(con: duckdb.DuckDBPyConnection) -> None:
    """The file begins empty."""
