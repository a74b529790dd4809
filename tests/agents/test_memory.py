import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.agents.embedding.vectors import Vector
from populace.agents.memory import Memory, _bm25

WORDS = st.text("abcdef ", max_size=20)


def filled(*notes: str, capacity: int = 8) -> Memory:
    memory = Memory(capacity)
    for note in notes:
        memory.note(note)
    return memory


def vector(*numbers: float) -> Vector:
    return np.array(numbers, dtype=np.float32)


def test_a_full_memory_forgets_the_oldest_note() -> None:
    memory = filled("one", "two", "three", capacity=2)
    assert len(memory) == 2
    assert memory.recall("one two three", 5) == ("two", "three")


def test_recall_prefers_notes_that_share_words_with_the_cue_and_keeps_the_newest() -> None:
    memory = filled("the bridge broke", "bread is dear", "a goat escaped", "rain again")
    assert memory.recall("who mends the bridge?", 2) == ("the bridge broke", "rain again")


def test_recall_gives_notes_oldest_first_and_at_most_the_count() -> None:
    memory = filled("a bridge", "b", "c bridge", "d")
    assert memory.recall("bridge", 3) == ("a bridge", "c bridge", "d")
    assert memory.recall("bridge", 0) == ()
    assert filled().recall("bridge", 3) == ()


def test_one_rare_word_counts_more_than_two_that_every_note_has() -> None:
    memory = filled("the baker saw a goat", "you told the baker", "you told the smith", "you told the maid", "newest")
    assert memory.recall("you told the world of a goat", 2)[0] == "the baker saw a goat"


def test_of_two_notes_with_the_same_word_the_shorter_is_nearer() -> None:
    memory = filled("a bridge", "a bridge and ever so many other things that nobody asked for", "rain", "newest")
    assert memory.recall("bridge", 2) == ("a bridge", "newest")


def test_among_equals_the_newer_note_comes_to_mind() -> None:
    memory = filled("red bridge", "old bridge", "new bridge", "rain", "newest")
    assert memory.recall("bridge", 3) == ("old bridge", "new bridge", "newest")
    assert memory.recall("nothing of it", 3) == ("new bridge", "rain", "newest")


def test_a_score_is_that_of_bm25() -> None:
    notes = ["a b c", "a d", "e"]
    length, usual = 3, 2.0
    rarity = {"a": math.log(1 + 1.5 / 2.5), "b": math.log(1 + 2.5 / 1.5)}
    score = sum(rarity.values()) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length / usual))
    other = rarity["a"] * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / usual))
    assert _bm25(frozenset("ab"), list(filled(*notes)._notes)) == pytest.approx([score, other, 0.0])


@given(st.lists(WORDS, max_size=9), WORDS, st.integers(0, 5))
def test_what_is_recalled_is_in_order_and_ends_with_the_newest(notes: list[str], cue: str, count: int) -> None:
    recalled = filled(*notes, capacity=9).recall(cue, count)
    assert len(recalled) == min(count, len(notes))
    assert recalled[-1:] == (tuple(notes[-1:]) if count else ())
    later = iter(notes)
    assert all(note in later for note in recalled)


def test_vectors_decide_before_words_where_there_is_one_for_each() -> None:
    memory = filled("the bridge broke", "a flood came", "rain", "newest")
    near = {"the bridge broke": vector(1, 0), "a flood came": vector(0, 5), "rain": vector(1, 1)}
    memory.give_vectors(near)
    assert memory.recall("the bridge", 2, vector=vector(0, 1)) == ("a flood came", "newest")
    assert memory.recall("the bridge", 3, vector=vector(0, 1)) == ("a flood came", "rain", "newest")


def test_one_missing_vector_leaves_it_to_words() -> None:
    memory = filled("the bridge broke", "a flood came", "rain", "newest")
    memory.give_vectors({"the bridge broke": vector(1, 0), "a flood came": vector(0, 1)})
    assert memory.without_vector() == ["rain"]
    assert memory.recall("the bridge", 2, vector=vector(0, 1)) == ("the bridge broke", "newest")
    assert memory.recall("the bridge", 2) == ("the bridge broke", "newest")


def test_there_is_a_choice_only_between_more_notes_than_are_recalled() -> None:
    memory = filled("one", "two", "three")
    assert [memory.has_choice(count) for count in range(5)] == [False, False, True, False, False]


def test_a_vector_without_length_is_near_to_nothing() -> None:
    memory = filled("one", "two", "newest")
    memory.give_vectors({"one": vector(0, 1), "two": vector(0, 0)})
    assert memory.recall("", 2, vector=vector(0, 1)) == ("one", "newest")
