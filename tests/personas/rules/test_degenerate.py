"""Loops, noun lists, cuts and placeholders in strange texts: nothing fails, and long texts are cheap."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.personas.rules.quality import find_cut, find_loop, find_noun_list, has_content

LONG = [
    unit * (100_000 // len(unit))
    for unit in (" ", "a", "a-", ". ", "的", "a b ", '" "', "“", "(", "a,", "x's ", "of a ", "\n", "a. ", "好的，")
]


@given(st.text(max_size=300))
def test_strange_text_is_read_without_failing(text: str) -> None:
    assert isinstance(find_loop(text) + find_noun_list(text) + find_cut(text), str)
    assert has_content(text) or len(text) <= 80 or not any(map(str.isalnum, text))


@pytest.mark.parametrize("text", LONG, ids=[repr(text[:4]) for text in LONG])
def test_only_the_ends_of_a_long_text_are_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    module = sys.modules[find_loop.__module__]
    words = module.word_list

    def count(part: str) -> list[str]:
        read.append(len(part))
        return list(words(part))

    monkeypatch.setattr(module, "word_list", count)
    for find in (find_loop, find_noun_list, find_cut, has_content):
        find(text)
    assert sum(read) <= 40_000


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no! Not on the clean floor!",
        "Left, right, left, right, keep up at the back!",
        "The kettle's on, can you turn it off",
        "My cat is sick :(",
        "Das Licht geht an",
        "ja ich hätte gern einen",
        "solve for x + y",
        "天气暖和",
    ],
)
def test_what_people_say_is_neither_loop_nor_cut(text: str) -> None:
    assert find_loop(text) == find_cut(text, is_chat=True) == ""
