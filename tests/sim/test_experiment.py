"""Experiments: what they refuse, that arms share people and seeds, and that a stopped one goes on to the same file."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import duckdb
import pytest
from openai_server import OpenAIServer
from pydantic import Field

from populace.agents.actions import Action, Instruction
from populace.agents.gateway.limits import Limits
from populace.personas.errors import PausedError, PopulaceError, SetupError
from populace.sim.experiment.checking import code_hash
from populace.sim.experiment.design import Experiment, Hypothesis, ManipulationCheck, OutcomeQuery
from populace.sim.experiment.folder import run_experiment
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_run
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


def test_every_row_of_the_merged_file_tells_arm_and_replicate(folder: Path) -> None:
    own = {"experiment", "arms", "levels", "outcomes", "hypotheses", "model_checks"}
    tables = merged(folder, "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE NOT internal GROUP BY 1")
    assert all({"arm", "replicate"} <= set(columns) for table, columns in tables if table not in own)
    sold = merged(folder, "SELECT arm, replicate, count(*) FROM emissions GROUP BY ALL ORDER BY ALL")
    told = "SELECT arm, replicate, value::INT FROM outcome_values WHERE outcome = 'sold' ORDER BY ALL"
    assert sold == merged(folder, told)
    assert len(sold) == 4


def test_arms_share_people_and_the_seed_of_a_replicate(folder: Path) -> None:
    each = "SELECT list(agent ORDER BY ordinal) AS agents FROM agents GROUP BY arm, replicate"
    same = f"SELECT count(DISTINCT agents) FROM ({each})"
    assert merged(folder, same) == [(1,)]
    seeds = merged(folder, "SELECT count(DISTINCT seed) FROM runs GROUP BY replicate")
    assert seeds == [(1,), (1,)]
    assert merged(folder, "SELECT count(DISTINCT seed) FROM runs") == [(2,)]
    one, other = shop(paired=False).all_arms
    unpaired = shop(paired=False)
    assert unpaired.seed_of(one, 1) != unpaired.seed_of(other, 1)


def test_checks_are_asked_of_the_arms_that_they_name(folder: Path) -> None:
    assert merged(folder, "SELECT DISTINCT arm, value, passed FROM manipulation_checks") == [("price=8", 8.0, True)]


def test_given_again_it_runs_nothing_and_a_later_hypothesis_says_so(folder: Path) -> None:
    before = content(folder)
    late = replace(shop(), hypotheses=[*shop().hypotheses, Hypothesis("sold", "price=8", "price=2")])
    again = run_experiment(late, folder, Shop)
    after = content(folder)
    assert again.run_now == 0
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
    before = content(folder)
    more = run_experiment(shop(replicates=3), folder, Shop)
    assert more.run_now == 2
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


@pytest.mark.slow
def test_one_budget_holds_for_all_runs_and_the_rest_goes_on(undisturbed: Path, tmp_path: Path) -> None:
    limits = Limits(max_calls=14, max_in_flight=4)
    with pytest.raises(PausedError, match=r"14 calls.* Runs: \d of \d left\."):
        run_experiment(asking(), tmp_path / "out", Asking, limits=limits, parallel=2)
    files = [tmp_path / "out" / "people.duckdb", *(tmp_path / "out" / "runs").iterdir()]
    spent = 0
    for file in files:
        with open_run(file) as run:
            spent += run.query("SELECT count(*) FROM calls").rows[0][0]
    assert 14 <= spent <= 14 + 4
    run_experiment(asking(), tmp_path / "out", Asking)
    assert content(tmp_path / "out") == content(undisturbed)
