"""How often graders find the persona behind an output among four (`populace grade --rubric identifiable`)."""

from dataclasses import dataclass

from .evaluation import wilson_interval
from .table import Queryable

_FOUND = """
SELECT grader, count(*), count(DISTINCT (emission, response)), avg(score) FROM votes
WHERE job = $job AND label IS NOT NULL
GROUP BY grader ORDER BY grader
"""


@dataclass(frozen=True, slots=True)
class Identified:
    """How often one grader found the author; the interval counts outputs, because votes on one output are alike."""

    grader: str
    votes: int
    outputs: int
    share: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share: Wilson's score interval."""
        return wilson_interval(round(self.share * self.outputs), self.outputs)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.grader} finds the author in {self.share:.1%} of {self.votes:,} votes on {self.outputs:,} outputs "
            f"(95 % interval {low:.1%} to {high:.1%}, chance 25 %)"
        )


def read_identified(run: Queryable, job: int) -> list[Identified]:
    """Read what each grader of a job with line-ups has found."""
    return [Identified(*row) for row in run.query(_FOUND, {"job": job}).rows]
