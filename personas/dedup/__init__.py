"""Near-duplicates: texts whose sets of words are alike to a Jaccard similarity of 0.9, or any other, exactly.

In outputs, and where each character is a word, the words also stand in the same places, and the numbers are the same.
"""

from .near_duplicates import (
    STAGE,
    DedupMethod,
    Duplicates,
    Match,
    NearDuplicates,
    Verdict,
    find_duplicates,
)
from .pairs import THRESHOLD, Threshold

__all__ = [
    "STAGE",
    "THRESHOLD",
    "DedupMethod",
    "Duplicates",
    "Match",
    "NearDuplicates",
    "Threshold",
    "Verdict",
    "find_duplicates",
]
