"""MinHash as datasketch computes it: signatures for other tools, and candidates by bands of them.

The paper (section 2.3) removes near-duplicates by MinHash of 1-grams with 128 permutations at a threshold of 0.9.
Signatures here are those of `datasketch.MinHash` (scheme `affine32`, seed 1) bit for bit, computed for many texts at
once with datasketch's own permutations. Two texts are candidates when one band of their signatures is equal, as in
`datasketch.MinHashLSH(params=(bands, rows))`. Every candidate is verified by its exact Jaccard similarity: an estimate
from 128 slots has a standard error of 0.03 at 0.9 and cannot decide. Bands are chosen for recall at the threshold
(`choose_bands`); with the defaults of `MinHashLSH`, 31 % of the pairs whose similarity is 0.9 become candidates.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import count, islice
from pathlib import Path

import numpy as np
from arro3.core import Table
from numpy.typing import NDArray

from ..arrays import Hashes, Ints
from ..arrow import make_table, open_parquet
from ..errors import SetupError
from ..files import whole_file
from ..persona import word_list
from .index import KeyScheme
from .pairs import Threshold
from .word_sets import HASH_BITS, WordSets, mix

type Signatures = NDArray[np.uint32]

#: Slots of a signature (paper, section 2.3), and what else makes signatures comparable: scheme and seed of datasketch.
PERMUTATIONS = 128
_SCHEME, _SEED = "affine32", 1
#: The least chance that a pair exactly at the threshold becomes a candidate.
_RECALL = 0.995
_LONGEST_NGRAM = 20
_HASH_BYTES = HASH_BITS // 8


def choose_bands(threshold: float) -> tuple[int, int]:
    """The number of bands and the slots in each: the widest bands that still find 99.5 % of pairs at the threshold.

    A pair of similarity `s` becomes a candidate with the chance `1 - (1 - s ** rows) ** bands`.
    """
    for rows in range(PERMUTATIONS, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= _RECALL:
            return bands, rows
    return PERMUTATIONS, 1


def ngram_sets(texts: Sequence[str], ngram: int = 1) -> WordSets:
    """The sets of n-grams of at most 65,536 texts: runs of `ngram` words, joined by spaces.

    A text of fewer words is one n-gram. The lower 32 bits of a hash are `datasketch.hashfunc.sha1_hash32`. Raises
    `SetupError` for an n-gram of fewer than 1 or more than 20 words.
    """
    if not 1 <= ngram <= _LONGEST_NGRAM:
        raise SetupError(f"An n-gram has 1 to {_LONGEST_NGRAM} words, but {ngram} was given.")
    hashed = [set(map(_gram_hash, _ngrams(text, ngram))) for text in texts]
    words = np.fromiter((word for some in hashed for word in some), dtype=np.uint64, count=sum(map(len, hashed)))
    numbers = np.arange(len(texts), dtype=np.uint64) << np.uint64(HASH_BITS)
    words |= np.repeat(numbers, [len(some) for some in hashed])
    words.sort()
    return WordSets.of(words, len(texts))


def signatures(sets: WordSets) -> Signatures:
    """One signature of 128 slots a set of `ngram_sets`; of an empty set, each slot holds the greatest number."""
    found = np.full((len(sets), PERMUTATIONS), np.iinfo(np.uint32).max, dtype=np.uint32)
    filled = np.flatnonzero(sets.sizes)
    if len(filled):
        hashes = _finalised(sets.words.astype(np.uint32))
        for slot, (factor, offset) in enumerate(zip(*_permutations(), strict=True)):
            found[filled, slot] = np.minimum.reduceat(hashes * factor + offset, sets.starts[filled])
    return found


class BandKeys(KeyScheme):
    """Keys from the bands of signatures; nearly all sets as similar as the threshold share one."""

    def __init__(self, threshold: Threshold, written: "SignatureFile | None" = None) -> None:
        """`written` takes the signature of each set in turn."""
        self.bands, self.rows = choose_bands(threshold.least / threshold.whole)
        self._written = written

    def keys(self, sets: WordSets) -> tuple[Hashes, Ints]:
        """Keys of 64 bits, and the number of the set that publishes each."""
        made = signatures(sets)
        keys = band_keys(made, self.bands, self.rows)
        if self._written is not None:
            self._written.append(made, keys)
        return keys.ravel(), np.repeat(np.arange(len(sets)), self.bands)


def band_keys(made: Signatures, bands: int, rows: int) -> Hashes:
    """One key of 64 bits for each band of each signature: equal where all slots of the band are."""
    slots = made[:, : bands * rows].reshape(len(made), bands, rows).astype(np.uint64)
    keys = np.broadcast_to(np.arange(bands, dtype=np.uint64), (len(made), bands)).copy()
    for row in range(rows):
        keys = mix((keys << np.uint64(8)) + keys + slots[:, :, row] + np.uint64(1))
    return keys


class SignatureFile:
    """A Parquet file of signatures, which datasketch, DuckDB, Spark or Ray can read: see `write_signatures`."""

    def __init__(self, write: Callable[[Table], None], types: Mapping[str, str], ids: Iterable[str] | None) -> None:
        self._write, self._types = write, types
        self._ids: Iterator[object] = count() if ids is None else iter(ids)
        write(make_table(dict.fromkeys(types, ()), types))

    def append(self, made: Signatures, keys: Hashes) -> None:
        """Write the signatures of the next texts, and the keys of their bands."""
        columns = (list(islice(self._ids, len(made))), list(made), list(keys))
        self._write(make_table(dict(zip(self._types, columns, strict=True)), self._types))


@contextmanager
def write_signatures(
    path: Path, threshold: float = 0.9, *, ngram: int = 1, ids: Iterable[str] | None = None
) -> Iterator[SignatureFile]:
    """A new Parquet file at `path`, whole or not at all, with a row for each text.

    Columns: `id` (of `ids`, else the place of the text from 0), `signature` (128 unsigned 32-bit numbers, the
    `hashvalues` of `datasketch.MinHash(scheme="affine32", seed=1)`) and `bands` (64-bit keys for this threshold: texts
    that share one are candidates, also across files). The file's metadata `populace.minhash` says how they were made.
    Raises `SetupError` when the path is taken.
    """
    bands, rows = choose_bands(threshold)
    made = {"num_perm": PERMUTATIONS, "scheme": _SCHEME, "seed": _SEED, "hash": "sha1_hash32", "ngram": ngram}
    facts = {"populace.minhash": json.dumps(made | {"bands": bands, "rows": rows, "threshold": threshold})}
    types = {"id": "BIGINT" if ids is None else "VARCHAR", "signature": "UINTEGER[]", "bands": "UBIGINT[]"}
    if path.exists():
        raise SetupError(f"{str(path)!r} exists; give a path where there is no file yet.")
    with whole_file(path) as part, open_parquet(part, facts) as write:
        yield SignatureFile(write, types, ids)


def _ngrams(text: str, ngram: int) -> Iterable[str]:
    found = word_list(text)
    if ngram == 1 or not found:
        return found
    return (" ".join(found[at : at + ngram]) for at in range(max(1, len(found) - ngram + 1)))


@lru_cache(maxsize=1 << 17)
def _gram_hash(gram: str) -> int:
    digest = hashlib.sha1(gram.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:_HASH_BYTES], "little")


def _finalised(hashes: Signatures) -> Signatures:
    # The last mixing step of MurmurHash3, which affine32 puts before its permutations.
    hashes ^= hashes >> np.uint32(16)
    hashes *= np.uint32(0x85EBCA6B)
    hashes ^= hashes >> np.uint32(13)
    hashes *= np.uint32(0xC2B2AE35)
    hashes ^= hashes >> np.uint32(16)
    return hashes


@cache
def _permutations() -> tuple[Signatures, Signatures]:
    from datasketch import MinHash

    factors, offsets = MinHash(num_perm=PERMUTATIONS, seed=_SEED, scheme=_SCHEME).permutations
    return factors, offsets
