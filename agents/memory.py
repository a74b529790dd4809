"""A bounded memory: what an agent noted, and which notes it recalls."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import fsum, log
from sys import intern

from ..personas.persona import words
from .embedding.vectors import Vector, cosine, unit

#: BM25's usual constants (Robertson and Zaragoza 2009): how soon a word counts no more for being there again,
#: and how far a long note is held against it.
_K1, _B = 1.2, 0.75


@dataclass(slots=True)
class _Note:
    text: str
    #: Its words, once they are compared. Interned, and no set: words recur all over a society, and a set of fresh
    #: strings takes ten times the memory.
    known_words: tuple[str, ...] | None = None
    #: What an embedding model made of the text, once one was asked; at length 1.
    vector: Vector | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the text, each once."""
        if self.known_words is None:
            self.known_words = tuple(map(intern, words(self.text)))
        return self.known_words


class Memory:
    """The newest `capacity` notes of one agent.

    Recall ranks by BM25 over the agent's own notes, which compares words and not meaning; or by the cosine of
    vectors, where an embedding model gave some. Newer notes come first among equals.
    """

    __slots__ = ("_notes",)

    def __init__(self, capacity: int) -> None:
        self._notes: deque[_Note] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._notes)

    def note(self, text: str) -> None:
        """Remember `text`, and forget the oldest note when there is no room."""
        self._notes.append(_Note(text))

    def has_choice(self, count: int) -> bool:
        """Whether recalling `count` notes leaves a choice: the newest note is recalled whatever the cue."""
        return 1 < count < len(self._notes)

    def without_vector(self) -> list[str]:
        """The notes that have no vector yet and can be chosen, oldest first."""
        return [note.text for note in list(self._notes)[:-1] if note.vector is None]

    def give_vectors(self, vectors: Mapping[str, Vector]) -> None:
        """Keep the vectors of notes, by their texts, for as long as the notes themselves."""
        for note in self._notes:
            if note.vector is None and note.text in vectors:
                note.vector = unit(vectors[note.text])

    def recall(self, cue: str, count: int, *, vector: Vector | None = None) -> tuple[str, ...]:
        """At most `count` notes, oldest first: the newest one, and those that are nearest to `cue`.

        With the `vector` of the cue, and one for each note, nearest in meaning; else in words.
        """
        if count < 1:
            return ()
        if len(self._notes) <= count:
            return tuple(note.text for note in self._notes)
        *older, newest = self._notes
        scores = _likeness(vector, older) or _bm25(words(cue), older)
        ranked = sorted(range(len(older)), key=lambda i: (scores[i], i), reverse=True)
        chosen = sorted(ranked[: count - 1])
        return (*(older[i].text for i in chosen), newest.text)


def _likeness(cue: Vector | None, notes: Sequence[_Note]) -> list[float]:
    """The cosine of each note to the cue; nothing when a vector is missing."""
    vectors = [note.vector for note in notes if note.vector is not None]
    if cue is None or len(vectors) < len(notes):
        return []
    asked = unit(cue)
    return [cosine(asked, vector) for vector in vectors]


def _bm25(wanted: frozenset[str], notes: Sequence[_Note]) -> list[float]:
    """The BM25 score of each note, a word counting once in a note; rare is what few of these notes hold."""
    shared = [wanted.intersection(note.words) for note in notes]
    holding = Counter(chain.from_iterable(shared))
    rarity = {word: log(1 + (len(notes) - n + 0.5) / (n + 0.5)) for word, n in holding.items()}
    usual = sum(len(note.words) for note in notes) / max(1, len(notes)) or 1.0
    least, growth = 1 + _K1 * (1 - _B), _K1 * _B / usual
    return [
        # An exact sum: a set's order differs from process to process, and the rounding of a sum with it.
        fsum(map(rarity.__getitem__, found)) * (_K1 + 1) / (least + growth * len(note.words)) if found else 0.0
        for found, note in zip(shared, notes, strict=True)
    ]
