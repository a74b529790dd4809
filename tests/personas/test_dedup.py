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
