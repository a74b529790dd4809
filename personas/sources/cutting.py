"""Long texts cut into passages of about so many words, at natural borders and in constant memory."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .borders import best_border, word_limit

__all__ = ["Cutter", "LongWordError", "Piece"]

#: Letters to a word, at most, over a whole passage: beyond, a text is no prose.
_LETTERS = 60
#: What is left behind the last cut is more than a quarter of a passage.
_STRETCH = 1.25
_COMPACTED = 1 << 20
_INK = re.compile(r"\S")


class LongWordError(ValueError):
    """A text has a word longer than a whole passage; `offset` and `length` say where and how long at least."""

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(f"{length:,} characters without a border from character {offset:,} on")
        self.offset, self.length = offset, length


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: `text` stands at `offset` in it, on `line` (from 1)."""

    text: str
    offset: int
    line: int


class Cutter:
    """Cuts texts into pieces of at most `length` words; the last piece of a text may have a quarter more.

    Where a cut falls depends only on what follows the cut before it, so cutting can go on from any piece.
    """

    def __init__(self, length: int) -> None:
        self._words = word_limit(length)
        self._more_words = word_limit(int(length * _STRETCH) + 1)
        self._most = length * _LETTERS
        self._seen = int(self._most * _STRETCH)

    def cut(self, text: Iterable[str], *, headings: bool = False, start: int = 0) -> Iterator[Piece]:
        """The pieces of a text that comes in parts, from character `start` on. Raises `LongWordError`.

        `headings` says that lines beginning with `#` are headings, as in Markdown.
        """
        rest = _Rest(text)
        rest.drop(start)
        while rest.reaches_ink():
            begin, line = rest.offset, rest.line
            yield Piece(rest.take(self._end(rest, headings=headings)).rstrip(), begin, line)

    def _end(self, rest: "_Rest", *, headings: bool) -> int:
        window = rest.ahead(self._seen)
        is_last = len(window) <= self._seen
        if is_last and not self._more_words.match(window):
            return len(window)
        enough = self._words.match(window, 0, self._most)
        end = enough.end() if enough else self._most
        cut = best_border(window, end, headings=headings) or best_border(window, self._seen, headings=headings)
        if cut is None:
            raise LongWordError(rest.offset, end)
        return cut


class _Rest:
    """What is left of a text that comes in parts."""

    def __init__(self, parts: Iterable[str]) -> None:
        self._parts = iter(parts)
        self._held = ""
        self._at = 0
        self.offset = 0
        self.line = 1

    def ahead(self, size: int) -> str:
        """The next `size` characters and one more, which tells whether there are more; fewer at the end."""
        while len(self._held) - self._at <= size and self._read():
            pass
        return self._held[self._at : self._at + size + 1]

    def take(self, size: int) -> str:
        """The next `size` characters, which are held already; they are gone then."""
        taken = self._held[self._at : self._at + size]
        self._at += size
        self.offset += size
        self.line += taken.count("\n")
        if self._at > _COMPACTED:
            self._held, self._at = self._held[self._at :], 0
        return taken

    def drop(self, size: int) -> None:
        """Pass over `size` characters."""
        while size and (self._at < len(self._held) or self._read()):
            size -= len(self.take(min(size, len(self._held) - self._at)))

    def reaches_ink(self) -> bool:
        """Pass over white space; False at the end of the text."""
        while True:
            ink = _INK.search(self._held, self._at)
            self.take((ink.start() if ink else len(self._held)) - self._at)
            if ink or not self._read():
                return ink is not None

    def _read(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            return False
        self._held = self._held[self._at :] + part
        self._at = 0
        return True
