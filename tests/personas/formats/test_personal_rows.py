"""Structured rows with personal data on their way into a hub and in it: what was not personal stays equal."""

import json
import random
import uuid
from pathlib import Path
from typing import Any

import pytest

from populace.personas.formats.importing import FileReport, import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import HubFile, create_hub
from populace.personas.hub.check import judge_people
from populace.personas.hub.rewrites import undo_rule
from populace.personas.rules import Policy
from populace.personas.rules.personal import key_path, use_key

ROWS = 1_000
_GIVEN = ("Nancy", "Betty", "Anthony", "Kimberly", "Carol", "Xolani", "Zephyrine", "Fenna", "Ngozi", "Quillon")
_LAST = ("Whitfield", "Crawford", "Delgado", "Tran", "Zzyzxson", "Mbatha", "Oakes", "Height", "Stone", "Vrbka")
_SCRIPTS = ("王小明", "Мария Иванова", "김민수", "佐藤花子")
_FIRMS = ("Grant Thornton", "Betty Crawford Ltd", "Kimberly Clark Corp", "Delgado & Sons", "Nordwind GmbH")
#: The columns, nested ones included, whose values are personal.
_PERSONAL = {"name", "email", "tel", "born"}


def row(draw: random.Random, number: int) -> dict[str, Any]:
    name = draw.choice(_SCRIPTS) if number % 10 == 0 else f"{draw.choice(_GIVEN)} {draw.choice(_LAST)}"
    calls = [
        {"tool": "Entity Recognition", "args": {"url": f"https://api.example.org/v{number}", "n": 1.50, "by": None}}
    ]
    return {
        "text": f"A keeper of records number {number} who reads old maps, studies tides and teaches sailors to row",
        "name": name,
        "employer": draw.choice(_FIRMS),
        "created_at": f"2026-03-{draw.randint(1, 28):02}T09:14:{draw.randint(10, 59)}.{draw.randint(100, 999)}Z",
        "key": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
        "isbn": "978-3-16-148410-0",
        "doi": f"10.1000/{number}-182",
        "place": f"{draw.uniform(-80, 80):.5f}, {draw.uniform(-170, 170):.5f}",
        "price": f"${number},{draw.randint(100, 999)}.50",
        "version": f"3.{number % 20}.{draw.randint(0, 12)}",
        "score": number * 1.25,
        "email": f"p{number}@mail.example.org",
        "tel": f"({draw.randint(201, 989)}) 555-{draw.randint(1000, 9999)}",
        "born": f"19{draw.randint(40, 99)}-05-12",
        "calls": json.dumps({"inner": json.dumps(calls), "model": "Random Forest"}),
    }


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    draw = random.Random(9)
    return [row(draw, number) for number in range(1, ROWS + 1)]


def taken(hub: HubFile, folder: Path, rows: list[dict[str, Any]], **wish: Any) -> FileReport:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (report,) = import_files(hub, [path], ImportOptions.given(**wish))
    return report


def columns(hub: HubFile) -> list[dict[str, Any]]:
    return [
        json.loads(text)
        for (text,) in hub.con.execute('SELECT attributes::VARCHAR FROM imports ORDER BY "row"').fetchall()
    ]


def pieces(hub: HubFile, what: str, where: str = '"column" IS NOT NULL') -> list[tuple[Any, ...]]:
    return hub.con.execute(
        f'SELECT {what} FROM rule_results WHERE {where} ORDER BY file, "row", "column", place'
    ).fetchall()


def test_structured_rows_keep_all_that_is_not_personal_and_list_each_change(
    hub: HubFile, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    report = taken(hub, tmp_path, rows, personal="pseudonymise")
    changed = set()
    for number, (was, now) in enumerate(zip(rows, columns(hub), strict=True), start=1):
        assert list(now) == [name for name in was if name != "text"]
        changed |= {(number, name, was[name], value) for name, value in now.items() if value != was[name]}
    assert {name for _, name, _, _ in changed} == _PERSONAL
    assert len(changed) == ROWS * len(_PERSONAL)
    assert {tuple(said) for said in pieces(hub, '"row", "column", "before", "after"')} == changed
    assert report.changes.total() == len(changed)


@pytest.fixture
def few(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = [
        {
            "text": "A nurse called Nancy Whitfield, at a@b.example",
            "note": 'See "Betty Tran" on a@b.example or c@d.example.',
        },
        {
            "text": "A baker of rye in a town by the sea",
            "note": json.dumps({"to": ["Donna Reyes", 1.0, "Donna Reyes"]}),
        },
    ]
    return [*told, *({name: row[name] for name in ("text", "name", "key")} for row in rows[:8])]


def test_changed_columns_are_undone_and_made_again(hub: HubFile, tmp_path: Path, few: list[dict[str, Any]]) -> None:
    taken(hub, tmp_path, few, personal="pseudonymise")
    replaced = columns(hub)
    assert undo_rule(hub, "personal_data") >= 13
    assert columns(hub) == [{name: row[name] for name in row if name != "text"} for row in few]
    undo_rule(hub, "personal_data", redo=True)
    assert columns(hub) == replaced


def test_what_is_replaced_again_after_an_undo_can_be_undone_again(
    hub: HubFile, tmp_path: Path, few: list[dict[str, Any]]
) -> None:
    taken(hub, tmp_path, few[2:], personal="pseudonymise")
    undo_rule(hub, "personal_data")
    was = columns(hub)
    judge_people(hub, quality=False, personal=Policy.PSEUDONYMISE)
    assert columns(hub) != was
    undo_rule(hub, "personal_data")
    assert columns(hub) == was


def test_people_whose_file_comes_again_after_they_were_rewritten_stay_as_they_are(
    hub: HubFile, tmp_path: Path, few: list[dict[str, Any]]
) -> None:
    taken(hub, tmp_path, few[:1])
    judge_people(hub, quality=False, personal=Policy.PSEUDONYMISE)
    assert taken(hub, tmp_path, few[:1], licence="MIT").returned == 0
    assert "Nancy" not in hub.con.execute("SELECT text FROM personas").fetchall()[0][0]
    assert hub.con.execute("SELECT licence FROM personas").fetchall() == [("MIT",)]
    undo_rule(hub, "personal_data")
    assert hub.con.execute("SELECT text FROM personas").fetchall() == [(few[0]["text"],)]


def test_flags_and_drops_name_the_column_and_never_the_words(
    hub: HubFile, tmp_path: Path, few: list[dict[str, Any]]
) -> None:
    taken(hub, tmp_path, few)
    kept = pieces(hub, 'outcome, kind, "column", "row", "before"')
    assert ("kept", "name", "/note/to/0", 2, None) in kept
    assert len(kept) == 13
    report = judge_people(hub, personal=Policy.DROP)
    assert report.changes["name", "name", "removed"] == 8
    assert hub.con.execute('SELECT attributes FROM imports WHERE "row" = 2').fetchall() == [(None,)]
    assert pieces(hub, '"before"', "outcome = 'removed' AND \"before\" IS NOT NULL") == []


def test_the_first_rows_decide_what_a_column_is_and_that_is_kept(hub: HubFile, tmp_path: Path) -> None:
    people = [{"text": f"A person number {n} who walks", "name": name} for n, name in enumerate([*_GIVEN, "Qwxyz"])]
    report = taken(hub, tmp_path, people, personal="pseudonymise")
    assert report.kinds == {"name": "name"}
    assert hub.con.execute("FROM imported_columns").fetchall() == [(1, "name", "name")]
    assert columns(hub)[-1]["name"] != "Qwxyz"


def test_a_check_does_what_an_import_does(tmp_path: Path, few: list[dict[str, Any]]) -> None:
    with create_hub(tmp_path / "one.duckdb") as one, create_hub(tmp_path / "other.duckdb") as other:
        taken(one, tmp_path, few, personal="pseudonymise")
        use_key(other.path, key_path(one.path))
        taken(other, tmp_path, few, personal="ignore")
        judge_people(other, quality=False, personal=Policy.PSEUDONYMISE)
        assert columns(one) == columns(other)
        query = 'SELECT outcome, kind, "column", place, "before", "after" FROM rule_results ORDER BY ALL'
        assert one.con.execute(query).fetchall() == other.con.execute(query).fetchall()


def test_a_description_that_was_replaced_is_kept_in_its_rule_result(hub: HubFile, tmp_path: Path) -> None:
    text = "A nurse called Nancy Whitfield who knows Betty Tran"
    taken(hub, tmp_path, [{"text": text}], personal="pseudonymise")
    said = pieces(hub, '"before", text, became = (SELECT id FROM personas)', '"column" IS NULL')
    assert said == [("Nancy Whitfield", text, True), ("Betty Tran", text, True)]
