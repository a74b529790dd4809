"""Arrays that grow at their end, in memory or in a file, and helpers for ranges of indices."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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


class FileArray[T: np.generic]:
    """A one-dimensional array in a new file, mapped into memory for reading."""

    def __init__(self, path: Path, dtype: type[T]) -> None:
        self._path, self._dtype = path, np.dtype(dtype)
        self._file = path.open("xb")
        self._used = 0
        self._mapped: NDArray[T] = np.empty(0, dtype=dtype)

    def __len__(self) -> int:
        return self._used

    @property
    def values(self) -> NDArray[T]:
        """All numbers so far, mapped from the file."""
        if len(self._mapped) < self._used:
            self._file.flush()
            self._mapped = np.memmap(self._path, dtype=self._dtype, mode="r", shape=(self._used,))
        return self._mapped

    def append(self, numbers: NDArray[T]) -> None:
        """Append an array."""
        numbers.astype(self._dtype, copy=False).tofile(self._file)
        self._used += len(numbers)

    def close(self) -> None:
        """Delete the file."""
        self._mapped = np.empty(0, dtype=self._dtype)
        self._file.close()
        self._path.unlink(missing_ok=True)


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
