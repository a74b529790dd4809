"""What the stand-in makes of the task: problems of space whose answers are computed."""

import random
from collections.abc import Callable, Mapping

from populace.agents.actions import KnownSolution
from populace.agents.procedural.problems import Problem, Scene, scene_of

from .bodies import BODIES
from .places import make_map, make_table, make_turns, make_walk, solve_map, solve_table, solve_turns, solve_walk

type _Made = Callable[[random.Random, Scene, int], Problem]

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
