"""Which texts hold which topics, next to how often they would by chance; the statistics that follow from both.

A topic counts as reached when more texts hold it than chance explains: its count against that in texts of shuffled
words, by the exact test of two Poisson rates, with the Benjamini-Hochberg procedure at 5 % over all topics (Benjamini
and Hochberg 1995).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..personas.arrays import Flags, Ints, Matrix
from ..personas.persona import word_list

#: Texts of shuffled words that chance is measured on.
_SHUFFLED = 2_000
#: The share of reached topics that may be there by chance.
_FALSE = 0.05
#: Samples of people from which an interval is taken, and half its width in standard deviations.
_RESAMPLES, _WIDTH = 200, 1.96
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


def hits_by_cosine(alike: Matrix, shuffled: Matrix, people: Sequence[str], *, cosine: Matrix | float) -> TopicHits:
    """Find the texts whose `cosine` with a topic is large enough; chance is that of texts of `shuffled` words."""
    chance = (shuffled >= cosine).sum(axis=0, dtype=np.int64)
    return TopicHits(alike >= cosine, _numbered(people), chance, len(shuffled))


def shuffle_words(texts: Sequence[str]) -> list[str]:
    """Make texts of the words of these ones in random order, each as long as one of them; always the same."""
    rng = np.random.default_rng(_SEED)
    words = [words for text in texts if (words := word_list(text))]
    pool = [word for some in words for word in some]
    made: list[str] = []
    while pool and len(made) < _SHUFFLED:
        drawn = iter(rng.permutation(len(pool)).tolist())
        made += [" ".join(pool[n] for n in islice(drawn, len(some))) for some in words]
    return made[:_SHUFFLED]


def _numbered(people: Sequence[str]) -> Ints:
    numbers = {person: number for number, person in enumerate(Counter(people))}
    return np.array([numbers[person] for person in people], dtype=np.int64)
