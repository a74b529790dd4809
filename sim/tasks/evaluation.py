"""Measuring a model on problems with known answers, as a job in a file of its own.

The problems are rows of `test_problems`, the model's answers rows of `solutions`: one to each problem, asked as in
solving, with `correct` for the comparison with the known answer. `analysis.funnel` reads accuracy from them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import duckdb

from ...agents.actions import KnownSolution
from ...agents.answer_check.values import final_answer
from ...core.errors import SetupError, parameter
from ...core.inputs import resolve_file
from ...core.readers import read_rows
from ..engine import JobModels
from ..jobs.kind import JobOptions
from ..jobs.life import run_job
from ..runfile.database import make_run_file
from ..runfile.reader import open_made
from ..runfile.rows import CheckRow, ProblemRow
from ..runfile.writer import Inserts
from ..seeds import rng_for
from ..specs import OutputSpec
from .outputs import Output, OutputJob, OutputJobReport
from .solving import REFERENCE, KnowSolution, Solved, SolverPanel, SolvingPhase, check_voters

if TYPE_CHECKING:
    import random

#: Keys of a problem, of its answer, and of a solution that ends with the answer, the first that is there.
_PROBLEM = ("problem", "question", "text", "prompt")
_ANSWER = ("answer", "final_answer", "reference", "expected_answer")
_SOLUTION = ("solution", "solution_text", "output", "response")
_TYPE = ("type", "subject", "kind", "category")
#: What marks the answer within a solution.
_MARKED = re.compile(r"\\boxed|\\fbox|^####", re.MULTILINE)
#: Share of the solutions that must agree on an answer, and how many at least: two of three, as in the paper.
_AGREED, _VOTES = 2 / 3 - 1e-9, 2

#: Outputs with the answer that they state themselves, or else the one on which solutions agree.
_KNOWN = """
WITH stated AS (
    SELECT emission, kind, text, status, trim(coalesce(payload ->> '$.reference', '')) AS reference
    FROM outputs {which}
), known AS (
    SELECT s.*, a.solutions, a.answer, a.votes >= $votes AND a.agreement >= $agreed AND a.solutions >= 3 AS agrees
    FROM stated AS s LEFT JOIN agreed_answers AS a ON a.emission = s.emission
)
"""
_PROBLEMS = """
SELECT emission, kind, text, if(reference <> '', reference, answer) FROM known
WHERE status = 'accepted' AND (reference <> '' OR agrees) ORDER BY emission
"""
_STANDING = """
SELECT count(*), count(*) FILTER (reference <> '' OR solutions IS NOT NULL), count(*) FILTER (solutions >= 3),
       count(*) FILTER (agrees)
FROM known
"""
_HELD_OUT = "WHERE emission IN (SELECT emission FROM held_out)"
_BY = """
SELECT DISTINCT solver FROM solutions WHERE (job, emission) IN (SELECT (job, emission) FROM agreed_answers)
UNION SELECT model FROM emissions WHERE trim(coalesce(payload ->> '$.reference', '')) <> ''
ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class ProblemSet:
    """Problems with answers."""

    #: As rows of the job that is to be done, which numbers them.
    problems: tuple[ProblemRow, ...]
    #: Whether they are outputs of a run, whose answers are those on which solutions agree.
    is_from_run: bool
    #: Rows without a problem or an answer, of how many, and the places of the first of them.
    passed_over: int = 0
    rows: int = 0
    examples: tuple[str, ...] = ()
    #: Models on whose solutions the answers rest.
    solvers: tuple[str, ...] = ()
    #: Whether they are what a run holds out for measuring (`populace data split`).
    is_held_out: bool = False

    def drawn(self, n: int | None, seed: int) -> "ProblemSet":
        """Return `n` of the problems, sampled at random and in their order. Return all of them for None."""
        if n is None or n >= len(self.problems):
            return self
        rng: random.Random = rng_for(seed, "problems")
        chosen = tuple(self.problems[at] for at in sorted(rng.sample(range(len(self.problems)), n)))
        return replace(self, problems=chosen)


def read_problems(path: Path, *, held_out: bool = False) -> ProblemSet:
    """Read the problems of a test set in JSONL, or of a run that `populace data solve` has solved.

    With `held_out`, read those a run holds out for measuring. Raises `SourceError` if the file cannot be read. Raises
    `SetupError` if no problem has a known answer, or the file holds nothing out.
    """
    path = resolve_file(path)
    with path.open("rb") as file:
        is_run = b"DUCK" in file.read(16)
    if held_out and not is_run:
        raise SetupError(f"{str(path)!r} is no run, so it holds nothing out; leave {parameter('held_out')} out.")
    return _of_run(path, held_out=held_out) if is_run else _of_test_set(path)


def _of_test_set(path: Path) -> ProblemSet:
    found: list[ProblemRow] = []
    lacking: list[str] = []
    rows = 0
    for number, row in read_rows(path, 'write one object a line, as {"problem": "...", "answer": "..."}'):
        rows, source = rows + 1, f"{path.name}:{number}"
        text = _first_value(row, _PROBLEM)
        answer = _known_answer(row)
        if not text or not answer:
            lacking.append(source)
            continue
        level = _first_value(row, ("level", "difficulty"))
        found.append(ProblemRow(0, number, text, answer, level or None, _first_value(row, _TYPE) or None, source))
    if not found:
        raise SetupError(
            f"{str(path)!r} holds no problem with an answer in {rows:,} row{'' if rows == 1 else 's'}; each needs a "
            r"field 'problem', and an 'answer' or a 'solution' that ends in \boxed{...}."
        )
    return ProblemSet(tuple(found), False, len(lacking), rows, tuple(lacking[:3]))


def _first_value(row: dict[str, object], keys: Sequence[str]) -> str:
    for key in keys:
        value = row.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


def _known_answer(row: dict[str, object]) -> str:
    """Return the answer of a row of a test set, or "" if it states none."""
    answer = _first_value(row, _ANSWER)
    # GSM8K has the whole solution in `answer`, and others the answer in a box: compared as it stands, none is right.
    if answer and not _MARKED.search(answer):
        return answer
    return _in_solution(answer) or _in_solution(_first_value(row, _SOLUTION))


def _in_solution(solution: str) -> str:
    """Return the answer that a solution marks as such, or "". A mere number at its end does not count."""
    return (final_answer(solution) or "") if _MARKED.search(solution) else ""


def _of_run(path: Path, *, held_out: bool) -> ProblemSet:
    known, agreed = _KNOWN.format(which=_HELD_OUT if held_out else ""), {"votes": _VOTES, "agreed": _AGREED}
    with open_made(path) as run:
        found = run.query(known + _PROBLEMS, agreed).rows
        ((made, tried, often, agreeing),) = run.query(known + _STANDING, agreed).rows
        solvers = tuple(str(solver) for (solver,) in run.query(_BY).rows)
    if held_out and not made:
        raise SetupError(
            f"The run in {str(path)!r} holds out nothing for measuring; divide it first: "
            f"`populace data split {path} --train 0.9`."
        )
    if not found:
        which = "held-out outputs" if held_out else "outputs"
        raise SetupError(
            f"The run in {str(path)!r} has no problem with an established answer: of {made:,} {which} {tried:,} are "
            f"solved, {often:,} three times, {agreeing:,} with a majority answer, and none of these is accepted; "
            f"solve them first, three times each: `populace data solve {path} --samples 3`."
        )
    problems = tuple(
        ProblemRow(0, emission, text, answer, None, kind, f"{path.name}#{emission}")
        for emission, kind, text, answer in found
    )
    return ProblemSet(problems, True, tried - len(found), tried, solvers=solvers, is_held_out=held_out)


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

    query = _ITEMS

    def find_known(self) -> KnowSolution:
        """Return what gives the stand-in the known answers."""
        return told_answer

    def checks_of(self, output: Output, result: Solved) -> list[CheckRow]:
        """Return nothing, as a test set has no checks."""
        return []


class EvaluationJob(OutputJob[EvaluationSpec]):
    """Measures a model."""

    kind = KIND
    spec_type = EvaluationSpec
    phase_type = EvaluationPhase

    #: The problems that the job begins with; none for a job that continues.
    problems: Sequence[ProblemRow] = ()

    def check(self) -> None:
        """Raise `SetupError` if answers cannot be compared, or programs cannot be run."""
        check_voters(self.spec.voters)

    def make_file(self, path: Path) -> None:
        """Make the file. Raises `RunFileError` if it exists already."""
        make_run_file(path)

    def prepare(self, path: Path, seed: int, models: JobModels) -> int:
        """Return the number of problems."""
        return len(self.problems)

    def fill(self, con: duckdb.DuckDBPyConnection, number: int, seed: int) -> None:
        """Write the problems."""
        Inserts(con).write(
            [replace(one, job=number, problem=place) for place, one in enumerate(self.problems, start=1)]
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
