import pytest
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SetupError
from populace.personas.growth import WINDOW, NoveltyWindow, WordRarity, questions_between_checks
from populace.personas.persona import Persona

BAKERS = [Persona(f"A baker of bread in town number{n}") for n in range(20)]
DIVER = Persona("Somebody who mends harpoons under polar ice")


def test_whoever_has_the_rarest_words_comes_first() -> None:
    everybody = [*BAKERS, DIVER]
    assert WordRarity(everybody).in_order(everybody) == (DIVER, *BAKERS)


def test_equals_are_in_the_order_in_which_they_were_given() -> None:
    assert WordRarity(BAKERS).in_order(reversed(BAKERS)) == tuple(reversed(BAKERS))


@pytest.mark.parametrize(("each", "questions"), [(1, 500), (3, 166), (499, 1), (500, 1), (900, 1)])
def test_a_look_falls_into_every_500_newcomers(each: int, questions: int) -> None:
    assert questions_between_checks(each) == questions


def test_nothing_is_said_before_there_were_enough() -> None:
    latest = NoveltyWindow()
    latest.note([True] * (WINDOW - 1))
    assert latest.share is None
    latest.note([False])
    assert latest.share == (WINDOW - 1) / WINDOW


@holds(st.lists(st.booleans(), max_size=3 * WINDOW), st.lists(st.booleans(), max_size=WINDOW))
def test_what_was_written_goes_on_as_if_it_had_never_been(first: list[bool], then: list[bool]) -> None:
    whole = NoveltyWindow()
    whole.note(first)
    again = NoveltyWindow(str(whole))
    for latest in (whole, again):
        latest.note(then)
    assert (str(again), again.share) == (str(whole), whole.share)
    assert len(str(whole)) == min(WINDOW, len(first) + len(then))


def test_another_text_is_no_record() -> None:
    with pytest.raises(SetupError, match="'10x' is no record of newcomers"):
        NoveltyWindow("10x")
