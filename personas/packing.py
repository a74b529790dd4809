"""Compressed files, told by the ending of their name or by their first bytes: one place that opens them, both ways."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

__all__ = [
    "DAMAGE",
    "PACKINGS",
    "Packing",
    "Stream",
    "packed",
    "packing_of",
    "plain_suffix",
    "told_packing",
    "unpacked",
]


class Packing(StrEnum):
    """How a file is compressed."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"


#: By the ending of the name.
PACKINGS: Mapping[str, Packing] = {
    ".gz": Packing.GZIP,
    ".bz2": Packing.BZIP2,
    ".xz": Packing.XZ,
    ".zst": Packing.ZSTD,
}
#: What reading a damaged file raises: pyarrow OSError or ValueError, the others each their own.
DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)

_MAGIC = {
    b"\x1f\x8b": Packing.GZIP,
    b"BZh": Packing.BZIP2,
    b"\xfd7zXZ\x00": Packing.XZ,
    b"\x28\xb5\x2f\xfd": Packing.ZSTD,
}
_LONGEST_MAGIC = 6


class Stream(Protocol):
    """Bytes that are read from front to back."""

    def read(self, size: int, /) -> bytes:
        """The next so many bytes, or fewer; none at the end."""
        ...


def packing_of(path: PurePath) -> Packing | None:
    """How a file is compressed, by the ending of its name."""
    return PACKINGS.get(path.suffix.lower())


def plain_suffix(path: PurePath) -> str:
    """The ending of a file's name, in lower case, without that of its compression."""
    return (PurePath(path.stem).suffix if packing_of(path) else path.suffix).lower()


def told_packing(raw: BinaryIO) -> Packing | None:
    """How a pipe is compressed: it has no ending to go by, but its first bytes can be looked at."""
    peek = getattr(raw, "peek", None)
    head = bytes(peek(_LONGEST_MAGIC))[:_LONGEST_MAGIC] if peek else b""
    return next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), None)


def unpacked(raw: BinaryIO, packing: Packing | None, stack: ExitStack) -> Any:
    """The bytes within `raw`, which stays the caller's; what is opened for it is closed with `stack`.

    Reading may raise what `DAMAGE` lists.
    """
    match packing:
        case Packing.GZIP:
            return stack.enter_context(gzip.GzipFile(fileobj=raw))
        case Packing.BZIP2:
            return stack.enter_context(bz2.BZ2File(raw))
        case Packing.XZ:
            return stack.enter_context(lzma.LZMAFile(raw))
        case Packing.ZSTD:
            import pyarrow as pa  # Python has its own zstd only from 3.14 on

            return pa.input_stream(raw, compression="zstd")
        case None:
            return raw


@contextmanager
def packed(path: Path, packing: Packing | None) -> Iterator[Any]:
    """The file at `path`, open for writing bytes that are compressed on their way."""
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("wb"))
        match packing:
            case Packing.GZIP:
                # Without a name and a time in it, the same bytes make the same file.
                yield stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
            case Packing.BZIP2:
                yield stack.enter_context(bz2.BZ2File(raw, "wb"))
            case Packing.XZ:
                yield stack.enter_context(lzma.LZMAFile(raw, "wb"))
            case Packing.ZSTD:
                import pyarrow as pa

                yield stack.enter_context(pa.output_stream(raw, compression="zstd"))
            case None:
                yield raw
