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
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from hashlib import blake2b
from itertools import count
from pathlib import Path, PurePath
from typing import Any, BinaryIO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PRIVATE, _OTHERS = 0o600, 0o077
#: Parts made on another machine are left alone, because it is unknown whether their process is alive.
_HOST = blake2b(platform.node().encode(), digest_size=4).hexdigest()
_PART = re.compile(r"part-([0-9a-f]+)-(\d+)-\d+")
_IS_PART = re.compile(rf"\.{_PART.pattern}$")
#: Suffixes of files that DuckDB, SQLite and we keep beside a database.
_BESIDE = (".wal", ".tmp", "-wal", "-shm", "-journal", ".journal")
_numbers = count(1)
_is_shared = False


@contextmanager
def share_files() -> Iterator[None]:
    """Give new files the permissions of the umask within the block; otherwise only their owner may read them (0600)."""
    global _is_shared  # noqa: PLW0603 - like the umask, it holds for the process
    before, _is_shared = _is_shared, True
    try:
        yield
    finally:
        _is_shared = before


def make_file(path: Path, *, private: bool = False) -> None:
    """Create an empty file of mode 0600, or as the umask allows within `share_files` unless it is `private`.

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
    """Open an empty file beside `path`; it becomes `path` if the block succeeds, and is deleted otherwise.

    With `replace`, an existing file is replaced and its mode kept, unless the new one is `private`. Without it, an
    existing file raises `FileExistsError`.
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
            _put_in_place(part, path)
    finally:
        remove_database(part)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Make a hidden folder on the same disk as `path`, and delete it with its contents at the end. Raises `OSError`."""
    remove_parts(path)
    folder = _part_of(path)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        remove_database(folder)


def remove_parts(path: Path) -> None:
    """Delete the unfinished files that killed processes left while making `path`; those of living processes stay."""
    with suppress(OSError):
        for found in path.parent.glob(f".{_escape_name(path.name)}.part-*"):
            part = _PART.match(found.name.removeprefix(f".{path.name}."))
            if part and part[1] == _HOST and not _is_alive(int(part[2])):
                remove_database(found)


@contextmanager
def private_umask(path: Path) -> Iterator[None]:
    """Let only the owner read files that this process makes while it writes `path`, if only the owner may read `path`.

    DuckDB sets no mode for its log and its temporary files.
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
    """The umask of the process, shared by all its threads."""

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
    if (found := _IS_PART.search(name)) is not None:  # a part of a part is named like the part itself
        name = name[1 : found.start()]
    return path.with_name(f".{name}.part-{_HOST}-{os.getpid()}-{next(_numbers)}")


def _escape_name(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _put_in_place(part: Path, path: Path) -> None:
    """Give a finished part its name. Raises `FileExistsError` when another process was faster."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(f"{str(path)!r} exists") from None
        part.rename(path)


def remove_database(path: Path) -> None:
    """Delete a file, if it exists and can be deleted, with the files that a database keeps beside it."""
    for left in (path, *(path.with_name(path.name + ending) for ending in _BESIDE)):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):
                left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there
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


#: Compressions by suffix.
COMPRESSIONS: Mapping[str, Compression] = {
    ".gz": Compression.GZIP,
    ".bz2": Compression.BZIP2,
    ".xz": Compression.XZ,
    ".zst": Compression.ZSTD,
}
#: Errors raised by reading a damaged file.
DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, zstd.ZstdError)

_MAGIC = {
    b"\x1f\x8b": Compression.GZIP,
    b"BZh": Compression.BZIP2,
    b"\xfd7zXZ\x00": Compression.XZ,
    b"\x28\xb5\x2f\xfd": Compression.ZSTD,
}
_LONGEST_MAGIC = 6
_OPENERS: Mapping[Compression, Any] = {
    Compression.GZIP: gzip.open,
    Compression.BZIP2: bz2.open,
    Compression.XZ: lzma.open,
    Compression.ZSTD: zstd.open,
}


def compression_of(path: PurePath) -> Compression | None:
    """Return the compression of a file, by its suffix."""
    return COMPRESSIONS.get(path.suffix.lower())


def uncompressed_suffix(path: PurePath) -> str:
    """Return the suffix of a file in lower case, without that of its compression."""
    return (PurePath(path.stem).suffix if compression_of(path) else path.suffix).lower()


def sniff_compression(raw: BinaryIO) -> Compression | None:
    """Return the compression of a pipe, by its first bytes."""
    peek = getattr(raw, "peek", None)
    head = bytes(peek(_LONGEST_MAGIC))[:_LONGEST_MAGIC] if peek else b""
    return next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), None)


def open_decompressed(raw: BinaryIO, packing: Compression | None, stack: ExitStack) -> Any:
    """Open `raw` for reading decompressed bytes; `raw` stays open, and what is opened for it is closed with `stack`.

    Reading may raise the errors in `DAMAGE`.
    """
    return raw if packing is None else stack.enter_context(_OPENERS[packing](raw, "rb"))


@contextmanager
def open_compressed(path: Path, packing: Compression | None) -> Iterator[Any]:
    """Open the file at `path` for writing bytes that are compressed on the way."""
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("wb"))
        if packing is Compression.GZIP:
            # Without name and time, equal bytes make equal files.
            yield stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
        else:
            yield raw if packing is None else stack.enter_context(_OPENERS[packing](raw, "wb"))
