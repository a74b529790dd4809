"""`Scenario.resolve` settles what all have decided in a step; the order of effects is drawn for each step."""

import random
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from lasting import check_lasting

from populace.agents.actions import Action
from populace.agents.observation import Observation
from populace.core.errors import HookError, SetupError
from populace.personas.persona import RelationKind
from populace.sim.dynamics.declared import Arrival, Intervention, Levers
from populace.sim.dynamics.world import State
from populace.sim.growth import Growth
from populace.sim.resident import SocietyView
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society

AGENTS, STEPS = 20, 6


class Purse(State):
    """What an agent has."""

    coins: float = 10


class Store(State):
    """What there is for all."""

    units: int = 10
    price: float = 0


class Give(Action):
    """Give coins to the common pot, or bid them."""

    name: ClassVar[str] = "give"
    novelty = "none"
    kind: Literal["give"]
    coins: int

    @property
    def emitted_text(self) -> str:
        return f"{self.coins} coins"

    def apply(self, effects: Any) -> None:
        if effects.world.state.units:
            effects.world.state.units -= 1
            effects.state.coins += 1


class Game(Scenario):
    """Everybody gives at once."""

    name = "game"
    actions = (Give,)
    agent_state_type = Purse
    world_state_type = Store

    def rule(self, observation: Observation, rng: random.Random) -> Give | None:
        return Give(kind="give", coins=rng.randint(0, 5))


class PublicGoods(Game):
    """What is given grows by a half and is shared by all."""

    def resolve(self, society: SocietyView, decisions: Any, levers: Levers) -> None:
        share = 1.5 * sum(one.action.coins for one in decisions) / len(decisions)
        for one in decisions:
            coins = society.resident(one.agent).state.coins
            levers.set_state(one.agent, coins=coins - one.action.coins + share)
        levers.announce(f"Each got {share:.1f}.")


class Auction(Game):
    """The highest bid wins and pays the second highest."""

    def resolve(self, society: SocietyView, decisions: Any, levers: Levers) -> None:
        bids = sorted(((one.action.coins, levers.rng.random(), one.agent) for one in decisions), reverse=True)
        (_, _, winner), (price, *_) = bids[:2]
        levers.set_state(winner, coins=society.resident(winner).state.coins - price)
        levers.set_world(price=price)
        levers.announce(f"You won at {price}.", to=[winner])


class Matching(Game):
    """Who gives alike is matched, two by two."""

    def resolve(self, society: SocietyView, decisions: Any, levers: Levers) -> None:
        ranked = sorted(decisions, key=lambda one: (one.action.coins, one.agent))
        for one, other in zip(ranked[::2], ranked[1::2], strict=False):
            levers.tie(one.agent, other.agent, RelationKind.FRIENDSHIP, f"partner {society.world.step}")


def live(scenario: Scenario, out: Path, **options: Any) -> FinishedRun:
    given = {"growth": Growth(agents=AGENTS, hops=0), "steps": STEPS, "mind": "rule", **options}
    return Society(scenario, out=out, **given).run()


def test_what_all_have_given_is_paid_in_the_same_step_and_the_last_round_too(tmp_path: Path) -> None:
    run = live(PublicGoods(), tmp_path / "run.duckdb")
    paid = run.sql(
        "SELECT step, count(*) FROM intervention_effects WHERE intervention = 'resolve' AND what = 'state' GROUP BY ALL"
    ).rows
    assert dict(paid)[STEPS] >= AGENTS - 1
    (given,) = run.sql("SELECT sum((payload ->> 'coins')::INT) FROM emissions").rows[0]
    last = "FROM agent_state QUALIFY step = max(step) OVER (PARTITION BY agent)"
    (held,) = run.sql(f"SELECT sum(value::DOUBLE) FROM ({last})").rows[0]
    assert held == pytest.approx(AGENTS * 10 + 10 + 0.5 * given)


def test_bids_are_settled_with_prices_and_news_for_the_winner(tmp_path: Path) -> None:
    run = live(Auction(), tmp_path / "run.duckdb")
    rows = run.sql(
        "SELECT step, what, agent IS NULL, field FROM intervention_effects WHERE step = 1 ORDER BY ordinal"
    ).rows
    assert {(1, "world", True, "news"), (1, "world", True, "state.price")} <= set(rows)
    second = """SELECT step, (payload ->> 'coins')::INT AS coins FROM emissions
        QUALIFY row_number() OVER (PARTITION BY step ORDER BY coins DESC) = 2"""
    assert dict(run.sql(second).rows) == dict(
        run.sql("SELECT step, (world_state ->> '$.state.price')::DOUBLE FROM steps").rows
    )


def test_ties_of_a_matching_hold_from_the_next_step_on(tmp_path: Path) -> None:
    run = live(Matching(), tmp_path / "run.duckdb")
    seen = run.sql("SELECT step, max(neighbours) FROM observations GROUP BY step ORDER BY step").rows
    assert seen[:2] == [(1, 0), (2, 1)]
    assert run.sql("SELECT DISTINCT resolved FROM relation_changes").rows == [(True,)]


@pytest.mark.parametrize("scenario", [PublicGoods, Auction, Matching])
def test_what_was_resolved_lasts(scenario: type[Scenario], tmp_path: Path) -> None:
    def begin(out: Path) -> Society:
        return Society(scenario(), out=out, growth=Growth(agents=AGENTS, hops=0), steps=STEPS, mind="rule")

    late = "SELECT step, agent, field, after FROM intervention_effects ORDER BY step, ordinal"
    check_lasting(begin(tmp_path / "whole.duckdb").run(), scenario, begin, tmp_path, late, stop=3, at=2)


def test_what_is_resolved_draws_by_seed(tmp_path: Path) -> None:
    class Drawn(Game):
        """One is drawn each step."""

        def resolve(self, society: SocietyView, decisions: Any, levers: Levers) -> None:
            levers.set_state(levers.rng.choice(levers.residents), coins=levers.rng.random())

    run = live(Drawn(), tmp_path / "run.duckdb")
    drawn = "SELECT count(DISTINCT agent) FROM intervention_effects WHERE what = 'state' GROUP BY step"
    assert run.sql(drawn).rows == [(1,)] * STEPS


def test_nobody_comes_while_a_step_is_resolved(tmp_path: Path) -> None:
    class Late(Game):
        """Somebody comes too late."""

        def resolve(self, society: SocietyView, decisions: Any, levers: Levers) -> None:
            levers.arrive(Arrival(persona="A smith."))

    with pytest.raises(HookError, match=r"resolve.* nobody comes once a step has begun; give .*`arrivals`"):
        live(Late(), tmp_path / "run.duckdb")


def test_an_intervention_cannot_be_called_as_what_is_resolved() -> None:
    with pytest.raises(SetupError, match="cannot be called 'resolve'"):
        Intervention(1, "resolve", "News.")


def units(run: FinishedRun) -> list[frozenset[str]]:
    """Who got a unit, by step."""
    rows = run.sql(
        "SELECT step, list(agent ORDER BY agent) FROM emissions WHERE emission % ? BETWEEN 1 AND 10 GROUP BY step",
        (AGENTS,),
    ).rows
    return [frozenset(agents) for _, agents in rows]


class Scarce(Game):
    """Ten units each step, for those who come first."""

    def resolve(self, society: SocietyView, decisions: Any, levers: Levers) -> None:
        levers.set_world(units=10)


class ScarceInOrder(Scarce):
    """The same with a fixed order."""

    order = "fixed"


def test_the_order_of_effects_is_drawn_for_each_step(tmp_path: Path) -> None:
    run = live(Scarce(), tmp_path / "run.duckdb", steps=20)
    got = units(run)
    assert len(set(got)) > 15
    assert len(frozenset().union(*got)) == AGENTS
    order = run.sql("SELECT agent FROM emissions WHERE step = 1 ORDER BY emission").rows
    assert order != run.sql("SELECT agent FROM agents ORDER BY ordinal").rows


def test_a_scenario_can_fix_the_order(tmp_path: Path) -> None:
    assert len(set(units(live(ScarceInOrder(), tmp_path / "run.duckdb", steps=20)))) == 1


def test_an_order_that_is_none_is_refused() -> None:
    class Odd(Game):
        """No order."""

        order: ClassVar[Any] = "first"

    with pytest.raises(SetupError, match="order 'first'; give drawn or fixed"):
        Society(Odd())
