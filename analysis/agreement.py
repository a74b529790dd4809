"""How far graders agree with each other (Krippendorff's alpha) and with human labels, and what preferences lean to.

Alpha is 1 less the observed disagreement over the one expected by chance (Krippendorff, Content Analysis, 4th ed.,
2018, chapter 12; Hayes and Krippendorff 2007): 1 where all votes agree, 0 where they agree as chance would have it,
less where they contradict each other. Votes that are missing are left out, and a unit with one vote says nothing. It is
computed here by its formula: the package `krippendorff` is under the GPL, and the formula takes 30 lines of numpy.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from statistics import median_low
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from ..core.arrow import Ints
from ..core.errors import SetupError, SourceError
from ..core.readers import read_rows
from ..core.result import Estimate, Note, Result, make_result
from .stats import bootstrap_interval, estimate_share, rank_correlation, weighted_kappa, wilson_interval
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

    alpha = bootstrap_interval(len(names), alpha_of, seed=seed) if len(names) else Estimate(None)
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
#: Votes by grader, and pairs that were judged in both orders.
_COMPARED = """
SELECT grader, sum(shown)::BIGINT, sum(first_won)::BIGINT, sum(decided)::BIGINT, count(*) FILTER (shown = 2),
       count(*) FILTER (shown = 2 AND labels = 1)
FROM (
    SELECT grader, count(*) AS shown, count(DISTINCT label) AS labels, count(*) FILTER (label <> 'tie') AS decided,
           count(*) FILTER (label <> 'tie' AND (label = 'better') = (position = 1)) AS first_won
    FROM votes
    WHERE job = (SELECT max(job) FROM votes WHERE other IS NOT NULL) AND label IS NOT NULL
    GROUP BY grader, emission, response, other, other_response, replicate
) GROUP BY grader ORDER BY grader
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
    places = [
        (grader, votes, estimate_share(first, decided), pairs, estimate_share(same, pairs))
        for grader, votes, first, decided, pairs, same in (run.query(_COMPARED).rows if source == "comparisons" else ())
    ]
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


#: Labels that people gave: the line, the emission or text, and the labels by criterion.
type HumanLabels = list[tuple[int, int | str, dict[str, str]]]

_MEASURES = ("criterion", "grader", "outputs", "accuracy", "kappa", "rank_correlation", "bias")


def read_labels(path: Path | str) -> HumanLabels:
    """Read labels from a table: `emission` or `text`, and a label by criterion (or `accepted`, yes or no).

    Raises `SourceError` naming the line for a row that has neither, and for a file without rows.
    """
    path = Path(path)
    rows: HumanLabels = []
    for number, row in read_rows(path, 'write one label a line, as {"emission": 12, "clear": 4}'):
        emission, said = row.get("emission"), row.get("text")
        labels = {
            str(k): _format_label(v)
            for k, v in row.items()
            if k and k not in _KEYS and v is not None and str(v).strip()
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
    return rows


def _format_label(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def calibrate_votes(run: Queryable, graded: Graded, labels: HumanLabels, *, file: str, seed: int = 0) -> Result:
    """Compare the votes of a grading job with human labels of the same outputs.

    Kappa has quadratic weights except at the level nominal; the bias is the mean difference of the places on the scale,
    above 0 where the grader is lenient. Each of several labels of one output is compared separately. Rows that match no
    graded output, and labels that are on no scale, are counted and named in notes but not compared.
    """
    matched, notes = _match_labels(run, graded, labels, file)
    votes = _middle_votes(graded)
    pairs: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    unknown = Counter[str]()
    for emission, given in matched:
        for name, label in given.items():
            for (rubric, grader), place in votes.get((emission, name), {}).items():
                scale, _ = graded.scales[rubric, name]
                if label in scale:
                    pairs[rubric, name, grader].append((scale.index(label), place))
                elif grader == "all":
                    unknown[f"{name}: {label}"] += 1
    if unknown:
        named = ", ".join(f"{label} ({number:,})" for label, number in unknown.items())
        notes.append(Note("unknown_labels", f"These labels are on no scale of the rubric, and are left out: {named}."))
    return make_result(
        "Against human labels (with 95 % intervals)",
        _MEASURES,
        [_measure_grader(graded, key, found, seed) for key, found in sorted(pairs.items())],
        notes=notes,
        parts=[
            _count_confusions(graded, pairs),
            _find_threshold(dict(run.query(_GRADES, {"job": graded.job}).rows), matched),
        ],
    )


def _match_labels(
    run: Queryable, graded: Graded, labels: HumanLabels, file: str
) -> tuple[list[tuple[int, dict[str, str]]], list[Note]]:
    """Return the labels by emission, and notes on the rows and columns of which nothing is made."""
    by_text = defaultdict(list)
    for text, emission in run.query(_TEXTS, {"job": graded.job}).rows:
        by_text[text.strip()].append(emission)
    there = {emission for found in by_text.values() for emission in found}
    unmatched: list[str] = []
    matched: list[tuple[int, dict[str, str]]] = []
    for number, what, given in labels:
        emissions = [what] if isinstance(what, int) and what in there else by_text.get(str(what), [])
        if not emissions:
            unmatched.append(f"line {number} ({f'emission {what}' if isinstance(what, int) else repr(what[:60])})")
        matched += [(emission, given) for emission in emissions]
    notes = [
        Note(
            "matched",
            f"{len(labels) - len(unmatched):,} of {len(labels):,} rows of {file} are of outputs that were graded.",
        )
    ]
    if unmatched:
        more = f" and {len(unmatched) - _SHOWN:,} more" if len(unmatched) > _SHOWN else ""
        named = ", ".join(unmatched[:_SHOWN])
        notes.append(Note("unmatched", f"No graded output matches {named}{more}; nothing is made of them."))
    known = {ACCEPTED, *(name for _, name in graded.scales)}
    if columns := list(dict.fromkeys(name for _, _, given in labels for name in given if name not in known)):
        notes.append(Note("unknown_criteria", f"These columns are no criteria of the rubric: {', '.join(columns)}."))
    return matched, notes


def _count_confusions(graded: Graded, pairs: dict[tuple[str, str, str], list[tuple[int, int]]]) -> Result:
    rows = []
    for (rubric, criterion, grader), found in sorted(pairs.items()):
        scale, _ = graded.scales[rubric, criterion]
        counts = Counter((scale[one], scale[other]) for one, other in found) if grader == "all" else {}
        rows += [(criterion, *labels, number) for labels, number in sorted(counts.items())]
    return make_result("Which labels people and all graders gave", ("criterion", "people", "graders", "outputs"), rows)


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
            (rubric, name): _middle_place(found, graded.scales[rubric, key[1]][1])
            for (rubric, name), found in graders.items()
        }
        for key, graders in places.items()
    }


def _middle_place(places: Sequence[int], level: MeasurementLevel) -> int:
    return Counter(sorted(places)).most_common(1)[0][0] if level == "nominal" else median_low(places)


def _measure_grader(
    graded: Graded, key: tuple[str, str, str], found: Sequence[tuple[int, int]], seed: int
) -> tuple[object, ...]:
    rubric, criterion, grader = key
    scale, level = graded.scales[rubric, criterion]
    human, model = (np.array([one[place] for one in found]) for place in (0, 1))

    def measure_kappa(chosen: Ints) -> float | None:
        return weighted_kappa(human[chosen], model[chosen], len(scale), is_nominal=level == "nominal")

    def measure_correlation(chosen: Ints) -> float | None:
        return rank_correlation(human[chosen], model[chosen])

    return (
        *(criterion, grader, len(found), estimate_share(int((human == model).sum()), len(found))),
        bootstrap_interval(len(found), measure_kappa, seed=seed),
        Estimate(None) if level == "nominal" else bootstrap_interval(len(found), measure_correlation, seed=seed),
        float((model - human).mean()),
    )


def _find_threshold(grades: dict[int, float], matched: Sequence[tuple[int, dict[str, str]]]) -> Result:
    """Find the threshold midway between two grades that agrees with people on the most outputs."""
    told = [
        (grades[emission], given[ACCEPTED].casefold() in _YES)
        for emission, given in matched
        if emission in grades and given.get(ACCEPTED, "").casefold() in _YES | _NO
    ]
    title = "The --threshold that judges most outputs as people do, measured on the outputs that it was chosen on"
    names = ("threshold", "judged_alike", "outputs", "accepted")
    if len({is_accepted for _, is_accepted in told}) < 2:
        advice = "For a threshold, say of each output whether you accept it: a column `accepted` with yes or no."
        return make_result(title, names, [], notes=[Note("no_threshold", advice)])
    scores = np.array([score for score, _ in told])
    accepted = np.array([is_accepted for _, is_accepted in told])
    different = sorted(set(scores.tolist()))
    tried = [0.0, *((one + other) / 2 for one, other in pairwise(different)), 1.0]
    best = max(tried, key=lambda at: (float(((scores >= at) == accepted).mean()), -abs(at - 0.5)))
    alike = estimate_share(int(((scores >= best) == accepted).sum()), len(told))
    return make_result(title, names, [(best, alike, len(told), int(accepted.sum()))], shares=("judged_alike",))
