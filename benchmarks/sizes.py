"""How much of everything a case of `hub.py` handles."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of everything that is made for the cases."""

    #: People of a hub, and relations between them.
    people: int
    ties: int
    #: People that are chosen from it.
    chosen: int
    #: People that are grown: in the process, and over HTTP with faults.
    grown: int
    asked: int
    #: Vectors that are compared.
    vectors: int
    #: Runs of which a figure is the median.
    repeat: int


#: `tiny` only shows that the cases run: next to nothing of what it measures is the work itself.
SIZES = {
    "tiny": Size(6_000, 18_000, 8, 4_000, 60, 1_500, 1),
    "small": Size(20_000, 60_000, 50, 3_000, 500, 10_000, 5),
    "large": Size(1_000_000, 3_000_000, 500, 100_000, 5_000, 100_000, 5),
}
