"""Requests to an assistant, grounded in what a person does and what has happened."""

import random

from .lexicon import pool
from .portrait import stable_number
from .scene import Scene
from .situation import Situation

__all__ = ["errand"]

_ABOUT_NEWS = 0.45
_ABOUT_PLACE = 0.12
_TAIL = 0.6


def errand(rng: random.Random, situation: Situation) -> str:
    """One request, in the person's own words; of another kind from one step to the next."""
    scene = Scene(rng, situation)
    turn = None
    if situation.step is not None:
        turn = stable_number(situation.persona) + situation.step + 7 * situation.revisions
    drawn = rng.random()
    about = "any"
    if situation.news and scene("news") and drawn < _ABOUT_NEWS:
        about = "news"
    elif drawn > 1 - _ABOUT_PLACE:
        about = "scene"
    text = pool("errands", "asks", about).say(rng, scene, turn=turn)
    text = text or pool("errands", "asks", "any").say(rng, scene, turn=turn) or ""
    tail = pool("errands", "asks", "tails").say(rng, scene) if rng.random() < _TAIL else None
    return f"{text} {tail}" if tail else text
