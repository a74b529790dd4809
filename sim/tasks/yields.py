"""The yield of a task while it runs: the one place where a job that makes data looks at what its answers become.

`Effects` notes each output when it is applied, in the order of agents, so whether a run pauses depends on the seed and
the answers alone. A pause raises `PausedError`: nothing new is asked, what is under way ends and stays in the file.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from ...agents.checks import CheckOutcome
from ...core.errors import PausedError, parameter
from ..runfile.rows import CheckRow, EmissionRow
from ..runfile.runlog import RunLog

#: The first answers, on which a check that rejects nearly all shows.
_FIRST = 20
#: Outputs after which the share that is accepted is first looked at; within a round, it is again at twice as many each.
_ENOUGH = 50
#: The confidence with which that share is below the least one.
_CONFIDENCE = 0.99
#: Outputs whose reasons are remembered.
_REMEMBERED = 1_000
#: Reasons that a pause gives, and the characters of each.
_REASONS, _LONGEST = 3, 240
#: What differs between reasons of one kind.
_PARTICULAR = re.compile(r"^In [\w.\[\]]+: |'[^']*'|\"[^\"]*\"|\d+")

_COMMITTED = "WHERE emission <= $first AND job = 1 ORDER BY emission"
_YIELD = "SELECT count(*), count(*) FILTER (status = 'accepted') FROM outputs"


class YieldWatch:
    """Pauses a task when one check rejects too large a share of the first answers, or too few outputs are accepted."""

    def __init__(self, log: RunLog, *, max_rejected: float, min_yield: float) -> None:
        """Count the outputs committed so far. Both limits are shares, as in `Limits`."""
        self._max_rejected, self._min_yield = max_rejected, min_yield
        #: Outputs so far, and those that may be accepted: near-duplicates are known at the end of a round.
        self._made, self._accepted = map(int, log.query(_YIELD)[0]) if log.may_hold(EmissionRow) else (0, 0)
        #: Reasons by check.
        self._rejected: defaultdict[str, list[str]] = defaultdict(list)
        self._count_rejected(log.rows(CheckRow, _COMMITTED, {"first": _REMEMBERED}))

    def note(self, emission: int, checks: Iterable[CheckRow]) -> None:
        """Count an output with its checks. Raises `PausedError` if it shows that too few pass."""
        found = list(checks)
        self._made = emission
        self._accepted += all(one.outcome != CheckOutcome.FAILED for one in found)
        if emission <= _REMEMBERED:
            self._count_rejected(found)
        if emission == _FIRST:
            self._check_rejected()
        if emission >= _ENOUGH and emission % _ENOUGH == 0 and (emission // _ENOUGH).bit_count() == 1:
            self._check_yield()

    def check(self, accepted: int) -> None:
        """Record how many outputs are accepted. Raises `PausedError` if it is clear that too few are."""
        self._accepted = accepted
        if self._made >= _ENOUGH:
            self._check_yield()

    def _check_yield(self) -> None:
        if not is_share_below(self._min_yield, self._accepted, self._made):
            return
        known = [reason for reasons in self._rejected.values() for reason in reasons]
        why = f" Reasons: {describe_reasons(known)}" if known else " The others are near-duplicates of earlier ones."
        raise PausedError(
            f"{self._accepted:,} of {self._made:,} outputs were accepted, so the yield is below {self._min_yield:.0%} "
            f"(with {_CONFIDENCE:.0%} confidence).{why} Change the model, the settings or the checks and begin anew, "
            f"or go on with {parameter('min_yield', 0)}."
        )

    @property
    def tried_first(self) -> int:
        """Turns that are worth waiting for before more are asked: until it is known whether answers pass at all."""
        return max(0, _FIRST - self._made) if self._max_rejected < 1 else 0

    def _count_rejected(self, checks: Iterable[CheckRow]) -> None:
        for one in checks:
            if one.outcome == CheckOutcome.FAILED:
                self._rejected[one.check].append(one.reason)

    def _check_rejected(self) -> None:
        for check, reasons in self._rejected.items():
            if len(reasons) > self._max_rejected * _FIRST:
                raise PausedError(
                    f"The check `{check}` rejected {len(reasons)} of the first {_FIRST} answers, more than "
                    f"{self._max_rejected:.0%}. Reasons: {describe_reasons(reasons)} Change the model, the settings or "
                    f"the check and begin anew, or go on with {parameter('max_rejected', 1)}."
                )


def is_share_below(least: float, hits: int, trials: int) -> bool:
    """Return whether the upper bound of the share of hits (one-sided Clopper-Pearson, 99 %) is below `least`."""
    if not 0 < least < 1 or hits >= least * trials:
        return False
    ways, (log_hit, log_miss) = math.lgamma(trials + 1), (math.log(least), math.log1p(-least))
    terms = (
        math.exp(ways - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_hit + (trials - k) * log_miss)
        for k in range(hits + 1)
    )
    return sum(terms) < 1 - _CONFIDENCE


def describe_reasons(reasons: Iterable[str]) -> str:
    """Return the commonest reasons, each with its count and an example.

    Reasons that differ only in quoted words and numbers are counted together.
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        alike[_PARTICULAR.sub("", reason)].append(reason)
    commonest = Counter({kind: len(some) for kind, some in alike.items()}).most_common(_REASONS)
    return " ".join(f"({number} of them) {alike[kind][0][:_LONGEST]}" for kind, number in commonest)
