"""What the stand-in makes of the task: riddles from a small stock, in English or Chinese, with their answers."""

import random
from collections.abc import Mapping

from populace.agents.actions import KnownSolution
from populace.agents.procedural.problems import scene_of
from populace.agents.procedural.situation import portrait_of

from .riddles import RIDDLES
from .riddles_zh import LEADS, NAMES, PLACES, RIDDLES_ZH

_LEADS = (
    "{who} is {a_noun}.",
    "{other} asks {who}, {a_noun}, the following.",
    "{who}, {a_noun}, has been awake over this all night.",
    "Somebody has written this on the wall of {place}.",
    "A quarrel between {who} and {third} is about this.",
    "{who}, {a_noun}, knows all there is to know about {thing}, but not this.",
    "{other} could not answer this on {day}.",
    "On {day}, {third} read this out in {place}.",
    "This came on a postcard to {who} and {third}.",
)
_ALL = tuple(riddle for stock in (RIDDLES, RIDDLES_ZH) for some in stock.values() for riddle in some)


def make_riddle(rng: random.Random, persona: str, *, focus: str = "", language: str = "en") -> Mapping[str, str]:
    """The fields of a brainteaser among the things of the person's field of work.

    Languages other than Chinese are answered in English, and a focus that is none of the five tricks is passed over.
    """
    is_chinese = language.lower().startswith("zh")
    stock = RIDDLES_ZH if is_chinese else RIDDLES
    kind = focus.strip().lower()
    trick = kind if kind in stock else rng.choice(tuple(stock))
    riddle = rng.choice(stock[trick])
    scene = scene_of(rng, persona)
    if is_chinese:
        who, other = rng.sample(NAMES.split(), 2)
        place = rng.choice(PLACES[portrait_of(persona or "A person.").role.field].split())
        scene.slots = {"who": who, "other": other, "place": place}
        lead = rng.choice(LEADS).format_map(scene.slots)
    else:
        lead = scene.say(rng, _LEADS) if rng.random() < 0.95 else ""
    made = riddle.make(rng, scene, lead)
    return {"trick": trick, "text": made.text, "reference": made.answer, "explanation": riddle.explanation}


def solve_riddle(text: str) -> KnownSolution | None:
    """The answer to a riddle of this stock; None for any other text."""
    return next((found for riddle in _ALL if (found := riddle.solve(text)) is not None), None)
