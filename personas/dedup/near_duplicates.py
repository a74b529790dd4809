"""Near-duplicates of texts, exactly: an index for texts that come one at a time, and a function for many at once."""

from collections.abc import Callable, Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .matcher import Blocks, Duplicates, WordSetMatcher, collect
from .minhash import BandKeys, SignatureFile, ngram_sets
from .pairs import Threshold
from .word_sets import iter_blocks, word_set, word_sets

#: The stage of verdicts by the default method: an exact join on the sets of words.
STAGE = "exact"


@dataclass(frozen=True, slots=True)
class DedupMethod:
    """How candidates are found, and what is compared. Either method verifies every candidate exactly."""

    #: `exact` finds all near-duplicates; `minhash`, the paper's method, nearly all, also of thresholds below 0.5.
    name: Literal["exact", "minhash"] = "exact"
    #: Words in each n-gram; the paper compares single words.
    ngram: int = 1

    @property
    def stage(self) -> str:
        """The stage of verdicts by this method: `exact`, `minhash`, `minhash:3-gram`."""
        return self.name if self.ngram == 1 else f"{self.name}:{self.ngram}-gram"

    @classmethod
    def of_stage(cls, stage: str) -> "DedupMethod":
        """The method whose verdicts have this stage."""
        name, _, ngram = stage.partition(":")
        return cls("minhash" if name == "minhash" else "exact", int(ngram.removesuffix("-gram")) if ngram else 1)

    def parse_threshold(self, value: float) -> Threshold:
        """The threshold. Raises `SetupError` outside 0.5 to 1, or 0.1 to 1 for `minhash`."""
        return Threshold.parse(value, minhash=self.name == "minhash")

    def matcher(
        self, threshold: Threshold, scratch: Path | None = None, signatures: SignatureFile | None = None
    ) -> WordSetMatcher:
        """A matcher by this method; `signatures` receives the signatures of `minhash`."""
        is_plain = self == DedupMethod()
        keys = BandKeys(threshold, signatures) if self.name == "minhash" else None
        return WordSetMatcher(
            threshold, scratch, keys=keys, sets=word_sets if is_plain else partial(ngram_sets, ngram=self.ngram)
        )


@dataclass(frozen=True, slots=True)
class Match[K: (str, int)]:
    """The earlier text that a text nearly repeats."""

    key: K
    #: Exact Jaccard similarity of the two sets of words.
    similarity: float
    #: The stage that found it.
    stage: str = STAGE


@dataclass(frozen=True, slots=True)
class Verdict:
    """Persona `persona` is a near-duplicate of the earlier persona `of`: marked, never deleted."""

    persona: str
    of: str
    stage: str
    similarity: float


class NearDuplicates[K: (str, int)]:
    """An index that finds for each text the earlier text that it nearly repeats, exactly.

    Only originals are indexed. So every later copy is matched with an original and never with another copy, matches
    form no chains, and a text that occurs a thousand times takes the memory of one. `len()` is the number of originals.
    """

    def __init__(
        self,
        threshold: float = 0.9,
        *,
        scratch: Path | None = None,
        keys: MutableSequence[K] | None = None,
        ordered: bool = False,
    ) -> None:
        """If `ordered`, no text repeats one with other numbers, or with words in other places, as `order` defines it.

        That always holds where each character is a word. With a folder `scratch`, the words of many originals are held
        in a temporary file there, not in memory.
        `keys` receives the keys of originals, in a list unless given: an array of numbers takes a fifth of its memory.
        """
        self._ordered = ordered
        self._matcher = WordSetMatcher(Threshold.parse(threshold), scratch, sets=partial(word_sets, ordered=ordered))
        self._keys: MutableSequence[K] = [] if keys is None else keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> Match[K] | None:
        """The most similar original that `text` nearly repeats, the earliest of equals. Adds nothing."""
        return self._match(self._matcher.find(word_set(text, ordered=self._ordered)))

    def add(self, key: K, text: str) -> Match[K] | None:
        """What `find` gives. If that is None, `text` becomes an original under `key`."""
        found = self._matcher.add(word_set(text, ordered=self._ordered))
        if found is None:
            self._keys.append(key)
        return self._match(found)

    def keep_all(self, keys: Iterable[K], texts: Iterable[str]) -> None:
        """Make texts originals without comparing them, for those that an earlier session decided on."""
        self._matcher.hold(_blocks(texts))
        self._keys.extend(keys)

    def add_all(self, keys: Sequence[K], texts: Iterable[str]) -> list[Match[K] | None]:
        """What `add` gives for each text in turn, a hundred times as fast for many texts."""
        matches: list[Match[K] | None] = []
        for decision in self._matcher.match(_blocks(texts)):
            kept = np.flatnonzero(decision.of < 0) + len(matches)
            self._keys.extend(keys[place] for place in kept.tolist())
            for of, similarity in zip(decision.of.tolist(), decision.similarity.tolist(), strict=True):
                matches.append(None if of < 0 else Match(self._keys[of], similarity))
        return matches

    def _match(self, found: tuple[int, float] | None) -> Match[K] | None:
        return None if found is None else Match(self._keys[found[0]], found[1])


def _blocks(texts: Iterable[str]) -> Blocks:
    return ((block, np.zeros(len(block), dtype=np.bool_)) for block in iter_blocks(texts))


def find_duplicates(
    texts: Iterable[str],
    *,
    threshold: float = 0.9,
    method: DedupMethod = DedupMethod(),
    signatures: SignatureFile | None = None,
    scratch: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """The near-duplicates among `texts`; by default exactly those that `NearDuplicates.add` finds in the same order.

    The first of near-duplicates is kept, and so is a text whose only near-duplicates are duplicates themselves. Texts
    are read once. With a folder `scratch`, the words of many originals are held in a temporary file there.
    `signatures` receives the MinHash signatures (see `write_signatures`), which only the method `minhash` makes.
    `progress` is called with the number of texts done.
    """
    least = method.parse_threshold(threshold)
    return find_in_blocks(
        _blocks(texts), least, method=method, signatures=signatures, scratch=scratch, progress=progress
    )


def find_in_blocks(
    blocks: Blocks,
    threshold: Threshold,
    *,
    method: DedupMethod = DedupMethod(),
    signatures: SignatureFile | None = None,
    scratch: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """`find_duplicates` for blocks of texts, each with flags: a flagged text is kept whatever it repeats."""
    return collect(method.matcher(threshold, scratch, signatures).match(blocks), progress)


def near_any(
    few: Iterable[str], texts: Iterable[str], threshold: Threshold, *, method: DedupMethod = DedupMethod()
) -> NDArray[np.int64]:
    """The places, from 0, of the `texts` that are near-duplicates of any of a `few`, in whatever order they came."""
    matcher = method.matcher(threshold)
    matcher.hold(_blocks(few))
    return np.concatenate([np.empty(0, dtype=np.int64), *matcher.near(_blocks(texts))])
