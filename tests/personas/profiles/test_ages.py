"""The ages that a text gives, in digits and in words."""

import pytest
from hypothesis import strategies as st
from properties import holds

from populace.personas.profiles.biography import ages_in

_WORDS = [
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(number: int) -> str:
    if number < 20:
        return _WORDS[number - 1]
    ten, unit = divmod(number, 10)
    return _TENS[ten - 2] + (f"-{_WORDS[unit - 1]}" if unit else "")


@holds(st.integers(1, 99))
def test_digits_and_words_are_the_same_age(age: int) -> None:
    for said in (str(age), in_words(age), in_words(age).replace("-", " ")):
        assert [found.age for found in ages_in(f"He left at the age of {said} and never wrote.")] == [age]


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("At ninety-three the retired admiral kept eleven dogs.", 93),
        ("At 19, she left.", 19),
        ("In the year when he turned 41 it rained.", 41),
        ("She was twelve when the mill closed.", 12),
        ("A seventy-year-old man by then, he walked.", 70),
        ("She swam every day in her late seventies.", 70),
        ("At a hundred she still sang.", 100),
    ],
)
def test_an_age_is_found_however_it_is_said(text: str, age: int) -> None:
    assert [found.age for found in ages_in(text)] == [age]


@pytest.mark.parametrize(
    "text",
    [
        "Her mother, who was ninety-three, wept.",
        "At sixty her grandmother still danced.",
        "She hopes to stop when she is sixty.",
        "The house was ninety years old.",
        "Water boils at ninety degrees up there, and the shop closed at nine.",
        "She lived at 93, Harbour Road, for thirty years.",
        "He was one of them.",
    ],
)
def test_what_is_no_age_of_the_person_is_left_alone(text: str) -> None:
    assert list(ages_in(text)) == []


def test_an_age_today_is_told_from_one_of_the_past() -> None:
    found = {age.age: age.is_now for age in ages_in("She was twelve when it burnt. She is now 34 years old.")}
    assert found == {12: False, 34: True}


def test_words_for_those_around_may_be_added() -> None:
    text = "The landlord, aged seventy, never came."
    assert [age.age for age in ages_in(text)] == [70]
    assert list(ages_in(text, ("landlord",))) == []
