"""How far a chi-square sum is from its mean."""

import math


def chi_square_z(total: float, freedom: float) -> float:
    """How many standard errors a chi-square sum is from its mean, about normal (Wilson and Hilferty 1931)."""
    return float(((total / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom)))
