"""Problems of blocks, dice, folded paper and mirrors for the stand-in: templates whose answers are computed."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd

from populace.agents.procedural.problems import ProblemTemplate as T


def _painted(a: int, b: int, c: int, k: int) -> int:
    """Small cubes of a block of a x b x c (each at least 2) with exactly k painted faces."""
    inner = (a - 2, b - 2, c - 2)
    match k:
        case 0:
            return inner[0] * inner[1] * inner[2]
        case 1:
            return 2 * (inner[0] * inner[1] + inner[1] * inner[2] + inner[0] * inner[2])
        case 2:
            return 4 * sum(inner)
    return 8


def _rolled(n: int, m: int, t: int, s: int) -> int:
    """The top of a die with t on top and s to the south, rolled n times to the north and then m times to the east.

    Opposite faces add up to 7, and seen from the corner where they meet, 1, 2 and 3 run anticlockwise.
    """
    top, south = t, s
    east = _east(t, s)
    for _ in range(n % 4):  # what faced south comes up
        top, south = south, 7 - top
    for _ in range(m % 4):  # what faced west comes up
        top, east = 7 - east, top
    return top


def _east(top: int, south: int) -> int:
    """The face to the east of a right-handed die."""
    for east in range(1, 7):
        if east in (top, south, 7 - top, 7 - south):
            continue
        axes = [min(face, 7 - face) for face in (top, south, east)]
        turns = sum(face > 3 for face in (top, south, east))
        # Top, south, east run anticlockwise about their corner as 1, 2, 3 do; each flipped axis turns that round.
        even = tuple(axes) in ((1, 2, 3), (2, 3, 1), (3, 1, 2))
        if even == (turns % 2 == 0):
            return east
    raise ValueError(f"{top} and {south} cannot be neighbours on a die")


def _surface(a: int, b: int, c: int, d: int) -> int:
    """The surface, the bottom included, of four columns of unit cubes in a row."""
    heights = (0, a, b, c, d, 0)
    sides = sum(abs(one - two) for one, two in pairwise(heights))
    return 8 + sides + 2 * (a + b + c + d)


def _holes(n: int, k: int) -> int:
    return int(k * 2**n)


def _clock(h: int, m: int) -> str:
    """What a clock shows whose mirror image shows h:m, on a dial of twelve hours."""
    minutes = -(60 * (h % 12) + m) % 720
    hour = minutes // 60 or 12
    return f"{hour}:{minutes % 60:02d}"


def _hands(h: int, m: int) -> Fraction:
    """The smaller angle between the hands of a clock at h:m, in degrees."""
    apart = abs(Fraction(60 * h - 11 * m, 2)) % 360
    return min(apart, 360 - apart)


_MIRROR = (
    "In a mirror that hangs opposite the clock of {place}, {who} sees the hands as if it were {h}:{m}. The "
    "clock has hands and no figures. Which time does the clock itself show? Write it as hours:minutes.",
)

BODIES: Mapping[str, Sequence[T]] = {
    "cubes": (
        T(
            "painted cubes",
            (
                "{who} glues unit cubes together to a solid block {a} cubes long, {b} wide and {c} high, paints its "
                "whole outside, the underside as well, and takes it apart again. How many of the cubes have exactly "
                "{k} painted faces?",
                "A block of {a} by {b} by {c} equal cubes was dipped in paint in {place} and has been sawn into its "
                "cubes. How many of them are painted on exactly {k} faces?",
            ),
            draw={"a": range(3, 13), "b": range(3, 11), "c": range(3, 9), "k": (0, 2, 3)},
            solve=_painted,
            is_story=True,
        ),
        T(
            "painted cubes",
            (
                "A cheese in the shape of a block, waxed on all six sides, is {a} cm long, {b} cm wide and {c} cm "
                "high. "
                "{who} cuts it into cubes with edges of 1 cm. How many of the cubes have wax on one side only?",
                "In {place}, {other} dips a bar of soap of {a} by {b} by {c} cm into gold paint and saws it into "
                "cubes of 1 cm for {who}. How many pieces have gold on a single face?",
                "{who} has covered all six sides of a block of {a} by {b} by {c} equal cubes with paper. How many of "
                "the cubes touch the paper with exactly one of their faces?",
            ),
            draw={"a": range(3, 13), "b": range(3, 11), "c": range(3, 9)},
            solve=lambda a, b, c: _painted(a, b, c, 1),
            is_story=True,
        ),
        T(
            "surfaces of stacks",
            (
                "{who} sets up four columns of equal cubes in a straight row, without gaps, {a}, {b}, {c} and {d} "
                "cubes high from left to right, and picks them up as one piece. How many faces of cubes are on the "
                "outside of the piece, its underside included?",
                "Four piles of crates of one size stand side by side in {place}, {a}, {b}, {c} and {d} crates tall "
                "and one crate deep. {who} wants to paint everything that is not covered by another crate, tops, "
                "fronts, backs, sides and what stands on the floor. How many square faces is that?",
                "{other} casts a step profile for {who}: seen from the front it has columns of {a}, {b}, {c} and {d} "
                "squares, it is one square thick, and nothing is missing behind. How many unit squares does its "
                "whole surface have, all the way round?",
            ),
            draw={"a": range(1, 9), "b": range(1, 9), "c": range(1, 9), "d": range(1, 9)},
            solve=_surface,
            is_story=True,
        ),
        T(
            "packing",
            (
                "A {box} in {place} measures {x} by {y} by {z} decimetres inside. Parcels of {a} by {b} by {c} "
                "decimetres are put into it side by side, all of them turned the same way, with their edges parallel "
                "to its own. How many parcels fit in at most, if {who} may choose the way they are turned?",
            ),
            draw={
                "x": range(8, 26),
                "y": range(8, 22),
                "z": range(6, 18),
                "a": range(2, 7),
                "b": range(2, 7),
                "c": range(2, 7),
            },
            where=lambda x, y, z, a, b, c: len({a, b, c}) == 3,
            solve=lambda x, y, z, a, b, c: max(
                (x // p) * (y // q) * (z // r)
                for p, q, r in ((a, b, c), (a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a))
            ),
            is_story=True,
        ),
    ),
    "dice": (
        T(
            "rolling dice",
            (
                "On an ordinary die, opposite faces add up to 7, and 1, 2 and 3 run anticlockwise about the corner "
                "where they meet. One lies on a table in {place} with {t} on top and {s} to the south. {who} tips it "
                "over its edge {n} times to the north and then {m} times to the east. What is on top now?",
                "{who} labels a {box} of {items} like a die: numbers on opposite sides add up to 7, and seen from "
                "their common corner, 1, 2 and 3 follow one another anticlockwise. In {place} it stands with {t} up "
                "and {s} facing south. It is tipped over {n} times towards the north and then {m} times towards the "
                "east. "
                "Which number is up in the end?",
                "A block of wood bears the numbers of a die, 7 in sum on opposite faces, with 1, 2 and 3 "
                "anticlockwise around one corner. {other} has put it down in {place} with {t} on top, and {s} looks "
                "to the south. {who} rolls it northwards by {n} quarter turns and then eastwards by {m}. Which "
                "number can {third} read from above?",
            ),
            draw={"t": range(1, 7), "s": range(1, 7), "n": range(2, 30), "m": range(2, 30)},
            where=lambda t, s, n, m: s not in (t, 7 - t),
            solve=lambda t, s, n, m: _rolled(n, m, t, s),
            is_story=True,
        ),
    ),
    "folding": (
        T(
            "folded paper",
            (
                "{who} folds a square sheet of paper in half {n} times, always through all layers, punches {k} holes "
                "through the folded packet, away from all folds and from one another, and unfolds the sheet. How "
                "many "
                "holes are in it?",
                "A strip of paper is folded in half {n} times in the same direction, and {k} small holes are punched "
                "through all of its layers, none of them on a fold. {who} unfolds the strip. How many holes does it "
                "have?",
                "In {place}, {who} folds the wrapping of the {items} down the middle {n} times, one fold on top of "
                "the other, and drives {k} nails through the whole bundle, none of them through a crease. How many "
                "holes does {other} count once it is spread out?",
                "{other} hands {who} a map of {place} that has been halved by folding {n} times. Before it is "
                "opened, {k} pins go through all layers at once, beside the folds. Through how many spots of the map "
                "has a pin gone?",
            ),
            draw={"n": range(2, 7), "k": range(2, 9)},
            solve=_holes,
            is_story=True,
        ),
        T(
            "creases",
            (
                "A long strip of paper from {place} is folded in half {n} times, each time in the same direction and "
                "through all layers, and pulled straight again. {who} cuts it along every crease. How many pieces "
                "are "
                "there?",
                "{who} doubles a ribbon for the {items} {n} times, always end to end, irons it and lets it fall "
                "open. It is cut wherever the iron has left an edge across it. How many lengths of ribbon does "
                "{other} get?",
                "In {place}, {other} folds a paper tape in the middle, {n} times over, one fold upon the other. "
                "{who} opens it and tears it at each fold. How many bits of tape lie there?",
            ),
            draw={"n": range(3, 8)},
            solve=lambda n: 2**n,
            is_story=True,
        ),
    ),
    "mirrors": (
        T(
            "mirror images",
            _MIRROR,
            draw={"h": range(1, 12), "m": range(10, 60)},
            solve=_clock,
            is_story=True,
        ),
        T(
            "hands of a clock",
            (
                "On the clock of {place}, both hands move evenly. What is the smaller of the two angles between "
                "them, "
                "in degrees, at {h}:{m}, when {who} looks up? Give a fraction where it is not whole.",
            ),
            draw={"h": range(1, 12), "m": range(10, 60)},
            solve=_hands,
            is_story=True,
        ),
    ),
    "wheels": (
        T(
            "gears",
            (
                "Three cogwheels in a row with {a}, {b} and {c} teeth turn one another. {who} turns the first one "
                "clockwise. After how many full turns of the first wheel do all three stand for the first time "
                "exactly "
                "as they did at the beginning?",
                "In a machine in {place}, a wheel with {a} teeth drives one with {b}, and that one drives a third "
                "with {c}. {who} has made a chalk mark at the top of each. How many times must the driving wheel go "
                "round until all marks are at the top together again?",
                "{other} has built a clockwork of three meshing wheels, {a}, {b} and {c} teeth in this order, and "
                "painted an arrow on each that points up. {who} cranks the first. Count its turns: after how many do "
                "the three arrows next point up at once?",
            ),
            draw={"a": range(8, 40), "b": range(8, 40), "c": range(8, 40)},
            where=lambda a, b, c: len({a, b, c}) == 3,
            solve=lambda a, b, c: (b // gcd(a, b)) * (c // gcd(a, c)) // gcd(b // gcd(a, b), c // gcd(a, c)),
            is_story=True,
        ),
    ),
}
