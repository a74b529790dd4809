"""What a job on the outputs of a run, or an evaluation of a model, will take: known before it begins."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices, known_prices
from ...personas.hub.queries import registered
from ..run_models import choose_model
from ..runfile.database import connect, make_run_file
from ..tasks.evaluation import EvaluationJob, evaluate
from ..tasks.output_jobs import check_outputs, run_output_job
from ..tasks.outputs import CHOSEN_OUTPUTS, OutputJob, OutputSpec
from ..tasks.problem_sets import ProblemSet
from .dry_run import ByteCounter, DryRun, counted_calls
from .estimator import Estimate
from .purposes import Asked, Counted, Interval, counted_purposes, purposes

#: People whose outputs have a dry run, and outputs of theirs, at most.
_PEOPLE = 60
_OUTPUTS = 300
#: Problems of the dry run of an evaluation, at most.
_PROBLEMS = 60
_DRAWN = f"""
SELECT emission FROM (SELECT emission, agent {CHOSEN_OUTPUTS})
WHERE agent IN (SELECT agent FROM (SELECT DISTINCT agent {CHOSEN_OUTPUTS}) ORDER BY md5(agent) LIMIT {_PEOPLE})
ORDER BY md5(agent), emission LIMIT {_OUTPUTS}
"""  # noqa: S608 - our own words
_OF_THESE = "emission IN (SELECT unnest($these))"
_COPIED = {
    "jobs": "job = 1",
    "phases": "job = 1",
    "personas": f"id IN (SELECT agent FROM emissions WHERE {_OF_THESE})",  # noqa: S608 - our own words
    "emissions": _OF_THESE,
    "checks": _OF_THESE,
    "duplicates": _OF_THESE,
    "solutions": _OF_THESE,
    "responses": _OF_THESE,
}


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
) -> Estimate:
    """What `run_output_job` with the same arguments will ask of its models, and cost; no model is asked.

    A dry run with the stand-in, over some of the outputs, counts requests and measures them. Raises what
    `check_outputs` raises.
    """
    path, job = Path(path), make_job(spec)
    handle, prices = choose_model(path, model, base_url, prices)
    number = check_outputs(path, job)
    whole = min(number, spec.n or number)
    counted, items = _dry_run(path, make_job(spec.model_copy(update={"n": None})), handle.name, seed)
    others = {role: open_model(one.model, base_url=one.base_url or None) for role, one in spec.roles.items()}
    known = {role: one.is_language_model for role, one in others.items()}
    asked = Asked(job.answer_tokens, 0, turns=frozenset(), revised=frozenset())
    some = Counted(counted, growth=1.0, steps=Interval.exactly(1.0))
    found = [p for p in purposes(some, asked, None, None) if known.get(p.role, handle.is_language_model)]
    found += [p for p in counted_purposes(some) if not known.get(p.role, handle.is_language_model)]
    return Estimate(
        tuple(replace(one, calls=one.calls * (whole / items)) for one in found),
        people=whole,
        dry_run=(items, 0),
        model=handle.name,
        is_language_model=handle.is_language_model or any(known.values()),
        prices=prices or _free(handle),
        role_prices={
            role: one.prices or known_prices(others[role]) or _free(others[role]) for role, one in spec.roles.items()
        },
        answer_tokens=job.answer_tokens,
        batch=batch,
        can_be_sampled=False,
        counts="outputs",
    )


def _free(model: ModelHandle) -> Prices | None:
    return None if model.is_language_model else Prices(0.0, 0.0, source="no language model")


def _dry_run(path: Path, job: OutputJob[Any], name: str, seed: int) -> tuple[DryRun, int]:
    """The calls of the job on some outputs in a temporary file, with the stand-in, and how many items it had."""
    with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
        copy, begun = Path(folder) / "dry-run.duckdb", time.perf_counter()
        with connect(path, read_only=True) as con:
            these = [emission for (emission,) in con.execute(_DRAWN, job.chosen).fetchall()]

            def fill(small: Any) -> None:
                for table, condition in _COPIED.items():
                    query = f"SELECT * FROM {table} WHERE {condition}"  # noqa: S608 - our own words
                    rows = con.sql(query, params={"these": these} if "$these" in condition else None)
                    with registered(small, rows.to_arrow_table(), "copied"):
                        small.execute(f"INSERT INTO {table} BY NAME FROM copied")

            make_run_file(copy, fill)
        counters = {
            role: ModelHandle(one.model, ByteCounter(), is_language_model=False) for role, one in job.spec.roles.items()
        }
        model = ModelHandle(name, ByteCounter(), is_language_model=False)
        done = run_output_job(copy, job, model=model, seed=seed, roles=counters)
        counted = counted_calls(copy, time.perf_counter() - begun)
        mine = tuple(one for one in counted.answered if one.phase in job.phase_names)
        return replace(counted, answered=mine), done.outputs


def estimate_evaluation(
    job: EvaluationJob,
    problems: ProblemSet,
    *,
    model: str | ModelHandle,
    base_url: str | Sequence[str] | None = None,
    prices: Prices | None = None,
    batch: bool = False,
    seed: int = 0,
) -> Estimate:
    """What `evaluate` with the same arguments will ask of the model, and cost; the model is not asked.

    A dry run with the stand-in over some of the problems counts requests and measures them.
    """
    handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
    some = problems.drawn(_PROBLEMS, seed)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
        path = Path(folder) / "dry-run.duckdb"
        counter = ModelHandle(handle.name, ByteCounter(), is_language_model=False)
        evaluate(EvaluationJob(job.spec, some, is_dry_run=True), path, model=counter, seed=seed)
        dry_run = counted_calls(path, time.perf_counter() - begun)
    more = len(problems.problems) / len(some.problems)
    counted = Counted(dry_run, growth=1.0, steps=Interval.exactly(1.0), stages=more)
    asked = Asked(job.answer_tokens, 0, turns=frozenset(), revised=frozenset())
    found = purposes(counted, asked, None, None) if handle.is_language_model else counted_purposes(counted)
    return Estimate(
        tuple(found),
        people=len(problems.problems),
        dry_run=(len(some.problems), 0),
        model=handle.name,
        is_language_model=handle.is_language_model,
        prices=prices or known_prices(handle),
        answer_tokens=job.answer_tokens,
        batch=batch,
        can_be_sampled=False,
        counts="problems",
    )
