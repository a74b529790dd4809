"""Which texts hold which topics, next to how often they would by chance; the statistics that follow from both.

A topic counts as reached when more texts hold it than chance explains: its count against that in texts of chance words,
or against that of topics mixed from the terms of several, by the exact test of two Poisson rates, with the
Benjamini-Hochberg procedure at 5 % over all topics (Benjamini and Hochberg 1995).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..personas.arrays import Flags, Hashes, Ints, Matrix
from ..personas.persona import word_list
from .topics import Topic

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Times that texts of chance words are drawn, and the largest share of all words that one of them has there.
_DRAWN, _COMMONEST = 100, 0.003
#: The share of reached topics that may be there by chance.
_FALSE = 0.05
#: Samples of people from which an interval is taken, and half its width in standard deviations.
_RESAMPLES, _WIDTH = 200, 1.96
_BASE = np.uint64(0x9E3779B97F4A7C15)
_SEED = 20_240_628


@dataclass(frozen=True, slots=True)
class TopicHits:
    """Which texts hold which topics, and the counts that chance gives."""

    #: One row a text, one column a topic.
    held: Flags
    #: Whose text each is, by number: texts of one person are drawn together for intervals.
    people: Ints
    #: By topic the texts that hold it in `trials` texts of chance.
    chance: Ints
    trials: int

    def __len__(self) -> int:
        return len(self.held)

    @property
    def counts(self) -> Ints:
        """By topic the texts that hold it."""
        return self.held.sum(axis=0, dtype=np.int64)

    @property
    def expected(self) -> NDArray[np.float64]:
        """By topic the texts that hold it by chance, of as many as there are."""
        return self.chance.astype(np.float64) * (len(self) / self.trials)

    @property
    def reached(self) -> Flags:
        """The topics that more texts hold than chance explains."""
        found: Flags = self.are_reached(self.counts[None], np.array([len(self)]))[0]
        return found

    def are_reached(self, counts: Ints, sizes: Ints) -> Flags:
        """The same of samples of these texts, by their counts (a row each) and sizes."""
        from scipy.stats import binom

        p = binom.sf(counts - 1, counts + self.chance, (sizes / (sizes + self.trials))[:, None])
        order = np.argsort(p, axis=1)
        limits = _FALSE * np.arange(1, p.shape[1] + 1) / max(1, p.shape[1])
        passed = np.take_along_axis(p, order, axis=1) <= limits
        # All up to the last that passes.
        upto = passed[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
        found: Flags = np.empty_like(upto)
        np.put_along_axis(found, order, upto, axis=1)
        found &= counts > 0
        return found

    def reached_of(self, size: int) -> tuple[float, float, float]:
        """The number of topics that so many of the texts reach, with its 95 % interval.

        The number is the mean over samples without replacement; its spread is that over samples of people.
        """
        rng = np.random.default_rng(_SEED)
        texts = self.held.astype(np.float32)
        drawn = np.stack([self._texts(rng.permutation(len(self))[:size]) for _ in range(_RESAMPLES)])
        found = self._numbers(drawn, texts) if size < len(self) else np.array([self.reached.sum()])
        resampled = np.stack([self._people(rng, size) for _ in range(_RESAMPLES)])
        spread = _WIDTH * float(self._numbers(resampled, texts).std())
        mean = float(found.mean())
        return mean, max(0.0, mean - spread), min(float(self.held.shape[1]), mean + spread)

    @property
    def unseen(self) -> float | None:
        """The share of what texts are about that lies in topics of which none was seen (Good 1953); None without any.

        Chance adds topics that a single text holds, so it is an upper estimate.
        """
        total = int(self.counts.sum())
        return int((self.counts == 1).sum()) / total if total else None

    def _texts(self, places: Ints) -> NDArray[np.float32]:
        return np.bincount(places, minlength=len(self)).astype(np.float32)

    def _people(self, rng: np.random.Generator, size: int) -> NDArray[np.float32]:
        """How often each text is in a sample of whole people, of about so many texts."""
        number = int(self.people.max()) + 1
        times = np.bincount(rng.integers(number, size=max(1, round(size * number / len(self)))), minlength=number)
        return times[self.people].astype(np.float32)

    def _numbers(self, drawn: Matrix, texts: Matrix) -> Ints:
        counts = np.rint(drawn @ texts).astype(np.int64)
        return self.are_reached(counts, drawn.sum(axis=1).astype(np.int64)).sum(axis=1)


def stems(text: str) -> list[str]:
    """The words of a text in order, English plurals in -s as their singular."""
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in word_list(text)
    ]


class TermIndex:
    """Finds topics by their terms. The words of a term stand in a text next to each other, in its order."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        names = {path: number for number, path in enumerate(dict.fromkeys(_field(topic) for topic in topics))}
        #: By topic the number of its field.
        self.fields: Ints = np.array([names[_field(topic)] for topic in topics], dtype=np.int64)
        terms: dict[tuple[str, ...], set[int]] = {}
        for number, topic in enumerate(topics):
            for term in {tuple(stems(one)) for one in topic.terms} - {()}:
                terms.setdefault(term, set()).add(number)
        self._words = {word: number for number, word in enumerate({w: None for term in terms for w in term}, 1)}
        self._by_length: dict[int, tuple[Hashes, Ints]] = {}
        for length in sorted({len(term) for term in terms}):
            some = [(n, term) for n, term in enumerate(terms) if len(term) == length]
            codes = _codes(np.array([[self._words[word] for word in term] for _, term in some], dtype=np.uint64))
            order = np.argsort(codes)
            self._by_length[length] = codes[order], np.array([n for n, _ in some], dtype=np.int64)[order]
        pairs = np.array([(n, topic) for n, above in enumerate(terms.values()) for topic in above], dtype=np.int64)
        within = np.unique(np.stack([pairs[:, 0], self.fields[pairs[:, 1]]], axis=1), axis=0)
        #: Which terms belong to which topics, and to which fields.
        self.of_topics = _incidence(pairs, (len(terms), len(topics)))
        self.of_fields = _incidence(within, (len(terms), len(names)))

    def read(self, texts: Sequence[str]) -> tuple[Ints, Ints]:
        """The words of all texts as numbers, 0 for those of no term, and for each the number of its text."""
        found = [[self._words.get(word, 0) for word in stems(text)] for text in texts]
        owners = np.repeat(np.arange(len(texts)), [len(one) for one in found])
        return np.array([word for one in found for word in one], dtype=np.int64), owners

    def held(self, words: Ints, owners: Ints, count: int) -> "csr_array":
        """By text and term the words of the terms that it holds, each term once."""
        found = [np.empty((0, 3), dtype=np.int64)]
        for length, (codes, terms) in self._by_length.items():
            if len(words) >= length:
                window = np.lib.stride_tricks.sliding_window_view(words, length)
                whole = np.flatnonzero((window > 0).all(axis=1) & (owners[length - 1 :] == owners[: len(window)]))
                there = _codes(window[whole].astype(np.uint64))
                at = np.minimum(np.searchsorted(codes, there), len(codes) - 1)
                same = codes[at] == there
                pairs = np.unique(np.stack([owners[whole[same]], terms[at[same]]], axis=1), axis=0)
                found.append(np.column_stack([pairs, np.full(len(pairs), length)]))
        rows = np.concatenate(found)
        return _incidence(rows[:, :2], (count, self.of_topics.shape[0]), rows[:, 2].astype(np.float32))

    def topics_of(self, held: "csr_array", least: int) -> tuple[Ints, Ints]:
        """Texts and topics, in pairs: the text holds a term of the topic, and `least` words of terms of its field."""
        own, field = (held @ self.of_topics).tocoo(), (held @ self.of_fields).toarray()
        enough = field[own.row, self.fields[own.col]] >= least
        return own.row[enough], own.col[enough]


def hits_by_words(texts: Sequence[str], people: Sequence[str], topics: Sequence[Topic], *, least: int) -> TopicHits:
    """The texts that hold a term of a topic, and terms of at least so many words of its field.

    Chance is measured on texts of the same lengths, with words drawn as often as they occur in all texts together, but
    not oftener than words of a subject do in general: where all texts are about one thing, its words are common.
    """
    index, rng = TermIndex(topics), np.random.default_rng(_SEED)
    words, owners = index.read(texts)
    found = np.zeros((len(texts), len(topics)), dtype=np.bool_)
    found[index.topics_of(index.held(words, owners, len(texts)), least)] = True
    shares = np.minimum(np.bincount(words) / max(1, len(words)), _COMMONEST)
    shares[0] = 1 - shares[1:].sum()
    chance = np.zeros(len(topics), dtype=np.int64)
    for _ in range(_DRAWN):
        drawn = index.held(rng.choice(len(shares), len(words), p=shares), owners, len(texts))
        chance += np.bincount(index.topics_of(drawn, least)[1], minlength=len(topics))
    return TopicHits(found, _numbered(people), chance, _DRAWN * len(texts))


def hits_by_cosine(alike: Matrix, decoys: Matrix, people: Sequence[str], *, cosine: float) -> TopicHits:
    """The texts whose cosine with a topic is large enough; chance is that of topics mixed from the terms of several."""
    chance = int((decoys >= cosine).sum())
    return TopicHits(
        alike >= cosine, _numbered(people), np.full(alike.shape[1], chance, dtype=np.int64), int(decoys.size)
    )


def decoy_topics(topics: Sequence[Topic]) -> list[Topic]:
    """As many topics, each of terms that belong to different ones: what is near to them is so by chance."""
    rng = np.random.default_rng(_SEED)
    terms = [term for topic in topics for term in topic.terms]
    drawn = rng.permutation(len(terms))
    sizes = np.cumsum([0, *(len(topic.terms) for topic in topics)])
    mixed = [tuple(terms[n] for n in drawn[first:end]) for first, end in pairwise(sizes.tolist())]
    return [Topic((one[0],), one) for one in mixed]


def _field(topic: Topic) -> tuple[str, ...]:
    return topic.path[:-1] or topic.path


def _codes(words: Hashes) -> Hashes:
    """One number for each row of words."""
    code = np.zeros(len(words), dtype=np.uint64)
    for column in words.T:
        code = code * _BASE + column
    return code


def _incidence(pairs: Ints, shape: tuple[int, int], values: Matrix | None = None) -> "csr_array":
    from scipy.sparse import csr_array

    ones = np.ones(len(pairs), dtype=np.float32) if values is None else values
    return csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=shape)


def _numbered(people: Sequence[str]) -> Ints:
    numbers = {person: number for number, person in enumerate(Counter(people))}
    return np.array([numbers[person] for person in people], dtype=np.int64)
