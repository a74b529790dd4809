"""Where a text may be cut: at a heading, a blank line, behind a sentence, a clause or a word, and nowhere else."""

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["best_border", "word_limit"]

# Scripts that write without spaces and end a syllable or word with each character: Han, kana, Bopomofo, Yi.
_CJK = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fd-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\uf900-\ufaff\U00020000-\U0003ffff"
)
# Their punctuation, which has no spaces around it.
_CJK_MARKS = "\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
# Scripts that set spaces between phrases only: Thai, Lao, Tibetan, Burmese, Khmer.
_PHRASED = "\u0e00-\u109f\u1780-\u17ff"
#: A word; of scripts that do not part words, so many characters as a word has there on average.
_WORD = rf"[\s{_CJK_MARKS}]*+(?:[{_CJK}]{{1,2}}+|[{_PHRASED}]{{1,5}}+|[^\s{_CJK_MARKS}{_CJK}{_PHRASED}]++)"

_HEADING = re.compile(r"\n(?=#{1,6}[ \t])")
_BLANK = re.compile(r"\n[ \t]*\n")
_CLOSERS = r"""["'”’»)\]」』）】〉》]*"""
_SENTENCE = re.compile(rf"[.!?؟।…]{_CLOSERS}(?=\s+(?![a-zà-ÿ]))|[。！？｡།။។]{_CLOSERS}")
_CLAUSE = re.compile(r"[,;:،؛](?=\s)|[，、；：]")
_SPACE = re.compile(r"(?<=\S)(?=\s)")
# Never before a small kana, a repetition or a length mark, nor within a word of katakana.
_NO_START = "\u3005\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u308e\u3095\u3096\u309d-\u309f\u30fd-\u30ff"
_BETWEEN = re.compile(rf"(?<=[{_CJK}])(?![\u30a1-\u30fa\u31f0-\u31ff{_NO_START}])(?=[{_CJK}])")
_INK = re.compile(r"\S")

#: Borders from the strongest on, with the share of a passage that must stand before each.
_BORDERS = ((_BLANK, 1 / 2), (_SENTENCE, 1 / 3), (_CLAUSE, 1 / 2), (_SPACE, 0), (_CLAUSE, 0), (_BETWEEN, 0))
_HEADING_SHARE = 1 / 3
#: How far behind the last possible border is looked: enough for the marks that close a sentence.
_LOOK_AHEAD = 64


def word_limit(count: int) -> re.Pattern[str]:
    """Matches `count` words: of a script that does not part words, two characters (of Thai and the like, five)."""
    return re.compile(rf"(?:{_WORD}){{{count}}}")


def best_border(text: str, end: int, *, headings: bool) -> int | None:
    """Where to end a passage that begins with `text` and reaches to `end` at most; None for nowhere.

    `text` goes on a little beyond `end`, to show what follows a border.
    """
    if headings and (cut := _last(_HEADING, text, end, _HEADING_SHARE)) is not None:
        return cut
    for border, share in _BORDERS:
        for cut in reversed(list(_cuts(border, text, end, share))):
            if not (headings and border is _BLANK and _ends_with_heading(text, cut)):
                return cut
    return None


def _last(border: re.Pattern[str], text: str, end: int, share: float) -> int | None:
    return max(_cuts(border, text, end, share), default=None)


def _cuts(border: re.Pattern[str], text: str, end: int, share: float) -> Iterator[int]:
    at_end = border not in (_HEADING, _BLANK)
    for match in border.finditer(text, max(1, int(end * share)), end + _LOOK_AHEAD):
        cut = match.end() if at_end else match.start()
        if cut > end:
            return
        if _begins_anew(text, cut):
            yield cut


def _begins_anew(text: str, cut: int) -> bool:
    """Whether what follows the cut is not a mark that belongs to the character before it."""
    follows = _INK.search(text, cut)
    if follows is None:
        return True
    character = follows[0]
    return character != "\u200d" and not unicodedata.category(character).startswith("M")


def _ends_with_heading(text: str, cut: int) -> bool:
    return text.startswith("#", text.rfind("\n", 0, cut) + 1)
