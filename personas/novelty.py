"""How new people are: among those who may be asked about, and over the latest newcomers."""

import math
import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from .errors import SetupError
from .persona import Persona
from .words import words

__all__ = ["WINDOW", "Latest", "Rarity", "questions_between"]

#: Newcomers over whom novelty is taken.
WINDOW = 500


class Rarity:
    """How new descriptions are beside those that are known.

    The novelty of a description is the mean rarity of its different words: 0 for a word that everybody has, 1 for
    one that nobody else has, on a logarithmic scale.
    """

    def __init__(self, known: Sequence[Persona]) -> None:
        self._holders: Counter[str] = Counter()
        for persona in known:
            self._holders.update(words(persona.text))
        self._scale = math.log(len(known) + 1)

    def most_novel(self, people: Sequence[Persona], most: int, *, rng: random.Random) -> list[Persona]:
        """The `most` of these people whose words are rarest; which of equals are among them is decided by chance."""
        drawn = sorted((-self._of(person), rng.random(), place) for place, person in enumerate(people))
        return [people[place] for _, _, place in drawn[:most]]

    def in_order(self, people: Iterable[Persona]) -> tuple[Persona, ...]:
        """All of these people, the most novel first; equals in the order in which they were given."""
        return tuple(sorted(people, key=lambda person: -self._of(person)))

    def _of(self, persona: Persona) -> float:
        # An exact sum: a set's order differs from process to process, and the rounding of a sum with it.
        rarities = [1 - math.log(max(1, self._holders[word])) / self._scale for word in words(persona.text)]
        return math.fsum(rarities) / len(rarities) if rarities else 0.0


def questions_between(newcomers: int) -> int:
    """How many questions, each of which brings so many newcomers, to ask between two looks at how new the latest are.

    At least one look falls into every 500 newcomers.
    """
    return max(1, WINDOW // max(1, newcomers))


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
