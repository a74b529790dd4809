"""How well a selection meets what was wished for."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import fsum

import orjson

__all__ = ["Breakdown", "Raking", "Report", "Share", "Unlikeness"]


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
        """What was wanted and nobody can fill."""
        return tuple(share for share in self.shares if share.wanted and not share.candidates)


@dataclass(frozen=True, slots=True)
class Raking:
    """How the weights of the draw were found: rounds of fitting, and how far off the worst value stayed.

    `deviation` is a share of all; above some 1e-6 the targets cannot all be met by the candidates that there are.
    """

    rounds: int
    deviation: float


@dataclass(frozen=True, slots=True)
class Unlikeness:
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
    unlikeness: Unlikeness | None = None

    def to_json(self) -> str:
        """The report as a JSON object, with chi-square and largest deviation of each breakdown."""
        told = asdict(self)
        for breakdown, written in zip(self.breakdowns, told["breakdowns"], strict=True):
            written |= {"chi_square": breakdown.chi_square, "largest_deviation": breakdown.largest_deviation}
        return orjson.dumps(told).decode()
