import itertools
import random
import sys
from collections.abc import Iterator
from types import FrameType

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.personas.dedup import THRESHOLD, Match, NearDuplicates, _Sketch
from populace.personas.minhash import PERMUTATIONS, signature
from populace.personas.words import jaccard, words

BAKER = "a night shift baker who kneads dough for three hospitals before the city wakes up every single morning"
TEXTS = [
    "",
    "...",
    "A nurse.",
    BAKER,
    "夜班面包师在医院工作",
    "हिन्दी में लिखा हुआ",
    "Straße ﬁsh",
    "ночная смена",
]
SHORT = st.lists(st.sampled_from("abcdefghijklm"), max_size=14).map(" ".join)


def sketch_of(text: str) -> MinHash:
    sketch = MinHash(num_perm=PERMUTATIONS)
    sketch.update_batch([word.encode() for word in words(text)])
    return sketch


def random_texts(count: int, *, size: int, vocabulary: int, seed: int = 7) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(f"w{n}" for n in rng.sample(range(vocabulary), size)) for _ in range(count)]


def planted_pairs(count: int) -> Iterator[tuple[str, str]]:
    """Pairs of texts at a Jaccard similarity from 0.9 to just below 1."""
    rng = random.Random(11)
    for number in range(count):
        size = rng.randint(12, 80)
        text = [f"p{number}w{n}" for n in range(size)]
        lost = rng.randint(1, max(1, size // 20))
        gained = rng.randint(0, lost) if size >= 40 else 0
        near = text[lost:] + [f"p{number}x{n}" for n in range(gained)]
        if len(set(text) & set(near)) * 10 >= len(set(text) | set(near)) * 9:
            yield " ".join(text), " ".join(near)


@pytest.mark.parametrize("text", TEXTS + random_texts(50, size=25, vocabulary=9000))
def test_a_signature_is_bit_for_bit_that_of_datasketch(text: str) -> None:
    np.testing.assert_array_equal(signature(words(text)), sketch_of(text).hashvalues)


@settings(deadline=None)
@given(st.sets(st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_any_set_of_words_has_the_signature_of_datasketch(some: set[str]) -> None:
    sketch = MinHash(num_perm=PERMUTATIONS)
    sketch.update_batch([word.encode() for word in some])
    np.testing.assert_array_equal(signature(some), sketch.hashvalues)


def test_a_signature_can_be_handed_to_datasketch() -> None:
    ours = MinHash(num_perm=PERMUTATIONS, seed=1, hashvalues=signature(words(BAKER)), scheme="affine32")
    assert ours.jaccard(sketch_of(BAKER)) == 1.0


def test_the_candidates_are_those_of_datasketch() -> None:
    texts = random_texts(400, size=12, vocabulary=30)
    index, theirs = NearDuplicates[int](), MinHashLSH(num_perm=PERMUTATIONS, params=(16, 8))
    for number, text in enumerate(texts):
        index.keep(number, text)
        theirs.insert(number, sketch_of(text))
    found = [index._candidates(_Sketch(text)) for text in texts]
    assert found == [sorted(theirs.query(sketch_of(text))) for text in texts]
    assert sum(map(len, found)) > 2 * len(texts)


def test_sifting_crowded_bands_loses_no_near_duplicate() -> None:
    form = " ".join(f"f{n}" for n in range(36))
    free = [" ".join(some) for some in itertools.combinations("abcdefghi", 4)]
    texts, asked = [f"{form} {some}" for some in free[::2]], [f"{form} {some}" for some in free[1::2]]
    index = NearDuplicates[int]()
    for number, text in enumerate(texts):
        index.keep(number, text)
    for text in asked:
        likeness = [jaccard(words(text), words(other)) for other in texts]
        assert index.find(text) == Match(likeness.index(max(likeness)), max(likeness))


@settings(deadline=None)
@given(st.lists(SHORT, max_size=30))
def test_a_match_is_real_and_equal_sets_are_always_found(texts: list[str]) -> None:
    index = NearDuplicates[int]()
    originals: dict[int, frozenset[str]] = {}
    for number, text in enumerate(texts):
        match = index.add(number, text)
        if match is None:
            assert words(text) not in originals.values()
            originals[number] = words(text)
        else:
            assert match.similarity == jaccard(words(text), originals[match.key])
            assert match.similarity * THRESHOLD[1] >= THRESHOLD[0]
    assert len(index) == len(originals)


def test_nearly_all_planted_pairs_are_found() -> None:
    pairs = list(planted_pairs(800))
    index = NearDuplicates[int]()
    for number, (text, _) in enumerate(pairs):
        assert index.add(number, text) is None
    found = sum((m := index.find(near)) is not None and m.key == n for n, (_, near) in enumerate(pairs))
    assert found >= 0.99 * len(pairs) > 500


def test_nine_words_of_ten_are_near_and_one_less_is_not() -> None:
    index = NearDuplicates[str]()
    index.add("ten", "a b c d e f g h i j")
    assert index.find("a b c d e f g h i") == Match("ten", 0.9)
    assert index.find("a b c d e f g h") is None
    assert index.find("a b c d e f g h i x") is None


def test_finding_adds_nothing() -> None:
    index = NearDuplicates[str]()
    assert index.find(BAKER) is None
    assert len(index) == 0
    assert index.add("first", BAKER) is None


def test_every_later_copy_is_reported_against_the_original() -> None:
    index = NearDuplicates[str]()
    matches = [index.add(key, text) for key, text in [("1", BAKER), ("2", f"{BAKER} too"), ("3", f"{BAKER} too")]]
    assert [m and m.key for m in matches] == [None, "1", "1"]
    assert len(index) == 1


def test_the_most_similar_original_wins_and_the_earliest_of_equals() -> None:
    index = NearDuplicates[str]()
    ten = "a b c d e f g h i j"
    for key, text in [("k", f"{ten} k"), ("l", f"{ten} l"), ("exact", ten)]:
        index.keep(key, text)
    assert index.find(ten) == Match("exact", 1.0)
    assert index.find(f"{ten} k l") == Match("k", 11 / 12)


def test_texts_without_words_are_near_each_other_only() -> None:
    index = NearDuplicates[str]()
    index.add("dots", "...")
    assert index.add("empty", "") == Match("dots", 1.0)
    assert index.add("word", "a") is None


def test_characters_are_compared_where_no_spaces_are_written() -> None:
    index = NearDuplicates[str]()
    index.add("baker", "在上海夜班烤面包给三家医院送货的老师傅")
    assert index.find("在上海夜班烤面包给三家医院送货的老师傅。") == Match("baker", 1.0)
    assert index.find("在上海夜班烤面包给三家医院送货的师傅") == Match("baker", 18 / 19)


def test_bands_can_grow_while_somebody_looks_at_the_frames_of_a_search() -> None:
    index = NearDuplicates[int]()
    kept: list[FrameType] = []

    def keep(frame: FrameType, event: str, arg: object) -> None:
        kept.append(frame)

    sys.setprofile(keep)
    try:
        for number in range(60):  # nearly alike, so that bands are crowded, and no near-duplicates
            index.add(number, " ".join(f"w{i}" for i in range(40)) + " " + " ".join(f"{number}x{i}" for i in range(8)))
    finally:
        sys.setprofile(None)
    assert len(index) == 60
    assert kept
