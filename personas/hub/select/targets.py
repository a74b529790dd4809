"""Choosing by targets: people drawn so that several marginals are met at once, by raking and systematic sampling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import SetupError
from .arrays import Numbers
from .candidates import Candidates, Category
from .draw import draw_strata, draw_systematic, lots, unit_lot
from .marginals import Marginals
from .raking import Margin, Raked, rake
from .report import Breakdown, Raking, Report, Share
from .strata import Strata, stratify
from .wish import Wish

__all__ = ["choose_by_targets"]

type Reals = NDArray[np.float64]


def choose_by_targets(candidates: Candidates, wish: Wish, targets: Marginals) -> tuple[Numbers, Reals, Report]:
    """Rows of those chosen, in random order, with weights that bring them to the targets, and the report.

    The cells of all variables together are raked to the targets, none beyond the people it has; as many are drawn from
    each as that comes to, up or down to a whole number. A value that nobody has is reported, and the others of its
    variable make up for it. Raises `SetupError` when there are too few people.
    """
    # By place and not by name, because SQL does not mind the case of a column's name.
    wanted = list(targets.shares.values())
    shares = [_shares(category, values) for category, values in zip(candidates.categories, wanted, strict=True)]
    eligible, left_out = _eligible(candidates, shares)
    n = _possible(wish, len(eligible))
    strata = stratify(eligible.categories, len(eligible))
    fits = [_fit(strata, place, share) for place, share in enumerate(shares)]
    raked = rake(strata.counts.astype(float), [fit.margin(n) for fit in fits], most=strata.counts.astype(float))
    sizes = _brought_to(raked.sizes, strata.counts, n)
    got = draw_systematic(sizes, unit_lot(wish.seed))
    positions = draw_strata(strata.codes, got, lots(eligible.arrivals, wish.seed))
    weights = _weights(got, fits)
    breakdowns = [
        _breakdown(category, values, n, fit, [strata.counts, got, got * weights])
        for category, values, fit in zip(candidates.categories, wanted, fits, strict=True)
    ]
    raking = Raking(raked.rounds, raked.deviation)
    report = Report(len(candidates), wish.n, len(positions), left_out, breakdowns, raking)
    return eligible.rows[positions], weights[strata.codes[positions]], report


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """One variable: the value of each cell, and the share that each value is to have."""

    codes: Numbers
    shares: Reals

    def margin(self, total: float) -> Margin:
        return Margin(self.codes, self.shares * total)


def _shares(category: Category, wanted: Mapping[str, float]) -> Reals:
    return np.array([wanted.get(value, 0.0) for value in category.values], dtype=float)


def _eligible(candidates: Candidates, shares: list[Reals]) -> tuple[Candidates, dict[str, int]]:
    kept = np.ones(len(candidates), dtype=bool)
    left_out = {}
    for category, share in zip(candidates.categories, shares, strict=True):
        # The last place is that of those of whom nothing is known: their code is -1.
        asked = np.append(share > 0, False)[category.codes]
        if others := int((kept & ~asked).sum()):
            left_out[f"{category.name} is not among the targets"] = others
        kept &= asked
    if not kept.any():
        raise SetupError(
            f"Nobody among the {len(candidates):,} candidates has a value of every variable of the targets; the values "
            + "; ".join(f"of {c.name} are {', '.join(c.values[:20]) or 'not known'}" for c in candidates.categories)
            + "."
        )
    return candidates.those(kept), left_out


def _possible(wish: Wish, size: int) -> int:
    n = wish.n or 0
    if n > size and not wish.allow_fewer:
        raise SetupError(
            f"{n:,} people were asked for and {size:,} fit the targets; "
            "ask for fewer, or take what there is with --allow-fewer."
        )
    return min(n, size)


def _fit(strata: Strata, place: int, share: Reals) -> _Fit:
    """The variable's shares without those that nobody can fill, which the others make up for."""
    codes = strata.cells[:, place]
    held = np.where(np.bincount(codes, minlength=len(share)) > 0, share, 0.0)
    return _Fit(codes, held / held.sum())


def _brought_to(sizes: Reals, counts: Numbers, n: int) -> Reals:
    """The sizes scaled to sum up to `n`, none beyond its count; they do so already where the targets can be met."""
    sizes = np.minimum(sizes, counts)
    for _ in range(len(sizes) + 1):
        is_full = sizes >= counts
        lacking = n - float(sizes.sum())
        room = float(sizes[~is_full].sum())
        if abs(lacking) < 1e-9 * n or (lacking > 0 and room == 0):
            break
        base = sizes if lacking < 0 else np.where(is_full, 0.0, sizes)
        sizes = np.minimum(sizes + base * (lacking / float(base.sum())), counts)
    return _filled(sizes, counts, n)


def _filled(sizes: Reals, counts: Numbers, n: int) -> Reals:
    # Cells that contradictory targets emptied take what no other can.
    lacking = n - float(sizes.sum())
    if lacking < 1e-6:
        return sizes
    left = counts - sizes
    return sizes + left * (lacking / float(left.sum()))


def _weights(got: Numbers, fits: list[_Fit]) -> Reals:
    """What one of each cell counts for, 1 on average, so that the weighted sample meets what it can of the targets."""
    there = got > 0
    margins = [_present(fit, there).margin(float(got.sum())) for fit in fits]
    raked: Raked = rake(got[there].astype(float), margins)
    weights = np.zeros(len(got))
    weights[there] = raked.sizes / got[there]
    return weights * (got.sum() / float((weights * got).sum()))


def _present(fit: _Fit, there: NDArray[np.bool_]) -> _Fit:
    codes = fit.codes[there]
    shares = np.where(np.bincount(codes, minlength=len(fit.shares)) > 0, fit.shares, 0.0)
    return _Fit(codes, shares / shares.sum())


def _breakdown(
    category: Category, wanted: Mapping[str, float], n: int, fit: _Fit, cells: Sequence[Numbers | Reals]
) -> Breakdown:
    """By value what was wanted, and what candidates, chosen and weighted chosen come to; `cells` has those by cell."""
    sums = [np.bincount(fit.codes, weights=sizes, minlength=len(category.values)) for sizes in cells]
    shares = []
    for value, share in wanted.items():
        code = category.code(value)
        there, chosen, weighted = (0.0, 0.0, 0.0) if code is None else (float(by_value[code]) for by_value in sums)
        shares.append(Share((value,), int(there), share * n, int(chosen), weighted))
    return Breakdown((category.name,), tuple(shares))
