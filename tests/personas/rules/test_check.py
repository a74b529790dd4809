import json
import shutil
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from populace.core.errors import SetupError
from populace.personas.formats.exporting import export_hub
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import create_hub, open_hub, read_hub, rewrites
from populace.personas.hub.check import judge_people
from populace.personas.hub.rewrites import undo_rule
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


@pytest.fixture(scope="module")
def made_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "town.duckdb"
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


@pytest.fixture
def hub(made_hub: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made_hub, tmp_path / made_hub.name))


def add(path: Path, text: str) -> None:
    """One more person, the last of all."""
    with open_hub(path, write=True) as hub:
        hub.con.execute(
            "INSERT INTO personas SELECT ?, max(ordinal) + 1, ?, 'import', 0, NULL, 'en', 's', 'CC0', NULL, NULL "
            "FROM personas",
            [content_id(text), text],
        )


def texts(path: Path) -> list[str]:
    with open_hub(path) as hub:
        return [text for (text,) in hub.con.execute("SELECT text FROM personas ORDER BY ordinal").fetchall()]


def everything(path: Path, *, rule_results: bool = True) -> str:
    """All rows of all tables, as one text; without rule_results, which hold what was replaced."""
    with open_hub(path) as hub:
        tables = hub.con.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
        return repr(
            [hub.con.execute(f"FROM {name}").fetchall() for (name,) in tables if rule_results or name != "rule_results"]
        )


def judged(path: Path, **options: object) -> dict[tuple[str, str], int]:
    with open_hub(path, write=True) as hub:
        return dict(judge_people(hub, **options).rule_results)  # type: ignore[arg-type]


def test_findings_are_rows_and_nobody_is_lost(hub: Path) -> None:
    found = judged(hub)
    assert found == {
        ("first_person", "rewritten"): 1,
        ("refusal", "rejected"): 1,
        ("personal_data", "kept"): 2,
    }
    assert len(texts(hub)) == 5


def test_a_rewritten_description_keeps_its_ties(hub: Path) -> None:
    judged(hub)
    now = "A ferry captain who teaches children to read tides"
    assert texts(hub)[1] == now
    with open_hub(hub) as opened:
        ties = opened.con.execute("SELECT source, target FROM relations ORDER BY ordinal").fetchall()
        ((became, was),) = opened.con.execute(
            "SELECT became, text FROM rule_results WHERE rule = 'first_person'"
        ).fetchall()
    assert ties[0] == (content_id(NURSE), content_id(TEXTS[1]))
    assert (became, was) == (content_id(TEXTS[1]), TEXTS[1])


def test_what_is_to_be_dropped_is_gone_with_its_ties_and_leaves_no_trace_of_the_data(hub: Path) -> None:
    judged(hub, personal=Policy.DROP)
    assert len(texts(hub)) == 3
    with open_hub(hub) as opened:
        everything = repr(
            [opened.con.execute(f"FROM {t}").fetchall() for t in ("personas", "relations", "rule_results")]
        )
    assert "example.org" not in everything
    assert "Holloway" not in everything


def test_pseudonyms_stand_in_place_of_names(hub: Path) -> None:
    judged(hub, personal=Policy.PSEUDONYMISE)
    now = texts(hub)
    assert now[3] == "A potter who answers at [email] on weekdays"
    assert "Holloway" not in now[4]
    assert len(now) == 5


def test_who_was_rejected_is_not_read_until_the_rule_result_is_undone(hub: Path) -> None:
    judged(hub)
    assert "I'm sorry, but I cannot describe such a person" not in {p.text for p in read_hub(hub).personas}
    with open_hub(hub, write=True) as opened:
        opened.con.execute("UPDATE rule_results SET undone = true WHERE rule = 'refusal'")
    assert len(read_hub(hub).personas) == 5


def test_a_stricter_policy_looks_again_at_whoever_was_kept(hub: Path) -> None:
    personal = "personal_data"
    assert judged(hub)[personal, "kept"] == 2
    assert judged(hub, personal=Policy.PSEUDONYMISE) == {(personal, "rewritten"): 2}
    assert "Holloway" not in everything(hub, rule_results=False)
    assert "example.org" not in everything(hub, rule_results=False)
    assert judged(hub, personal=Policy.DROP) == {}
    assert len(texts(hub)) == 5


def test_what_was_kept_is_dropped_when_that_is_the_policy(hub: Path) -> None:
    judged(hub)
    assert judged(hub, personal=Policy.DROP) == {("personal_data", "removed"): 2}
    assert len(texts(hub)) == 3
    assert "Holloway" not in everything(hub)


def test_a_milder_policy_and_the_same_one_change_nothing(hub: Path) -> None:
    judged(hub, personal=Policy.PSEUDONYMISE)
    before = everything(hub)
    assert judged(hub, personal=Policy.PSEUDONYMISE) == {}
    assert judged(hub, personal=Policy.KEEP) == {}
    assert everything(hub) == before


def test_a_description_that_was_rewritten_is_judged_for_personal_data(hub: Path) -> None:
    add(hub, "I am a neighbour of Barack Obama by the sea")
    assert judged(hub, personal=None)["first_person", "rewritten"] == 2
    assert judged(hub, quality=False, personal=Policy.DROP)["personal_data", "removed"] == 3
    assert "Obama" not in everything(hub)


def test_whoever_was_rejected_and_is_back_is_judged_for_personal_data(hub: Path) -> None:
    add(hub, "Here is a persona: a neighbour of Barack Obama")
    judged(hub)
    with open_hub(hub, write=True) as opened:
        assert undo_rule(opened, "template_leak") == 1
    assert len(read_hub(hub).personas) == 5
    assert judged(hub, personal=Policy.PSEUDONYMISE)["personal_data", "rewritten"] == 3
    assert "Obama" not in everything(hub, rule_results=False)
    assert any(p.text.startswith("Here is a persona: a neighbour of") for p in read_hub(hub).personas)


def test_whoever_was_rejected_stays_so_when_their_data_are_replaced(hub: Path) -> None:
    add(hub, "Here is a persona: a neighbour of Barack Obama")
    judged(hub)
    judged(hub, personal=Policy.PSEUDONYMISE)
    assert not any("persona" in p.text for p in read_hub(hub).personas)
    with open_hub(hub, write=True) as opened:
        undo_rule(opened, "template_leak")
    assert any("persona" in p.text for p in read_hub(hub).personas)
    assert judged(hub, personal=Policy.PSEUDONYMISE) == {}


def test_what_tells_of_somebody_whose_data_were_replaced_is_replaced_too(hub: Path) -> None:
    who = content_id("A friend of Margaret Holloway by the sea")
    with open_hub(hub, write=True) as opened, opened.writing() as con:
        con.execute("INSERT INTO imports VALUES (?, 1, 1, 's', NULL, NULL, ?, now())", [who, '{"friend":"Ann Lee"}'])
        con.execute(
            "INSERT INTO biographies VALUES (?, 'Margaret Holloway is a friend.', [], 'en', 'm', 'p', now())", [who]
        )
    judged(hub, personal=Policy.PSEUDONYMISE)
    with open_hub(hub) as opened:
        ((biography,),) = opened.con.execute(
            "SELECT text FROM biographies SEMI JOIN personas ON id = persona"
        ).fetchall()
        ((friend,),) = opened.con.execute("SELECT attributes->>'friend' FROM imports").fetchall()
    assert biography == texts(hub)[4].removeprefix("A friend of ").removesuffix(" by the sea") + " is a friend."
    assert friend
    assert "Ann" not in friend


def test_a_rewritten_description_is_known_by_its_hash_outside_the_hub(hub: Path, tmp_path: Path) -> None:
    judged(hub, personal=Policy.PSEUDONYMISE)
    now = texts(hub)
    with open_hub(hub, write=True) as opened:
        export_hub(opened, tmp_path / "people.jsonl")
        shown = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
        ties = [json.loads(line) for line in (tmp_path / "people.relations.jsonl").read_text().splitlines()]
        list(import_files(opened, [tmp_path / "people.jsonl"], ImportOptions()))
    assert [one["id"] for one in shown] == [content_id(one["text"]) for one in shown]
    assert (ties[0]["source"], ties[0]["target"]) == (shown[0]["id"], shown[1]["id"])
    assert texts(hub) == now
    assert {person.id for person in read_hub(hub).personas} == {one["id"] for one in shown}


def test_a_hub_that_is_open_for_reading_is_refused_in_one_sentence(hub: Path) -> None:
    with open_hub(hub) as opened, pytest.raises(SetupError, match=r"open for reading only.*open it with write=True"):
        judge_people(opened)


def test_answers_and_passages_that_remain_are_named(hub: Path) -> None:
    with open_hub(hub, write=True) as opened:
        opened.con.execute("CREATE TABLE calls (raw VARCHAR)")
        opened.con.execute("INSERT INTO calls VALUES ('Margaret Holloway')")
        assert judge_people(opened).remains == ()
        assert judge_people(opened, personal=Policy.DROP).remains == ("calls",)


def test_every_table_that_names_personas_is_followed(hub: Path) -> None:
    with open_hub(hub, write=True) as opened:
        named = opened.con.execute(
            "SELECT DISTINCT table_name FROM duckdb_columns() "
            "WHERE column_name IN ('persona', 'original', 'other', 'of') AND NOT internal"
        ).fetchall()
    tables = {name for (name,) in named} - {"rule_results"}
    assert tables <= set(rewrites._REFERENCES)
