"""Worked examples of mathematics: every answer is found in another way than by the example's own expression."""

import random
import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations, permutations, product
from math import atan, comb, gcd, hypot, prod, tan
from statistics import linear_regression, mean, median
from typing import Any

import pytest
import sympy
from worked_examples import Solver, cases, check_example, first

from populace.agents.procedural.problems import Example, ProblemLibrary, evaluate
from populace.scenarios.math.task import EXAMPLES

X = sympy.Symbol("x")


def repaid(d: int, r: int, **_: Any) -> Fraction:
    """Two equal payments: the debt that is left after both is linear in the payment."""
    left = [(d * Fraction(100 + r, 100) - pay) * Fraction(100 + r, 100) - pay for pay in (0, 1)]
    return left[0] / (left[0] - left[1])


def chain_duration(a: int, b: int, **_: Any) -> object:
    """Expected rounds of a game of ruin: d(k) = 1 + (d(k - 1) + d(k + 1)) / 2, solved by shooting."""
    low, high = [[Fraction(0), Fraction(slope)] for slope in (0, 1)]
    for row in (low, high):
        while len(row) <= a + b:
            row.append(2 * row[-1] - row[-2] - 2)
    slope = -low[-1] / (high[-1] - low[-1])
    return low[a] + slope * (high[a] - low[a])


def strings(n: int, **_: Any) -> int:
    on, off = 1, 1
    for _step in range(n - 1):
        on, off = off, on + off
    return on + off


def necklaces(p: int, k: int, **_: Any) -> int:
    return int(sum(k ** gcd(turn, p) for turn in range(p)) // p)


def surjections(n: int, k: int, **_: Any) -> int:
    ways = [1] + [0] * k
    for _step in range(n):
        ways = [0] + [size * (ways[size] + ways[size - 1]) for size in range(1, k + 1)]
    return ways[k]


def minimum(expression: sympy.Expr, low: int = 0) -> Any:
    """The least value at a stationary point above `low`."""
    return min(expression.subs(X, at) for at in sympy.solve(sympy.diff(expression, X), X) if at > low)


def matrix(**of: int) -> sympy.Matrix:
    return sympy.Matrix(3, 3, [of[name] for name in "abcdefghi"])


def continued(*terms: int) -> Fraction:
    value = Fraction(terms[-1])
    for term in reversed(terms[:-1]):
        value = term + 1 / value
    return value


def rounds(a: int, d: int, t: int, **_: Any) -> int:
    total, month = 0, 0
    while total < t:
        total, month = total + a + month * d, month + 1
    return month


MATHS: Mapping[str, Solver] = {
    "sharing equally": lambda n, k, s, m, **_: first(x for x in range(10_000) if x * m + s == n * k),
    "ratios": lambda total, a, b, c, **_: first((c - a) * x for x in range(9999) if (a + b + c) * x == total),
    "speed and time": lambda u, v, h, **_: first(x for x in range(1, 9999) if Fraction(x, u) + Fraction(x, v) == h),
    "linear equations": lambda total, n, f, **_: first(x for x in range(9999) if n * x + f == total),
    "systems of linear equations": lambda a, b, c, d, s, t, **_: sympy.Matrix([[a, b], [c, d]]).solve(
        sympy.Matrix([s, t])
    )[0],
    "ages": lambda k, m, y, **_: first(x for x in range(1, 99) if k * x + y == m * (x + y)),
    "areas of rectangles": lambda a, b, p, **_: 2 * p * (a + b) + 4 * p * p,
    "the Pythagorean theorem": lambda a, c, **_: first(x for x in range(9999) if x * x + a * a == c * c),
    "volumes": lambda a, b, c, h, **_: Fraction(a, 10) * Fraction(b, 10) * Fraction(c - h, 10),
    "least common multiples": lambda a, b, **_: first(x for x in range(1, 9999) if x % a == 0 == x % b),
    "greatest common divisors": lambda a, b, **_: max(x for x in range(1, a + 1) if a % x == 0 == b % x),
    "counting choices": lambda a, b, c, **_: sum(1 for _x in product(range(a), range(b), range(c))),
    "handshakes": lambda n, **_: sum(1 for _x in combinations(range(n), 2)),
    "tournaments": lambda n, k, **_: sum(k for _x in combinations(range(n), 2)),
    "equally likely outcomes": lambda a, b, c, **_: 1 - Fraction(a, a + b + c),
    "independent events": lambda a, b, **_: 1 - Fraction(1, a) - Fraction(1, b) + Fraction(1, a * b),
    "means": lambda n, m, x, **_: mean([Fraction(m)] * n + [Fraction(x)]),
    "medians": lambda a, b, c, d, e, f, g, **_: (
        mean(map(Fraction, (a, b, c, d, e, f, g))) - median((a, b, c, d, e, f, g))
    ),
    "rates of change": lambda a, b, c, **_: sympy.diff(a * X**2 + b * X, X).subs(X, c),
    "maxima of quadratic functions": lambda n, k, **_: max(range(n // k + 1), key=lambda p: p * (n - k * p)),
    "percentages": lambda p, d, t, **_: p * (1 - Fraction(d, 100)) * (1 + Fraction(t, 100)),
    "simple interest": lambda p, r, m, **_: p + sum(Fraction(p * r, 100) / 12 for _x in range(m)),
    "rates of work": lambda a, b, **_: sympy.solve(X / a + (X - 1) / b - 1, X)[0],
    "sums of multiples": lambda n, a, b, **_: sum({*range(a, n + 1, a), *range(b, n + 1, b)}),
    "relations between roots": lambda p, q, **_: sympy.simplify(sum(x**3 for x in sympy.roots(X**2 - p * X + q, X))),
    "equations with digits": lambda k, s, **_: first(
        x for x in range(10, 100) if x - (x % 10 * 10 + x // 10) == k and x % 10 + x // 10 == s
    ),
    "inscribed circles": lambda a, b, **_: Fraction(a * b) / (a + b + sympy.sqrt(a * a + b * b)),
    "lines across a grid": lambda a, b, **_: sum(
        1
        for x in range(a)
        for y in range(b)
        if max(Fraction(x, a), Fraction(y, b)) < min(Fraction(x + 1, a), Fraction(y + 1, b))
    ),
    "remainders of powers": lambda a, n, m, **_: pow(a, n, m),
    "zeros of factorials": lambda n, **_: sum(sympy.multiplicity(5, x) for x in range(1, n + 1)),
    "committees": lambda a, b, k, m, **_: len([*combinations(range(a), k)]) * len([*combinations(range(b), m)]),
    "orders under a condition": lambda n, **_: sum(abs(o.index(0) - o.index(1)) > 1 for o in permutations(range(n))),
    "paths in a grid": lambda a, b, **_: prod(range(b + 1, a + b + 1)) // prod(range(1, a + 1)),
    "draws without replacement": lambda a, b, **_: mean(
        Fraction(one == other) for one, other in permutations("a" * a + "b" * b, 2)
    ),
    "complementary events": lambda n, s, **_: sum(
        comb(n, k) * Fraction(1, s) ** k * Fraction(s - 1, s) ** (n - k) for k in range(1, n + 1)
    ),
    "means of groups": lambda n, a, b, c, **_: first(x for x in range(1, 99) if n * a + x * b == c * (n + x)),
    "corrected means": lambda m, n, x, y, **_: Fraction(m * n - y + x, n),
    "optimisation": lambda n, **_: -minimum(-X * (n - 2 * X)),
    "tangents": lambda a, c, **_: first(
        x for x in sympy.solve(X**3 - a * X - (c**3 - a * c) - (3 * c * c - a) * (X - c), X) if x != c
    ),
    "compound growth": lambda p, r, **_: Fraction(p * r, 100) + (p + Fraction(p * r, 100)) * Fraction(r, 100),
    "successive changes": lambda a, b, p, **_: p / (1 - Fraction(b, 100)) / (1 + Fraction(a, 100)),
    "telescoping sums": lambda d, z, **_: sum(Fraction(1, x * (x + d)) for x in range(1, z, d)),
    "symmetric expressions": lambda a, n, **_: sympy.expand(sum(x**n for x in sympy.roots(X**2 - a * X + 1, X))),
    "polynomials with given values": lambda a, b, c, n, **_: sympy.interpolate([(1, a), (2, b), (3, c)], X).subs(X, n),
    "angle bisectors": lambda a, b, c, **_: (
        b * b + Fraction(a * b, b + c) ** 2 - Fraction(a * b, b + c) * Fraction(a * a + b * b - c * c, a)
    ),
    "power of a point": lambda t, a, **_: sympy.solve(a * (a + X) - t * t, X)[0],
    "systems of congruences": lambda a, b, c, p, q, r, **_: sympy.ntheory.modular.crt([p, q, r], [a, b, c])[0],
    "coprime numbers": lambda n, m, **_: sum(
        (-1) ** k * (n // prod(some)) for k in range(6) for some in combinations(sympy.primefactors(m), k)
    ),
    "distributions": lambda n, k, m, **_: ordered_sums(n, k, m),
    "colourings of a row": strings,
    "meeting problems": lambda h, w, **_: (
        2 * sympy.integrate(1, (X, 0, w)) * Fraction(h, h * h) - Fraction(w * w, h * h)
    ),
    "random walks": chain_duration,
    "extreme values under conditions": lambda m, d, **_: max(
        5 * m - d - x - y - z for x, y in combinations(range(1, d), 2) for z in range(d + 1, d + 4)
    ),
    "inequalities": lambda a, b, c, **_: minimum(((c - a * X) / b) ** 2 + X**2, -9999),
    "minima of sums": lambda a, b, **_: minimum(a * X + b / X),
    "growing savings": rounds,
    "repayment of loans": repaid,
    "continued fractions": lambda a, b, c, d, **_: continued(a, b, c, d),
    "determinants": lambda a, b, c, d, e, f, g, h, i, **_: matrix(a=a, b=b, c=c, d=d, e=e, f=f, g=g, h=h, i=i).det(),
    "eigenvalues": lambda a, b, c, d, **_: (sympy.Matrix([[a, b], [c, d]]) ** 2).trace(),
    "volumes by determinants": lambda a, b, c, d, e, f, g, h, i, **_: abs(
        Fraction(int(sympy.Matrix([a, b, c]).cross(sympy.Matrix([d, e, f])).dot(sympy.Matrix([g, h, i]))), 6)
    ),
    "distances from planes": lambda x, y, z, a, b, c, d, **_: (
        sympy.Plane((Fraction(d, a), 0, 0), (a, b, c)).distance(sympy.Point3D(x, y, z)) ** 2
    ),
    "orders of elements": lambda a, p, **_: sympy.n_order(a, p),
    "inverses modulo a prime": lambda a, p, **_: pow(a, -1, p),
    "surjections": surjections,
    "necklaces": necklaces,
    "Bayes theorem": lambda a, b, c, **_: (
        Fraction(a, 100) * Fraction(b, 100) / (Fraction(a * b, 10_000) + (1 - Fraction(a, 100)) * Fraction(c, 100))
    ),
    "waiting times": lambda n, **_: n * sympy.harmonic(n),
    "least squares": lambda a, b, c, d, **_: Fraction(
        linear_regression(range(1, 5), (a, b, c, d)).slope
    ).limit_denominator(10),
    "variances of sums": lambda n, p, **_: n * (Fraction(p, 100) - Fraction(p, 100) ** 2),
    "definite integrals": lambda a, b, c, p, q, **_: sympy.integrate(a * X**2 + b * X + c, (X, p, q)),
    "improper integrals": lambda n, a, **_: sympy.gamma(n + 1) / sympy.Integer(a) ** (n + 1),
    "growing perpetuities": lambda c, g, r, **_: sympy.solve(
        X - (c + X * (1 + Fraction(g, 100))) / (1 + Fraction(r, 100)), X
    )[0],
    "variance of a portfolio": lambda w, a, b, **_: Fraction(w, 100) ** 2 * a**2 + (1 - Fraction(w, 100)) ** 2 * b**2,
    "flight of steps": lambda a, **_: a * sympy.sin(sympy.pi / 6),
    "law of cosines": lambda a, b, d, **_: a * a + b * b - 2 * a * b * sympy.cos(d * sympy.pi / 180),
    "tangent addition": lambda a, b, **_: tan(atan(1 / a) + atan(1 / b)),
    "amplitude": lambda a, b, c, **_: round(hypot(a, b)) + c,
    "matrix images": lambda a, b, c, d, x, y, **_: sum(sympy.Matrix([[a, c], [b, d]]) * sympy.Matrix([x, y])),
    "dependent vectors": lambda a, b, c, **_: sympy.solve(sympy.Matrix([[a, b], [c, X]]).det(), X)[0],
    "projection": lambda x, y, z, a, b, c, **_: (lambda foot: foot.dot(foot))(
        sympy.Matrix([x, y, z]).project(sympy.Matrix([a, b, c]))
    ),
    "degrees in a network": lambda a, b, k, m, **_: sum([k] * a + [m] * b) / 2,
    "edges of trees": lambda n, e, **_: first(x for x in range(e) if e - x == n - 1),
    "bipartite cycles": lambda a, b, **_: a * (a - 1) * b * (b - 1) // 4,
    "taking counters": lambda n, k, **_: winning_move(n, k),
    "mixed strategies": lambda a, b, c, **_: sympy.solve(a * X - c * (1 - X) - (b * (1 - X) - c * X), X)[0],
    "auction": lambda v, b, c, **_: v - sorted((v, b, c))[1],
    "fence of two prices": lambda n, a, b, **_: -minimum(-X * (n - 2 * a * X) / (2 * b)),
    "production plan": lambda a, b, h, p, q, **_: max(
        x * p + y * q for x in range(h // a + 1) for y in range(h // b + 1) if x * a + y * b <= h
    ),
    "shortest way by the river": lambda a, b, c, **_: round(
        min(hypot(a, x / 1000 * c) + hypot(b, c - x / 1000 * c) for x in range(1001))
    ),
}


def ordered_sums(n: int, k: int, m: int) -> int:
    ways = [1] + [0] * n
    for _step in range(k):
        ways = [sum(ways[: total - m + 1]) if total >= m else 0 for total in range(n + 1)]
    return ways[n]


def winning_move(n: int, k: int) -> int:
    wins = [False]
    for left in range(1, n + 1):
        wins.append(any(not wins[left - take] for take in range(1, min(k, left) + 1)))
    return first(take for take in range(1, k + 1) if not wins[n - take])


@pytest.mark.parametrize(("library", "example", "solver"), cases(EXAMPLES, MATHS))
def test_an_answer_is_found_in_another_way_too(library: ProblemLibrary, example: Example, solver: Solver) -> None:
    check_example(library, example, solver)


def test_division_is_exact() -> None:
    assert evaluate("1 / 3 + a", {"a": 1}) == Fraction(4, 3)


@pytest.mark.parametrize("digits", [5, 40, 5_000])
def test_a_text_with_a_number_that_is_never_drawn_is_somebody_elses(digits: int) -> None:
    text = EXAMPLES.make(random.Random(0), "A baker of rye.", focus="arithmetic").text
    assert EXAMPLES.solve(text) is not None
    assert EXAMPLES.solve(re.sub(r"\d+", "9" * digits, text)) is None
