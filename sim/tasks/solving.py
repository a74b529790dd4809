"""Solving the problems that a run has made: several solutions of each, and the vote on their answers.

Each problem is solved by every solver, by every method, as many times as there are samples, each a request of its own.
Answers are extracted and compared by `agents.answer_check`; the answer of most solutions is the problem's answer, their
share its agreement, and 1 less that its difficulty. A problem whose share reaches the threshold has passed the check
`solved`. Where the answer is known beforehand, the check `answer` says whether the vote found it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ...agents.actions import Action, KnownSolution
from ...agents.answer_check.compare import SameAnswer
from ...agents.answer_check.process import shared_checker
from ...agents.answer_check.values import final_answer
from ...agents.checks import CheckOutcome
from ...agents.problem_checks import STATED
from ...agents.procedural.judging import make_solutions
from ...agents.sandbox import CodeOutcome, confinement, run_code
from ...agents.text_faults import is_refusal
from ...agents.text_forms import PROGRAM, SOLUTION
from ...core.errors import SetupError
from ...core.model import AnswerSchema, FrozenModel, Outcome, PersonaModel, RequestContext
from ...core.prompt import fence, load_prompt
from ...core.table import Row
from ..jobs.kind import JobContext
from ..jobs.loop import LOST_OUTCOMES
from ..runfile.rows import CheckRow, SolutionRow
from ..seeds import derive_seed
from ..specs import OutputSpec, RoleModel
from .outputs import ROOM, Output, OutputJob, OutputPhase, Reply, answered, describe_check, parse_models, role_of

type Method = Literal["text", "program"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution(Reply):
    """One solution of a problem, with its answer if it gives one."""

    solver: str
    method: Method
    replicate: int
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Solved:
    """All solutions of a problem, compared."""

    solutions: tuple[Solution, ...]
    #: For each solution the number of its answer among the different ones; None for no answer.
    clusters: tuple[int | None, ...]
    #: For each solution whether its answer equals the known one.
    correct: tuple[bool | None, ...]
    reference: str = ""

    @property
    def came(self) -> int:
        """Solutions that count: those that the endpoint lost, and programs that were not run, do not."""
        return sum(one.outcome not in LOST_OUTCOMES and one.outcome != "not_run" for one in self.solutions)

    @property
    def majority(self) -> tuple[int | None, int]:
        """The number of the answer that most give, the first of as many votes, and its votes."""
        votes = Counter(cluster for cluster in self.clusters if cluster is not None)
        if not votes:
            return None, 0
        most = min(votes, key=lambda cluster: (-votes[cluster], cluster))
        return most, votes[most]

    @property
    def is_tied(self) -> bool:
        """Whether another answer has as many votes."""
        votes = sorted(Counter(cluster for cluster in self.clusters if cluster is not None).values())
        return len(votes) > 1 and votes[-1] == votes[-2]


def compared(solutions: Sequence[Solution], reference: str) -> Solved:
    """Compare the answers of the solutions with each other, and with the known answer if there is one."""
    checker = shared_checker()
    clusters = checker.clusters([one.answer for one in solutions])
    verdicts: dict[int, bool | None] = {}
    if reference:
        for cluster, one in zip(clusters, solutions, strict=True):
            if cluster is not None and one.answer is not None and cluster not in verdicts:
                same = checker.same(reference, one.answer)
                verdicts[cluster] = None if same is SameAnswer.UNDECIDED else same is SameAnswer.YES
    correct = [None if cluster is None else verdicts.get(cluster) for cluster in clusters]
    return Solved(tuple(solutions), tuple(clusters), tuple(correct), reference)


def solution_rows(job: int, problem: int, result: Solved) -> list[SolutionRow]:
    """Return the solutions of a problem as rows."""
    found = zip(result.solutions, result.clusters, result.correct, strict=True)
    return [
        SolutionRow(
            job, problem, ordinal, one.solver, one.replicate, one.method, one.text, one.answer, cluster, one.outcome,
            one.reason, correct,
        )
        for ordinal, (one, cluster, correct) in enumerate(found, start=1)
    ]  # fmt: skip


def verdict_of(result: Solved, threshold: float) -> tuple[CheckOutcome, str, float | None]:
    """Return outcome, reason and score of the check `solved`.

    It passes if the share of solutions that give the majority's answer reaches the threshold. If there are several
    solutions, two must agree and no other answer may have as many votes.
    """
    if not result.came:
        return CheckOutcome.UNDECIDED, f"No solution came: {result.solutions[-1].reason}", None
    _, votes = result.majority
    share = votes / result.came
    if not votes:
        return CheckOutcome.FAILED, f"None of {result.came} solutions gives an answer.", share
    if result.came > 1 and votes == 1:
        return CheckOutcome.FAILED, f"No two of {result.came} solutions give the same answer.", share
    if result.is_tied:
        return CheckOutcome.FAILED, f"Two answers have {votes} votes each of {result.came} solutions.", share
    if share < threshold:
        return CheckOutcome.FAILED, f"Only {votes} of {result.came} solutions give the same answer.", share
    return CheckOutcome.PASSED, "", share


def answer_verdict(result: Solved) -> tuple[CheckOutcome, str]:
    """Return outcome and reason of the check `answer`: whether the vote found the known answer."""
    most, _ = result.majority
    if most is None:
        return CheckOutcome.UNDECIDED, "No solution gives an answer."
    place = result.clusters.index(most)
    correct, given = result.correct[place], result.solutions[place].answer
    if correct is None:
        return CheckOutcome.UNDECIDED, f"{given!r:.100} and {result.reference!r:.100} could not be compared in time."
    if correct:
        return CheckOutcome.PASSED, ""
    return CheckOutcome.FAILED, f"Most solutions give {given!r:.100}, and the answer is {result.reference!r:.100}."


#: The kind of these jobs, and their one phase.
KIND = "solving"
#: The checks that they make, and their version.
SOLVED, ANSWER = "solved", "answer"
_VERSION = 1
#: The field of an output that holds its answer, where it has one.
REFERENCE = "reference"
#: The purpose of calls that solve a problem while it is made.
VERIFY = "verify"

#: Gives the solution of a problem of the stand-in; None for any other problem.
type KnowSolution = Callable[[Output], KnownSolution | None]


class WrittenSolution(BaseModel):
    """A solution in words."""

    solution: Annotated[str, Field(min_length=1, max_length=20_000, description="The steps to the answer")]
    answer: Annotated[str, Field(max_length=2_000, description="The final answer alone; empty where there is none")]


class WrittenProgram(BaseModel):
    """A solution as a program."""

    program: Annotated[
        str, Field(min_length=1, max_length=20_000, description="Python 3, which prints the answer last")
    ]


_SCHEMAS: Mapping[Method, AnswerSchema[Any]] = {
    "text": replace(AnswerSchema.of(WrittenSolution), text_form=SOLUTION),
    "program": replace(AnswerSchema.of(WrittenProgram), text_form=PROGRAM),
}
_PROMPTS: Mapping[Method, str] = {"text": "solve", "program": "solve_program"}


class SolverPanel(FrozenModel):
    """Who solves a problem, how, and how often."""

    #: The names of the solvers, in their order; each is asked in a role of its own (`solver`, `solver-2`, ...).
    solvers: tuple[str, ...] = Field(min_length=1)
    methods: tuple[Method, ...] = ("text",)
    #: Solutions by each solver and method.
    samples: int = Field(3, ge=1, le=64)
    #: Whether programs may be run on this machine.
    execute: bool = False

    @property
    def votes(self) -> tuple[tuple[str, str, Method, int], ...]:
        """Solver, role, method and replicate of each solution."""
        return tuple(
            (solver, role_of("solver", place), method, replicate)
            for place, solver in enumerate(self.solvers)
            for method in self.methods
            for replicate in range(self.samples)
        )


class SolvingSpec(OutputSpec):
    """What is to be solved, by whom, and what counts as solved."""

    voters: SolverPanel
    #: Share of the solutions that must agree.
    threshold: float = Field(0.5, gt=0, le=1)


@dataclass(frozen=True, slots=True)
class SolvingWork:
    """Solves one problem as often as is wanted, and compares the answers."""

    phase: str
    voters: SolverPanel
    job: int
    seed: int
    known: KnowSolution | None = None
    #: The request on whose behalf it is solved, where that is a turn that makes the problem.
    context: RequestContext | None = None
    #: Compares nothing: of a replay only the answers count.
    is_replay: bool = False

    async def __call__(self, item: Output, model: PersonaModel) -> Solved:
        """Solve the problem and compare the answers.

        All solutions are awaited before an error is raised, so that none is lost.
        """
        known = self.known(item) if self.known is not None else None
        reference = item.field(REFERENCE) or item.field(STATED) or (known.answer if known is not None else "")
        asked = (self._ask_solution(item, known, model, *vote) for vote in self.voters.votes)
        found = await answered(asked)
        if self.is_replay:
            return Solved(tuple(found), (), (), reference)
        return await asyncio.to_thread(compared, found, reference)

    async def _ask_solution(
        self,
        item: Output,
        known: KnownSolution | None,
        model: PersonaModel,
        solver: str,
        role: str,
        method: Method,
        replicate: int,
    ) -> Solution:
        seed = derive_seed(self.seed, self.phase, item.emission) >> 32
        context = self.context or RequestContext(self.phase, 1, str(item.emission), seed, job=self.job)
        prompt = load_prompt(ROOM, _PROMPTS[method]).render(problem=fence("problem", item.text))
        if self.context is not None:  # so that its calls are told from those of a job that solves what was made
            prompt = replace(prompt, name=VERIFY)
        # The stand-in, where it is the solver, knows the solutions of its own problems.
        schema = replace(_SCHEMAS[method], generators={prompt.name: make_solutions(known)})
        answer = await model.ask(prompt, schema, context.vary_context(role=role, replicate=replicate))
        text, found = answer.raw, None
        outcome, reason = str(answer.outcome), answer.reason
        match answer.value:
            case WrittenSolution():
                text = answer.value.solution
                found, outcome, reason = _read_words(answer.value)
            case WrittenProgram():
                text = answer.value.program
                found, outcome, reason = await self._run(text)
        return Solution(answer, outcome, reason, text, solver=solver, method=method, replicate=replicate, answer=found)

    async def _run(self, program: str) -> tuple[str | None, str, str]:
        """Return the answer that a program prints, with outcome and reason."""
        if not self.voters.execute or self.is_replay:
            return None, "not_run", "It was not run."
        ended = await run_code(program)
        if ended.outcome is not CodeOutcome.OK:
            return None, "program_failed", f"The program failed ({ended.outcome}): {ended.reason}"
        lines = [line.strip() for line in ended.stdout.splitlines() if line.strip()]
        if not lines:
            return None, "no_answer", "The program printed nothing."
        return final_answer(lines[-1][:2_000], is_answer=True), "ok", ""


def _read_words(written: WrittenSolution) -> tuple[str | None, str, str]:
    """Return the answer that a solution in words gives, with outcome and reason."""
    # A solution without a box says that the problem has no answer, or that the solver declines.
    found = final_answer(written.answer, is_answer=True)
    if not found and is_refusal(written.solution):
        return None, Outcome.REFUSAL, "The solver declines to solve the problem."
    return found, *(("ok", "") if found else ("no_answer", "The solver gives no answer."))


class SolvingPhase(OutputPhase[Output, Solved]):
    """Solves problems, and votes."""

    name = KIND
    shown = "Problems solved"
    counted = "solutions"

    def __init__(self, context: JobContext, job: OutputJob[Any]) -> None:
        super().__init__(context, job)
        is_replay = context.is_replay or job.is_dry_run
        self.work = SolvingWork(
            self.name, job.spec.voters, context.job, context.seed, self.find_known(), is_replay=is_replay
        )

    def find_known(self) -> KnowSolution | None:
        """Return what gives the stand-in the solutions of its own problems."""
        return partial(known_solution, self._job.actions) if self._job.actions else None

    def replies_of(self, result: Solved) -> Sequence[Reply]:
        """Return the solutions."""
        return result.solutions

    def is_lost(self, result: Solved) -> bool:
        """Return whether no solution came."""
        return not result.came

    def counts_of(self, output: Output, result: Solved) -> Mapping[str, int]:
        """Count solutions by outcome and problems by check result."""
        checks = Counter(f"{row.check} {row.outcome}" for row in self.checks_of(output, result))
        return {**super().counts_of(output, result), **checks}

    def rows_of(self, output: Output, result: Solved) -> Sequence[Row]:
        """Return the rows of the solutions and the checks."""
        rows = solution_rows(self._context.job, output.emission, result) if result.clusters else []
        return [*rows, *self.checks_of(output, result)]

    def checks_of(self, output: Output, result: Solved) -> list[CheckRow]:
        """Return the checks of a problem whose solutions were compared."""
        if not result.clusters:
            return []
        outcome, reason, score = verdict_of(result, self._spec.threshold)
        job = self._context.job
        rows = [CheckRow(output.emission, SOLVED, outcome, reason, score, _VERSION, job)]
        if result.reference:
            outcome, reason = answer_verdict(result)
            rows.append(CheckRow(output.emission, ANSWER, outcome, reason, None, _VERSION, job))
        return rows


class SolvingJob(OutputJob[SolvingSpec]):
    """Solves what a run has made."""

    kind = KIND
    spec_type = SolvingSpec
    phase_type = SolvingPhase
    uses_actions = True
    own_checks = (SOLVED, ANSWER)
    noun = "problems"
    where_found = 'The answers: `populace sql {file} "FROM agreed_answers"`; what is accepted now: `FROM outputs`.'

    @property
    def needs_actions(self) -> bool:
        """Whether the built-in generator is among the solvers: it knows the solutions of its own problems."""
        return any(solver.partition(":")[0] == "procedural" for solver in self.spec.voters.solvers)

    def check(self) -> None:
        """Raise `SetupError` if answers cannot be compared, or programs cannot be run."""
        check_voters(self.spec.voters)

    def figures(self, counts: Mapping[str, int]) -> list[tuple[str, str]]:
        """Return how many problems are solved, and how many votes found the known answer."""
        return [
            ("solved", describe_check(counts, SOLVED, ", where solutions agree")),
            ("known answers", describe_check(counts, ANSWER, ", where votes are right")),
        ]


def check_voters(voters: SolverPanel) -> None:
    """Raise `SetupError` if answers cannot be compared, or programs must not or cannot be run."""
    shared_checker()
    if "program" not in voters.methods:
        return
    if not voters.execute:
        raise SetupError(
            "The programs of --method program are run on this machine, in the sandbox; add --execute to allow that, or "
            "leave the method out."
        )
    confinement()


def known_solution(actions: Sequence[type[Action]], output: Output) -> KnownSolution | None:
    """Return the solution of an output of the stand-in, or None if none of the actions made it."""
    return next((found for action in actions if (found := action.known_solution(output.text))), None)


def parse_solvers(given: Sequence[str]) -> tuple[RoleModel, ...]:
    """Parse solvers as named on the command line: `MODEL[@URL][,...]`, each once. Raises `SetupError`."""
    return parse_models(given, "solver", "--samples")


def solving_spec(solvers: Sequence[RoleModel], **options: Any) -> SolvingSpec:
    """Build the spec for these solvers from options of `SolvingSpec` and `SolverPanel`. Raises `SetupError`."""
    names = ("methods", "samples", "execute")
    voters: dict[str, Any] = {name: value for name in names if (value := options.pop(name, None)) is not None}
    voters["solvers"] = tuple(one.model for one in solvers)
    roles = {role_of("solver", place): one for place, one in enumerate(solvers) if place}
    return SolvingSpec.given(**options, voters=voters, roles=roles)
