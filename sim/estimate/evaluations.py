"""What an evaluation will take: known before it begins."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices, known_prices
from ..evaluation import EvaluationJob, evaluate
from ..problem_sets import ProblemSet
from .dry_run import ByteCounter, counted_calls
from .estimator import Estimate
from .purposes import Asked, Counted, Interval, counted_purposes, purposes

#: Problems of the dry run, at most.
_PROBLEMS = 60


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
        steps=0,
        dry_run=(len(some.problems), 0),
        model=handle.name,
        is_language_model=handle.is_language_model,
        prices=prices or known_prices(handle),
        role_prices={},
        sample=None,
        seconds=None,
        answer_tokens=job.answer_tokens,
        batch=batch,
        can_be_sampled=False,
        counts="problems",
    )
