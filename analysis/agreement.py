"""How far the graders of a run agree: Krippendorff's alpha, by criterion and between each two graders.

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
from .evaluation import wilson_interval
from .table import Queryable, Section

#: As rubrics have it, of which the run file holds what is needed here.
type MeasurementLevel = Literal["nominal", "ordinal", "interval"]

#: Samples of the units that an interval is drawn from, and its ends.
_SAMPLES = 1_000
_ENDS = (2.5, 97.5)

_JOBS = "SELECT job, spec FROM jobs WHERE kind = 'grading' AND job IN (SELECT job FROM votes) ORDER BY job DESC LIMIT 1"
_VOTES = """
SELECT e.kind, v.criterion, v.emission || '/' || coalesce(v.response, -1), v.grader, v.replicate, v.label
FROM votes AS v JOIN emissions AS e USING (emission)
WHERE v.job = $job ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far votes on one criterion agree."""

    criterion: str
    #: Graders whose votes are compared: all of them, one with itself, or two with each other.
    graders: str
    level: MeasurementLevel
    #: Krippendorff's alpha, and the interval that 95 % of samples of the units fall into; None where it is undefined:
    #: too few votes, or all of one label.
    alpha: float | None
    low: float | None
    high: float | None
    #: Outputs with two votes or more, and the votes on them.
    units: int
    votes: int
    #: Votes without a label.
    missing: int


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


def measure_agreement(graded: Graded, *, seed: int = 0) -> list[Agreement]:
    """Alpha of all votes by criterion; and of each grader with itself, and with each other grader.

    Two graders are compared by their votes of one replicate, so that what is measured is how far one vote of the one
    agrees with one of the other.
    """
    found = []
    for key, votes in graded.votes.items():
        graders = list(dict.fromkeys(grader for _, grader, _, _ in votes))
        found.append(_agreement(key, "all", graded, votes, seed))
        if len(graders) == 1:
            continue
        for one, other in combinations_with_replacement(graders, 2):
            if one == other:
                chosen = [(unit, grader, n, label) for unit, grader, n, label in votes if grader == one]
                if len({n for _, _, n, _ in chosen}) < 2:
                    continue
                found.append(_agreement(key, one, graded, chosen, seed))
                continue
            pairs = [(f"{unit} {n}", g, n, label) for unit, g, n, label in votes if g in (one, other)]
            found.append(_agreement(key, f"{one} and {other}", graded, pairs, seed))
    return found


def _agreement(
    key: tuple[str, str],
    graders: str,
    graded: Graded,
    votes: Iterable[tuple[str, str, int, str | None]],
    seed: int,
) -> Agreement:
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
    alpha = krippendorff_alpha(counts, level, numbers)
    _, outputs = np.unique([unit.partition(" ")[0] for unit in told], return_inverse=True)
    low, high = _interval(_coincidences(counts), outputs, level, numbers, seed) if alpha is not None else (None, None)
    units_told = int(outputs.max()) + 1 if len(outputs) else 0
    return Agreement(key[1], graders, level, alpha, low, high, units_told, int(counts.sum()), missing)


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
    return _alpha_of(_coincidences(counts[counts.sum(axis=1) > 1]).sum(axis=0), level, values)


def _coincidences(counts: NDArray[np.int64]) -> NDArray[np.float64]:
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


def _interval(
    pairs: NDArray[np.float64],
    outputs: NDArray[np.intp],
    level: MeasurementLevel,
    values: Sequence[float] | None,
    seed: int,
) -> tuple[float | None, float | None]:
    """The 95 % interval of alpha by the bootstrap: samples of the outputs, with replacement."""
    rng = np.random.default_rng(seed)
    size = int(outputs.max()) + 1
    of_output = np.zeros((size, *pairs.shape[1:]))
    np.add.at(of_output, outputs, pairs)
    found = []
    for _ in range(_SAMPLES):
        drawn = np.bincount(rng.integers(0, size, size), minlength=size).astype(np.float64)
        alpha = _alpha_of(np.tensordot(drawn, of_output, axes=1), level, values)
        found += [alpha] if alpha is not None else []
    if not found:
        return None, None
    low, high = np.percentile(found, _ENDS)
    return float(low), float(high)


def describe_agreement(found: Sequence[Agreement]) -> Section:
    """The measures as a table."""
    return Section(
        "Agreement of the votes (Krippendorff's alpha, with the 95 % interval of samples of the outputs)",
        ("criterion", "graders", "level", "alpha", "95 %", "outputs", "votes", "missing"),
        ("VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE", "VARCHAR", "BIGINT", "BIGINT", "BIGINT"),
        tuple(
            (
                one.criterion, one.graders, one.level, "-" if one.alpha is None else f"{one.alpha:.3f}",
                "-" if one.low is None else f"{one.low:.3f} to {one.high:.3f}", one.units, one.votes, one.missing,
            )
            for one in found
        ),
    )  # fmt: skip


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
