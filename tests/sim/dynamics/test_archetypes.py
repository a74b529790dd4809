"""One answer for many alike: fewer calls, each row says whose answer it is, and runs can be had again."""

import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ballots import Answering
from complete_town import Talk, TalkingTown, talking
from lasting import check_lasting
from openai_server import OpenAIServer

from populace.agents.actions import Action
from populace.core.errors import HookError, SetupError
from populace.sim.growth import Growth
from populace.sim.resident import Resident
from populace.sim.scenario import Scenario
from populace.sim.society import Society

EMITTED = "SELECT step, agent, text, payload, archetype FROM emissions ORDER BY emission"
CALLS = "SELECT number, count(*) FROM calls WHERE phase = 'step' GROUP BY number ORDER BY number"
TRADES = 7


class Trades(TalkingTown):
    """People of one trade talk alike."""

    def group(self, resident: Resident) -> str | None:
        """The trade: `A baker who keeps ...`."""
        return resident.persona.text.split()[1]


class Varied(Trades):
    """Each adds a number of its own."""

    def vary(self, action: Action, resident: Resident, rng: random.Random) -> Action:
        """The same line with a number."""
        assert isinstance(action, Talk)
        return action.model_copy(update={"text": f"{action.text} {rng.randrange(10**9)}"})


town = partial(talking, people=21, scenario=Varied, model="procedural", steps=2, archetypes="group")


def sql(path: Path, query: str) -> list[tuple[Any, ...]]:
    from populace.sim.runfile.reader import open_run

    with open_run(path) as run:
        return run.query(query).rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town in which one of each trade is asked; never to be written to."""
    path = tmp_path_factory.mktemp("archetypes") / "run.duckdb"
    town(path).run()
    return path


def test_one_of_each_group_is_asked_and_every_row_says_who(whole: Path) -> None:
    assert sql(whole, CALLS) == [(1, TRADES), (2, TRADES)]
    assert sql(whole, "SELECT count(*), count(archetype), count(DISTINCT archetype) FROM emissions") == [(42, 42, 7)]
    asked = "SELECT DISTINCT owner FROM calls WHERE phase = 'step' ORDER BY owner"
    assert sql(whole, asked) == sql(whole, "SELECT DISTINCT archetype FROM emissions ORDER BY archetype")
    ((most,),) = sql(
        whole,
        "SELECT max(n) FROM (SELECT count(DISTINCT split_part(p.text, ' ', 2)) AS n FROM emissions AS e "
        "JOIN personas AS p ON p.id = e.agent GROUP BY archetype)",
    )
    assert most == 1
    assert sql(whole, "SELECT archetypes FROM runs") == [("group",)]


def test_who_is_in_no_group_is_asked(tmp_path: Path) -> None:
    class Idle(Trades):
        def group(self, resident: Resident) -> str | None:
            trade = super().group(resident)
            return None if trade == "baker" else trade

    town(tmp_path / "run.duckdb", scenario=Idle, steps=1).run()
    assert sql(tmp_path / "run.duckdb", CALLS) == [(1, TRADES - 1 + 21 // TRADES)]


def test_what_the_others_do_is_varied_for_each_of_them(whole: Path) -> None:
    assert sql(whole, "SELECT count(DISTINCT text) FROM emissions WHERE agent <> archetype") == [(28,)]
    assert sql(whole, "SELECT DISTINCT revised FROM emissions WHERE agent <> archetype") == [(False,)]
    noted = "SELECT count(*) FROM memories AS m JOIN emissions AS e USING (step, agent) WHERE contains(m.text, e.text)"
    assert sql(whole, noted) == [(42,)]


def test_without_archetypes_each_is_asked_and_no_row_names_another(tmp_path: Path) -> None:
    run = town(tmp_path / "run.duckdb", steps=1, archetypes=None).run()
    assert run.sql(CALLS).rows == [(1, 21)]
    assert run.sql("SELECT count(archetype) FROM emissions").rows == [(0,)]


@pytest.mark.parametrize("clusters", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_descriptions_are_put_into_so_many_clusters(tmp_path: Path, clusters: int) -> None:
    run = town(tmp_path / "run.duckdb", steps=1, archetypes=clusters).run()
    assert run.sql(CALLS).rows == [(1, clusters)]


@pytest.mark.slow
def test_vectors_of_an_embedding_model_make_the_clusters_where_there_is_one(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    where: dict[str, Any] = {"embeddings": "openai:e", "embeddings_url": openai_server.base_url}
    words, vectors = (
        town(tmp_path / f"{n}.duckdb", steps=1, archetypes=5, **o) for n, o in enumerate([dict[str, Any](), where])
    )
    first, second = words.run(), vectors.run()
    assert second.sql(CALLS.replace("GROUP BY", "AND purpose <> 'embedding' GROUP BY")).rows == [(1, 5)]
    assert first.sql(EMITTED).rows != second.sql(EMITTED).rows


def test_archetypes_last(whole: Path, tmp_path: Path) -> None:
    check_lasting(whole, Varied, town, tmp_path, EMITTED, stop=1)


def test_a_representative_without_an_answer_is_a_lost_turn_of_each(tmp_path: Path) -> None:
    run = town(tmp_path / "r.duckdb", steps=1, archetypes=1, model=Answering(answer="No."))
    with pytest.raises(Exception, match="All 21 turns failed"):
        run.run()
    lost = "SELECT starts_with(reason, 'The representative'), count(*) FROM failures GROUP BY ALL"
    reasons = sql(tmp_path / "r.duckdb", lost)
    assert sorted(reasons) == [(False, 1), (True, 20)]


def test_what_cannot_be_varied_is_named(tmp_path: Path) -> None:
    class Wrong(Trades):
        def vary(self, action: Action, resident: Resident, rng: random.Random) -> Any:
            return "nothing"

    with pytest.raises(HookError, match="`vary` of Wrong failed with TypeError: it must give one of the actions"):
        town(tmp_path / "r.duckdb", scenario=Wrong).run()


@pytest.mark.parametrize(
    ("scenario", "options", "said"),
    [
        (TalkingTown, {"archetypes": "group"}, "'talking' tells no groups apart; define `group`, or give a number"),
        (TalkingTown, {"archetypes": "-1"}, "'-1'` is no number and no column"),
        (TalkingTown, {"archetypes": 0}, "archetypes='0'` is no number of clusters; give 1 or more"),
        (TalkingTown, {"archetypes": "trade"}, "is a column of profiles, and no agent has a profile; take people"),
    ],
)
def test_archetypes_that_cannot_be_had_are_refused(
    tmp_path: Path, scenario: type[Scenario], options: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(SetupError, match=said):
        town(tmp_path / "r.duckdb", scenario=scenario, **options).run()


def test_a_column_is_refused_before_people_are_grown_who_cannot_have_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="is a column of profiles, and no agent has a profile"):
        Society(TalkingTown(), growth=Growth(agents=2, hops=0), archetypes="trade", out=tmp_path / "r.duckdb").run()
    assert not list(tmp_path.iterdir())
