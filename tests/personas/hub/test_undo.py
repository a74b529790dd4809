"""Undoing verdicts: those that were meant, both ways, and never the rows themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_people import reject

from populace.core.errors import SetupError
from populace.personas.hub import HubFile, create_hub
from populace.personas.hub.rewrites import resolve_persona, undo_persona, undo_rule, undo_stage

ONE, TWO, THREE = "aaaa0000", "aaaa1111", "bbbb2222"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubFile]:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        for n, persona in enumerate((ONE, TWO, THREE), 1):
            row = [persona, n, f"Somebody {n}"]
            hub.con.execute(
                "INSERT INTO personas (id, ordinal, text, origin, hop, language) VALUES (?, ?, ?, 'import', 0, 'en')",
                row,
            )
        hub.con.execute(
            """INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone) VALUES
            ('persona', $2, $1, 'exact', 1, false), ('persona', $3, $1, 'minhash', 0.9, false),
            ('problem', $3, $1, 'minhash', 0.9, false)""",
            [ONE, TWO, THREE],
        )
        yield hub


def undone(hub: HubFile) -> set[str]:
    return {
        p for (p,) in hub.con.execute("SELECT persona FROM duplicates WHERE undone AND kind = 'persona'").fetchall()
    }


def test_the_verdicts_on_one_persona_are_undone_and_set_again(hub: HubFile) -> None:
    assert undo_persona(hub, "bbbb") == 1
    assert undone(hub) == {THREE}
    assert (undo_persona(hub, THREE), undo_persona(hub, THREE, redo=True), undone(hub)) == (0, 1, set())


def test_all_verdicts_of_a_stage_are_undone_and_emissions_left_alone(hub: HubFile) -> None:
    assert undo_stage(hub, "minhash") == 1
    assert undone(hub) == {THREE}
    assert hub.con.execute("SELECT count(*) FROM duplicates WHERE undone").fetchall() == [(1,)]


def test_whom_a_rule_rejected_comes_back(hub: HubFile) -> None:
    with pytest.raises(SetupError, match=r"'refusal' rejected nobody in .*; no rule did"):
        undo_rule(hub, "refusal")
    reject(hub, ONE)
    assert (undo_rule(hub, "refusal"), undo_rule(hub, "refusal"), undo_rule(hub, "refusal", redo=True)) == (1, 0, 1)


def test_what_is_not_there_is_said(hub: HubFile) -> None:
    with pytest.raises(SetupError, match=r"no verdict of a stage 'embedding'; there are verdicts of exact, minhash\."):
        undo_stage(hub, "embedding")
    with pytest.raises(SetupError, match="nobody's near-duplicate"):
        undo_persona(hub, ONE)
    with pytest.raises(SetupError, match="Nobody in"):
        undo_persona(hub, "cccc")


def test_an_id_may_be_cut_short_while_it_is_the_only_one(hub: HubFile) -> None:
    assert resolve_persona(hub, "aaaa0") == ONE
    with pytest.raises(SetupError, match="Several ids begin with 'aaaa', such as aaaa0000 and aaaa1111"):
        resolve_persona(hub, "aaaa")
    with pytest.raises(SetupError, match="too short"):
        resolve_persona(hub, "aaa")
