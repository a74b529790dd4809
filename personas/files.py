"""Files that are made whole or not at all, readable by their owner alone, and compressed files.

A file is written beside its place, as `.NAME.part-HOST-PID-N`, and takes its name when it is complete. What a killed
process leaves of it is removed by the next one that makes or opens a file of that name.
"""

import bz2
import gzip
import lzma
import os
import platform
import re
import shutil
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from hashlib import blake2b
from itertools import count
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

__all__ = [
    "COMPRESSIONS",
    "DAMAGE",
    "Compression",
    "Stream",
    "compression_of",
    "decompressed",
    "folder_beside",
    "make_file",
    "open_compressed",
    "private_umask",
    "remove_database",
    "remove_parts",
    "share_files",
    "sniff_compression",
    "uncompressed_suffix",
    "whole_file",
]


_PRIVATE, _OTHERS = 0o600, 0o077
#: Parts of another machine on the same file system are left alone: whether their process lives cannot be seen.
_HOST = blake2b(platform.node().encode(), digest_size=4).hexdigest()
_PART = re.compile(r"part-([0-9a-f]+)-(\d+)-\d+")
_IS_PART = re.compile(rf"\.{_PART.pattern}$")
#: What DuckDB and SQLite keep beside a file that they write.
_BESIDE = (".wal", ".tmp", "-wal", "-shm", "-journal")
_numbers = count(1)
_is_shared = False


@contextmanager
def share_files() -> Iterator[None]:
    """Within the block, new files are as readable as the umask allows; otherwise their owner's alone (0600)."""
    global _is_shared  # noqa: PLW0603 - like the umask, it holds for the process
    before, _is_shared = _is_shared, True
    try:
        yield
    finally:
        _is_shared = before


def make_file(path: Path, *, private: bool = False) -> None:
    """Make an empty file of mode 0600; within `share_files`, unless it is `private`, one as the umask allows.

    Raises `FileExistsError`.
    """
    is_open = _is_shared and not private
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666 if is_open else _PRIVATE)
    with suppress(OSError):  # a file system without modes
        if not is_open:
            path.chmod(_PRIVATE)  # a umask can take from the owner too
    os.close(descriptor)


@contextmanager
def whole_file(path: Path, *, replace: bool = False, private: bool = False) -> Iterator[Path]:
    """An empty file beside `path` to write to; it becomes `path` when the block ends well, and is gone if it does not.

    A file that `replace` puts it in place of gives it its mode, unless it is `private`; without `replace`, an existing
    file raises `FileExistsError`.
    """
    remove_parts(path)
    part = _part_of(path)
    try:
        make_file(part, private=private)
        yield part
        if replace:
            if not private:
                with suppress(OSError):
                    part.chmod(path.stat().st_mode & 0o7777)
            part.replace(path)
        else:
            _put(part, path)
    finally:
        remove_database(part)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A hidden folder on the same disk as `path`, gone with all that is in it when this is left. Raises `OSError`."""
    remove_parts(path)
    folder = _part_of(path)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        remove_database(folder)


def remove_parts(path: Path) -> None:
    """Remove what processes that were killed have left of the making of `path`; nothing of a living process."""
    with suppress(OSError):
        for found in path.parent.glob(f".{_escaped(path.name)}.part-*"):
            part = _PART.match(found.name.removeprefix(f".{path.name}."))
            if part and part[1] == _HOST and not _is_alive(int(part[2])):
                remove_database(found)


@contextmanager
def private_umask(path: Path) -> Iterator[None]:
    """While `path` is written and is its owner's alone, so is every file that this process makes.

    DuckDB gives its log and what it moves out of memory no mode of their own.
    """
    if path.exists() and path.stat().st_mode & _OTHERS:
        yield
        return
    _umask.hold()
    try:
        yield
    finally:
        _umask.release()


class _Umask:
    """The umask of the process, which is one for all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._before = 0

    def hold(self) -> None:
        with self._lock:
            if not self._holders:
                self._before = os.umask(_OTHERS)
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if not self._holders:
                os.umask(self._before)


_umask = _Umask()


def _part_of(path: Path) -> Path:
    name = path.name
    if (found := _IS_PART.search(name)) is not None:  # what is left of a part's own making is found as its own is
        name = name[1 : found.start()]
    return path.with_name(f".{name}.part-{_HOST}-{os.getpid()}-{next(_numbers)}")


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _put(part: Path, path: Path) -> None:
    """Give a part its name, unless another process was faster. Raises `FileExistsError`."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(f"{str(path)!r} exists") from None
        part.rename(path)


def remove_database(path: Path) -> None:
    """Remove a file, if it is there and can be removed, and what a database keeps beside it."""
    for left in (path, *(path.with_name(path.name + ending) for ending in _BESIDE)):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):
                left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # there it would end the process that is asked about
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


class Compression(StrEnum):
    """How a file is compressed."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"


#: By the ending of the name.
COMPRESSIONS: Mapping[str, Compression] = {
    ".gz": Compression.GZIP,
    ".bz2": Compression.BZIP2,
    ".xz": Compression.XZ,
    ".zst": Compression.ZSTD,
}
#: What reading a damaged file raises: pyarrow OSError or ValueError, the others each their own.
DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)

_MAGIC = {
    b"\x1f\x8b": Compression.GZIP,
    b"BZh": Compression.BZIP2,
    b"\xfd7zXZ\x00": Compression.XZ,
    b"\x28\xb5\x2f\xfd": Compression.ZSTD,
}
_LONGEST_MAGIC = 6


class Stream(Protocol):
    """Bytes that are read from front to back."""

    def read(self, size: int, /) -> bytes:
        """The next so many bytes, or fewer; none at the end."""
        ...


def compression_of(path: PurePath) -> Compression | None:
    """How a file is compressed, by the ending of its name."""
    return COMPRESSIONS.get(path.suffix.lower())


def uncompressed_suffix(path: PurePath) -> str:
    """The ending of a file's name, in lower case, without that of its compression."""
    return (PurePath(path.stem).suffix if compression_of(path) else path.suffix).lower()


def sniff_compression(raw: BinaryIO) -> Compression | None:
    """How a pipe is compressed: it has no ending to go by, but its first bytes can be looked at."""
    peek = getattr(raw, "peek", None)
    head = bytes(peek(_LONGEST_MAGIC))[:_LONGEST_MAGIC] if peek else b""
    return next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), None)


def decompressed(raw: BinaryIO, packing: Compression | None, stack: ExitStack) -> Any:
    """The bytes within `raw`, which stays the caller's; what is opened for it is closed with `stack`.

    Reading may raise what `DAMAGE` lists.
    """
    match packing:
        case Compression.GZIP:
            return stack.enter_context(gzip.GzipFile(fileobj=raw))
        case Compression.BZIP2:
            return stack.enter_context(bz2.BZ2File(raw))
        case Compression.XZ:
            return stack.enter_context(lzma.LZMAFile(raw))
        case Compression.ZSTD:
            import pyarrow as pa  # Python has its own zstd only from 3.14 on

            return pa.input_stream(raw, compression="zstd")
        case None:
            return raw


@contextmanager
def open_compressed(path: Path, packing: Compression | None) -> Iterator[Any]:
    """The file at `path`, open for writing bytes that are compressed on their way."""
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("wb"))
        match packing:
            case Compression.GZIP:
                # Without a name and a time in it, the same bytes make the same file.
                yield stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
            case Compression.BZIP2:
                yield stack.enter_context(bz2.BZ2File(raw, "wb"))
            case Compression.XZ:
                yield stack.enter_context(lzma.LZMAFile(raw, "wb"))
            case Compression.ZSTD:
                import pyarrow as pa

                yield stack.enter_context(pa.output_stream(raw, compression="zstd"))
            case None:
                yield raw
