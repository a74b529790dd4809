"""Pseudonyms are drawn with a secret key beside the hub, which nothing takes along."""

import json
import stat
from pathlib import Path

import pytest

from populace.core.errors import SetupError
from populace.personas.formats.exporting import export_hub
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import create_hub, open_hub
from populace.personas.hub.check import judge_people
from populace.personas.hub.merge import merge_hubs
from populace.personas.hub.rewrites import undo_rule
from populace.personas.rules import PERSONAL_RULE, Policy
from populace.personas.rules.personal import key_path, pseudonym, use_key

NAMES = [f"{first} {last}" for first in ("Margaret", "Walter", "Susan") for last in ("Holloway", "Bennett", "Fletcher")]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rows = [{"name": name, "persona": f"A nurse called {name} who keeps bees"} for name in NAMES]
    path = tmp_path / "people.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def taken(people: Path, hub: Path, personal: str = "pseudonymise", key: Path | None = None) -> list[str]:
    with create_hub(hub) as made:
        if key:
            use_key(hub, key)
        list(import_files(made, [people], ImportOptions.given(personal=personal)))
    return texts(hub)


def texts(hub: Path) -> list[str]:
    with open_hub(hub) as opened:
        return [text for (text,) in opened.con.execute("SELECT text FROM personas ORDER BY ordinal").fetchall()]


def test_no_name_is_found_by_hashing_all_names_and_hubs_are_not_linked(people: Path, tmp_path: Path) -> None:
    one, other = taken(people, tmp_path / "one.duckdb"), taken(people, tmp_path / "two.duckdb")
    known = {pseudonym(name, b"") for name in NAMES}
    assert not any(name in text for text in one + other for name in known | set(NAMES))
    assert not set(one) & set(other)


def test_a_key_file_links_hubs_and_is_readable_by_its_owner_alone(people: Path, tmp_path: Path) -> None:
    key = tmp_path / "linked.key"
    assert taken(people, tmp_path / "one.duckdb", key=key) == taken(people, tmp_path / "two.duckdb", key=key)
    for path in (key, key_path(tmp_path / "one.duckdb")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    use_key(tmp_path / "one.duckdb", key)
    with pytest.raises(SetupError, match="another key"):
        use_key(tmp_path / "one.duckdb", tmp_path / "new.key")


def test_a_hub_whose_names_are_kept_gets_no_key(people: Path, tmp_path: Path) -> None:
    taken(people, hub := tmp_path / "hub.duckdb", "keep")
    assert not key_path(hub).exists()


def test_no_export_and_no_merge_takes_the_key_along(people: Path, tmp_path: Path) -> None:
    taken(people, hub := tmp_path / "hub.duckdb")
    taken(people, other := tmp_path / "other.duckdb")
    key = key_path(hub).read_text()
    (tmp_path / "out").mkdir()
    with open_hub(hub) as opened:
        for name in ("a.jsonl", "a.csv", "a.parquet"):
            export_hub(opened, tmp_path / "out" / name)
    merge_hubs([hub, other], tmp_path / "out" / "merged.duckdb")
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    assert not any(key.strip().encode() in path.read_bytes() or path.suffix == ".key" for path in written)
    assert len(texts(tmp_path / "out" / "merged.duckdb")) == 2 * len(NAMES)


def test_a_lost_key_is_named_and_another_one_goes_on(people: Path, tmp_path: Path) -> None:
    taken(people, hub := tmp_path / "hub.duckdb")
    key_path(hub).rename(tmp_path / "away.key")
    people.write_text(people.read_text() + '\n{"name": "Ann Baker", "persona": "A cook named Ann Baker at sea"}')
    with open_hub(hub, write=True) as opened:
        with pytest.raises(SetupError, match=r"hub.duckdb.key'.*Put it back"):
            list(import_files(opened, [people], ImportOptions.given(personal="pseudonymise")))
        with pytest.raises(SetupError, match="Put it back"):
            judge_people(opened, personal=Policy.PSEUDONYMISE)
        use_key(hub, tmp_path / "away.key")
        list(import_files(opened, [people], ImportOptions.given(personal="pseudonymise")))
    assert len(texts(hub)) == len(NAMES) + 1


def test_undo_and_redo_give_the_same_pseudonyms(people: Path, tmp_path: Path) -> None:
    was = taken(people, hub := tmp_path / "hub.duckdb")
    with open_hub(hub, write=True) as opened:
        undo_rule(opened, PERSONAL_RULE)
    assert sorted(texts(hub)) == sorted(f"A nurse called {name} who keeps bees" for name in NAMES)
    with open_hub(hub, write=True) as opened:
        undo_rule(opened, PERSONAL_RULE, redo=True)
    assert sorted(texts(hub)) == sorted(was)
