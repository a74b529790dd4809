"""Arrays that grow at their end, in memory or in a file, and helpers for ranges of indices."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from .errors import StorageError

#: Hashes and keys; places, sizes and numbers of sets; and marks.
type Hashes = NDArray[np.uint64]
type Ints = NDArray[np.int64]
type Flags = NDArray[np.bool_]
#: Vectors as rows, and numbers computed of them.
type Matrix = NDArray[np.float32]
type Floats = NDArray[np.float64]


_LEAST_ROOM = 1024


class GrowingArray[T: np.generic]:
    """A one-dimensional array in memory that grows by appending."""

    def __init__(self, dtype: type[T], *, room: int = _LEAST_ROOM) -> None:
        self._room = np.empty(room, dtype=dtype)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def values(self) -> NDArray[T]:
        """The numbers so far: a view that is valid until the next append."""
        return self._room[: self._used]

    def append(self, numbers: NDArray[T]) -> None:
        """Append an array."""
        end = self._used + len(numbers)
        if end > len(self._room):
            room = np.empty(end + end // 4 + _LEAST_ROOM, dtype=self._room.dtype)
            room[: self._used] = self._room[: self._used]
            self._room = room
        self._room[self._used : end] = numbers
        self._used = end

    def push(self, number: int) -> None:
        """Append one number."""
        if self._used == len(self._room):
            self.append(np.array([number], dtype=self._room.dtype))
        else:
            self._room[self._used] = number
            self._used += 1


#: Numbers from which on an array is held in a file: files of a few megabytes are not worth their making.
_IN_MEMORY = 1 << 20


class FileArray[T: np.generic]:
    """A one-dimensional array that grows by appending: in memory while it is small, then in a temporary file.

    The file has no name and goes with the array. It is mapped for reading, so its pages are the system's cache, which
    may drop them. Pickled, the array is its numbers, in memory.
    """

    def __init__(self, folder: Path, dtype: type[T]) -> None:
        """`folder` is where the file is made."""
        self._folder, self._dtype = folder, dtype
        self._memory = GrowingArray(dtype)
        self._file: IO[bytes] | None = None
        self._used = 0
        self._mapped: NDArray[T] = np.empty(0, dtype=dtype)

    def __reduce__(self) -> tuple[Callable[[NDArray[T]], GrowingArray[T]], tuple[NDArray[T]]]:
        return _in_memory, (np.array(self.values),)

    def __len__(self) -> int:
        return self._used

    @property
    def values(self) -> NDArray[T]:
        """The numbers so far: a view that is valid until the next append."""
        if self._file is None:
            return self._memory.values
        if len(self._mapped) < self._used:
            mapped = np.memmap(self._file, dtype=self._dtype, mode="r", shape=(self._used,))
            self._mapped = np.asarray(mapped)  # whose slices cost less
        return self._mapped

    def append(self, numbers: NDArray[T]) -> None:
        """Append an array. Raises `StorageError` when the file cannot be written."""
        numbers = numbers.astype(self._dtype, copy=False)
        if self._file is None and self._used + len(numbers) <= _IN_MEMORY:
            self._memory.append(numbers)
        else:
            self._write(numbers)
        self._used += len(numbers)

    def _write(self, numbers: NDArray[T]) -> None:
        try:
            if self._file is None:
                self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - open for as long as the array is there
                finalize(self, self._file.close)
                self._file.write(self._memory.values.tobytes())
                self._memory = GrowingArray(self._dtype)
            self._file.seek(0, os.SEEK_END)
            self._file.write(numbers.tobytes())
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"No temporary file can be written in {str(self._folder.absolute())!r} ({error.strerror}), where the "
                f"words of earlier texts are kept to compare with; make room there, then go on."
            ) from error


def _in_memory[T: np.generic](numbers: NDArray[T]) -> GrowingArray[T]:
    held = GrowingArray(numbers.dtype.type, room=len(numbers))
    held.append(numbers)
    return held


def ranges(first: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ranges `first[i]`, `first[i] + 1`, ... of `counts[i]` numbers each, concatenated."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(first - ends + counts, counts)


def iter_slices(weights: NDArray[np.int64], most: int, items: int | None = None) -> Iterator[slice]:
    """Consecutive slices, each of at most `most` total weight (or one item) and at most `items` items."""
    ends = np.cumsum(weights)
    at = 0
    while at < len(weights):
        before = int(ends[at - 1]) if at else 0
        end = max(at + 1, int(np.searchsorted(ends, before + most, side="right")))
        end = end if items is None else min(end, at + items)
        yield slice(at, end)
        at = end
