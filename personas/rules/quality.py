"""Whether a description describes one person, from outside, in the language that was asked for."""

import re
import unicodedata

from ..judging import Judge, Ruling
from ..words import words

__all__ = ["quality_judge"]

#: Fewest and most distinct words; the paper's shortest personas have three.
_FEWEST, _MOST = 3, 150

_REFUSAL = re.compile(
    r"^\W*(?:i(?:'|’)?m sorry|i am sorry|sorry,|as an? (?:ai|artificial|language model)"
    r"|i (?:can(?:no|')t|cannot|am unable)"
    r"|i apologi[sz]e|es tut mir leid|lo siento|je suis désolé|对不起|抱歉|申し訳)",
    re.IGNORECASE,
)
_LEAK = re.compile(
    r"\{\w+\}|<\w[\w ]*>|\[(?:insert|name|your|placeholder)\b[^\]]*\]|```|\blorem ipsum\b"
    r"|^\W*(?:persona|answer|output|task)\s*:"
    r"|\bjson\b.{0,20}\b(?:schema|object)\b",
    re.IGNORECASE,
)
_NOBODY_NAMED = re.compile(
    r"\b(?:the|this|that|said) (?:same |above[- ]?mentioned |aforementioned )"
    r"|\b(?:of|to|with|for|by|from) (?:this|that|the (?:given|above|described|mentioned)) "
    r"(?:person|persona|individual|character)\b"
    r"|\b(?:the|this) (?:author|reader|writer) of (?:the|this) (?:text|passage|article)\b"
    r"|\b(?:described|mentioned|as) above\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"^\W*(?:i am|i(?:'|’)m)\s+(?P<rest>(?:an?|the)\s+\S.*)$", re.IGNORECASE | re.DOTALL)
#: Words by which somebody speaks of themselves.
_SELF = re.compile(r"(?<![\w'’.-])(?:i|i(?:'|’)(?:m|ve|d|ll)|me|my|mine|myself)(?![\w'’-])", re.IGNORECASE)

#: The scripts in which a language is written; of all others it is not known, and nothing is said.
_SCRIPTS = {
    "ar": {"ARABIC"},
    "bg": {"CYRILLIC"},
    "de": {"LATIN"},
    "el": {"GREEK"},
    "en": {"LATIN"},
    "es": {"LATIN"},
    "fa": {"ARABIC"},
    "fr": {"LATIN"},
    "he": {"HEBREW"},
    "hi": {"DEVANAGARI"},
    "it": {"LATIN"},
    "ja": {"HIRAGANA", "KATAKANA", "CJK"},
    "ko": {"HANGUL"},
    "nl": {"LATIN"},
    "pl": {"LATIN"},
    "pt": {"LATIN"},
    "ru": {"CYRILLIC"},
    "th": {"THAI"},
    "tr": {"LATIN"},
    "uk": {"CYRILLIC"},
    "zh": {"CJK"},
}


def quality_judge(language: str | None = None) -> Judge:
    """A judge by all rules of quality, the first that speaks; `language` is the BCP 47 tag of what was asked for.

    Descriptions in the first person are rewritten where that is sure, and turned away where it is not. A language is
    told by its script alone.
    """
    rules: tuple[Judge, ...] = (_length, _refusal, _leak, _unnamed, _first_person)

    def judge(text: str) -> Ruling | None:
        for rule in rules:
            ruling = rule(text)
            if ruling is not None:
                return ruling
        return _script(text, language) if language else None

    return judge


def _length(text: str) -> Ruling | None:
    count = len(words(text))
    if count < _FEWEST:
        return Ruling("too_short", f"It has {count} different words, and a description needs {_FEWEST}.")
    if count > _MOST:
        return Ruling("too_long", f"It has {count} different words, and a description may have {_MOST}.")
    return None


def _refusal(text: str) -> Ruling | None:
    return _found("refusal", _REFUSAL, text, "It declines to describe anybody")


def _leak(text: str) -> Ruling | None:
    return _found("template_leak", _LEAK, text, "It holds what belongs to a prompt")


def _unnamed(text: str) -> Ruling | None:
    return _found("refers_to_unnamed", _NOBODY_NAMED, text, "It refers to somebody whom it does not name")


def _found(rule: str, pattern: re.Pattern[str], text: str, reason: str) -> Ruling | None:
    match = pattern.search(text)
    return Ruling(rule, f"{reason}: {match[0].strip()!r}.") if match else None


def _first_person(text: str) -> Ruling | None:
    if not _SELF.search(_without_quotes(text)):
        return None
    match = _FIRST_PERSON.match(text)
    if match and not _SELF.search(_without_quotes(match["rest"])):
        rest = match["rest"]
        return Ruling("first_person", "It spoke in the first person.", is_kept=True, text=rest[0].upper() + rest[1:])
    return Ruling("first_person", "It speaks in the first person.")


def _without_quotes(text: str) -> str:
    # Somebody who is known for saying "I" is still described from outside.
    return re.sub(r"[\"“„«][^\"”“»]*[\"”“»]", " ", text)


def _script(text: str, language: str) -> Ruling | None:
    wanted = _SCRIPTS.get(language.partition("-")[0].lower())
    if wanted is None:
        return None
    letters = [unicodedata.name(c, "").partition(" ")[0] for c in text if c.isalpha()]
    fitting = sum(script in wanted for script in letters)
    if letters and 2 * fitting < len(letters):
        return Ruling("other_language", f"It is not written in the script of {language!r}, in which it was asked for.")
    return None
