"""Solutions of a problem: their answers compared, and the vote on them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...agents.answer_check import SameAnswer, shared_checker
from ...agents.checks import CheckOutcome
from ...personas.model import Answer
from ..runfile.output_rows import SolutionRow
from .outputs import LOST_OUTCOMES

type Method = Literal["text", "program"]


@dataclass(frozen=True, slots=True)
class Solution:
    """One solution of a problem."""

    solver: str
    method: Method
    replicate: int
    #: How the call ended, and the text that came.
    answered: Answer[Any]
    text: str
    answer: str | None
    #: As in `solutions.outcome`.
    outcome: str
    reason: str = ""


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
