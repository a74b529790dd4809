import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.analysis.report.duplicates import mark_differences
from populace.analysis.wording import chart_text, clip, hover_block, short_label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A night-shift baker who feeds the early trains.", "night-shift baker"),
        ("The oldest midwife of the valley, now nearly blind.", "oldest midwife of the valley"),
        ("An apprentice.", "apprentice"),
        ("A left-handed mediator in his early twenties who teaches.", "left-handed mediator"),
        (
            "A former keeper of the northern lighthouse and its fog bells",
            "former keeper of the northern lighthouse\u2026",
        ),
        ("在海边修补渔网的老人，每天清晨听潮声", "在海边修补渔网的老人"),
        ("who", "who"),
        (",", ","),
    ],
)
def test_a_label_is_what_the_person_is(text: str, label: str) -> None:
    assert short_label(text) == label


@given(st.text(min_size=1), st.integers(2, 50))
def test_a_label_is_never_longer_than_asked(text: str, length: int) -> None:
    assert len(short_label(text, length)) <= length


@given(st.text(min_size=1), st.integers(2, 50))
def test_clipped_text_is_never_longer_than_asked(text: str, length: int) -> None:
    assert len(clip(text, length)) <= max(length, 1)


def test_charts_get_no_markup_of_ours_to_read() -> None:
    assert chart_text("<b>&amp;</b>\n") == "&lt;b&gt;&amp;amp;&lt;/b&gt; "


def test_a_hover_label_breaks_text_without_spaces() -> None:
    lines = hover_block("海" * 60).split("<br>")
    assert len(lines) == 3
    assert "".join(lines) == "海" * 60


@given(st.text(), st.text())
def test_marking_differences_loses_no_character(text: str, other: str) -> None:
    assert "".join(span for span, _ in mark_differences(text, other)) == text


def test_nothing_is_marked_between_equal_word_sets() -> None:
    assert not any(differs for _, differs in mark_differences("the Mill by the sea", "by the sea, the mill"))
