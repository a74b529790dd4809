"""Interventions: on a step or a condition, for all or some; what they change is in rows, hash, resume and replay."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import networkx as nx
import pytest

from populace.agents.actions import Action
from populace.agents.observation import Observation
from populace.core.errors import HookError, SetupError
from populace.personas.hub import create_hub
from populace.personas.persona import RelationKind, content_id
from populace.scenarios.math.task import Math
from populace.scenarios.village import Village
from populace.sim.dynamics.declared import Intervention, Levers
from populace.sim.dynamics.world import State
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.resident import Resident, SocietyView
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario, check_interventions
from populace.sim.society import Society

TRADES = ("baker", "miller", "aunt", "smith")
BAKER, MILLER, AUNT, SMITH = (content_id(f"A {trade} of the town.") for trade in TRADES)
STEPS = 6


class Opinion(State):
    """What an agent holds."""

    trust: int = 0


class Market(State):
    """What things cost."""

    price: float = 1.0


class Tell(Action):
    """Tell a neighbour, who trusts the teller more."""

    name: ClassVar[str] = "tell"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["tell"]
    to: str
    text: str

    @property
    def emitted_text(self) -> str:
        return self.text

    def apply(self, effects: Any) -> None:
        super().apply(effects)
        effects.state_of(self.to).trust += 1


def trust(society: SocietyView) -> int:
    return sum(resident.state.trust for resident in society.residents)


def subsidy(levers: Levers) -> None:
    """Prices fall, one trusts more, a tie is made and another broken."""
    levers.set_world(price=0.5)
    for resident in levers.residents:
        levers.set_state(resident, trust=10)
    levers.tie(SMITH, AUNT, RelationKind.FRIENDSHIP, "friend", weight=2.0)
    levers.untie(BAKER, SMITH)


def peace(levers: Levers) -> None:
    levers.unblock(MILLER)
    levers.unblock(BAKER, AUNT)


class Town(Scenario):
    """Everybody tells somebody, each step."""

    name = "town"
    actions = (Tell,)
    agent_state_type = Opinion
    world_state_type = Market
    interventions: Any = (
        Intervention(2, "fire", "The mill burns.", lambda levers: levers.block(MILLER)),
        Intervention(2, "whisper", "Between us.", to=lambda one: "baker" in one.persona.text),
        Intervention(3, "quarrel", effect=lambda levers: levers.block(BAKER, AUNT)),
        Intervention(name="subsidy", when=lambda society: trust(society) > 8, to="women", effect=subsidy),
        Intervention(name="tax", when=lambda society: society.world.step > 4, again=True,
                     effect=lambda levers: levers.set_world(price=levers.world.state.price + 1)),
        Intervention(5, "peace", "Peace.", peace),
    )  # fmt: skip

    def group(self, resident: Resident) -> str | None:
        return "women" if "aunt" in resident.persona.text or "baker" in resident.persona.text else None

    def mind(self):  # type: ignore[no-untyped-def]
        return tell


def tell(observation: Observation, rng: random.Random) -> Tell | None:
    if not observation.addressees:
        return None
    to = rng.choice(observation.addressees) if observation.step > 1 else observation.addressees[0]
    return Tell(kind="tell", to=to, text=f"So I heard in {observation.step}.")


@pytest.fixture(scope="module")
def growth(tmp_path_factory: pytest.TempPathFactory) -> Growth:
    """Four people, all of whom know the baker."""
    hub = tmp_path_factory.mktemp("hub") / "hub.duckdb"
    with create_hub(hub) as made:
        people = [[one, n, f"A {one} of the town.", "import", 0, "und"] for n, one in enumerate(TRADES)]
        made.con.executemany(
            "INSERT INTO personas (id, ordinal, text, origin, hop, language) VALUES (?, ?, ?, ?, ?, ?)", people
        )
        made.con.execute(
            "INSERT INTO relations (ordinal, source, target, kind, label, hop) VALUES "
            "(1, 'baker', 'miller', 'trade', 'miller', 1), (2, 'baker', 'aunt', 'kinship', 'aunt', 1), "
            "(3, 'baker', 'smith', 'trade', 'smith', 1)"
        )
    return Growth(hub=hub, hops=0)


@pytest.fixture(scope="module")
def whole(growth: Growth, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A town that has lived all its steps; never to be written to."""
    return Society(Town(), growth=growth, out=tmp_path_factory.mktemp("town") / "run.duckdb", steps=STEPS).run()


def effects(run: FinishedRun, name: str) -> list[tuple[Any, ...]]:
    return run.sql(
        "SELECT step, what, agent, other, field, before, after FROM intervention_effects WHERE intervention = ? "
        "ORDER BY step, ordinal",
        (name,),
    ).rows


def test_an_intervention_comes_once_its_condition_holds_or_each_time(whole: FinishedRun) -> None:
    came = whole.sql("SELECT name, list(step ORDER BY step), any_value(news) FROM interventions GROUP BY name").rows
    ((subsidised,),) = whole.sql("SELECT step FROM interventions WHERE name = 'subsidy'").rows
    assert {name: (steps, news) for name, steps, news in came} == {
        "fire": ([2], "The mill burns."),
        "whisper": ([2], "Between us."),
        "quarrel": ([3], None),
        "subsidy": ([subsidised], None),
        "tax": ([5, 6], None),
        "peace": ([5], "Peace."),
    }
    assert 2 < subsidised < 5


def test_what_an_intervention_changed_is_logged_field_by_field(whole: FinishedRun) -> None:
    ((subsidised,),) = whole.sql("SELECT step FROM interventions WHERE name = 'subsidy'").rows
    found = effects(whole, "subsidy")
    assert {row[0] for row in found} == {subsidised}
    assert [row[1:] for row in found if row[1] in ("assigned", "tie", "world")] == [
        ("assigned", BAKER, None, None, None, None),
        ("assigned", AUNT, None, None, None, None),
        ("tie", SMITH, AUNT, "friend", None, "2.0"),
        ("tie", BAKER, SMITH, "smith", "1.0", None),
        ("world", None, None, "state.price", "1.0", "0.5"),
    ]
    states = {row[2]: (row[4], row[6]) for row in found if row[1] == "state"}
    assert states == {BAKER: ("trust", "10"), AUNT: ("trust", "10")}
    assert [row[4:] for row in effects(whole, "tax")] == [("state.price", "0.5", "1.5"), ("state.price", "1.5", "2.5")]
    changed = "SELECT source, target, change, weight, emission FROM relation_changes ORDER BY step, ordinal"
    assert whole.sql(changed).rows == [(SMITH, AUNT, "added", 2.0, None), (BAKER, SMITH, "removed", 0.0, None)]


def test_news_is_heard_by_those_it_is_meant_for_alone(whole: FinishedRun) -> None:
    heard = "SELECT step, agent FROM observations WHERE contains(text, 'Between us.') ORDER BY step"
    assert whole.sql(heard).rows == [(2, BAKER), (3, BAKER)]
    assert effects(whole, "whisper") == [(2, "assigned", BAKER, None, None, None, None)]


def test_who_is_blocked_takes_no_turn_and_is_neither_seen_nor_heard(whole: FinishedRun) -> None:
    assert whole.sql("SELECT list(step ORDER BY step) FROM observations WHERE agent = ?", (MILLER,)).rows == [
        ([1, 5, 6],)
    ]
    seen = "SELECT DISTINCT step FROM observations WHERE agent = ? AND contains(text, ?) ORDER BY step"
    assert whole.sql(seen, (BAKER, "(miller, trade)")).rows == [(1,), (5,), (6,)]
    assert whole.sql(seen, (BAKER, "(aunt, kinship)")).rows == [(1,), (2,), (5,), (6,)]
    assert whole.sql("SELECT step, agent, other, since FROM blocks ORDER BY ALL").rows == [
        (2, MILLER, None, 2),
        *sorted([(3, MILLER, None, 2), (3, min(BAKER, AUNT), max(BAKER, AUNT), 3)]),
        *sorted([(4, MILLER, None, 2), (4, min(BAKER, AUNT), max(BAKER, AUNT), 3)]),
    ]
    assert effects(whole, "fire") == [(2, "block", MILLER, None, None, "false", "true")]


def test_a_line_that_a_block_holds_back_is_heard_afterwards(whole: FinishedRun) -> None:
    held = whole.sql("SELECT text FROM messages WHERE step = 1 AND recipient = ?", (MILLER,)).rows
    ((heard,),) = whole.sql("SELECT text FROM observations WHERE step = 5 AND agent = ?", (MILLER,)).rows
    assert held
    assert all(text in heard for (text,) in held)


def test_a_lever_is_an_event(growth: Growth, whole: FinishedRun, tmp_path: Path) -> None:
    class Unlike(Town):
        interventions = (*Town.interventions[1:], Intervention(6, "end", effect=lambda levers: levers.block(SMITH)))

    unlike = fork(whole.path, Unlike, at=5, out=tmp_path / "fork.duckdb").run()
    assert unlike.event_hash != whole.event_hash
    steps = "SELECT step, event_hash FROM steps WHERE step < 6 ORDER BY step"
    assert unlike.sql(steps).rows == whole.sql(steps).rows


def raises(society: SocietyView) -> bool:
    raise ZeroDivisionError("no trust")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Intervention(name="flood", when=raises, news="x"), "`interventions: flood` of Wrong failed with ZeroDivision"),
        (Intervention(1, "x", "x", to="men"), "nobody is in the group 'men'; there are: women"),
        (Intervention(1, "x", "x", to=("ada",)), "it is meant for 'ada', and no agent has that id"),
        *(
            pytest.param(Intervention(1, "x", effect=effect), said, marks=pytest.mark.slow)
            for effect, said in (
                (lambda levers: levers.block("ada"), "no agent has the id 'ada'"),
                (lambda levers: levers.set_world(prize=2), "prize"),
                (lambda levers: levers.blok(BAKER), "neither the levers"),
                (lambda levers: levers.tie(BAKER, BAKER, RelationKind.TRADE, "x"), "given twice"),
            )
        ),
    ],
)
def test_what_fails_is_named(growth: Growth, tmp_path: Path, wrong: Intervention, said: str) -> None:
    class Wrong(Town):
        interventions = (wrong,)

    with pytest.raises(HookError) as error:
        Society(Wrong(), growth=growth, out=tmp_path / "run.duckdb", steps=1).run()
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Intervention(1, "x"), "changes nothing"),
        (lambda: Intervention(1, "x", "y", when=raises), "takes neither `at`"),
        (lambda: Intervention(name="x", news="y", when=3), "to come when 3"),  # type: ignore[arg-type]
        (lambda: Intervention(1, "x", "y", again=True), "needs a condition"),
    ],
)
def test_what_no_intervention_can_be_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        make()


def test_two_conditions_of_one_name_are_refused() -> None:
    class Twice(Town):
        interventions = (Intervention(name="x", news="y", when=raises),) * 2

    with pytest.raises(SetupError, match="Two interventions with a condition are called 'x'"):
        check_interventions(Twice(), 3)


@pytest.mark.slow
def test_a_fork_differs_exactly_where_a_block_can_have_been_felt(tmp_path: Path) -> None:
    class Ring(Town):
        """A ring of people, each of whom tells a neighbour; the first falls silent in step 3 of the fork."""

        interventions: Any = ()

    class Silenced(Ring):
        interventions = (Intervention(3, "gag", effect=lambda levers: levers.block(levers.society.residents[0])),)

    growth, network = Growth(agents=12, hops=0), "ring:2"
    lived = Society(Ring(), growth=growth, network=network, out=tmp_path / "run.duckdb", steps=5).run()
    forked = fork(lived.path, Silenced, at=2, out=tmp_path / "fork.duckdb").run()
    agents = [agent for (agent,) in lived.sql("SELECT agent FROM agents ORDER BY ordinal").rows]
    ties = nx.Graph(lived.sql("SELECT source, target FROM ties").rows)
    away = nx.single_source_shortest_path_length(ties, agents[0])
    seen = "SELECT agent, text FROM observations WHERE step = ?"
    reached = {}
    for step in range(1, 6):
        before, after = (dict(run.sql(seen, (step,)).rows) for run in (lived, forked))
        reached[step] = max((away[agent] for agent in agents if before.get(agent) != after.get(agent)), default=-1)
    # Its neighbours no longer see it at once; whom they tell instead hears of it a step later.
    assert reached[1] == reached[2] == -1
    assert reached[3] == 1
    assert 1 <= reached[4] <= 2
    assert reached[4] <= reached[5] <= 3


def test_scenarios_that_use_nothing_of_this_have_the_hashes_they_had(tmp_path: Path) -> None:
    """Those before societies could change; where the stand-in or a prompt changes on purpose, so do these."""
    settings = {"flood_at": 2, "ferry_after": 2}
    village = Society(Village(settings), growth=Growth(agents=14, hops=1), out=tmp_path / "village.duckdb", steps=5)
    task = Society(Math({"n": 6}), growth=Growth(agents=8, hops=0), out=tmp_path / "task.duckdb", steps=2)
    assert village.run().event_hash == "c06d0ac592c2d8cfc232e350e98314f983c8d7d7c0bac3a5df2b79c3ca370017"
    assert task.run().event_hash == "5779c1955b767c514805a47894de4eb1e4a4509ab4fcd58e4ae9381026f2601b"
