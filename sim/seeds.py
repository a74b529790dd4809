"""Random numbers that depend on what they are for, and on nothing that happened before."""

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache

#: Up to so many things `random.sample` draws in one way, whatever their number and that of those drawn.
_FEW = 21


def derive_seed(seed: int, *purpose: object) -> int:
    """Derive a 63-bit seed from the run's seed and a purpose such as `("step", 3, agent)`."""
    hashed = _hash_purpose(seed, *purpose[:-1]).copy()
    for last in purpose[-1:]:
        hashed.update(f"\x1f{last}".encode())
    return int.from_bytes(hashed.digest()) >> 1


# Many seeds differ in the last word of their purpose alone, as those of the agents of a step.
@lru_cache(64, typed=True)
def _hash_purpose(*purpose: object) -> "hashlib.blake2b":
    """Return the hash of the part that many purposes begin with."""
    return hashlib.blake2b("\x1f".join(map(str, purpose)).encode(), digest_size=8)


def rng_for(seed: int, *purpose: object) -> random.Random:
    """Return an own generator for one purpose, so that agents share no random draws while they decide."""
    return random.Random(derive_seed(seed, *purpose))  # noqa: S311 - simulation, not secrecy


def draw_sample[T](rng: random.Random, things: Sequence[T], count: int) -> list[T]:
    """Return what `rng.sample(things, count)` returns. For few things, it takes a third of the time."""
    left = len(things)
    if not count <= left <= _FEW:
        return rng.sample(things, count)
    pool, drawn, draw = list(things), [], rng.getrandbits
    for _ in range(count):
        bits = left.bit_length()
        while (place := draw(bits)) >= left:
            pass
        left -= 1
        drawn.append(pool[place])
        pool[place] = pool[left]
    return drawn
