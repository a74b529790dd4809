import unicodedata

import pytest
from hypothesis import strategies as st
from properties import holds
from similarity import jaccard

from populace.core import text as text_module
from populace.core.text import word_list, words

TEXTS = st.text() | st.text(alphabet="abc XÉé-ß面包हिน्दีไทย한글か", max_size=40)


def test_case_order_repeats_and_punctuation_do_not_count() -> None:
    assert words("A nurse, who trains a PILOT.") == words("a pilot who trains (a) nurse")


def test_a_snake_case_name_is_one_word() -> None:
    assert words("plan_night_shift: plans") == {"plan_night_shift", "plans"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("夜班面包师。", {"夜", "班", "面", "包", "师"}),
        ("パンを焼く", {"パ", "ン", "を", "焼", "く"}),
        ("빵을 굽는", {"빵", "을", "굽", "는"}),
        ("ขนม", {"ข", "น", "ม"}),
        ("Bäcker in 上海", {"bäcker", "in", "上", "海"}),
    ],
)
def test_a_character_is_a_word_where_no_spaces_are_written(text: str, expected: set[str]) -> None:
    assert words(text) == expected


def test_combining_marks_do_not_cut_words() -> None:
    assert words("हिन्दी में लिखा") == {"हिन्दी", "में", "लिखा"}


def test_compatibility_forms_count_as_the_plain_ones() -> None:
    assert words("ﬁsh Ｆｕｌｌ Straße") == {"fish", "full", "strasse"}


@holds(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_fast_path_for_ascii_agrees_with_the_pattern(text: str) -> None:
    assert words(text) == frozenset(text_module._any_script().findall(text.casefold()))


@holds(st.text(alphabet=st.characters(max_codepoint=0x2FF)))
def test_the_fast_path_for_latin_agrees_with_the_pattern(text: str) -> None:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    assert words(text) == frozenset(text_module._any_script().findall(folded))


@holds(TEXTS)
def test_the_normal_form_of_a_text_does_not_matter(text: str) -> None:
    assert words(text) == words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))


@holds(TEXTS, TEXTS)
def test_jaccard_is_symmetric_and_one_only_for_equal_sets(a: str, b: str) -> None:
    left, right = words(a), words(b)
    assert jaccard(left, right) == jaccard(right, left)
    assert (jaccard(left, right) == 1.0) == (left == right)


def test_jaccard_is_shared_words_over_all_words() -> None:
    assert jaccard(words("a b c"), words("b c d")) == 0.5


def test_two_texts_without_words_are_equal_and_unlike_any_other() -> None:
    assert jaccard(words("..."), words("")) == 1.0
    assert jaccard(words("..."), words("a")) == 0.0


def test_every_character_of_ascii_is_in_words_as_the_pattern_of_other_texts_has_it() -> None:
    for code in range(128):
        text = f"Ab{chr(code)}9_Z"
        # A letter beyond ASCII takes the other way.
        assert word_list(text) == word_list(f"{text} é")[:-1]
