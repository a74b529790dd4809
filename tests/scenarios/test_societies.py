"""The scenarios of societies that ship, each with the stand-in and by its rule."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from populace.agents.named_mind import MindName
from populace.scenarios.product_launch import ProductLaunch
from populace.scenarios.public_consultation import GROUPS, PublicConsultation
from populace.scenarios.rumour import Rumour
from populace.sim.growth import Growth
from populace.sim.observe import observe
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import GrowthOnly, Scenario
from populace.sim.society import Society
from populace.sim.survey.phase import SurveyPhase

if TYPE_CHECKING:
    from populace.sim.jobs.loop import Chunks

type Live = Callable[..., FinishedRun]
type Rows = Sequence[tuple[Any, ...]]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "people.duckdb"
    Society(GrowthOnly(), growth=Growth(agents=32, hops=2), seed=1, out=path).run()
    return path


@pytest.fixture
def live(people: Path, tmp_path: Path) -> Live:
    """A run of a scenario with 32 people."""

    def run(scenario: Scenario, *, mind: MindName | None = "rule", steps: int = 6) -> FinishedRun:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb"
        growth = Growth(hub=people, agents=None, hops=0)
        return Society(scenario, growth=growth, mind=mind, steps=steps, seed=1, out=path).run()

    return run


def settings_of(scenario: type[Scenario]) -> dict[str, Any]:
    return {"asked_at": (1, 3)} if scenario is PublicConsultation else {}


#: One that a rule decides, and one that a model decides.
QUICK = ((Rumour, "rule"), (ProductLaunch, None))
BOTH = [
    pytest.param(scenario, mind, marks=() if (scenario, mind) in QUICK else pytest.mark.slow)
    for scenario in (Rumour, ProductLaunch, PublicConsultation)
    for mind in (None, "rule")
]


@pytest.mark.parametrize(("scenario", "mind"), BOTH)
def test_a_scenario_gives_the_same_run_with_the_same_seed(
    live: Live, scenario: type[Scenario], mind: MindName | None
) -> None:
    first, second = (live(scenario(settings_of(scenario)), mind=mind) for _ in range(2))
    assert first.event_hash == second.event_hash
    ((prompt,),) = first.sql("SELECT DISTINCT split_part(prompt, '@', 1) FROM emissions").rows
    assert prompt == (mind or "turn")
    assert not first.sql("FROM failures").rows
    assert [first.sql(sql).rows for sql in scenario().questions.values()] == [
        second.sql(sql).rows for sql in scenario().questions.values()
    ]


def test_a_rumour_that_everybody_passes_on_reaches_all_who_are_connected(live: Live) -> None:
    run = live(Rumour({"passed_on": 1, "seeds": 1, "seeds_by": "degree", "square": 0}), steps=40)
    heard = {agent for (agent,) in run.sql("SELECT agent FROM emissions").rows}
    ties = run.sql("SELECT source, target FROM ties").rows
    reached = set(run.sql("SELECT recipient FROM messages WHERE sender = 'player'").rows[0])
    while new := {b for pair in ties for a, b in (pair, pair[::-1]) if a in reached} - reached:
        reached |= new
    assert heard == reached
    assert len(heard) > 3


@pytest.mark.slow
def test_blocked_people_and_ties_carry_no_rumour(live: Live) -> None:
    settings = {"passed_on": 1, "seeds": 1, "seeds_by": "degree", "square": 0, "block_at": 2}
    free, held = (live(Rumour({**settings, "block_ties": n, "block_people": n})) for n in (0, 3))
    blocked = held.sql("SELECT agent, other FROM intervention_effects WHERE what = 'block'").rows
    reach = "SELECT max(value) FROM measures WHERE name = 'reach'"
    assert len(blocked) == 6
    assert held.sql(reach).rows < free.sql(reach).rows
    late = set(held.sql("SELECT agent FROM emissions WHERE step >= 2").rows)
    assert not late & {(agent,) for agent, other in blocked if other is None}


def test_seeds_by_degree_have_most_neighbours(live: Live) -> None:
    run = live(Rumour({"seeds": 1, "seeds_by": "degree"}), steps=1)
    degrees = run.sql(
        "SELECT count(DISTINCT b) AS n, bool_or(a IN (SELECT recipient FROM messages WHERE step = 1)) AS is_seed "
        "FROM (SELECT source AS a, target AS b FROM ties UNION SELECT target, source FROM ties) GROUP BY a"
    ).rows
    assert max(degrees)[1]


SOLD = "SELECT max(value) FROM measures WHERE name = 'bought'"


@pytest.mark.parametrize("mind", [pytest.param(None, marks=pytest.mark.slow), "rule"])
def test_fewer_buy_at_a_higher_price_and_more_who_have_the_means(live: Live, mind: MindName | None) -> None:
    cheap, dear = (live(ProductLaunch({"price": price, "advertised": 0.5}), mind=mind) for price in (4, 9))
    assert dear.sql(SOLD).rows < cheap.sql(SOLD).rows
    (by_means,) = ProductLaunch.questions.values()
    shares = {means: bought for means, _, bought in dear.sql(by_means).rows}
    assert shares["low"] < shares["high"]


@pytest.mark.slow
def test_the_word_of_neighbours_sells(live: Live) -> None:
    silent, told = (live(ProductLaunch({"advertised": 0.1, "talk": talk}), steps=10) for talk in (0, 1))
    assert silent.sql(SOLD).rows < told.sql(SOLD).rows
    praise = "SELECT sum(n) FROM (SELECT max(value::INT) AS n FROM agent_state WHERE name = 'praise' GROUP BY agent)"
    assert told.sql(praise).rows == told.sql("SELECT count(*) FROM messages").rows


SUPPORT = "SELECT answers.step, group_name, avg(number) FROM answers JOIN agents USING (agent) GROUP BY ALL"


def test_a_law_is_told_to_one_group_first_and_changes_its_support(live: Live) -> None:
    run = live(PublicConsultation({"asked_at": (1, 2, 4), "talk": 0}), steps=4)
    told = run.sql(
        "SELECT i.step, group_name, count(*) FROM intervention_effects AS i JOIN agents USING (agent) "
        "WHERE field = 'is_informed' GROUP BY ALL"
    ).rows
    assert {(step, group == "shops") for step, group, _ in told} == {(2, True), (3, False)}
    assert sum(people for *_, people in told) == run.sql("SELECT count(*) FROM agents").rows[0][0]
    support = {(step, group): mean for step, group, mean in run.sql(SUPPORT).rows}
    assert support[2, "shops"] < support[1, "shops"]
    assert support[4, "residents"] > support[2, "residents"]


def test_without_a_law_nobody_speaks_and_all_are_asked(live: Live) -> None:
    run = live(PublicConsultation({"asked_at": (0, 2), "announced_at": 0}), steps=2)
    asked = run.sql("SELECT count(*) FROM answers GROUP BY step").rows
    assert asked == run.sql("SELECT count(*) FROM agents").rows * 2
    assert not run.sql("FROM emissions").rows


def test_turns_and_surveys_tell_agents_of_their_place_in_the_matter(people: Path, tmp_path: Path) -> None:
    growth = Growth(hub=people, agents=None, hops=0)
    with Society(PublicConsultation(), growth=growth, steps=8, out=tmp_path / "open.duckdb") as opened:
        (survey,) = opened.scenario.surveys
        phase = SurveyPhase(opened.engine, opened.state, survey, is_rule=False)
        asked = phase.take(cast("Chunks", None), 9)
        for resident, respondent in zip(opened.residents, asked, strict=False):
            place = f" {GROUPS[str(resident.group)][0]}"
            assert respondent.persona == observe(opened.state, resident).persona == resident.persona.text + place


def test_a_rumour_crosses_the_square_without_ties(live: Live) -> None:
    run = live(Rumour({"passed_on": 0, "posted": 1, "square": 1, "seeds": 1}), steps=3)
    assert run.sql("SELECT step, count(*) FROM emissions GROUP BY step ORDER BY step").rows == [(1, 1), (2, 31)]
    _, ties = Rumour.questions.values()
    assert run.sql(ties).rows == [("square", 31), ("stranger", 1)]
