"""The bytes of a document, unpacked, a piece at a time."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO

from ..packing import DAMAGE, Packing, Stream, told_packing, unpacked
from .document import Document
from .skips import DocumentError, Skip

__all__ = ["iter_bytes"]

_PIECE = 1 << 17


def iter_bytes(document: Document) -> Iterator[bytes]:
    """The unpacked bytes. Raises `DocumentError` for a file that cannot be opened, or that is damaged on the way."""
    with ExitStack() as stack:
        raw = _opened(document, stack)
        packing = document.packing or (told_packing(raw) if document.path is None else None)
        yield from _pieces(document, unpacked(raw, packing, stack), packing)


def _opened(document: Document, stack: ExitStack) -> BinaryIO:
    if document.path is None:
        if sys.stdin is None:
            raise DocumentError(Skip.UNREADABLE, "Standard input is closed; send texts into it, or name a file.")
        return sys.stdin.buffer
    try:
        return stack.enter_context(document.path.open("rb"))
    except OSError as error:
        raise DocumentError(
            Skip.UNREADABLE, f"{document.label} cannot be read ({error.strerror}); check its rights."
        ) from error


def _pieces(document: Document, stream: Stream, packing: Packing | None) -> Iterator[bytes]:
    got = 0
    while True:
        try:
            piece = stream.read(_PIECE)
        except DAMAGE as error:
            raise _damage(document, packing, got, error) from error
        if not piece:
            return
        got += len(piece)
        yield piece


def _damage(document: Document, packing: Packing | None, got: int, error: Exception) -> DocumentError:
    why = " ".join(str(error).split()).rstrip(".")
    if packing is None:
        return DocumentError(
            Skip.UNREADABLE, f"{document.label} could not be read beyond byte {got:,} ({why}); try a copy."
        )
    if not got:
        sentence = (
            f"{document.label} is no readable {packing} file ({why}); fetch it again, or rename it if it is none."
        )
        return DocumentError(Skip.CORRUPT, sentence)
    sentence = (
        f"{document.label} is damaged: its {packing} breaks off after {got:,} unpacked bytes ({why}); fetch it again."
    )
    return DocumentError(Skip.CORRUPT, sentence)
