"""The similarity of two sets, which near-duplicates are held against."""


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """The Jaccard similarity of two sets, 0 to 1; two empty sets are equal."""
    if a == b:
        return 1.0
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)
