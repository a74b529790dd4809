"""Seeds of random choices."""

from .errors import SetupError

__all__ = ["check_seed"]


def check_seed(seed: int) -> int:
    """The seed. Raises `SetupError` when it is negative or does not fit into a column of the hub."""
    if not 0 <= seed < 2**63:
        raise SetupError(f"The seed must be from 0 to {2**63 - 1}, but {seed} was given.")
    return seed
