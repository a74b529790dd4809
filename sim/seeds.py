"""Random numbers that depend on what they are for, and on nothing that happened before."""

import hashlib
import random


def derive_seed(seed: int, *purpose: object) -> int:
    """A seed of 63 bits drawn from the run's seed and a purpose such as `("step", 3, agent)`."""
    text = "\x1f".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def rng_for(seed: int, *purpose: object) -> random.Random:
    """A generator of its own for one purpose, so that nothing shared is drawn while agents decide."""
    return random.Random(derive_seed(seed, *purpose))  # noqa: S311 - simulation, not secrecy
