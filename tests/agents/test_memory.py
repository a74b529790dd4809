import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.agents.embedding.vectors import Vector
from populace.agents.memory import Memory, MemoryStream, RecallWeights, _score_by_bm25

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
    assert _score_by_bm25(frozenset("ab"), list(filled(*notes)._notes)) == pytest.approx([score, other, 0.0])


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


def stream(*notes: str, capacity: int = 8, **weights: float) -> MemoryStream:
    memory = MemoryStream(capacity, weights=RecallWeights(**weights))
    for step, note in enumerate(notes, start=1):
        memory.note(note, step=step, importance=1)
    return memory


def test_a_stream_recalls_what_is_recent_near_or_important_as_its_weights_say() -> None:
    memory = stream("the bridge broke", "a wedding", "rain", recency=0, relevance=0)
    memory.note("the mill burnt down", kind="seen", step=3, importance=9)
    memory.note("soup", step=4, importance=1)
    assert memory.recall("bridge", 1) == ("the mill burnt down",)
    assert stream("the bridge broke", "rain", "soup", importance=0).recall("bridge", 1) == ("soup",)
    assert stream("the bridge broke", "rain", "soup", recency=0).recall("bridge", 1) == ("the bridge broke",)


def test_a_score_of_a_stream_is_the_weighted_sum_of_three_scaled_parts() -> None:
    memory = MemoryStream(8, weights=RecallWeights(recency=1, relevance=2, importance=3, decay=0.5))
    for step, (text, importance) in enumerate((("a goat", 2), ("a bridge", 6), ("soup", 10)), start=1):
        memory.note(text, step=step, importance=importance)
    recency = [0, (0.5 - 0.25) / 0.75, 1]
    relevance, weight = [0, 1, 0], [0, 0.5, 1]
    wanted = [r + 2 * n + 3 * w for r, n, w in zip(recency, relevance, weight, strict=True)]
    assert memory._score_notes("bridge", memory._notes, None) == pytest.approx(wanted)


def test_importance_follows_kind_closeness_and_new_words_and_never_length() -> None:
    memory = MemoryStream(8)
    assert memory.weigh("rain", "heard") == memory.weigh("rain again today in the town", "heard") == 4 + 3
    memory.note("rain", kind="heard", step=1)
    assert memory.weigh("rain rain rain", "heard") == memory.weigh("rain", "heard") == 4
    assert memory.weigh("rain", "said", is_close=True) == 3 + 2
    assert memory.weigh("the river took the bridge", "reflection") == 10


def test_reflections_and_the_plan_do_not_take_the_place_of_what_happened() -> None:
    memory = stream("one", "two", capacity=2)
    for text in ("insight one", "insight two", "insight three"):
        memory.note(text, kind="reflection", step=3)
    memory.note("go home", kind="plan", step=3)
    assert memory.recall("", 9) == ("one", "two", "insight two", "insight three")
    assert memory.plan == "go home"
    assert [memory.is_plan_due(step, 4) for step in (4, 6, 7)] == [False, False, True]
    memory.note("stay", kind="plan", step=7)
    assert memory.plan == "stay"


def test_a_reflection_is_due_once_what_was_noted_since_the_last_one_weighs_enough() -> None:
    memory = stream("one", "two", "three")
    assert memory.to_reflect_on(3) == ("one", "two", "three")
    assert memory.to_reflect_on(4) == memory.to_reflect_on(0) == ()
    memory.note("an insight", kind="reflection", step=3)
    memory.note("four", step=4, importance=5)
    assert memory.to_reflect_on(6) == ("three", "four")  # the third was noted in the turn of the reflection
    memory.note("another insight", kind="reflection", step=5)
    assert memory.to_reflect_on(1) == ()


def test_a_memory_without_weights_weighs_nothing_and_reflects_on_nothing() -> None:
    memory = filled("one", "two")
    assert (memory.weigh("three", "heard"), memory.to_reflect_on(1)) == (None, ())


@pytest.mark.parametrize("kind", [Memory, MemoryStream])
def test_a_plan_holds_until_the_next_and_is_then_a_note_among_others(kind: type[Memory]) -> None:
    memory = kind(2)
    assert (memory.plan, memory.is_plan_due(1, 0), memory.is_plan_due(1, 3)) == ("", False, True)
    memory.note("Mend the gate.", kind="plan", step=1, time="step 1")
    assert (memory.plan, memory.plan_time, memory.recall("", 4)) == ("Mend the gate.", "step 1", ())
    assert (memory.is_plan_due(3, 3), memory.is_plan_due(4, 3)) == (False, True)
    memory.note("Sell the goat.", kind="plan", step=4, time="step 4")
    assert (memory.plan, memory.recall("", 4)) == ("Sell the goat.", ("(step 1) You planned: Mend the gate.",))
