"""Seeds of random choices."""

from operator import index

from .errors import SetupError

__all__ = ["check_seed"]


def check_seed(seed: int) -> int:
    """The seed. Raises `SetupError` when it is no whole number from 0, or does not fit into a column of the hub."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise SetupError(f"The seed must be a whole number from 0, but {seed!r} was given.")
    seed = index(seed)
    if not 0 <= seed < 2**63:
        raise SetupError(f"The seed must be from 0 to {2**63 - 1}, but {seed} was given.")
    return seed
