"""Names beside dots: as many as there is room for, none over another, none beyond the edge."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Dot", "Label", "place_labels", "text_width"]

type Floats = NDArray[np.float64]

#: Widths in shares of the type size. Fonts differ: these are those of a wide one, so that no text is longer.
_NARROW = frozenset("iljtfI.,;:'|!()[]\u2019 ")
_BROAD = frozenset("mwMW@%\u2026\u2014")
_GAP = 4.0
#: Room that a name needs around it, in squares of the type size: with more of them nobody sees the people.
_ROOM = 60.0
#: The first so many are worth hiding a few others.
_FIRST = 10
_HIDDEN = 3


@dataclass(frozen=True, slots=True)
class Dot:
    """A person in the picture."""

    x: float
    y: float
    radius: float
    #: What the person is, in a few words.
    name: str


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether the two have a point in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass(frozen=True, slots=True)
class Label:
    """A name that has found its room, and the place of the person in the list it was given."""

    person: int
    box: Box


def text_width(text: str, size: float) -> float:
    """About how wide a text is in this size of type, rather more than less."""
    return size * sum(map(_width, text))


def _width(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in _NARROW:
        return 0.42
    return 0.98 if character in _BROAD else 0.76 if character.isupper() else 0.64


def place_labels(dots: Sequence[Dot], frame: Box, size: float) -> list[Label]:
    """Names of the first people, then of as many as fit within `frame` beside those: the most important come first.

    Each stands above, below or beside its own dot, where it hides no other; of the first ten a few may be hidden.
    """
    most = (frame.right - frame.left) * (frame.bottom - frame.top) / (_ROOM * size**2)
    circles = np.array([(dot.x, dot.y, dot.radius) for dot in dots], np.float64).reshape(-1, 3)
    placed: list[Label] = []
    for person, dot in enumerate(dots):
        if len(placed) >= most:
            break
        room = [box for box in (_fitted(box, frame) for box in _places(dot, size)) if box is not None]
        free = [box for box in room if not any(box.meets(label.box) for label in placed)]
        hidden = [_hidden(circles, box) for box in free]
        if free and min(hidden) <= (_HIDDEN if person < _FIRST else 0):
            placed.append(Label(person, free[hidden.index(min(hidden))]))
    return placed


def _places(dot: Dot, size: float) -> Iterator[Box]:
    """Rooms for the name of a dot, the best first."""
    width, height = text_width(dot.name, size), 1.25 * size
    aside, away = dot.radius + _GAP, dot.radius + _GAP / 2
    middle = dot.x - width / 2
    for left, top in (
        (middle, dot.y - away - height),
        (middle, dot.y + away),
        (dot.x + aside, dot.y - height / 2),
        (dot.x - aside - width, dot.y - height / 2),
        (dot.x, dot.y - away - height),
        (dot.x - width, dot.y - away - height),
        (dot.x, dot.y + away),
        (dot.x - width, dot.y + away),
    ):
        yield Box(left, top, left + width, top + height)


def _fitted(box: Box, frame: Box) -> Box | None:
    """The box moved sideways into the frame by less than half of itself; None where that is not enough."""
    shift = max(0.0, frame.left - box.left) - max(0.0, box.right - frame.right)
    if abs(shift) > (box.right - box.left) / 2 or box.top < frame.top or box.bottom > frame.bottom:
        return None
    moved = Box(box.left + shift, box.top, box.right + shift, box.bottom)
    return moved if moved.left >= frame.left and moved.right <= frame.right else None


def _hidden(circles: Floats, box: Box) -> float:
    """How many dots lie under the box; too many when one of the first does."""
    x, y, radius = circles.T
    nearest_x, nearest_y = np.clip(x, box.left, box.right), np.clip(y, box.top, box.bottom)
    covered = np.hypot(x - nearest_x, y - nearest_y) < radius
    return np.inf if covered[:_FIRST].any() else float(covered.sum())
