"""What preferences lean towards beside quality: longer answers, and the place in which a grader was shown them."""

import numpy as np

from ..core.errors import SetupError
from ..core.result import Result, make_result
from .stats import estimate_share, rank_correlation
from .table import Queryable

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


def read_preference_bias(run: Queryable) -> Result:
    """Measure the latest preferences of a run. Raises `SetupError` where there are none."""
    ((job,),) = run.query(_LATEST).rows
    if job is None:
        raise SetupError("This run holds no preferences yet; `populace data pairs RUN` makes them of grades.")
    rows = run.query(_PAIRS, {"job": job}).rows
    source = rows[0][3]
    differences = np.array([chosen - rejected for chosen, rejected, _, _ in rows], dtype=np.int64)
    margins = np.array([margin for _, _, margin, _ in rows])
    longer, shorter = int((differences > 0).sum()), int((differences < 0).sum())
    both = {grader: (pairs, same) for grader, pairs, same in run.query(_BOTH).rows}
    places = []
    for grader, votes, first, decided in run.query(_COMPARED).rows if source == "comparisons" else ():
        pairs, same = both.get(grader, (0, 0))
        places.append((grader, votes, estimate_share(first, decided), pairs, estimate_share(same, pairs)))
    return make_result(
        "Preferences",
        ("rows", "by", "mean_margin", "longer_won", "rank_correlation_of_margin_and_length"),
        [
            (
                *(len(rows), source, float(margins.mean()), estimate_share(longer, longer + shorter)),
                rank_correlation(margins, differences),
            )
        ],
        shares=("longer_won",),
        parts=[
            make_result(
                "Places (50 % where the place does not matter)",
                ("grader", "votes", "first_won", "pairs_in_both_orders", "judged_alike"),
                places,
                shares=("first_won", "judged_alike"),
            )
        ],
    )
