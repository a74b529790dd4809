"""Near-duplicates as pairs to read side by side, with the words in which they differ."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..queryable import Queryable
from ..wording import clip, short_label
from .limits import DUPLICATE_PAIRS, TEXT

__all__ = ["DuplicateKind", "Pair", "Span", "mark_differences", "read_duplicates"]

_PAIRS = """
WITH numbered AS (
    SELECT *, count(*) OVER of_kind AS total,
           row_number() OVER (of_kind ORDER BY similarity, emission, persona) AS place
    FROM duplicates WHERE NOT undone WINDOW of_kind AS (PARTITION BY kind)
)
SELECT d.kind, total, similarity, stage, p.text, o.text, coalesce(e.text, p.text), coalesce(f.text, o.text)
FROM numbered AS d
JOIN personas AS p ON p.id = d.persona
JOIN personas AS o ON o.id = d."of"
LEFT JOIN emissions AS e ON e.emission = d.emission
LEFT JOIN emissions AS f ON f.emission = d.of_emission
WHERE place <= ? ORDER BY d.kind = 'persona' DESC, d.kind, place
"""

_WORD = re.compile(r"\w+")

type Span = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Pair:
    """A later text and the earlier one that it repeats, in spans, marked where the other has no such word."""

    similarity: float
    stage: str
    #: Short labels of the authors; empty for personas, who are the texts.
    author: str
    earlier_author: str
    later: Sequence[Span]
    earlier: Sequence[Span]


@dataclass(frozen=True, slots=True)
class DuplicateKind:
    """The least similar pairs of one kind, of `total`."""

    kind: str
    total: int
    pairs: list[Pair]


def read_duplicates(run: Queryable) -> list[DuplicateKind]:
    """The doubtful pairs of each kind: the least similar first, since mistakes are most likely there."""
    kinds: list[DuplicateKind] = []
    for kind, total, similarity, stage, author, earlier_author, text, earlier in run.query(
        _PAIRS, [DUPLICATE_PAIRS]
    ).rows:
        if not kinds or kinds[-1].kind != kind:
            kinds.append(DuplicateKind(kind, total, []))
        named = kind != "persona"
        kinds[-1].pairs.append(
            Pair(
                similarity=similarity,
                stage=stage,
                author=short_label(author) if named else "",
                earlier_author=short_label(earlier_author) if named else "",
                later=mark_differences(clip(text, TEXT), earlier),
                earlier=mark_differences(clip(earlier, TEXT), text),
            )
        )
    return kinds


def mark_differences(text: str, other: str) -> list[Span]:
    """The text in spans, with True for the words that `other` does not have.

    >>> mark_differences("a quiet baker", "A baker")
    [('a ', False), ('quiet', True), (' baker', False)]
    """
    known = {word.casefold() for word in _WORD.findall(other)}
    spans: list[Span] = []
    end = 0
    for word in _WORD.finditer(text):
        if word.group().casefold() not in known:
            if word.start() > end:
                spans.append((text[end : word.start()], False))
            spans.append((word.group(), True))
            end = word.end()
    if end < len(text):
        spans.append((text[end:], False))
    return spans
