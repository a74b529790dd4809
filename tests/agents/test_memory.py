from populace.agents.memory import Memory


def filled(*notes: str, capacity: int = 8) -> Memory:
    memory = Memory(capacity)
    for note in notes:
        memory.note(note)
    return memory


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
