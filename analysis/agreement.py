"""How far the graders of a run agree, by Krippendorff's alpha, and what preferences lean towards.

Alpha is 1 less the observed disagreement over the one expected by chance (Krippendorff, Content Analysis, 4th ed.,
2018, chapter 12; Hayes and Krippendorff 2007): 1 where all votes agree, 0 where they agree as chance would have it,
less where they contradict each other. Votes that are missing are left out, and a unit with one vote says nothing. It is
computed here by its formula: the package `krippendorff` is under the GPL, and the formula takes 30 lines of numpy.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from ..core.errors import SetupError
from ..core.result import Estimate, Result, make_result
from .stats import bootstrap, estimate_share, rank_correlation, wilson_interval
from .table import Queryable

#: As rubrics have it, of which the run file holds what is needed here.
type MeasurementLevel = Literal["nominal", "ordinal", "interval"]

_COLUMNS = ("criterion", "graders", "level", "alpha", "outputs", "votes", "missing")

_JOBS = "SELECT job, spec FROM jobs WHERE kind = 'grading' AND job IN (SELECT job FROM votes) ORDER BY job DESC LIMIT 1"
_VOTES = """
SELECT e.kind, v.criterion, v.emission || '/' || coalesce(v.response, -1), v.grader, v.replicate, v.label
FROM votes AS v JOIN emissions AS e USING (emission)
WHERE v.job = $job ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Graded:
    """The votes of a grading job, by criterion."""

    job: int
    #: Labels of each criterion from the worst to the best, and its level, by rubric and name of the criterion.
    scales: dict[tuple[str, str], tuple[tuple[str, ...], MeasurementLevel]]
    #: Votes by rubric and criterion: unit, grader, replicate and label.
    votes: dict[tuple[str, str], list[tuple[str, str, int, str | None]]]


def read_graded(run: Queryable) -> Graded:
    """The votes of the latest grading job. Raises `SetupError` where there is none."""
    jobs = run.query(_JOBS).rows
    if not jobs:
        raise SetupError("Nothing in this run was graded yet; have it graded first: `populace data grade RUN`.")
    ((job, written),) = jobs
    rubrics = orjson.loads(written)["rubrics"]
    scales: dict[tuple[str, str], tuple[tuple[str, ...], MeasurementLevel]] = {}
    for rubric in rubrics:
        for one in rubric["criteria"]:
            labels = tuple(anchor["label"] for anchor in one["scale"])
            scales[rubric["name"], one["name"]] = (labels, one["level"])
    votes = defaultdict(list)
    for kind, criterion, *vote in run.query(_VOTES, {"job": job}).rows:
        votes[_rubric_of(rubrics, kind), criterion].append(tuple(vote))
    return Graded(int(job), scales, dict(votes))


def _rubric_of(rubrics: Sequence[dict[str, Any]], kind: str) -> str:
    named = [one["name"] for one in rubrics if kind in one["kinds"]] or [o["name"] for o in rubrics if not o["kinds"]]
    return str(named[0])


def measure_agreement(graded: Graded, *, seed: int = 0) -> Result:
    """Measure alpha of all votes by criterion; and of each grader with itself, and with each other grader.

    Two graders are compared by their votes of one replicate, so that what is measured is how far one vote of the one
    agrees with one of the other.
    """
    rows = []
    for key, votes in graded.votes.items():
        graders = list(dict.fromkeys(grader for _, grader, _, _ in votes))
        rows.append(_measure_votes(key, "all", graded, votes, seed))
        for one, other in combinations_with_replacement(graders, 2) if len(graders) > 1 else ():
            chosen = [(unit, grader, n, label) for unit, grader, n, label in votes if grader in (one, other)]
            if one != other:
                named = [(f"{unit} {n}", grader, n, label) for unit, grader, n, label in chosen]
                rows.append(_measure_votes(key, f"{one} and {other}", graded, named, seed))
            elif len({n for _, _, n, _ in chosen}) > 1:
                rows.append(_measure_votes(key, one, graded, chosen, seed))
    return make_result(
        "Agreement of the votes (Krippendorff's alpha, with the 95 % interval of samples of the outputs)",
        _COLUMNS,
        rows,
    )


def _measure_votes(
    key: tuple[str, str],
    graders: str,
    graded: Graded,
    votes: Iterable[tuple[str, str, int, str | None]],
    seed: int,
) -> tuple[object, ...]:
    labels, level = graded.scales[key]
    places = {label: place for place, label in enumerate(labels)}
    units: dict[str, list[int]] = defaultdict(lambda: [0] * len(labels))
    missing = 0
    for unit, _, _, label in votes:
        if label is None:
            missing += 1
        else:
            units[unit][places[label]] += 1
    told = {unit: count for unit, count in units.items() if sum(count) > 1}
    counts = np.array(list(told.values()), dtype=np.int64).reshape(-1, len(labels))
    numbers = [float(label) for label in labels] if level == "interval" else None
    names, outputs = np.unique([unit.partition(" ")[0] for unit in told], return_inverse=True)
    pairs = np.zeros((len(names), len(labels), len(labels)))
    np.add.at(pairs, outputs, _count_coincidences(counts))

    def alpha_of(chosen: NDArray[np.int64]) -> float | None:
        drawn = np.bincount(chosen, minlength=len(names)).astype(np.float64)
        return _alpha_of(np.tensordot(drawn, pairs, axes=1), level, numbers)

    alpha = bootstrap(len(names), alpha_of, seed=seed) if len(names) else Estimate(None)
    return key[1], graders, level, alpha, len(names), int(counts.sum()), missing


def krippendorff_alpha(
    counts: NDArray[np.int64], level: MeasurementLevel, values: Sequence[float] | None = None
) -> float | None:
    """Alpha of votes, from how many votes of each label (columns, in order) each unit (rows) has.

    `values` are the numbers that the labels stand for, at the level `interval`; without them the labels are evenly
    spaced. None where it is undefined: no unit has two votes, or all votes are of one label.

    >>> votes = np.array([[2, 0], [0, 2], [1, 1], [2, 0]])
    >>> round(krippendorff_alpha(votes, "nominal"), 3)
    0.533
    """
    return _alpha_of(_count_coincidences(counts[counts.sum(axis=1) > 1]).sum(axis=0), level, values)


def _count_coincidences(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each unit the votes in pairs, by both labels, weighed so that each vote counts once."""
    pairs = np.einsum("ui,uj->uij", counts, counts).astype(np.float64)
    places = np.arange(counts.shape[1])
    pairs[:, places, places] -= counts
    weighed: NDArray[np.float64] = pairs / (counts.sum(axis=1) - 1)[:, None, None]
    return weighed


def _alpha_of(observed: NDArray[np.float64], level: MeasurementLevel, values: Sequence[float] | None) -> float | None:
    totals = observed.sum(axis=0)
    distances = label_distances(totals, level, values)
    expected = (np.outer(totals, totals) - np.diag(totals)) / max(1.0, totals.sum() - 1)
    chance = float((expected * distances).sum())
    return None if chance <= 0 else 1.0 - float((observed * distances).sum()) / chance


def label_distances(
    totals: NDArray[np.float64], level: MeasurementLevel, values: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """The squared differences of labels: of their ranks among all votes, of their numbers, or 1 for different ones."""
    size = len(totals)
    if level == "nominal":
        return 1.0 - np.eye(size)
    if level == "interval":
        numbers = np.array(range(size) if values is None else values, dtype=np.float64)
    else:
        numbers = np.cumsum(totals) - totals / 2
    different: NDArray[np.float64] = np.subtract.outer(numbers, numbers) ** 2
    return different


_FOUND = """
SELECT grader, count(*), count(DISTINCT (emission, response)), avg(score) FROM votes
WHERE job = $job AND label IS NOT NULL
GROUP BY grader ORDER BY grader
"""


def read_identified(run: Queryable, job: int) -> list[str]:
    """Say how often each grader of a job with line-ups found the author.

    The interval counts outputs, because votes on one output are alike.
    """
    said = []
    for grader, votes, outputs, share in run.query(_FOUND, {"job": job}).rows:
        low, high = wilson_interval(round(share * outputs), outputs)
        said.append(
            f"{grader} finds the author in {share:.1%} of {votes:,} votes on {outputs:,} outputs "
            f"(95 % interval {low:.1%} to {high:.1%}, chance 25 %)"
        )
    return said


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
