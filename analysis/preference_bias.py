"""What preferences lean towards beside quality: longer answers, and the place in which a grader was shown them."""

from dataclasses import dataclass

import numpy as np

from ..core.errors import SetupError
from .calibration import rank_correlation
from .evaluation import wilson_interval
from .table import Queryable, Section

_LATEST = "SELECT max(job) FROM preferences"
_PAIRS = """
SELECT length(chosen), length(rejected), margin, source FROM preferences WHERE job = $job ORDER BY emission
"""
#: Each comparison in both orders, where both say something.
_COMPARED = """
SELECT grader, count(*) AS votes,
       count(*) FILTER (label <> 'tie' AND (label = 'better') = (position = 1)) AS first_won,
       count(*) FILTER (label <> 'tie') AS decided
FROM votes
WHERE job = (SELECT max(job) FROM votes WHERE other IS NOT NULL) AND label IS NOT NULL
GROUP BY grader ORDER BY grader
"""
_BOTH = """
SELECT grader, count(*) AS pairs, count(*) FILTER (labels = 1) AS same FROM (
    SELECT grader, count(*) AS shown, count(DISTINCT label) AS labels
    FROM votes
    WHERE job = (SELECT max(job) FROM votes WHERE other IS NOT NULL) AND label IS NOT NULL
    GROUP BY grader, emission, response, other, other_response, replicate
) WHERE shown = 2 GROUP BY grader
"""


@dataclass(frozen=True, slots=True)
class PositionBias:
    """How often a grader preferred what it was shown first, and stayed with its choice when the places changed."""

    grader: str
    votes: int
    #: Votes that decide, and those of them for what was shown first: half of them where the place does not matter.
    decided: int
    first_won: int
    #: Pairs that were judged in both orders, and those judged alike.
    pairs: int
    alike: int


@dataclass(frozen=True, slots=True)
class PreferenceBias:
    """The preferences of a run, and what they lean towards."""

    rows: int
    source: str
    mean_margin: float
    #: Rows in which the chosen answer is the longer one, and those in which it is the shorter one.
    longer: int
    shorter: int
    #: Rank correlation of the margin with how much longer the chosen answer is; None where it is undefined.
    correlation: float | None
    graders: tuple[PositionBias, ...]

    @property
    def longer_interval(self) -> tuple[float, float]:
        """The 95 % interval of the share of rows in which the longer answer is chosen."""
        return wilson_interval(self.longer, self.longer + self.shorter)


def read_preference_bias(run: Queryable) -> PreferenceBias:
    """The latest preferences of a run. Raises `SetupError` where there are none."""
    ((job,),) = run.query(_LATEST).rows
    if job is None:
        raise SetupError("This run holds no preferences yet; `populace data pairs RUN` makes them of grades.")
    rows = run.query(_PAIRS, {"job": job}).rows
    differences = np.array([chosen - rejected for chosen, rejected, _, _ in rows], dtype=np.int64)
    margins = np.array([margin for _, _, margin, _ in rows])
    both = {grader: (pairs, same) for grader, pairs, same in run.query(_BOTH).rows}
    return PreferenceBias(
        rows=len(rows),
        source=rows[0][3],
        mean_margin=float(margins.mean()),
        longer=int((differences > 0).sum()),
        shorter=int((differences < 0).sum()),
        correlation=rank_correlation(margins, differences),
        graders=tuple(
            PositionBias(grader, votes, decided, first, *both.get(grader, (0, 0)))
            for grader, votes, first, decided in run.query(_COMPARED).rows
        )
        if rows[0][3] == "comparisons"
        else (),
    )


def describe_bias(found: PreferenceBias) -> list[Section]:
    """The numbers as tables."""
    low, high = found.longer_interval
    unlike = max(1, found.longer + found.shorter)
    correlation = "-" if found.correlation is None else f"{found.correlation:.3f}"
    sections = [
        Section(
            "Preferences",
            ("rows", "by", "mean margin", "the longer won", "margin with length (rank correlation)"),
            ("BIGINT", "VARCHAR", "DOUBLE", "VARCHAR", "VARCHAR"),
            ((found.rows, found.source, f"{found.mean_margin:.3f}",
              f"{found.longer / unlike:.1%} ({low:.1%} to {high:.1%})", correlation),),
        )
    ]  # fmt: skip
    if found.graders:
        sections.append(
            Section(
                "Places (50 % where the place does not matter)",
                ("grader", "votes", "the first won", "pairs in both orders", "judged alike"),
                ("VARCHAR", "BIGINT", "VARCHAR", "BIGINT", "VARCHAR"),
                tuple(
                    (one.grader, one.votes, _share(one.first_won, one.decided), one.pairs, _share(one.alike, one.pairs))
                    for one in found.graders
                ),
            )
        )
    return sections


def _share(hits: int, trials: int) -> str:
    if not trials:
        return "-"
    low, high = wilson_interval(hits, trials)
    return f"{hits / trials:.1%} ({low:.1%} to {high:.1%})"
