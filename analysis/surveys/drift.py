"""Persona drift and variance collapse: how far agents answer as those they are said to be, and how varied they are.

Both are read from the answers to the fixed questionnaire (`sim/survey/survey.py`) and the profiles of the agents.

- *Drift* of an attribute is the mean distance of an answer from the agent's own profile: 0 where it is the same, 1
  where it is as far as can be. Of an ordered attribute the distance is the difference over the range, of another one 0
  or 1.
  Where agents are told their description alone (`persona_detail`), only what the description states or implies can be
  known to them, so those attributes are shown apart from the ones that a model assumed.
- *Spread* is the variance of an ordered attribute and 1 less the sum of squared shares of another one (Gini-Simpson,
  corrected for the number of respondents). Its ratio, answers over profiles of the same respondents, is below 1 where
  the answers of different people are more alike than the people: variance collapse.

Agents count by their weights (`agents.weight`): in means, and in the spread, where the correction for the number of
respondents is that for reliability weights, the sum of weights less the sum of their squares over it. Intervals are of
95 %, from samples of the respondents, with their weights, with replacement (percentiles of a bootstrap).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from ...core.arrow import Ints
from ...core.result import Estimate, Note, Result, make_result
from ..stats import bootstrap
from ..table import Queryable

#: The attributes that are compared, with the range of those that are ordered.
_ORDERED: Mapping[str, tuple[int, int]] = {
    "age_band": (0, 9),
    "education": (0, 8),
    **dict.fromkeys(("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"), (1, 5)),
}
_AGES = ("0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+")
_SURVEY = "identity"

_ANSWERS = """
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
_MODELS = """
SELECT DISTINCT a.model, a.model = 'rule' OR j.is_language_model
FROM answers AS a JOIN jobs AS j USING (job) WHERE survey = $survey
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


def has_answers(run: Queryable, *, step: int | None = None) -> bool:
    """Return whether the questionnaire was asked, after this step if one is given."""
    found = run.query(_ASKED, {"survey": _SURVEY}).rows
    return bool(found) if step is None else (step,) in found


def read_drift(run: Queryable, *, seed: int = 0) -> Result:
    """Measure drift and spread in each wave of the questionnaire; `seed` draws the intervals."""
    profiles = _read_profiles(run)
    waves: defaultdict[tuple[int, int], dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    weights: dict[str, float] = {}
    ended = Counter[str]()
    for job, step, agent, item, value, outcome, weight in run.query(_ANSWERS, {"survey": _SURVEY}).rows:
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

    return len(by_agent), bootstrap(len(by_agent), mean, seed=seed), float(zeros.sum() / counts.sum())


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

        def of(chosen: Ints) -> float:
            below = measure(profiles[chosen], weight[chosen])
            return measure(said[chosen], weight[chosen]) / below if below else float("nan")

        ratio = bootstrap(len(known), of, seed=seed)
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
