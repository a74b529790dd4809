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
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ...agents.actions import Action, KnownSolution
from ...agents.answer_check import final_answer, shared_checker
from ...agents.checks import CheckOutcome
from ...agents.problem_checks import STATED
from ...agents.procedural.solving import solving
from ...agents.sandbox import CodeOutcome, confinement, run_code
from ...agents.text_faults import is_refusal
from ...agents.text_forms import PROGRAM, SOLUTION
from ...personas.errors import SetupError
from ...personas.model import Answer, AnswerSchema, FrozenModel, Outcome, PersonaModel, RequestContext
from ...personas.prompt import fence, load_prompt
from ...personas.table import Row
from ..config import RoleModel
from ..jobs.kind import JobContext
from ..runfile.rows import CheckRow
from ..seeds import derive_seed
from .outputs import (
    LOST_OUTCOMES,
    Output,
    OutputJob,
    OutputJobReport,
    OutputPhase,
    OutputSpec,
    answered,
    parse_models,
    role_of,
)
from .solutions import Method, Solution, Solved, answer_verdict, compared, solution_rows, verdict_of

#: The kind of these jobs, and their one phase.
KIND = "solving"
#: The checks that they make, and their version.
SOLVED, ANSWER = "solved", "answer"
_VERSION = 1
#: The field of an output that holds its answer, where it has one.
REFERENCE = "reference"
#: The purpose of calls that solve a problem while it is made.
VERIFY = "verify"
_ROOM = f"{(__package__ or '').rpartition('.sim')[0]}.agents"

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

    #: The names of the solvers, in their order; each is asked in a role of its own (`solver_role`).
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
            (solver, solver_role(place), method, replicate)
            for place, solver in enumerate(self.solvers)
            for method in self.methods
            for replicate in range(self.samples)
        )


def solver_role(place: int) -> str:
    """Return the role of a solver by its index from 0: `solver`, `solver-2`, ..."""
    return role_of("solver", place)


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
        asked = (self._solution(item, known, model, *vote) for vote in self.voters.votes)
        found = await answered(asked)
        if self.is_replay:
            return Solved(tuple(found), (), (), reference)
        return await asyncio.to_thread(compared, found, reference)

    async def _solution(
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
        prompt = load_prompt(_ROOM, _PROMPTS[method]).render(problem=fence("problem", item.text))
        if self.context is not None:  # so that its calls are told from those of a job that solves what was made
            prompt = replace(prompt, name=VERIFY)
        # The stand-in, where it is the solver, knows the solutions of its own problems.
        schema = replace(_SCHEMAS[method], generators={prompt.name: solving(known)})
        answer = await model.ask(prompt, schema, context.varied(role=role, replicate=replicate))
        if answer.value is None:
            return Solution(solver, method, replicate, answer, answer.raw, None, answer.outcome, answer.reason)
        if method == "text":
            return _in_words(solver, replicate, answer)
        return await self._by_program(solver, replicate, answer)

    async def _by_program(self, solver: str, replicate: int, answer: Answer[WrittenProgram]) -> Solution:
        program = answer.value.program if answer.value is not None else ""
        unrun = Solution(solver, "program", replicate, answer, program, None, "not_run", "It was not run.")
        if not self.voters.execute or self.is_replay:
            return unrun
        ended = await run_code(program)
        if ended.outcome is not CodeOutcome.OK:
            return replace(
                unrun, outcome="program_failed", reason=f"The program failed ({ended.outcome}): {ended.reason}"
            )
        lines = [line.strip() for line in ended.stdout.splitlines() if line.strip()]
        if not lines:
            return replace(unrun, outcome="no_answer", reason="The program printed nothing.")
        return replace(unrun, answer=final_answer(lines[-1][:2_000], is_answer=True), outcome="ok", reason="")


def _in_words(solver: str, replicate: int, answer: Answer[WrittenSolution]) -> Solution:
    written = answer.value
    if written is None:
        raise ValueError("there is no solution")
    # A solution without a box says that the problem has no answer, or that the solver declines.
    found = final_answer(written.answer, is_answer=True)
    if not found and is_refusal(written.solution):
        reason = "The solver declines to solve the problem."
        return Solution(solver, "text", replicate, answer, written.solution, None, Outcome.REFUSAL, reason)
    reason = "" if found else "The solver gives no answer."
    return Solution(solver, "text", replicate, answer, written.solution, found, "ok" if found else "no_answer", reason)


class SolvingPhase(OutputPhase[Solved]):
    """Solves problems, and votes."""

    name = KIND
    shown = "Problems solved"

    def __init__(
        self,
        context: JobContext,
        voters: SolverPanel,
        *,
        chunk: int,
        known: KnowSolution | None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(context, chunk=chunk)
        self._threshold = threshold
        self.work = SolvingWork(self.name, voters, context.job, context.seed, known, is_replay=context.is_replay)

    def outcome(self, result: Solved) -> tuple[Outcome, str]:
        """Return the outcome of the endpoint if it lost all solutions, else OK."""
        lost = [one for one in result.solutions if one.outcome in LOST_OUTCOMES]
        return (Outcome(lost[-1].outcome), lost[-1].reason) if len(lost) == len(result.solutions) else (Outcome.OK, "")

    def is_lost(self, result: Solved) -> bool:
        """Return whether no solution came."""
        return not result.came

    def event_of(self, output: Output, result: Solved) -> object:
        """Return the raw answers. They can be parsed again."""
        return [[one.answered.outcome, one.answered.raw] for one in result.solutions]

    def counts_of(self, output: Output, result: Solved) -> Mapping[str, int]:
        """Count solutions by outcome and problems by check result."""
        counts = Counter(f"solutions {one.outcome}" for one in result.solutions)
        counts.update(f"{row.check} {row.outcome}" for row in self._checks(output, result))
        return counts

    def rows_of(self, output: Output, result: Solved) -> Sequence[Row]:
        """Return the rows of the solutions and the checks."""
        if not result.clusters:
            return []
        return [*solution_rows(self._context.job, output.emission, result), *self._checks(output, result)]

    def _checks(self, output: Output, result: Solved) -> list[CheckRow]:
        if not result.clusters:
            return []
        outcome, reason, score = verdict_of(result, self._threshold)
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
    phase_names = (KIND,)
    uses_actions = True
    own_checks = (SOLVED, ANSWER)

    @property
    def needs_actions(self) -> bool:
        """Whether the built-in generator is among the solvers: it knows the solutions of its own problems."""
        return any(solver.partition(":")[0] == "procedural" for solver in self.spec.voters.solvers)

    def check(self) -> None:
        """Raise `SetupError` if answers cannot be compared, or programs cannot be run."""
        shared_checker()
        check_voters(self.spec.voters)

    def phases(self, context: JobContext) -> Sequence[OutputPhase[Any]]:
        """Return the one phase, solving."""
        spec, context = self.spec, replace(context, is_replay=context.is_replay or self.is_dry_run)
        known = KnownSolutions(self.actions) if self.actions else None
        return [SolvingPhase(context, spec.voters, chunk=spec.chunk, known=known, threshold=spec.threshold)]


def check_voters(voters: SolverPanel) -> None:
    """Raise `SetupError` if programs must not or cannot be run."""
    if "program" not in voters.methods:
        return
    if not voters.execute:
        raise SetupError(
            "The programs of --method program are run on this machine, in the sandbox; add --execute to allow that, or "
            "leave the method out."
        )
    confinement()


@dataclass(frozen=True, slots=True)
class KnownSolutions:
    """The solutions that these actions know of their own stand-in's problems."""

    actions: tuple[type[Action], ...]

    def __call__(self, output: Output) -> KnownSolution | None:
        """Return the solution of an output, or None if none of the actions made it."""
        return next((found for action in self.actions if (found := action.known_solution(output.text))), None)


def parse_solvers(given: Sequence[str]) -> tuple[RoleModel, ...]:
    """Parse solvers as named on the command line: `MODEL[@URL][,...]`, each once. Raises `SetupError`."""
    return parse_models(given, "solver", "--samples")


def solving_spec(solvers: Sequence[RoleModel], **options: Any) -> SolvingSpec:
    """Build the spec for these solvers from options of `SolvingSpec` and `SolverPanel`. Raises `SetupError`."""
    names = ("methods", "samples", "execute")
    voters: dict[str, Any] = {name: value for name in names if (value := options.pop(name, None)) is not None}
    voters["solvers"] = tuple(one.model for one in solvers)
    roles = {solver_role(place): one for place, one in enumerate(solvers) if place}
    return SolvingSpec.given(**options, voters=voters, roles=roles)


def solving_rows(done: OutputJobReport) -> list[tuple[str, str]]:
    """Return the result of a solving job as rows for a terminal."""
    counts = done.counts
    rows = [("problems", f"{done.outputs:,}")]
    for check, said in ((SOLVED, "solved"), (ANSWER, "known answers")):
        results = {outcome: counts.get(f"{check} {outcome}", 0) for outcome in CheckOutcome}
        total = sum(results.values())
        if total:
            what = "solutions agree" if check == SOLVED else "votes are right"
            undecided = f", {results[CheckOutcome.UNDECIDED]:,} undecided" if results[CheckOutcome.UNDECIDED] else ""
            share = results[CheckOutcome.PASSED] / total
            rows.append((said, f"{results[CheckOutcome.PASSED]:,} of {total:,} ({share:.1%}), where {what}{undecided}"))
    ended = {name.removeprefix("solutions "): n for name, n in sorted(counts.items()) if name.startswith("solutions ")}
    rows.append(("solutions", ", ".join(f"{number:,} {name}" for name, number in ended.items())))
    return [*rows, ("job", str(done.job))]
