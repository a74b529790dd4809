"""Long texts cut into passages of about a given number of words, at natural borders, in constant memory.

A border is a heading, a blank line, or the end of a sentence, a clause or a word, the strongest that fits.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
#: How far after the last possible border the search goes: enough for the marks that close a sentence.
_LOOK_AHEAD = 64


def _word_limit(count: int) -> re.Pattern[str]:
    """A pattern that matches `count` words; without spaces, two characters are a word (five in Thai and the like)."""
    return re.compile(rf"(?:{_WORD}){{{count}}}")


def _best_border(text: str, end: int, *, headings: bool) -> int | None:
    """The end of a passage that begins with `text` and reaches to `end` at most; None when there is no border.

    `text` continues a little beyond `end`, to show what follows a border.
    """
    if headings and (cut := max(_find_cuts(_HEADING, text, end, _HEADING_SHARE), default=None)) is not None:
        return cut
    for border, share in _BORDERS:
        for cut in reversed(list(_find_cuts(border, text, end, share))):
            if not (headings and border is _BLANK and _ends_with_heading(text, cut)):
                return cut
    return None


def _find_cuts(border: re.Pattern[str], text: str, end: int, share: float) -> Iterator[int]:
    at_end = border not in (_HEADING, _BLANK)
    for match in border.finditer(text, max(1, int(end * share)), end + _LOOK_AHEAD):
        cut = match.end() if at_end else match.start()
        if cut > end:
            return
        if _begins_anew(text, cut):
            yield cut


def _begins_anew(text: str, cut: int) -> bool:
    """Whether the next character is not a mark that belongs to the character before it."""
    follows = _INK.search(text, cut)
    if follows is None:
        return True
    character = follows[0]
    return character != "\u200d" and not unicodedata.category(character).startswith("M")


def _ends_with_heading(text: str, cut: int) -> bool:
    return text.startswith("#", text.rfind("\n", 0, cut) + 1)


#: Letters to a word, at most, over a whole passage: beyond, a text is no prose.
_LETTERS = 60
#: The last piece of a text is more than a quarter of a passage; a shorter rest joins the piece before.
_STRETCH = 1.25
_COMPACTED = 1 << 20


class LongWordError(ValueError):
    """A text has a word longer than a whole passage; `offset` and `length` give its place and least length."""

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(f"{length:,} characters without a border from character {offset:,} on")
        self.offset, self.length = offset, length


@dataclass(frozen=True, slots=True)
class PassagePiece:
    """A part of a text, with its `offset` in characters and its `line` (from 1)."""

    text: str
    offset: int
    line: int


class PassageSplitter:
    """Cuts texts into pieces of at most `length` words; the last piece of a text may have a quarter more.

    A cut depends only on the text after the previous cut, so that cutting can continue from any piece.
    """

    def __init__(self, length: int) -> None:
        self._words = _word_limit(length)
        self._more_words = _word_limit(int(length * _STRETCH) + 1)
        self._most = length * _LETTERS
        self._seen = int(self._most * _STRETCH)

    def cut(self, text: Iterable[str], *, headings: bool = False, start: int = 0) -> Iterator[PassagePiece]:
        """The pieces of a text that is given in parts, from character `start` on. Raises `LongWordError`.

        `headings` says that lines beginning with `#` are headings, as in Markdown.
        """
        rest = _Rest(text)
        rest.drop(start)
        while rest.reaches_ink():
            begin, line = rest.offset, rest.line
            yield PassagePiece(rest.take(self._find_end(rest, headings=headings)).rstrip(), begin, line)

    def _find_end(self, rest: "_Rest", *, headings: bool) -> int:
        window = rest.ahead(self._seen)
        is_last = len(window) <= self._seen
        if is_last and not self._more_words.match(window):
            return len(window)
        enough = self._words.match(window, 0, self._most)
        end = enough.end() if enough else self._most
        cut = _best_border(window, end, headings=headings) or _best_border(window, self._seen, headings=headings)
        if cut is None:
            raise LongWordError(rest.offset, end)
        return cut


class _Rest:
    """The rest of a text that is given in parts."""

    def __init__(self, parts: Iterable[str]) -> None:
        self._parts = iter(parts)
        self._held = ""
        self._at = 0
        self.offset = 0
        self.line = 1

    def ahead(self, size: int) -> str:
        """The next `size` characters and one more, which shows whether there are more; fewer at the end."""
        while len(self._held) - self._at <= size and self._read_part():
            pass
        return self._held[self._at : self._at + size + 1]

    def take(self, size: int) -> str:
        """Remove and return the next `size` characters, which must have been read."""
        taken = self._held[self._at : self._at + size]
        self._at += size
        self.offset += size
        self.line += taken.count("\n")
        if self._at > _COMPACTED:
            self._held, self._at = self._held[self._at :], 0
        return taken

    def drop(self, size: int) -> None:
        """Skip `size` characters."""
        while size and (self._at < len(self._held) or self._read_part()):
            size -= len(self.take(min(size, len(self._held) - self._at)))

    def reaches_ink(self) -> bool:
        """Skip white space; False at the end of the text."""
        while True:
            ink = _INK.search(self._held, self._at)
            self.take((ink.start() if ink else len(self._held)) - self._at)
            if ink or not self._read_part():
                return ink is not None

    def _read_part(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            return False
        self._held = self._held[self._at :] + part
        self._at = 0
        return True
