"""How far graders agree with human labels: accuracy, weighted kappa, correlation, and where a threshold could lie."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median_low

import numpy as np

from ..core.arrow import Ints
from ..core.errors import SourceError
from ..core.readers import read_rows
from ..core.result import Estimate, Note, Result, make_result
from .agreement import Graded, MeasurementLevel
from .stats import bootstrap, estimate_share, rank_correlation, weighted_kappa
from .table import Queryable

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


def calibrate(run: Queryable, graded: Graded, labels: HumanLabels, *, file: str, seed: int = 0) -> Result:
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

    def kappa(chosen: Ints) -> float | None:
        return weighted_kappa(human[chosen], model[chosen], len(scale), is_nominal=level == "nominal")

    def correlation(chosen: Ints) -> float | None:
        return rank_correlation(human[chosen], model[chosen])

    return (
        *(criterion, grader, len(found), estimate_share(int((human == model).sum()), len(found))),
        bootstrap(len(found), kappa, seed=seed),
        Estimate(None) if level == "nominal" else bootstrap(len(found), correlation, seed=seed),
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
