"""What the stand-in makes of the task: puzzles with one solution, which is found by trying all cases."""

import random
from collections.abc import Callable, Mapping

from populace.agents.actions import KnownSolution
from populace.agents.procedural.problems import Problem, Scene, scene_of

from .deduction import (
    make_inference,
    make_labels,
    make_weekday,
    solve_inference,
    solve_labels,
    solve_weekday,
)
from .puzzles import (
    make_assignment,
    make_ordering,
    make_scheduling,
    make_truth,
    solve_assignment,
    solve_ordering,
    solve_scheduling,
    solve_truth,
)

#: By the name of a focus: what makes a puzzle of that kind, and what solves it.
_KINDS: Mapping[str, tuple[Callable[[random.Random, Scene, int], Problem], Callable[[str], KnownSolution | None]]] = {
    "ordering": (make_ordering, solve_ordering),
    "scheduling": (make_scheduling, solve_scheduling),
    "assignment": (make_assignment, solve_assignment),
    "truth-tellers": (make_truth, solve_truth),
    "labels": (make_labels, solve_labels),
    "syllogisms": (make_inference, solve_inference),
    "calendar": (make_weekday, solve_weekday),
}
_SIZES = {"easy": 3, "medium": 4, "hard": 5}
_LEADS = (
    "{who} is {a_noun}.",
    "This comes from the notebook of {who}, {a_noun}.",
    "{who} has thought about the following since breakfast.",
    "{who}, {a_noun}, knows the answer to this and does not tell it.",
    "It is a quiet {day}.",
    "{who}, {a_noun}, knows all there is to know about {thing}.",
    "{who} is {a_noun}; on {day} {other} came with this.",
    "On {day}, {third} asked in {place} for help with the following.",
)


def make_puzzle(rng: random.Random, persona: str, *, focus: str = "", difficulty: str = "any") -> Problem:
    """A puzzle set among the things of the person's field of work, with its answer.

    A focus that is none of the usual names is passed over. Difficulty is the number of people in it, where there may be
    more or fewer; puzzles of labels and inferences are always of the same size.
    """
    kind = focus.strip().lower()
    make, _ = _KINDS[kind if kind in _KINDS else rng.choice(tuple(_KINDS))]
    scene = scene_of(rng, persona)
    size = _SIZES[rng.choice(tuple(_SIZES)) if difficulty == "any" else difficulty]
    puzzle = make(rng, scene, size)
    lead = scene.say(rng, _LEADS) if rng.random() < 0.9 else ""
    return Problem(f"{lead} {puzzle.text}".strip(), puzzle.topic, puzzle.answer)


def solve_puzzle(text: str) -> KnownSolution | None:
    """The solution of a puzzle of these kinds, from its text; None for any other text."""
    return next((found for _, solve in _KINDS.values() if (found := solve(text)) is not None), None)
