"""Problems of olympiads, by branch of mathematics, for the stand-in."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import comb, gcd

from populace.agents.procedural.problems import ProblemTemplate as T
from populace.agents.procedural.problems import decimal


def _power_sum(a: int, n: int) -> int:
    """x^n + 1/x^n, where x + 1/x = a."""
    before, now = 2, a
    for _ in range(n - 1):
        before, now = now, a * now - before
    return now


def _months(a: int, d: int, t: int) -> int:
    """The first n for which a + (a + d) + ... of n terms is at least t."""
    return next(n for n in range(1, t + 1) if n * a + d * n * (n - 1) // 2 >= t)


def _remainders(a: int, p: int, b: int, q: int, c: int, r: int) -> int:
    return next(x for x in range(1, p * q * r + 1) if (x % p, x % q, x % r) == (a, b, c))


OLYMPIAD: Mapping[str, Sequence[T]] = {
    "arithmetic": (
        T(
            "telescoping sums",
            (
                "Find the exact value of 1/(1*{m}) + 1/({m}*{k}) + ... + 1/({y}*{z}), in which the factors of the "
                "denominators go up by {d} from each to the next. Give a fraction in lowest terms.",
            ),
            draw={"d": range(2, 12), "n": range(8, 60)},
            shown=lambda d, n: {"m": 1 + d, "k": 1 + 2 * d, "y": 1 + (n - 1) * d, "z": 1 + n * d, "d": d},
            solve=lambda m, k, y, z, d: Fraction(1 - Fraction(1, z)) / d,
        ),
    ),
    "algebra": (
        T(
            "symmetric expressions",
            (
                "A real number x satisfies x + 1/x = {a}. Find the value of x^{n} + 1/x^{n}.",
                "The sum of a real number and its reciprocal is {a}. What is the sum of their {n}th powers?",
            ),
            draw={"a": range(3, 15), "n": range(4, 9)},
            solve=_power_sum,
        ),
        T(
            "polynomials with given values",
            (
                "P is a polynomial of degree at most 2 with P(1) = {a}, P(2) = {b} and P(3) = {c}. Find P({n}).",
                "A quadratic function takes the values {a}, {b} and {c} at 1, 2 and 3. Which value does it take at "
                "{n}?",
            ),
            draw={"a": range(1, 40), "b": range(1, 40), "c": range(1, 40), "n": range(7, 60)},
            where=lambda a, b, c, n: a - 2 * b + c,
            solve=lambda a, b, c, n: a + (b - a) * (n - 1) + (c - 2 * b + a) * (n - 1) * (n - 2) // 2,
        ),
    ),
    "geometry": (
        T(
            "angle bisectors",
            (
                "In triangle ABC, AB = {c}, AC = {b} and BC = {a}. The bisector of the angle at A meets BC at D. "
                "Find "
                "AD^2 as a fraction in lowest terms, or as a whole number where it is one.",
            ),
            draw={"a": range(6, 30), "b": range(6, 30), "c": range(6, 30)},
            where=lambda a, b, c: a < b + c and b < a + c and c < a + b and b != c,
            solve=lambda a, b, c: b * c * (1 - Fraction(a, b + c) ** 2),
        ),
        T(
            "power of a point",
            (
                "From a point P outside a circle, a tangent of length {t} and a secant are drawn; the secant meets "
                "the "
                "circle first at A and then at B, and PA = {a}. Find the length of the chord AB, as a fraction in "
                "lowest terms where it is not whole.",
            ),
            draw={"t": range(8, 60), "a": range(3, 40)},
            where=lambda t, a: t > a,
            solve=lambda t, a: Fraction(t * t, a) - a,
        ),
    ),
    "number theory": (
        T(
            "systems of congruences",
            (
                "Find the smallest positive integer that leaves the remainder {a} when divided by {p}, {b} when "
                "divided by {q}, and {c} when divided by {r}.",
                "Arranged in rows of {p}, the {items} in {place} leave {a} over; in rows of {q} they leave {b}, and "
                "in "
                "rows of {r} they leave {c}. What is the least positive number of {items} for which that is true?",
            ),
            draw={
                "p": (5, 7, 9, 11),
                "q": (8, 13, 16),
                "r": (17, 19, 23, 29),
                "a": range(1, 5),
                "b": range(1, 8),
                "c": range(1, 17),
            },
            solve=_remainders,
        ),
        T(
            "coprime numbers",
            (
                "How many of the integers from 1 to {n} have no common factor greater than 1 with {m}?",
                "Determine the number of positive integers that are at most {n} and coprime to {m}.",
            ),
            draw={"n": range(200, 3000), "m": (30, 42, 66, 70, 78, 105, 110, 130, 154, 165, 210)},
            solve=lambda n, m: sum(gcd(k, m) == 1 for k in range(1, n + 1)),
        ),
    ),
    "combinatorics": (
        T(
            "distributions",
            (
                "In how many ways can {n} identical {items} be put into {k} different {boxes} so that none of them "
                "holds fewer than {m}?",
                "Find the number of ways to write {n} as an ordered sum of {k} integers, each of them at least {m}.",
            ),
            draw={"n": range(18, 60), "k": range(3, 7), "m": range(1, 5)},
            where=lambda n, k, m: n > k * m + 4,
            solve=lambda n, k, m: comb(n - k * m + k - 1, k - 1),
        ),
        T(
            "colourings of a row",
            (
                "{n} lamps hang in a row in {place}. Each is switched on or off so that no two neighbouring lamps "
                "are both on. In how many ways can that be done?",
                "How many strings of {n} letters, each an A or a B, hold no two A's next to each other?",
            ),
            draw={"n": range(8, 26)},
            solve=lambda n: sum(comb(n - k + 1, k) for k in range((n + 1) // 2 + 1)),
        ),
    ),
    "probability": (
        T(
            "meeting problems",
            (
                "{who} and {other} each arrive in {place} at a moment chosen at random, and independently, within "
                "the "
                "same {h} minutes, and each waits {w} minutes for the other. What is the probability that they meet? "
                "Give a fraction in lowest terms.",
            ),
            draw={"h": range(30, 130, 10), "w": range(5, 29)},
            solve=lambda h, w: 1 - (1 - Fraction(w, h)) ** 2,
            is_story=True,
        ),
        T(
            "random walks",
            (
                "{who} starts a game with {a} points and {other} with {b}. In each round a fair coin decides who "
                "gives "
                "one point to the other, until one of them has none. What is the expected number of rounds?",
            ),
            draw={"a": range(2, 40), "b": range(2, 40)},
            where=lambda a, b: a != b,
            solve=lambda a, b: a * b,
            is_story=True,
        ),
    ),
    "statistics": (
        T(
            "extreme values under conditions",
            (
                "{who} has written down five different positive integers with mean {m} and median {d}. What is the "
                "largest value that the greatest of them can have?",
                "Five {boxes} hold different whole numbers of {items}, at least one each. On average they hold {m}, "
                "and the median is {d}. What is the largest number of {items} that one of them can hold?",
            ),
            draw={"m": range(12, 80), "d": range(8, 70)},
            where=lambda m, d: 5 * m - 2 * d - 4 > d + 1,
            solve=lambda m, d: 5 * m - 2 * d - 4,
            is_story=True,
        ),
    ),
    "calculus": (
        T(
            "inequalities",
            (
                "Find the minimum of x^2 + y^2 over all real numbers x and y with {a}x + {b}y = {c}, as a fraction "
                "in "
                "lowest terms where it is not whole.",
            ),
            draw={"a": range(2, 20), "b": range(2, 20), "c": range(10, 90)},
            where=lambda a, b, c: a != b,
            solve=lambda a, b, c: Fraction(c * c, a * a + b * b),
        ),
        T(
            "minima of sums",
            (
                "For positive real numbers x, find the smallest value of {a}x + {b}/x.",
                "A tour of x rounds costs {who} {a}x {money} in pay and {b}/x {money} in delays, where x may be any "
                "positive number. What is the smallest total, in {money}?",
            ),
            draw={"a": range(2, 40), "k": range(3, 30)},
            where=lambda a, k: k * k % a == 0 and k != a,
            shown=lambda a, k: {"a": a, "b": k * k // a},
            solve=lambda a, b: 2 * round((a * b) ** 0.5),
        ),
    ),
    "finance": (
        T(
            "growing savings",
            (
                "{who} puts aside {a} {money} in the first month and in every further month {d} {money} more than in "
                "the month before. After how many months are there, for the first time, at least {t} {money}?",
                "For a journey, {who} and {other} save {a} {money} in the first week, and each week {d} {money} more "
                "than in the last. They need {t} {money}. After how many weeks do they have as much?",
            ),
            draw={"a": range(5, 60), "d": range(2, 20), "t": range(1000, 9000, 50)},
            solve=_months,
            is_story=True,
        ),
        T(
            "repayment of loans",
            (
                "{who} borrows {d} {money} at {r} percent a year. The interest is added at the end of each year, "
                "just "
                "before {who} pays, and two equal payments, at the ends of the first and the second year, clear the "
                "debt. How many {money} is each payment?",
            ),
            draw={"i": range(3), "k": range(1, 60)},
            shown=lambda i, k: {"d": ((36, 55), (25, 36), (9, 10))[i][1] * 20 * k, "r": (20, 25, 50)[i]},
            solve=lambda d, r: decimal(d / (Fraction(100, 100 + r) + Fraction(100, 100 + r) ** 2)),
            is_story=True,
        ),
    ),
}
