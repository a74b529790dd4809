"""What an agent noted, and which notes it recalls: the nearest (`Memory`), or by weight as well (`MemoryStream`)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import fsum, log
from sys import intern
from typing import ClassVar, Literal

from ..core.text import words
from .embedding.vectors import Vector, measure_cosine, unit

#: What a note is of: news, what the agent did or said, what it was told, what it concluded, what it means to do.
type NoteKind = Literal["seen", "said", "heard", "reflection", "plan"]

#: BM25's usual constants (Robertson and Zaragoza 2009): how soon a word counts no more for being there again,
#: and how far a long note is held against it.
_K1, _B = 1.2, 0.75

#: The importance of a note by its kind, from 1 to 10, before what is added for close people and new words.
_IMPORTANCE: Mapping[NoteKind, int] = {"said": 3, "heard": 4, "seen": 5, "plan": 5, "reflection": 8}
#: What is added where the other person is close, and at most for words that none of the agent's notes has.
_CLOSE, _NEW = 2, 3
_LEAST, _MOST = 1, 10


@dataclass(frozen=True, slots=True)
class MemoryNote:
    """Something that an agent is to remember."""

    text: str
    kind: NoteKind
    #: From 1 to 10; None for what the memory makes of it.
    importance: int | None = None


@dataclass(slots=True)
class _Note:
    text: str
    kind: NoteKind = "said"
    step: int = 0
    importance: int | None = None
    #: When it was noted, as the agent tells the time; empty where nobody says.
    time: str = ""
    #: Its words, once they are compared. Interned, and no set: words recur all over a society, and a set of fresh
    #: strings takes ten times the memory.
    known_words: tuple[str, ...] | None = None
    #: What an embedding model made of the text, once one was asked; at length 1.
    vector: Vector | None = None

    @property
    def told(self) -> str:
        """The text behind the time at which it was noted, as `(step 3)`."""
        return f"({self.time}) {self.text}" if self.time else self.text

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the text, each once."""
        if self.known_words is None:
            self.known_words = tuple(map(intern, words(self.text)))
        return self.known_words


class Memory:
    """The newest `capacity` notes of one agent, and its plan, which holds until the next and is then a note.

    Recall ranks by BM25 over the agent's own notes, which compares words and not meaning; or by the cosine of
    vectors, where an embedding model gave some. Newer notes come first among equals, and the newest note comes always.
    """

    __slots__ = ("_capacity", "_notes", "_plan")

    #: Whether news become notes.
    keeps_news: ClassVar[bool] = False
    #: How many of the newest notes are recalled whatever the cue.
    _always: ClassVar[int] = 1

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._notes: list[_Note] = []
        self._plan: _Note | None = None

    def __len__(self) -> int:
        return len(self._notes)

    def note(
        self, text: str, *, kind: NoteKind = "said", step: int = 0, importance: int | None = None, time: str = ""
    ) -> None:
        """Remember `text`. If there is no room, forget the oldest note. A plan replaces the one before it."""
        note = _Note(text, kind, step, self.weigh(text, kind) if importance is None else importance, time)
        if kind != "plan":
            self._take_note(note)
            return
        if self._plan is not None:
            self._plan.text = f"You planned: {self._plan.text}"
            self._take_note(self._plan)
        self._plan = note

    def _take_note(self, note: _Note) -> None:
        self._notes.append(note)
        if len(self._notes) > self._capacity:
            del self._notes[0]

    def weigh(self, text: str, kind: NoteKind, *, is_close: bool = False) -> int | None:
        """Return the importance of a note that is about to be taken, from 1 to 10, or None if notes are not weighed.

        `is_close` says whether the note is about an agent whom this one knows well.
        """
        return None

    def holds(self, text: str) -> bool:
        """Return whether there is a note with this text."""
        return any(note.text == text for note in self._notes)

    @property
    def plan(self) -> str:
        """What the agent means to do; empty where it has no plan."""
        return self._plan.text if self._plan else ""

    @property
    def plan_time(self) -> str:
        """When the plan was made, as the agent tells the time."""
        return self._plan.time if self._plan else ""

    def is_plan_due(self, step: int, every: int) -> bool:
        """Return whether a plan is due in this step: there is none, or it has held for `every` steps."""
        return every > 0 and (self._plan is None or step - self._plan.step >= every)

    def to_reflect_on(self, importance: int) -> tuple[str, ...]:
        """Return the notes since the last reflection, once their importance adds up to this much.

        In this memory, none.
        """
        return ()

    def has_choice(self, count: int) -> bool:
        """Return whether recalling `count` notes leaves a choice among them."""
        return self._always < count < len(self._notes)

    def without_vector(self) -> list[str]:
        """Return the notes that have no vector yet and can be chosen, oldest first."""
        return [note.text for note in self._chosen_from if note.vector is None]

    def give_vectors(self, vectors: Mapping[str, Vector]) -> None:
        """Keep the vectors of notes, by their texts, for as long as the notes themselves."""
        for note in self._notes:
            if note.vector is None and note.text in vectors:
                note.vector = unit(vectors[note.text])

    def recall(
        self, cue: str, count: int, *, vector: Vector | None = None, without: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """Return at most `count` notes with their times, oldest first.

        They are the newest one and those nearest to `cue`. With the `vector` of the cue and one for each note,
        nearness is in meaning, otherwise in words. Notes that end as one of `without` are left out, since the agent is
        shown these lines anyway.
        """
        if count < 1:
            return ()
        notes = self._notes
        if without:
            notes = [note for note in notes if not note.text.endswith(without)]
        scores = self._score_notes(cue, notes[: len(notes) - self._always], vector) if len(notes) > count else ()
        if not any(scores):  # all are equal, so the newest are chosen
            return tuple([note.told for note in notes[-count:]])
        ranked = sorted(zip(scores, range(len(scores)), strict=True), reverse=True)
        chosen = sorted(place for _, place in ranked[: count - self._always])
        return tuple([notes[place].told for place in (*chosen, *range(len(scores), len(notes)))])

    @property
    def _chosen_from(self) -> list[_Note]:
        return self._notes[: len(self._notes) - self._always]

    def _score_notes(self, cue: str, notes: Sequence[_Note], vector: Vector | None) -> list[float]:
        """Return the score of each note, or an empty list if all are equal."""
        return _score_by_vectors(vector, notes) or _score_by_bm25(words(cue), notes)


@dataclass(frozen=True, slots=True)
class RecallWeights:
    """How much each of the three counts by which a `MemoryStream` recalls, and how fast notes fade."""

    recency: float = 1.0
    relevance: float = 1.0
    importance: float = 1.0
    #: What is left of a note's recency after each step.
    decay: float = 0.9


class MemoryStream(Memory):
    """Notes recalled by recency, relevance and importance, with reflections and a plan (Park et al. 2023, section 4).

    The score of a note is the weighted sum of the three, each scaled to [0, 1] over the agent's notes, as in section
    4.1 there. Recency is `decay` to the number of steps since the note was taken; recalling a note does not refresh it,
    so that what an agent recalls follows from its rows. Relevance is the cosine of vectors, or BM25 without them.

    It keeps the newest `capacity` notes of what happened, and as many reflections.
    """

    __slots__ = ("_holding", "_weights")

    keeps_news: ClassVar[bool] = True
    _always: ClassVar[int] = 0

    def __init__(self, capacity: int, *, weights: RecallWeights | None = None) -> None:
        super().__init__(capacity)
        self._weights = weights or RecallWeights()
        #: In how many of the notes each word is.
        self._holding = Counter[str]()

    def _take_note(self, note: _Note) -> None:
        self._notes.append(note)
        self._holding.update(note.words)
        alike = [other for other in self._notes if (other.kind == "reflection") == (note.kind == "reflection")]
        if len(alike) > self._capacity:
            self._forget_note(alike[0])

    def _forget_note(self, note: _Note) -> None:
        del self._notes[next(place for place, one in enumerate(self._notes) if one is note)]
        for word in note.words:
            self._holding[word] -= 1
            if not self._holding[word]:
                del self._holding[word]

    def weigh(self, text: str, kind: NoteKind, *, is_close: bool = False) -> int:
        """Weigh a note by a rule that asks no model: 1 to 10, whatever its length.

        Said gives 3, heard 4, news and plans 5, reflections 8. A note about somebody close gets 2 more. The share of
        words that are in none of the agent's notes adds up to 3 more.
        """
        told = words(text)
        new = sum(not self._holding[word] for word in told) / len(told) if told else 0.0
        return max(_LEAST, min(_MOST, _IMPORTANCE[kind] + (_CLOSE if is_close else 0) + round(_NEW * new)))

    def to_reflect_on(self, importance: int) -> tuple[str, ...]:
        """Return the notes since the last reflection, oldest first, once their importance adds up to this much.

        Return none before that. Notes from the same step as the reflection count: an agent reflects on what it had
        noted before its turn.
        """
        if importance < 1:
            return ()
        last = max((note.step for note in self._notes if note.kind == "reflection"), default=0)
        since = [note for note in self._notes if note.kind != "reflection" and note.step >= last]
        return tuple(note.told for note in since) if sum(note.importance or 0 for note in since) >= importance else ()

    def _score_notes(self, cue: str, notes: Sequence[_Note], vector: Vector | None) -> list[float]:
        weights, newest = self._weights, max(note.step for note in notes)
        parts = (
            (weights.recency, [weights.decay ** (newest - note.step) for note in notes]),
            (weights.relevance, super()._score_notes(cue, notes, vector) or [0.0] * len(notes)),
            (weights.importance, [float(note.importance or _LEAST) for note in notes]),
        )
        scaled = [[weight * one for one in _scale_values(values)] for weight, values in parts]
        return [fsum(one) for one in zip(*scaled, strict=True)]


def _scale_values(values: Sequence[float]) -> list[float]:
    """Scale the values to between 0 for the least and 1 for the greatest. All are 0 if they are equal."""
    least, width = min(values), max(values) - min(values)
    return [(value - least) / width if width else 0.0 for value in values]


def _score_by_vectors(cue: Vector | None, notes: Sequence[_Note]) -> list[float]:
    """Return the cosine of each note to the cue, or an empty list if a vector is missing."""
    if cue is None:
        return []
    vectors = [note.vector for note in notes if note.vector is not None]
    if len(vectors) < len(notes):
        return []
    asked = unit(cue)
    return [measure_cosine(asked, vector) for vector in vectors]


def _score_by_bm25(wanted: frozenset[str], notes: Sequence[_Note]) -> list[float]:
    """Return the BM25 score of each note.

    A word counts once in a note, and is rare if few of these notes hold it. Return an empty list if no note holds any
    of the words.
    """
    if not wanted:
        return []
    held = [note.known_words or note.words for note in notes]
    shared = list(map(wanted.intersection, held))
    holding = Counter(chain.from_iterable(shared))
    if not holding:
        return []
    rarity = {word: log(1 + (len(notes) - n + 0.5) / (n + 0.5)) for word, n in holding.items()}
    usual = sum(map(len, held)) / len(notes)
    least, growth = 1 + _K1 * (1 - _B), _K1 * _B / usual
    # An exact sum: a set's order differs from process to process, and the rounding of a sum with it.
    summed = {found: fsum(map(rarity.__getitem__, found)) for found in set(shared)}
    return [summed[found] * (_K1 + 1) / (least + growth * len(told)) for found, told in zip(shared, held, strict=True)]
