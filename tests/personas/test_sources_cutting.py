"""Cutting: nothing is lost, no word or character is broken, and what a cut depends on."""

import pytest
from hypothesis import strategies as st
from properties import holds

from populace.personas.sources.cutting import LongWordError, PassagePiece, PassageSplitter

regex = pytest.importorskip("regex")

SENTENCE = "The lamp was lit, and the gate stayed shut. "
#: Words of several scripts, marks that belong to the character before them, and what stands between them.
LATIN = ("lock ", "Mrs. ", "water.\n", "a,", "\n\n", "# ", "ok? ", "…", "\t")
SCRIPTS = ("水位", "上涨。", "，", "橋", "ガ", "ー", "नमस्ते। ", "한국어 ", "แม่น้ำ", "တယ်။")
MARKED = ("e\u0301tage ", "か\u3099", "!\u0301 ", " \u0301", "。\ufe00", "👩\u200d👩\u200d👧 ")
ALPHABET = st.sampled_from((*LATIN, *SCRIPTS, *MARKED))
TEXTS = st.lists(ALPHABET, max_size=300).map("".join)


def cut(
    text: str, length: int = 20, *, part: int = 10_000, headings: bool = False, start: int = 0
) -> list[PassagePiece]:
    parts = [text[at : at + part] for at in range(0, len(text), part)]
    return list(PassageSplitter(length).cut(parts, headings=headings, start=start))


@holds(text=TEXTS, headings=st.booleans())
def test_every_piece_stands_where_it_says_and_only_white_space_is_between(text: str, headings: bool) -> None:
    end = 0
    for piece in cut(text, headings=headings):
        assert text[piece.offset :].startswith(piece.text)
        assert text[end : piece.offset].strip() == ""
        assert piece.line == text.count("\n", 0, piece.offset) + 1
        end = piece.offset + len(piece.text)
    assert text[end:].strip() == ""


@holds(text=TEXTS)
def test_no_cut_is_inside_a_word_or_a_grapheme(text: str) -> None:
    borders = {0} | {match.end() for match in regex.finditer(r"\X", text)}
    for piece in cut(text)[1:]:
        assert piece.offset in borders
        before, behind = text[: piece.offset][-1:], piece.text[0]
        assert not (before.isascii() and before.isalnum() and behind.isascii() and behind.isalnum())


@holds(text=TEXTS, part=st.integers(1, 50))
def test_cuts_do_not_depend_on_how_a_text_arrives(text: str, part: int) -> None:
    assert cut(text, part=part) == cut(text)


@holds(text=TEXTS, data=st.data())
def test_cutting_goes_on_from_the_end_of_any_piece(text: str, data: st.DataObject) -> None:
    pieces = cut(text)
    taken = data.draw(st.integers(0, len(pieces)))
    start = pieces[taken - 1].offset + len(pieces[taken - 1].text) if taken else 0
    assert cut(text, start=start) == pieces[taken:]


def test_pieces_have_at_most_the_words_that_were_asked_for_and_the_last_a_quarter_more() -> None:
    sizes = [len(piece.text.split()) for piece in cut(SENTENCE * 500, 200)]
    assert max(sizes) <= 250
    assert max(sizes[:-1]) <= 200
    assert min(sizes) > 50


def test_a_heading_is_preferred_to_a_blank_line_and_that_to_the_end_of_a_sentence() -> None:
    text = f"{SENTENCE * 8}\n\n{SENTENCE * 4}\n\n# Noon\n\n{SENTENCE * 4}\n\n{SENTENCE * 12}"
    assert [piece.text[:6] for piece in cut(text, 180, headings=True)][:2] == ["The la", "# Noon"]
    assert cut(text, 180)[0].text.endswith("# Noon\n\n" + (SENTENCE * 4).strip())
    assert cut(f"{SENTENCE * 12}", 40)[0].text.endswith("shut.")


def test_a_heading_stays_with_what_it_is_over() -> None:
    text = f"{SENTENCE * 20}\n\n# Noon\n\n{SENTENCE * 20}"
    assert cut(text, 181, headings=True)[1].text.startswith("# Noon")


@pytest.mark.parametrize("mark", ["。", "！", "？", "。」"])
def test_a_text_without_spaces_is_cut_behind_a_sentence(mark: str) -> None:
    text = "".join(f"第{number}天，河水又涨了{mark}" for number in range(400))
    pieces = cut(text, 100)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text.endswith(mark) for piece in pieces)
    assert {len(piece.text) for piece in pieces[:-1]} <= set(range(100, 220))


def test_a_text_with_spaces_between_phrases_alone_is_cut_there() -> None:
    phrase = "น้ำในแม่น้ำขึ้นอีกแล้ว"
    pieces = cut(f"{phrase} " * 200, 100)
    assert {piece.text.replace(phrase, "").strip() for piece in pieces} == {""}
    assert all(300 < len(piece.text) < 650 for piece in pieces)


def test_a_text_without_any_sentence_is_cut_between_words() -> None:
    assert {len(piece.text.split()) for piece in cut("word " * 1_000, 100)} == {100}


def test_a_word_longer_than_a_passage_is_no_prose() -> None:
    with pytest.raises(LongWordError, match="from character 5 on"):
        cut("Lock\n" + "x" * 100_000)
