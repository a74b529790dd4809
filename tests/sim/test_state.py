"""What actions do to the state of agents and of the world, and where it is kept."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from lasting import check_lasting
from pydantic import ValidationError

from populace.agents.actions import Action, ActionEffects, DialogueLine
from populace.agents.checks import CheckContext, CheckResult, failed, passed
from populace.agents.memory import Memory
from populace.agents.mind import Rule
from populace.agents.observation import Observation
from populace.core.errors import HookError
from populace.personas.persona import Persona
from populace.sim.dynamics.declared import Intervention
from populace.sim.dynamics.world import State, World
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.resident import Resident, SocietyView
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society

type Live = Callable[..., FinishedRun]


class Purse(State):
    """What an agent owns."""

    coins: int = 5
    spent_on: tuple[str, ...] = ()


class Market(State):
    """What the market knows."""

    sold: int = 0
    price: float = 1.0


class IsLoud:
    """A check that always fails once the price has risen."""

    name, version, revises = "is_loud", 3, False

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Failed above the first price."""
        return failed("Too dear.", 0.5) if context.observation.world_state.price > 1 else passed()


class Buy(Action):
    """Buy one thing at the market."""

    name: ClassVar[str] = "buy"
    checks = (IsLoud(),)
    kind: Literal["buy"]
    thing: Literal["bread", "rope"]

    @property
    def emitted_text(self) -> str:
        """The thing."""
        return self.thing

    def apply(self, effects: ActionEffects) -> None:
        """A coin changes hands; from the first sale in a step on, everybody hears of it."""
        effects.state.coins -= 1
        effects.state.spent_on = (*effects.state.spent_on, self.thing)
        effects.world.state.sold += 1


class Give(DialogueLine):
    """Say something kind to somebody, and give them a coin."""

    name: ClassVar[str] = "give"
    novelty = "none"
    kind: Literal["give"]  # type: ignore[assignment]

    def apply(self, effects: ActionEffects) -> None:
        """The line is said, and a coin is given."""
        super().apply(effects)
        effects.state.coins -= 1
        effects.state_of(self.to).coins += 1


class Trading(Scenario):
    """People buy and give."""

    name = "trading"
    actions: tuple[type[Action], ...] = (Buy, Give)
    agent_state_type = Purse
    world_state_type = Market
    interventions = (Intervention(2, "dearth", "Bread is dear.", lambda world: setattr(world.state, "price", 2.0)),)

    def agent_state(self, resident: Resident, rng: random.Random) -> Purse:
        """Some are richer than others."""
        return Purse(coins=rng.randint(3, 9))

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """All coins, and all sales."""
        return {"coins": sum(r.state.coins for r in society.residents), "sold": society.world.state.sold}


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Four steps of trade; never to be written to."""
    out = tmp_path_factory.mktemp("traded") / "run.duckdb"
    return Society(Trading(), growth=Growth(agents=12, hops=1), out=out, steps=4).run()


def test_actions_change_states_which_are_rows_and_measures(traded: FinishedRun) -> None:
    run = traded
    valid = "emission NOT IN (SELECT emission FROM checks WHERE outcome = 'failed')"
    sql = f"SELECT count_if(kind = 'buy'), count_if(kind = 'give') FROM emissions WHERE {valid}"
    bought, given = run.sql(sql).rows[0]
    assert bought
    assert given
    begun, ended = (
        f"SELECT sum(coins::INT) FROM (SELECT {which}(value, step) AS coins FROM agent_state WHERE name = 'coins' "
        "GROUP BY agent)"
        for which in ("arg_min", "arg_max")
    )
    assert run.sql(f"SELECT ({begun}) - ({ended})").rows == [(bought,)]
    assert run.sql("SELECT value FROM measures WHERE name = 'sold' ORDER BY step DESC LIMIT 1").rows == [(bought,)]
    assert run.sql("SELECT world_state->>'$.state.sold' FROM steps ORDER BY step DESC LIMIT 1").rows == [(str(bought),)]
    assert run.sql("SELECT count(*) FROM messages").rows == [(given,)]
    assert run.sql("SELECT count(*) FROM agent_state WHERE step = 0").rows == [(24,)]


class IsHalf:
    """A check that fails for half of the agents."""

    name, version, revises = "is_half", 1, False

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Failed for agents whose id begins with a small digit."""
        return failed("Not this one.") if context.observation.agent[0] in "01234567" else passed()


class Line(DialogueLine):
    """One spoken line."""

    checks = (IsHalf(),)


class Talk(Scenario):
    """Agents speak, and half of their lines fail a check."""

    name = "talk"
    actions = (Line,)

    def measures(self, society: SocietyView) -> dict[str, float]:
        return {"lines": len(society.emitted_this_step)}


def test_a_line_that_fails_a_check_is_kept_and_neither_heard_nor_remembered_nor_measured(tmp_path: Path) -> None:
    growth, out = Growth(agents=12, hops=0), tmp_path / "run.duckdb"
    run = Society(Talk(), growth=growth, out=out, network="complete", steps=2).run()
    valid = "agent[1] NOT IN ('0', '1', '2', '3', '4', '5', '6', '7')"
    ((lines, heard),) = run.sql(f"SELECT count(*), count_if({valid}) FROM emissions").rows
    assert 0 < heard < lines
    assert run.sql("SELECT count(*) FROM messages JOIN emissions USING (emission)").rows == [(heard,)]
    assert run.sql("SELECT count(*) FROM memories WHERE kind = 'said'").rows == [(heard,)]
    assert run.sql("SELECT sum(value) FROM measures").rows == [(heard,)]


def test_checks_are_rows_beside_the_emissions_that_they_judge(traded: FinishedRun) -> None:
    run = traded
    found = run.sql(
        'SELECT step, "check", outcome, reason, score, version, count(*) FROM checks JOIN emissions USING (emission) '
        "WHERE kind = 'buy' GROUP BY ALL ORDER BY step"
    ).rows
    assert [row[:6] for row in found] == [
        (1, "is_loud", "passed", "", None, 3),
        *((step, "is_loud", "failed", "Too dear.", 0.5, 3) for step in (2, 3, 4)),
    ]
    assert run.sql("SELECT count(*) FROM emissions WHERE kind = 'buy'").rows == [(sum(row[6] for row in found),)]


def test_states_last(traded: FinishedRun, tmp_path: Path) -> None:
    def begin(out: Path) -> Society:
        return Society(Trading(), growth=Growth(agents=12, hops=1), out=out, steps=4)

    check_lasting(traded, Trading, begin, tmp_path, "FROM agent_state ORDER BY ALL")


class Late(State):
    """A time that no row can hold."""

    due: float = inf


def test_a_state_holds_no_number_that_would_be_lost_in_its_row(live: Live) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Late().due = nan
    with pytest.raises(HookError, match="due is inf, which the run file cannot hold"):
        live(scenario=type("Waiting", (Trading,), {"agent_state_type": Late, "agent_state": Scenario.agent_state})())


def test_what_a_state_cannot_be_is_an_error_of_its_author(live: Live) -> None:
    class Broke(Trading):
        def agent_state(self, resident: Resident, rng: random.Random) -> Any:
            return {"coins": 3}

    with pytest.raises(HookError, match="`agent_state` of Broke failed with TypeError: it must give a state"):
        live(scenario=Broke())

    class Debt(Buy):
        def apply(self, effects: ActionEffects) -> None:
            effects.state.coins = "many"

    class Indebted(Trading):
        actions = (Debt,)

    with pytest.raises(HookError, match=r"Debt failed with ValidationError: coins: input .*'many' was given\. "):
        live("debt", scenario=Indebted())


class Ruled(Trading):
    """Everybody who has coins buys; nobody asks a model."""

    name = "ruled"
    actions = (Buy,)

    def mind(self) -> Rule:
        """By the state alone."""
        return self.decide

    def decide(self, observation: Observation, rng: random.Random) -> Action | None:
        """Buy while there are more than three coins, and at the first price."""
        if observation.state.coins <= 3 or observation.world_state.price > 1:
            return None
        return Buy(kind="buy", thing=rng.choice(("bread", "rope")))


def test_a_rule_decides_without_any_call_through_the_same_step_and_log(live: Live, tmp_path: Path) -> None:
    run = live("ruled", scenario=Ruled(), agents=12, hops=1, steps=3)
    assert run.sql("SELECT count(*) FROM calls WHERE phase = 'step'").rows == [(0,)]
    assert run.sql("SELECT active, acted > 0, failed FROM steps ORDER BY step").rows == [
        (12, True, 0),
        (12, False, 0),
        (12, False, 0),
    ]
    assert run.sql("SELECT DISTINCT model, prompt FROM emissions").rows == [("rule", "rule")]
    assert live("again", scenario=Ruled(), agents=12, hops=1, steps=3, max_in_flight=1).event_hash == run.event_hash
    assert replay(run.path, Ruled).difference == ""


def test_a_rule_that_fails_is_named(live: Live) -> None:
    class Failing(Ruled):
        def decide(self, observation: Observation, rng: random.Random) -> Action | None:
            raise KeyError("coins")

    with pytest.raises(HookError, match="`decide` of Failing failed with KeyError: 'coins'"):
        live(scenario=Failing())


def test_memory_and_observation_are_a_scenarios_own(live: Live, tmp_path: Path) -> None:
    class Forgetful(Memory):
        def recall(self, cue: str, count: int, *, vector: Any = None, without: Any = ()) -> tuple[str, ...]:
            return ("Nothing that I remember.",)

    class Blind(Trading):
        def memory(self, persona: Persona) -> Memory:
            return Forgetful(self.settings.memory)

        def observe(self, resident: Resident, observation: Observation, world: World) -> Observation:
            return replace(observation, neighbours=(), heard=(), news=())

    run = live(scenario=Blind(), agents=12, hops=1, steps=2)
    text = "<memory>\n- Nothing that I remember.\n</memory>"
    assert run.sql("SELECT DISTINCT regexp_replace(text, '(?s)<now>.*</now>\\s*', '') FROM observations").rows == [
        (text,)
    ]
    assert run.sql("SELECT count_if(kind = 'give') FROM emissions").rows == [(0,)]
