import pickle
import random
from array import array
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import StorageError
from populace.core.text import words
from populace.personas.dedup import NearDuplicates, find_duplicates, near_duplicates
from populace.personas.dedup import index as index_module
from populace.personas.dedup.pairs import are_in_order, are_unspaced, some_orders
from populace.personas.dedup.word_sets import word_set

THRESHOLDS = [0.5, 0.55, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0]

type Found = list[tuple[int, float] | None]


def kin(seed: int, *, count: int, largest: int, shuffled: bool = True) -> list[str]:
    """Texts of up to `largest` words in families: variants of variants, so that there are chains and copies."""
    rng = random.Random(seed)
    families = [[rng.randrange(2 * largest) for _ in range(rng.randint(0, largest))] for _ in range(4)]
    texts = []
    for _ in range(count):
        family = rng.choice(families)
        for _ in range(rng.randint(0, 1 + len(family) // 6)):
            if family and rng.random() < 0.5:
                family[rng.randrange(len(family))] = rng.randrange(2 * largest)
            elif len(family) < largest:
                family.append(rng.randrange(2 * largest))
        texts.append(" ".join(f"w{word}" for word in (rng.sample(family, len(family)) if shuffled else family)))
    return texts


def brute_force(texts: Sequence[str], threshold: float, *, ordered: bool = False) -> Found:
    """First come is kept; another repeats the most similar that was kept, the earliest of equals."""
    kept: list[tuple[int, str]] = []
    found: Found = []
    for number, text in enumerate(texts):
        mine, best = words(text), (Fraction(0), 0)
        for other, earlier in kept:
            theirs = words(earlier)
            union = len(mine | theirs)
            alike = Fraction(len(mine & theirs), union) if union else Fraction(1)
            if alike >= least_of(text, threshold, ordered=ordered) and fits(earlier, text, ordered=ordered):
                best = max(best, (alike, -other))
        found.append((-best[1], float(best[0])) if best[0] else None)
        if found[-1] is None:
            kept.append((number, text))
    return found


def least_of(text: str, threshold: float, *, ordered: bool) -> Fraction:
    """The threshold for a text: 5 words in as many may differ where each character is a word as 4 do elsewhere."""
    apart = (1 - Fraction(repr(threshold))) / (1 + Fraction(repr(threshold)))
    apart *= Fraction(5, 4) if are_unspaced(word_set(text, ordered=ordered).order).any() else 1
    return (1 - apart) / (1 + apart)


def fits(earlier: str, text: str, *, ordered: bool) -> bool:
    one, other = (word_set(each, ordered=ordered) for each in (earlier, text))
    differ = max((one.parity ^ other.parity).bit_count(), abs(len(one) - len(other)))
    first, second = (some_orders(each.order, np.zeros(1, dtype=np.int64)) for each in (one, other))
    return bool(are_in_order(first, second, np.array([min(len(one), len(other))]), np.array([differ]))[0])


def in_batch(texts: Sequence[str], threshold: float, scratch: Path | None = None) -> Found:
    duplicates = find_duplicates(texts, threshold=threshold, scratch=scratch)
    found: Found = [None] * len(texts)
    for row, of, similarity in zip(
        duplicates.rows.tolist(), duplicates.of.tolist(), duplicates.similarity.tolist(), strict=True
    ):
        found[row] = (of, similarity)
    return found


def one_by_one(
    texts: Sequence[str], threshold: float, scratch: Path | None = None, *, ordered: bool = False, cut: int = 0
) -> Found:
    """The first `cut` texts at once, and the others one by one."""
    keys = array("q") if scratch else None
    index = NearDuplicates[int](threshold, scratch=scratch, keys=keys, ordered=ordered)
    matches = index.add_all(range(cut), texts[:cut])
    matches += [index.add(number, text) for number, text in enumerate(texts[cut:], cut)]
    return [(match.key, match.similarity) if match else None for match in matches]


@holds(st.integers(0, 10**9), st.sampled_from(THRESHOLDS), st.booleans(), st.integers(0, 40))
def test_order_and_scripts_change_nothing_about_who_finds_what(
    seed: int, threshold: float, ordered: bool, cut: int
) -> None:
    """Texts with words in place, some swapped, in a script with spaces, in one without and in both."""
    rng = random.Random(seed)
    texts = []
    for text in kin(seed, count=12, largest=30, shuffled=False):
        said = text.split()
        for _ in range(rng.randrange(3)):
            if len(said) > 1:
                one, other = rng.sample(range(len(said)), 2)
                said[one], said[other] = said[other], said[one]
        texts += [
            " ".join(said),
            "".join(chr(0x4E00 + int(word[1:])) for word in said),
            f"{' '.join(said)} 面包{said[:1]}",
        ]
    assert one_by_one(texts, threshold, ordered=ordered, cut=cut) == brute_force(texts, threshold, ordered=ordered)


@holds(st.integers(0, 10**9), st.sampled_from(THRESHOLDS), st.sampled_from([8, 30, 150]))
def test_a_batch_and_one_at_a_time_find_what_brute_force_finds(seed: int, threshold: float, largest: int) -> None:
    texts = kin(seed, count=40, largest=largest)
    expected = brute_force(texts, threshold)
    assert in_batch(texts, threshold) == expected
    assert one_by_one(texts, threshold) == expected


@holds(st.lists(st.text(alphabet="ab cdÉé-ß面包हिのท\n\x00", max_size=12), max_size=25), st.sampled_from(THRESHOLDS))
def test_texts_of_all_scripts_are_cut_alike_in_a_batch_and_alone(texts: list[str], threshold: float) -> None:
    assert in_batch(texts, threshold) == one_by_one(texts, threshold) == brute_force(texts, threshold)


@holds(st.integers(0, 10**9), st.integers(0, 60), st.sampled_from([0.5, 0.8, 0.9]))
def test_a_restart_in_the_middle_changes_no_verdict(seed: int, cut: int, threshold: float) -> None:
    texts = kin(seed, count=60, largest=24)
    expected = one_by_one(texts, threshold)
    index = NearDuplicates[int](threshold)
    kept = [number for number in range(cut) if expected[number] is None]
    index.keep_all(kept, [texts[number] for number in kept])
    matches = index.add_all(range(cut, 60), texts[cut:])
    assert [(match.key, match.similarity) if match else None for match in matches] == expected[cut:]


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_neither_groups_nor_a_crowd_nor_a_file_change_a_verdict(
    threshold: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = kin(5, count=300, largest=40)
    expected = in_batch(texts, threshold)
    monkeypatch.setattr(index_module, "_MOST_TEXTS", 100)
    monkeypatch.setattr(near_duplicates, "_MOST_PAIRS", 20)
    monkeypatch.setattr(near_duplicates, "_LEAST_GROUP", 8)
    monkeypatch.setattr(index_module, "_RECENT", 16)
    monkeypatch.setattr("populace.personas.dedup.word_sets._TEXTS", 50)
    monkeypatch.setattr("populace.core.arrow._IN_MEMORY", 2_000)  # of 6,000 words or so
    assert (
        in_batch(texts, threshold, tmp_path)
        == one_by_one(texts, threshold)
        == one_by_one(texts, threshold, tmp_path)
        == expected
        == brute_force(texts, threshold)
    )
    assert not list(tmp_path.iterdir())


def test_an_index_in_a_file_finds_the_same_in_another_process_and_says_where_no_file_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("populace.core.arrow._IN_MEMORY", 100)
    texts = kin(6, count=60, largest=24)
    index = NearDuplicates[int](scratch=tmp_path)
    index.keep_all(range(60), texts)
    there = pickle.loads(pickle.dumps(index))
    assert [there.find(text) for text in texts] == [index.find(text) for text in texts]
    lost = NearDuplicates[int](scratch=tmp_path / "nowhere")
    with pytest.raises(StorageError, match=r"No temporary file can be written in '.*nowhere' \(No such file"):
        lost.keep_all(range(60), texts)


def test_a_text_longer_than_what_is_hashed_at_once_is_cut_between_words() -> None:
    long = " ".join(f"w{n}" for n in range(200_000))
    assert in_batch([long, f"{long} more", "x" * 3_000_000, f"{'x' * 3_000_000}."], 0.9)[1::2] == [
        (0, 200_000 / 200_001),
        (2, 1.0),
    ]


def test_progress_tells_how_many_were_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_MOST_TEXTS", 1)
    told: list[int] = []
    find_duplicates((f"text {n}" for n in range(1500)), progress=told.append)
    assert told == [512, 1024, 1500]


def test_no_texts_have_no_duplicates() -> None:
    assert len(find_duplicates([])) == 0
