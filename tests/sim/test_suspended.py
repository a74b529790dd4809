"""Ties that are suspended: nobody sees, hears or speaks to somebody over them, and what was under way waits."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from populace.agents.actions import Action, DialogueLine, Instruction
from populace.agents.observation import Observation
from populace.personas.hub import create_hub
from populace.personas.persona import RelationKind, content_id
from populace.sim.dynamics.declared import Intervention
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.resident import Resident
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society

BAKER, MILLER, AUNT = (content_id(text) for text in ("A baker.", "A miller.", "An aunt."))

#: Everything that the baker and the miller, who are tied by trade alone, have said to each other.
_LINES = f"""
SELECT step, text FROM messages WHERE sender IN ('{BAKER}', '{MILLER}') AND recipient IN ('{BAKER}', '{MILLER}')
"""


class Market(Scenario):
    """Everybody talks, while there is somebody to talk to; for steps 2 and 3 there is no trade."""

    name = "market"
    actions = (Instruction, DialogueLine)
    interventions: Sequence[Intervention] = (
        Intervention(2, "flood", "The bridge is gone.", lambda world: world.suspend(RelationKind.TRADE)),
        Intervention(4, "ferry", "There is a ferry.", lambda world: world.restore(RelationKind.TRADE)),
    )

    def offer(self, resident: Resident, observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        """A line, or a request where nobody is there."""
        return (DialogueLine,) if observation.addressees else (Instruction,)


@pytest.fixture(scope="module")
def growth(tmp_path_factory: pytest.TempPathFactory) -> Growth:
    """A baker, the miller who sells her flour, and her aunt, to whom she sells bread too."""
    hub = tmp_path_factory.mktemp("hub") / "hub.duckdb"
    with create_hub(hub) as made:
        made.con.execute(
            "INSERT INTO personas (id, ordinal, text, origin, hop, language) VALUES ('b', 1, 'A baker.', 'import', 0, "
            "'und'), ('m', 2, 'A miller.', 'import', 0, 'und'), ('a', 3, 'An aunt.', 'import', 0, 'und')"
        )
        made.con.execute(
            "INSERT INTO relations (ordinal, source, target, kind, label, hop) VALUES (1, 'b', 'm', 'trade', 'miller', "
            "1), (2, 'b', 'a', 'trade', 'customer', 1), (3, 'b', 'a', 'kinship', 'aunt', 1)"
        )
    return Growth(hub=hub, hops=0)


@pytest.fixture(scope="module")
def lived(growth: Growth, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Five steps; never to be written to."""
    return Society(Market(), growth=growth, out=tmp_path_factory.mktemp("lived") / "run.duckdb", steps=5).run()


def seen(run: FinishedRun, agent: str, step: int) -> str:
    ((text,),) = run.sql("SELECT text FROM observations WHERE agent = ? AND step = ?", (agent, step)).rows
    return str(text)


def test_nobody_speaks_over_a_suspended_tie(lived: FinishedRun) -> None:
    spoken = {step for step, _ in lived.sql(_LINES).rows}
    assert 1 in spoken
    assert not spoken & {2, 3}
    assert spoken & {4, 5}


def test_nobody_is_seen_or_heard_over_a_suspended_tie(lived: FinishedRun) -> None:
    for step in (2, 3):
        assert "</now>\n\n<news>" in seen(lived, MILLER, step)
        assert "<neighbours>" not in seen(lived, MILLER, step)
        assert "(miller, trade)" not in seen(lived, BAKER, step)


def test_whoever_has_another_tie_is_seen_through_it(lived: FinishedRun) -> None:
    assert "(aunt, kinship): An aunt" in seen(lived, BAKER, 2)
    assert "(customer, trade): An aunt" in seen(lived, BAKER, 1)


def test_a_line_that_was_under_way_is_heard_once_the_tie_is_restored(lived: FinishedRun) -> None:
    under_way = [text for step, text in lived.sql(_LINES).rows if step == 1]
    heard = seen(lived, MILLER, 4) + seen(lived, BAKER, 4)
    assert under_way
    assert all(text in heard for text in under_way)


@pytest.mark.parametrize("at", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 4))])
def test_what_waits_survives_an_interruption_and_a_fork(
    lived: FinishedRun, growth: Growth, at: int, tmp_path: Path
) -> None:
    class Whole(Market):
        interventions = tuple(Intervention(i.at, i.name, i.news, i.effect, optional=True) for i in Market.interventions)

    short = Society(Whole(), growth=growth, out=tmp_path / "short.duckdb", steps=at).run()
    forked = fork(short.path, Market, at=at, out=tmp_path / "forked.duckdb", steps=5).run()
    resumed = Society.resume(short.path, Market, steps=5).run()
    assert {forked.event_hash, resumed.event_hash} == {lived.event_hash}


def test_a_run_with_suspended_ties_is_replayed(lived: FinishedRun) -> None:
    assert replay(lived.path, Market).difference == ""
