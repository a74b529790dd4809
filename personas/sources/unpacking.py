"""The bytes of a document, unpacked, a piece at a time."""

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO, Protocol

from .document import Document, Packing
from .skips import DocumentError, Skip

__all__ = ["iter_bytes"]

_PIECE = 1 << 17
_MAGIC = {
    b"\x1f\x8b": Packing.GZIP,
    b"BZh": Packing.BZIP2,
    b"\xfd7zXZ\x00": Packing.XZ,
    b"\x28\xb5\x2f\xfd": Packing.ZSTD,
}
_LONGEST_MAGIC = 6


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def iter_bytes(document: Document) -> Iterator[bytes]:
    """The unpacked bytes. Raises `DocumentError` for a file that cannot be opened, or that is damaged on the way."""
    with ExitStack() as stack:
        raw = _opened(document, stack)
        packing = document.packing or (_packing_of(raw) if document.path is None else None)
        yield from _pieces(document, _unpacked(raw, packing, stack), packing)


def _opened(document: Document, stack: ExitStack) -> BinaryIO:
    if document.path is None:
        return sys.stdin.buffer
    try:
        return stack.enter_context(document.path.open("rb"))
    except OSError as error:
        raise DocumentError(
            Skip.UNREADABLE, f"{document.label} cannot be read ({error.strerror}); check its rights."
        ) from error


def _packing_of(raw: BinaryIO) -> Packing | None:
    """A pipe has no ending to go by, but its first bytes can be looked at."""
    peek = getattr(raw, "peek", None)
    head = bytes(peek(_LONGEST_MAGIC))[:_LONGEST_MAGIC] if peek else b""
    return next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), None)


def _unpacked(raw: BinaryIO, packing: Packing | None, stack: ExitStack) -> _Stream:
    match packing:
        case Packing.GZIP:
            return stack.enter_context(gzip.GzipFile(fileobj=raw))
        case Packing.BZIP2:
            return stack.enter_context(bz2.BZ2File(raw))
        case Packing.XZ:
            return stack.enter_context(lzma.LZMAFile(raw))
        case Packing.ZSTD:
            import pyarrow as pa  # Python has its own zstd only from 3.14 on

            stream: _Stream = pa.input_stream(raw, compression="zstd")
            return stream
    return raw


def _pieces(document: Document, stream: _Stream, packing: Packing | None) -> Iterator[bytes]:
    got = 0
    while True:
        try:
            piece = stream.read(_PIECE)
        # pyarrow reports damage as OSError or ValueError, the others each in their own way.
        except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
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
