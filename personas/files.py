"""Files that are made: whole or not at all, and readable by their owner alone.

A file is written beside its place, as `.NAME.part-HOST-PID-N`, and takes its name when it is complete. What a killed
process leaves of it is removed by the next one that makes or opens a file of that name.
"""

import os
import platform
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import count
from pathlib import Path

__all__ = ["folder_beside", "make_file", "private_umask", "remove_parts", "share_files", "whole_file"]

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
        _remove(part)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A hidden folder on the same disk as `path`, gone with all that is in it when this is left. Raises `OSError`."""
    remove_parts(path)
    folder = _part_of(path)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _remove(folder)


def remove_parts(path: Path) -> None:
    """Remove what processes that were killed have left of the making of `path`; nothing of a living process."""
    with suppress(OSError):
        for found in path.parent.glob(f".{_escaped(path.name)}.part-*"):
            part = _PART.match(found.name.removeprefix(f".{path.name}."))
            if part and part[1] == _HOST and not _is_alive(int(part[2])):
                _remove(found)


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


def _remove(part: Path) -> None:
    """Remove a part and what a database keeps beside it."""
    for left in (part, *(part.with_name(part.name + ending) for ending in _BESIDE)):
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
