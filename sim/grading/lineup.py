"""Line-ups: the persona that a text was written with, among others from which it is to be told."""

import random
from collections.abc import Sequence

from ...personas.dedup.near_duplicates import NearDuplicates

#: Personas of a line-up.
SIZE = 4
#: Descriptions that have so many of their words in common are taken for one person.
_NEAR = 0.7


def draw_lineup(own: str, others: Sequence[str], rng: random.Random) -> tuple[str, ...]:
    """Place a persona at random among three others, or return () if fewer than three differ from it and each other."""
    apart = NearDuplicates[int](_NEAR)
    apart.add(0, own)
    drawn: list[str] = []
    for number, other in enumerate(rng.sample(others, len(others)), start=1):
        if apart.add(number, other) is None:
            drawn.append(other)
        if len(drawn) == SIZE - 1:
            drawn.insert(rng.randrange(SIZE), own)
            return tuple(drawn)
    return ()
