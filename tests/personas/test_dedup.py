import random
import sys
from types import FrameType

import pytest
from hypothesis import strategies as st
from properties import holds
from similarity import jaccard

from populace.core.errors import SetupError
from populace.core.text import words
from populace.personas.dedup import THRESHOLD, Match, NearDuplicates

BAKER = "a night shift baker who kneads dough for three hospitals before the city wakes up every single morning"
SHORT = st.lists(st.sampled_from("abcdefghijklm"), max_size=14).map(" ".join)
TEN = "a b c d e f g h i j"


@holds(st.lists(SHORT, max_size=30))
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


def test_nine_words_of_ten_are_near_and_one_less_is_not() -> None:
    index = NearDuplicates[str]()
    index.add("ten", TEN)
    assert index.find("a b c d e f g h i") == Match("ten", 0.9)
    assert index.find("a b c d e f g h") is None
    assert index.find("a b c d e f g h i x") is None


@pytest.mark.parametrize(("threshold", "shared"), [(0.5, 5), (0.6, 6), (0.7, 7), (0.8, 8), (1.0, 10)])
def test_a_threshold_is_reached_when_it_is_met_exactly(threshold: float, shared: int) -> None:
    index = NearDuplicates[str](threshold)
    index.add("ten", TEN)
    assert index.find(" ".join(TEN.split()[:shared])) == Match("ten", threshold)
    assert index.find(" ".join(TEN.split()[: shared - 1])) is None


@pytest.mark.parametrize("threshold", [0.0, 0.49, 1.01, -1.0, float("nan")])
def test_a_threshold_that_would_join_everybody_is_refused(threshold: float) -> None:
    with pytest.raises(SetupError, match=r"from 0\.5 to 1"):
        NearDuplicates[str](threshold)


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
    for key, text in [("k", f"{TEN} k"), ("l", f"{TEN} l"), ("exact", TEN)]:
        index.keep_all([key], [text])
    assert index.find(TEN) == Match("exact", 1.0)
    assert index.find(f"{TEN} k l") == Match("k", 11 / 12)


def test_texts_without_words_are_near_each_other_only() -> None:
    index = NearDuplicates[str]()
    index.add("dots", "...")
    assert [index.add("empty", text) for text in ("", " ", "?!\n")] == [Match("dots", 1.0)] * 3
    assert index.add("word", "a") is None


def test_characters_are_compared_where_no_spaces_are_written() -> None:
    index = NearDuplicates[str]()
    index.add("baker", "在上海夜班烤面包给三家医院送货的老师傅")
    assert index.find("在上海夜班烤面包给三家医院送货的老师傅。") == Match("baker", 1.0)
    assert index.find("在上海夜班烤面包给三家医院送货的师傅") == Match("baker", 18 / 19)


def test_originals_are_found_while_their_number_grows_past_what_is_held_unsorted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("populace.personas.dedup.index._RECENT", 1 << 10)
    rng = random.Random(3)
    texts = [" ".join(f"w{n}" for n in rng.sample(range(400), 12)) for _ in range(2_000)]
    index = NearDuplicates[int]()
    for number, text in enumerate(texts):
        index.add(number, text)
    for number in range(0, len(texts), 37):
        assert index.find(texts[number]) == Match(number, 1.0)


def test_texts_can_come_while_somebody_looks_at_the_frames_of_a_search() -> None:
    index = NearDuplicates[int]()
    kept: list[FrameType] = []

    def keep(frame: FrameType, event: str, arg: object) -> None:
        kept.append(frame)

    sys.setprofile(keep)
    try:
        for number in range(60):  # nearly alike, so that keys are shared, and no near-duplicates
            index.add(number, " ".join(f"w{i}" for i in range(40)) + " " + " ".join(f"{number}x{i}" for i in range(8)))
    finally:
        sys.setprofile(None)
    assert len(index) == 60
    assert kept
