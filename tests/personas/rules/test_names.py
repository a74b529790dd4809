"""How well names are found, on lines that were labelled before anything was measured on them."""

import re
from pathlib import Path

import pytest

from populace.personas.rules import find_personal

LINES = (Path(__file__).with_name("lines") / "names.txt").read_text(encoding="utf-8").splitlines()


def names(text: str) -> list[str]:
    return [text[piece.start : piece.end] for piece in find_personal(text) if piece.kind == "name"]


def labelled(line: str) -> tuple[str, list[str]]:
    marked = line.partition("\t")[2]
    return marked.replace("[[", "").replace("]]", ""), re.findall(r"\[\[(.*?)\]\]", marked)


def test_of_200_labelled_lines_nearly_all_names_are_found_and_hardly_anything_else() -> None:
    right = wrong = missed = 0
    for text, wanted in map(labelled, LINES):
        found = names(text)
        right += len(set(found) & set(wanted))
        wrong += len(set(found) - set(wanted))
        missed += len(set(wanted) - set(found))
    # Measured: 145 right, 1 wrong, 4 missed. Before the lists and rules of today 95, 18 and 54.
    assert right / (right + wrong) >= 0.98
    assert right / (right + missed) >= 0.97


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A historian who writes about Ada Lovelace. They teach at night.", ["Ada Lovelace"]),
        ("A server with too little RAM. They bought more.", []),
        ("Notes of A. J. Pemberton and W. E. B. Du Bois", ["A. J. Pemberton", "W. E. B. Du Bois"]),
        ("A tool for Entity Recognition with a Performance Evaluation Interface", []),
        ("A guide at the Rosa Parks Museum who teaches the Charlotte Mason method", []),
        ("A friend of Nancy Whitfield and Betty Crawford", ["Nancy Whitfield", "Betty Crawford"]),
        ("A cook in Hong Kong, Salt Lake City and Buenos Aires", []),
        ("A traveller in Carson City who met Anthony Delgado-style preachers", ["Anthony Delgado"]),
    ],
)  # fmt: skip
def test_a_name_ends_where_it_ends(text: str, wanted: list[str]) -> None:
    assert names(text) == wanted
