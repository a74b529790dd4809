"""Checks and stages ask models by role: under one budget, and the same over resume, replay, fork and estimate."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ballots import Answering
from langchain_core.messages import BaseMessage
from openai_server import OpenAIServer
from warm_process import WarmProcess

import populace
from populace.agents.gateway.limits import Limits, Prices
from populace.core.errors import PausedError, SetupError
from populace.scenarios.catalog import load_scenario
from populace.sim.estimate import estimate
from populace.sim.fork import asked_since, fork
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import open_run
from populace.sim.scenario import Scenario
from populace.sim.society import Society
from populace.sim.specs import RoleModel

GUIDE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
#: A revision may equal its draft: then it is judged by the same request, which a resumed run does not send again.
BY_ROLE = """
SELECT role, model, count(DISTINCT (owner, number, request_hash, replicate)) FROM calls WHERE phase = 'step'
GROUP BY ALL ORDER BY role
"""
AGENTS = 8


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The pipeline of the guide: a grader's check, and a stage in which the solver solves three times."""
    found = re.search(r"```python\n(# solved\.py\n.*?)```", GUIDE, re.DOTALL)
    assert found
    (path := tmp_path / "solved.py").write_text(found[1], encoding="utf-8")
    return path


@pytest.fixture
def scenario(script: Path) -> type[Scenario]:
    return load_scenario(script)


def served(server: OpenAIServer) -> dict[str, Any]:
    return {
        "model": "openai:test", "base_url": server.base_url, "solver": "openai:strong",
        "grader": RoleModel(model="openai:strict", base_url=(server.base_url,)),
    }  # fmt: skip


def options(server: OpenAIServer) -> list[str]:
    return [
        "--model", "openai:test", "--base-url", server.base_url, "--solver", "openai:strong",
        "--grader", "openai:strict", "--grader-url", server.base_url,
    ]  # fmt: skip


def test_each_role_asks_its_model_and_a_run_lives_again_without_a_call(
    scenario: type[Scenario], tmp_path: Path, openai_server: OpenAIServer
) -> None:
    run = populace.run(scenario, agents=AGENTS, hops=0, steps=2, out=tmp_path / "run.duckdb", **served(openai_server))
    by_role = {role: (model, calls) for role, model, calls in run.sql(BY_ROLE).rows}
    assert {role: model for role, (model, _) in by_role.items()} == {
        "default": "openai:test", "solver": "openai:strong", "grader": "openai:strict"
    }  # fmt: skip
    assert by_role["solver"][1] == 3 * 2 * AGENTS
    assert {body["model"] for body in openai_server.bodies} == {"test", "strong", "strict"}
    # Three seeds for the three solutions of one problem, all on behalf of the agent whose turn it is.
    seeds = {
        (body["messages"][-1]["content"], body["seed"]) for body in openai_server.bodies if body["model"] == "strong"
    }
    assert len(seeds) == by_role["solver"][1]
    assert run.sql("SELECT count(DISTINCT owner) FROM calls WHERE role = 'solver'").rows == [(AGENTS,)]
    assert run.sql("SELECT count(*), count(DISTINCT emission) FROM checks WHERE \"check\" = 'agreement'").rows == [
        (2 * AGENTS, 2 * AGENTS)
    ]
    asked = openai_server.calls
    assert replay(run.path, scenario).event_hash == run.event_hash
    assert openai_server.calls == asked


@pytest.mark.parametrize("moment", [pytest.param(moment, marks=pytest.mark.slow) for moment in (1, 2, 3)])
def test_killed_and_resumed_the_roles_are_those_of_the_file_and_nothing_is_paid_twice(
    script: Path, tmp_path: Path, warm: WarmProcess, moment: int
) -> None:
    command = ["populace", "run", script, "--agents", AGENTS, "--hops", 0, "--steps", 2, "--max-in-flight", 4]
    with OpenAIServer(latency=0.02) as server:
        warm.run(*command, *options(server), "--out", tmp_path / "whole.duckdb", cwd=tmp_path)
        whole = server.calls
        equal = whole - len(server.by_body)  # people may set the same problem, in a society
        server.reset()
        server.stall(whole * moment // 4)
        warm.begin_command(*command, *options(server), "--out", tmp_path / "run.duckdb", cwd=tmp_path)
        warm.kill_when(lambda: server.calls >= whole * moment // 4)
        server.stall(None)
        assert warm.run("populace", "resume", tmp_path / "run.duckdb", cwd=tmp_path).returncode == 0
        # What was in flight: each role's model has slots of its own.
        assert server.calls - len(server.by_body) <= equal + 3 * 4
    with open_run(tmp_path / "whole.duckdb") as first, open_run(tmp_path / "run.duckdb") as second:
        asked = [run.query("SELECT event_hash FROM runs").rows + run.query(BY_ROLE).rows for run in (first, second)]
    assert asked[0] == asked[1]


def test_all_roles_share_one_budget(scenario: type[Scenario], tmp_path: Path, openai_server: OpenAIServer) -> None:
    society = Society(
        scenario(), growth=Growth(agents=AGENTS, hops=0), steps=1, out=tmp_path / "run.duckdb",
        limits=Limits(max_calls=30, max_in_flight=2), **served(openai_server),
    )  # fmt: skip
    with pytest.raises(PausedError):
        society.run()
    assert 30 <= openai_server.calls <= 30 + 3 * 2
    with pytest.raises(SetupError, match="price of the model is not known"):
        Society(
            scenario(), limits=Limits(max_cost=1.0), prices=Prices(1, 1), base_url=openai_server.base_url,
            model="openai:test", grader="openai:x",
        )  # fmt: skip


@pytest.mark.slow
def test_a_fork_with_another_grader_pays_for_its_grades_alone(
    scenario: type[Scenario], tmp_path: Path, openai_server: OpenAIServer
) -> None:
    path = tmp_path / "run.duckdb"
    populace.run(scenario, agents=AGENTS, hops=0, steps=2, out=path, **served(openai_server))
    fork(path, scenario, at=1, out=tmp_path / "same.duckdb").run()
    assert asked_since(tmp_path / "same.duckdb").sent == 0
    grader = RoleModel(model="openai:kind", base_url=(openai_server.base_url,))
    other = fork(path, scenario, at=1, out=tmp_path / "other.duckdb", grader=grader).run()
    sent = other.sql("SELECT DISTINCT role FROM calls WHERE source = 'endpoint' AND number = 2 AND phase = 'step'").rows
    assert ("grader",) in sent
    assert other.sql("SELECT roles ->> '$.grader.model', roles ->> '$.solver.model' FROM runs").rows == [
        ("openai:kind", "openai:strong")
    ]


def test_an_estimate_tells_what_each_role_costs(scenario: type[Scenario]) -> None:
    cheap, dear = Prices(1.0, 1.0), Prices(100.0, 100.0)
    roles: dict[str, Any] = {
        "solver": RoleModel(model="openai:strong", prices=dear), "grader": RoleModel(model="openai:x", prices=cheap)
    }  # fmt: skip
    told = estimate(
        scenario(), growth=Growth(agents=AGENTS, hops=0), steps=1, model="openai:test", base_url="http://127.0.0.1:9/v1",
        prices=cheap, sample=0, **roles,
    )  # fmt: skip
    purposes = {purpose.name: purpose for purpose in told.purposes}
    assert {"turn", "solve (solver)", "grade (grader)"} < set(purposes)
    solving = purposes["solve (solver)"]
    assert solving.calls.low == 3 * AGENTS
    assert solving.cost.low == pytest.approx((solving.input + solving.output).low * 1e-4, rel=0.5)  # type: ignore[union-attr]
    assert told.cost is not None


def test_models_of_the_callers_own_serve_roles(scenario: type[Scenario], tmp_path: Path) -> None:
    def graded(messages: list[BaseMessage]) -> str:
        return json.dumps({"is_complete": "<problem>" in str(messages[-1].content), "missing": ""})

    run = populace.run(
        scenario, agents=4, hops=0, steps=1, out=tmp_path / "run.duckdb",
        solver=Answering(answer='{"answer": 7}'), grader=Answering(answer=graded),
    )  # fmt: skip
    assert run.sql('SELECT "check", outcome, min(score) FROM checks GROUP BY ALL ORDER BY 1').rows == [
        ("agreement", "passed", 1.0), ("is_complete", "passed", None)
    ]  # fmt: skip
    assert run.sql("SELECT DISTINCT role, model FROM calls WHERE role <> 'default' ORDER BY 1").rows == [
        ("grader", "Answering"), ("solver", "Answering")
    ]  # fmt: skip


def test_a_run_with_another_solver_is_another_run(scenario: type[Scenario], tmp_path: Path) -> None:
    out = tmp_path / "run.duckdb"
    populace.run(scenario, agents=2, hops=0, steps=1, out=out, solver="procedural")
    assert populace.run(scenario, agents=2, hops=0, steps=1, out=out, solver="procedural").note
    with pytest.raises(SetupError, match="its solver is 'procedural', not None"):
        populace.run(scenario, agents=2, hops=0, steps=1, out=out)
