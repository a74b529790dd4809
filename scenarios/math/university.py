"""Problems of universities, by branch of mathematics, for the stand-in."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import comb, factorial

from populace.agents.procedural.problems import ProblemTemplate as T
from populace.agents.procedural.problems import decimal

_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43)


def _order(a: int, p: int) -> int:
    return next(k for k in range(1, p) if pow(a, k, p) == 1)


def _determinant(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> int:
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _slope(a: int, b: int, c: int, d: int) -> Fraction:
    """The slope of the least-squares line through (1, a), (2, b), (3, c), (4, d)."""
    return Fraction(-3 * a - b + c + 3 * d, 10)


def _surjections(n: int, k: int) -> int:
    return sum((-1) ** j * comb(k, j) * (k - j) ** n for j in range(k + 1))


UNIVERSITY: Mapping[str, Sequence[T]] = {
    "arithmetic": (
        T(
            "continued fractions",
            (
                "Write the continued fraction {a} + 1/({b} + 1/({c} + 1/{d})) as a single fraction in lowest terms.",
                "A gear train that {who} has built has the ratio {a} + 1/({b} + 1/({c} + 1/{d})). Express this ratio "
                "as one "
                "fraction in lowest terms.",
            ),
            draw={"a": range(1, 12), "b": range(2, 12), "c": range(2, 12), "d": range(2, 12)},
            solve=lambda a, b, c, d: a + 1 / (b + 1 / (c + Fraction(1, d))),
        ),
    ),
    "algebra": (
        T(
            "determinants",
            (
                "Compute the determinant of the matrix with the rows ({a}, {b}, {c}), ({d}, {e}, {f}) and ({g}, {h}, "
                "{i}).",
            ),
            draw=dict.fromkeys("abcdefghi", range(-6, 10)),
            where=_determinant,
            solve=_determinant,
        ),
        T(
            "eigenvalues",
            (
                "From one week to the next, the stocks of two stores change by the matrix with the rows ({a}, {b}) "
                "and "
                "({c}, {d}). What is the sum of the squares of its two eigenvalues?",
                "Let A be the matrix with the rows ({a}, {b}) and ({c}, {d}). Find the trace of A^2, which is the "
                "sum "
                "of the squares of its eigenvalues.",
            ),
            draw={"a": range(1, 12), "b": range(1, 12), "c": range(1, 12), "d": range(1, 12)},
            solve=lambda a, b, c, d: a * a + 2 * b * c + d * d,
        ),
    ),
    "geometry": (
        T(
            "volumes by determinants",
            (
                "Find the volume of the tetrahedron with the vertices (0, 0, 0), ({a}, {b}, {c}), ({d}, {e}, {f}) "
                "and "
                "({g}, {h}, {i}), as a fraction in lowest terms where it is not whole.",
            ),
            draw=dict.fromkeys("abcdefghi", range(12)),
            where=_determinant,
            solve=lambda **of: Fraction(abs(_determinant(**of)), 6),
        ),
        T(
            "distances from planes",
            (
                "Find the square of the distance of the point ({x}, {y}, {z}) from the plane {a}x + {b}y + {c}z = "
                "{d}, "
                "as a fraction in lowest terms where it is not whole.",
            ),
            draw={
                "x": range(-5, 12),
                "y": range(-5, 12),
                "z": range(-5, 12),
                "a": range(2, 9),
                "b": range(2, 9),
                "c": range(2, 9),
                "d": range(1, 30),
            },
            where=lambda x, y, z, a, b, c, d: a * x + b * y + c * z != d,
            solve=lambda x, y, z, a, b, c, d: Fraction((a * x + b * y + c * z - d) ** 2, a * a + b * b + c * c),
        ),
    ),
    "number theory": (
        T(
            "orders of elements",
            (
                "What is the multiplicative order of {a} modulo {p}?",
                "Find the smallest positive integer k for which {a}^k leaves the remainder 1 when divided by {p}.",
            ),
            draw={"a": range(2, 40), "p": (*_PRIMES, 47, 53, 59, 61, 67, 71, 73)},
            where=lambda a, p: 1 < a % p < p - 1 and a < p,
            solve=_order,
        ),
        T(
            "inverses modulo a prime",
            ("Find the inverse of {a} modulo {p}, as an integer between 1 and {m}.",),
            draw={"a": range(2, 60), "p": (*_PRIMES, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101)},
            where=lambda a, p: a < p - 1,
            shown=lambda a, p: {"a": a, "p": p, "m": p - 1},
            solve=lambda a, p, m: pow(a, -1, p),
        ),
    ),
    "combinatorics": (
        T(
            "surjections",
            (
                "In how many ways can {n} different {items} be put into {k} different {boxes} so that none stays "
                "empty?",
                "How many functions from a set of {n} elements onto a set of {k} elements are there?",
            ),
            draw={"n": range(5, 11), "k": range(3, 6)},
            where=lambda n, k: n > k,
            solve=_surjections,
        ),
        T(
            "necklaces",
            (
                "How many different necklaces of {p} beads can be made with beads of {k} colours, if necklaces that "
                "can be rotated into each other count as one and are not turned over?",
                "Around a round table in {place} stand {p} equal stools, and {who} paints each of them in one of {k} "
                "colours. How many different tables can result, if tables that differ by a rotation alone count as "
                "one?",
            ),
            draw={"p": (5, 7, 11), "k": range(2, 9)},
            solve=lambda p, k: (k**p + (p - 1) * k) // p,
        ),
    ),
    "probability": (
        T(
            "Bayes' theorem",
            (
                "In {place}, {a} percent of the {items} have a flaw. A test finds a flaw in {b} percent of those "
                "that "
                "have one, and wrongly reports one in {c} percent of the others. {who} picks one at random, and the "
                "test reports a flaw. What is the probability that there is one? Give a fraction in lowest terms.",
            ),
            draw={"a": range(1, 21), "b": range(80, 100), "c": range(1, 16)},
            solve=lambda a, b, c: Fraction(a * b, a * b + (100 - a) * c),
            is_story=True,
        ),
        T(
            "waiting times",
            (
                "In {place}, every {box} that {who} opens holds one of {n} different cards, each with the same "
                "probability and "
                "independently of the other {boxes}. What is the expected number of {boxes} until all {n} are there? "
                "Give "
                "a fraction in lowest terms, or a whole number where it is one.",
            ),
            draw={"n": range(3, 16)},
            solve=lambda n: n * sum(Fraction(1, k) for k in range(1, n + 1)),
            is_story=True,
        ),
    ),
    "statistics": (
        T(
            "least squares",
            (
                "In four successive weeks {who} counted {a}, {b}, {c} and {d} {items} sold. What is the slope of the "
                "least-squares line through these numbers over the weeks 1 to 4? Give a fraction where it is not "
                "whole.",
            ),
            draw={"a": range(10, 90), "b": range(10, 90), "c": range(10, 90), "d": range(10, 90)},
            where=_slope,
            solve=_slope,
            is_story=True,
        ),
        T(
            "variances of sums",
            (
                "Each of {n} {boxes} is late with probability {p} percent, independently of the others. What is the "
                "variance of the number of {boxes} that are late, as a decimal?",
            ),
            draw={"n": range(10, 200, 5), "p": range(2, 50)},
            solve=lambda n, p: decimal(Fraction(n * p * (100 - p), 10_000)),
        ),
    ),
    "calculus": (
        T(
            "definite integrals",
            (
                "Compute the integral of {a}x^2 + {b}x + {c} from x = {p} to x = {q}, as a fraction in lowest terms "
                "where it is not whole.",
                "A pump behind {place} delivers {a}x^2 + {b}x + {c} litres per minute, x minutes after it was "
                "switched on. How many litres does it deliver from x = {p} to x = {q}? Give a fraction where the "
                "number is not whole.",
            ),
            draw={"a": range(2, 12), "b": range(2, 15), "c": range(1, 20), "p": range(5), "q": range(5, 11)},
            solve=lambda a, b, c, p, q: Fraction(a * (q**3 - p**3), 3) + Fraction(b * (q * q - p * p), 2) + c * (q - p),
        ),
        T(
            "improper integrals",
            (
                "Compute the integral of x^{n} * e^(-{a}x) from x = 0 to infinity, as a fraction in lowest terms "
                "where "
                "it is not whole.",
            ),
            draw={"n": range(2, 8), "a": range(2, 14)},
            solve=lambda n, a: Fraction(factorial(n), a ** (n + 1)),
        ),
    ),
    "finance": (
        T(
            "growing perpetuities",
            (
                "{who} is offered a right that pays {c} {money} a year from now and then, every year for ever, {g} "
                "percent more than the year before. At a discount rate of {r} percent a year, what is its present "
                "value in {money}?",
            ),
            draw={"c": range(60, 2400, 20), "g": range(1, 5), "r": range(5, 13)},
            where=lambda c, g, r: 100 * c % (r - g) == 0,
            solve=lambda c, g, r: Fraction(100 * c, r - g),
            is_story=True,
        ),
        T(
            "variance of a portfolio",
            (
                "{who} puts {w} percent of the savings into a fund whose yearly return has a standard deviation of "
                "{a} percent, and the rest into another with {b} percent. The returns are uncorrelated. What is the "
                "variance of the return of the whole, in squared percent, as a decimal?",
            ),
            draw={"w": range(10, 100, 10), "a": range(4, 30), "b": range(4, 30)},
            where=lambda w, a, b: a != b,
            solve=lambda w, a, b: decimal(Fraction((w * a) ** 2 + ((100 - w) * b) ** 2, 10_000)),
            is_story=True,
        ),
    ),
}
