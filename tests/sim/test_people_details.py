"""Profiles, biographies, weights and targets of a hub's people in the runs that they live in."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import duckdb
import pytest

from populace.agents.actions import Action
from populace.agents.observation import Observation
from populace.analysis.report.report import render_report
from populace.analysis.summary import summarise
from populace.core.errors import SetupError
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub.details import TargetShare, Weighting
from populace.personas.hub.file import filled_hub
from populace.personas.hub.profiles import write_biographies
from populace.personas.profiles.biography import Biography
from populace.personas.selection import Marginals, SelectionSpec, select
from populace.sim.dynamics.world import State
from populace.sim.experiment.design import Experiment, OutcomeQuery
from populace.sim.experiment.folder import run_experiment
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.observe import observe
from populace.sim.replay import replay
from populace.sim.resident import Resident
from populace.sim.runfile.reader import open_run
from populace.sim.scenario import Scenario
from populace.sim.society import Society

PEOPLE = 40
MODEL = "import"


class Vote(Action):
    """Vote for or against."""

    name: ClassVar[str] = "vote"
    novelty = "none"
    kind: Literal["vote"]
    choice: Literal["yes", "no"]

    @property
    def emitted_text(self) -> str:
        return self.choice


class Poll(Scenario):
    """Do the north and the south vote alike?"""

    name = "poll"
    world = "An island with two halves."
    actions = (Vote,)
    agent_state_type = State

    def group(self, resident: Resident) -> str | None:
        return None if resident.profile is None else str(resident.profile.value("region"))

    def mind(self) -> Any:
        return self.vote

    def vote(self, observation: Observation, rng: random.Random) -> Vote:
        known = observation.profile
        is_north = known is not None and known.value("region") == "north"
        return Vote(kind="vote", choice="yes" if is_north else "no")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty people of whom ten live in the north; `half` is a selection with as many of the north as of the south."""
    folder = tmp_path_factory.mktemp("island")
    rows = (
        f"Number {n} of the island keeps bees.,{'north' if n % 4 == 0 else 'south'},{20 + n}" for n in range(PEOPLE)
    )
    (folder / "people.csv").write_text("text,region,age\n" + "\n".join(rows))
    path = folder / "island.duckdb"
    with filled_hub(path) as opened:
        list(import_files(opened, [folder / "people.csv"], ImportOptions()))
        ((first,),) = opened.con.execute("SELECT id FROM personas ORDER BY ordinal LIMIT 1").fetchall()
        told = Biography(first, "She was born in a storm.\n\nShe keeps bees.", (), "en", MODEL, "wiki@1")
        write_biographies(opened.con, [told], datetime.now(UTC).replace(tzinfo=None))
        targets = Marginals(shares={"region": {"north": 0.5, "south": 0.5}})
        select(opened, SelectionSpec(n=16, targets=targets, name="half", seed=2))
        select(opened, SelectionSpec(where="region = 'south'", name="southerners"))
        select(opened, SelectionSpec(n=13, stratify=("region",), name="alike"))
    return path


def society(out: Path, hub: Path, *, settings: dict[str, Any] | None = None, steps: int = 2, **growth: Any) -> Society:
    return Society(Poll(settings), growth=Growth.given(hub=hub, **growth), out=out, steps=steps, seed=4)


def test_rules_groups_and_rows_know_the_profiles_of_a_hub(hub: Path, tmp_path: Path) -> None:
    run = society(tmp_path / "run.duckdb", hub).run()
    votes = "SELECT text, group_name, count(*) FROM emissions JOIN agents USING (agent) GROUP BY ALL ORDER BY ALL"
    assert run.sql(votes).rows == [("no", "south", 60), ("yes", "north", 20)]
    again = replay(run.path, Poll)
    assert again.event_hash == again.expected
    forked = fork(run.path, Poll, at=1, out=tmp_path / "fork.duckdb").run()
    assert forked.event_hash == run.event_hash


def test_archetypes_are_made_by_a_column_of_the_profiles(hub: Path, tmp_path: Path) -> None:
    def asked(column: str, out: Path) -> Society:
        return Society(Poll(), growth=Growth.given(hub=hub), out=out, steps=1, archetypes=column)

    run = asked("region", tmp_path / "run.duckdb").run()
    votes = "SELECT group_name, text, count(*), count(DISTINCT archetype) FROM emissions JOIN agents USING (agent)"
    assert run.sql(f"{votes} GROUP BY ALL ORDER BY ALL").rows == [("north", "yes", 10, 1), ("south", "no", 30, 1)]
    with pytest.raises(SetupError, match=r"archetypes=.colour.` is no column of profiles; there are .*region"):
        asked("colour", tmp_path / "other.duckdb").run()


def test_prompts_hold_the_profile_or_the_biography_where_that_is_asked_for(hub: Path, tmp_path: Path) -> None:
    seen = {}
    for detail in ("description", "profile", "biography"):
        with society(tmp_path / f"{detail}.duckdb", hub, settings={"persona_detail": detail}) as opened:
            first = opened.residents[0]
            seen[detail] = observe(opened.state, first).persona
            assert first.profile is not None
            assert (first.profile.value("age_band"), first.profile.value("region")) == ("20-29", "north")
            assert first.biography.startswith("She was born")
    text = "Number 0 of the island keeps bees."
    assert seen == {
        "description": text,
        "profile": f"{text}\n\nWhat is known of this person: aged 20-29; lives in north.",
        "biography": f"{text}\n\nShe was born in a storm.\n\nShe keeps bees.",
    }


def test_a_detail_that_nobody_has_is_refused_before_a_file_is_made(hub: Path, tmp_path: Path) -> None:
    detailed = Poll({"persona_detail": "biography"})
    with pytest.raises(SetupError, match="none of the people has a biography"):
        Society(detailed, growth=Growth(agents=4, hops=0), out=tmp_path / "none.duckdb").run()
    assert not (tmp_path / "none.duckdb").exists()


def test_weights_and_targets_of_a_selection_are_in_the_run_and_its_copies(hub: Path, tmp_path: Path) -> None:
    run = society(tmp_path / "run.duckdb", hub, select="half").run()
    assert run.sql('SELECT "column", value, wanted, got FROM targets').rows == [
        ("region", "north", 0.5, 0.5),
        ("region", "south", 0.5, 0.5),
    ]
    with open_run(run.path) as reader:
        assert summarise(reader).targets == "2 shares, weighted 0.0% off at most (region north)"
        page = render_report(reader)
    assert "<dt>targets</dt><dd><bdi>2 shares, weighted 0.0% off" in page
    assert "in anything but the shares that their selection was to meet" in page
    weights = "SELECT agent, weight FROM agents ORDER BY ordinal"
    assert sum(weight for _, weight in run.sql(weights).rows) == pytest.approx(16)
    again = replay(run.path, Poll, out=tmp_path / "again.duckdb")
    assert again.event_hash == again.expected
    forked = fork(run.path, Poll, at=1, out=tmp_path / "fork.duckdb").run()
    assert forked.event_hash == run.event_hash
    assert forked.sql(weights).rows == run.sql(weights).rows


def test_shares_are_of_those_who_are_left_and_a_target_that_none_of_them_meets_is_refused(
    hub: Path, tmp_path: Path
) -> None:
    run = society(tmp_path / "run.duckdb", hub, select="half").run()
    with duckdb.connect(str(run.path)) as con:
        first, second = con.execute("SELECT agent FROM agents WHERE group_name = 'north' LIMIT 2").fetchall()
        con.execute(
            "INSERT INTO duplicates BY NAME SELECT 'persona' AS kind, ? AS persona, ? AS \"of\", 'words' AS stage, "
            "1.0 AS similarity, false AS undone",
            [*second, *first],
        )
    shares = dict(run.sql("SELECT value, got FROM targets").rows)
    assert shares == pytest.approx({"north": 7 / 15, "south": 8 / 15})
    weighting = Weighting(targets=(TargetShare("region", "moon", 0.5),), places={"region": {"a": None, "b": 1}})
    with pytest.raises(SetupError, match=r"50.0% with region 'moon', and none of the 1 who are left"):
        weighting.check_met({"a"}, {"a": "a"})


def test_an_experiment_carries_the_weights_of_its_people_into_every_arm(hub: Path, tmp_path: Path) -> None:
    experiment = Experiment(
        Poll,
        arms={"one": {}, "other": {"heard": 1}},
        replicates=1,
        steps=1,
        people=Growth.given(hub=hub, select="alike"),
        outcomes=[OutcomeQuery("yes", "SELECT agent, (text = 'yes')::INT AS value FROM emissions")],
    )
    merged = run_experiment(experiment, tmp_path / "out", Poll)
    with duckdb.connect(str(merged), read_only=True) as con:
        found = con.execute(
            "SELECT arm, group_name, any_value(weight) FROM agents GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    weights = [("north", 1.083), ("south", 0.975)]
    assert [(arm, group, round(weight, 3)) for arm, group, weight in found] == [
        (arm, *one) for arm in ("one", "other") for one in weights
    ]


def test_people_without_a_selection_count_for_one(hub: Path, tmp_path: Path) -> None:
    run = society(tmp_path / "run.duckdb", hub).run()
    assert run.sql("SELECT DISTINCT weight FROM agents").rows == [(1.0,)]
    assert run.sql("SELECT (SELECT count(*) FROM weights), (SELECT count(*) FROM targets)").rows == [(0, 0)]


def test_a_target_that_nobody_drawn_meets_is_refused_in_a_sentence(hub: Path, tmp_path: Path) -> None:
    said = r"are to have 50.0% with region '\w+', and none of the 1 taken from the selection"
    with pytest.raises(SetupError, match=said):
        society(tmp_path / "run.duckdb", hub, select="half", agents=1).run()
    assert not (tmp_path / "run.duckdb").exists()
