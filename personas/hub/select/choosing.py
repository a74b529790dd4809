"""The choice itself: from candidates and a wish to who is chosen, with what weight."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import SetupError
from .allotment import equal, proportional
from .arrays import Numbers
from .candidates import Candidates
from .diverse import WordSpace, farthest_first
from .draw import draw_strata, lots
from .report import Breakdown, Report, Share, Unlikeness
from .strata import Strata, stratify
from .targets import choose_by_targets
from .wish import Wish

__all__ = ["Choice", "choose"]

#: The texts of candidates, in the order of their rows.
type Texts = Callable[[Numbers], Iterable[str]]

_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Rows of those chosen, in order, what each counts for (1 on average), and how well that meets the wish."""

    rows: Numbers
    #: None where the choice is no sample: of people who are unlike each other nothing is estimated.
    weights: NDArray[np.float64] | None
    report: Report


def choose(candidates: Candidates, wish: Wish, texts: Texts) -> Choice:
    """Who is chosen. Raises `SetupError` when the wish cannot be met and fewer will not do."""
    if not len(candidates):
        raise SetupError("Nobody meets --where; choose by something that somebody has." if wish.where else _NOBODY)
    if wish.targets is not None:
        return Choice(*choose_by_targets(candidates, wish, wish.targets))
    eligible, left_out = _eligible(candidates, wish)
    strata = stratify(eligible.categories, len(eligible))
    wanted = _wanted(strata, wish, len(eligible))
    _check_enough(strata, wanted, wish)
    room = np.minimum(wanted, strata.counts)
    order = lots(eligible.arrivals, wish.seed)
    unlikeness = None
    if wish.diverse:
        positions, unlikeness = _unlike(eligible, strata, room, order, texts)
    elif wish.rule == "everybody":
        positions = np.arange(len(eligible))
    else:
        positions = draw_strata(strata.codes, room, order)
    weights = None if wish.diverse else _weights(strata, room)[strata.codes[positions]]
    breakdowns = [_breakdown(strata, wanted, room)] if wish.columns else []
    report = Report(len(candidates), wish.wanted, len(positions), left_out, breakdowns, None, unlikeness)
    return Choice(eligible.rows[positions], weights, report)


_NOBODY = "The hub has nobody to choose from; import or grow people first."


def _eligible(candidates: Candidates, wish: Wish) -> tuple[Candidates, dict[str, int]]:
    """Those whom the rule is about, and how many the others are. In proportion, unknown is a value like any other."""
    kept = np.ones(len(candidates), dtype=bool)
    left_out = {}
    for category in candidates.categories if wish.rule != "stratify" else ():
        known = category.codes >= 0
        if unknown := int((kept & ~known).sum()):
            left_out[f"{category.name} is not known"] = unknown
        kept &= known
    if wish.quota is not None:
        (category,) = candidates.categories
        asked = np.isin(
            category.codes, [code for value in wish.quota.counts if (code := category.code(value)) is not None]
        )
        if others := int((kept & ~asked).sum()):
            left_out[f"{category.name} is not in the quota"] = others
        _check_quota(candidates, wish)
        kept &= asked
    if not kept.any():
        raise SetupError(f"{' and '.join(wish.columns)} is known of nobody among the {len(candidates):,} candidates.")
    return candidates.those(kept), left_out


def _check_quota(candidates: Candidates, wish: Wish) -> None:
    (category,) = candidates.categories
    missing = [value for value in wish.quota.counts if category.code(value) is None] if wish.quota is not None else []
    if missing:
        values = ", ".join(map(repr, category.values[:20])) + (", ..." if len(category.values) > 20 else "")
        raise SetupError(
            f"Nobody among the {len(candidates):,} candidates has {category.name} {' or '.join(map(repr, missing))}; "
            f"the values are {values}."
        )


def _wanted(strata: Strata, wish: Wish, size: int) -> Numbers:
    """How many are wanted of each stratum."""
    if wish.quota is not None:
        return np.array([wish.quota.counts[str(strata.label(s)[0])] for s in range(len(strata))], dtype=np.int64)
    n = size if wish.n is None else wish.n
    if wish.balance:
        if n < len(strata):
            raise SetupError(
                f"{', '.join(wish.balance)} has {len(strata):,} values among the candidates, more than the {n:,} "
                "people to choose; ask for more people, or balance by something coarser."
            )
        return equal(strata.counts, n)
    if n > size:
        _refuse_shortage(wish, size)
        n = size
    return proportional(strata.counts, n)


def _refuse_shortage(wish: Wish, size: int) -> None:
    if not wish.allow_fewer:
        raise SetupError(
            f"{wish.wanted:,} people were asked for and {size:,} can be chosen; "
            "ask for fewer, or take what there is with --allow-fewer."
        )


def _check_enough(strata: Strata, wanted: Numbers, wish: Wish) -> None:
    short = np.flatnonzero(wanted > strata.counts)
    if not len(short) or wish.allow_fewer:
        return
    named = "; ".join(
        f"{_named(strata, stratum)}: {strata.counts[stratum]:,} of {wanted[stratum]:,}" for stratum in short[:_SHOWN]
    )
    more = f" and {len(short) - _SHOWN} more" if len(short) > _SHOWN else ""
    raise SetupError(
        f"There are too few candidates with {named}{more}; ask for fewer, or take what there is with --allow-fewer."
    )


def _named(strata: Strata, stratum: int) -> str:
    return ", ".join(f"{column} {value!r}" for column, value in zip(strata.columns, strata.label(stratum), strict=True))


def _unlike(
    eligible: Candidates, strata: Strata, room: Numbers, order: NDArray[np.uint64], texts: Texts
) -> tuple[Numbers, Unlikeness]:
    # In random order, so that the seed decides on the first and between those who are equally far.
    shuffled = np.argsort(order, kind="stable")
    space = WordSpace(texts(eligible.rows[shuffled]))
    found = farthest_first(space, int(room.sum()), strata=strata.codes[shuffled], room=room)
    return shuffled[found.positions], Unlikeness(found.closest_pair, found.radius, found.mean_distance)


def _weights(strata: Strata, got: Numbers) -> NDArray[np.float64]:
    """What one of each stratum counts for, so that weighted figures are those of all who could be chosen."""
    shares = strata.counts / strata.counts.sum()
    return np.divide(shares * got.sum(), got, out=np.zeros(len(got)), where=got > 0)


def _breakdown(strata: Strata, wanted: Numbers, got: Numbers) -> Breakdown:
    numbers = zip(strata.counts.tolist(), wanted.tolist(), got.tolist(), strict=True)
    return Breakdown(strata.columns, tuple(Share(strata.label(s), *n) for s, n in enumerate(numbers)))
