"""Judging newcomers before they are taken in: the one door for rules of quality and for personal data."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from .persona import Persona

__all__ = ["Judge", "Ruling", "judged"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule says of a description."""

    #: The rule by name, and why it speaks, in one sentence.
    rule: str
    reason: str
    #: Whether the newcomer is taken in all the same.
    is_kept: bool = False
    #: What the description becomes; None where it stays as it is.
    text: str | None = None


#: Gives a ruling on a description, or None where it has nothing to say. It must answer the same every time.
type Judge = Callable[[str], Ruling | None]


def judged(persona: Persona, judges: Iterable[Judge]) -> tuple[Persona | None, tuple[Ruling, ...]]:
    """The persona as the judges leave it, one after another, and their rulings; None for one that is not taken in."""
    rulings: list[Ruling] = []
    for judge in judges:
        ruling = judge(persona.text)
        if ruling is None:
            continue
        rulings.append(ruling)
        if not ruling.is_kept:
            return None, tuple(rulings)
        if ruling.text is not None:
            persona = replace(persona, text=ruling.text)
    return persona, tuple(rulings)
