"""Measuring a model on problems with known answers, as a job in a file of its own.

The problems are rows of `test_problems`, the model's answers rows of `solutions`: one to each problem, asked as in
solving, with `correct` for the comparison with the known answer. `analysis.evaluation` reads accuracy from them.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import duckdb

from ...agents.actions import KnownSolution
from ...agents.answer_check import shared_checker
from ...personas.table import Row
from ..jobs.kind import JobContext, JobModels, JobOptions
from ..jobs.life import run_job
from ..runfile.database import make_run_file
from ..runfile.output_rows import ProblemRow
from ..runfile.writer import Inserts
from .outputs import Output, OutputJob, OutputJobReport, OutputPhase, OutputSpec
from .problem_sets import ProblemSet, ProblemWithAnswer
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
    spec_type = EvaluationSpec
    phase_names = (KIND,)

    #: The problems that the job begins with; none for a job that continues.
    problems: Sequence[ProblemWithAnswer] = ()

    def check(self) -> None:
        """Raise `SetupError` if answers cannot be compared, or programs cannot be run."""
        shared_checker()
        check_voters(self.spec.voters)

    def phases(self, context: JobContext) -> Sequence[OutputPhase[Any]]:
        """Return the one phase."""
        context = replace(context, is_replay=context.is_replay or self.is_dry_run)
        return [EvaluationPhase(context, self.spec.voters, chunk=self.spec.chunk, known=told_answer)]

    def make_file(self, path: Path) -> None:
        """Make the file. Raises `RunFileError` if it exists already."""
        make_run_file(path)

    def prepare(self, path: Path, seed: int, models: JobModels) -> int:
        """Return the number of problems."""
        return len(self.problems)

    def fill(self, con: duckdb.DuckDBPyConnection, number: int, seed: int) -> None:
        """Write the problems."""
        Inserts(con).write(
            [
                ProblemRow(number, place, one.text, one.answer, one.level, one.type, one.source)
                for place, one in enumerate(self.problems, start=1)
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
    job = EvaluationJob(spec)
    job.problems = problems.problems
    return job


def evaluate(job: EvaluationJob, out: Path | str, **options: Unpack[JobOptions]) -> OutputJobReport:
    """Let the model solve each problem of the job once, in a new file. `run_job` says what the options are.

    Raises `RunFileError` if the file exists already, and `SetupError` if the request is invalid. Raises `PausedError`
    if the budget is spent. `resume_job` then continues.
    """
    return run_job(out, job, **options)
