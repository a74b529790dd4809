"""Near-duplicates: texts whose sets of words are alike to a Jaccard similarity of 0.9, or any other, exactly."""

from .batch import Duplicates, find_duplicates
from .near import NearDuplicates
from .threshold import THRESHOLD
from .verdict import STAGE, Match, Verdict

__all__ = ["STAGE", "THRESHOLD", "Duplicates", "Match", "NearDuplicates", "Verdict", "find_duplicates"]
