"""MinHash: datasketch's signatures and candidates, verified exactly."""

import random

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import strategies as st
from properties import holds
from similarity import jaccard

from populace.core.errors import SetupError
from populace.core.text import word_list, words
from populace.personas.dedup import DedupMethod, Duplicates, find_duplicates
from populace.personas.dedup.near_duplicates import PERMUTATIONS, choose_bands, make_signatures, ngram_sets

BAKER = "a night shift baker who kneads dough for three hospitals before the city wakes up every single morning"
TEXTS = [
    "",
    "...",
    "A nurse.",
    BAKER,
    " ".join(f"w{n * n}" for n in range(400)),
    "夜班面包师在医院工作",
    "हिन्दी में लिखा हुआ",
    "Straße ﬁsh",
    "ночная смена",
]


def sketch_of(grams: frozenset[str] | set[str]) -> MinHash:
    sketch = MinHash(num_perm=PERMUTATIONS)
    sketch.update_batch([gram.encode() for gram in grams])
    return sketch


def grams_of(text: str, ngram: int) -> frozenset[str]:
    found = word_list(text)
    return frozenset(" ".join(found[at : at + ngram]) for at in range(max(1, len(found) - ngram + 1)) if found)


def variants(count: int, seed: int, size: int = 30) -> list[str]:
    """Texts of which each third is made anew and the others are an earlier one with some words replaced."""
    rng = random.Random(seed)
    texts: list[list[str]] = []
    for number in range(count):
        one = [f"w{rng.randrange(5_000)}" for _ in range(size)]
        if number % 3:
            one = list(rng.choice(texts))
            for _ in range(rng.randrange(size // 5)):
                one[rng.randrange(size)] = f"w{rng.randrange(5_000)}"
        texts.append(one)
    return [" ".join(text) for text in texts]


def pairs_of(found: Duplicates) -> set[tuple[int, int]]:
    return set(zip(found.rows.tolist(), found.of.tolist(), strict=True))


@pytest.mark.parametrize("ngram", [1, 3])
def test_signatures_are_bit_for_bit_those_of_datasketch(ngram: int) -> None:
    ours = make_signatures(ngram_sets(TEXTS, ngram))
    theirs = [sketch_of(grams_of(text, ngram)).hashvalues for text in TEXTS]
    np.testing.assert_array_equal(ours, theirs)


@holds(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1, max_size=20), few=20, many=50)
def test_any_texts_have_the_signatures_of_datasketch(texts: list[str]) -> None:
    np.testing.assert_array_equal(make_signatures(ngram_sets(texts)), [sketch_of(words(t)).hashvalues for t in texts])


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 1.0])
def test_bands_find_nearly_every_pair_at_the_threshold(threshold: float) -> None:
    bands, rows = choose_bands(threshold)
    assert bands * rows <= PERMUTATIONS
    assert 1 - (1 - threshold**rows) ** bands >= 0.995


def test_at_the_papers_threshold_bands_are_14_of_9_slots() -> None:
    assert choose_bands(0.9) == (14, 9)


@pytest.mark.parametrize(("threshold", "ngram"), [(0.9, 1), (0.6, 2), (0.3, 3)])
def test_it_marks_what_the_candidates_of_datasketch_lead_to(threshold: float, ngram: int) -> None:
    texts = variants(240, seed=ngram)
    sets = [grams_of(text, ngram) for text in texts]
    index = MinHashLSH(num_perm=PERMUTATIONS, params=choose_bands(threshold))
    expected = set()
    for row, some in enumerate(sets):
        near = [of for of in index.query(sketch_of(some)) if jaccard(some, sets[of]) >= threshold]
        if near:
            expected.add((row, min(near, key=lambda of: (-jaccard(some, sets[of]), of))))
        else:
            index.insert(row, sketch_of(some))
    found = find_duplicates(texts, threshold=threshold, method=DedupMethod("minhash", ngram))
    assert len(expected) > 30
    assert pairs_of(found) == expected
    similarities = [jaccard(sets[row], sets[of]) for row, of in zip(found.rows, found.of, strict=True)]
    assert found.similarity.tolist() == similarities


def test_it_finds_what_the_exact_method_finds() -> None:
    texts = variants(3_000, seed=7)
    exact, minhash = (find_duplicates(texts, method=DedupMethod(name)) for name in ("exact", "minhash"))
    assert len(exact) > 300
    assert len(pairs_of(minhash) ^ pairs_of(exact)) <= len(exact) // 200


def test_n_grams_tell_apart_what_single_words_do_not() -> None:
    texts = ["a nurse who trains a pilot", "a pilot who trains a nurse", "A nurse, who trains a pilot!"]
    assert find_duplicates(texts, method=DedupMethod("minhash")).rows.tolist() == [1, 2]
    for name in ("exact", "minhash"):
        assert find_duplicates(texts, method=DedupMethod(name, 2)).rows.tolist() == [2]


def test_the_stage_of_verdicts_names_the_method() -> None:
    methods = [DedupMethod(), DedupMethod("minhash"), DedupMethod("minhash", 3)]
    assert [method.stage for method in methods] == ["exact", "minhash", "minhash:3-gram"]


def test_texts_without_words_are_equal_and_short_ones_are_one_n_gram() -> None:
    texts = ["", "...", "a nurse", "A nurse.", "a baker"]
    assert pairs_of(find_duplicates(texts, method=DedupMethod("minhash", 5))) == {(1, 0), (3, 2)}


@pytest.mark.parametrize("ngram", [0, 21])
def test_an_n_gram_of_no_words_or_of_very_many_is_refused(ngram: int) -> None:
    with pytest.raises(SetupError, match="1 to 20 words"):
        find_duplicates(["a"], method=DedupMethod("minhash", ngram))


def test_only_minhash_takes_a_threshold_below_a_half() -> None:
    assert len(find_duplicates(["a b c d", "a b c e"], threshold=0.3, method=DedupMethod("minhash"))) == 1
    with pytest.raises(SetupError, match=r"from 0\.5 to 1, or from 0\.1 with the method minhash"):
        find_duplicates(["a"], threshold=0.3)
    with pytest.raises(SetupError, match=r"from 0\.1 to 1"):
        find_duplicates(["a"], threshold=0.05, method=DedupMethod("minhash"))
