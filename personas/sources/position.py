"""How far reading has come, in a few bytes that a later reading can go on from."""

import re
from dataclasses import dataclass

from ..errors import SourceError
from ..source import shown

__all__ = ["Position"]

_WRITTEN = re.compile(r"(\d{1,9}):(\d{1,18}):(\d{1,18}):([0-9a-f]*):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Position:
    """The place behind a passage.

    Documents before it need not be read again, nor what stands before it in its own.
    """

    #: Which of the given sources, from 0.
    argument: int
    #: The document by the name that passages give it.
    document: str
    #: Mark of what the document held, by which a later reading knows it again; empty for standard input.
    stamp: str
    #: Row or page, from 1; 0 where the document is one text.
    row: int
    #: Characters of that text that have been read.
    offset: int

    def __str__(self) -> str:
        return f"{self.argument}:{self.row}:{self.offset}:{self.stamp}:{self.document}"

    @staticmethod
    def parse(written: str) -> "Position":
        """The position that `str` wrote. Raises `SourceError` for anything else."""
        found = _WRITTEN.fullmatch(written)
        if found is None:
            raise SourceError(f"{shown(written)} is no position in sources; give one that a reading has left.")
        argument, row, offset, stamp, document = found.groups()
        return Position(int(argument), document, stamp, int(row), int(offset))
