"""What the agents of a run answered to its surveys: weighted tables with intervals, by group, and how reliable it is.

Answers are weighted by `agents.weight`. The standard error of a weighted mean is that of a ratio, linearised (Lohr,
Sampling: Design and Analysis, 3rd ed. 2022, section 9.1), and its interval is Student's. The interval of a share is
Wilson's with the effective number of respondents, (sum of w)^2 / sum of w^2 (Kish 1965; Dean and Pagano 2015). Both say
how far the people whom the agents stand for may differ from the agents; of the agents themselves all are known.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from ...core.errors import SetupError
from ...core.inputs import nearest
from ...core.result import Estimate, Note, Result, make_result
from ..stats import pearson, weighted_kappa
from ..table import Queryable

#: Pairs of answers from which a coefficient is computed.
_FEWEST_PAIRS = 3


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One answer, with what its agent counts for and the group that it is in."""

    agent: str
    replicate: int
    value: Any
    number: float | None
    outcome: str
    weight: float
    group: str | None


#: Job, survey, step and item.
type ItemKey = tuple[int, str, int, str]


@dataclass(frozen=True, slots=True)
class AskedItem:
    """An item as it was asked in one wave."""

    job: int
    survey: str
    step: int
    item: str
    ordinal: int
    type: str
    text: str
    options: Sequence[str]
    low: float | None
    high: float | None

    @property
    def key(self) -> ItemKey:
        """What its answers are found by."""
        return self.job, self.survey, self.step, self.item

    @property
    def named_options(self) -> list[str]:
        """What shares are given of: options, or the points of a scale."""
        if self.type == "likert" and self.low is not None and self.high is not None:
            return [str(point) for point in range(int(self.low), int(self.high) + 1)]
        return list(self.options) if self.type in ("choice", "rank") else []


def measure_reliability(items: Sequence[AskedItem], answers: Mapping[ItemKey, Sequence[GivenAnswer]]) -> Result:
    """Measure how alike two answers of the same respondents are: repeats, and waves that follow each other."""
    rows = []
    waves: defaultdict[tuple[int, str, str], list[AskedItem]] = defaultdict(list)
    for item in items:
        waves[item.job, item.survey, item.item].append(item)
        first, again = (_by_agent(answers[item.key], replicate) for replicate in (0, 1))
        if again:
            rows.append(_compare_answers(item, f"repeats after step {item.step}", first, again))
    for of_one in waves.values():
        for before, after in pairwise(of_one):
            then, now = (_by_agent(answers[one.key], 0) for one in (before, after))
            if then.keys() & now.keys():
                rows.append(_compare_answers(before, f"steps {before.step} and {after.step}", then, now))
    names = ("survey", "item", "compared", "respondents", "same", "coefficient", "value")
    return make_result("Reliability", names, rows, shares=("same",))


def _by_agent(answers: Sequence[GivenAnswer], replicate: int) -> dict[str, GivenAnswer]:
    return {one.agent: one for one in answers if one.replicate == replicate and one.outcome == "ok"}


def _compare_answers(
    item: AskedItem, compared: str, first: Mapping[str, GivenAnswer], then: Mapping[str, GivenAnswer]
) -> tuple[object, ...]:
    pairs = [(first[agent].value, then[agent].value) for agent in first if agent in then]
    same = sum(one == other for one, other in pairs) / len(pairs) if pairs else None
    name = {"text": None, "choice": "kappa", "rank": "tau"}.get(item.type, "r")
    value = _measure_pairs(item, pairs) if len(pairs) >= _FEWEST_PAIRS else None
    return _title_survey(item.survey, item.job), item.item, compared, len(pairs), same, name, value


def _measure_pairs(item: AskedItem, pairs: Sequence[tuple[Any, Any]]) -> float | None:
    if item.type == "text":
        return None
    if item.type == "choice":
        options, places = np.unique([str(value) for pair in pairs for value in pair], return_inverse=True)
        one, other = places.reshape(-1, 2).T
        return weighted_kappa(one, other, len(options), is_nominal=True)
    if item.type == "rank":
        from scipy.stats import kendalltau

        taus = [
            kendalltau(*([_find_place(option, order, len(item.options)) for option in item.options] for order in pair))
            for pair in pairs
        ]
        return float(np.mean([tau.statistic for tau in taus]))
    return pearson(*np.array(pairs, float).T)


_Z = 1.959964

_ITEMS = """
SELECT job, survey, step, item, ordinal, type, text, options, low, high FROM surveys
WHERE ($survey IS NULL OR survey = $survey) AND ($job IS NULL OR job = $job) ORDER BY job, survey, ordinal, step
"""
_ANSWERS = """
SELECT a.job, a.survey, a.step, a.item, a.agent, a.replicate, a.value, a.number, a.outcome, g.weight, {group}
FROM answers AS a JOIN agents AS g USING (agent) {joined}
WHERE ($survey IS NULL OR survey = $survey) AND ($job IS NULL OR job = $job) ORDER BY g.ordinal, a.replicate
"""
_NAMES = "SELECT DISTINCT survey FROM surveys ORDER BY survey"
_MODELS = """
SELECT DISTINCT a.model, a.model = 'rule' OR j.is_language_model FROM answers AS a JOIN jobs AS j USING (job)
WHERE ($survey IS NULL OR survey = $survey) AND ($job IS NULL OR job = $job) ORDER BY 1
"""
_PROFILE = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'profiles' ORDER BY column_index"
_NOT_ATTRIBUTES = frozenset({"persona", "evidence", "model", "prompt", "only_evident", "made_at"})


@dataclass(frozen=True, slots=True)
class OptionShare:
    """How often an option was chosen or, of a rank, put first; of a scale, one of its points."""

    option: str
    count: int
    share: Estimate
    #: Of a rank: the mean place of the option, from 1.
    place: float | None = None


@dataclass(frozen=True, slots=True)
class ItemTable:
    """The answers to one item in one wave, of all respondents or of one group."""

    job: int
    survey: str
    item: str
    type: str
    text: str
    step: int
    group: str | None
    asked: int
    answered: int
    unsure: int
    #: Respondents of whom no usable answer came.
    lost: int
    mean: Estimate | None
    shares: tuple[OptionShare, ...]


@dataclass(frozen=True, slots=True)
class SurveyTables:
    """All that is told of the surveys of a run."""

    items: tuple[ItemTable, ...]
    reliability: Result
    #: Whether agents count for different numbers of people.
    is_weighted: bool
    #: Models that answered, `rule` for rules of the scenario; and whether the stand-in is among them.
    models: tuple[str, ...]
    has_stand_in: bool


def read_surveys(
    run: Queryable, *, survey: str | None = None, job: int | None = None, by: str | None = None
) -> SurveyTables:
    """Read the tables of all surveys, or of one by its name or job.

    `by` adds tables for each group: `group` is the scenario's, any other name a column of profiles. Raises `SetupError`
    if there is no survey, none of this name, or nothing to group by.
    """
    names = [name for (name,) in run.query(_NAMES).rows]
    if not names:
        raise SetupError(
            "Nobody in this run was asked a survey; declare `surveys` in the scenario, or ask one now: "
            "`populace survey RUN FILE.py`."
        )
    if survey is not None and survey not in names:
        raise SetupError(f"There is no survey {survey!r}{nearest(survey, names)}; there are: {', '.join(names)}.")
    chosen = {"survey": survey, "job": job}
    answers: defaultdict[ItemKey, list[GivenAnswer]] = defaultdict(list)
    for job, name, step, item, agent, replicate, value, number, outcome, weight, group in run.query(
        _answers_sql(run, by), chosen
    ).rows:
        told = None if value is None else orjson.loads(value)
        answers[job, name, step, item].append(GivenAnswer(agent, replicate, told, number, outcome, weight, group))
    items = [AskedItem(*row) for row in run.query(_ITEMS, chosen).rows]
    tables = [table for item in items for table in _make_tables(item, answers[item.key], is_grouped=by is not None)]
    weights = {one.weight for some in answers.values() for one in some}
    models = run.query(_MODELS, chosen).rows
    return SurveyTables(
        tuple(tables),
        measure_reliability(items, answers),
        is_weighted=len(weights) > 1,
        models=tuple(model for model, _ in models),
        has_stand_in=not all(is_language_model for _, is_language_model in models),
    )


def _answers_sql(run: Queryable, by: str | None) -> str:
    if by is None:
        return _ANSWERS.format(group="NULL", joined="")
    if by == "group":
        return _ANSWERS.format(group="g.group_name", joined="")
    columns = [name for (name,) in run.query(_PROFILE).rows if name not in _NOT_ATTRIBUTES]
    if by not in columns:
        there = f"; there are: group, {', '.join(columns)}" if columns else "; its people have no profiles, give group"
        raise SetupError(f"Answers cannot be grouped by {by!r}{nearest(by, ['group', *columns])}{there}.")
    joined = "LEFT JOIN profiles AS p ON p.persona = a.agent"
    return _ANSWERS.format(group=f'p."{by}"::VARCHAR', joined=joined)


def _make_tables(item: AskedItem, answers: Sequence[GivenAnswer], *, is_grouped: bool) -> Iterable[ItemTable]:
    first = [one for one in answers if one.replicate == 0]
    yield _make_table(item, first, None)
    if is_grouped:
        for group in sorted({one.group or "" for one in first}):
            yield _make_table(item, [one for one in first if (one.group or "") == group], group or "(none)")


def _make_table(item: AskedItem, answers: Sequence[GivenAnswer], group: str | None) -> ItemTable:
    given = [one for one in answers if one.outcome == "ok"]
    unsure = sum(one.outcome == "dont_know" for one in answers)
    numbers = [(one.number, one.weight) for one in given if one.number is not None]
    return ItemTable(
        item.job,
        item.survey,
        item.item,
        item.type,
        item.text,
        item.step,
        group,
        asked=len(answers),
        answered=len(given),
        unsure=unsure,
        lost=len(answers) - len(given) - unsure,
        mean=weighted_mean(numbers) if numbers else None,
        shares=tuple(_make_share(item, option, given) for option in item.named_options if given),
    )


def _make_share(item: AskedItem, option: str, given: Sequence[GivenAnswer]) -> OptionShare:
    chosen = [(_is_chosen(item, option, one.value), one.weight) for one in given]
    places = [(_find_place(option, one.value, len(item.options)), one.weight) for one in given if item.type == "rank"]
    place = sum(p * w for p, w in places) / sum(w for _, w in places) if places else None
    return OptionShare(option, sum(is_chosen for is_chosen, _ in chosen), weighted_share(chosen), place)


def _is_chosen(item: AskedItem, option: str, value: Any) -> bool:
    return bool(value[0] == option if item.type == "rank" else str(value) == option)


def _find_place(option: str, ranked: Sequence[str], options: int) -> float:
    """Return the place of an option; options that were not ranked share the last places."""
    return ranked.index(option) + 1.0 if option in ranked else (len(ranked) + 1 + options) / 2


def weighted_mean(values: Sequence[tuple[float, float]]) -> Estimate:
    """Return the mean of values with their weights. Raises `ZeroDivisionError` if there are none."""
    total, n = math.fsum(w for _, w in values), len(values)
    mean = math.fsum(x * w for x, w in values) / total
    if n < 2:
        return Estimate(mean, None, None)
    from scipy.stats import t

    error = math.sqrt(n / (n - 1) * math.fsum((w * (x - mean)) ** 2 for x, w in values)) / total
    reach = float(t.ppf(0.975, n - 1)) * error
    return Estimate(mean, mean - reach, mean + reach)


def weighted_share(chosen: Sequence[tuple[bool, float]]) -> Estimate:
    """Return the weighted share of those who chose. Raises `ZeroDivisionError` if there are none."""
    total = math.fsum(w for _, w in chosen)
    share = math.fsum(w for is_chosen, w in chosen if is_chosen) / total
    if len(chosen) < 2:
        return Estimate(share, None, None)
    square = _Z * _Z * math.fsum(w * w for _, w in chosen) / total**2
    middle = (share + square / 2) / (1 + square)
    reach = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return Estimate(share, max(0.0, middle - reach), min(1.0, middle + reach))


def describe_surveys(tables: SurveyTables) -> Result:
    """Describe the answers: means, shares of options, and reliability."""
    shares = [
        (*_name_item(one), share.option, share.count, share.share, share.place)
        for one in tables.items
        for share in one.shares
    ]
    by = ("survey", "item", "step", "group")
    return make_result(
        "Answers",
        (*by, "asked", "answered", "dont_know", "lost", "mean"),
        [(*_name_item(one), one.asked, one.answered, one.unsure, one.lost, one.mean) for one in tables.items],
        notes=[
            Note("weights", "Agents count by their weights." if tables.is_weighted else "All agents count alike."),
            Note("interval", "Numbers in parentheses are 95 % intervals."),
        ],
        parts=[
            make_result(
                "Options, and points of scales", (*by, "option", "count", "share", "place"), shares, shares=("share",)
            ),
            tables.reliability,
        ],
    )


def _name_item(one: ItemTable) -> tuple[object, ...]:
    return _title_survey(one.survey, one.job), one.item, one.step, one.group or "all"


def _title_survey(survey: str, job: int) -> str:
    return survey if job == 1 else f"{survey} (job {job})"
