"""What a selection is made from and came to: its rule, quota, targets and report; and seeded sampling."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import fsum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import orjson
from arro3.core import Array, DataType, dictionary_indices
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ...core.arrow import Floats, Ints
from ...core.errors import SetupError, SourceError, parameter
from ...core.inputs import read_number, resolve_file
from ...core.model import FrozenModel, Spec
from ...core.readers import read_rows
from ..dedup.word_sets import iter_blocks, word_sets

_WAY_OUT = "give a table with variable, value, and one of share, percent or count"
_AMOUNTS = ("share", "percent", "count")
#: Shares that were rounded for print add up to about one.
_TOLERANCE = 0.01


class Marginals(FrozenModel):
    """Shares that add up to 1 within each variable."""

    shares: dict[str, dict[str, float]] = Field(min_length=1)


def read_marginals(path: Path) -> Marginals:
    """Read the targets in a table with the columns variable, value and one of share, percent or count.

    Shares are scaled to exactly 1. Raises `SourceError` for whatever cannot be read or does not add up.
    """
    resolve_file(path)
    return _read_amounts(path, (row for _, row in read_rows(path, _WAY_OUT)))


def _read_amounts(path: Path, rows: Iterable[Mapping[str, Any]]) -> Marginals:
    amounts: dict[str, dict[str, float]] = {}
    unit = None
    for number, row in enumerate(rows, start=1):
        folded = {str(key).strip().lower(): value for key, value in row.items()}
        unit = unit or _find_unit(path, folded)
        variable, value = (_read_word(path, number, folded, key) for key in ("variable", "value"))
        values = amounts.setdefault(variable, {})
        if value in values:
            raise SourceError(f"The targets {str(path)!r}, row {number}: {variable} {value!r} stands there twice.")
        values[value] = _read_amount(path, number, folded.get(unit), unit)
    if unit is None:
        raise SourceError(f"The targets {str(path)!r} have no rows; give at least one variable and its values.")
    return Marginals(shares={name: _scale_amounts(path, name, values, unit) for name, values in amounts.items()})


def _find_unit(path: Path, row: Mapping[str, Any]) -> str:
    units = [name for name in _AMOUNTS if name in row]
    if not {"variable", "value"} <= row.keys() or len(units) != 1:
        raise SourceError(
            f"The targets {str(path)!r} have the columns {', '.join(row)}; "
            "there must be variable, value, and one of share, percent or count."
        )
    return units[0]


def _read_word(path: Path, number: int, row: Mapping[str, Any], key: str) -> str:
    word = "" if row.get(key) is None else str(row[key]).strip()
    if not word:
        raise SourceError(f"The targets {str(path)!r}, row {number}: there is no {key}.")
    return word


def _read_amount(path: Path, number: int, given: object, unit: str) -> float:
    amount = read_number(given)
    if not 0 <= amount < math.inf:
        raise SourceError(f"The targets {str(path)!r}, row {number}: {unit} is {given!r}; it must be a number from 0.")
    return amount


def _scale_amounts(path: Path, variable: str, values: Mapping[str, float], unit: str) -> dict[str, float]:
    total = math.fsum(values.values())
    whole = {"share": 1.0, "percent": 100.0, "count": total}[unit]
    if total <= 0 or abs(total - whole) > _TOLERANCE * whole:
        raise SourceError(
            f"The targets {str(path)!r}: the {unit}s of {variable} add up to {total:g} "
            f"instead of {whole if total else 'more than 0'!s}; add what is missing, or give counts."
        )
    return {value: amount / total for value, amount in values.items()}


#: By which rule people are chosen: all of them, at random, in proportion, in equal parts, by quota, to meet targets.
type SelectionRule = Literal["everybody", "random", "stratify", "balance", "quota", "targets"]

#: One share of a quota, `value:number`; a value with a comma or colon is quoted with double quotes.
_SHARE = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^",][^,]*?))\s*:\s*(\d{1,12})\s*(?:,|$)')

_RULES: tuple[SelectionRule, ...] = ("stratify", "balance", "quota", "targets")


class Quota(FrozenModel):
    """How many people are wanted of each value of a column."""

    column: str = Field(min_length=1)
    counts: dict[str, Annotated[int, Field(ge=1)]] = Field(min_length=1)

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        return f"{self.column}=" + ",".join(f"{_quote_value(value)}:{count}" for value, count in self.counts.items())


class SelectionSpec(Spec):
    """What a selection is asked for. Without `n` it has everybody who meets `where`, or as many as a quota asks for."""

    #: One condition in SQL over the columns of `people`; None for everybody.
    where: str | None = None
    n: int | None = Field(None, ge=1)
    #: Columns in whose combinations the chosen are spread as the candidates are.
    stratify: tuple[str, ...] = ()
    #: Columns whose combinations get equally many people each.
    balance: tuple[str, ...] = ()
    quota: Quota | None = None
    #: Shares that the chosen are to meet in several variables at once.
    targets: Marginals | None = None
    #: Whether people are chosen to be as unlike each other as possible instead of at random.
    diverse: bool = False
    seed: int = Field(0, ge=0, lt=2**63)
    #: What the selection, and the view of it, is called; None when it is not to be kept.
    name: str | None = None
    #: Whether near-duplicates may be chosen too.
    with_duplicates: bool = False
    #: Whether fewer than asked for will do where there are no more.
    allow_fewer: bool = False

    @property
    def rule(self) -> SelectionRule:
        """By which rule people are chosen."""
        return next(
            (rule for rule in _RULES if getattr(self, rule)), "random" if self.n or self.diverse else "everybody"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rule is about."""
        if self.targets is not None:
            return tuple(self.targets.shares)
        return (self.quota.column,) if self.quota is not None else self.stratify or self.balance

    @property
    def wanted(self) -> int | None:
        """How many people are asked for; None for everybody."""
        return self.quota.total if self.quota is not None else self.n

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        rules = [rule for rule in _RULES if getattr(self, rule)]
        if len(rules) > 1:
            raise SetupError(
                f"{parameter(rules[0])} and {parameter(rules[1])} are two rules for one choice; leave one out."
            )
        if self.quota is not None and self.n not in (None, self.quota.total):
            raise SetupError(
                f"{parameter('quota')} asks for {self.quota.total:,} people and {parameter('n')} for "
                f"{self.n:,}; leave one out."
            )
        if self.diverse and self.targets is not None:
            raise SetupError(
                f"{parameter('targets')} draws by weights and {parameter('diverse')} by distance; leave one out."
            )
        if self.wanted is None and (rules or self.diverse):
            raise SetupError(
                f"{parameter(rules[0] if rules else 'diverse')} needs to know how many "
                f"people to choose; add {parameter('n')}."
            )
        return self


def parse_quota(text: str) -> Quota:
    """Parse a quota written as `region=north:100,south:50`. Raises `SetupError`."""
    column, _, shares = text.partition("=")
    counts: dict[str, int] = {}
    at = 0
    while at < len(shares) and (share := _SHARE.match(shares, at)):
        value = share[1].replace('""', '"') if share[1] is not None else share[2]
        if value in counts:
            raise SetupError(f"{parameter('quota')} names {value!r} twice; add the two numbers up.")
        counts[value] = int(share[3])
        at = share.end()
    if not column.strip() or not counts or at < len(shares):
        raise SetupError(f"{parameter('quota')} is {text!r}; write it as COLUMN=VALUE:NUMBER,VALUE:NUMBER.")
    empty = next((value for value, count in counts.items() if count == 0), None)
    if empty is not None:
        raise SetupError(f"{parameter('quota')} asks for nobody of {empty!r}; leave it out, or give a number from 1.")
    return Quota(column=column.strip(), counts=counts)


def _quote_value(value: str) -> str:
    return value if _SHARE.fullmatch(f"{value}:1") and '"' not in value else '"' + value.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Share:
    """One value, or combination of values, of the columns that the choice goes by."""

    #: One value a column; None for nothing known.
    values: tuple[str | None, ...]
    candidates: int
    #: How many were wanted of it; a fraction where a share was asked for.
    wanted: float
    got: int
    #: How many those chosen count for, by their weights; only with targets.
    weighted: float | None = None

    @property
    def difference(self) -> float:
        """How many more there are than were wanted."""
        return self.got - self.wanted


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Wanted and got of every value that occurs or was asked for."""

    columns: tuple[str, ...]
    shares: tuple[Share, ...]

    @property
    def chi_square(self) -> float:
        """The sum of (got - wanted)^2 / wanted over all that was wanted: 0 when everything is met."""
        return fsum(share.difference**2 / share.wanted for share in self.shares if share.wanted)

    @property
    def largest_deviation(self) -> float:
        """The greatest difference, in people."""
        return max((abs(share.difference) for share in self.shares), default=0.0)

    @property
    def unfilled(self) -> tuple[Share, ...]:
        """What was wanted and no candidate has."""
        return tuple(share for share in self.shares if share.wanted and not share.candidates)


@dataclass(frozen=True, slots=True)
class Raking:
    """How the weights of the draw were found: rounds of fitting, and how far off the worst value stayed.

    `deviation` is a share of all; above some 1e-6 the targets cannot all be met by the candidates that there are.
    """

    rounds: int
    deviation: float


@dataclass(frozen=True, slots=True)
class Diversity:
    """How unlike each other those chosen are; Jaccard distances of the sets of words, 0 to 1."""

    #: Between the two who are most alike; None for one person alone.
    closest_pair: float | None
    #: From any candidate to the most similar of those chosen: the farthest, and the mean.
    radius: float
    mean_distance: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a selection came to."""

    #: Those who meet the condition.
    candidates: int
    #: How many were asked for; None for everybody.
    wanted: int | None
    chosen: int
    #: Candidates who could not be chosen, by the reason.
    left_out: Mapping[str, int] = field(default_factory=dict)
    breakdowns: Sequence[Breakdown] = ()
    raking: Raking | None = None
    diversity: Diversity | None = None

    def to_json(self) -> str:
        """Return the report as a JSON object, with chi-square and largest deviation of each breakdown."""
        told = asdict(self)
        for breakdown, written in zip(self.breakdowns, told["breakdowns"], strict=True):
            written |= {"chi_square": breakdown.chi_square, "largest_deviation": breakdown.largest_deviation}
        return orjson.dumps(told).decode()


def read_integers(column: NDArray[Any]) -> Ints:
    """Return a column of whole numbers as DuckDB gives it; -1 where there is none."""
    return np.ma.filled(column.astype(np.int64), -1)


type Keys = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15


def random_keys(numbers: Ints, seed: int) -> Keys:
    """Return a random key for each number, the same on every machine and for any version of NumPy.

    Keys are uniform over 64 bits. The mixing is SplitMix64's (Steele, Lea and Flood, 2014). A key depends on its number
    and the seed alone.
    """
    with np.errstate(over="ignore"):
        start = np.uint64(int(_mix_bits(np.array([seed + 1], dtype=np.uint64))[0]))
        return _mix_bits(numbers.astype(np.uint64) * np.uint64(_GOLDEN) + start)


def unit_random(seed: int) -> float:
    """Return one of 2^24 numbers in [0, 1) by the seed.

    Its difference from any whole number below 2^29 is exact.
    """
    return float(random_keys(np.array([-1], dtype=np.int64), seed)[0] >> np.uint64(40)) / 2**24


def draw_strata(codes: Ints, wanted: Ints, order: Keys) -> Ints:
    """Return the positions of the least keys in each stratum, as many as wanted of it, in ascending order of keys."""
    counts = np.bincount(codes, minlength=len(wanted))
    few = np.flatnonzero(order <= _find_bounds(wanted, counts)[codes])
    if (np.bincount(codes[few], minlength=len(wanted)) < wanted).any():
        few = np.arange(len(codes))
    by_stratum = few[np.lexsort((order[few], codes[few]))]
    held = np.bincount(codes[by_stratum], minlength=len(wanted))
    places = np.arange(len(by_stratum)) - np.repeat(np.cumsum(held) - held, held)
    taken = by_stratum[places < np.repeat(wanted, held)]
    return taken[np.argsort(order[taken])]


def _find_bounds(wanted: Ints, counts: Ints) -> Keys:
    """Return a key for each stratum below which there are almost surely as many as wanted.

    The rest need not be sorted.
    """
    reach = (wanted + 6 * np.sqrt(wanted) + 12) / np.maximum(counts, 1)
    return np.where(reach < 1, reach * 2.0**64, 0).astype(np.uint64) - np.where(reach < 1, 0, 1).astype(np.uint64)


def draw_systematic(expected: NDArray[np.float64], start: float) -> Ints:
    """Return how often each unit is drawn by steps of 1 from `start` along the cumulated expectations.

    This is systematic sampling with probability proportional to size (Madow, 1949). Each unit is drawn as often as
    expected, rounded up or down, and so is every run of consecutive units.
    """
    ends = np.cumsum(expected)
    # The sum is a whole number, which floats may miss slightly.
    ends[-1] = round(float(ends[-1]))
    passed = np.maximum(np.ceil(ends - start), 0).astype(np.int64)
    hits: Ints = np.diff(passed, prepend=np.int64(0))
    return hits


def _mix_bits(values: Keys) -> Keys:
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def allocate_proportionally(counts: Ints, n: int) -> Ints:
    """Share out `n` in proportion to `counts`, each within 1 of its exact share and never above its count.

    The method is that of largest remainders (Hamilton's). The earlier stratum comes first if two are equal. `n` is at
    most the sum.
    """
    total = int(counts.sum())
    # Whole numbers throughout: a product of 10^12 would lose its remainder as a float's fraction.
    shares, rest = np.divmod(counts.astype(np.int64) * n, total)
    left = n - int(shares.sum())
    shares[np.argsort(-rest, kind="stable")[:left]] += 1
    return shares


def allocate_equally(counts: Ints, n: int) -> Ints:
    """Share out `n` in equal parts; the remainder goes, one each, to the strata with the most candidates."""
    part, left = divmod(n, len(counts))
    shares = np.full(len(counts), part, dtype=np.int64)
    shares[np.argsort(-counts, kind="stable")[:left]] += 1
    return shares


_ROUNDS = 2_000
_ENOUGH = 1e-10
#: Cells that contradictory margins empty, or would let grow for ever, stay finite.
_TINY, _HUGE = 1e-200, 1e100


@dataclass(frozen=True, slots=True, eq=False)
class Margin:
    """One variable: the value of each cell (its place among the targets), and the share that each is to have."""

    codes: Ints
    shares: Floats


def rake_sizes(
    start: Floats, margins: Sequence[Margin], n: float, *, most: Floats | None = None
) -> tuple[Floats, Raking]:
    """Find the sizes nearest to `start` (by relative entropy) that meet the margins and sum up to `n`.

    No cell grows beyond `most`. The excess goes to the other cells of its values. If the margins contradict each other
    in the existing cells, the `deviation` of the raking says how far off the result is.
    """
    targets = [margin.shares * n for margin in margins]
    total = float(targets[0].sum())
    limit = most if most is not None else np.full(len(start), np.inf)
    free = start * (total / float(start.sum()))
    sizes, done = np.minimum(free, limit), 0
    for done in range(1, _ROUNDS + 1):  # noqa: B007 - the rounds it took
        before = sizes
        for margin, wanted in zip(margins, targets, strict=True):
            sums = _sum_margin(sizes, margin)
            factors = np.divide(wanted, sums, out=np.zeros_like(sums), where=sums > _TINY)
            free = np.minimum(free * factors[margin.codes], _HUGE)
            sizes = np.minimum(free, limit)
        if np.abs(sizes - before).max(initial=0.0) <= _ENOUGH * total:
            break
    missed = (
        np.abs(_sum_margin(sizes, margin) - wanted).max() for margin, wanted in zip(margins, targets, strict=True)
    )
    return sizes, Raking(done, float(max(missed)) / total)


def _sum_margin(sizes: Floats, margin: Margin) -> Floats:
    return np.bincount(margin.codes, weights=sizes, minlength=len(margin.shares))


type Distances = NDArray[np.float32]
type WordNumbers = NDArray[np.int32]

#: A word of at least one text in so many is kept as a column, because adding columns is fast.
_COMMON = 24


class WordSpace:
    """Texts under the Jaccard distance of their sets of words (1 - shared / all), which is a metric.

    Words are told apart by 48 bits of their hash.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._words, self._sizes = _read_words(texts)
        self._ends = np.cumsum(self._sizes, dtype=np.int64)
        self._index_words()

    def __len__(self) -> int:
        return len(self._sizes)

    def measure_distances(self, position: int) -> Distances:
        """Return the distances from the text at a position to every text, itself included."""
        end, size = int(self._ends[position]), int(self._sizes[position])
        shared = np.zeros(len(self), dtype=self._column_type)
        for word in self._words[end - size : end].tolist():
            if (column := self._columns.get(word)) is not None:
                shared += column
            else:
                # A text is listed once for each of its words, so plain indexing counts right.
                shared[self._texts[self._starts[word] : self._starts[word + 1]]] += 1
        both = shared.astype(np.int32)
        either = self._sizes + size - both
        similarity = np.divide(
            both, either, out=np.ones(len(self), dtype=np.float32), where=either > 0, dtype=np.float32
        )
        distances: Distances = np.float32(1) - similarity
        return distances

    def _index_words(self) -> None:
        """Index for each word the texts that have it: a list of them, or a column of zeros and ones."""
        texts = np.repeat(np.arange(len(self), dtype=np.int32), self._sizes)
        counts = np.bincount(self._words)
        self._texts = texts[_sort_order(self._words)]
        self._starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        self._column_type = np.min_scalar_type(int(self._sizes.max(initial=0)))
        self._columns = {
            int(word): self._make_column(int(word)) for word in np.flatnonzero(counts * _COMMON > len(self))
        }

    def _make_column(self, word: int) -> NDArray[np.unsignedinteger]:
        column = np.zeros(len(self), dtype=self._column_type)
        column[self._texts[self._starts[word] : self._starts[word + 1]]] = 1
        return column


def _read_words(texts: Iterable[str]) -> tuple[WordNumbers, WordNumbers]:
    """Read the words of each text by number, one text after the other, and how many words each has."""
    words, sizes = [], [np.empty(0, dtype=np.int32)]
    for block in iter_blocks(texts):
        sets = word_sets(block)
        words.append(sets.words)
        sizes.append(sets.sizes.astype(np.int32))
    return _number_words(words), np.concatenate(sizes)


def _number_words(words: Sequence[NDArray[np.uint64]]) -> WordNumbers:
    """Return the words by number, from 0 in the order in which they first occur."""
    whole = Array.from_numpy(np.concatenate([np.empty(0, np.uint64), *words]))
    encoded = whole.cast(DataType.dictionary(DataType.int32(), DataType.uint64()))
    return dictionary_indices(encoded).to_numpy()


def _sort_order(numbers: WordNumbers) -> Ints:
    """Return the stable sort order of the numbers: digit by digit, as 16 bits are sorted without comparing."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    if numbers.max(initial=0) >= 1 << 16:
        order = order[np.argsort((numbers >> 16).astype(np.uint16)[order], kind="stable")]
    return order


def farthest_first(
    space: WordSpace, n: int, *, strata: Ints | None = None, capacity: Ints | None = None
) -> tuple[Ints, Diversity]:
    """Choose `n` of the texts, beginning with the first, each next one the farthest from those chosen before.

    This is Gonzalez's greedy algorithm (1985). Whichever text is first, the radius is at most twice the least possible,
    and the closest pair at least half as far apart as is possible. `capacity` is the number wanted of each of the
    `strata`. With it, the farthest text is taken from strata with capacity left, and these bounds no longer hold.
    """
    left = np.array([n]) if capacity is None else capacity.copy()
    codes = np.zeros(len(space), dtype=np.int64) if strata is None else strata
    near: Distances = np.full(len(space), 2.0, dtype=np.float32)
    is_open = left[codes] > 0
    chosen: list[int] = []
    closest = 2.0
    while len(chosen) < n:
        position = int(np.argmax(np.where(is_open, near, np.float32(-1))))
        closest = min(closest, float(near[position]))
        chosen.append(position)
        np.minimum(near, space.measure_distances(position), out=near)
        is_open[position] = False
        stratum = codes[position]
        left[stratum] -= 1
        if left[stratum] == 0:
            is_open &= codes != stratum
    pair = closest if len(chosen) > 1 else None
    return np.array(chosen, dtype=np.int64), Diversity(pair, float(near.max()), float(near.mean(dtype=np.float64)))
