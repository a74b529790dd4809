"""How far graders agree with human labels: accuracy, weighted kappa, correlation, and where a threshold could lie."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..personas.errors import SourceError
from ..personas.readers import read_rows
from .agreement import Graded, MeasurementLevel
from .evaluation import wilson_interval
from .table import Queryable, Section

#: Samples of the outputs that an interval is drawn from, and its ends.
_SAMPLES = 1_000
_ENDS = (2.5, 97.5)
#: Labels that match nothing which are shown.
_SHOWN = 5
#: Names of the columns that are no criteria.
_KEYS = ("emission", "text")
#: Whether a person accepts the whole output: what a threshold is sought for.
ACCEPTED = "accepted"
_YES = frozenset({"1", "true", "yes", "accepted", "good"})
_NO = frozenset({"0", "false", "no", "rejected", "bad"})

_TEXTS = "SELECT text, emission FROM emissions WHERE emission IN (SELECT emission FROM votes WHERE job = $job)"
_GRADES = """SELECT emission, score FROM checks WHERE "check" = 'grade' AND job = $job AND score IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class HumanLabels:
    """Labels that people gave, by the place of the row in its file."""

    #: Row, emission or text, and the labels by criterion.
    rows: tuple[tuple[int, int | str, dict[str, str]], ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with its 95 % interval, Wilson's for shares and else that of samples of the outputs; None: undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """Format the value for printing."""
        if self.value is None:
            return "-"
        return f"{self.value:.3f}" if self.low is None else f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far one grader's labels by one criterion agree with people's."""

    criterion: str
    #: A grader's name, or all for the middle of all votes.
    grader: str
    level: MeasurementLevel
    outputs: int
    #: Share of outputs with the same label; kappa with quadratic weights (unweighted at the level nominal); Spearman's
    #: rank correlation (none at the level nominal).
    accuracy: Measure
    kappa: Measure
    correlation: Measure
    #: Mean difference of the places on the scale, grader less people: above 0 the grader is lenient.
    bias: float
    #: How many outputs have which pair of labels: people's, then the grader's.
    confusion: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class GradeThreshold:
    """Where a threshold of the grade separates best what people accept from what they reject."""

    threshold: float
    #: Share of outputs that it judges as people do, with its interval, and that of the threshold that was used.
    accuracy: Measure
    outputs: int
    accepted: int


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a file of human labels says of a grading job."""

    file: str
    rows: int
    #: Rows whose output was graded.
    matched: int
    #: The first rows that match no graded output, each as it is named in the file.
    unmatched: tuple[str, ...]
    not_matched: int
    #: Labels that no scale has, as `criterion: label`, with how often.
    unknown_labels: dict[str, int]
    #: Columns that are no criterion.
    unknown_criteria: tuple[str, ...]
    criteria: tuple[Calibration, ...]
    threshold: GradeThreshold | None


def read_labels(path: Path | str) -> HumanLabels:
    """Read labels from a table: `emission` or `text`, and a label by criterion (or `accepted`, yes or no).

    Raises `SourceError` naming the line for a row that has neither, and for a file without rows.
    """
    path = Path(path)
    rows: list[tuple[int, int | str, dict[str, str]]] = []
    for number, row in read_rows(path, 'write one label a line, as {"emission": 12, "clear": 4}'):
        emission, said = row.get("emission"), row.get("text")
        labels = {
            str(k): _label(v) for k, v in row.items() if k and k not in _KEYS and v is not None and str(v).strip()
        }
        where = f"{str(path)!r}, line {number}"
        if emission not in (None, ""):
            if not str(emission).strip().isdigit():
                raise SourceError(
                    f"{where}: emission must be a number, as in the table emissions, and is {emission!r}."
                )
            rows.append((number, int(str(emission)), labels))
        elif isinstance(said, str) and said.strip():
            rows.append((number, said.strip(), labels))
        else:
            raise SourceError(
                f"{where} says of which output it is with neither `emission` nor `text`; add one of them."
            )
    if not rows:
        raise SourceError(f'{str(path)!r} holds no labels; write one a line, as {{"emission": 12, "clear": 4}}.')
    return HumanLabels(tuple(rows))


def _label(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def calibrate(run: Queryable, graded: Graded, labels: HumanLabels, *, file: str, seed: int = 0) -> Calibrated:
    """Compare the votes of a grading job with human labels of the same outputs.

    Each of several labels of one output is compared separately. Rows that match no graded output, and labels that are
    on no scale, are counted and named but not compared.
    """
    by_text = defaultdict(list)
    for text, emission in run.query(_TEXTS, {"job": graded.job}).rows:
        by_text[text.strip()].append(emission)
    there = {emission for found in by_text.values() for emission in found}
    votes = _middle_votes(graded)
    criteria = {name for _, name in graded.scales}
    pairs: dict[tuple[str, str, str], list[tuple[int, int, int]]] = defaultdict(list)
    unmatched, unknown, columns = [], Counter[str](), dict[str, None]()
    matched: list[tuple[int, dict[str, str]]] = []
    for number, what, given in labels.rows:
        emissions = [what] if isinstance(what, int) and what in there else by_text.get(str(what), [])
        if not emissions:
            unmatched.append(f"line {number} ({f'emission {what}' if isinstance(what, int) else repr(what[:60])})")
        matched += [(emission, given) for emission in emissions]
        columns |= dict.fromkeys(name for name in given if name not in criteria and name != ACCEPTED)
    for emission, given in matched:
        for name in criteria & given.keys():
            for (rubric, grader), place in votes.get((emission, name), {}).items():
                scale, _ = graded.scales[rubric, name]
                if given[name] in scale:
                    pairs[rubric, name, grader].append((emission, scale.index(given[name]), place))
                elif grader == "all":
                    unknown[f"{name}: {given[name]}"] += 1
    return Calibrated(
        file=file,
        rows=len(labels.rows),
        matched=len(labels.rows) - len(unmatched),
        unmatched=tuple(unmatched[:_SHOWN]),
        not_matched=len(unmatched),
        unknown_labels=dict(unknown),
        unknown_criteria=tuple(columns),
        criteria=tuple(_calibration(graded, key, found, seed) for key, found in sorted(pairs.items())),
        threshold=_threshold(dict(run.query(_GRADES, {"job": graded.job}).rows), matched),
    )


def _middle_votes(graded: Graded) -> dict[tuple[int, str], dict[tuple[str, str], int]]:
    """Return the middle scale place for each rubric and grader (and for all graders), by emission and criterion.

    At the nominal level it is the label with the most votes. The first label wins if votes are equal.
    """
    places: dict[tuple[int, str], dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
    for (rubric, criterion), votes in graded.votes.items():
        scale, _ = graded.scales[rubric, criterion]
        for unit, grader, _, label in votes:
            emission, _, response = unit.partition("/")
            if label is not None and response == "-1":
                for name in (grader, "all"):
                    places[int(emission), criterion][rubric, name].append(scale.index(label))
    return {
        key: {
            (rubric, name): _middle(found, graded.scales[rubric, key[1]][1])
            for (rubric, name), found in graders.items()
        }
        for key, graders in places.items()
    }


def _middle(places: Sequence[int], level: MeasurementLevel) -> int:
    return Counter(sorted(places)).most_common(1)[0][0] if level == "nominal" else median_low(places)


def _calibration(
    graded: Graded, key: tuple[str, str, str], found: Sequence[tuple[int, int, int]], seed: int
) -> Calibration:
    rubric, criterion, grader = key
    scale, level = graded.scales[rubric, criterion]
    human, model = (np.array([one[place] for one in found]) for place in (1, 2))
    size = len(scale)
    confusion = Counter((scale[one], scale[other]) for _, one, other in found)

    def kappa(one: NDArray[np.int64], other: NDArray[np.int64]) -> float | None:
        return weighted_kappa(one, other, size, is_nominal=level == "nominal")

    return Calibration(
        criterion,
        grader,
        level,
        len(found),
        accuracy=_share(human == model),
        kappa=_measured(kappa, human, model, seed),
        correlation=Measure(None) if level == "nominal" else _measured(rank_correlation, human, model, seed),
        bias=float((model - human).mean()),
        confusion=tuple((*labels, number) for labels, number in sorted(confusion.items())),
    )


def weighted_kappa(
    one: NDArray[np.int64], other: NDArray[np.int64], size: int, *, is_nominal: bool = False
) -> float | None:
    """Return Cohen's kappa of two raters' scale places, with quadratic weights unless labels have no order.

    Return None if both raters always give the same single label.
    """
    table = np.zeros((size, size))
    np.add.at(table, (one, other), 1)
    table /= len(one)
    places = np.arange(size)
    weights = (
        (places[:, None] != places[None, :]).astype(float)
        if is_nominal
        else (places[:, None] - places[None, :]).astype(float) ** 2
    )
    chance = float((np.outer(table.sum(axis=1), table.sum(axis=0)) * weights).sum())
    return None if chance == 0 else 1.0 - float((table * weights).sum()) / chance


def rank_correlation(one: NDArray[np.int64], other: NDArray[np.int64]) -> float | None:
    """Return Spearman's rank correlation, with mean ranks for ties; None if one of the two never changes."""
    ranks = [_ranks(values) for values in (one, other)]
    deviations = [values - values.mean() for values in ranks]
    length = float(np.sqrt((deviations[0] ** 2).sum() * (deviations[1] ** 2).sum()))
    return None if length == 0 else float((deviations[0] * deviations[1]).sum()) / length


def _ranks(values: NDArray[np.int64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[inverse]
    return ranks


def _measured(
    measure: Callable[[NDArray[Any], NDArray[Any]], float | None], one: NDArray[Any], other: NDArray[Any], seed: int
) -> Measure:
    """Return a measure of pairs, with the percentiles of resampled pairs."""
    value = measure(one, other)
    if value is None or len(one) < 2:
        return Measure(value)
    rng = np.random.default_rng(seed)
    samples = (rng.integers(0, len(one), len(one)) for _ in range(_SAMPLES))
    found = [again for drawn in samples if (again := measure(one[drawn], other[drawn])) is not None]
    low, high = np.percentile(found, _ENDS)
    return Measure(value, float(low), float(high))


def _share(hits: NDArray[np.bool_]) -> Measure:
    """Return the share of hits with Wilson's interval."""
    return Measure(float(hits.mean()), *wilson_interval(int(hits.sum()), len(hits)))


def _threshold(grades: dict[int, float], matched: Sequence[tuple[int, dict[str, str]]]) -> GradeThreshold | None:
    """Find the threshold midway between two grades that agrees with people on the most outputs."""
    told = [
        (grades[emission], given[ACCEPTED].casefold() in _YES)
        for emission, given in matched
        if emission in grades and given.get(ACCEPTED, "").casefold() in _YES | _NO
    ]
    if len({is_accepted for _, is_accepted in told}) < 2:
        return None
    scores = np.array([score for score, _ in told])
    accepted = np.array([is_accepted for _, is_accepted in told])
    different = sorted(set(scores.tolist()))
    tried = [0.0, *((one + other) / 2 for one, other in pairwise(different)), 1.0]
    best = max(tried, key=lambda at: (float(((scores >= at) == accepted).mean()), -abs(at - 0.5)))
    return GradeThreshold(best, _share((scores >= best) == accepted), len(told), int(accepted.sum()))


def describe_calibration(found: Calibrated) -> list[Section]:
    """Describe the comparison as tables: the measures, and which labels are confused with which."""
    measures = Section(
        "Against human labels (with 95 % intervals)",
        ("criterion", "grader", "outputs", "accuracy", "kappa", "rank correlation", "bias"),
        ("VARCHAR", "VARCHAR", "BIGINT", "VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE"),
        tuple(
            (one.criterion, one.grader, one.outputs, str(one.accuracy), str(one.kappa), str(one.correlation),
             f"{one.bias:+.2f}")
            for one in found.criteria
        ),
    )  # fmt: skip
    confusion = Section(
        "Which labels people and all graders gave",
        ("criterion", "people", "graders", "outputs"),
        ("VARCHAR", "VARCHAR", "VARCHAR", "BIGINT"),
        tuple((one.criterion, *row) for one in found.criteria if one.grader == "all" for row in one.confusion),
    )
    return [measures, confusion]


def notes_on_calibration(found: Calibrated) -> list[str]:
    """Return notes on rows that match nothing, unknown labels and a possible threshold."""
    said = [f"{found.matched:,} of {found.rows:,} rows of {found.file} are of outputs that were graded."]
    if found.not_matched:
        more = (
            f" and {found.not_matched - len(found.unmatched):,} more"
            if found.not_matched > len(found.unmatched)
            else ""
        )
        said.append(f"No graded output matches {', '.join(found.unmatched)}{more}; nothing is made of them.")
    if found.unknown_labels:
        told = ", ".join(f"{label} ({number:,})" for label, number in found.unknown_labels.items())
        said.append(f"These labels are on no scale of the rubric, and are left out: {told}.")
    if found.unknown_criteria:
        said.append(f"These columns are no criteria of the rubric: {', '.join(found.unknown_criteria)}.")
    if (best := found.threshold) is not None:
        said.append(
            f"Of {best.outputs:,} outputs people accept {best.accepted:,}; --threshold {best.threshold:.2f} judges "
            f"most of them as people do: {best.accuracy}, measured on the outputs that it was chosen on."
        )
    elif any(found.criteria):
        said.append("For a threshold, say of each output whether you accept it: a column `accepted` with yes or no.")
    return said
