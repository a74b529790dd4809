"""Sentences with slots, and lists of them to choose from."""

import random
import re
from collections.abc import Callable, Sequence
from functools import cached_property

from .english import capital, polished

__all__ = ["Frame", "Pool"]

_SLOT = re.compile(r"\{(\w+)\}")

type Slots = Callable[[str], str | None]


class Frame:
    """One sentence or more with `{slots}`; a slot in upper case asks for its value with a capital."""

    __slots__ = ("parts",)

    def __init__(self, text: str) -> None:
        # Odd places hold the names of slots.
        self.parts = tuple(_SLOT.split(text))

    def fill(self, slots: Slots) -> str | None:
        """The text with every slot filled, or None when one of them has no value."""
        out: list[str] = []
        for place, part in enumerate(self.parts):
            if place % 2 == 0:
                out.append(part)
                continue
            value = slots(part.lower())
            if value is None:
                return None
            out.append(capital(value) if part[0].isupper() else value)
        return "".join(out)


class Pool:
    """Frames that say the same kind of thing."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """The frames, parsed on first use."""
        return tuple(map(Frame, self.texts))

    def say(self, rng: random.Random, slots: Slots, *, turn: int | None = None) -> str | None:
        """One of the frames, filled and polished; None when no frame can be filled.

        With `turn`, the frames take turns; without it, chance decides.
        """
        first = rng.randrange(len(self.frames)) if turn is None else turn
        for place in range(len(self.frames)):
            text = self.frames[(first + place) % len(self.frames)].fill(slots)
            if text is not None:
                return polished(text)
        return None

    def word(self, rng: random.Random) -> str:
        """One of the entries as it stands."""
        return rng.choice(self.texts)
