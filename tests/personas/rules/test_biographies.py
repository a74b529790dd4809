"""Names in lines that read like biographies: recall over mentions, and precision.

`lines/biographies_*.txt` were written and labelled before any rule was changed for them, and divided by a checksum of
each line: rules may be tuned on one half, the other is only measured. People are invented. A mention stands in square
brackets: every occurrence of a name or of a part of it (surname, given name, initials, plural of a family), without its
title and the ending of its owner. Organisations, places, months, works, animals, ships and historical figures are no
mentions, also where they carry a person's name.
"""

import re
from pathlib import Path

import pytest

from populace.personas.rules import Policy, find_personal, personal_changes, personal_judge
from populace.personas.rules.columns import ColumnKind, leftover
from populace.personas.rules.personal import find_record_names
from populace.personas.rules.pseudonyms import Pseudonyms

#: What the README says; the goal is .9 and .95.
RECALL, PRECISION = 0.57, 0.94

LINES = Path(__file__).with_name("lines")


def read_labelled(half: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """Text and places of mentions of each line."""
    lines = []
    for line in (LINES / f"biographies_{half}.txt").read_text(encoding="utf-8").splitlines():
        spans = [(m.start() - 2 * n, m.end() - 2 * n - 2) for n, m in enumerate(re.finditer(r"\[[^\]]*\]", line))]
        lines.append((re.sub(r"[\[\]]", "", line), spans))
    return lines


def score_names(half: str) -> tuple[float, float, list[str]]:
    """Recall over mentions (wholly covered), precision over pieces found (nothing but mentions and titles), faults."""
    found_count = mention_count = right = covered = 0
    faults = []
    for text, mentions in read_labelled(half):
        found = [(piece.start, piece.end) for piece in find_personal(text) if piece.kind == "name"]
        missed = [text[a:b] for a, b in mentions if not any(start <= a and b <= end for start, end in found)]
        wrong = [text[a:b] for a, b in found if _has_more(text, a, b, mentions)]
        mention_count, covered = mention_count + len(mentions), covered + len(mentions) - len(missed)
        found_count, right = found_count + len(found), right + len(found) - len(wrong)
        faults += [f"missed {missed}, wrong {wrong}: {text}"] if missed or wrong else []
    return covered / mention_count, right / found_count, faults


def _has_more(text: str, start: int, end: int, mentions: list[tuple[int, int]]) -> bool:
    """Whether a piece touches no mention, or holds words beside mentions and titles."""
    inside = [(a, b) for a, b in mentions if a < end and start < b]
    rest = "".join(c if not any(a <= n < b for a, b in inside) else " " for n, c in enumerate(text[:end]))[start:]
    return not inside or bool(leftover(rest))


def test_the_labelled_lines_are_whole() -> None:
    halves = [read_labelled(half) for half in ("tuning", "unseen")]
    assert [len(half) for half in halves] == [150, 150]
    assert sum(len(mentions) for half in halves for _, mentions in half) == 474
    assert all(text[a:b].strip() == text[a:b] != "" for half in halves for text, mentions in half for a, b in mentions)


def test_names_in_biographies_are_found_as_often_as_the_readme_says() -> None:
    # The faults are not shown: nobody may tune a rule on this half.
    recall, precision, _ = score_names("unseen")
    assert (round(recall, 2), round(precision, 2)) == (RECALL, PRECISION)


def test_parts_of_a_name_get_the_matching_part_of_its_pseudonym() -> None:
    text = "Miriam Adeyemi maps rivers. Adeyemi's mother calls Miriam a fish."
    now, _ = personal_changes(text, pseudonyms=Pseudonyms())
    whole = now.split(" maps")[0]
    first, _, last = whole.split(" ")
    assert now == f"{whole} maps rivers. {last}'s mother calls {first} a fish."


def test_a_name_in_a_column_is_replaced_in_every_text_of_its_row() -> None:
    row = '{"name": "Xq Zzyzxon", "backstory": "Nobody knew where Zzyzxon came from. Xq Zzyzxon never said."}'
    kinds = {"name": ColumnKind.NAME, "backstory": ColumnKind.TEXT}
    now, _ = personal_changes(row, kinds, Pseudonyms())
    assert "Zzyzxon" not in now
    judge = personal_judge(Policy.PSEUDONYMISE, Pseudonyms(), find_record_names(row, kinds))
    said = judge("A friend of Zzyzxon, he bakes")
    assert said is not None
    assert "Zzyzxon" not in str(said.text)


@pytest.mark.parametrize(
    "text", ["She died on 14 February 1999 in Bath", "Date of death: 11.03.1987.", "gestorben am 3. Mai 1990"]
)
def test_a_date_of_death_is_found(text: str) -> None:
    assert [piece.kind for piece in find_personal(text)] == ["death_date"]
