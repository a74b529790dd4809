"""What the agents of a run answered to its surveys: weighted tables with intervals, by group, and how reliable it is.

Answers are weighted by `agents.weight`. The standard error of a weighted mean is that of a ratio, linearised (Lohr,
Sampling: Design and Analysis, 3rd ed. 2022, section 9.1), and its interval is Student's. The interval of a share is
Wilson's with the effective number of respondents, (sum of w)^2 / sum of w^2 (Kish 1965; Dean and Pagano 2015). Both say
how far the people whom the agents stand for may differ from the agents; of the agents themselves all are known.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from ..core.arrow import Ints
from ..core.errors import SetupError
from ..core.inputs import nearest
from ..core.result import Estimate, Note, Result, make_result
from .stats import bootstrap_interval, pearson_correlation, weighted_kappa
from .table import Queryable

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
    return pearson_correlation(*np.array(pairs, float).T)


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
class ItemTable(AskedItem):
    """The answers to one item in one wave, of all respondents or of one group."""

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
        **asdict(item),
        group=group,
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


#: The attributes that are compared, with the range of those that are ordered.
_ORDERED: Mapping[str, tuple[int, int]] = {
    "age_band": (0, 9),
    "education": (0, 8),
    **dict.fromkeys(("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"), (1, 5)),
}
_AGES = ("0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+")
_SURVEY = "identity"

_DRIFT_ANSWERS = """
SELECT a.job, a.step, a.agent, a.item, a.value, a.outcome, g.weight FROM answers AS a JOIN agents AS g USING (agent)
WHERE a.survey = $survey AND a.replicate = 0 ORDER BY a.job, a.step, a.rowid
"""
_ASKED = """
SELECT DISTINCT step FROM surveys JOIN jobs USING (job) WHERE survey = $survey AND (job = 1 OR status = 'finished')
"""
_HAS_PROFILES = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'profiles'"
_PROFILES = """
SELECT p.* EXCLUDE (evidence), evidence::VARCHAR AS evidence FROM profiles AS p JOIN agents ON agent = persona
"""
_DRIFT = ("job", "step", "attribute", "known_by", "respondents", "drift", "same")
_SPREAD = ("job", "step", "attribute", "respondents", "answers", "profiles", "ratio")


@dataclass(frozen=True, slots=True)
class _Pair:
    """One answer with what the profile says; None where it says nothing."""

    answer: Any
    profile: Any
    evidence: str
    weight: float


def has_answers(run: Queryable) -> bool:
    """Return whether the questionnaire was asked."""
    return bool(run.query(_ASKED, {"survey": _SURVEY}).rows)


def read_drift(run: Queryable, *, seed: int = 0) -> Result:
    """Measure drift and spread in each wave of the questionnaire; `seed` draws the intervals.

    The drift of an attribute is the mean distance of an answer from the agent's own profile: the difference over the
    range where it is ordered, else 0 or 1. Agents that are told their description alone (`persona_detail`) can know
    only what it states or implies, so attributes that a model assumed are shown apart.

    The spread is the variance of an ordered attribute, and 1 less the sum of squared shares of another one
    (Gini-Simpson, corrected for the number of respondents). Below 1, its ratio of answers to the profiles of the same
    respondents means that answers are more alike than people: variance collapse.

    Agents count by their weights; the correction is that for reliability weights, the sum of weights less the sum of
    their squares over it. Intervals are percentiles of a bootstrap of the respondents, 95 %.
    """
    profiles = _read_profiles(run)
    waves: defaultdict[tuple[int, int], dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    weights: dict[str, float] = {}
    ended = Counter[str]()
    for job, step, agent, item, value, outcome, weight in run.query(_DRIFT_ANSWERS, {"survey": _SURVEY}).rows:
        weights[agent] = weight
        ended["given" if outcome == "ok" and value is not None else "unsure" if outcome == "dont_know" else "lost"] += 1
        if outcome == "ok" and value is not None:
            waves[job, step][item][agent] = _code_answer(item, orjson.loads(value))
    drift: list[tuple[object, ...]] = []
    spread: list[tuple[object, ...]] = []
    for (job, step), items in waves.items():
        pairs = {item: _pair_answers(item, answers, profiles, weights) for item, answers in items.items()}
        drift += [(job, step, *row) for row in _measure_drift(pairs, seed)]
        spread += [(job, step, item, *_measure_spread(item, list(pairs[item].values()), seed)) for item in items]
    unsure, lost = (ended[name] / max(1, ended.total()) for name in ("unsure", "lost"))
    said = f'{unsure:.1%} of the items were answered with "don\'t know"; {lost:.1%} were not answered.'
    notes = [Note("unanswered", said)]
    if len(set(weights.values())) > 1:
        notes.append(Note("weights", "Agents count by their weights, which came with the selection they are from."))
    if not profiles:
        said = (
            "The run holds no profiles, so answers could not be compared with who the agents are: only their spread is "
            "shown. Profiles come with people of a hub that was enriched (`populace hub enrich HUB`)."
        )
        notes.append(Note("no_profiles", said))
    return make_result(
        "Drift: distance of answers from the agents' own profiles, 0 to 1",
        _DRIFT,
        drift,
        shares=("same",),
        notes=notes,
        parts=[
            make_result(
                "Spread: variance of answers beside that of profiles; a ratio below 1 is variance collapse",
                _SPREAD,
                spread,
            )
        ],
    )


def _read_profiles(run: Queryable) -> dict[str, dict[str, Any]]:
    ((there,),) = run.query(_HAS_PROFILES).rows
    if not there:
        return {}
    found = run.query(_PROFILES)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    return {str(row["persona"]): row | {"evidence": orjson.loads(row["evidence"])} for row in rows}


def _code_answer(item: str, value: Any) -> Any:
    """Return an answer in the terms of profiles: ordered answers become numbers."""
    if item == "age_band":
        return _AGES.index(value) if value in _AGES else None
    if item in ("education", "occupation_group"):
        return int(str(value).partition(":")[0])
    return value


def _pair_answers(
    item: str, answers: Mapping[str, Any], profiles: Mapping[str, Mapping[str, Any]], weights: Mapping[str, float]
) -> dict[str, _Pair]:
    found = {}
    for agent, answer in answers.items():
        profile = profiles.get(agent, {})
        known = profile.get(item)
        said = profile.get("evidence", {}).get(item, {}).get("evidence", "unknown")
        told = _code_answer(item, known) if item == "age_band" and known is not None else known
        found[agent] = _Pair(answer, told, said, weights[agent])
    return found


def _measure_distance(item: str, pair: _Pair) -> float:
    if item in _ORDERED:
        low, high = _ORDERED[item]
        return abs(float(pair.answer) - float(pair.profile)) / (high - low)
    # A profile names up to three values.
    return float(pair.answer not in pair.profile if item == "values" else pair.answer != pair.profile)


def _measure_drift(pairs: Mapping[str, Mapping[str, _Pair]], seed: int) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for basis in ("all", "stated or implied", "assumed"):
        by_agent: defaultdict[str, list[float]] = defaultdict(list)
        weights: dict[str, float] = {}
        for item, of_item in pairs.items():
            known = {a: p for a, p in of_item.items() if p.profile not in (None, []) and _is_of(p.evidence, basis)}
            distances = {agent: _measure_distance(item, pair) for agent, pair in known.items()}
            for agent, distance in distances.items():
                by_agent[agent].append(distance)
                weights[agent] = known[agent].weight
            if distances and basis == "all":
                alone = {agent: [distance] for agent, distance in distances.items()}
                found.append((item, basis, *_mean_distance(alone, weights, seed)))
        if by_agent:
            found.append(("(all)", basis, *_mean_distance(by_agent, weights, seed)))
    return found


def _is_of(evidence: str, basis: str) -> bool:
    return basis == "all" or (evidence == "assumed") == (basis == "assumed")


def _mean_distance(
    by_agent: Mapping[str, Sequence[float]], weights: Mapping[str, float], seed: int
) -> tuple[int, Estimate, float]:
    """Return the respondents, the mean distance, and the share of answers that are the very same as the profile's."""
    weight = np.array([weights[agent] for agent in by_agent])
    sums, counts, zeros = (
        weight * np.array([of(distances) for distances in by_agent.values()]) for of in (sum, len, _count_zeros)
    )

    def mean(chosen: Ints) -> float:
        return float(sums[chosen].sum() / counts[chosen].sum())

    return len(by_agent), bootstrap_interval(len(by_agent), mean, seed=seed), float(zeros.sum() / counts.sum())


def _count_zeros(distances: Sequence[float]) -> int:
    return sum(one == 0 for one in distances)


def _measure_spread(item: str, pairs: Sequence[_Pair], seed: int) -> tuple[int, float, float | None, Estimate | None]:
    known = [pair for pair in pairs if pair.profile not in (None, [])]
    measure: Callable[[Any, Any], float] = _measure_variance if item in _ORDERED else _measure_diversity
    profiles = _coded_alike([pair.profile[0] if item == "values" else pair.profile for pair in known], item)
    said, weight = _coded_alike([pair.answer for pair in known], item), np.array([pair.weight for pair in known])
    told = measure(profiles, weight)
    ratio = None
    if len(known) > 2 and told > 0:

        def relative_to_profiles(chosen: Ints) -> float:
            below = measure(profiles[chosen], weight[chosen])
            return measure(said[chosen], weight[chosen]) / below if below else float("nan")

        ratio = bootstrap_interval(len(known), relative_to_profiles, seed=seed)
    # Where profiles hold the attribute, both spreads and their ratio are of the same respondents.
    shown = known or pairs
    answers = measure(_coded_alike([pair.answer for pair in shown], item), np.array([pair.weight for pair in shown]))
    return len(shown), answers, told if known else None, ratio


def _coded_alike(values: Sequence[Any], item: str) -> Any:
    """Return the values as numbers: their own if they are ordered, else one number for each distinct value."""
    if item in _ORDERED or not values:
        return np.array(values, dtype=float)
    return np.unique(np.array([str(value) for value in values]), return_inverse=True)[1]


def _measure_variance(values: Any, weights: Any) -> float:
    """Return the weighted variance; with equal weights it is the sample variance."""
    whole = weights.sum()
    if len(values) < 2 or whole <= 0:
        return 0.0
    mean = (weights * values).sum() / whole
    below = whole - (weights**2).sum() / whole
    return float((weights * (values - mean) ** 2).sum() / below) if below > 0 else 0.0


def _measure_diversity(values: Any, weights: Any) -> float:
    """Return the weighted share of pairs of different respondents whose values differ."""
    whole, own = weights.sum() ** 2, (weights**2).sum()
    if len(values) < 2 or whole <= own:
        return 0.0
    same = np.bincount(values, weights=weights) ** 2 - np.bincount(values, weights=weights**2)
    return float(1 - same.sum() / (whole - own))
