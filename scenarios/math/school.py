"""Problems of school, by branch of mathematics, for the stand-in."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, isqrt, lcm

from populace.agents.procedural.problems import ProblemTemplate as T
from populace.agents.procedural.problems import decimal

#: Right triangles with whole sides.
_TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41), (12, 35, 37))


def _least_multiple(a: int, b: int) -> int:
    return lcm(a, b)


def _greatest_divisor(a: int, b: int) -> int:
    return gcd(a, b)


SCHOOL: Mapping[str, Sequence[T]] = {
    "arithmetic": (
        T(
            "sharing equally",
            (
                "{who} fills {n} {boxes} with {k} {items} each. Then {s} {items} are set aside, and the rest is "
                "shared "
                "equally among {m} households. How many {items} does each household get?",
                "In {place}, {n} {boxes} arrive with {k} {items} in each. {who} keeps {s} {items} back and hands out "
                "the others in {m} equal shares. How many {items} are in one share?",
            ),
            draw={"n": range(4, 16), "k": range(12, 49), "m": range(3, 13), "q": range(5, 60)},
            where=lambda n, k, m, q: 4 < n * k - m * q < 40,
            shown=lambda n, k, m, q: {"n": n, "k": k, "s": n * k - m * q, "m": m},
            solve=lambda n, k, s, m: Fraction(n * k - s, m),
            is_story=True,
        ),
        T(
            "ratios",
            (
                "{who}, {other} and {third} share {total} {items} in the ratio {a} : {b} : {c}, in this order. How "
                "many more {items} does {third} get than {who}?",
                "A delivery of {total} {items} is split between {who}, {other} and {third} in the ratio "
                "{a} : {b} : {c}. By how many {items} is the share of {third} larger than that of {who}?",
            ),
            draw={"a": range(1, 8), "b": range(2, 9), "c": range(3, 12), "k": range(6, 40)},
            where=lambda a, b, c, k: c > a and gcd(gcd(a, b), c) == 1,
            shown=lambda a, b, c, k: {"total": (a + b + c) * k, "a": a, "b": b, "c": c},
            solve=lambda total, a, b, c: Fraction(total * (c - a), a + b + c),
            is_story=True,
        ),
        T(
            "speed and time",
            (
                "{who} drives from {place} to the next town at {u} km per hour and comes back on the same road at "
                "{v} km per hour. The two trips take {h} hours in all. How many kilometres is it to that town?",
            ),
            draw={"u": range(30, 95, 5), "v": range(30, 95, 5), "h": range(2, 8)},
            where=lambda u, v, h: u != v and (u * v * h) % (u + v) == 0,
            solve=lambda u, v, h: Fraction(u * v * h, u + v),
            is_story=True,
        ),
    ),
    "algebra": (
        T(
            "linear equations",
            (
                "{who} pays {total} {money} for {n} {items} and one {box}. The {box} alone costs {f} {money}, and "
                "all "
                "{items} cost the same. How many {money} is that for each of them?",
                "A bill that {who} was sent says {total} {money} for {n} {items}, a delivery charge of {f} {money} "
                "included. The {items} all have the same price. What is it, in {money}?",
            ),
            draw={"n": range(6, 30), "f": range(4, 40), "x": range(3, 45)},
            shown=lambda n, f, x: {"total": n * x + f, "n": n, "f": f},
            solve=lambda total, n, f: Fraction(total - f, n),
            is_story=True,
        ),
        T(
            "systems of linear equations",
            (
                "At one stall, {a} lamps and {b} stools cost {s} {money} together; {c} lamps and {d} stools cost {t} "
                "{money}. {who} wants a single lamp. How many {money} does it cost?",
                "{who} remembers two bills: {s} {money} for {a} tables and {b} chairs, and {t} {money} for {c} "
                "tables "
                "and {d} chairs, at the same prices. What is the price of one table, in {money}?",
            ),
            draw={
                "a": range(2, 7),
                "b": range(2, 9),
                "c": range(2, 9),
                "d": range(2, 7),
                "x": range(12, 80),
                "y": range(5, 40),
            },
            where=lambda a, b, c, d, x, y: a * d != b * c and (a, b) != (c, d),
            shown=lambda a, b, c, d, x, y: {"a": a, "b": b, "s": a * x + b * y, "c": c, "d": d, "t": c * x + d * y},
            solve=lambda a, b, s, c, d, t: Fraction(s * d - b * t, a * d - b * c),
            is_story=True,
        ),
        T(
            "ages",
            (
                "{who} is {k} times as old as {other}. In {y} years {who} will be {m} times as old as {other} will "
                "be "
                "then. How old is {other} now?",
            ),
            draw={"k": range(3, 8), "m": range(2, 5), "o": range(3, 19)},
            where=lambda k, m, o: m < k and (k - m) * o % (m - 1) == 0 and k * o + (k - m) * o // (m - 1) < 95,
            shown=lambda k, m, o: {"k": k, "m": m, "y": (k - m) * o // (m - 1)},
            solve=lambda k, m, y: Fraction(y * (m - 1), k - m),
            is_story=True,
        ),
    ),
    "geometry": (
        T(
            "areas of rectangles",
            (
                "Beside {place}, {who} lays a path {p} metres wide all around a rectangular bed that is {a} metres "
                "long and {b} metres wide. What is the area of the path, in square metres?",
                "A rectangular floor of {a} m by {b} m lies in the middle of {place}, and {who} is to paint a border "
                "{p} m wide around it on all four sides. How many square metres is the border?",
            ),
            draw={"a": range(8, 40), "b": range(5, 30), "p": range(1, 5)},
            where=lambda a, b, p: a > b,
            solve=lambda a, b, p: (a + 2 * p) * (b + 2 * p) - a * b,
            is_story=True,
        ),
        T(
            "the Pythagorean theorem",
            (
                "{who} leans a ladder {c} decimetres long against the wall of {place}. Its foot stands {a} "
                "decimetres "
                "from the wall, on level ground. How many decimetres up the wall does it reach?",
                "From the top of an upright pole, {who} runs a straight cable {c} decimetres long to a peg in the "
                "level ground, {a} decimetres from the foot of the pole. How many decimetres tall is the pole?",
            ),
            draw={"i": range(len(_TRIPLES)), "k": range(1, 5)},
            shown=lambda i, k: {"c": _TRIPLES[i][2] * k, "a": _TRIPLES[i][0] * k},
            solve=lambda c, a: isqrt(c * c - a * a),
            is_story=True,
        ),
        T(
            "volumes",
            (
                "A tank in {place} is a cuboid {a} cm long, {b} cm wide and {c} cm high, and {who} fills it with "
                "water "
                "to {h} cm below the rim. How many litres of water are in it? One litre is 1000 cubic centimetres.",
            ),
            draw={"a": range(40, 150, 10), "b": range(30, 100, 10), "c": range(40, 100, 5), "h": range(5, 30, 5)},
            where=lambda a, b, c, h: a * b * (c - h) % 1000 == 0,
            solve=lambda a, b, c, h: Fraction(a * b * (c - h), 1000),
            is_story=True,
        ),
    ),
    "number theory": (
        T(
            "least common multiples",
            (
                "In {place} one bell rings every {a} minutes and another every {b} minutes. Just now {who} heard "
                "both "
                "ring together. After how many minutes will they next ring together?",
                "{who} comes to {place} every {a} days and {other} every {b} days. Today both are there. In how many "
                "days will they next meet there?",
            ),
            draw={"a": range(6, 60), "b": range(6, 60)},
            where=lambda a, b: a < b and b % a and gcd(a, b) > 1,
            solve=_least_multiple,
            is_story=True,
        ),
        T(
            "greatest common divisors",
            (
                "{who} has {a} {items} and {b} ribbons and wants to make as many equal packs as possible, with "
                "nothing "
                "left over. How many packs can there be at most?",
            ),
            draw={"g": range(4, 25), "p": range(3, 16), "q": range(3, 16)},
            where=lambda g, p, q: p != q,
            shown=lambda g, p, q: {"a": g * p, "b": g * q},
            solve=_greatest_divisor,
            is_story=True,
        ),
    ),
    "combinatorics": (
        T(
            "counting choices",
            (
                "For the day's work {who} picks one of {a} coats, one of {b} pairs of gloves and one of {c} caps. "
                "How "
                "many different combinations are there?",
                "A set lunch near {place} is one of {a} soups, one of {b} main dishes and one of {c} desserts. How "
                "many "
                "different lunches can {who} put together?",
            ),
            draw={"a": range(2, 12), "b": range(2, 12), "c": range(2, 12)},
            solve=lambda a, b, c: a * b * c,
            is_story=True,
        ),
        T(
            "counting pairs",
            (
                "At the end of a meeting in {place}, each of the {n} people shakes hands once with every other one. "
                "How many handshakes are there?",
                "{who} sets up a tournament for {n} players in which each plays each of the others exactly {k} "
                "times. "
                "How many games have to be played?",
            ),
            draw={"n": range(6, 40), "k": range(2, 5)},
            solve=lambda n, k=1: k * n * (n - 1) // 2,
        ),
    ),
    "probability": (
        T(
            "equally likely outcomes",
            (
                "A {box} holds {a} {items} with a red label, {b} with a blue one and {c} with a green one. {who} "
                "takes "
                "one out without looking. What is the probability that its label is not red? Give a fraction in "
                "lowest terms.",
            ),
            draw={"a": range(2, 15), "b": range(2, 15), "c": range(2, 15)},
            solve=lambda a, b, c: Fraction(b + c, a + b + c),
            is_story=True,
        ),
        T(
            "independent events",
            (
                "On any morning the first bus is late with probability 1/{a}, and, independently of that, the "
                "lane to {place} is closed with probability 1/{b}. What is the probability that {who} is spared both "
                "on "
                "a given morning? Give a fraction in lowest terms.",
            ),
            draw={"a": range(3, 16), "b": range(3, 21)},
            where=lambda a, b: a != b,
            solve=lambda a, b: Fraction((a - 1) * (b - 1), a * b),
            is_story=True,
        ),
    ),
    "statistics": (
        T(
            "means",
            (
                "Over {n} days {who} counted {m} {items} a day on average. On the next day there were {x}. What is "
                "the "
                "average over all {d} days?",
            ),
            draw={"n": range(4, 15), "m": range(20, 70), "q": range(15, 75)},
            where=lambda n, m, q: m != q and (n + 1) * q > n * m,
            shown=lambda n, m, q: {"n": n, "m": m, "x": (n + 1) * q - n * m, "d": n + 1},
            solve=lambda n, m, x, d: Fraction(n * m + x, d),
            is_story=True,
        ),
        T(
            "medians",
            (
                "In one week {who} wrote down how many {items} went out of {place} each day: {a}, {b}, {c}, {d}, "
                "{e}, "
                "{f}, {g}. By how much does the mean of these numbers exceed their median? If the mean is smaller, "
                "give a negative number, and a fraction where the difference is not whole.",
            ),
            draw=dict.fromkeys("abcdefg", range(8, 60)),
            solve=lambda **of: Fraction(sum(of.values()), 7) - sorted(of.values())[3],
            is_story=True,
        ),
    ),
    "calculus": (
        T(
            "rates of change",
            (
                "A trolley that {who} has pushed off has rolled s(t) = {a}t^2 + {b}t decimetres after t seconds. How "
                "fast is it, in decimetres per second, at t = {c}?",
                "A tank in {place} holds V(t) = {a}t^2 + {b}t litres t minutes after {who} has opened the tap. At "
                "how "
                "many litres per minute is it filling at t = {c}?",
            ),
            draw={"a": range(2, 12), "b": range(1, 20), "c": range(2, 12)},
            solve=lambda a, b, c: 2 * a * c + b,
            is_story=True,
        ),
        T(
            "maxima of quadratic functions",
            (
                "At a price of p {money}, {who} sells {n} - {k}p {items} a day. Which price brings the largest daily "
                "takings, in {money}?",
            ),
            draw={"k": range(2, 9), "q": range(4, 30)},
            shown=lambda k, q: {"n": 2 * k * q, "k": k},
            solve=lambda n, k: Fraction(n, 2 * k),
            is_story=True,
        ),
    ),
    "finance": (
        T(
            "percentages",
            (
                "A set of {items} is marked at {p} {money}. {who} is granted {d} percent off, and {t} percent tax is "
                "added to the reduced price. How many {money} are paid in the end?",
            ),
            draw={"p": range(40, 640, 20), "d": range(5, 45, 5), "t": range(4, 22, 2)},
            solve=lambda p, d, t: decimal(Fraction(p * (100 - d) * (100 + t), 10_000)),
            is_story=True,
        ),
        T(
            "simple interest",
            (
                "{who} lends {other} {p} {money} at {r} percent simple interest a year, to be paid back together "
                "with "
                "the interest after {m} months. How many {money} does {other} pay back?",
            ),
            draw={"p": range(200, 4000, 100), "r": range(2, 10), "m": range(3, 37, 3)},
            where=lambda p, r, m: p * r * m % 12 == 0,
            solve=lambda p, r, m: decimal(p + Fraction(p * r * m, 1200)),
            is_story=True,
        ),
    ),
}
