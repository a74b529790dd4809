"""Vectors of which many are near-duplicates, and the verdicts on them by comparing everybody with everybody."""

import numpy as np
from numpy.typing import NDArray

from populace.personas.dedup.vectors import find_similar_vectors

#: Who, of which original, and their cosine.
type Verdicts = list[tuple[int, int, float]]


def planted(seed: int, n: int, dims: int, threshold: float = 0.9, scale: float = 1.0) -> NDArray[np.float32]:
    """Vectors of which many are about as near to an earlier one as the threshold, some equal to it, some zero."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, dims))
    for row in range(1, n):
        way, earlier = rng.random(), matrix[rng.integers(row)]
        if way < 0.1:
            matrix[row] = earlier * rng.choice([1.0, 0.25, 8.0])
        elif way < 0.15:
            matrix[row] = 0.0
        elif way < 0.6 and np.linalg.norm(earlier):
            cosine = np.clip(threshold + rng.normal() * 0.02, -1, 1)
            one, other = (
                earlier / np.linalg.norm(earlier),
                matrix[row] - earlier * (matrix[row] @ earlier) / (earlier @ earlier),
            )
            other /= np.linalg.norm(other) or 1.0
            matrix[row] = cosine * one + np.sqrt(1 - cosine**2) * other
    return (matrix * scale).astype(np.float32)


def brute(matrix: NDArray[np.float32], threshold: float) -> Verdicts:
    """One after the other against every original so far."""
    wide = matrix.astype(np.float64)
    norms = np.sqrt((wide * wide).sum(axis=1))
    products = np.outer(norms, norms)
    alike = np.round(np.divide(wide @ wide.T, products, out=np.zeros_like(products), where=products > 0), 6)
    kept: list[int] = []
    verdicts = []
    for row in range(len(matrix)):
        best = int(np.argmax(alike[row, kept])) if kept else -1
        if kept and alike[row, kept[best]] >= threshold:
            verdicts.append((row, kept[best], float(alike[row, kept[best]])))
        else:
            kept.append(row)
    return verdicts


def found(matrix: NDArray[np.float32], threshold: float = 0.9, *, exact: bool | None = None) -> Verdicts:
    """The same verdicts by `find_similar_vectors`."""
    near = find_similar_vectors(matrix, threshold, exact=exact)
    return list(zip(near.rows.tolist(), near.of.tolist(), near.similarity.tolist(), strict=True))
