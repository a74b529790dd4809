"""The kind of a relation out of the words that somebody else has for it."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from .persona import RelationKind, canonical_text

__all__ = ["kind_of", "nearest_kind"]

_WORDS = "relation_words.toml"
_APART = re.compile(r"[^\w-]+|_")
#: What a word may have behind it and still be the same one, the longest first.
_ENDINGS = ("ships", "ship", "hood", "ing", "ers", "ies", "er", "or", "al", "es", "s", "e", "y")
_SHORTEST = 3


def kind_of(word: str) -> RelationKind | None:
    """The kind that a word stands for, as `mentoring` for teaching; None for a word that is not known."""
    known = _known()
    return next((known[form] for form in _forms(canonical_text(word).casefold()) if form in known), None)


def nearest_kind(word: str, label: str) -> RelationKind:
    """The kind that a model meant by `word`, else the one that its `label` belongs to, else `other`.

    Of several words the last that is known decides: a daughter's teacher is a teacher.
    """
    for said in (word, label):
        whole = kind_of(said)
        if whole is not None:
            return whole
        parts = reversed(_APART.split(said.removesuffix("'s")))
        found = next((kind for part in parts if (kind := kind_of(part)) is not None), None)
        if found is not None:
            return found
    return RelationKind.OTHER


def _forms(word: str) -> Iterator[str]:
    """The word, and what is left of it without one ending or two."""
    yield word
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST:
            yield from (stem, f"{stem}e", f"{stem}y")
            yield from (shorter for last in _ENDINGS if len(shorter := stem.removesuffix(last)) >= _SHORTEST)


@cache
def _known() -> Mapping[str, RelationKind]:
    table = tomllib.loads(files(__package__).joinpath(_WORDS).read_text(encoding="utf-8"))
    return {str(kind): kind for kind in RelationKind} | {
        word: RelationKind(kind) for kind, words in table.items() for word in words.split()
    }
