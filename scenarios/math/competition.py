"""Problems of school competitions, by branch of mathematics, for the stand-in."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import comb, gcd, isqrt, perm

from populace.agents.procedural.problems import ProblemTemplate as T
from populace.agents.procedural.problems import decimal

#: Right triangles with whole sides.
_TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41), (12, 35, 37))


def _remainder(a: int, n: int, m: int) -> int:
    return pow(a, n, m)


COMPETITION: Mapping[str, Sequence[T]] = {
    "arithmetic": (
        T(
            "rates of work",
            (
                "Alone, {who} sorts a delivery of {items} in {a} hours; {other} needs {b} hours for it. {who} "
                "begins, "
                "and {other} joins after one hour. How many hours after {who} began is the delivery sorted? Give a "
                "fraction in lowest terms.",
            ),
            draw={"a": range(3, 13), "b": range(3, 16)},
            where=lambda a, b: a != b,
            solve=lambda a, b: 1 + Fraction(a - 1, a) / (Fraction(1, a) + Fraction(1, b)),
            is_story=True,
        ),
        T(
            "sums of multiples",
            (
                "What is the sum of all whole numbers from 1 to {n} that are divisible by {a} or by {b}?",
                "Add up every whole number from 1 to {n} that is a multiple of {a}, of {b}, or of both. What is the "
                "sum?",
            ),
            draw={"n": range(100, 1000, 10), "a": (3, 4, 5, 6), "b": (7, 9, 10, 11)},
            solve=lambda n, a, b: sum(k for k in range(1, n + 1) if k % a == 0 or k % b == 0),
        ),
    ),
    "algebra": (
        T(
            "relations between roots",
            (
                "The roots of x^2 - {p}x + {q} = 0 are r and s. What is r^3 + s^3?",
                "Two numbers have the sum {p} and the product {q}. What is the sum of their cubes?",
            ),
            draw={"p": range(4, 20), "q": range(2, 40)},
            where=lambda p, q: p * p > 4 * q,
            solve=lambda p, q: p**3 - 3 * p * q,
        ),
        T(
            "equations with digits",
            (
                "A two-digit number is {k} more than the number that is written with its digits in the opposite "
                "order, "
                "and the sum of its digits is {s}. Which number is it?",
            ),
            draw={"x": range(2, 10), "y": range(1, 9)},
            where=lambda x, y: x > y,
            shown=lambda x, y: {"k": 9 * (x - y), "s": x + y},
            solve=lambda k, s: 10 * ((s + k // 9) // 2) + (s - k // 9) // 2,
        ),
    ),
    "geometry": (
        T(
            "inscribed circles",
            (
                "A right triangle has legs of {a} and {b}. What is the radius of its inscribed circle?",
                "{who} cuts the largest possible disc out of a board in the shape of a right triangle with legs of "
                "{a} cm and {b} cm. What is the radius of the disc, in centimetres?",
            ),
            draw={"i": range(len(_TRIPLES)), "k": range(1, 6)},
            shown=lambda i, k: {"a": _TRIPLES[i][0] * k, "b": _TRIPLES[i][1] * k},
            solve=lambda a, b: Fraction(a + b - isqrt(a * a + b * b), 2),
        ),
        T(
            "lines across a grid",
            (
                "A floor is laid with square tiles, {a} along one side and {b} along the other. {who} stretches a "
                "string straight from one corner to the opposite one. Through the inside of how many tiles does it "
                "pass?",
            ),
            draw={"a": range(12, 90), "b": range(12, 90)},
            where=lambda a, b: a < b and gcd(a, b) > 1,
            solve=lambda a, b: a + b - gcd(a, b),
            is_story=True,
        ),
    ),
    "number theory": (
        T(
            "remainders of powers",
            (
                "What is the remainder when {a}^{n} is divided by {m}?",
                "{a}^{n} {items} are to be packed in {boxes} of {m}, each of them filled before the next one is "
                "begun. "
                "How many {items} are left over for the last, incomplete one? Say 0 where nothing is left.",
            ),
            draw={"a": range(2, 13), "n": range(20, 400), "m": (7, 9, 11, 13, 17, 19, 23)},
            where=lambda a, n, m: a % m,
            solve=_remainder,
        ),
        T(
            "zeros of factorials",
            (
                "With how many zeros does {n}! (the product of all whole numbers from 1 to {n}) end?",
                "The numbers from 1 to {n} are multiplied with one another. How many zeros stand at the end of the "
                "product?",
            ),
            draw={"n": range(30, 900)},
            solve=lambda n: sum(n // 5**k for k in range(1, 6)),
        ),
    ),
    "combinatorics": (
        T(
            "committees",
            (
                "From {a} carpenters and {b} painters, {who} chooses a team of {k} carpenters and {m} painters. In "
                "how "
                "many ways can that be done?",
                "A jury of {k} musicians and {m} dancers is to be chosen from {a} musicians and {b} dancers who have "
                "come to {place}. How many juries are possible?",
            ),
            draw={"a": range(5, 12), "b": range(5, 12), "k": range(2, 5), "m": range(2, 5)},
            solve=lambda a, b, k, m: comb(a, k) * comb(b, m),
            is_story=True,
        ),
        T(
            "orders under a condition",
            (
                "{n} people stand in a row for a photograph at {place}. {who} and {other}, two of them, do not want "
                "to "
                "stand next to each other. How many orders are possible?",
                "{who} lines up {n} different {items} on a shelf so that the two oldest do not touch. In how many "
                "orders can they stand?",
            ),
            draw={"n": range(5, 10)},
            solve=lambda n: (n - 2) * perm(n - 1),
        ),
        T(
            "paths in a grid",
            (
                "The lanes around {place} form a grid. {who} lives {a} blocks to the west and {b} blocks to the "
                "south of it and walks there along the lanes, always to the north or to the east. How many ways "
                "are there?",
            ),
            draw={"a": range(3, 12), "b": range(3, 12)},
            solve=lambda a, b: comb(a + b, a),
            is_story=True,
        ),
    ),
    "probability": (
        T(
            "draws without replacement",
            (
                "A {box} holds {a} {items} from Monday and {b} from Tuesday. {who} takes out two of them at random, "
                "one after the other, and puts none back. What is the probability that both are from the same day? "
                "Give a fraction in lowest terms.",
            ),
            draw={"a": range(3, 16), "b": range(3, 16)},
            solve=lambda a, b: Fraction(comb(a, 2) + comb(b, 2), comb(a + b, 2)),
            is_story=True,
        ),
        T(
            "complementary events",
            (
                "In {place}, {who} and {other} roll {n} fair dice with {s} sides each, numbered from 1, for a bag of "
                "{items}. What is the probability that at least one of them shows a 1? Give a fraction in lowest "
                "terms.",
                "{who} draws one of {s} numbered cards in {place}, puts it back and shuffles, {n} times in all. With "
                "which probability is the card with the 1 drawn at least once? Give a fraction in lowest terms.",
            ),
            draw={"n": range(2, 6), "s": (4, 6, 8, 10, 12, 20)},
            solve=lambda n, s: 1 - Fraction(s - 1, s) ** n,
            is_story=True,
        ),
    ),
    "statistics": (
        T(
            "means of groups",
            (
                "In {place}, {n} people of the morning shift handled {a} {items} each on average, and those of the "
                "evening shift {b} each. All together they came to an average of {c}. How many people work in the "
                "evening?",
            ),
            draw={"n": range(6, 40), "a": range(20, 60), "b": range(20, 60), "c": range(21, 60)},
            where=lambda n, a, b, c: (
                min(a, b) < c < max(a, b) and n * (a - c) % (c - b) == 0 and n * (a - c) // (c - b) < 60
            ),
            solve=lambda n, a, b, c: Fraction(n * (a - c), c - b),
            is_story=True,
        ),
        T(
            "corrected means",
            (
                "{who} worked out a mean of {m} from {n} measurements and then noticed that one of them, {x}, had "
                "been "
                "entered as {y}. What is the correct mean? Give a fraction where it is not whole.",
            ),
            draw={"m": range(30, 80), "n": range(8, 30), "x": range(12, 99), "y": range(12, 99)},
            where=lambda m, n, x, y: x != y and x % 10 == y // 10 and y % 10 == x // 10,
            solve=lambda m, n, x, y: m + Fraction(x - y, n),
            is_story=True,
        ),
    ),
    "calculus": (
        T(
            "optimisation",
            (
                "Against the long wall of {place}, {who} fences off a rectangle with {n} metres of fence for the "
                "other "
                "three sides. What is the largest area that can be enclosed, in square metres?",
            ),
            draw={"n": range(20, 240, 4)},
            solve=lambda n: Fraction(n * n, 8),
            is_story=True,
        ),
        T(
            "tangents",
            (
                "The tangent to y = x^3 - {a}x at the point with x = {c} meets the curve once more. What is the "
                "x-coordinate of that second point?",
                "At which value of x does the line through the point of y = x^3 - {a}x with x = {c}, drawn along the "
                "slope of the curve there, cross the curve a second time?",
            ),
            draw={"a": range(2, 30), "c": range(1, 15)},
            solve=lambda a, c: -2 * c,
        ),
    ),
    "finance": (
        T(
            "compound growth",
            (
                "{who} puts {p} {money} into an account that pays {r} percent at the end of each year, and leaves "
                "the "
                "interest in it. By how many {money} has the account grown after two years?",
            ),
            draw={"p": range(500, 9000, 250), "r": range(2, 12)},
            solve=lambda p, r: decimal(p * (Fraction(100 + r, 100) ** 2 - 1)),
            is_story=True,
        ),
        T(
            "successive changes",
            (
                "{who} raises the price of the {items} by {a} percent and later takes {b} percent off the new price. "
                "One of them then costs {p} {money}. What did it cost at first, in {money}?",
            ),
            draw={"a": (10, 20, 25, 30, 40, 50), "b": (10, 20, 25, 40, 50), "q": range(20, 400, 20)},
            where=lambda a, b, q: q * (100 + a) * (100 - b) % 10_000 == 0,
            shown=lambda a, b, q: {"a": a, "b": b, "p": q * (100 + a) * (100 - b) // 10_000},
            solve=lambda a, b, p: Fraction(p * 10_000, (100 + a) * (100 - b)),
            is_story=True,
        ),
    ),
}
