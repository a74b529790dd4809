"""Ties that actions change: on the graph, in rows, in the event hash, and again after resume, replay and fork."""

import random
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from populace.agents.actions import Action, ActionEffects
from populace.agents.observation import Observation
from populace.core.errors import HookError
from populace.personas.persona import Persona, Relation, RelationKind
from populace.personas.population import PersonaGraph
from populace.sim.dynamics.declared import Intervention
from populace.sim.growth import Growth
from populace.sim.resident import SocietyView
from populace.sim.scenario import Scenario
from populace.sim.society import Society

CHANGES = "SELECT step, change, weight FROM relation_changes ORDER BY step, ordinal"
STEPS = 4


class Meet(Action):
    """Take to a neighbour, or fall out with them."""

    name: ClassVar[str] = "meet"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["meet"]
    to: str
    likes: bool

    @property
    def emitted_text(self) -> str:
        return "I like you." if self.likes else "Go away."

    def apply(self, effects: ActionEffects) -> None:
        super().apply(effects)
        if self.likes:
            effects.tie(self.to, RelationKind.FRIENDSHIP, "friend")
        else:
            effects.untie(self.to)


class Town(Scenario):
    """Who takes to whom?"""

    name = "town"
    actions = (Meet,)

    @property
    def interventions(self) -> tuple[Intervention, ...]:  # type: ignore[override]
        """For a step, neighbours do not meet."""
        kind = RelationKind.NEIGHBOURHOOD
        return (
            Intervention(2, "curfew", "Stay at home.", lambda world: world.suspend(kind), optional=True),
            Intervention(4, "no curfew", "Go out.", lambda world: world.restore(kind), optional=True),
        )

    def measures(self, society: SocietyView) -> dict[str, float]:
        """The weights of all ties, as the graph has them."""
        graph = society.graph
        return {
            "weight": sum(edge.get("weight", 1.0) for *_, edge in graph.nx.edges(data=True)),
            "seen": sum(tie.weight for one in graph.personas for tie in graph.neighbours(one.id)),
        }

    def mind(self):  # type: ignore[no-untyped-def]
        return meet


def meet(observation: Observation, rng: random.Random) -> Meet | None:
    if not observation.addressees:
        return None
    return Meet(kind="meet", to=rng.choice(observation.addressees), likes=rng.random() < 0.7)


def society(out: Path, scenario: Scenario | None = None, **options: object) -> Society:
    growth = Growth(agents=14, hops=1)
    return Society(scenario or Town(), growth=growth, out=out, **{"steps": STEPS, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town that has lived all its steps; never to be written to."""
    return society(tmp_path_factory.mktemp("ties") / "run.duckdb").run().path


def sql(path: Path, query: str) -> list[tuple[Any, ...]]:
    from populace.sim.runfile.reader import open_run

    with open_run(path) as run:
        return run.query(query).rows


def test_ties_are_added_strengthened_and_removed_and_growth_stays_as_it_was(whole: Path) -> None:
    changes = {change for _, change, _ in sql(whole, CHANGES)}
    assert changes == {"added", "strengthened", "removed"}
    assert sql(whole, "SELECT count(*) FROM relations WHERE label = 'friend' AND hop IS NULL") == [(0,)]
    assert sql(whole, "SELECT count(*) FROM relation_changes AS c ANTI JOIN emissions USING (emission)") == [(0,)]


def test_graph_and_the_view_agree_on_the_ties(whole: Path) -> None:
    measured: dict[int, dict[str, float]] = {step: {} for step in range(1, STEPS + 1)}
    for step, name, value in sql(whole, "SELECT step, name, value FROM measures"):
        measured[step][name] = value
    for of_step in measured.values():
        assert of_step["seen"] == 2 * of_step["weight"]
    assert len({of_step["weight"] for of_step in measured.values()}) > 1
    ((weight,),) = sql(whole, "SELECT sum(weight) FROM ties")
    assert weight == measured[STEPS]["weight"]


def test_a_change_of_ties_is_an_event(whole: Path, tmp_path: Path) -> None:
    class Stronger(Meet):
        """Take to a neighbour at once."""

        def apply(self, effects: ActionEffects) -> None:
            if self.likes:
                effects.say(self.to, self.emitted_text)
                effects.tie(self.to, RelationKind.FRIENDSHIP, "friend", weight=2.0)
            else:
                super().apply(effects)

    class Other(Town):
        actions = (Stronger,)

        def mind(self):  # type: ignore[no-untyped-def]
            return lambda seen, rng: (met := meet(seen, rng)) and Stronger(**met.model_dump())

    other = society(tmp_path / "run.duckdb", Other(), steps=1).run()
    assert other.event_hash != sql(whole, "SELECT event_hash FROM steps WHERE step = 1")[0][0]
    assert other.sql("SELECT text FROM emissions ORDER BY emission").rows == sql(
        whole, "SELECT text FROM emissions WHERE step = 1 ORDER BY emission"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda effects: effects.tie("n1", "enmity", "foe"), "'enmity' is not a valid RelationKind"),
        (lambda effects: effects.tie("n1", "friendship", " "), "needs a label"),
        (lambda effects: effects.tie("n1", "friendship", "friend", weight=0), "a weight above 0"),
        (lambda effects: effects.untie("n99"), "KeyError"),
    ],
)
def test_a_tie_that_cannot_be_is_an_error_of_the_action(tmp_path: Path, change: object, said: str) -> None:
    class Wrong(Meet):
        """Take to nobody."""

        def apply(self, effects: ActionEffects) -> None:
            change(effects)  # type: ignore[operator]

    class Wrongly(Town):
        actions = (Wrong,)
        interventions = ()

        def mind(self):  # type: ignore[no-untyped-def]
            return lambda seen, rng: (met := meet(seen, rng)) and Wrong(**met.model_dump())

    with pytest.raises(HookError, match="`apply` of Wrong failed") as error:
        society(tmp_path / "run.duckdb", Wrongly(), steps=1).run()
    assert said in str(error.value)


def test_a_graph_adds_changes_and_removes_a_tie() -> None:
    ada, ben = Persona("Ada, a baker."), Persona("Ben, a miller.")
    graph = PersonaGraph({p.id: p for p in (ada, ben)}, [Relation(ada.id, ben.id, RelationKind.TRADE, "miller")])
    graph.set_tie(ben.id, ada.id, RelationKind.FRIENDSHIP, "friend", 1.0)
    graph.set_tie(ada.id, ben.id, RelationKind.TRADE, "miller", 3.0)
    assert [(tie.label, tie.outgoing, tie.weight) for tie in graph.neighbours(ada.id)] == [
        ("miller", True, 3.0), ("friend", False, 1.0)
    ]  # fmt: skip
    graph.set_tie(ada.id, ben.id, RelationKind.TRADE, "miller", 0.0)
    assert [tie.label for tie in graph.neighbours(ben.id)] == ["friend"]
    assert graph.nx.number_of_edges() == 1
