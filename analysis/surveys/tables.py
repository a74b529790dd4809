"""What the agents of a run answered to its surveys: weighted tables with intervals, by group, and how reliable it is.

Answers are weighted by `agents.weight`. The standard error of a weighted mean is that of a ratio, linearised (Lohr,
Sampling: Design and Analysis, 3rd ed. 2022, section 9.1), and its interval is Student's. The interval of a share is
Wilson's with the effective number of respondents, (sum of w)^2 / sum of w^2 (Kish 1965; Dean and Pagano 2015). Both say
how far the people whom the agents stand for may differ from the agents; of the agents themselves all are known.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Literal

import orjson

from ...core.errors import SetupError
from ...core.inputs import nearest
from ..experiment.benchmark import BenchmarkDistance
from ..table import Queryable, Section

#: Pairs of answers from which a coefficient is computed.
_FEWEST_PAIRS = 3

type Coefficient = Literal["r", "kappa", "tau"]


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


@dataclass(frozen=True, slots=True)
class Reliability:
    """How alike two answers of the same respondents to one item are."""

    job: int
    survey: str
    item: str
    #: What is compared: repeats of the wave after a step, or the waves after two steps.
    compared: str
    respondents: int
    #: Share of respondents who gave the very same answer; None where nobody gave both.
    same: float | None
    coefficient: Coefficient | None
    value: float | None


def measure_reliability(
    items: Sequence[AskedItem], answers: Mapping[ItemKey, Sequence[GivenAnswer]]
) -> Iterable[Reliability]:
    """Each item of each wave with repeats, and each two waves that follow each other."""
    waves: defaultdict[tuple[int, str, str], list[AskedItem]] = defaultdict(list)
    for item in items:
        waves[item.job, item.survey, item.item].append(item)
        by_repeat = [_by_agent(answers[item.key], replicate) for replicate in (0, 1)]
        if by_repeat[1]:
            yield _compared(item, f"repeats after step {item.step}", *by_repeat)
    for of_one in waves.values():
        for before, after in pairwise(of_one):
            then, now = (_by_agent(answers[one.key], 0) for one in (before, after))
            if then.keys() & now.keys():
                yield _compared(before, f"steps {before.step} and {after.step}", then, now)


def _by_agent(answers: Sequence[GivenAnswer], replicate: int) -> dict[str, GivenAnswer]:
    return {one.agent: one for one in answers if one.replicate == replicate and one.outcome == "ok"}


def _compared(
    item: AskedItem, compared: str, first: Mapping[str, GivenAnswer], then: Mapping[str, GivenAnswer]
) -> Reliability:
    pairs = [(first[agent].value, then[agent].value) for agent in first if agent in then]
    same = sum(one == other for one, other in pairs) / len(pairs) if pairs else None
    coefficient, value = _coefficient(item, pairs)
    return Reliability(item.job, item.survey, item.item, compared, len(pairs), same, coefficient, value)


def _coefficient(item: AskedItem, pairs: Sequence[tuple[Any, Any]]) -> tuple[Coefficient | None, float | None]:
    if item.type == "text":
        return None, None
    if item.type == "choice":
        return "kappa", _kappa(pairs)
    if item.type == "rank":
        taus = [_tau(one, other, item.options) for one, other in pairs]
        return "tau", sum(taus) / len(taus) if taus else None
    return "r", _pearson(pairs)


def _pearson(pairs: Sequence[tuple[float, float]]) -> float | None:
    if len(pairs) < _FEWEST_PAIRS:
        return None
    means = [math.fsum(pair[at] for pair in pairs) / len(pairs) for at in (0, 1)]
    apart = [(one - means[0], other - means[1]) for one, other in pairs]
    spread = math.fsum(one * one for one, _ in apart) * math.fsum(other * other for _, other in apart)
    return math.fsum(one * other for one, other in apart) / math.sqrt(spread) if spread else None


def _kappa(pairs: Sequence[tuple[Any, Any]]) -> float | None:
    if len(pairs) < _FEWEST_PAIRS:
        return None
    n = len(pairs)
    first, then = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    seen = sum(one == other for one, other in pairs) / n
    chance = sum(first[option] * then[option] for option in first) / n**2
    return None if chance == 1 else (seen - chance) / (1 - chance)


def _tau(one: Sequence[str], other: Sequence[str], options: Sequence[str]) -> float:
    """Kendall's tau-b of two orders, each of as many options; those that are not among them share the last place."""
    places = [{option: place for place, option in enumerate(order)} for order in (one, other)]
    agreeing = apart = 0
    for a, b in combinations(options, 2):
        first, then = (found.get(a, len(found)) - found.get(b, len(found)) for found in places)
        agreeing += (first * then > 0) - (first * then < 0)
        apart += first != 0
    return agreeing / apart


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
class ConfidenceInterval:
    """An estimate and its 95 % interval, whose ends are None where too few answered."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class OptionShare:
    """How often an option was chosen or, of a rank, put first; of a scale, one of its points."""

    option: str
    count: int
    share: ConfidenceInterval
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
    mean: ConfidenceInterval | None
    shares: tuple[OptionShare, ...]


@dataclass(frozen=True, slots=True)
class SurveyTables:
    """All that is told of the surveys of a run."""

    items: tuple[ItemTable, ...]
    reliability: tuple[Reliability, ...]
    #: Whether agents count for different numbers of people.
    is_weighted: bool
    #: Models that answered, `rule` for rules of the scenario; and whether the stand-in is among them.
    models: tuple[str, ...]
    has_stand_in: bool
    #: How far the answers are from people's, where those were given.
    benchmark: Sequence[BenchmarkDistance] = ()


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
        _grouped(run, by), chosen
    ).rows:
        told = None if value is None else orjson.loads(value)
        answers[job, name, step, item].append(GivenAnswer(agent, replicate, told, number, outcome, weight, group))
    items = [AskedItem(*row) for row in run.query(_ITEMS, chosen).rows]
    tables = [table for item in items for table in _tables(item, answers[item.key], is_grouped=by is not None)]
    weights = {one.weight for some in answers.values() for one in some}
    models = run.query(_MODELS, chosen).rows
    return SurveyTables(
        tuple(tables),
        tuple(measure_reliability(items, answers)),
        is_weighted=len(weights) > 1,
        models=tuple(model for model, _ in models),
        has_stand_in=not all(is_language_model for _, is_language_model in models),
    )


def _grouped(run: Queryable, by: str | None) -> str:
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


def _tables(item: AskedItem, answers: Sequence[GivenAnswer], *, is_grouped: bool) -> Iterable[ItemTable]:
    first = [one for one in answers if one.replicate == 0]
    yield _table(item, first, None)
    if is_grouped:
        for group in sorted({one.group or "" for one in first}):
            yield _table(item, [one for one in first if (one.group or "") == group], group or "(none)")


def _table(item: AskedItem, answers: Sequence[GivenAnswer], group: str | None) -> ItemTable:
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
        shares=tuple(_share(item, option, given) for option in item.named_options if given),
    )


def _share(item: AskedItem, option: str, given: Sequence[GivenAnswer]) -> OptionShare:
    chosen = [(_is_chosen(item, option, one.value), one.weight) for one in given]
    places = [(_place(option, one.value, len(item.options)), one.weight) for one in given if item.type == "rank"]
    place = sum(p * w for p, w in places) / sum(w for _, w in places) if places else None
    return OptionShare(option, sum(is_chosen for is_chosen, _ in chosen), weighted_share(chosen), place)


def _is_chosen(item: AskedItem, option: str, value: Any) -> bool:
    return bool(value[0] == option if item.type == "rank" else str(value) == option)


def _place(option: str, ranked: Sequence[str], options: int) -> float:
    """Return the place of an option; options that were not ranked share the last places."""
    return ranked.index(option) + 1.0 if option in ranked else (len(ranked) + 1 + options) / 2


def weighted_mean(values: Sequence[tuple[float, float]]) -> ConfidenceInterval:
    """Return the mean of values with their weights. Raises `ZeroDivisionError` if there are none."""
    total, n = math.fsum(w for _, w in values), len(values)
    mean = math.fsum(x * w for x, w in values) / total
    if n < 2:
        return ConfidenceInterval(mean, None, None)
    from scipy.stats import t

    error = math.sqrt(n / (n - 1) * math.fsum((w * (x - mean)) ** 2 for x, w in values)) / total
    reach = float(t.ppf(0.975, n - 1)) * error
    return ConfidenceInterval(mean, mean - reach, mean + reach)


def weighted_share(chosen: Sequence[tuple[bool, float]]) -> ConfidenceInterval:
    """Return the weighted share of those who chose. Raises `ZeroDivisionError` if there are none."""
    total = math.fsum(w for _, w in chosen)
    share = math.fsum(w for is_chosen, w in chosen if is_chosen) / total
    if len(chosen) < 2:
        return ConfidenceInterval(share, None, None)
    square = _Z * _Z * math.fsum(w * w for _, w in chosen) / total**2
    middle = (share + square / 2) / (1 + square)
    reach = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return ConfidenceInterval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def describe_surveys(tables: SurveyTables) -> list[Section]:
    """Describe the tables for a terminal: means, shares of options, and reliability."""
    shares = [(one, share) for one in tables.items for share in one.shares]
    return [
        section
        for section in (
            Section(
                "Answers",
                ("survey", "item", "step", "group", "asked", "answered", "don't know", "lost", "mean", "95 %"),
                ("VARCHAR", "VARCHAR", "INTEGER", "VARCHAR", *["INTEGER"] * 4, "DOUBLE", "VARCHAR"),
                [
                    (*_named(one), one.asked, one.answered, one.unsure, one.lost, *_told(one.mean, digits=2))
                    for one in tables.items
                ],
            ),
            Section(
                "Options, and points of scales",
                ("survey", "item", "step", "group", "option", "count", "%", "95 %", "place"),
                ("VARCHAR", "VARCHAR", "INTEGER", "VARCHAR", "VARCHAR", "INTEGER", "DOUBLE", "VARCHAR", "DOUBLE"),
                [
                    (
                        *_named(one),
                        share.option,
                        share.count,
                        *_told(share.share, times=100, digits=1),
                        _rounded(share.place),
                    )
                    for one, share in shares
                ],
            ),
            Section(
                "Reliability",
                ("survey", "item", "compared", "respondents", "same %", "coefficient", "value"),
                ("VARCHAR", "VARCHAR", "VARCHAR", "INTEGER", "DOUBLE", "VARCHAR", "DOUBLE"),
                [
                    (
                        _titled(one.survey, one.job),
                        one.item,
                        one.compared,
                        one.respondents,
                        None if one.same is None else round(100 * one.same, 1),
                        one.coefficient,
                        _rounded(one.value),
                    )
                    for one in tables.reliability
                ],
            ),
        )
        if section.rows
    ]


def _named(one: ItemTable) -> tuple[object, ...]:
    return _titled(one.survey, one.job), one.item, one.step, one.group or "all"


def _titled(survey: str, job: int) -> str:
    return survey if job == 1 else f"{survey} (job {job})"


def _told(found: ConfidenceInterval | None, *, digits: int, times: float = 1) -> tuple[object, ...]:
    if found is None:
        return None, None
    ends = "" if found.low is None or found.high is None else _ends(found.low * times, found.high * times, digits)
    return round(found.value * times, digits), ends


def _ends(low: float, high: float, digits: int) -> str:
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
