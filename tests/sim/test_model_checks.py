"""Models of an experiment are checked once, before its runs, under the same budget, and an estimate counts that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest
from openai_server import OpenAIServer

from populace.agents.actions import Instruction
from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError, SetupError
from populace.scenarios.fidelity.suite import MODEL_CHECKS, share_effect
from populace.sim.estimate import Sampling
from populace.sim.estimate.society import estimate_experiment
from populace.sim.experiment.design import Experiment, OutcomeQuery
from populace.sim.experiment.folder import run_experiment
from populace.sim.experiment.model_checks import models_of
from populace.sim.growth import Growth
from populace.sim.scenario import Scenario

CHECKED = "SELECT model, name, reference, low <= got, got <= high, asked, answers, warning, skipped FROM model_checks"


class Asking(Scenario):
    """What people ask."""

    name = "asking"
    world = "A town."
    actions = (Instruction,)
    independent: ClassVar[bool] = True

    def rule(self, observation: Any, rng: Any) -> Instruction | None:
        return None


def asking(**options: Any) -> Experiment:
    given: dict[str, Any] = {
        "factors": {"model": ("openai:a", "openai:b")},
        "replicates": 1,
        "steps": 1,
        "people": Growth(agents=3, hops=0),
        "outcomes": [OutcomeQuery("n", "SELECT count(*) FROM emissions")],
        "model_checks": "anchoring",
    }
    return Experiment(Asking, **given | options)


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(procedural=False) as server:
        yield server


def merged(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path / "experiment.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_each_model_is_checked_once_before_the_runs_and_goes_on_where_a_budget_stopped_it(
    server: OpenAIServer, tmp_path: Path
) -> None:
    experiment, out = asking(options={"base_url": server.base_url}), tmp_path / "out"
    limits = Limits(max_calls=10, max_in_flight=4)
    with pytest.raises(PausedError, match="10 calls"):
        run_experiment(experiment, out, Asking, checks=MODEL_CHECKS, limits=limits)
    with pytest.raises(PausedError, match="74 calls"):
        run_experiment(experiment, out, Asking, checks=MODEL_CHECKS, limits=Limits(max_calls=74, max_in_flight=4))
    assert not list((out / "runs").iterdir())
    run_experiment(experiment, out, Asking, checks=MODEL_CHECKS)
    checks = merged(out, CHECKED)
    assert [row[:7] for row in checks] == [(m, "anchoring", 0.0, True, True, 36, 36) for m in ("openai:a", "openai:b")]
    assert server.calls == 2 * 36 + sum(calls for (calls,) in merged(out, "SELECT calls FROM runs")) + 3
    calls = server.calls
    run_experiment(experiment, out, Asking, checks=MODEL_CHECKS)
    assert (server.calls, merged(out, CHECKED)) == (calls, checks)


@pytest.mark.slow
def test_an_estimate_counts_the_checks_of_each_model() -> None:
    told = estimate_experiment(
        asking(options={"base_url": "http://127.0.0.1:1/v1"}), Asking, checks=MODEL_CHECKS, sampling=Sampling(0)
    )
    people, *calls = ((one.name, one.calls.high) for one in told.purposes)
    models = ("openai:a", "openai:b")
    expected = [*((f"anchoring of {one}", 36) for one in models), *((f"model={one}", 3) for one in models)]
    assert (people[0], calls) == ("people", expected)
    assert told.calls.high == people[1] + 2 * (36 + 3)


def test_what_is_no_language_model_and_what_decides_nothing_is_not_asked_and_says_why() -> None:
    procedural = models_of(asking(factors={}, arms={"a": {"heard": 1}, "b": {"heard": 2}}), Asking)
    assert [one.name for one in procedural] == ["procedural"]
    assert "no language model" in procedural[0].skipped
    ruled = asking(options={"base_url": "http://127.0.0.1:1/v1", "mind": "rule"})
    assert ["decide by a rule" in one.skipped for one in models_of(ruled, Asking)] == [True, True]
    both = asking(
        factors={"mind": ("rule", "one-call")}, options={"model": "openai:a", "base_url": "http://127.0.0.1:1/v1"}
    )
    assert [one.skipped for one in models_of(both, Asking)] == [""]


def test_an_address_is_that_of_the_models_that_have_one() -> None:
    experiment = asking(factors={"model": ("openai:a", "procedural")}, options={"base_url": "http://127.0.0.1:1/v1"})
    first, second = (experiment.settings_of(arm, Asking)[1] for arm in experiment.all_arms)
    assert first == {"model": "openai:a", "base_url": "http://127.0.0.1:1/v1"}
    assert second == {"model": "procedural"}


def test_a_model_that_is_asked_otherwise_is_another_one() -> None:
    experiment = asking(
        factors={"temperature": (0.0, 1.0)}, options={"model": "openai:a", "base_url": "http://127.0.0.1:1/v1"}
    )
    models = models_of(experiment, Asking)
    assert [one.name for one in models] == ["openai:a, temperature=0.0", "openai:a, temperature=1.0"]
    assert len({one.path(Path(), "anchoring") for one in models}) == 2


@pytest.mark.parametrize("given", ["aggreement", ("anchoring", "aggreement"), 3])
def test_checks_that_there_are_not_are_refused(given: Any) -> None:
    with pytest.raises(SetupError, match=r"did you mean 'agreement'|model_checks must be True or names"):
        asking(model_checks=given)


def test_an_effect_beyond_its_interval_is_a_warning_about_the_model() -> None:
    check = MODEL_CHECKS["agreement"]
    much, none = (share_effect("agreement", "w", hits, 96, reference=0.5, source="s") for hits in (80, 50))
    assert check.warning("openai:a", much).startswith("openai:a agrees with 83% of statements and their opposites")
    assert check.warning("openai:a", none) == ""
    second = share_effect("option order", "w", 20, 120, reference=0.5, source="s")
    assert "shown second in 83% of its answers" in MODEL_CHECKS["option order"].warning("openai:a", second)
