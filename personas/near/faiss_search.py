"""Finding which of very many originals may be near newcomers, in a few cells of an index: nearly all of them."""

import math
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import SetupError
from .cosine import Exact, Matrix, units
from .search import Pairs, slack

__all__ = ["FaissSearch", "check_faiss"]

#: Cells that are looked into for a newcomer.
_PROBED = 4
#: Vectors a cell that the cells are made from.
_EACH = 40


class FaissSearch:
    """An inverted file of the library faiss, with cells as many as twice the root of the number of vectors."""

    def __init__(self, matrix: Matrix, threshold: float) -> None:
        """The cells are made from vectors spread over `matrix`. Raises `SetupError` where faiss is missing."""
        faiss = check_faiss(len(matrix))
        dims = matrix.shape[1]
        cells = max(1, min(2 * math.isqrt(len(matrix)), len(matrix)))
        self._least = threshold - slack(dims)
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dims), dims, cells, faiss.METRIC_INNER_PRODUCT)
        self._index.nprobe = min(_PROBED, cells)
        # It would say on the terminal that there might be more.
        self._index.cp.min_points_per_centroid = 1
        sample = np.unique(np.linspace(0, max(len(matrix) - 1, 0), _EACH * cells).astype(np.int64))
        if len(matrix):
            self._index.train(units(matrix[sample]).astype(np.float32))

    def hold(self, units: Exact) -> None:
        """Hold these rows behind those held."""
        if len(units):
            self._index.add(units.astype(np.float32))

    def near(self, units: Exact) -> Iterator[Pairs]:
        """Pairs of an original and a newcomer that may be near."""
        if not len(units) or not self._index.ntotal:
            return
        bounds, _, originals = self._index.range_search(units.astype(np.float32), self._least)
        counts = np.diff(bounds.astype(np.int64))
        yield originals.astype(np.int64), np.repeat(np.arange(len(units)), counts)


def check_faiss(number: int) -> Any:
    """The library faiss, which comparing `number` vectors takes. Raises `SetupError` where it is missing."""
    try:
        return import_module("faiss")
    except ImportError as error:
        raise SetupError(
            f"To compare {number:,} vectors, an index of the library faiss is needed, which is not installed; install "
            "it with `pip install 'populace[faiss]'`, or compare exactly (--exact), which takes hours for a million."
        ) from error
