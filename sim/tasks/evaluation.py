"""Measuring a model on problems with known answers, as a job in a file of its own.

The problems are rows of `test_problems`, the model's answers rows of `solutions`: one to each problem, asked as in
solving, with `correct` for the comparison with the known answer. `analysis.evaluation` reads accuracy from them.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from ...agents.actions import KnownSolution
from ...agents.answer_check import shared_checker
from ...agents.batch import check_batchable
from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices
from ...agents.gateway.limits import Limits
from ...personas.inputs import check_seed
from ...personas.table import Row
from ..engine import Progress
from ..runfile.database import make_run_file
from ..runfile.output_rows import ProblemRow
from ..runfile.writer import Inserts
from .output_jobs import OutputJobReport, do_output_job, file_job
from .outputs import Output, OutputContext, OutputJob, OutputPhase, OutputSpec
from .problem_sets import ProblemSet
from .solutions import Solved, solution_rows
from .solving import REFERENCE, SolverPanel, SolvingPhase, check_voters

#: The kind of these jobs, and their one phase.
KIND = "evaluation"

_ITEMS = f"""
SELECT problem, problem, '', coalesce(type, 'problem'), text, CAST(json_object('{REFERENCE}', answer) AS VARCHAR)
FROM test_problems
WHERE job = $job AND problem > $after
ORDER BY problem
LIMIT $most
"""  # noqa: S608 - our own words
_ALL = """
INSERT INTO job_items BY NAME
SELECT job, problem AS ordinal, CAST(problem AS VARCHAR) AS item FROM test_problems WHERE job = $job ORDER BY problem
"""


class EvaluationSpec(OutputSpec):
    """Who is measured, and on what."""

    voters: SolverPanel
    #: The test set or run, by the name of its file, and whether it is a run whose problems were solved.
    target: str
    is_from_run: bool = False
    #: Whether these are what the run holds out for measuring.
    is_held_out: bool = False
    #: Models on whose solutions the known answers rest.
    answered_by: tuple[str, ...] = ()
    #: Rows of the test set, or solved outputs of the run, and those of them without an established answer.
    rows: int = 0
    passed_over: int = 0


class EvaluationPhase(SolvingPhase):
    """Has the model solve each problem once."""

    name = KIND
    shown = "Problems asked"

    def query(self) -> str:
        """Return the SQL that selects the problems of the test set."""
        return _ITEMS

    def rows_of(self, output: Output, result: Solved) -> Sequence[Row]:
        """Return the rows of the solutions. A test set has no checks."""
        return solution_rows(self._context.job, output.emission, result) if result.clusters else []


class EvaluationJob(OutputJob[EvaluationSpec]):
    """Measures a model."""

    kind = KIND
    spec_type: ClassVar[type[OutputSpec]] = EvaluationSpec
    phase_names = (KIND,)

    def __init__(self, spec: EvaluationSpec, problems: ProblemSet | None = None, *, is_dry_run: bool = False) -> None:
        """Prepare the job. A dry run only asks.

        `problems` are those the job begins with, or None for a job that continues.
        """
        super().__init__(spec)
        self._problems = problems
        self._is_dry_run = is_dry_run

    def check(self) -> None:
        """Raise `SetupError` if answers cannot be compared, or programs cannot be run."""
        shared_checker()
        check_voters(self.spec.voters)

    def phases(self, context: OutputContext) -> Sequence[OutputPhase[Any]]:
        """Return the one phase."""
        context = replace(context, is_replay=context.is_replay or self._is_dry_run)
        return [EvaluationPhase(context, self.spec.voters, chunk=self.spec.chunk, known=told_answer)]

    def fill(self, con: duckdb.DuckDBPyConnection, number: int, seed: int) -> None:
        """Write the problems."""
        problems = self._problems.problems if self._problems is not None else ()
        Inserts(con).write(
            [
                ProblemRow(number, place, one.text, one.answer, one.level, one.type, one.source)
                for place, one in enumerate(problems, start=1)
            ]
        )
        con.execute(_ALL, {"job": number})


def told_answer(output: Output) -> KnownSolution:
    """Return the known answer as the solution of the built-in generator, which cannot solve problems itself."""
    return KnownSolution("This is the built-in generator, which was given the known answer.", output.field(REFERENCE))


def evaluation_job(
    problems: ProblemSet, *, target: str, solver: str, method: str = "text", execute: bool = False
) -> EvaluationJob:
    """Build the job that measures a model on these problems. `target` names the test set. Raises `SetupError`."""
    spec = EvaluationSpec.given(
        voters={"solvers": (solver,), "methods": (method,), "samples": 1, "execute": execute},
        target=target,
        is_from_run=problems.is_from_run,
        is_held_out=problems.is_held_out,
        answered_by=problems.solvers,
        rows=problems.rows,
        passed_over=problems.passed_over,
    )
    return EvaluationJob(spec, problems)


def evaluate(
    job: EvaluationJob,
    out: Path | str,
    *,
    model: str | ModelHandle,
    base_url: str | Sequence[str] | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    batch: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> OutputJobReport:
    """Let the model solve each problem of the job once, in a new file.

    Raises `RunFileError` if the file exists already, and `SetupError` if the request is invalid. Raises `PausedError`
    if the budget is spent. `resume_output_job` then continues.
    """
    check_seed(seed)
    out = Path(out)
    handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
    job.check()
    if batch:
        check_batchable(handle)
        job.spec = job.spec.model_copy(update={"chunk": 10_000})
    hub_job = file_job(out, job, handle, limits or Limits(), prices, cache, batch=batch, seed=seed)
    make_run_file(out)
    return do_output_job(hub_job, job, None, progress)
