"""A bounded memory: what an agent took note of, and which of it comes to mind."""

from collections import deque
from dataclasses import dataclass
from sys import intern

from ..personas.words import words

__all__ = ["Memory"]


@dataclass(frozen=True, slots=True)
class _Note:
    text: str
    #: Interned, and no set: words recur all over a society, and a set of fresh strings takes ten times the memory.
    words: tuple[str, ...]


class Memory:
    """The newest `capacity` notes of one agent.

    Recall ranks by shared words, newer notes first among equals: it is lexical, and knows nothing of meaning.
    """

    __slots__ = ("_notes",)

    def __init__(self, capacity: int) -> None:
        self._notes: deque[_Note] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._notes)

    def note(self, text: str) -> None:
        """Remember `text`, and forget the oldest note when there is no room."""
        self._notes.append(_Note(text, tuple(map(intern, words(text)))))

    def recall(self, cue: str, count: int) -> tuple[str, ...]:
        """At most `count` notes, oldest first: the newest one, and those that share most words with `cue`."""
        if not self._notes or count < 1:
            return ()
        wanted = words(cue)
        newest = len(self._notes) - 1
        ranked = sorted(range(newest), key=lambda i: (len(wanted.intersection(self._notes[i].words)), i), reverse=True)
        chosen = sorted([*ranked[: count - 1], newest])
        return tuple(self._notes[i].text for i in chosen)
