"""Near-duplicates by meaning: vectors whose cosine is 0.9 or more, or any other bound."""

from .index import NearVectors
from .many import MOST_EXACT, near_vectors

__all__ = ["MOST_EXACT", "NearVectors", "near_vectors"]
