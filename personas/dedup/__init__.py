"""Near-duplicates: texts whose sets of words are alike to a Jaccard similarity of 0.9, or any other, exactly."""

from .near_duplicates import STAGE, Duplicates, Match, NearDuplicates, Verdict, find_duplicates
from .pairs import THRESHOLD

__all__ = ["STAGE", "THRESHOLD", "Duplicates", "Match", "NearDuplicates", "Verdict", "find_duplicates"]
