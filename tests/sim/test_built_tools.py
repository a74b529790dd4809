"""Tools that villagers wish for are built, stay in the world, and are used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from populace.agents.checks import CheckContext, CheckOutcome
from populace.agents.observation import Observation
from populace.agents.tools import KnowsTool, ToolUse
from populace.core.errors import PausedError
from populace.scenarios.village import Village
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun
from populace.sim.society import Society

WORKSHOP: dict[str, Any] = {"execute": True, "wish": 1.0, "flood_at": 0, "visited": 0.0}
USED = "SELECT payload ->> 'tool', payload ->> 'arguments', payload ->> 'result' FROM outputs WHERE kind = 'use'"

type Live = Callable[..., FinishedRun]


def test_a_wish_becomes_a_tool_that_everybody_can_use(live: Live, tmp_path: Path) -> None:
    run = live(settings=WORKSHOP, steps=4)
    built = run.sql("SELECT payload ->> 'name' FROM outputs WHERE kind = 'tool' AND payload ->> 'code' <> ''").rows
    assert len(built) > 6
    ((world,),) = run.sql("SELECT world_state FROM steps WHERE step = 4").rows
    assert len(json.loads(world)["tools"]) == 6
    assert set(json.loads(world)["tools"]) < {name for (name,) in built}
    used = run.sql(USED).rows
    assert len(used) > 3
    told = run.sql("SELECT tool, arguments, text FROM deliberations WHERE kind = 'tool' AND NOT is_error").rows
    assert sorted(used) == sorted((tool, arguments, text[:400]) for tool, arguments, text in told)
    assert run.sql("SELECT count(*) FROM memories WHERE text LIKE '% gave you: %' AND kind = 'heard'").rows == [
        (len(used),)
    ]
    assert run.sql("SELECT count(*) > 0 FROM observations WHERE text LIKE '%A tool was built: %'").rows == [(True,)]
    assert replay(run.path, Village).event_hash == run.event_hash
    with pytest.raises(PausedError):
        live("stopped", settings=WORKSHOP, steps=4, max_calls=120)
    resumed = Society.resume(tmp_path / "stopped.duckdb", Village, limits={"max_calls": 10_000}).run()
    assert resumed.event_hash == run.event_hash


def test_nothing_is_built_where_code_may_not_run(live: Live) -> None:
    run = live(settings={**WORKSHOP, "execute": False})
    assert run.sql("SELECT count(*) FROM calls WHERE purpose = 'build'").rows == [(0,)]
    assert run.sql("SELECT count(*) > 3 FROM outputs WHERE kind = 'tool'").rows == [(True,)]
    assert run.sql(USED).rows == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("```python\ndef other():\n    return 1\n```", "defines no function"),
        ("I'm sorry, I can't write that.", "does not fit|is not Python"),
    ],
)
def test_a_wish_that_cannot_be_built_stays_one_with_a_reason(live: Live, code: str, reason: str) -> None:
    run = live(settings=WORKSHOP, steps=1, solver=FakeListChatModel(responses=[code]))
    sound = "kind = 'tool' AND emission NOT IN (SELECT emission FROM checks WHERE outcome = 'failed')"
    ((wishes,),) = run.sql(f"SELECT count(*) FROM emissions WHERE {sound}").rows
    missed = run.sql(
        "SELECT count(*), bool_and(regexp_matches(reason, $1)) FROM failures WHERE purpose = 'build'", (reason,)
    )
    assert missed.rows == [(wishes, True)]
    assert run.sql("SELECT count(*) FROM outputs WHERE payload ->> 'code' <> ''").rows == [(0,)]


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("find_boat", '{"day": "Monday"}', ""),
        ("find_horse", "{}", "There is no such tool; choose one of find_boat."),
        ("find_boat", "Monday", "Write a JSON object"),
        ("find_boat", "[1]", "Write a JSON object"),
    ],
)
async def test_what_cannot_be_called_is_sent_back(tool: str, arguments: str, reason: str) -> None:
    seen = Observation("a", "A ferryman.", "", tools={"find_boat": "find_boat(day: str) -> str # Finds a boat."})
    model: Any = None
    use = ToolUse(kind="use", tool=tool, arguments=arguments)
    found = await KnowsTool().judge(use, CheckContext(seen, "", model, model))
    assert (found.outcome is CheckOutcome.FAILED) is bool(reason)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise ValueError('It is closed.')", ("ValueError: It is closed.", True)),
        ("return '\\ud800'", ('"?"', False)),
        ("return {1: float('nan')}", None),
        ("return 10 ** 5000", None),
    ],
)
def test_what_a_tool_gives_is_told_whatever_it_is(live: Live, code: str, told: tuple[str, bool] | None) -> None:
    # Every tool is written alike, whatever it is called.
    class Refusing(FakeListChatModel):
        async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            tool = json.loads(str(messages[-1].content).split("<tool>\n")[1].split("\n</tool>")[0])
            names = ", ".join(f"{name}=None" for name in tool["parameters"]["properties"])
            self.responses = [f"```python\ndef {tool['name']}({names}):\n    {code}\n```"]
            self.i = 0
            return await super()._agenerate(messages, *args, **kwargs)

    run = live(settings={**WORKSHOP, "assistant": False}, steps=4, solver=Refusing(responses=[""]), max_in_flight=1)
    found = run.sql("SELECT DISTINCT text, is_error FROM deliberations WHERE kind = 'tool'").rows
    assert len(found) == 1
    assert found == [told] or told is None
