"""What agents are told: all ties for rules, a sample in prompts; the time, their own state, and imported columns."""

import csv
import random
from pathlib import Path
from typing import Any, ClassVar, Literal

import networkx as nx
import pytest
from pydantic import Field

from populace.agents.actions import Action, DialogueLine, Instruction
from populace.agents.observation import Observation
from populace.analysis.summary import summarise
from populace.core.errors import HookError, SetupError
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub.file import filled_hub
from populace.sim.dynamics.declared import Levers
from populace.sim.dynamics.world import State, World
from populace.sim.growth import Growth
from populace.sim.resident import Resident, SocietyView
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.scenario import Scenario
from populace.sim.society import Society

AGENTS = 30


class Health(State):
    """What an agent has."""

    phase: Literal["susceptible", "infected"] = "susceptible"


class Epidemic(Scenario):
    """States alone, by a rule that sees those of all neighbours."""

    actions = ()
    agent_state_type = Health

    def agent_state(self, resident: Resident, rng: random.Random) -> Health:
        return Health(phase="infected" if rng.random() < 0.1 else "susceptible")

    def rule(self, observation: Observation, rng: random.Random) -> Health | None:
        is_near = any(one.state.phase == "infected" for one in observation.neighbours)
        return Health(phase="infected") if is_near else None

    def measures(self, society: SocietyView) -> dict[str, float]:
        return {"infected": sum(one.state.phase == "infected" for one in society.residents)}


def live(scenario: Scenario, out: Path, **options: Any) -> FinishedRun:
    growth = options.pop("growth", Growth(agents=AGENTS, hops=0))
    return Society(scenario, growth=growth, out=out, **{"steps": 3, **options}).run()


def test_a_rule_sees_all_ties_and_their_states_and_changes_its_own(tmp_path: Path) -> None:
    run = live(Epidemic(), tmp_path / "run.duckdb", network="complete")
    assert run.sql("SELECT DISTINCT neighbours, unseen FROM observations").rows == [(AGENTS - 1, 0)]
    assert run.sql("SELECT value FROM measures ORDER BY step").rows == [(AGENTS,)] * 3
    assert run.sql("SELECT count(*) FROM emissions").rows == [(0,)]
    with open_run(run.path) as reader:
        summary = summarise(reader)
    assert (summary.unseen, summary.silence) == ("", "")


def test_states_that_rules_give_are_those_of_one_snapshot(tmp_path: Path) -> None:
    run = live(Epidemic(), tmp_path / "run.duckdb", network="ring:2", steps=4)
    told = "SELECT agent, step FROM agent_state WHERE value = '\"infected\"'"
    since = dict(run.sql(told).rows)
    ring = nx.Graph(run.sql("SELECT source, target FROM network_ties").rows)
    distances = nx.multi_source_dijkstra_path_length(ring, [agent for agent, step in since.items() if step == 0])
    assert since == {agent: distance for agent, distance in distances.items() if distance <= 4}


def test_a_prompt_shows_some_of_all_ties_drawn_anew_in_each_step(tmp_path: Path) -> None:
    class Talk(Scenario):
        """Everybody talks."""

        actions = (DialogueLine,)

    run = live(Talk({"neighbours": 3}), tmp_path / "run.duckdb", network="complete", steps=2)
    assert run.sql("SELECT DISTINCT neighbours + unseen FROM observations").rows == [(AGENTS - 1,)]
    first = "SELECT agent, step, string_split(text, '<neighbours>')[2] FROM observations WHERE heard = 0"
    shown: dict[str, set[str]] = {}
    for agent, _, text in run.sql(first).rows:
        shown.setdefault(agent, set()).add(text)
    assert all(len(texts) > 1 for texts in shown.values() if len(texts) > 1)
    with open_run(run.path) as reader:
        assert summarise(reader).unseen.startswith("prompts showed only some of them in 60 of 60 turns")
    settings = {"neighbours": 80, "observation_tokens": 20_000}
    assert live(Talk(settings), tmp_path / "all.duckdb", network="complete", steps=1).sql(
        "SELECT DISTINCT neighbours, unseen FROM observations"
    ).rows == [(AGENTS - 1, 0)]


def test_an_observation_that_is_too_long_leaves_out_neighbours_and_counts_them() -> None:
    from populace.agents.observation import Seen

    many = tuple(Seen(f"n{n}", f"id{n}", "friend", "friendship", "A baker.") for n in range(1, 2001))
    view = Observation("a", "A miller.", "", neighbours=many).cap_tokens(1000)
    assert 0 < len(view.neighbours) < 200
    assert len(view.neighbours) + view.unseen == 2000
    assert len(Observation("a", "", "", neighbours=many[: len(view.neighbours) + 1]).text) > 4000


class Purse(State):
    """What an agent has."""

    coins_left: float = 12.5
    is_in_debt: bool = False
    friends: tuple[str, ...] = ()
    secret: int = Field(7, repr=False)


class Ask(Instruction):
    """A request."""

    novelty: ClassVar[Any] = "none"


class Clocked(Scenario):
    """Time is told by days."""

    actions = (Ask,)
    agent_state_type = Purse

    def clock(self, step: int) -> str:
        return ("Monday", "Tuesday", "Wednesday")[step - 1]

    def place(self, resident: Resident, world: World) -> str:
        return "at the mill" if world.step == 3 else ""


def test_agents_are_told_the_time_their_state_and_when_they_noted_something(tmp_path: Path) -> None:
    run = live(Clocked(), tmp_path / "run.duckdb")
    ((text,), *_) = run.sql("SELECT text FROM observations WHERE step = 3").rows
    assert text.startswith(
        "<now>\nIt is Wednesday, at the mill.\nCoins left: 12.5\nIs in debt: no\nFriends: none\n</now>\n\n<memory>\n"
        "- (Monday) You asked an assistant: "
    )
    assert "\n- (Tuesday) You asked an assistant: " in text
    assert "secret" not in text.lower()
    assert run.sql("SELECT DISTINCT step, time FROM memories ORDER BY step").rows == [
        (1, "Monday"), (2, "Tuesday"), (3, "Wednesday")
    ]  # fmt: skip


def test_a_setting_keeps_the_state_from_prompts(tmp_path: Path) -> None:
    run = live(Clocked({"tell_state": False}), tmp_path / "run.duckdb", steps=1)
    assert run.sql("SELECT DISTINCT text FROM observations").rows == [("<now>\nIt is Monday.\n</now>",)]


def test_a_clock_that_gives_no_text_is_named(tmp_path: Path) -> None:
    class Broken(Clocked):
        """A number is no time."""

        def clock(self, step: int) -> Any:
            return step

    with pytest.raises(HookError, match=r"`clock` of Broken failed.* it must give a str, and gave 1"):
        live(Broken(), tmp_path / "run.duckdb")


class Vote(Action):
    """A vote."""

    choice: Literal["yes", "no"]


class Rich(Scenario):
    """Groups follow from the state, which follows from an imported column."""

    actions = (Vote,)
    agent_state_type = Purse

    def agent_state(self, resident: Resident, rng: random.Random) -> Purse:
        return Purse(coins_left=float(resident.attributes["income"]))

    def group(self, resident: Resident) -> str:
        return "rich" if resident.state.coins_left > 50 else "poor"

    def rule(self, observation: Observation, rng: random.Random) -> Vote:
        return Vote(choice="yes" if float(observation.attributes["trust"]) > 3 else "no")

    def resolve(self, society: SocietyView, decisions: Any, levers: Levers) -> None:
        for one in society.residents:
            levers.set_state(one, coins_left=0)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten people with columns of their own."""
    folder = tmp_path_factory.mktemp("hub")
    with (folder / "people.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["persona", "income", "trust"])
        for number in range(10):
            table.writerow([f"A person who owns {number} boats and mends nets.", number * 10, number % 5 + 1])
    with filled_hub(folder / "hub.duckdb") as opened:
        list(import_files(opened, [folder / "people.csv"], ImportOptions(personal="ignore")))
    return folder / "hub.duckdb"


def test_imported_columns_are_there_for_states_groups_rules_sql_and_prompts(hub: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"growth": Growth(hub=hub, hops=0), "mind": "rule", "steps": 4}
    run = live(Rich(), tmp_path / "run.duckdb", **given)
    assert run.sql("SELECT group_name, count(*) FROM agents GROUP BY ALL ORDER BY 1").rows == [("poor", 6), ("rich", 4)]
    joined = """SELECT DISTINCT (attributes ->> 'trust')::INT > 3 AS trusts, payload ->> 'choice'
        FROM emissions JOIN agents USING (agent) ORDER BY trusts"""
    assert run.sql(joined).rows == [(False, "no"), (True, "yes")]

    half = Society(Rich(), out=tmp_path / "half.duckdb", **given)
    with half:
        half.run_for(2)
        half.interrupt()
    again = Society.resume(half.path, Rich).run()
    assert again.event_hash == run.event_hash
    groups = "SELECT agent, group_name FROM agents ORDER BY ordinal"
    assert again.sql(groups).rows == run.sql(groups).rows


def test_prompts_tell_the_columns_that_a_setting_names(hub: Path, tmp_path: Path) -> None:
    class Town(Scenario):
        """Everybody asks for something."""

    asked: list[str] = []

    class Told(Town):
        """Takes note of what prompts say."""

        def described(self, resident: Resident) -> str:
            asked.append(super().described(resident))
            return asked[-1]

    live(Told({"tell_attributes": "income,trust"}), tmp_path / "run.duckdb", growth=Growth(hub=hub, hops=0), steps=1)
    assert "A person who owns 3 boats and mends nets.\n\nKnown of this person: income: 30; trust: 4." in asked
    with pytest.raises(SetupError, match="names 'incom', and nobody was imported with such a column"):
        live(Town({"tell_attributes": "incom"}), tmp_path / "x.duckdb", growth=Growth(hub=hub, hops=0))
