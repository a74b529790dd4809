import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.personas.errors import SetupError
from populace.personas.novelty import WINDOW, Latest, most_novel
from populace.personas.persona import Persona

BAKERS = [Persona(f"A baker of bread in town number{n}") for n in range(20)]
DIVER = Persona("Somebody who mends harpoons under polar ice")


def test_whoever_has_the_rarest_words_comes_first() -> None:
    everybody = [*BAKERS, DIVER]
    assert most_novel(everybody, 1, known=everybody, rng=random.Random(1)) == [DIVER]


def test_equals_are_drawn_by_chance_and_the_same_again_with_the_seed() -> None:
    draws = [tuple(most_novel(BAKERS, 5, known=BAKERS, rng=random.Random(seed))) for seed in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert set(draws[0]) != set(draws[2])


def test_where_there_is_no_choice_everybody_is_taken() -> None:
    assert most_novel(BAKERS, 50, known=BAKERS, rng=random.Random(1)) == BAKERS


def test_nothing_is_said_before_there_were_enough() -> None:
    latest = Latest()
    latest.note([True] * (WINDOW - 1))
    assert latest.share is None
    latest.note([False])
    assert latest.share == (WINDOW - 1) / WINDOW


@given(st.lists(st.booleans(), max_size=3 * WINDOW), st.lists(st.booleans(), max_size=WINDOW))
def test_what_was_written_goes_on_as_if_it_had_never_been(first: list[bool], then: list[bool]) -> None:
    whole = Latest()
    whole.note(first)
    again = Latest(str(whole))
    for latest in (whole, again):
        latest.note(then)
    assert (str(again), again.share) == (str(whole), whole.share)
    assert len(str(whole)) == min(WINDOW, len(first) + len(then))


def test_another_text_is_no_record() -> None:
    with pytest.raises(SetupError, match="'10x' is no record of newcomers"):
        Latest("10x")
