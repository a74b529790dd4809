"""The task tool: interfaces that endpoints take, with names of their own; and the stand-in's kits behind them."""

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool
from openai_server import OpenAIServer
from strict_mode import faults_of

from populace.agents.procedural.growth import Sketch, describe
from populace.agents.procedural.lexicon import read_lexicon
from populace.agents.procedural.situation import Situation
from populace.agents.tool_spec import ToolSpec
from populace.agents.tools import as_langchain
from populace.scenarios.tool.task import Tool, ToolTask, find_kit, list_kits
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society
from populace.sim.tasks.task import read_demonstrations


def rows(path: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def test_tools_are_made_until_enough_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "tools.duckdb"
    Society(ToolTask({"n": 8, "prompting": "persona-few-shot"}), growth=Growth(agents=8), seed=3, out=path).run()
    made = rows(path, "SELECT payload FROM outputs WHERE status = 'accepted'")
    assert len(made) == 8
    for (payload,) in made:
        spec = ToolSpec.from_payload(json.loads(payload))
        assert faults_of(spec.payload) == []
        assert convert_to_openai_tool(as_langchain(spec.payload))["function"]["name"] == spec.tool_name
    found = dict(rows(path, "SELECT \"check\", count(*) FROM checks WHERE outcome = 'passed' GROUP BY ALL"))
    assert found["callable_tool"] == found["unique_name"] == 8
    assert replay(path, ToolTask).difference == ""


@pytest.mark.parametrize("prompting", [pytest.param("zero-shot", marks=pytest.mark.slow), "persona-few-shot"])
def test_tools_are_made_over_http(tmp_path: Path, openai_server: OpenAIServer, prompting: str) -> None:
    path, task = tmp_path / "tools.duckdb", ToolTask({"n": 2, "prompting": prompting})
    url = openai_server.base_url
    Society(task, growth=Growth(agents=4), seed=3, out=path, model="openai:test", base_url=url).run()
    found = [json.loads(payload) for (payload,) in rows(path, "SELECT payload FROM outputs")]
    assert len(found) == 2
    assert all(faults_of(payload) == [] for payload in found)


def same_names(rng: random.Random, situation: Situation, schema: object) -> dict[str, Any]:
    """A tool whose name is one of three, for a purpose of its own."""
    drawn = rng.random()
    purpose = "Tells " + " ".join(str(drawn * times) for times in range(2, 10))
    name = rng.choice(("tide_table", "moon_table", "star_table"))
    signature, meanings = f"{name}(day: str) -> str", [f"day: A day of {rng.random()}"]
    return {"purpose": purpose, "signature": signature, "meanings": meanings, "depend": []}


def test_a_name_that_is_taken_is_a_failed_check_and_is_made_up_for_also_after_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tool, "stand_in", staticmethod(same_names))

    def society(name: str) -> Society:
        return Society(ToolTask({"n": 3}), growth=Growth(agents=16), seed=5, out=tmp_path / name)

    whole, stopped = tmp_path / "whole.duckdb", tmp_path / "stopped.duckdb"
    society("whole.duckdb").run()
    (reason,) = rows(whole, "SELECT min(reason) FROM outputs WHERE stage = 'unique_name'")[0]
    assert re.fullmatch(r"Emission \d+ has the name '\w+_table' already\.", reason)
    named = rows(whole, "SELECT payload ->> '$.name' FROM outputs WHERE status = 'accepted'")
    assert len(named) == len(set(named)) == 3
    with society("stopped.duckdb") as begun:
        begun.step()
    Society.resume(stopped, ToolTask).run()
    assert rows(stopped, "SELECT max(step) FROM steps")[0][0] > 1
    hashes = [rows(path, "SELECT event_hash FROM runs") for path in (whole, stopped)]
    assert hashes[0] == hashes[1]


def test_demonstrations_are_tools_that_endpoints_take() -> None:
    shown = read_demonstrations(ToolTask().demonstrations_file)
    assert len(shown) >= 6
    for one in shown:
        payload = Tool.model_validate({"kind": "tool", **json.loads(one.output)}).payload
        assert faults_of(payload) == []
        assert ToolSpec.from_payload(payload).payload == payload
        assert one.persona


def test_every_kit_gives_a_valid_tool_that_does_what_it_says() -> None:
    rng = random.Random(5)
    for kit in list_kits():
        name = kit.name("rye", "baker")
        fields = kit.interface(name, "rye", "a baker")
        spec = ToolSpec.model_validate({"kind": "tool", **fields})
        assert faults_of(spec.payload) == []
        assert "$" not in str(spec.payload)
        made = kit.write_implementation(name, "rye", rng)
        cases, wrong = (made["example"], *made["tests"]), len(kit.entry["wrong"])
        assert [case["returns"] == "" for case in cases] == [False] * (len(cases) - wrong) + [True] * wrong
        assert find_kit(name) == (kit, "rye" if "_rye" in name else "")
        assert set(json.loads(made["example"]["arguments"])) == set(spec.payload["parameters"]["properties"])


def test_names_of_the_stand_ins_tools_rarely_repeat() -> None:
    rng, roles, names = random.Random(1), list(read_lexicon().roles.values()), []
    for number in range(1000):
        role = roles[number % len(roles)]
        person = describe(rng, Sketch(role, rng.choice(role.ages), rng.choice("fm")))
        names.append(Tool.stand_in(rng, Situation(persona=person), {})["signature"].partition("(")[0])
    assert len(set(names)) > 980
    assert all(find_kit(name) for name in names[:100])
