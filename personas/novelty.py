"""How new people are: among those who may be asked about, and over the latest newcomers."""

import math
import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from .errors import SetupError
from .persona import Persona
from .words import words

__all__ = ["WINDOW", "Latest", "most_novel"]

#: Newcomers over whom novelty is taken.
WINDOW = 500


def most_novel(people: Sequence[Persona], most: int, *, known: Sequence[Persona], rng: random.Random) -> list[Persona]:
    """The `most` of these people whose words are rarest among all who are `known`, the most novel first.

    The novelty of a description is the mean rarity of its different words: 0 for a word that everybody has, 1 for
    one that nobody else has, on a logarithmic scale. Equals are told apart by chance.
    """
    if most >= len(people):
        return list(people)
    holders: Counter[str] = Counter()
    for persona in known:
        holders.update(words(persona.text))
    scale = math.log(len(known) + 1)
    scores = [(-_rarity(words(p.text), holders, scale), rng.random(), place) for place, p in enumerate(people)]
    return [people[place] for _, _, place in sorted(scores)[:most]]


def _rarity(found: Iterable[str], holders: Counter[str], scale: float) -> float:
    # An exact sum: a set's order differs from process to process, and the rounding of a sum with it.
    rarities = [1 - math.log(max(1, holders[word])) / scale for word in found]
    return math.fsum(rarities) / len(rarities) if rarities else 0.0


class Latest:
    """The latest newcomers: who of them was somebody new. `str()` gives what `Latest` can be made from again."""

    def __init__(self, written: str = "") -> None:
        """Raises `SetupError` for a text that no `Latest` has written."""
        if not set(written) <= {"0", "1"}:
            raise SetupError(f"{written!r} is no record of newcomers; it has a 1 for each who was new and a 0 else.")
        self._new = deque((mark == "1" for mark in written), maxlen=WINDOW)

    def __str__(self) -> str:
        return "".join("1" if is_new else "0" for is_new in self._new)

    def note(self, newcomers: Iterable[bool]) -> None:
        """Take in whether each of these was somebody new."""
        self._new.extend(newcomers)

    @property
    def share(self) -> float | None:
        """The share of the latest 500 who were somebody new; None while there were fewer."""
        return sum(self._new) / WINDOW if len(self._new) == WINDOW else None
