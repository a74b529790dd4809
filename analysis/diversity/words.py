"""Measures of diversity that need nothing but words; words are those of `populace.personas.text`."""

import math
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ...personas.dedup.word_sets import word_sets
from ...personas.persona import word_list

#: The greatest number of texts that are compared with each other.
MOST_TEXTS = 20_000
#: Rows of the matrix of similarities held at once.
_ROWS = 256
#: Orders of n-grams in BLEU, and what stands for no common n-gram (method 1 of Chen and Cherry, 2014).
_ORDERS = (1, 2, 3, 4)
_EPSILON = 0.1

type Ngram = tuple[str, ...]


def distinct_n(texts: Iterable[str], n: int) -> float | None:
    """The share of different n-grams among all n-grams of the texts, from 0 to 1: 1 where none occurs twice.

    Distinct-n of Li et al. (2016, A Diversity-Promoting Objective Function for Neural Conversation Models). It falls
    with the number of words, so only samples of about one size can be compared. None where no text has n words.
    """
    seen: set[Ngram] = set()
    number = 0
    for text in texts:
        grams = _ngrams(word_list(text), n)
        seen.update(grams)
        number += len(grams)
    return len(seen) / number if number else None


def _ngrams(words: Sequence[str], n: int) -> list[Ngram]:
    return [tuple(words[place : place + n]) for place in range(len(words) - n + 1)]


def self_bleu(texts: Sequence[str]) -> float | None:
    """The mean BLEU-4 of each text against all others as references, from 0 to 1: the higher, the more alike.

    Self-BLEU of Zhu et al. (2018, Texygen), with uniform weights and smoothing by method 1 of Chen and Cherry (2014),
    as NLTK's `sentence_bleu` computes it. It rises with the number of texts, which is to be stated beside it. The work
    is linear in the words, for of each n-gram only the two greatest counts in a text are needed. None for fewer than
    two texts.
    """
    if len(texts) < 2:
        return None
    tokens = [word_list(text) for text in texts]
    counts = [[Counter(_ngrams(words, n)) for n in _ORDERS] for words in tokens]
    greatest = [_greatest(one[order] for one in counts) for order in range(len(_ORDERS))]
    lengths = sorted(len(words) for words in tokens)
    total = 0.0
    for place, words in enumerate(tokens):
        clipped = [
            sum(min(count, _of_others(greatest[order][gram], place)) for gram, count in counts[place][order].items())
            for order in range(len(_ORDERS))
        ]
        total += _bleu(clipped, len(words), _closest_other(lengths, len(words)))
    return total / len(texts)


#: The greatest count of an n-gram in one text, that text, and the greatest count in any other.
type _Greatest = tuple[int, int, int]


def _greatest(counts: Iterable[Counter[Ngram]]) -> dict[Ngram, _Greatest]:
    found: dict[Ngram, _Greatest] = {}
    for place, one in enumerate(counts):
        for gram, count in one.items():
            most, where, second = found.get(gram, (0, -1, 0))
            if count > most:
                found[gram] = count, place, most
            elif count > second:
                found[gram] = most, where, count
    return found


def _of_others(greatest: _Greatest, place: int) -> int:
    most, where, second = greatest
    return second if where == place else most


def _closest_other(lengths: Sequence[int], own: int) -> int:
    """The length nearest to a text's own among the others', the shorter of two that are as near."""
    place = bisect_left(lengths, own)
    if place + 1 < len(lengths) and lengths[place + 1] == own:
        return own
    near = [lengths[other] for other in (place - 1, place + 1) if 0 <= other < len(lengths)]
    return min(near, key=lambda length: (abs(length - own), length))


def _bleu(clipped: Sequence[int], length: int, reference: int) -> float:
    if not clipped[0]:
        return 0.0
    logs = [
        math.log((found or _EPSILON) / max(1, length - order + 1))
        for order, found in zip(_ORDERS, clipped, strict=True)
    ]
    brevity = 0.0 if length > reference else 1 - reference / length
    return math.exp(brevity + sum(logs) / len(logs))


def compression_ratio(texts: Sequence[str]) -> float | None:
    """How many times smaller the texts are when compressed, about 1 and more: the higher, the more they repeat.

    The ratio of Shaib et al. (2024, Standardizing the Measurement of Text Diversity), by DEFLATE at level 9 on the
    texts with a line break between. It rises with the amount of text. None without any text.
    """
    data = "\n".join(texts).encode(errors="replace")
    return len(data) / len(zlib.compress(data, 9)) if data else None


@dataclass(frozen=True, slots=True)
class WordOverlap:
    """What comparing each text with every other one shows."""

    #: For each text the Jaccard similarity of its set of words to that of the text most like it, from 0 to 1.
    nearest: NDArray[np.float64]
    #: By similarity, the number of clusters as a share of the texts, as `cluster_share` gives it.
    clusters: dict[float, float]


def compare_by_words(texts: Sequence[str], thresholds: Sequence[float] = ()) -> WordOverlap:
    """Compare every pair of at most `MOST_TEXTS` texts, by the sets of words by which near-duplicates are found."""
    sets = word_sets(texts)
    _, columns = np.unique(sets.words, return_inverse=True)
    matrix = csr_array((np.ones(len(columns), dtype=np.float32), columns, sets.starts), dtype=np.float32)
    sizes = sets.sizes.astype(np.float64)
    nearest = np.zeros(len(texts))
    first_of = {least: np.zeros(len(texts), dtype=np.bool_) for least in thresholds}
    for first in range(0, len(texts), _ROWS):
        end = min(first + _ROWS, len(texts))
        common = (matrix[first:end] @ matrix.T).toarray().astype(np.float64)
        union = sizes[first:end, None] + sizes[None, :] - common
        alike = np.divide(common, union, out=np.ones_like(common), where=union > 0)
        alike[np.arange(end - first), np.arange(first, end)] = 0
        nearest[first:end] = alike.max(axis=1, initial=0)
        for least, is_first in first_of.items():
            near = alike >= least
            for row in range(end - first):
                earlier = first + row
                is_first[earlier] = not (near[row, :earlier] & is_first[:earlier]).any()
    shares = {least: float(is_first.mean()) if len(texts) else 0.0 for least, is_first in first_of.items()}
    return WordOverlap(nearest, shares)


def cluster_share(texts: Sequence[str], threshold: float = 0.5) -> float | None:
    """The number of clusters of texts as a share of the texts, from nearly 0 to 1: 1 where no two are alike.

    A cluster is an original with all that repeat it at this Jaccard similarity: as with near-duplicates, a text is an
    original unless an earlier original is so alike. 0.5 is the paper's threshold where few and very different texts are
    wanted (section 2.3). None without any text.
    """
    return compare_by_words(texts, (threshold,)).clusters[threshold] if texts else None
