"""How near the answers of a society are to those of people: distances of distributions, by item and subgroup.

Of items with an order (Likert scales, numbers) the distance is Wasserstein's of order 1, divided by the range of the
item; of choices and ranks it is the total variation. Both lie between 0 (equal) and 1.

No sample equals the next one, so each distance stands beside its *noise ceiling*: the distance that two samples of the
people's own answers have, of the sizes of the two samples that are compared, by drawing them 1,000 times. What is
within the ceiling's 95 % cannot be told from people; what is beyond differs from them. The replicates of an arm ask the
same agents, so their answers count as one sample; of an agent who was asked several times the first answer counts.
Answers with weights are a smaller sample than their number: the square of the sum of weights over the sum of squares
(Kish, Survey Sampling, 1965).
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...personas.errors import SetupError, SourceError
from ...personas.inputs import nearest
from ..calibration import iter_rows
from ..evaluation import Reader

_DRAWS = 1_000
#: How many people shares stand for, where the file gives no numbers.
_SAMPLE = 1_000
_EXAMPLE = '{"item": "trust", "value": 4, "n": 120, "group": "rural"}'
_ITEMS = "SELECT DISTINCT item, type, low, high, options FROM surveys"
_HAS_ARMS = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'arms'"
#: The latest answers to each item; of an experiment with their arms, of a run without.
_ANSWERS = """
SELECT {arm}, s.item, coalesce(g.group_name, ''), coalesce(CAST(s.number AS VARCHAR), s.value ->> '$'),
       sum(g.weight) / {times}, sum(g.weight * g.weight) / {times}, count(*) / {times}
FROM answers AS s JOIN agents AS g USING ({by}agent)
WHERE s.outcome = 'ok' AND s.value IS NOT NULL AND s.{repeat} = 0
AND s.step = (SELECT max(step) FROM answers AS latest WHERE latest.item = s.item)
GROUP BY ALL
"""

#: How often each answer was given, by its text.
type Counts = Mapping[str, float]


@dataclass(slots=True)
class _Sample:
    """The answers of agents to one item."""

    counts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    squares: float = 0.0
    answers: float = 0.0

    def add(self, value: str, weight: float, square: float, answers: float) -> None:
        self.counts[value] += weight
        self.squares += square
        self.answers += answers

    @property
    def size(self) -> int:
        """The size of a sample without weights that is as exact."""
        return max(1, round(sum(self.counts.values()) ** 2 / self.squares)) if self.squares else 1


@dataclass(frozen=True, slots=True)
class _Item:
    """What an item of a survey allows as an answer."""

    type: str
    low: float | None
    high: float | None
    options: Sequence[str]

    @property
    def is_ordered(self) -> bool:
        return self.type in ("likert", "number")

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
            is_allowed = self.type != "choice" or value in map(_text, self.options)
            allowed = f"one of: {', '.join(self.options)}"
        if not is_allowed:
            raise SetupError(
                f"The item {name!r} takes {allowed}; people's answers hold {value!r}. "
                'Recode it, or leave its rows out, as those of "don\'t know".'
            )


@dataclass(frozen=True, slots=True)
class Nearness:
    """How far the answers of an arm are from those of people."""

    arm: str
    item: str
    #: Subgroup; empty for all.
    group: str
    #: Wasserstein or total variation, 0 to 1.
    distance: float
    measure: str
    #: The distance between two samples of the people's own answers: the mean, and what 95 % of them stay below.
    ceiling: float
    ceiling_95: float
    #: Answers of the society, and of people.
    answers: int
    people: int

    @property
    def is_within(self) -> bool:
        """Whether it cannot be told from the noise between samples of people."""
        return self.distance <= self.ceiling_95


def read_benchmark(path: Path) -> dict[tuple[str, str], dict[str, float]]:
    """People's answers by item and group (empty for all), with how often each was given.

    A JSONL or CSV file has `item` and `value` in each row, and perhaps `n` (or `share`) and `group`; without `n` a row
    is one person. The people of all groups are counted together too; shares are not, as they do not say how large a
    group is, and are scaled to a sum of 1. Raises `SourceError`, naming the line.
    """
    shares: dict[tuple[str, str], bool] = {}
    counted: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for line, row in iter_rows(path, _EXAMPLE):
        where = f"{str(path)!r}, line {line}"
        item, value = row.get("item"), row.get("value")
        if item in (None, "") or value in (None, ""):
            raise SourceError(f"{where} has no `item` or no `value`; write {_EXAMPLE}.")
        is_share = "n" not in row and "share" in row
        given = row["share"] if is_share else row.get("n", 1)
        try:
            number = float(given)
        except (TypeError, ValueError):
            number = -1.0
        if not number >= 0 or number == float("inf"):
            raise SourceError(f"{where} says that {given!r} people gave this answer; give a number from 0.")
        own = str(row.get("group") or "")
        for key in {(str(item), own)} if is_share else {(str(item), ""), (str(item), own)}:
            if shares.setdefault(key, is_share) != is_share:
                raise SourceError(
                    f"{where} mixes `n` and `share` for the item {item!r}; give one of them for all rows."
                )
            counted[key][_text(value)] += number
    if not counted:
        raise SourceError(f"{str(path)!r} holds no answers; write one a line, as {_EXAMPLE}.")
    for key, values in counted.items():
        if (total := sum(values.values())) and shares[key]:
            counted[key] = {value: number / total for value, number in values.items()}
    return {key: dict(values) for key, values in counted.items()}


def nearness(reader: Reader, people: Mapping[tuple[str, str], Counts]) -> list[Nearness]:
    """The distance of each arm's latest answers from people's, by item and subgroup.

    Where the file gives shares and no numbers, they stand for 1,000 people. Raises `SetupError` for an item that was
    not asked, and where nothing was.
    """
    items = {item: _Item(*of) for item, *of in reader.query(_ITEMS).rows}
    if not items:
        raise SetupError("There are no answers to compare with people's: the scenario declares no surveys.")
    for (item, _), values in people.items():
        if item not in items:
            raise SetupError(
                f"No survey asked the item {item!r}{nearest(item, items)}. Asked were: {', '.join(items)}."
            )
        for value in values:
            items[item].check(item, value)
    words = {"arm": "''", "by": "", "times": "1", "repeat": "replicate"}
    if reader.query(_HAS_ARMS).rows:
        times = "(SELECT replicates FROM experiment)"
        words = {"arm": "s.arm", "by": "arm, replicate, ", "times": times, "repeat": "repetition"}
    given: dict[tuple[str, str, str], _Sample] = defaultdict(_Sample)
    for arm, item, group, value, *numbers in reader.query(_ANSWERS.format(**words)).rows:
        for each in {"", group}:
            given[arm, item, each].add(_text(value), *numbers)
    rng = np.random.default_rng(0)
    found = []
    for (arm, item, group), ours in sorted(given.items(), key=lambda one: one[0]):
        if (theirs := people.get((item, group))) is not None:
            found.append(_compared(arm, item, group, ours, theirs, items[item], rng))
    return found


def _compared(
    arm: str,
    item: str,
    group: str,
    ours: _Sample,
    theirs: Counts,
    kind: _Item,
    rng: np.random.Generator,
) -> Nearness:
    low, high, is_ordered = kind.low, kind.high, kind.is_ordered
    values = sorted(ours.counts.keys() | theirs.keys(), key=lambda value: (_place(value), value))
    places = np.array([_place(value) for value in values]) if is_ordered else None
    reach = (high - low) if is_ordered and low is not None and high is not None and high > low else None
    one, other = (_shares(counts, values) for counts in (ours.counts, theirs))
    people = sum(theirs.values())
    sizes = ours.size, round(people) if people > 1.5 else _SAMPLE
    drawn = [rng.multinomial(size, other, _DRAWS) / size for size in sizes]
    noise = np.array([_distance(a, b, places, reach) for a, b in zip(*drawn, strict=True)])
    return Nearness(
        arm=arm,
        item=item,
        group=group,
        distance=_distance(one, other, places, reach),
        measure="wasserstein" if is_ordered else "total variation",
        ceiling=float(noise.mean()),
        ceiling_95=float(np.quantile(noise, 0.95)),
        answers=round(ours.answers),
        people=sizes[1],
    )


def _distance(
    one: NDArray[np.float64], other: NDArray[np.float64], places: NDArray[np.float64] | None, reach: float | None
) -> float:
    if places is None:
        return float(np.abs(one - other).sum() / 2)
    steps = np.diff(places)
    apart = np.abs(np.cumsum(one - other))[:-1]
    return float((apart * steps).sum() / (reach or max(float(steps.sum()), 1e-12)))


def _shares(counts: Counts, values: Sequence[str]) -> NDArray[np.float64]:
    given = np.array([counts.get(value, 0.0) for value in values])
    total = given.sum()
    return given / total if total else given


def _place(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0


def _text(value: object) -> str:
    """A value as both sides write it: 4, 4.0 and "4" are one."""
    try:
        number = float(str(value))
    except ValueError:
        return str(value).strip()
    return str(int(number)) if number.is_integer() else repr(number)
