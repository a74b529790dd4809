"""How many of each stratum are to be chosen."""

import numpy as np

from .arrays import Numbers

__all__ = ["equal", "proportional"]


def proportional(counts: Numbers, n: int) -> Numbers:
    """`n` shared out as `counts` are, each within 1 of its exact share and never more than there are.

    By largest remainders (Hamilton's method), the earlier stratum first where two are alike; `n` is at most the sum.
    """
    total = int(counts.sum())
    # Whole numbers throughout: a product of 10^12 would lose its remainder as a float's fraction.
    shares, rest = np.divmod(counts.astype(np.int64) * n, total)
    left = n - int(shares.sum())
    shares[np.argsort(-rest, kind="stable")[:left]] += 1
    return shares


def equal(counts: Numbers, n: int) -> Numbers:
    """`n` shared out in equal parts; what does not divide goes, one each, to the strata with the most candidates."""
    part, left = divmod(n, len(counts))
    shares = np.full(len(counts), part, dtype=np.int64)
    shares[np.argsort(-counts, kind="stable")[:left]] += 1
    return shares
