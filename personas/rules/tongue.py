"""Languages as rules tell them apart: by script and, within one script, by the words that every sentence is made of."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from .word_lists import read_words

__all__ = ["Tongue", "beginning", "is_other_language", "tongue_of", "tongues"]

#: Words of a language that must be there before anything is said of it.
_FEWEST = 3
_WORD = re.compile(r"[^\W\d_]+(?:[\u0300-\u036f\u0900-\u097f]+[^\W\d_]*)*")
#: A letter of a script with spaces may not follow; of the others one letter says nothing about the next.
_END = r"(?![^\W\u0e00-\u0eff\u3000-\u9fff\uac00-\ud7af])"


@dataclass(frozen=True, slots=True)
class Tongue:
    """What is known of one language; the patterns are of `tongues.toml`, which says what they are for."""

    scripts: frozenset[str]
    common: frozenset[str]
    self: frozenset[str]
    opens: str
    sorry: str
    here: str


@cache
def tongues() -> dict[str, Tongue]:
    """The languages that are known, by tag."""
    return {tag: _tongue(said) for tag, said in read_words("tongues").items()}


def _tongue(said: dict[str, str]) -> Tongue:
    words = {name: frozenset(said[name].split()) for name in ("common", "self")}
    return Tongue(frozenset(said["scripts"]), **words, opens=said["opens"], sorry=said["sorry"], here=said["here"])


def beginning(patterns: Iterable[str]) -> re.Pattern[str]:
    """What finds any of the patterns where a text begins, as whole words."""
    return re.compile(rf"^\W*(?:{'|'.join(patterns)}){_END}", re.IGNORECASE)


def tongue_of(text: str) -> str | None:
    """The tag of the language that a text is sure to be in; None where that is not known."""
    votes = sorted(_votes(text).items(), key=lambda vote: -vote[1])[:2]
    if not votes or votes[0][1] < _FEWEST:
        return None
    second = votes[1][1] if len(votes) > 1 else 0
    return votes[0][0] if votes[0][1] > 1.5 * second else None


def is_other_language(text: str, tag: str) -> bool:
    """Whether a text is sure to be in another language than the one of this BCP 47 tag.

    Texts of less than some words, mixed ones, and languages that are not known by their words are not judged.
    """
    language = tag.partition("-")[0].lower()
    wanted = tongues().get(language)
    if wanted is None:
        return False
    if not (text.isascii() and "LATIN" in wanted.scripts) and _is_other_script(text, language, wanted.scripts):
        return True
    votes = _votes(text)
    others = [number for tag, number in votes.items() if tag != language]
    return bool(others) and max(others) >= max(_FEWEST, 1.5 * votes.get(language, 0) + 2)


def _is_other_script(text: str, language: str, wanted: frozenset[str]) -> bool:
    scripts = Counter(_script(character) for character in text if character.isalpha())
    if 2 * sum(scripts[script] for script in wanted) < scripts.total():
        return True
    return language in ("zh", "ja") and _is_other_han(scripts, language)


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _is_other_han(scripts: Counter[str], language: str) -> bool:
    kana, letters = scripts["HIRAGANA"] + scripts["KATAKANA"], scripts.total()
    if language == "zh":
        return 4 * kana >= letters > 0
    return letters >= 10 and not kana


@lru_cache(maxsize=4)
def _votes(text: str) -> dict[str, int]:
    votes: dict[str, int] = {}
    by_word = _by_word()
    for word in _WORD.findall(text.lower()):
        for tag in by_word.get(word, ()):
            votes[tag] = votes.get(tag, 0) + 1
    return votes


@cache
def _by_word() -> dict[str, tuple[str, ...]]:
    known = tongues()
    words = {word for tongue in known.values() for word in tongue.common}
    return {word: tuple(tag for tag, tongue in known.items() if word in tongue.common) for word in words}
