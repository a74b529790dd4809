"""What the stand-in makes of the task: problems of space whose answers are computed.

Those of ways, directions, tables and shelves are here; those of blocks, dice, paper, mirrors and wheels in `bodies`.
"""

import random
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise, permutations
from math import isqrt

from populace.agents.actions import KnownSolution
from populace.agents.procedural.problems import Problem, Scene, listed, scene_of, unlisted, written_number

from .bodies import BODIES

type _Made = Callable[[random.Random, Scene, int], Problem]

_COMPASS = ("north", "east", "south", "west")
_POINTS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
#: Steps to the east and to the north.
_STEPS = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
_TURNS = {"left": -1, "right": 1, "around": 2}
_NAME = r"([A-Z][^\W\d_]+)"
_WALK_ENDS = (
    "How many metres is it in a straight line from where {who} stands now to where the walk began?",
    "In which direction does {who} face at the end?",
    "All paths run along a grid of north-south and east-west lines. How many metres is the shortest way back?",
)


def make_walk(rng: random.Random, scene: Scene, size: int) -> Problem:
    """A walk with turns: how far away it ends, or which way the walker faces."""
    while True:
        facing = rng.choice(_COMPASS)
        sentences = [f"{{who}} leaves {{place}} facing {facing} and walks {rng.randrange(5, 100, 5)} metres."]
        for _ in range(size):
            turn = rng.choice(("left", "right", "left", "right", "around"))
            sentences.append(f"Then {{who}} turns {turn} and walks {rng.randrange(5, 100, 5)} metres.")
        asked = rng.choice(_WALK_ENDS)
        text = " ".join([*sentences, asked]).format_map(scene.slots)
        known = solve_walk(text)
        if known is not None:
            return Problem(text, "walks and turns", known.answer)


def solve_walk(text: str) -> KnownSolution | None:
    """Distance or direction at the end of a walk; None where the distance is no whole number or nothing."""
    begun = re.search(r" facing (\w+) and walks (\d+) metres\.", text)
    if begun is None or begun[1] not in _COMPASS:
        return None
    facing = _COMPASS.index(begun[1])
    moves = [(0, int(begun[2]))]
    moves += [
        (_TURNS[turn], int(far))
        for turn, far in re.findall(r" turns (left|right|around) and walks (\d+) metres\.", text)
    ]
    east = north = 0
    for turn, far in moves:
        facing = (facing + turn) % 4
        step = _STEPS[_COMPASS[facing]]
        east, north = east + step[0] * far, north + step[1] * far
    steps = f"The walk ends {abs(east)} metres to the {'east' if east >= 0 else 'west'} and {abs(north)} metres to the "
    steps += f"{'north' if north >= 0 else 'south'} of its beginning, facing {_COMPASS[facing]}."
    if re.search(r"In which direction does \S+ face at the end\?\Z", text):
        return KnownSolution(steps, _COMPASS[facing])
    if text.endswith("How many metres is the shortest way back?") and (east or north):
        return KnownSolution(steps, str(abs(east) + abs(north)))
    straight = isqrt(east * east + north * north)
    if text.endswith("to where the walk began?") and straight and straight**2 == east * east + north * north:
        return KnownSolution(steps, str(straight))
    return None


_MAP = re.compile(rf"{_NAME}'s house is (\d+) metres ({'|'.join(_COMPASS)}) of (?:the house of )?{_NAME}(?:'s)?\.")


def make_map(rng: random.Random, scene: Scene, size: int) -> Problem:
    """Houses told one from another: which way the last one lies from the first."""
    people = (scene.slots["who"], *scene.others)[: size + 1]
    while True:
        told = []
        for before, name in pairwise(people):
            told.append(
                f"{name}'s house is {rng.randrange(20, 400, 20)} metres {rng.choice(_COMPASS)} of the house of "
                f"{before}."
            )
        rng.shuffle(told)
        asked = rng.choice(
            (
                f"In which of the eight directions of the compass does the house of {people[-1]} lie, seen from that "
                f"of "
                f"{people[0]}, if every direction between two main ones is named after both?",
                f"How many metres is it from the house of {people[0]} to that of {people[-1]}, as the crow flies?",
            )
        )
        text = f"{' '.join(told)} {asked}"
        if (known := solve_map(text)) is not None:
            return Problem(text, "maps in words", known.answer)


def solve_map(text: str) -> KnownSolution | None:
    """Direction or distance between two houses; None where the distance is no whole number."""
    known = {name: (int(far), way, other) for name, far, way, other in _MAP.findall(text)}
    asked = re.search(
        rf"of the house of {_NAME} lie, seen from that of {_NAME},|the house of {_NAME} to that of {_NAME}, as", text
    )
    asked = asked or re.search(rf"does the house of {_NAME} lie, seen from that of {_NAME},", text)
    if not known or asked is None:
        return None
    names = [name for name in asked.groups() if name]
    if len(names) != 2:
        return None
    seen, start = names if "seen from" in asked[0] else names[::-1]
    east = north = 0
    at = seen
    while at != start:
        if at not in known:
            return None
        far, way, at = known[at]
        east, north = east + _STEPS[way][0] * far, north + _STEPS[way][1] * far
    steps = f"Added up, the way from the one to the other is {east} metres to the east and {north} metres to the north."
    if "seen from" in asked[0]:
        if not (east or north):
            return None
        first = ("north" if north > 0 else "south") if north else ""
        second = ("east" if east > 0 else "west") if east else ""
        return KnownSolution(steps, "-".join(part for part in (first, second) if part))
    straight = isqrt(east * east + north * north)
    return KnownSolution(steps, str(straight)) if straight and straight**2 == east * east + north * north else None


_TABLE_CLUES = (
    "{a} sits directly to the left of {b}.",
    "{a} sits directly to the right of {b}.",
    "{a} sits opposite {b}.",
    "{a} does not sit beside {b}.",
)


def _sits(form: int, seats: tuple[str, ...], a: str, b: str) -> bool:
    """Whether a statement is true of seats that are numbered clockwise, by people who face the middle."""
    apart, size = (seats.index(a) - seats.index(b)) % len(seats), len(seats)
    return (apart == 1, apart == size - 1, 2 * apart == size, apart not in (1, size - 1))[form]


def make_table(rng: random.Random, scene: Scene, size: int) -> Problem:
    """Four or six people at a round table: who sits where."""
    people = (scene.slots["who"], *scene.others)[: 6 if size > 3 else 4]
    every = [(people[0], *rest) for rest in permutations(people[1:])]
    truth = rng.choice(every)
    known = [(f, a, b) for f in range(len(_TABLE_CLUES)) for a, b in permutations(people, 2) if _sits(f, truth, a, b)]
    rng.shuffle(known)
    left, clues = every, []
    for form, a, b in known:
        fewer = [seats for seats in left if _sits(form, seats, a, b)]
        if len(fewer) < len(left):
            clues.append(_TABLE_CLUES[form].format(a=a, b=b))
            left = fewer
        if len(left) == 1:
            break
    while True:
        asked = rng.choice(people)
        where = rng.choice(("opposite", "directly to the left of", "directly to the right of"))
        text = (
            f"{listed(people)} sit at a round table in {scene.slots['place']}, evenly spaced and facing its middle. "
            f"{' '.join(clues)} Who sits {where} {asked}?"
        )
        known_answer = solve_table(text)
        # What a single statement says is no question.
        if known_answer and not any(asked in clue and known_answer.answer in clue for clue in clues):
            return Problem(text, "seats at a table", known_answer.answer)


def solve_table(text: str) -> KnownSolution | None:
    """Who sits at the place that is asked for."""
    told = re.search(rf"((?:{_NAME}, )+{_NAME} and {_NAME}) sit at a round table", text)
    asked = re.search(rf"Who sits (opposite|directly to the left of|directly to the right of) {_NAME}\?\Z", text)
    if told is None or asked is None:
        return None
    people = unlisted(told[1])
    clues = []
    for form, words in enumerate(_TABLE_CLUES):
        pattern = re.escape(words).replace(r"\{a\}", _NAME).replace(r"\{b\}", _NAME)
        clues += [(form, *found) for found in re.findall(pattern, text)]
    every = ((people[0], *rest) for rest in permutations(people[1:]))
    fitting = [seats for seats in every if all(_sits(form, seats, a, b) for form, a, b in clues)]
    if len(fitting) != 1 or asked[2] not in people:
        return None
    (seats,) = fitting
    apart = {"opposite": len(seats) // 2, "directly to the left of": 1, "directly to the right of": -1}[asked[1]]
    answer = seats[(seats.index(asked[2]) + apart) % len(seats)]
    return KnownSolution(f"Clockwise from {seats[0]}, they sit in the order {listed(seats)}.", answer)


_SIGN = re.compile(r" points (?P<point>[a-z-]+)\. .*?(?P<turns>turns it .*)\. In which direction does it point now\?\Z")


def make_turns(rng: random.Random, scene: Scene, size: int) -> Problem:
    """An arrow that is turned a few times."""
    turns = [
        f"{rng.choice((45, 90, 135, 180, 225, 270))} degrees {rng.choice(('clockwise', 'anticlockwise'))}"
        for _ in range(size - 1)
    ]
    told = ", then ".join(turns)
    frames = (
        "The arrow on the sign in front of {place} points {point}. {who} turns it {told}. In which direction does it "
        "point "
        "now?",
        "Seen from above, the pointer on a map table in {place} points {point}. {who} turns it {told}. In which "
        "direction "
        "does it point now?",
    )
    text = rng.choice(frames).format_map({**scene.slots, "point": rng.choice(_POINTS), "told": told})
    known = solve_turns(text)
    return Problem(text, "rotations", known.answer if known else "")


def solve_turns(text: str) -> KnownSolution | None:
    """The direction after all turns, as seen from above."""
    found = _SIGN.search(text)
    if found is None or found["point"] not in _POINTS:
        return None
    turned = sum(
        int(degrees) * (1 if way == "clockwise" else -1)
        for degrees, way in re.findall(r"(\d+) degrees (clockwise|anticlockwise)", found["turns"])
    )
    answer = _POINTS[(_POINTS.index(found["point"]) + turned // 45) % 8]
    return KnownSolution(f"All turns together make {written_number(Fraction(turned))} degrees clockwise.", answer)


#: By the name of a focus: what makes a problem of that kind, and what solves it.
_PLACES: Mapping[str, tuple[_Made, Callable[[str], KnownSolution | None]]] = {
    "navigation": (make_walk, solve_walk),
    "maps": (make_map, solve_map),
    "seating": (make_table, solve_table),
    "rotation": (make_turns, solve_turns),
}
_SIZES = {"easy": 3, "medium": 4, "hard": 5}
_LEADS = (
    "{who} is {a_noun}.",
    "This comes from the notebook of {who}, {a_noun}.",
    "{who}, {a_noun}, keeps puzzles of this kind in a drawer.",
    "{other} does not believe {who} that this can be worked out without looking.",
    "{who} and {third} have settled this with closed eyes.",
    "Over a cup of tea in {place}, {other} put the following into words.",
    "{who}, {a_noun}, knows all there is to know about {thing}.",
    "{who} is {a_noun}; on {day} {other} came with this.",
    "On {day}, {third} asked in {place} for help with the following.",
)


def make_space(rng: random.Random, persona: str, *, focus: str = "", difficulty: str = "any") -> Problem:
    """A problem of space among the things of the person's field of work, with its answer.

    A focus that is none of the usual names is passed over. Difficulty is the number of steps, houses and seats; blocks,
    dice, paper, mirrors and wheels are the same at any difficulty.
    """
    kind = focus.strip().lower()
    kind = kind if kind in {**_PLACES, **BODIES} else rng.choice((*_PLACES, *BODIES))
    scene = scene_of(rng, persona)
    lead = scene.say(rng, _LEADS) if rng.random() < 0.95 else ""
    if kind in BODIES:
        return rng.choice(BODIES[kind]).make(rng, scene, lead)
    size = _SIZES[rng.choice(tuple(_SIZES)) if difficulty == "any" else difficulty]
    made = _PLACES[kind][0](rng, scene, size)
    return Problem(f"{lead} {made.text}".strip(), made.topic, made.answer)


def solve_space(text: str) -> KnownSolution | None:
    """The solution of a problem that `make_space` made, from its text; None for any other text."""
    for _, solve in _PLACES.values():
        if (found := solve(text)) is not None:
            return found
    every = (template for some in BODIES.values() for template in some)
    return next((found for template in every if (found := template.solve(text)) is not None), None)
