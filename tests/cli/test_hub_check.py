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
    assert "  personal_data kept 1\n" in said.out


def test_an_import_leaves_out_whom_it_is_to_drop(ask: Ask, people: str) -> None:
    said = ask("hub", "import", people, "--hub", "town.duckdb", "--personal", "drop", "--quality")
    shown = " ".join(said.out.split())
    assert "rows 2 new people 2 left out 1 because it holds personal data, which --personal drop leaves" in shown
    assert "template_leak rejected 1" in shown


def test_a_corpus_in_the_first_person_is_said_to_be_rejected_and_can_be_taken_back(ask: Ask, folder: Path) -> None:
    texts = ["I am a baker. I love rye.", "I am a potter. My bowls are blue.", "Ich bin ein Müller und liebe mein Korn"]
    (folder / "people.jsonl").write_text("".join(json.dumps({"persona": text}) + "\n" for text in texts))
    ask("hub", "import", "people.jsonl", "--hub", "town.duckdb")
    said = ask("hub", "check", "town.duckdb").out
    assert "first_person rejected most descriptions; to take them back: populace hub undo town.duckdb" in said
    ask("hub", "undo", "town.duckdb", "--rule", "first_person")
    assert ask("hub", "info", "town.duckdb").out.splitlines()[1].endswith(" 3, 0 of them near-duplicates")


def test_a_check_names_what_it_leaves_and_how_to_be_rid_of_it(ask: Ask, people: str) -> None:
    ask("hub", "import", people, "--hub", "town.duckdb")
    with open_hub("town.duckdb", write=True) as hub:
        hub.con.execute(
            "INSERT INTO passages BY NAME SELECT 'p' AS passage, 1 AS ordinal, 'A text' AS text, 'en' AS language"
        )
    said = ask("hub", "check", "town.duckdb", "--personal", "drop")
    assert "may still stand in passages" in said.out
    assert "populace hub export town.duckdb people.jsonl" in said.out
