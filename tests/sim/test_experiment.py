"""Experiments: what they refuse, that arms share people and seeds, and that a stopped one goes on to the same file."""

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import duckdb
import pytest
from openai_faults import Latency
from openai_server import OpenAIServer
from pydantic import Field

from populace.agents.actions import Action, Instruction
from populace.agents.gateway.limits import Limits
from populace.analysis.experiment.effects import read_findings
from populace.core.errors import PausedError, PopulaceError, SetupError
from populace.sim.estimate import Sampling
from populace.sim.estimate.jobs import estimate_experiment
from populace.sim.experiment.design import Experiment, Hypothesis, ManipulationCheck, OutcomeQuery, PeopleDesign
from populace.sim.experiment.folder import code_hash, run_experiment
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_hub_or_run, open_run
from populace.sim.scenario import Scenario, Settings

BOUGHT = """
SELECT a.agent, group_name, count(emission) AS value FROM agents AS a LEFT JOIN emissions USING (agent) GROUP BY ALL
"""


PRICE = "SELECT avg((payload->>'price')::DOUBLE) FROM emissions"


class Buy(Action):
    """Buy it."""

    name: ClassVar[str] = "buy"
    novelty = "none"
    kind: Literal["buy"]
    price: float

    @property
    def emitted_text(self) -> str:
        return f"Bought for {self.price:g}."


class ShopSettings(Settings):
    price: float = Field(4.0, ge=0)


class Shop(Scenario):
    """Who buys at which price?"""

    name = "shop"
    actions = (Buy,)
    settings_type = ShopSettings
    settings: ShopSettings

    def mind(self) -> Any:
        return self.buy

    def buy(self, observation: Any, rng: random.Random) -> Buy | None:
        is_sold = rng.random() < 1 / (1 + self.settings.price / 4)
        return Buy(kind="buy", price=self.settings.price) if is_sold else None

    def group(self, resident: Any) -> str:
        return "even" if int(resident.id[:2], 16) % 2 == 0 else "odd"


class Asking(Scenario):
    """What people ask."""

    name = "asking"
    world = "A town."
    actions = (Instruction,)


def shop(**options: Any) -> Experiment:
    given: dict[str, Any] = {
        "factors": {"price": (2, 8)},
        "replicates": 2,
        "steps": 1,
        "people": Growth(agents=8, hops=0),
        "outcomes": [OutcomeQuery("bought", BOUGHT), OutcomeQuery("sold", "SELECT count(*) FROM emissions")],
        "hypotheses": [Hypothesis("bought", "price=8", "price=2", "less")],
        "checks": [
            ManipulationCheck("price", "SELECT avg((payload->>'price')::DOUBLE) FROM emissions", 8, 8, "price=8")
        ],
    }
    return Experiment(Shop, **given | options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment that is finished."""
    made = tmp_path_factory.mktemp("experiment") / "shop"
    run_experiment(shop(), made, Shop)
    return made


def merged(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path / "experiment.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(path / "experiment.duckdb"), read_only=True) as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        return {table: con.execute(f'SELECT * FROM "{table}" ORDER BY ALL').fetchall() for (table,) in tables}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"factors": {}}, ("`factors`", "`arms`")),
        ({"arms": {"a": {}, "b": {"price": 3}}}, ("give one of the two",)),
        ({"factors": {"price": (2,)}}, ("but one: price=2",)),
        ({"factors": {"price": (2, 2)}}, ("level twice",)),
        ({"factors": {"price": 2}}, ("must have levels", "but 2 was given")),
        ({"replicates": 0}, ("replicates", "but 0")),
        ({"people_design": "same"}, ("new or fixed", "'same'")),
        ({"people": Growth(sources=("-",))}, ("standard input", "people_design='fixed'")),
        ({"alpha": 1.5}, ("alpha", "1.5")),
        ({"correction": "tukey"}, ("correction", "'tukey'")),
        ({"outcomes": [OutcomeQuery("a", "x"), OutcomeQuery("a", "y")]}, ("outcome 'a' is given twice",)),
        ({"hypotheses": [Hypothesis("bougt", "price=8", "price=2")]}, ("'bougt'", "did you mean 'bought'")),
        ({"hypotheses": [Hypothesis("bought", "price=8", "price=8")]}, ("'price=8' is in both",)),
        ({"hypotheses": [Hypothesis("bought", "price=8", "price=2", "greater")]}, ("but 'greater' was given",)),  # type: ignore[arg-type]
        ({"outcomes": ["SELECT 1"]}, ("'SELECT 1'", "OutcomeQuery(")),
        ({"factors": {"people": (Growth(agents=3), Growth(agents=4))}}, ("other people than the rest (people=",)),
        ({"factors": {"agents": (10, 20)}}, ("other people than the rest (agents=10)", "the same people")),
        ({"factors": {"hub": ("a.duckdb", "b.duckdb")}}, ("other people", "hub='a.duckdb'")),
        ({"hypotheses": [Hypothesis("bought", "price=9", "price=2")]}, ("no arm 'price=9'", "price=8")),
        ({"factors": {}, "arms": {"a*b": {}, "c": {}}}, ("'a*b'", "file's name")),
        ({"factors": {}, "arms": {"openai:a/b": {}, "openai:a-b": {}}}, ("files of one name",)),
        ({"factors": {}, "arms": {"a b": {}, "a-b": {}}}, ("files of one name",)),
    ],
)
def test_what_is_no_experiment_is_refused_in_a_sentence(options: dict[str, Any], words: tuple[str, ...]) -> None:
    if "hypotheses" not in options:
        options = {"hypotheses": [], "checks": [], **options}
    with pytest.raises(SetupError) as caught:
        shop(**{"checks": []} | options)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ({"mind": ("rule", "quick")}, ("but 'quick' was given",)),
        ({"mind": ("rule", "think")}, ("has a mind of its own",)),
        ({"model": ("procedural", "openia:x")}, ("'openia:x'", "Did you mean openai:x?")),
        ({"network": ("grown", "file:nowhere.csv")}, ("nowhere.csv",)),
        ({"prise": (1, 2)}, ("'prise'", "did you mean 'price'")),
        ({"price": (1, -2)}, ("price", "-2")),
    ],
)
def test_arms_that_cannot_be_are_refused_before_anything_is_made(
    levels: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(PopulaceError) as caught:
        run_experiment(shop(factors=levels, hypotheses=[], checks=[]), tmp_path / "out", Shop)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_address_is_that_of_the_models_that_have_one() -> None:
    address = "http://127.0.0.1:1/v1"
    models = {"model": ("openai:a", "procedural")}
    experiment = shop(factors=models, options={"base_url": address}, hypotheses=[], checks=[])
    given = [experiment.settings_of(arm, Shop)[1] for arm in experiment.all_arms]
    assert given == [{"model": "openai:a", "base_url": address}, {"model": "procedural"}]


@pytest.mark.slow
def test_an_estimate_has_the_people_and_each_arm_times_its_replicates() -> None:
    models = ("openai:a", "openai:b")
    given: dict[str, Any] = {
        "outcomes": [OutcomeQuery("n", "SELECT 1")],
        "options": {"base_url": "http://127.0.0.1:1/v1"},
    }
    asked = Experiment(
        Asking, factors={"model": models}, replicates=2, steps=1, people=Growth(agents=3, hops=0), **given
    )
    found = estimate_experiment(asked, Asking, sampling=Sampling(0))
    people, *arms = ((one.name, one.calls.high) for one in found.purposes)
    assert people[0] == "people (2 runs)"
    assert arms == [(f"model={one} (2 runs)", 2 * 3) for one in models]
    assert found.calls.high == people[1] + 2 * 2 * 3


def test_every_row_of_the_merged_file_tells_arm_and_replicate(folder: Path) -> None:
    own = {"experiment", "arms", "levels", "outcomes", "hypotheses"}
    tables = merged(folder, "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE NOT internal GROUP BY 1")
    assert all({"arm", "replicate"} <= set(columns) for table, columns in tables if table not in own)
    sold = merged(folder, "SELECT arm, replicate, count(*) FROM emissions GROUP BY ALL ORDER BY ALL")
    told = "SELECT arm, replicate, value::INT FROM outcome_values WHERE outcome = 'sold' ORDER BY ALL"
    assert sold == merged(folder, told)
    assert len(sold) == 4


def test_arms_share_people_and_the_seed_of_a_replicate(folder: Path) -> None:
    each = "SELECT replicate, list(agent ORDER BY ordinal) AS agents FROM agents GROUP BY arm, replicate"
    assert merged(folder, f"SELECT count(DISTINCT agents) FROM ({each}) GROUP BY replicate") == [(1,), (1,)]
    assert merged(folder, f"SELECT count(DISTINCT agents) FROM ({each})") == [(2,)]
    seeds = merged(folder, "SELECT count(DISTINCT seed) FROM runs GROUP BY replicate")
    assert seeds == [(1,), (1,)]
    assert merged(folder, "SELECT count(DISTINCT seed) FROM runs") == [(2,)]
    one, other = shop(paired=False).all_arms
    unpaired = shop(paired=False)
    assert unpaired.seed_of(one, 1) != unpaired.seed_of(other, 1)


def numbered_hub(path: Path, people: int) -> Path:
    path.write_text("".join(f'{{"text": "Person {n}, who sells bread number {n * n}."}}\n' for n in range(people)))
    return path


def people_by_run(folder: Path) -> dict[tuple[str, int], set[str]]:
    rows = merged(folder, "SELECT arm, replicate, list(agent) FROM agents GROUP BY ALL")
    return {(arm, replicate): set(agents) for arm, replicate, agents in rows}


def test_replicates_draw_different_people_from_a_hub_as_long_as_it_has_some(tmp_path: Path) -> None:
    people = Growth(hub=numbered_hub(tmp_path / "hub.jsonl", 20), agents=8, hops=0)
    out = tmp_path / "out"
    run_experiment(shop(people=people), out, Shop)
    lived = people_by_run(out)
    assert lived["price=2", 1] == lived["price=8", 1]
    assert not lived["price=2", 1] & lived["price=2", 2]
    with open_hub_or_run(out / "experiment.duckdb") as read:
        assert read_findings(read).scope.startswith("Each replicate has people of its own")
    run_experiment(shop(people=people, replicates=3), out, Shop)
    more = people_by_run(out)
    assert more["price=2", 2] == lived["price=2", 2]
    assert len(more["price=2", 3]) == 8
    with open_hub_or_run(out / "experiment.duckdb") as read:
        found = read_findings(read)
    assert re.search(r"too few people .* \d+ fill 24 places", found.scope)
    assert found.effects[0].is_for_these_people


def test_runs_may_have_people_of_their_own(tmp_path: Path) -> None:
    given = shop(replicates=2, paired=False)
    run_experiment(given, tmp_path / "out", Shop)
    lived = people_by_run(tmp_path / "out")
    assert sorted(lived) == [("price=2", 1), ("price=2", 2), ("price=8", 1), ("price=8", 2)]
    assert lived["price=2", 1] != lived["price=8", 1]
    with open_hub_or_run(tmp_path / "out" / "experiment.duckdb") as read:
        means = {one.arm: one.replicates for one in read_findings(read).means if one.outcome == "sold"}
    assert means == {"price=2": 2, "price=8": 2}


NUMBERS = 60


class React(Action):
    """React to each of many things."""

    name: ClassVar[str] = "react"
    novelty = "none"
    kind: Literal["react"]
    reactions: list[float]

    @property
    def emitted_text(self) -> str:
        return "Reacted."


class Reacting(Scenario):
    """How do people react? Each in their own way, and on average not at all."""

    name = "reacting"
    actions = (React,)
    settings_type = ShopSettings
    settings: ShopSettings

    def mind(self) -> Any:
        return self.react

    def react(self, observation: Any, rng: random.Random) -> React:
        own = random.Random(observation.agent)
        treated = self.settings.price > 4
        return React(kind="react", reactions=[(own.gauss() + rng.gauss() * 0.5) * treated for _ in range(NUMBERS)])


@pytest.mark.slow
@pytest.mark.parametrize(("design", "low", "high"), [("new", 0, 0.14), ("fixed", 0.3, 1)])
def test_reactions_that_differ_by_person_are_found_in_runs_of_the_same_people_alone(
    design: PeopleDesign, low: float, high: float, tmp_path: Path
) -> None:
    """The p values of many outcomes whose mean over all people is 0: 5 % are below .05, with an error of 2.8 points."""
    outcomes = [
        OutcomeQuery(f"y{n}", f"SELECT agent, (payload->'reactions'->>{n})::DOUBLE AS value FROM emissions")
        for n in range(NUMBERS)
    ]
    people = Growth(hub=numbered_hub(tmp_path / "hub.jsonl", 200), agents=40, hops=0)
    given = shop(
        replicates=5, people=people, outcomes=outcomes, hypotheses=[], checks=[], steps=1, people_design=design
    )
    run_experiment(replace(given, scenario=Reacting), tmp_path / "out", Reacting)
    with open_hub_or_run(tmp_path / "out" / "experiment.duckdb") as read:
        effects = [one for one in read_findings(read).effects if one.kind == "arm"]
    found = sum(one.p < 0.05 for one in effects) / NUMBERS
    assert len(effects) == NUMBERS
    assert low <= found <= high


def run_times(folder: Path) -> dict[Path, int]:
    """When each run was written last."""
    return {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*.duckdb")}


def test_checks_are_asked_of_the_arms_that_they_name(folder: Path) -> None:
    assert merged(folder, "SELECT DISTINCT arm, value, passed FROM manipulation_checks") == [("price=8", 8.0, True)]


def test_given_again_it_runs_nothing_and_a_later_hypothesis_says_so(folder: Path) -> None:
    before, runs = content(folder), run_times(folder)
    late = replace(shop(), hypotheses=[*shop().hypotheses, Hypothesis("sold", "price=8", "price=2")])
    run_experiment(late, folder, Shop)
    after = content(folder)
    assert run_times(folder) == runs
    assert [row[-1] for row in after.pop("hypotheses")] == [True, False]
    assert after == {table: rows for table, rows in before.items() if table != "hypotheses"}


SCRIPT = """
from populace.sim import Experiment, Growth{imported}
from populace import Scenario

SOLD = "SELECT {sql}"

class Shop(Scenario):
    def rule(self, observation, rng):
        return {rule}

experiment = Experiment(Shop, factors={{}}, outcomes=[SOLD])
"""


def test_code_is_the_same_whatever_is_added_to_the_experiment_beside_it(tmp_path: Path) -> None:
    def hashed(text: str) -> str:
        script = tmp_path / "script.py"
        script.write_text(text)
        return code_hash(script)

    same = {"imported": "", "sql": "1", "rule": "None"}
    before = hashed(SCRIPT.format(**same))
    later = SCRIPT.format(**same | {"imported": ", Hypothesis", "sql": "2"}).replace(
        "outcomes", "replicates=9, outcomes"
    )
    assert hashed(f"# Later.\n{later}") == before
    assert hashed(SCRIPT.format(**same | {"rule": "1"})) != before


def test_until_something_is_made_another_design_takes_the_folder_and_its_runs_say_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(PopulaceError, match="nowhere"):
        run_experiment(shop(people=Growth(hub=Path("nowhere.duckdb"), agents=None, hops=0)), tmp_path / "out", Shop)
    typo = shop(outcomes=[OutcomeQuery("bought", "SELECT count(*) FROM emisions")])
    with pytest.raises(SetupError, match=r"cannot be asked of a run: .*emisions"):
        run_experiment(typo, tmp_path / "out", Shop)
    assert not list((tmp_path / "out" / "runs").iterdir())


@pytest.mark.slow
def test_more_replicates_are_added_to_those_that_are_there(folder: Path) -> None:
    run_experiment(shop(), folder, Shop)
    before, runs = content(folder), run_times(folder)
    run_experiment(shop(replicates=3), folder, Shop)
    more = run_times(folder)
    assert (len(more.keys() - runs.keys()), {path: more[path] for path in runs}) == (2, runs)
    assert content(folder)["emissions"][:3] == before["emissions"][:3]
    run_experiment(shop(), folder, Shop)
    assert content(folder) == before


def test_another_experiment_in_its_folder_is_refused(folder: Path) -> None:
    for other, words in (
        (shop(steps=3), "its steps were 1, and now are 3"),
        (shop(seed=7), "its seed were 0, and now are 7"),
        (shop(people=Growth(agents=9, hops=0)), "people"),
    ):
        with pytest.raises(SetupError, match=words):
            run_experiment(other, folder, Shop)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT agent, 1 AS value, 2 AS size FROM agents", "columns size too"),
        pytest.param("SELECT agent FROM agents", "8 rows of one column", marks=pytest.mark.slow),
        pytest.param("SELECT agent, 1 AS number FROM agents", "no column `value`", marks=pytest.mark.slow),
        pytest.param("SELECT 'many' AS value", "'many'", marks=pytest.mark.slow),
        pytest.param("SELECT x FROM nowhere", "cannot be asked", marks=pytest.mark.slow),
    ],
)
def test_an_outcome_of_another_form_is_refused_with_its_columns(sql: str, words: str, folder: Path) -> None:
    with pytest.raises(SetupError, match=words):
        run_experiment(shop(outcomes=[OutcomeQuery("bought", sql)], checks=[]), folder, Shop)


def asking() -> Experiment:
    return Experiment(
        Asking,
        arms={"few": {"heard": 2}, "many": {"heard": 6}},
        replicates=1,
        steps=1,
        people=Growth(agents=8, hops=0),
        outcomes=[OutcomeQuery("n", "SELECT count(*) FROM emissions")],
    )


def test_where_models_are_asked_makes_no_other_experiment() -> None:
    there, here = (replace(asking(), options={"base_url": url}) for url in ("http://127.0.0.1:1/v1", "http://[::1]/v1"))
    assert there.design(Asking) == here.design(Asking) == asking().design(Asking)
    hot = replace(asking(), options={"temperature": 1.0})
    assert hot.design(Asking) != asking().design(Asking)


@pytest.mark.slow
def test_an_experiment_goes_on_where_its_model_has_moved_to(tmp_path: Path) -> None:
    def asked_at(server: OpenAIServer) -> Experiment:
        return replace(asking(), options={"model": "openai:m", "base_url": server.base_url})

    limits = Limits(max_calls=12, max_in_flight=1)
    with OpenAIServer() as first, pytest.raises(PausedError, match=r"Runs: 2 of 2 left\."):
        run_experiment(asked_at(first), tmp_path / "out", Asking, limits=limits, parallel=1)
    with OpenAIServer() as second:
        run_experiment(asked_at(second), tmp_path / "out", Asking, limits=Limits(max_calls=100))
        assert first.calls == 12
        assert second.calls > 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment that asks a model."""
    made = tmp_path_factory.mktemp("asking") / "undisturbed"
    run_experiment(asking(), made, Asking)
    return made


def asked_at(server: OpenAIServer, replicates: int = 1) -> Experiment:
    return replace(asking(), replicates=replicates, options={"model": "openai:m", "base_url": server.base_url})


def recorded(folder: Path) -> int:
    """The calls in all run files."""
    found = 0
    for file in (*(folder / "people").glob("*.duckdb"), *(folder / "runs").glob("*.duckdb")):
        with open_run(file) as run:
            found += run.query("SELECT count(*) FROM calls WHERE source = 'endpoint'").rows[0][0]
    return found


def hashes(folder: Path) -> list[Any]:
    """The event hashes of all runs."""
    found = []
    for file in sorted((folder / "runs").glob("*.duckdb")):
        with open_run(file) as run:
            found += run.query("SELECT event_hash FROM runs").rows
    return found


def test_a_spent_budget_stops_all_runs_and_every_paid_answer_is_kept(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        run_experiment(asked_at(server, 2), tmp_path / "whole", Asking, cache=False)
        needed, server.calls = server.calls, 0
        server.latency = Latency(0.05)
        for most in (15, 28):
            with pytest.raises(
                PausedError,
                match=rf"budget of {most} calls .* Spent: {most} calls, .* (Runs: \d of 4|People: \d of 2) left\.",
            ):
                run_experiment(
                    asked_at(server, 2),
                    tmp_path / "out",
                    Asking,
                    limits=Limits(max_calls=most),
                    parallel=4,
                    cache=False,
                )
            assert server.calls == recorded(tmp_path / "out") == most
        run_experiment(asked_at(server, 2), tmp_path / "out", Asking, cache=False)
        assert server.calls == needed
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_what_arms_ask_alike_is_paid_once_and_gives_the_same_results(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        server.latency = Latency(0.02)
        run_experiment(asked_at(server), tmp_path / "each", Asking, cache=False)
        each, distinct = server.calls, len(server.by_body)
        server.reset()
        run_experiment(asked_at(server), tmp_path / "shared", Asking)
        assert server.calls == distinct < each
    assert hashes(tmp_path / "shared") == hashes(tmp_path / "each")


def test_a_run_that_fails_lets_calls_of_the_others_end(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        server.fail_forever('"temperature":1.5', "auth")
        server.latency = Latency(0.05)
        declared = replace(asked_at(server, 2), arms={"hot": {"temperature": 1.5}, "cold": {}})
        with pytest.raises(PopulaceError):
            run_experiment(declared, tmp_path / "out", Asking, parallel=4)
        assert server.calls == recorded(tmp_path / "out")


def test_what_the_runs_have_recorded_counts_as_spent_when_it_continues(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        for most, calls in ((12, 12), (12, 12), (14, 14)):
            with pytest.raises(PausedError, match=f"budget of {most} calls"):
                run_experiment(asked_at(server), tmp_path / "out", Asking, limits=Limits(max_calls=most))
            assert server.calls == calls


@pytest.mark.slow
def test_one_budget_holds_for_all_runs_and_the_rest_goes_on(undisturbed: Path, tmp_path: Path) -> None:
    limits = Limits(max_calls=14, max_in_flight=4)
    with pytest.raises(PausedError, match=r"14 calls.* Runs: \d of \d left\."):
        run_experiment(asking(), tmp_path / "out", Asking, limits=limits, parallel=2)
    files = [*(tmp_path / "out" / "people").iterdir(), *(tmp_path / "out" / "runs").iterdir()]
    spent = 0
    for file in files:
        with open_run(file) as run:
            spent += run.query("SELECT count(*) FROM calls").rows[0][0]
    assert 14 <= spent <= 14 + 4
    run_experiment(asking(), tmp_path / "out", Asking)
    assert content(tmp_path / "out") == content(undisturbed)
