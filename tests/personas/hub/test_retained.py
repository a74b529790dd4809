"""Who stands is one figure wherever it is asked, and what falls is decided anew whatever made it fall."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hub_people import plant_vectors, reject

from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.formats.people import ExportedPeople
from populace.personas.hub import HubFile, open_hub, read_hub
from populace.personas.hub.check import judge_people
from populace.personas.hub.dedup import dedup_embedded, dedup_hub
from populace.personas.hub.file import describe_hub
from populace.personas.hub.merge import merge_hubs
from populace.personas.hub.queries import RETAINED
from populace.personas.hub.rewrites import reconcile_verdicts, undo_rule
from populace.personas.network.network import read_ties
from populace.personas.persona import content_id
from populace.personas.selection import SelectionSpec, select
from populace.sim.runfile.database import make_run_file

STEM = "nurse who walks home at dawn and keeps a list of birds heard"
LEAK, FIRST, SECOND = f"A {STEM} [insert name]", f"A {STEM} inserts", f"A {STEM} name"


def filled(path: Path, *texts: str) -> Path:
    """A run file as a hub, so that all who count people can count these."""
    make_run_file(path)
    rows = path.with_suffix(".jsonl")
    rows.write_text("\n".join(json.dumps({"persona": text}) for text in texts))
    with open_hub(path, write=True) as hub:
        list(import_files(hub, [rows], ImportOptions()))
    return path


def marks(hub: HubFile) -> list[tuple[Any, ...]]:
    return hub.con.execute(
        "SELECT p.text, o.text, stage FROM duplicates JOIN personas AS p ON p.id = persona "
        'JOIN personas AS o ON o.id = "of" WHERE NOT undone ORDER BY p.ordinal'
    ).fetchall()


@pytest.mark.parametrize(
    "away",
    [
        (LEAK, FIRST),
        *(pytest.param(away, marks=pytest.mark.slow) for away in ((), (LEAK,), (FIRST,), (LEAK, FIRST, SECOND))),
    ],
)
def test_all_who_count_people_count_the_same(tmp_path: Path, away: tuple[str, ...]) -> None:
    path, other = (
        filled(tmp_path / "a.duckdb", LEAK, FIRST, SECOND, "A potter"),
        filled(tmp_path / "b.duckdb", "A cook"),
    )
    with open_hub(path, write=True) as hub:
        dedup_hub(hub, threshold=0.8)
        # As a hub of an earlier version has it: nothing was decided anew.
        reject(hub, *map(content_id, away))
        info = describe_hub(hub)
        selected = len(select(hub, SelectionSpec()).ids)
        ((survivors,),) = hub.con.execute("SELECT count(DISTINCT survivor) FROM survivors").fetchall()
        counts = {info.retained, ExportedPeople(hub).count, selected, read_ties(hub).people, survivors}
        assert info.personas == info.retained + info.near_duplicates + info.rejected
    assert {*counts, len(read_hub(path).personas)} == {info.retained}
    with open_hub(path, write=True) as hub, hub.writing() as con:
        reconcile_verdicts(con)
        retained = describe_hub(hub).retained
    merge_hubs([other, path], tmp_path / "c.duckdb")
    with open_hub(tmp_path / "c.duckdb") as merged:
        assert describe_hub(merged).retained == retained + 1


def test_of_two_who_repeat_one_who_falls_both_stand_when_they_do_not_repeat_each_other(tmp_path: Path) -> None:
    middle, left, right = "a b c d e f g h i j", "a b c d e f g h i j k", "a b c d e f g h i j l m"
    with open_hub(filled(tmp_path / "a.duckdb", middle, left, right), write=True) as hub:
        dedup_hub(hub, threshold=0.83)
        assert len(marks(hub)) == 2
        reject(hub, content_id(middle))
        with hub.writing() as con:
            reconcile_verdicts(con)
        assert (marks(hub), describe_hub(hub).retained) == ([], 2)
        undo_rule(hub, "refusal")
        assert {one for one, _, _ in marks(hub)} == {left, right}


def test_an_import_that_rejects_whom_others_repeat_decides_those_anew(tmp_path: Path) -> None:
    with open_hub(filled(tmp_path / "a.duckdb", LEAK, FIRST, SECOND), write=True) as hub:
        dedup_hub(hub, threshold=0.8)
        (tmp_path / "more.jsonl").write_text(json.dumps({"persona": LEAK}))
        list(import_files(hub, [tmp_path / "more.jsonl"], ImportOptions(quality=True)))
        assert marks(hub) == [(SECOND, FIRST, "exact")]


@pytest.mark.slow
def test_a_merge_in_which_one_hub_rejects_whom_the_others_people_repeat_decides_them_anew(tmp_path: Path) -> None:
    one, other = filled(tmp_path / "a.duckdb", LEAK, FIRST, SECOND), filled(tmp_path / "b.duckdb", LEAK)
    with open_hub(one, write=True) as hub:
        dedup_hub(hub, threshold=0.8)
    with open_hub(other, write=True) as hub:
        judge_people(hub)
    merge_hubs([one, other], tmp_path / "c.duckdb")
    with open_hub(tmp_path / "c.duckdb") as hub:
        assert marks(hub) == [(SECOND, FIRST, "exact")]


def test_verdicts_by_vectors_are_decided_anew_by_the_vectors_that_are_kept(tmp_path: Path) -> None:
    texts = ("A smith", "A diver of the pier", "A cook by the sea", "A potter")
    directions = np.array([[1, 0], [0.95, 0.3122], [0.95, -0.3122], [0, 1]], dtype=np.float32)
    with open_hub(filled(tmp_path / "a.duckdb", *texts), write=True) as hub:
        ids = [content_id(text) for text in texts]
        plant_vectors(hub, ids, directions, "m")
        dedup_hub(hub)
        dedup_embedded(hub, "m")
        assert [row[:2] for row in marks(hub)] == [(texts[1], texts[0]), (texts[2], texts[0])]
        reject(hub, ids[0])
        with hub.writing() as con:
            reconcile_verdicts(con)
        # The two are at a cosine of 0.8.
        assert (marks(hub), describe_hub(hub).retained) == ([], 3)
        undo_rule(hub, "refusal")
        assert [row[2] for row in marks(hub)] == ["cosine:m", "cosine:m"]


def test_somebody_rewritten_as_another_repeats_them_until_the_rule_is_undone(tmp_path: Path) -> None:
    first, third = "I am a ferry captain who reads tides", "A ferry captain who reads tides"
    tables = ("personas", "relations", "imports", "biographies")
    with open_hub(filled(tmp_path / "a.duckdb", first, "A potter", third), write=True) as hub:
        ids = [content_id(text) for text in (first, "A potter", third)]
        ties = [(1, ids[0], ids[1]), (2, ids[1], ids[2]), (3, ids[0], ids[2])]
        for place, one, other in ties:
            hub.con.execute("INSERT INTO relations VALUES (?, ?, ?, 'work', 'boss', 1)", [place, one, other])
        lives = pa.table({"persona": ids, "text": ["One.", "Two.", "Three."]})
        hub.con.register("lives", lives)
        hub.con.execute("INSERT INTO biographies SELECT persona, text, [], 'en', 'm', 'p', now()::TIMESTAMP FROM lives")
        hub.con.execute("UPDATE personas SET parent = ? WHERE id = ?", [ids[0], ids[1]])
        before = {table: sorted(map(repr, hub.con.execute(f"FROM {table}").fetchall())) for table in tables}
        retained = f"SELECT text FROM personas WHERE {RETAINED} ORDER BY ordinal"
        judge_people(hub, personal=None)
        assert hub.con.execute("SELECT id FROM personas ORDER BY ordinal").fetchall() == [(one,) for one in ids]
        assert hub.con.execute(retained).fetchall() == [(third,)]
        undo_rule(hub, "first_person")
        assert hub.con.execute(retained).fetchall() == [(first,), (third,)]
        assert before == {table: sorted(map(repr, hub.con.execute(f"FROM {table}").fetchall())) for table in tables}
