"""`populace hub check` and what `hub import` does with personal data: what they say."""

import json
from pathlib import Path

import pytest

from populace.personas.hub import open_hub

from .conftest import Ask

TEXTS = (
    "A night nurse who keeps a list of birds",
    "A friend of Margaret Holloway by the sea",
    "Here is a persona: a baker of rye from Porto",
)


@pytest.fixture
def people(folder: Path) -> str:
    """Three people, one of whom is named and one of whom is announced."""
    (folder / "people.jsonl").write_text("".join(json.dumps({"persona": text}) + "\n" for text in TEXTS))
    return "people.jsonl"


def test_an_import_flags_personal_data_and_says_so(ask: Ask, people: str) -> None:
    said = ask("hub", "import", people, "--hub", "town.duckdb", "--licence", "CC0-1.0")
    assert said.code == 0
    assert "Judged: personal_data kept 1; each is a row in rulings." in said.out


def test_an_import_leaves_out_whom_it_is_to_drop(ask: Ask, people: str) -> None:
    said = ask("hub", "import", people, "--hub", "town.duckdb", "--personal", "drop", "--quality")
    assert "2 rows: 2 new people" in said.out
    assert "Left out: 1 because it holds personal data, which --personal drop leaves out (line or row 2)." in said.out
    assert "template_leak turned away 1" in said.out


def test_a_stricter_check_comes_after_a_milder_one(ask: Ask, people: str) -> None:
    ask("hub", "import", people, "--hub", "town.duckdb")
    said = ask("hub", "check", "town.duckdb", "--personal", "pseudonymise")
    assert "personal_data      rewritten    1" in said.out
    assert "may still stand" not in said.out
    assert "Holloway" not in ask("sql", "town.duckdb", "FROM personas").out


def test_a_check_names_what_it_leaves_and_how_to_be_rid_of_it(ask: Ask, people: str) -> None:
    ask("hub", "import", people, "--hub", "town.duckdb")
    with open_hub("town.duckdb", write=True) as hub:
        hub.con.execute(
            "INSERT INTO passages BY NAME SELECT 'p' AS passage, 1 AS ordinal, 'A text' AS text, 'en' AS language"
        )
    said = ask("hub", "check", "town.duckdb", "--personal", "drop")
    assert "may still stand in passages" in said.out
    assert "populace hub export town.duckdb people.jsonl" in said.out


def test_a_preview_says_what_would_become_of_whom(ask: Ask, people: str) -> None:
    ask("hub", "import", people, "--hub", "town.duckdb", "--personal", "ignore")
    said = ask("hub", "check", "town.duckdb", "--preview", "--personal", "drop")
    assert "the description: A friend of [Margaret Holloway -> dropped] by the sea" in said.out
    assert "1 of 1 pieces of personal data are shown; nothing was changed." in said.out
