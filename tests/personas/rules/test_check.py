from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from populace.personas.hub import check, create_hub, open_hub, read_hub
from populace.personas.hub.check import judge_people
from populace.personas.persona import content_id
from populace.personas.rules import Policy

NURSE = "A night nurse who keeps a list of birds"
TEXTS = [
    NURSE,
    "I am a ferry captain who teaches children to read tides",
    "I'm sorry, but I cannot describe such a person",
    "A potter who answers at clay@example.org on weekdays",
    "A friend of Margaret Holloway by the sea",
]


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    path = tmp_path / "town.duckdb"
    ids = [content_id(text) for text in TEXTS]
    with create_hub(path) as hub, hub.writing() as con:
        people = pa.table({"id": ids, "text": TEXTS, "ordinal": range(1, 6)})
        con.register("people", people)
        con.execute(
            "INSERT INTO personas SELECT id, ordinal, text, 'import', 0, NULL, 'en', 's', 'CC0', NULL, NULL FROM people"
        )
        for place, (one, other) in enumerate(pairwise(ids), start=1):
            con.execute("INSERT INTO relations VALUES (?, ?, ?, 'work', 'colleague', 1)", [place, one, other])
    return path


def texts(path: Path) -> list[str]:
    with open_hub(path) as hub:
        return [text for (text,) in hub.con.execute("SELECT text FROM personas ORDER BY ordinal").fetchall()]


def judged(path: Path, **options: object) -> dict[tuple[str, str], int]:
    with open_hub(path, write=True) as hub:
        return dict(judge_people(hub, **options).rulings)  # type: ignore[arg-type]


def test_findings_are_rows_and_nobody_is_lost(hub: Path) -> None:
    found = judged(hub)
    assert found == {
        ("first_person", "rewritten"): 1,
        ("refusal", "turned_away"): 1,
        ("personal_data", "kept"): 2,
    }
    assert len(texts(hub)) == 5


def test_a_rewritten_description_keeps_its_ties(hub: Path) -> None:
    judged(hub)
    now = "A ferry captain who teaches children to read tides"
    assert texts(hub)[1] == now
    with open_hub(hub) as opened:
        ties = opened.con.execute("SELECT source, target FROM relations ORDER BY ordinal").fetchall()
        ((became, was),) = opened.con.execute("SELECT became, text FROM rulings WHERE rule = 'first_person'").fetchall()
    assert ties[0] == (content_id(NURSE), content_id(now))
    assert (became, was) == (content_id(now), TEXTS[1])


def test_what_is_to_be_dropped_is_gone_with_its_ties_and_leaves_no_trace_of_the_data(hub: Path) -> None:
    judged(hub, personal=Policy.DROP)
    assert len(texts(hub)) == 3
    with open_hub(hub) as opened:
        everything = repr([opened.con.execute(f"FROM {t}").fetchall() for t in ("personas", "relations", "rulings")])
    assert "example.org" not in everything
    assert "Holloway" not in everything


def test_pseudonyms_stand_in_place_of_names(hub: Path) -> None:
    judged(hub, personal=Policy.PSEUDONYMISE)
    now = texts(hub)
    assert now[3] == "A potter who answers at [email] on weekdays"
    assert "Holloway" not in now[4]
    assert len(now) == 5


def test_who_was_turned_away_is_not_read_until_the_ruling_is_undone(hub: Path) -> None:
    judged(hub)
    assert "I'm sorry, but I cannot describe such a person" not in {p.text for p in read_hub(hub).personas}
    with open_hub(hub, write=True) as opened:
        opened.con.execute("UPDATE rulings SET undone = true WHERE rule = 'refusal'")
    assert len(read_hub(hub).personas) == 5


def test_judging_twice_changes_nothing(hub: Path) -> None:
    judged(hub)
    before = texts(hub)
    assert judged(hub) == {}
    assert texts(hub) == before


def test_every_table_that_names_personas_is_followed(hub: Path) -> None:
    with open_hub(hub, write=True) as opened:
        named = opened.con.execute(
            "SELECT DISTINCT table_name FROM duckdb_columns() "
            "WHERE column_name IN ('persona', 'original', 'other', 'of') AND NOT internal"
        ).fetchall()
    tables = {name for (name,) in named} - {"rulings"}
    assert tables <= set(check._REFERENCES)
