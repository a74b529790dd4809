"""Choosing from candidates by the rule of a specification: who is chosen, with what weight."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.arrow import Floats, Ints
from ...core.errors import SetupError, parameter
from .candidates import Candidates, Category, Strata, stratify
from .spec import (
    Breakdown,
    Diversity,
    Margin,
    Marginals,
    Report,
    SelectionSpec,
    Share,
    WordSpace,
    allocate_equally,
    allocate_proportionally,
    draw_strata,
    draw_systematic,
    farthest_first,
    rake,
    random_keys,
    unit_random,
)


def _choose_by_targets(candidates: Candidates, spec: SelectionSpec, targets: Marginals) -> tuple[Ints, Floats, Report]:
    """Choose personas by targets: rows in random order, weights that bring them to the targets, and the report.

    The cells of all variables together are raked to the targets, none beyond the personas it has. Each cell gives that
    many personas, rounded up or down to a whole number. If fewer are allowed, a value that no candidate has is
    reported, and the other values of its variable make up for it. Raises `SetupError` if fewer are not allowed, and if
    there are too few personas.
    """
    # By place and not by name, because names in SQL are case-insensitive.
    wanted = list(targets.shares.values())
    shares = [
        np.array([values.get(value, 0.0) for value in category.values], dtype=float)
        for category, values in zip(candidates.categories, wanted, strict=True)
    ]
    eligible, left_out = _keep_asked(candidates, wanted, "is not among the targets")
    if not len(eligible):
        raise SetupError(
            f"Nobody among the {len(candidates):,} candidates has a value of every variable of the targets; the values "
            + "; ".join(f"of {c.name} are {', '.join(c.values[:20]) or 'not known'}" for c in candidates.categories)
            + "."
        )
    _check_met(candidates, spec, targets)
    if (spec.n or 0) > len(eligible):
        _refuse_shortage(spec, f"{len(eligible):,} fit the targets")
    n = min(spec.n or 0, len(eligible))
    strata = stratify(eligible.categories, len(eligible))
    fits = [_fit_margin(strata.cells[:, place], share) for place, share in enumerate(shares)]
    raked, raking = rake(strata.counts.astype(float), fits, n, most=strata.counts.astype(float))
    sizes = _brought_to(raked, strata.counts, n)
    got = draw_systematic(sizes, unit_random(spec.seed))
    positions = draw_strata(strata.codes, got, random_keys(eligible.arrivals, spec.seed))
    weights = _target_weights(got, fits)
    breakdowns = [
        _target_breakdown(category, values, n, fit, [strata.counts, got, got * weights])
        for category, values, fit in zip(candidates.categories, wanted, fits, strict=True)
    ]
    report = Report(len(candidates), spec.n, len(positions), left_out, breakdowns, raking)
    return eligible.rows[positions], weights[strata.codes[positions]], report


def _keep_asked(
    candidates: Candidates, asked: Iterable[Mapping[str, float] | None], why: str
) -> tuple[Candidates, dict[str, int]]:
    """Return the candidates who have a value asked of each column (None: a known one), and how many are left out."""
    kept = np.ones(len(candidates), dtype=bool)
    left_out = {}
    for category, values in zip(candidates.categories, asked, strict=True):
        codes = [code for code, value in enumerate(category.values) if values is None or values.get(value, 0) > 0]
        is_asked = np.isin(category.codes, codes)
        if others := int((kept & ~is_asked).sum()):
            left_out[f"{category.name} {why}"] = others
        kept &= is_asked
    return candidates.those(kept), left_out


def _check_met(candidates: Candidates, spec: SelectionSpec, targets: Marginals) -> None:
    for category, values in zip(candidates.categories, targets.shares.values(), strict=True):
        missing = [value for value, share in values.items() if share and category.code(value) is None]
        if missing and not spec.allow_fewer:
            raise SetupError(
                f"{parameter('targets')} asks for {values[missing[0]]:.1%} with {category.name} {missing[0]!r}, and "
                f"none of the {len(candidates):,} candidates has it; leave it out of the targets, or let the other "
                f"values make up for it with {parameter('allow_fewer', True)}."
            )


def _fit_margin(codes: Ints, share: Floats) -> Margin:
    """Return the variable's shares without values that no candidate has; the others are scaled up."""
    held = np.where(np.bincount(codes, minlength=len(share)) > 0, share, 0.0)
    return Margin(codes, held / held.sum())


def _brought_to(sizes: Floats, counts: Ints, n: int) -> Floats:
    """Scale the sizes to sum up to `n`, none beyond its count; they already do if the targets can be met."""
    sizes = np.minimum(sizes, counts)
    for _ in range(len(sizes) + 1):
        is_full = sizes >= counts
        lacking = n - float(sizes.sum())
        capacity = float(sizes[~is_full].sum())
        if abs(lacking) < 1e-9 * n or (lacking > 0 and capacity == 0):
            break
        base = sizes if lacking < 0 else np.where(is_full, 0.0, sizes)
        sizes = np.minimum(sizes + base * (lacking / float(base.sum())), counts)
    # Cells emptied by contradictory targets take what no other cell can.
    lacking = n - float(sizes.sum())
    if lacking < 1e-6:
        return sizes
    left = counts - sizes
    return sizes + left * (lacking / float(left.sum()))


def _target_weights(got: Ints, fits: list[Margin]) -> Floats:
    """Return the weight of one persona of each cell, 1 on average, to meet what the sample can of the targets."""
    there = got > 0
    present = [_fit_margin(fit.codes[there], fit.shares) for fit in fits]
    raked, _ = rake(got[there].astype(float), present, float(got.sum()))
    weights = np.zeros(len(got))
    weights[there] = raked / got[there]
    return weights * (got.sum() / float((weights * got).sum()))


def _target_breakdown(
    category: Category, wanted: Mapping[str, float], n: int, fit: Margin, cells: Sequence[Ints | Floats]
) -> Breakdown:
    """Return wanted, candidates, chosen and weighted chosen by value; `cells` gives the last three by cell."""
    sums = [np.bincount(fit.codes, weights=sizes, minlength=len(category.values)) for sizes in cells]
    shares = []
    for value, share in wanted.items():
        code = category.code(value)
        there, chosen, weighted = (0.0, 0.0, 0.0) if code is None else (float(by_value[code]) for by_value in sums)
        shares.append(Share((value,), int(there), share * n, int(chosen), weighted))
    return Breakdown((category.name,), tuple(shares))


#: The texts of candidates, in the order of their rows.
type Texts = Callable[[Ints], Iterable[str]]

_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class ChosenPeople:
    """Rows of those chosen, in order, what each counts for (1 on average), and how well that meets the spec."""

    rows: Ints
    #: None where the choice is no sample: of people who are unlike each other nothing is estimated.
    weights: NDArray[np.float64] | None
    report: Report


def choose(candidates: Candidates, spec: SelectionSpec, texts: Texts) -> ChosenPeople:
    """Choose personas by the rule of the spec. Raises `SetupError` if it cannot be met and fewer will not do."""
    if not len(candidates):
        raise SetupError(
            f"Nobody meets {parameter('where')}; choose by something that somebody has."
            if spec.where
            else "The hub has nobody to choose from; import or grow people first."
        )
    if spec.targets is not None:
        return ChosenPeople(*_choose_by_targets(candidates, spec, spec.targets))
    eligible, left_out = _find_eligible(candidates, spec)
    strata = stratify(eligible.categories, len(eligible))
    wanted = _wanted_sizes(strata, spec, len(eligible))
    _check_enough(strata, wanted, spec)
    capacity = np.minimum(wanted, strata.counts)
    order = random_keys(eligible.arrivals, spec.seed)
    diversity = None
    if spec.diverse:
        positions, diversity = _choose_diverse(eligible, strata, capacity, order, texts)
    elif spec.rule == "everybody":
        positions = np.arange(len(eligible))
    else:
        positions = draw_strata(strata.codes, capacity, order)
    weights = None if spec.diverse else _weigh_strata(strata, capacity)[strata.codes[positions]]
    breakdowns = [_make_breakdown(strata, wanted, capacity)] if spec.columns else []
    report = Report(len(candidates), spec.wanted, len(positions), left_out, breakdowns, None, diversity)
    return ChosenPeople(eligible.rows[positions], weights, report)


def _find_eligible(candidates: Candidates, spec: SelectionSpec) -> tuple[Candidates, dict[str, int]]:
    """Return the candidates that the rule applies to, and how many are left out and why.

    `stratify` treats unknown as a value.
    """
    if spec.rule == "stratify":
        return candidates, {}
    eligible, left_out = _keep_asked(candidates, [None] * len(candidates.categories), "is not known")
    if spec.quota is not None:
        (category,) = candidates.categories
        if missing := [value for value in spec.quota.counts if category.code(value) is None]:
            values = ", ".join(map(repr, category.values[:20])) + (", ..." if len(category.values) > 20 else "")
            raise SetupError(
                f"Nobody among the {len(candidates):,} candidates has {category.name} "
                f"{' or '.join(map(repr, missing))}; the values are {values}."
            )
        eligible, others = _keep_asked(eligible, [spec.quota.counts], "is not in the quota")
        left_out |= others
    if not len(eligible):
        raise SetupError(f"{' and '.join(spec.columns)} is known of nobody among the {len(candidates):,} candidates.")
    return eligible, left_out


def _wanted_sizes(strata: Strata, spec: SelectionSpec, size: int) -> Ints:
    """Return how many personas are wanted from each stratum."""
    if spec.quota is not None:
        return np.array([spec.quota.counts[str(strata.label(s)[0])] for s in range(len(strata))], dtype=np.int64)
    n = size if spec.n is None else spec.n
    if spec.balance:
        if n < len(strata):
            raise SetupError(
                f"{', '.join(spec.balance)} has {len(strata):,} values among the candidates, more than the {n:,} "
                "people to choose; ask for more people, or balance by something coarser."
            )
        return allocate_equally(strata.counts, n)
    if n > size:
        _refuse_shortage(spec, f"{size:,} can be chosen")
        n = size
    return allocate_proportionally(strata.counts, n)


def _refuse_shortage(spec: SelectionSpec, there: str) -> None:
    if not spec.allow_fewer:
        raise SetupError(
            f"{spec.wanted:,} people were asked for and {there}; "
            f"ask for fewer, or take what there is with {parameter('allow_fewer', True)}."
        )


def _check_enough(strata: Strata, wanted: Ints, spec: SelectionSpec) -> None:
    short = np.flatnonzero(wanted > strata.counts)
    if not len(short) or spec.allow_fewer:
        return
    named = "; ".join(
        f"{', '.join(f'{column} {value!r}' for column, value in zip(strata.columns, strata.label(one), strict=True))}: "
        f"{strata.counts[one]:,} of {wanted[one]:,}"
        for one in short[:_SHOWN]
    )
    more = f" and {len(short) - _SHOWN} more" if len(short) > _SHOWN else ""
    raise SetupError(
        f"There are too few candidates with {named}{more}; ask for fewer, or take what there is with "
        f"{parameter('allow_fewer', True)}."
    )


def _choose_diverse(
    eligible: Candidates, strata: Strata, capacity: Ints, order: NDArray[np.uint64], texts: Texts
) -> tuple[Ints, Diversity]:
    # In random order, so that the seed decides on the first and between those who are equally far.
    shuffled = np.argsort(order, kind="stable")
    space = WordSpace(texts(eligible.rows[shuffled]))
    positions, diversity = farthest_first(space, int(capacity.sum()), strata=strata.codes[shuffled], capacity=capacity)
    return shuffled[positions], diversity


def _weigh_strata(strata: Strata, got: Ints) -> NDArray[np.float64]:
    """Return the weight of one persona of each stratum, so that weighted figures are those of all candidates."""
    shares = strata.counts / strata.counts.sum()
    return np.divide(shares * got.sum(), got, out=np.zeros(len(got)), where=got > 0)


def _make_breakdown(strata: Strata, wanted: Ints, got: Ints) -> Breakdown:
    numbers = zip(strata.counts.tolist(), wanted.tolist(), got.tolist(), strict=True)
    return Breakdown(strata.columns, tuple(Share(strata.label(s), *n) for s, n in enumerate(numbers)))
