"""The language of a text: detection for texts of unknown language, and a check that is silent when in doubt.

Detection takes English by its commonest words and all others by py3langid, a naive Bayes classifier over byte n-grams
(Lui and Baldwin, "langid.py: An off-the-shelf language identification tool", ACL 2012). The check of rules goes by
script and by the commonest words of each language, as listed in `languages.toml`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from ..inputs import UNKNOWN_LANGUAGE
from ..persona import canonical_text
from .word_lists import read_words

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LanguageWords", "beginning", "detect_languages", "is_other_language", "known_languages", "sure_language"]


#: The least probability of a detected language.
_LEAST = 0.7
#: Living languages with many writers; with more candidates, short texts are taken for rare languages.
_CANDIDATES = (
    "af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu ha he hi hr hu hy id ig is it ja ka kk km "
    "kn ko ky lo lt lv mk ml mn mr ms mt my ne nl no pa pl ps pt ro ru si sk sl so sq sr sv sw ta te tg th tl tr uk ur "
    "uz vi yo zh zu"
)
#: Words in common use in no other language (RE2). Two of them, or an article at the beginning and a preposition, show
#: that a text is English, unless there are words of another language.
_ENGLISH = r"(?i)\b(?:the|who|whose|with|their|they|from|which|that|while|through|about|into|been|works|working)\b"
_BEGUN = r"^\s*(?:An?|The)\s.*\b(?:who|whose|with|from|that|of|and|for|near|at|by|works|working|his|her)\b"
_OTHERS = (
    r"(?i)\b(?:der|das|und|ein|eine|einer|nicht|het|een|les|une|des|et|qui|que|los|las|una|por|para|con|che|della|"
    r"uma|não|och|som|att|og|på|til|jest|nie|się|ve|bir|yang|dan|dengan)\b"
)
#: Chinese characters, which alone do not show which language it is.
_HAN = re.compile(r"[^\W\d_]+")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7af]")
_FEWEST_HAN = 10


def detect_languages(texts: "pa.Array") -> "pa.Array":
    """The BCP 47 tag of the language of each text; `und` when it is uncertain (a few words, a name alone)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_english = pc.and_not(pc.match_substring_regex(texts, _BEGUN), pc.match_substring_regex(texts, _OTHERS))
    left = pc.indices_nonzero(pc.invert(is_english))
    found = pc.if_else(is_english, "en", UNKNOWN_LANGUAGE)
    if not len(left):
        return found
    others = texts.take(left)
    has_words = pc.greater(pc.count_substring_regex(others, _ENGLISH), 1)
    is_said = pc.and_not(has_words, pc.match_substring_regex(others, _OTHERS)).to_pylist()
    tags = ["en" if said else _classified(text) for said, text in zip(is_said, others.to_pylist(), strict=True)]
    return pc.replace_with_mask(found, pc.invert(is_english), pa.array(tags, pa.string()))


def _classified(text: str) -> str:
    text = canonical_text(text)
    letters = "".join(_HAN.findall(text))
    is_han = bool(letters) and all("\u3400" <= letter <= "\u9fff" for letter in letters)
    if not letters or (is_han and len(letters) < _FEWEST_HAN):
        return UNKNOWN_LANGUAGE
    tag, probability = _classifier().classify(text)
    if tag == "zh" and _KANA_OR_HANGUL.search(text):
        return UNKNOWN_LANGUAGE
    return str(tag) if probability >= _LEAST else UNKNOWN_LANGUAGE


@cache
def _classifier() -> Any:
    # Takes half a second to load, and is not needed for English texts.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    classifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    classifier.set_languages(_CANDIDATES.split())
    return classifier


#: Words of a language that a text must have before it is judged.
_FEWEST = 3
_WORD = re.compile(r"[^\W\d_]+(?:[\u0300-\u036f\u0900-\u097f]+[^\W\d_]*)*")
#: No letter of a script with spaces may follow; in other scripts it may.
_END = r"(?![^\W\u0e00-\u0eff\u3000-\u9fff\uac00-\ud7af])"


@dataclass(frozen=True, slots=True)
class LanguageWords:
    """The words and patterns of one language; `languages.toml` explains them."""

    scripts: frozenset[str]
    common: frozenset[str]
    self: frozenset[str]
    opens: str
    sorry: str
    here: str


@cache
def known_languages() -> dict[str, LanguageWords]:
    """The known languages, by tag."""
    return {tag: _language_words(said) for tag, said in read_words("languages").items()}


def _language_words(said: dict[str, str]) -> LanguageWords:
    words = {name: frozenset(said[name].split()) for name in ("common", "self")}
    return LanguageWords(
        frozenset(said["scripts"]), **words, opens=said["opens"], sorry=said["sorry"], here=said["here"]
    )


def beginning(patterns: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches any of the patterns at the beginning of a text, as whole words."""
    return re.compile(rf"^\W*(?:{'|'.join(patterns)}){_END}", re.IGNORECASE)


def sure_language(text: str) -> str | None:
    """The tag of the language of a text when it is certain, else None."""
    votes = sorted(_votes(text).items(), key=lambda vote: -vote[1])[:2]
    if not votes or votes[0][1] < _FEWEST:
        return None
    second = votes[1][1] if len(votes) > 1 else 0
    return votes[0][0] if votes[0][1] > 1.5 * second else None


def is_other_language(text: str, tag: str) -> bool:
    """Whether a text is certainly in another language than the one with this BCP 47 tag.

    Texts of very few words, mixed texts, and languages that are not listed are not judged.
    """
    language = tag.partition("-")[0].lower()
    wanted = known_languages().get(language)
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
    known = known_languages()
    words = {word for language in known.values() for word in language.common}
    return {word: tuple(tag for tag, language in known.items() if word in language.common) for word in words}
