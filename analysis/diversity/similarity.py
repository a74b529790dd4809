"""Measures of diversity by embedding vectors; numbers of different embedding models cannot be compared.

Among them the paper's similarity study (section 4.1, Figure 10): how alike outputs are by how alike personas are.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Self

import numpy as np

from ...personas.arrays import Floats, Ints, Matrix
from ...personas.dedup.vectors import find_similar_vectors, units

#: Similarities of personas at which the paper compares outputs; a pair is at a level when it is within `WIDTH` of it.
LEVELS = (0.4, 0.6, 0.8, 0.9)
WIDTH = 0.01
#: Pairs at each level, in the paper.
PAIRS = 100
#: Rows of a matrix of similarities held at once.
_ROWS = 256
#: Eigenvalues below are what floating point leaves of none.
_NONE = 1e-12


@dataclass(frozen=True, slots=True)
class FiveNumbers:
    """The five numbers of a box plot: least, quartiles and greatest."""

    low: float
    q1: float
    median: float
    q3: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> Self | None:
        """The box of some numbers, quartiles between two of them by linear interpolation; None without any."""
        return cls(*np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()) if len(values) else None


@dataclass(frozen=True, slots=True)
class SimilarityBin:
    """Pairs of outputs whose personas are about as alike as `similarity` says."""

    similarity: float
    #: Pairs of personas at this level among all that were compared, and how many of them were drawn.
    found: int
    pairs: int
    #: How alike the outputs of the pairs drawn are; None without any pair.
    box: FiveNumbers | None
    #: The mean similarity of the personas of the pairs drawn.
    personas: float | None


@dataclass(frozen=True, slots=True)
class PaperBox:
    """A box that the paper's figure shows."""

    label: str
    model: str
    level: float
    box: FiveNumbers


@cache
def paper_facts() -> Mapping[str, Any]:
    """What the paper says of its figure: source, embeddings, temperature, pairs, boxes."""
    return tomllib.loads(files(__package__).joinpath("paper.toml").read_text(encoding="utf-8"))


def paper_boxes() -> list[PaperBox]:
    """The boxes of the paper's figure, by level."""
    boxes = [PaperBox(b["label"], b["model"], b["level"], FiveNumbers(*b["box"])) for b in paper_facts()["boxes"]]
    return sorted(boxes, key=lambda box: box.level)


def compare_levels(
    personas: Matrix,
    outputs: Matrix,
    *,
    pairs: int = PAIRS,
    seed: int = 0,
) -> list[SimilarityBin]:
    """For each level of persona similarity, how alike the outputs of pairs of personas at that level are.

    Row i of both matrices belongs to one persona and its one output. All pairs of personas are looked at, and of those
    at a level at most `pairs` are drawn at random. Memory does not grow with the number of pairs.
    """
    one, other = units(personas), units(outputs)
    draws = [_PairSample(pairs, np.random.default_rng([seed, place])) for place in range(len(LEVELS))]
    for first in range(0, len(one), _ROWS):
        cosines = one[first : first + _ROWS] @ one.T
        for level, draw in zip(LEVELS, draws, strict=True):
            rows, columns = np.nonzero(np.abs(cosines - level) <= WIDTH)
            behind = columns > rows + first
            draw.add(rows[behind] + first, columns[behind])
    return [_level(level, draw, one, other) for level, draw in zip(LEVELS, draws, strict=True)]


class _PairSample:
    """A random choice among pairs that come in blocks: those with the least of as many random numbers."""

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        self.found = 0
        self.left, self.right = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self._most, self._rng, self._ranks = most, rng, np.empty(0)

    def add(self, left: Ints, right: Ints) -> None:
        self.found += len(left)
        ranks = np.concatenate([self._ranks, self._rng.random(len(left))])
        kept = np.argsort(ranks, kind="stable")[: self._most]
        self._ranks = ranks[kept]
        self.left, self.right = np.concatenate([self.left, left])[kept], np.concatenate([self.right, right])[kept]


def _level(level: float, draw: _PairSample, personas: Floats, outputs: Floats) -> SimilarityBin:
    alike = (outputs[draw.left] * outputs[draw.right]).sum(axis=1)
    near = (personas[draw.left] * personas[draw.right]).sum(axis=1)
    return SimilarityBin(
        level, draw.found, len(alike), FiveNumbers.of(alike), float(near.mean()) if len(near) else None
    )


def vendi_score(matrix: Matrix) -> float | None:
    """The effective number of different texts, from 1 (all alike) to the number of texts (nothing in common).

    The Vendi score of Friedman and Dieng (2023): the exponential of the entropy of the eigenvalues of K / n, where K
    holds the cosines. It is at most the number of dimensions, and is computed from the smaller of the two Gram
    matrices, which have the same eigenvalues. None without any vector.
    """
    if not len(matrix):
        return None
    scaled = units(matrix)
    gram = scaled.T @ scaled if scaled.shape[0] > scaled.shape[1] else scaled @ scaled.T
    values = np.linalg.eigvalsh(gram / len(scaled))
    values = values[values > _NONE]
    return float(np.exp(-(values * np.log(values)).sum()))


def nearest_by_vectors(matrix: Matrix) -> Floats:
    """For each vector the cosine to the one most like it, from -1 to 1; every pair is compared."""
    scaled = units(matrix).astype(np.float32)
    nearest = np.zeros(len(scaled))
    for first in range(0, len(scaled), _ROWS):
        cosines = scaled[first : first + _ROWS] @ scaled.T
        places = np.arange(len(cosines))
        cosines[places, first + places] = -1
        nearest[first : first + _ROWS] = cosines.max(axis=1, initial=-1)
    return nearest


def cluster_share(matrix: Matrix, threshold: float = 0.5) -> float | None:
    """The number of clusters of vectors as a share of the vectors, from nearly 0 to 1: 1 where no two are alike.

    A cluster is an original with all whose cosine to it is at least `threshold`, found as near-duplicates are; 0.5 is
    the paper's threshold where few and very different texts are wanted (section 2.3). None without any vector.
    """
    return 1 - len(find_similar_vectors(matrix, threshold, exact=True)) / len(matrix) if len(matrix) else None
