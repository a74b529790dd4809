"""A figure, and whether it was counted or estimated."""

from dataclasses import dataclass

__all__ = ["Estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure that is exact, or was estimated from a sample of the given size."""

    #: None when the figure is not defined, as the mean path of a network without ties.
    value: float | None
    #: Standard error; None for an exact figure.
    error: float | None = None
    #: How many were drawn; None for an exact figure.
    sample: int | None = None
