"""Worked examples of logic, space and riddles: every answer is found in another way than by their own expressions."""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, pairwise, permutations, product
from math import lcm, prod
from typing import Any

import pytest
from worked_examples import Solver, cases, check_example, first

from populace.agents.procedural.problems import Example, ProblemLibrary
from populace.scenarios.brainteaser.task import EXAMPLES as BRAINTEASER
from populace.scenarios.logic.task import EXAMPLES as LOGIC
from populace.scenarios.spatial.task import EXAMPLES as SPATIAL

#: What a sentence says of the places of the people whom it names, counted from 0.
CLUES: Sequence[tuple[str, Callable[..., bool]]] = (
    (r"(\w+) comes right after (\w+)[.,]", lambda last, a, b: a == b + 1),
    (r"(\w+) comes some time before (\w+)\.", lambda last, a, b: a < b),
    (r"(\w+) and (\w+) do not come one right", lambda last, a, b: abs(a - b) != 1),
    (r"(\w+) comes before (\w+) but after (\w+)\.", lambda last, a, b, c: c < a < b),
    (r"(\w+) comes after (\w+) and before (\w+),", lambda last, a, b, c: b < a < c),
    (r"(\w+) comes before (\w+), and \w+ before (\w+)\.", lambda last, a, b, c: a < b < c),
    (r"(\w+) is neither the first nor the last", lambda last, a: 0 < a < last),
    (r"(\w+) is not the first", lambda last, a: a != 0),
    (r"(\w+) is not the last", lambda last, a: a != last),
    (r"(\w+) is the last", lambda last, a: a == last),
    (r"Exactly one person comes between (\w+) and (\w+)\.", lambda last, a, b: abs(a - b) == 2),
    (
        r"between (\w+) and (\w+)\. (\w+) is neither .*, and is not the one between them",
        lambda last, a, b, c: 2 * c != a + b,
    ),
    (r"Those of (\w+) and (\w+) do not", lambda last, a, b: abs(a - b) != 1),
)


def orders(text: str, names: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """All orders of the people and of nameless others that agree with every sentence."""
    found = [(holds, one.groups()) for clue, holds in CLUES for one in re.finditer(clue, text)]
    found = [(holds, who) for holds, who in found if set(who) <= set(names)]
    assert found
    everybody = [*names, *(f"?{n}" for n in range(count - len(names)))]
    return [
        order
        for order in permutations(everybody)
        if all(holds(count - 1, *map(order.index, who)) for holds, who in found)
    ]


def who_comes(text: str, names: Sequence[str], ordinal: str, **_: Any) -> str:
    (order,) = orders(text, names, len(names))
    return order[["first", "second", "third", "fourth", "fifth"].index(ordinal)]


def count_orders(text: str, names: Sequence[str], n: int, **_: Any) -> int:
    return len(orders(text, names, n))


def third_has(text: str, names: Sequence[str], a: str, b: str, c: str, d: str, third: str, **_: Any) -> str:
    neither = re.findall(r"(\w+) has neither the (\w+) one nor the (\w+) one\.", text)
    one_of = re.findall(r"(\w+) has the (\w+) one or the (\w+) one\.", text)
    sure = re.findall(r"(?<! or )\b(\w+) has the (\w+) one\.", text)
    never = re.findall(r"(\w+) does not have the (\w+) one\.", text)
    either = re.findall(r"Either (\w+) or (\w+) has the (\w+) one\.", text)
    sure = [(who, what) for who, what in sure if f"or {who} has the {what}" not in text]
    (held,) = [
        has
        for has in (dict(zip(names, things, strict=True)) for things in permutations((a, b, c, d)))
        if all(has[who] not in things for who, *things in neither)
        and all(has[who] in things for who, *things in one_of)
        and all(has[who] == what for who, what in sure)
        and all(has[who] != what for who, what in never)
        and all(what in (has[one], has[two]) for one, two, what in either)
    ]
    return f"the {held[third]} one"


def truthful(text: str, names: Sequence[str], **_: Any) -> str:
    said = re.findall(r'(\w+) says: "([^"]+)\."', text)
    assert len(said) == len(names)

    def holds(case: Mapping[str, bool], speaker: str, line: str) -> bool:
        named = [name for name in re.findall(r"\w+", line) if name in case]
        if number := re.search(r"Exactly (\d)", line):
            return sum(case.values()) == int(number[1])
        if "of different kinds" in line or "of the same kind" in line:
            one, two = case[named[0]], case[speaker if " and I " in line else named[1]]
            return (one == two) == ("same" in line)
        return case[named[0]] == ("tells the truth" in line)

    cases = [dict(zip(names, values, strict=True)) for values in product((True, False), repeat=len(names))]
    (fitting,) = [case for case in cases if all(holds(case, who, line) == case[who] for who, line in said)]
    told = [name for name in names if fitting[name]]
    return " and ".join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else told[0]


def place_of_key(text: str, x: str, y: str, z: str, **_: Any) -> str:
    said = re.findall(r'on the (\w+) one says: "The key is (not )?in (?:here|the (\w+) one)\."', text)
    number = 1 if "xactly one" in text else 2
    (at,) = [k for k in (x, y, z) if sum(((about or own) == k) != bool(no) for own, no, about in said) == number]
    return f"the {at} one"


def culprit(text: str, names: Sequence[str], **_: Any) -> str:
    said = re.findall(r'(\w+) says: "It was (not )?(\w+)\."', text)
    number = 1 if "xactly one" in text else 2
    (who,) = [
        name
        for name in names
        if sum(((own if about == "me" else about) == name) != bool(no) for own, no, about in said) == number
    ]
    return who


def follows(text: str, a: str, b: str, c: str, **_: Any) -> str:
    """Try every mixture of people; a conclusion follows if no mixture makes it false and the premises true."""
    terms = (a, b, c)
    pattern = "|".join(map(re.escape, terms))
    said = re.findall(rf"\b(All|No|Some) ({pattern}) are (not )?({pattern})\b", text)
    assert len(said) == 3

    def holds(there: Sequence[Sequence[bool]], form: str, one: str, no: str, two: str) -> bool:
        pairs = [(kind[terms.index(one)], kind[terms.index(two)]) for kind in there]
        if form == "All":
            return all(second for is_first, second in pairs if is_first)
        met = any(is_first and second != bool(no) for is_first, second in pairs)
        return met if form == "Some" else not met

    kinds = [*product((True, False), repeat=3)]
    mixtures = [some for count in range(1, 9) for some in combinations(kinds, count)]
    mixtures = [some for some in mixtures if all(any(kind[at] for kind in some) for at in range(3))]
    possible = [some for some in mixtures if holds(some, *said[0]) and holds(some, *said[1])]
    assert possible
    return "yes" if all(holds(some, *said[2]) for some in possible) else "no"


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def walk_days(n: int, k: int, m: int, side: str, weekday: str, **_: Any) -> str:
    day = DAYS.index(weekday)
    for step, count in ((1 if side == "after" else -1, k), (1, n), (1, m)):
        for _day in range(count):
            day = (day + step) % 7
    return DAYS[day]


def shift_day(a: int, b: int, k: int, weekday: str, **_: Any) -> str:
    begins = [day for day in range(500) if day % (a + b) == 0]
    return DAYS[(DAYS.index(weekday) + begins[k - 1]) % 7]


def present(s: int, e: int, names: Sequence[str], **v: int) -> str:
    minutes = [range(v[x], v[y]) for x, y in (("a", "b"), ("c", "d"), ("f", "g"))]
    (who,) = [name for name, there in zip(names, minutes, strict=True) if set(there) & set(range(s, e))]
    return who


def parking(f: int, p: int, m: int, t: int, **_: Any) -> Fraction:
    due = 0
    if t > f:
        for _begun in range(0, t, 60):
            due += p
    return Fraction(due if due < m else m, 2)


def served(w: int, names: Sequence[str], a: int, b: int, c: int, x: int, y: int, z: int, **_: Any) -> str:
    queue = list(zip(names, (a, b, c), (x, y, z), strict=True))
    long = [one for one in queue if one[1] > w]
    return min(long or queue, key=lambda one: one[2])[0]


def flaw(words: str) -> Solver:
    def letter(text: str, **_: Any) -> str:
        (found,) = re.findall(rf"\b([ABC]): [^.]*{words}", text)
        return str(found)

    return letter


LOGICS: Mapping[str, Solver] = {
    **dict.fromkeys(
        (
            "three in a row, a pair", "three in a row, the middle", "four in a row, one between",
            "four in a row, no neighbours", "five in a row, two between", "five in a row, chain",
        ),
        who_comes,
    ),
    **dict.fromkeys(
        (
            "orders, one before another", "orders, one not first", "orders, pair and last",
            "orders, not side by side", "orders, one between and before", "orders, three in turn",
        ),
        count_orders,
    ),
    **dict.fromkeys(("four things, two left out", "four things, either or"), third_has),
    **dict.fromkeys(("three speakers, a chain", "three speakers, a number", "four speakers"), truthful),
    "three labels": place_of_key,
    **dict.fromkeys(("valid inference", "invalid inference"), follows),
    "days ago and days ahead": walk_days,
    "shifts on and off": shift_day,
    "one of three took it": culprit,
    "who was there": present,
    "parking rules": parking,
    "who goes first": served,
    "condition turned round": flaw("condition round"),
    "condition denied": flaw("the failure of one condition"),
    "after it, so because of it": flaw("what comes later"),
    "a few for all": flaw("a few cases"),
    "the whole and its parts": flaw("the whole"),
}  # fmt: skip

COMPASS = {"north": 1j, "east": 1, "south": -1j, "west": -1}
TURNS = {"left": 1j, "right": -1j, "around": -1}


def walked(text: str, f: str, asked: str, **v: Any) -> object:
    at, facing = COMPASS[f] * v["a"], COMPASS[f]
    for turn, far in re.findall(r"turns (left|right|around) and (?:walks|goes on for) (\d+) metres", text):
        facing *= TURNS[turn]
        at += facing * int(far)
    if "direction" in asked:
        return first(name for name, way in COMPASS.items() if way == facing)
    return abs(at) if "straight" in asked else abs(at.real) + abs(at.imag)


def housed(text: str, asked: str, **_: Any) -> object:
    told = re.findall(r"The house of (\w+) is (\d+) metres (\w+) of the house of (\w+)\.", text)
    start, end = re.findall(r"From the house of (\w+) to that of (\w+),", text)[0]
    at = {start: 0j}
    while end not in at:
        at |= {one: at[two] + COMPASS[way] * int(far) for one, far, way, two in told if two in at}
    if "metres" in asked:
        return abs(at[end])
    ns = "north" if at[end].imag > 0 else "south" if at[end].imag < 0 else ""
    ew = "east" if at[end].real > 0 else "west" if at[end].real < 0 else ""
    return "-".join(part for part in (ns, ew) if part)


def turned(text: str, f: str, **_: Any) -> str:
    points = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"]
    for degrees, way in re.findall(r"(\d+) degrees (clockwise|anticlockwise)", text):
        for _step in range(int(degrees) // 45):
            points = points[1:] + points[:1] if way == "clockwise" else points[-1:] + points[:-1]
    return points[["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"].index(f)]


def board(r: int, c: int, j: int, k: int, **_: Any) -> str:
    rows = [[(row, column) for column in range(1, c + 1)] for row in range(1, r + 1)]
    quarter = [list(row) for row in zip(*rows[::-1], strict=True)]
    return first(
        f"{row + 1}, {column + 1}"
        for row, line in enumerate(quarter)
        for column, one in enumerate(line)
        if one == (j, k)
    )


def seat(n: int, a: int, k: int, m: int, **_: Any) -> int:
    seats = list(range(1, n + 1))
    at = seats.index(a)
    for step in [1] * k + [-1] * m + [1] * (n // 2):
        at = (at + step) % n
    return seats[at]


def seated(text: str, names: Sequence[str], side: str, **_: Any) -> str:
    """Try all ways to sit, clockwise; to the left of those who face the middle is clockwise."""
    size = len(names)
    left = re.findall(r"(\w+) sits directly to the left of (\w+)\.", text)
    right = re.findall(r"(\w+) sits directly to the right of (\w+)\.", text)
    facing = re.findall(r"(\w+) sits opposite (\w+)\.", text)
    apart = re.findall(r"(\w+) does not sit beside (\w+)\.", text)
    asked = re.findall(r"Who sits .* (\w+)\?", text)[0]
    found = set()
    for order in permutations(names):
        gap = {(a, b): (order.index(a) - order.index(b)) % size for a in names for b in names}
        if (
            all(gap[pair] == 1 for pair in left)
            and all(gap[pair] == size - 1 for pair in right)
            and all(gap[pair] == size // 2 for pair in facing)
            and all(gap[pair] not in (1, size - 1) for pair in apart)
        ):
            step = {"directly to the left of": 1, "directly to the right of": -1, "opposite": size // 2}[side]
            found.add(order[(order.index(asked) + step) % size])
    (who,) = found
    return str(who)


def cubes(a: int, b: int, c: int, k: int = 1, **_: Any) -> int:
    sides = [[(x == 0) + (x == size - 1) for x in range(size)] for size in (a, b, c)]
    return sum(sum(one) == k for one in product(*sides))


def surface(a: int, b: int, c: int, d: int, **_: Any) -> int:
    filled = {(x, 0, z) for x, height in enumerate((a, b, c, d)) for z in range(height)}
    steps = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    return sum((x + i, y + j, z + k) not in filled for x, y, z in filled for i, j, k in steps)


def packed(x: int, y: int, z: int, a: int, b: int, c: int, **_: Any) -> int:
    return max(
        prod(len(range(s, room + 1, s)) for s, room in zip(way, (x, y, z), strict=True))
        for way in permutations((a, b, c))
    )


def cross(one: Sequence[int], two: Sequence[int]) -> tuple[int, ...]:
    return tuple(one[i - 2] * two[i - 1] - one[i - 1] * two[i - 2] for i in range(3))


def rolled(t: int, s: int, n: int, m: int, **_: Any) -> int:
    """Faces 1, 2, 3 along the axes of a right-handed system, tipped one edge at a time."""
    normals: dict[int, tuple[int, ...]] = {1: (1, 0, 0), 2: (0, 1, 0), 3: (0, 0, 1)}
    normals |= {7 - face: tuple(-part for part in normals[face]) for face in normals}
    up, north = normals[t], normals[7 - s]
    for _tip in range(n):
        up, north = tuple(-part for part in north), up
    east = cross(north, up)
    for _tip in range(m):
        up, east = tuple(-part for part in east), up
    return first(face for face, normal in normals.items() if normal == up)


def mirrored(h: int, m: int, **_: Any) -> str:
    return first(
        f"{hour}:{minute:02d}"
        for hour in range(1, 13)
        for minute in range(60)
        if (60 * hour + minute + 60 * h + m) % 720 == 0
    )


def gears(a: int, b: int, c: int, **_: Any) -> int:
    return lcm(a, b, c) // a


def way_of(n: int, a: int, b: int, way: str, **_: Any) -> str:
    ways = {a: way}
    for one, two in [*pairwise(range(a, n + 1)), *pairwise(range(a, 0, -1))]:
        ways[two] = "clockwise" if ways[one] == "anticlockwise" else "anticlockwise"
    return ways[b]


def between(n: int, a: int, b: int, **_: Any) -> int:
    line = list(range(n))
    return abs(line.index(line[a - 1]) - line.index(line[::-1][b - 1])) - 1


def visible_faces(**v: int) -> int:
    heights = [v[name] for name in "abcde"]
    return sum(
        all(before < level for before in heights[:at])
        for at, height in enumerate(heights)
        for level in range(1, height + 1)
    )


def visible_roofs(**v: int) -> int:
    heights = [v[name] for name in "abcdef"]
    return sum(height == max(heights[: at + 1]) for at, height in enumerate(heights))


def shadow(f: str, g: str, t: str, **_: Any) -> str:
    facing = COMPASS[g] * TURNS[t]
    return {1: "in front", 1j: "to the left", -1: "behind", -1j: "to the right"}[-COMPASS[f] / facing]


SPATIALS: Mapping[str, Solver] = {
    **dict.fromkeys(("walk of 3 legs", "walk of 4 legs", "walk of 5 legs"), walked),
    **dict.fromkeys(("3 houses", "4 houses", "5 houses"), housed),
    **dict.fromkeys(("arrow turned 2 times", "arrow turned 3 times", "arrow turned 4 times"), turned),
    "board turned": board,
    "moves at a table": seat,
    **dict.fromkeys(("four at a table", "six at a table"), seated),
    "wheels in a row": way_of,
    "seen from behind": between,
    "towers behind one another": lambda a, b, c, d, e, **_: visible_faces(a=a, b=b, c=c, d=d, e=e),
    "visible towers": lambda a, b, c, d, e, f, **_: visible_roofs(a=a, b=b, c=c, d=d, e=e, f=f),
    "strips of two layers": lambda a, x, y, h, **_: h * len(range(a, x + 1, a)) * len(range(a, y + 1, a)),
    "where the shadow falls": shadow,
    "shadow on a wall": lambda a, d, h, **_: Fraction(h, a) * d,
    "painted cubes": cubes,
    "one painted face": cubes,
    "surfaces of stacks": surface,
    "packing a box": packed,
    "rolling dice": rolled,
    "folded paper": lambda n, k, **_: sum([k] * prod([2] * n)),
    "creases": lambda n, **_: 1 + sum(2**fold for fold in range(n)),
    "clock in a mirror": mirrored,
    "hands of a clock": lambda h, m, **_: min(
        (Fraction(h * 60 + m, 2) - 6 * m) % 360, (6 * m - Fraction(h * 60 + m, 2)) % 360
    ),
    "gears": gears,
}

RIDDLES: Mapping[str, Solver] = {
    "sharp": lambda n, **_: f"9:{n // 10}{n % 10}",
    "all but so many": lambda n, k, **_: n - (n - k),
    "what was taken": lambda k, **_: k,
    "pauses between": lambda n, k, **_: [*range(0, n * k, n)][-1],
    "side by side": lambda n, **_: n,
    "all at once": lambda n, **_: n,
    "一首歌": lambda n, **_: n,
}

CASES = [*cases(LOGIC, LOGICS), *cases(SPATIAL, SPATIALS), *cases(BRAINTEASER, RIDDLES)]


@pytest.mark.parametrize(("library", "example", "solver"), CASES)
def test_an_answer_is_found_in_another_way_too(library: ProblemLibrary, example: Example, solver: Solver) -> None:
    check_example(library, example, solver)
