from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.analysis.page import clip_text, escape_markup, short_label


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
    assert len(clip_text(text, length)) <= max(length, 1)


def test_markup_is_shown_and_not_read() -> None:
    assert escape_markup('<b>"&amp;"</b>\n') == "&lt;b&gt;&quot;&amp;amp;&quot;&lt;/b&gt;\n"


@given(st.text(st.characters(), max_size=30))
def test_whatever_a_text_holds_it_stands_in_xml(text: str) -> None:
    shown = ET.fromstring(f"<t>{escape_markup(text)}</t>".encode()).text or ""
    assert len(shown.replace("\r\n", "\n")) == len(text.replace("\r\n", "\n"))
