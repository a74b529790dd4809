import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hub_people import reject

from populace.core.errors import SetupError
from populace.personas.dedup import DedupMethod
from populace.personas.hub import HubFile, create_hub, open_hub
from populace.personas.hub.dedup import dedup_hub
from populace.personas.hub.rewrites import reconcile_verdicts

TEN = "a b c d e f g h i j"
TEXTS = [TEN, "a nurse", f"{TEN} k", f"{TEN} k l", "A nurse!", f"{TEN} k.", "", "..."]

#: Adds persons in groups and judges after each, for as long as it is let live.
WRITER = """
import sys
from populace.personas.hub import open_hub
from populace.personas.hub.dedup import dedup_hub
with open_hub(sys.argv[1], write=True) as hub:
    for group in range(100):
        with hub.writing() as con:
            con.execute('''
                INSERT INTO personas BY NAME
                SELECT 'p' || n AS id, n AS ordinal, 'import' AS origin, 0 AS hop, 'en' AS language,
                    'w' || n % 3 || ' a b c d e f g h i ' || n % 5 || repeat(' x', n % 2) AS text
                FROM range(20 * $group, 20 * $group + 20) AS t(n)''', {"group": group})
        dedup_hub(hub)
        print(group, flush=True)
"""


def fill(hub: HubFile, texts: Iterable[str], *, first: int = 1) -> None:
    rows = [
        {"id": f"p{n}", "ordinal": n, "text": text, "origin": "import", "hop": 0, "language": "en"}
        for n, text in enumerate(texts, start=first)
    ]
    with hub.writing() as con:
        con.register("new_personas", pa.Table.from_pylist(rows))
        con.execute("INSERT INTO personas BY NAME FROM new_personas")
        con.unregister("new_personas")


def verdicts(hub: HubFile) -> list[tuple[object, ...]]:
    return hub.con.execute('SELECT persona, "of", stage, similarity, undone FROM duplicates ORDER BY rowid').fetchall()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubFile]:
    with create_hub(tmp_path / "people.duckdb") as made:
        fill(made, TEXTS)
        yield made


def test_each_near_duplicate_is_marked_with_the_best_original_before_it(hub: HubFile) -> None:
    report = dedup_hub(hub)
    assert verdicts(hub) == [
        ("p3", "p1", "exact", 10 / 11, False),
        ("p5", "p2", "exact", 1.0, False),
        ("p6", "p4", "exact", 11 / 12, False),
        ("p8", "p7", "exact", 1.0, False),
    ]
    assert (report.personas, report.judged, report.marked, report.marked_before, report.undone) == (8, 8, 4, 0, 0)


def test_judging_again_changes_nothing(hub: HubFile) -> None:
    dedup_hub(hub)
    before = verdicts(hub)
    report = dedup_hub(hub)
    assert verdicts(hub) == before
    assert (report.judged, report.marked, report.marked_before) == (4, 0, 4)


def test_an_undone_verdict_stays_undone_and_makes_an_original(hub: HubFile) -> None:
    dedup_hub(hub)
    hub.con.execute("UPDATE duplicates SET undone = true WHERE persona = 'p3'")
    fill(hub, [f"{TEN} k"], first=9)
    report = dedup_hub(hub)
    assert verdicts(hub)[0] == ("p3", "p1", "exact", 10 / 11, True)
    # Whoever came after an original that was none until now is compared with it.
    # Whoever repeated one of these repeats somebody who stands.
    assert [row[:2] for row in verdicts(hub)[3:]] == [("p4", "p3"), ("p9", "p3"), ("p6", "p3")]
    assert (report.marked, report.marked_before, report.undone) == (2, 3, 1)


def test_anew_withdraws_what_stands_and_keeps_what_was_undone(hub: HubFile) -> None:
    dedup_hub(hub, threshold=0.5)
    hub.con.execute("UPDATE duplicates SET undone = true WHERE persona = 'p8'")
    report = dedup_hub(hub, threshold=1.0, anew=True)
    assert [row[:2] for row in verdicts(hub)] == [("p8", "p7"), ("p5", "p2"), ("p6", "p3")]
    assert (report.judged, report.marked, report.undone) == (8, 2, 1)


def test_anew_gives_what_a_fresh_hub_gives(hub: HubFile, tmp_path: Path) -> None:
    dedup_hub(hub, threshold=0.5)
    dedup_hub(hub, threshold=0.9, anew=True)
    with create_hub(tmp_path / "fresh.duckdb") as fresh:
        fill(fresh, TEXTS)
        dedup_hub(fresh, threshold=0.9)
        assert verdicts(fresh) == verdicts(hub)


def test_people_who_have_lived_are_not_judged_anew(hub: HubFile) -> None:
    hub.con.execute("CREATE TABLE steps AS SELECT 1 AS step")
    with pytest.raises(SetupError, match="are agents of a run, and are not judged anew"):
        dedup_hub(hub, anew=True)


def test_whoever_was_rejected_is_nobodys_original(hub: HubFile) -> None:
    reject(hub, "p1")
    dedup_hub(hub)
    assert [row[:2] for row in verdicts(hub)] == [("p4", "p3"), ("p5", "p2"), ("p6", "p3"), ("p8", "p7")]


def test_a_lower_threshold_adds_verdicts_to_those_that_stand(hub: HubFile) -> None:
    dedup_hub(hub, threshold=1.0)
    assert [row[:2] for row in verdicts(hub)] == [("p5", "p2"), ("p6", "p3"), ("p8", "p7")]
    report = dedup_hub(hub, threshold=0.8)
    # Whom the sixth repeated is somebody's near-duplicate now, so it is compared again.
    assert [row[:2] for row in verdicts(hub)[2:]] == [("p3", "p1"), ("p4", "p1"), ("p6", "p1")]
    assert report.threshold == 0.8


@pytest.mark.slow
def test_a_hub_that_was_killed_while_it_was_judged_gets_the_same_verdicts(tmp_path: Path) -> None:
    for name in ("killed", "whole"):
        create_hub(tmp_path / name).close()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "killed")], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert [writer.stdout.readline().strip() for _ in range(3)] == ["0", "1", "2"]
        writer.send_signal(signal.SIGKILL)
    with open_hub(tmp_path / "killed", write=True) as killed, open_hub(tmp_path / "whole", write=True) as whole:
        dedup_hub(killed)
        texts = [text for (text,) in killed.con.execute("SELECT text FROM personas ORDER BY ordinal").fetchall()]
        fill(whole, texts, first=0)
        dedup_hub(whole)
        assert len(texts) >= 60
        assert verdicts(killed) == verdicts(whole)
        assert 0 < len(verdicts(whole)) < len(texts)


def test_a_threshold_that_would_join_everybody_is_refused_before_anything_is_written(hub: HubFile) -> None:
    with pytest.raises(SetupError, match=r"from 0\.5 to 1"):
        dedup_hub(hub, threshold=0.3)
    assert verdicts(hub) == []


def test_minhash_gives_verdicts_of_its_own_stage(hub: HubFile) -> None:
    report = dedup_hub(hub, threshold=0.4, method=DedupMethod("minhash", 2))
    assert (report.stage, report.marked) == ("minhash:2-gram", len(verdicts(hub)))
    assert {row[2] for row in verdicts(hub)} == {"minhash:2-gram"}
    assert DedupMethod.of_stage(report.stage) == DedupMethod("minhash", 2)


def test_a_verdict_by_minhash_that_falls_is_decided_again_by_minhash(hub: HubFile) -> None:
    fill(hub, ["b c d e f g h i j k l m", "a b c d e f g h i j k l m"], first=20)
    dedup_hub(hub, threshold=0.7, method=DedupMethod("minhash"))
    before = verdicts(hub)
    gone = str(before[0][1])
    reject(hub, gone)
    with hub.writing() as con:
        reconcile_verdicts(con)
    after = verdicts(hub)
    assert gone not in {row[1] for row in after}
    assert {row[2] for row in after} == {"minhash"}
    assert {row[0] for row in after} >= {row[0] for row in before} - {gone} - {row[1] for row in after}
