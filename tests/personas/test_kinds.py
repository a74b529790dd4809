import pytest
from hypothesis import strategies as st
from properties import holds

from populace.personas.persona import RelationKind
from populace.personas.text_to_persona import kind_of, nearest_kind


@pytest.mark.parametrize("kind", RelationKind)
def test_every_kind_is_known_by_its_own_name_however_it_is_written(kind: RelationKind) -> None:
    assert kind_of(f" {kind.value.upper()} ") is kind


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("mentoring", "teaching"),
        ("mentorship", "teaching"),
        ("Colleagues", "work"),
        ("families", "kinship"),
        ("neighborhood", "neighbourhood"),
        ("nursing", "care"),
        ("traders", "trade"),
    ],
)
def test_a_word_is_known_in_other_forms_too(word: str, kind: str) -> None:
    assert kind_of(word) == kind


@pytest.mark.parametrize("word", ["envy", "", "love potion", "?"])
def test_a_word_that_stands_for_no_kind_gives_none(word: str) -> None:
    assert kind_of(word) is None


@pytest.mark.parametrize(
    ("word", "label", "kind"),
    [
        ("mentorship", "guide", "teaching"),
        ("bond", "daughter's teacher", "teaching"),
        ("business partner", "investor", "work"),
        ("bond", "deckhand", "other"),
    ],
)
def test_the_kind_comes_from_the_word_then_from_the_label(word: str, label: str, kind: str) -> None:
    assert nearest_kind(word, label) == kind


@holds(st.text(max_size=40), st.text(max_size=40))
def test_any_words_give_a_kind(word: str, label: str) -> None:
    assert nearest_kind(word, label) in RelationKind
