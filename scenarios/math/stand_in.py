"""What the stand-in makes of the task: problems from templates, with answers that are computed."""

import random
from collections.abc import Mapping, Sequence

from populace.agents.actions import KnownSolution
from populace.agents.procedural.problems import Problem, ProblemTemplate, scene_of

from .competition import COMPETITION
from .olympiad import OLYMPIAD
from .school import SCHOOL
from .university import UNIVERSITY

_LEVELS: Mapping[str, Mapping[str, Sequence[ProblemTemplate]]] = {
    "school": SCHOOL,
    "competition": COMPETITION,
    "olympiad": OLYMPIAD,
    "university": UNIVERSITY,
}
_ALL = tuple(template for level in _LEVELS.values() for some in level.values() for template in some)
#: What goes in front of a problem that happens to its persons: who they are, or nothing.
_STORY_LEADS = (
    "{who} is {a_noun}.",
    "{who}, {a_noun}, has had a long {day}.",
    "This comes from the notebook of {who}, {a_noun}.",
    "{who}, {a_noun}, knows all there is to know about {thing}.",
    "It is {day}, and the busiest week of the year.",
    "On {day}, {third} wanted to know the following.",
    "{other} and {third} had an argument about this on {day}.",
)
#: And in front of one that somebody puts to somebody.
_POSED_LEADS = (
    "{who}, {a_noun}, has pinned this to the door of {place}.",
    "{other} asks {who}, {a_noun}, for help with the following.",
    "Between two pages about {thing}, {who} has found this.",
    "{who} is {a_noun} and knows all about {thing}; on {day} {other} came with something else.",
    "{who} and {other} argue about this on the way to {place}.",
    "On a slip of paper that lay in {place}, {who} reads the following.",
    "{who} puts this to {other} during a quiet hour in {place}.",
    "While the kettle boils in {place}, {who} sets {other} and {third} a problem.",
)
#: Where the person's expertise is to be drawn on.
_TRADE_LEADS = (
    "{who} is {a_noun} and needs an exact figure by {day}.",
    "In the work of {who}, {a_noun}, the following came up on {day}.",
    "{other} has sent this question to {who}, {a_noun}.",
    "{who}, {a_noun}, prepares a calculation that {other} will check.",
    "{who}, {a_noun}, is asked about {thing} every day, and on {day} about this.",
)


def make_problem(
    rng: random.Random, persona: str, *, focus: str = "", difficulty: str = "any", professional: bool = False
) -> Problem:
    """A problem about the things of the person's field of work, with its answer.

    A focus that is no branch of mathematics by its usual name is passed over. With `professional` the problem comes
    out of the person's trade, and is of a university where no difficulty is said; it is no harder than others are.
    """
    if difficulty == "any":
        difficulty = "university" if professional else rng.choice(tuple(_LEVELS))
    level = _LEVELS[difficulty]
    branch = focus.strip().lower()
    template = rng.choice(level[branch if branch in level else rng.choice(tuple(level))])
    scene = scene_of(rng, persona)
    if professional and scene.has_trade:
        lead = scene.say(rng, _TRADE_LEADS)
    elif template.is_story:
        lead = scene.say(rng, _STORY_LEADS) if rng.random() < 0.9 else ""
    else:
        lead = scene.say(rng, _POSED_LEADS)
    return template.make(rng, scene, lead)


def solve_problem(text: str) -> KnownSolution | None:
    """The solution of a problem of these templates, from the numbers in its text; None for any other text."""
    return next((found for template in _ALL if (found := template.solve(text)) is not None), None)
