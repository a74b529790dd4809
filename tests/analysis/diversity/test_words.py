"""Measures of diversity by words, against values computed by hand or by the library that is named."""

import random
import zlib

import pytest

from populace.analysis.diversity.similarity import (
    compare_by_words,
    compression_ratio,
    distinct_n,
)
from populace.core.text import words
from populace.personas.dedup import find_duplicates

TEXTS = (
    "How high does the river rise in spring?",
    "How high does the river rise in autumn?",
    "Write a letter to the school about the bridge.",
    "The baker asks for bread, bread and more bread.",
    " short one",
)


@pytest.mark.parametrize(("n", "share"), [(1, 4 / 6), (2, 3 / 4), (3, 2 / 2)])
def test_distinct_n_is_the_share_of_different_n_grams(n: int, share: float) -> None:
    assert distinct_n(["the river rises", "The river FALLS"], n) == pytest.approx(share)


def test_no_n_gram_gives_no_share() -> None:
    assert distinct_n(["one two"], 3) is None
    assert distinct_n([], 1) is None


def test_compression_is_that_of_zlib() -> None:
    text = "the river rises " * 50
    assert compression_ratio([text]) == len(text) / len(zlib.compress(text.encode(), 9))
    assert compression_ratio([]) is None


def test_what_repeats_is_compressed_more() -> None:
    rng = random.Random(1)
    different = [" ".join(f"w{rng.randrange(10_000)}" for _ in range(20)) for _ in range(50)]
    assert (compression_ratio(different[:1] * 50) or 0) > 5 * (compression_ratio(different) or 0)


def test_the_nearest_text_is_found_among_all_pairs() -> None:
    rng = random.Random(2)
    texts = [" ".join(rng.choices("abcdefghij", k=rng.randint(0, 8))) for _ in range(600)]
    sets = [words(text) for text in texts]
    expected = [
        max(len(a & b) / len(a | b) if a | b else 1.0 for place, b in enumerate(sets) if place != number)
        for number, a in enumerate(sets[:40])
    ]
    assert compare_by_words(texts)[0][:40] == pytest.approx(expected)


def test_clusters_are_counted_as_near_duplicates_are_found() -> None:
    assert compare_by_words(TEXTS, (0.5, 0.9))[1] == {0.5: pytest.approx(4 / 5), 0.9: 1.0}
    rng = random.Random(3)
    texts = [" ".join(rng.choices("abcdefghijkl", k=rng.randint(1, 12))) for _ in range(700)]
    for threshold in (0.5, 0.8, 0.9):
        repeats = len(find_duplicates(texts, threshold=threshold))
        assert 0 < repeats < len(texts)
        assert compare_by_words(texts, (threshold,))[1][threshold] == pytest.approx(1 - repeats / len(texts))
