"""Files as they lie on disk, compressed or not, read once from front to back in bounded memory."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import SourceError
from ..files import DAMAGE, compression_of, decompressed
from ..inputs import resolve_file

__all__ = ["MAX_LINE", "Lines", "RowError", "check_there", "fingerprint", "reading"]

#: Bytes that a line may have. Longer ones are passed over without being held.
MAX_LINE = 16 << 20

_CHUNK = 1 << 20


class RowError(Exception):
    """One row cannot be read, and the next one can; `reason` says why in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_there(path: Path) -> None:
    """Raise `SourceError` when there is no such file, or it cannot be opened."""
    with _refused(path), resolve_file(path).open("rb"):
        pass


def fingerprint(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file's bytes and how many there are. Raises `SourceError` when there is no such file."""
    with _refused(path), resolve_file(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()


class Lines:
    """The lines of a file as bytes, numbered from 1: `number` is that of the line handed out last.

    A line longer than `MAX_LINE` raises `RowError`; the next line follows when the next one is asked for.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.number = 0
        self._path = path
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            line = self._file.readline(MAX_LINE)
            if not line:
                raise StopIteration
            self.number += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                self._pass_over()
        except DAMAGE as error:
            raise SourceError(
                f"{self._path} is corrupt: it can be read to line {self.number:,} and no further ({error}); "
                "get the file again."
            ) from error
        return line.removeprefix(b"\xef\xbb\xbf") if self.number == 1 else line

    def _pass_over(self) -> None:
        while (rest := self._file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
            pass
        raise RowError(f"the line is longer than {MAX_LINE >> 20} MiB")


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked when its name says so. Raises `SourceError` when it cannot be opened."""
    with ExitStack() as stack:
        with _refused(path):
            raw = stack.enter_context(path.open("rb", buffering=_CHUNK))
        packing = compression_of(path)
        yield io.BufferedReader(decompressed(raw, packing, stack), _CHUNK) if packing else raw


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error}); check its rights.") from error
