"""How near the answers of agents are to those of people: distances of distributions, by item and group.

For items with an order (Likert scales, numbers) the distance is Wasserstein's of order 1, divided by the range of the
item; for choices and ranks it is the total variation. Both lie between 0 (equal) and 1.

*Test.* The null hypothesis is that both samples come from one distribution. That is estimated by the pooled answers,
from which 10,000 pairs of samples of the same sizes are drawn; the p value is the share of them with a greater
distance, plus half the share with an equal one (mid-p). For two options this is the E test (Storer and Kim, Exact
properties of some approximate test statistics for comparing two binomial proportions, 1990). Each item has its own
random stream, so that equal answers have equal p values. p values are corrected by Holm's method over all items and
groups of an arm.

*Interval.* These distances are norms of the difference of two distributions, so the distance found is off by at most
the norm of the sampling error (triangle inequality). The interval adds and subtracts the 95 % quantile of that norm,
from a parametric bootstrap of both samples. Before they are drawn from, four answers are added to each sample, spread
evenly over those that can be given (after Agresti and Coull, 1998): a sample of people who all say the same has an
error too.

*Equivalence.* Answers are equivalent to people's within a margin if an error as large as the gap between the distance
and the margin is improbable; these p values are corrected by Holm's method too.

*Size.* The unit is the agent. Weighted answers, and several answers of one agent (as in replicates with the same
people), count for less than their number: for the size of a simple random sample whose shares have the same
linearised variance, which is their number over the design effect (Kish, Survey Sampling, 1965, section 8.2).
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SetupError, SourceError, parameter
from ...core.inputs import nearest
from ...core.readers import read_rows
from ...core.result import Estimate, Result, make_result
from ..table import Reader
from .effects import corrected_p

type Floats = NDArray[np.float64]

_ALPHA = 0.05
#: Samples that are drawn: fewer of items with so many different answers that they would fill the memory.
_DRAWS = 10_000
_FEWEST_DRAWS = 1_000
_CELLS = 20_000_000
_PSEUDO_ANSWERS = 4
#: Points up to which each point of a scale counts as an answer that can be given.
_MOST_POINTS = 101
_ROUNDING = 1e-12
#: How many people shares stand for, as the file gives no number.
_SAMPLE = 1_000
_EXAMPLE = '{"item": "trust", "value": 4, "n": 120, "group": "rural"}'
_ITEMS = "SELECT DISTINCT item, type, low, high, options FROM surveys"
_HAS_ARMS = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'arms'"
#: The latest answers to each item by value: sums over agents of weights, of their squares, and of their products with
#: all the weight of the agent, from which the variance of shares follows; agents, and answers.
_ANSWERS = """
WITH latest AS (
    SELECT *, {arm} AS of_arm FROM answers WHERE {repeat} = 0 AND ($survey IS NULL OR survey = $survey)
    QUALIFY rank() OVER (PARTITION BY of_arm, item ORDER BY job DESC, step DESC) = 1
),
given AS (
    SELECT s.of_arm, s.item, coalesce(g.group_name, '') AS own, s.agent,
           coalesce(CAST(s.number AS VARCHAR), s.value ->> '$') AS value, sum(g.weight) AS weight, count(*) AS answers
    FROM latest AS s JOIN agents AS g USING ({by}agent)
    WHERE s.outcome = 'ok' AND s.value IS NOT NULL AND g.weight > 0
    GROUP BY ALL
),
grouped AS (SELECT *, unnest(list_distinct(['', own])) AS of_group FROM given),
summed AS (SELECT *, sum(weight) OVER (PARTITION BY of_arm, item, of_group, agent) AS whole FROM grouped)
SELECT of_arm, item, of_group, value, sum(weight), sum(weight * weight), sum(weight * whole),
       sum(weight / whole), sum(answers)
FROM summed GROUP BY ALL ORDER BY ALL
"""


@dataclass(slots=True)
class PeopleAnswers:
    """People's answers to an item: how often each was given."""

    counts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    squares: float = 0.0
    #: What the file gives: numbers of people, shares of an unknown number, or a weight of each person.
    unit: str = "n"

    @property
    def size(self) -> int:
        """The size of a simple random sample that is as exact."""
        total = sum(self.counts.values())
        if self.unit == "share":
            return _SAMPLE
        return max(1, round(total**2 / self.squares if self.unit == "weight" and self.squares else total))


@dataclass(slots=True)
class AgentAnswers:
    """The answers of agents to an item, as the columns of `_ANSWERS`."""

    sums: dict[str, Floats] = field(default_factory=lambda: defaultdict(lambda: np.zeros(3)))
    agents: float = 0.0
    answers: float = 0.0

    def add(self, value: str, weight: float, squares: float, products: float, agents: float, answers: float) -> None:
        """Add the answers of a value."""
        self.sums[value] += weight, squares, products
        self.agents += agents
        self.answers += answers

    @property
    def size(self) -> int:
        """The size of a simple random sample that is as exact."""
        weight, squares, products = np.array(list(self.sums.values())).T
        total, share = weight.sum(), weight / weight.sum()
        if len(share) == 1 or self.agents < 1.5:
            return max(1, round(float(total**2 / products.sum())))
        variance = (squares - 2 * share * products + share**2 * products.sum()).sum() / total**2
        # Both the variance and that of one answer are less in samples than in what they are drawn from.
        size = 1 + (1 - (share**2).sum()) / max(variance, _ROUNDING) * (1 - 1 / self.agents)
        return max(1, round(min(float(size), self.answers)))


@dataclass(frozen=True, slots=True)
class SurveyedItem:
    """What an item of a survey allows as an answer."""

    type: str
    low: float | None
    high: float | None
    options: Sequence[str]

    @property
    def is_ordered(self) -> bool:
        """Whether some answers are nearer to each other than others."""
        return self.type in ("likert", "number")

    @property
    def range(self) -> float | None:
        """The distance of the ends of a scale; None where it has none."""
        if not self.is_ordered or self.low is None or self.high is None or self.high <= self.low:
            return None
        return self.high - self.low

    @property
    def possible(self) -> set[str]:
        """Answers that can be given; of a number its ends, of a rank none."""
        if self.type == "choice":
            return set(map(_normalise_value, self.options))
        if self.low is None or self.high is None or self.range is None:
            return set()
        points = np.arange(self.low, self.high + 1) if self.type == "likert" and self.range < _MOST_POINTS else ()
        return {_normalise_value(point) for point in (*points, self.low, self.high)}

    def check(self, name: str, value: str) -> None:
        """Raise `SetupError` for a value of people that no agent could have given."""
        if self.is_ordered:
            low, high = (math.inf * sign if end is None else end for sign, end in ((-1, self.low), (1, self.high)))
            try:
                is_allowed = low <= float(value) <= high
            except ValueError:
                is_allowed = False
            allowed = f"a number from {low:g} to {high:g}"
        else:
            is_allowed = self.type != "choice" or value in map(_normalise_value, self.options)
            allowed = f"one of: {', '.join(self.options)}"
        if not is_allowed:
            raise SetupError(
                f"The item {name!r} takes {allowed}; people's answers hold {value!r}. "
                'Recode it, or leave its rows out, as those of "don\'t know".'
            )


def read_benchmark(path: Path) -> dict[tuple[str, str], PeopleAnswers]:
    """Read people's answers by item and group (empty for all), with how often each was given.

    A JSONL or CSV file has `item` and `value` in each row, and optionally `n`, `share` or `weight`, and `group`. `n` is
    a number of people. A row with a `weight`, or with none of the three, is one person. The people of all groups are
    also counted together. Shares are not, because they do not say how large a group is. Raises `SourceError`, naming
    the line.
    """
    found: dict[tuple[str, str], PeopleAnswers] = {}
    for line, row in read_rows(path, f"write one answer a line, as {_EXAMPLE}"):
        where = f"{str(path)!r}, line {line}"
        item, value = row.get("item"), row.get("value")
        if item in (None, "") or value in (None, ""):
            raise SourceError(f"{where} has no `item` or no `value`; write {_EXAMPLE}.")
        unit = next((name for name in ("n", "share", "weight") if name in row), "n")
        given = row.get(unit, 1)
        try:
            number = float(given)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number < math.inf:
            raise SourceError(f"{where} says that {given!r} people gave this answer; give a number from 0.")
        own = str(row.get("group") or "")
        for key in {(str(item), own)} if unit == "share" else {(str(item), ""), (str(item), own)}:
            answers = found.setdefault(key, PeopleAnswers(unit=unit))
            if answers.unit != unit:
                raise SourceError(
                    f"{where} mixes `{answers.unit}` and `{unit}` for the item {item!r}; give one of them for all rows."
                )
            answers.counts[_normalise_value(value)] += number
            answers.squares += number**2
    if not found:
        raise SourceError(f"{str(path)!r} holds no answers; write one a line, as {_EXAMPLE}.")
    for (item, group), answers in found.items():
        if not sum(answers.counts.values()):
            of_group = f" of the group {group!r}" * bool(group)
            raise SourceError(f"{str(path)!r} says that nobody{of_group} answered {item!r}; leave its rows out.")
    return found


def measure_distances(
    reader: Reader,
    people: Mapping[tuple[str, str], PeopleAnswers],
    *,
    margin: float | None = None,
    survey: str | None = None,
) -> Result:
    """Measure how far the latest answers of each arm, or of a single run, are from people's, by item and group.

    `survey` restricts the comparison to the answers to this survey. Raises `SetupError` if an item was not asked, if no
    survey was asked, or if the margin is not between 0 and 1.
    """
    if margin is not None and not 0 < margin < 1:
        raise SetupError(f"{parameter('margin')} must lie between 0 and 1, as distances do, but {margin!r} was given.")
    items = {item: SurveyedItem(*of) for item, *of in reader.query(_ITEMS).rows}
    if not items:
        raise SetupError(
            "There are no answers to compare with people's: nobody was asked a survey. Declare `surveys` in the "
            "scenario, or ask a finished run: `populace survey RUN FILE.py`."
        )
    for (item, _), asked in people.items():
        if item not in items:
            raise SetupError(
                f"No survey asked the item {item!r}{nearest(item, items)}. Asked were: {', '.join(items)}."
            )
        for value in asked.counts:
            items[item].check(item, value)
    words = {"arm": "''", "by": "", "repeat": "replicate"}
    if reader.query(_HAS_ARMS).rows:
        words = {"arm": "arm", "by": "arm, replicate, ", "repeat": "repetition"}
    given: dict[tuple[str, str, str], AgentAnswers] = defaultdict(AgentAnswers)
    for arm, item, group, value, *numbers in reader.query(_ANSWERS.format(**words), {"survey": survey}).rows:
        given[arm, item, group].add(_normalise_value(value), *numbers)
    rows: list[tuple[object, ...]] = []
    for arm in sorted({arm for arm, *_ in given}):
        keys = [key for key in sorted(given) if key[0] == arm and key[1:] in people]
        found = [compare_item(given[key], people[key[1:]], items[key[1]], key[1], margin) for key in keys]
        differs = corrected_p([p for _, _, p, _ in found], "holm").tolist()
        outside = corrected_p([p for *_, p in found], "holm").tolist()
        for key, (distance, noise, p, _), corrected, q in zip(keys, found, differs, outside, strict=True):
            within = None if margin is None else q
            sizes = (round(given[key].agents), people[key[1:]].size)
            rows.append((*key, distance, noise, p, corrected, within, *sizes, _judge_distance(corrected, within)))
    names = ("arm", "item", "group", "distance", "noise", "p", "p_corrected", "p_within_margin", "agents", "people")
    return make_result("Distance from people's answers", (*names, "verdict"), rows)


def _judge_distance(p: float, p_within_margin: float | None) -> str:
    """Return `equivalent` within the margin, `differs` (not shown to be within it), or `undecided`."""
    if p_within_margin is not None and p_within_margin < _ALPHA:
        return "equivalent"
    return "differs" if p < _ALPHA else "undecided"


def compare_item(
    ours: AgentAnswers, theirs: PeopleAnswers, kind: SurveyedItem, item: str, margin: float | None = None
) -> tuple[Estimate, float, float, float]:
    """Measure the distance of the answers to one item, before p values are corrected.

    Return the distance with its interval, the mean distance of two samples of these sizes from one distribution, the p
    value of the test that both come from one, and that of not being within the margin (1 without a margin).
    """
    values = sorted(ours.sums.keys() | theirs.counts.keys() | kind.possible, key=lambda one: (_scale_place(one), one))
    places = np.array([_scale_place(value) for value in values]) if kind.is_ordered else None
    shares = [
        np.array([counts.get(value, 0.0) for value in values])
        for counts in ({value: sums[0] for value, sums in ours.sums.items()}, theirs.counts)
    ]
    shares = [one / one.sum() for one in shares]
    sizes = np.array([ours.size, theirs.size])
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(item.encode()).digest()[:8]))
    draws = max(_FEWEST_DRAWS, min(_DRAWS, _CELLS // len(values)))

    def measure_norm(difference: Floats) -> Floats:
        return _measure_norm(difference, places, kind.range)

    def sampling_errors(drawn_from: Sequence[Floats]) -> Floats:
        """Return the norms of the sampling error of the difference."""
        one, other = (
            rng.multinomial(size, share, draws) / size - share for size, share in zip(sizes, drawn_from, strict=True)
        )
        return measure_norm(one - other)

    distance = float(measure_norm(shares[0] - shares[1]))
    pooled = (sizes @ np.array(shares)) / sizes.sum()
    chance = sampling_errors([pooled, pooled])
    is_equal = np.abs(chance - distance) <= _ROUNDING
    p = float(((chance > distance) & ~is_equal).mean() + is_equal.mean() / 2)
    added = _PSEUDO_ANSWERS / len(values)
    error = sampling_errors([(n * s + added) / (n + _PSEUDO_ANSWERS) for n, s in zip(sizes, shares, strict=True)])
    reach = float(np.quantile(error, 1 - _ALPHA))
    outside = 1.0 if margin is None else float((error >= margin - distance - _ROUNDING).mean())
    interval = Estimate(distance, max(0.0, distance - reach), min(1.0, distance + reach))
    return interval, float(chance.mean()), p, outside


def _measure_norm(difference: Floats, places: Floats | None, reach: float | None) -> Floats:
    """Return half the sum of the share differences, or the area between two distribution functions over their range."""
    if places is None:
        return np.abs(difference).sum(axis=-1) / 2
    steps = np.diff(places)
    apart = np.abs(np.cumsum(difference, axis=-1))[..., :-1]
    return (apart @ steps) / (reach or max(float(steps.sum()), _ROUNDING))


def _scale_place(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0


def _normalise_value(value: object) -> str:
    """Return a value as both sides write it: 4, 4.0 and "4" are the same."""
    try:
        number = float(str(value))
    except ValueError:
        return str(value).strip()
    return str(int(number)) if number.is_integer() else repr(number)
