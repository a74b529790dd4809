"""What a selection is made from and what it came to: its rule, quota, targets and report."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import fsum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from ...core.errors import SetupError, SourceError, parameter
from ...core.inputs import read_number, resolve_file
from ...core.model import FrozenModel
from ...core.readers import read_rows
from ...core.spec import Spec

_WAY_OUT = "give a table with variable, value, and one of share, percent or count"
_AMOUNTS = ("share", "percent", "count")
#: Shares that were rounded for print add up to about one.
_TOLERANCE = 0.01


class Marginals(FrozenModel):
    """Shares that add up to 1 within each variable."""

    shares: dict[str, dict[str, float]] = Field(min_length=1)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables, in order."""
        return tuple(self.shares)


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
            return self.targets.variables
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
