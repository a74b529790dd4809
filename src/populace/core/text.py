"""Texts as they are compared, stored and shown: their words, one form of each, and nothing that cannot be written."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import chain, count

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


def make_legible(text: str) -> str:
    r"""The text with a visible character for each one that HTML or XML forbids: a control picture, or U+FFFD.

    >>> legible("a NUL\x00, an escape\x1b, half a pair\ud800")
    'a NUL␀, an escape␛, half a pair�'
    """
    return _ILLEGAL.sub(_show_control, text)


def _show_control(found: re.Match[str]) -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def canonical_text(text: str) -> str:
    """Return the text in Unicode NFC, with each run of white space replaced by one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of a text without any model's vocabulary: one for four bytes of UTF-8."""
    return -(-len(text.encode()) // 4)


def number_repeats(names: Iterable[str]) -> list[str]:
    """Return the names, with a number behind each that stood before."""
    distinct: dict[str, None] = {}
    for name in names:
        numbered = chain([name], (f"{name}_{n}" for n in count(2)))
        distinct[next(one for one in numbered if one not in distinct)] = None
    return list(distinct)
