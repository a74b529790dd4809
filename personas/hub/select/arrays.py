"""Whole numbers between Arrow and NumPy, without their converters: those load pandas wherever it is installed."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Numbers", "integers", "numbers_table"]

type Numbers = NDArray[np.int64]


def integers(column: pa.Array | pa.ChunkedArray) -> Numbers:
    """A column of whole numbers; -1 where there is none."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_integers(chunk) for chunk in chunks if len(chunk)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def numbers_table(**columns: NDArray[np.int64] | NDArray[np.float64]) -> pa.Table:
    """A table of these columns by name."""
    return pa.Table.from_arrays([_array(values) for values in columns.values()], names=list(columns))


def _integers(chunk: pa.Array) -> Numbers:
    held, values = chunk.buffers()
    some = slice(chunk.offset, chunk.offset + len(chunk))
    # Arrow calls the types of whole numbers as NumPy does.
    found = np.frombuffer(values, dtype=str(chunk.type))[some].astype(np.int64)
    if held is not None and chunk.null_count:
        bits = np.unpackbits(np.frombuffer(held, dtype=np.uint8), bitorder="little")[some]
        found[bits == 0] = -1
    return found


def _array(values: NDArray[np.int64] | NDArray[np.float64]) -> pa.Array:
    kind = pa.int64() if values.dtype == np.int64 else pa.float64()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])
