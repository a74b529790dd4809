"""What is said of a text that nearly repeats an earlier one."""

from dataclasses import dataclass

__all__ = ["STAGE", "Match", "Verdict"]

#: The stage that decides here: an exact join on the sets of words.
STAGE = "exact"


@dataclass(frozen=True, slots=True)
class Match[K: (str, int)]:
    """The earlier text that a text is a near-duplicate of."""

    key: K
    #: Exact Jaccard similarity of the two sets of words.
    similarity: float
    #: The stage that found it.
    stage: str = STAGE


@dataclass(frozen=True, slots=True)
class Verdict:
    """Persona `persona` is a near-duplicate of the earlier persona `of`: marked, never deleted."""

    persona: str
    of: str
    stage: str
    similarity: float
