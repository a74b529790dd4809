"""Personas, the relations between them, the passages that Text-to-Persona reads, and the words of their texts."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Literal

from .inputs import UNKNOWN_LANGUAGE

#: Thai, Lao, Myanmar, Khmer, Hangul, kana, Bopomofo and Han, in which each character is a word.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff"
    "\u3005-\u3007\u3040-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_LATIN = re.compile(r"\w+")
#: Of each byte of ASCII the lower case, or a space where it is in no word; of the others, which do not come, a space.
_FOLDED = "".join(c.lower() if c.isalnum() or c == "_" else " " for c in map(chr, range(128))).encode().ljust(256)


def words(text: str) -> frozenset[str]:
    """Return the distinct words of `text`, without regard to case, order and punctuation; see `word_list`."""
    return frozenset(word_list(text))


def word_list(text: str) -> list[str]:
    """Return the words of `text` in order, without regard to case and punctuation.

    A word is a run of letters, digits and underscores with their combining marks. In scripts written without spaces,
    and in Hangul, each character is a word. Compatibility variants (full-width letters, ligatures) equal the plain
    form.
    """
    if text.isascii():
        return text.encode().translate(_FOLDED).decode().split()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # Below U+0300 there are neither combining marks nor unspaced scripts, and the plain pattern is faster.
    pattern = _LATIN if max(folded, default="") < "\u0300" else _any_script()
    return pattern.findall(folded)


@cache
def _any_script() -> re.Pattern[str]:
    # `\w` excludes combining marks, and would cut every Hindi word at its vowel signs.
    marks = "".join(re.escape(c) for c in map(chr, range(0x300, 0x1F000)) if unicodedata.category(c)[0] == "M")
    return re.compile(rf"(?!\W)[{UNSPACED}][{marks}]*|[^\W{UNSPACED}](?:[^\W{UNSPACED}]|[{marks}])*")


# Control characters but for tab, line feed and carriage return; lone surrogates; and what Unicode calls noncharacters.
_ILLEGAL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)


def legible(text: str) -> str:
    r"""The text with a visible character for each one that HTML or XML forbids: a control picture, or U+FFFD.

    >>> legible("a NUL\x00, an escape\x1b, half a pair\ud800")
    'a NUL␀, an escape␛, half a pair�'
    """
    return _ILLEGAL.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


type PersonaOrigin = Literal["text", "persona", "import"]


class RelationKind(StrEnum):
    """The closed set into which the free label of a relation is normalised."""

    KINSHIP = "kinship"
    FRIENDSHIP = "friendship"
    NEIGHBOURHOOD = "neighbourhood"
    WORK = "work"
    TRADE = "trade"
    CARE = "care"
    TEACHING = "teaching"
    SERVICE = "service"
    RIVALRY = "rivalry"
    OTHER = "other"


def canonical_text(text: str) -> str:
    """Return the text in Unicode NFC, with each run of white space replaced by one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def content_id(text: str) -> str:
    """Return a 128-bit hash of the canonical text as 32 hexadecimal digits: equal texts have equal ids."""
    return hashlib.blake2b(canonical_text(text).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Persona:
    """One person, described in a sentence or two.

    The text is kept as given. Its canonical form is the identity: two personas with the same canonical text have the
    same `id`.
    """

    text: str
    origin: PersonaOrigin = "import"
    #: 0 for a persona inferred from a text, n for one reached by n relations (paper, section 2.2).
    hop: int = 0
    #: The id of the persona it was grown from.
    parent: str | None = None
    #: BCP 47 tag of the language the description is written in.
    language: str = "en"
    #: The document it was inferred or imported from, and that document's licence.
    source: str | None = None
    licence: str | None = None
    #: The model and the prompt (`name@version`) that wrote it.
    model: str | None = None
    prompt: str | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", content_id(self.text))


@dataclass(frozen=True, slots=True)
class Relation:
    """A directed, typed tie: `target` is `source`'s `label` (`source` a nurse, `target` her patient)."""

    #: Ids of the two personas.
    source: str
    target: str
    kind: RelationKind
    #: The relation in the model's own words.
    label: str
    #: The hop of Persona-to-Persona that found it.
    hop: int = 1


_SHIPPED = "walks_of_life.jsonl"


@dataclass(frozen=True, slots=True)
class Passage:
    """A short text with its origin and licence.

    Two passages with the same canonical text have the same `id`.
    """

    text: str
    #: BCP 47 tag; `und` when the language is not stated.
    language: str = UNKNOWN_LANGUAGE
    #: The document, and the place in it: `FILE#id` or `FILE:line`.
    source: str | None = None
    #: SPDX identifier of the document's licence, where it has one.
    licence: str | None = None
    title: str | None = None
    #: The document that `offset` counts in: a file, or a row or page of one (`FILE#id`, `FILE:line`).
    document: str | None = None
    #: Where in that document the passage begins, in characters; its length is that of its text.
    offset: int = 0
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", content_id(self.text))


def distinct(passages: Iterable[Passage]) -> list[Passage]:
    """Return the passages in order, without those whose text came before."""
    first: dict[str, Passage] = {}
    for passage in passages:
        first.setdefault(passage.id, passage)
    return list(first.values())


def shipped_passages() -> list[Passage]:
    """Return the seed corpus: walks of life in ten languages, written for Populace, CC0-1.0."""
    lines = files(__package__).joinpath("seeds", _SHIPPED).read_text(encoding="utf-8").splitlines()
    return distinct(_shipped(json.loads(line)) for line in lines)


def _shipped(row: Mapping[str, str]) -> Passage:
    place = f"{_SHIPPED}#{row['id']}"
    return Passage(row["text"], row["language"], place, row["licence"], row["title"], place)
