"""Agents that plan and reflect, over whole runs: with the stand-in, and over HTTP with faults."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ballots import Answering
from complete_town import TalkingTown, at_length, talking
from langchain_core.messages import BaseMessage
from lasting import check_lasting

from populace.core.errors import SetupError
from populace.sim.society import Society

SETTINGS = {"memory_kind": "stream", "plan_every": 2, "reflect_at": 20, "recalled": 6}
NOTES = "SELECT step, agent, ordinal, text, kind, importance FROM memories ORDER BY ALL"
SEEN = "SELECT step, agent, text FROM observations ORDER BY ALL"
PURPOSES = "SELECT purpose, count(*) FROM calls WHERE phase = 'step' GROUP BY purpose ORDER BY purpose"

town = partial(talking, people=8, settings=SETTINGS)


def sql(path: Path, query: str) -> list[tuple[Any, ...]]:
    from populace.sim.runfile.reader import open_run

    with open_run(path) as run:
        return run.query(query).rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town that plans and reflects, after four steps; never to be written to."""
    path = tmp_path_factory.mktemp("plans") / "run.duckdb"
    town(path, model="procedural").run()
    return path


def test_plans_and_reflections_are_calls_by_purpose_and_notes(whole: Path) -> None:
    purposes = dict(sql(whole, PURPOSES))
    assert purposes["plan"] == 2 * 8  # in steps 1 and 3
    assert purposes["turn"] == 4 * 8
    assert 0 < purposes["reflect"] <= 2 * 8
    notes = dict(sql(whole, "SELECT kind, count(*) FROM memories GROUP BY kind"))
    assert notes["plan"] == 16
    assert purposes["reflect"] <= notes["reflection"] <= 3 * purposes["reflect"]


def test_a_plan_is_in_the_prompts_of_the_steps_for_which_it_holds(whole: Path) -> None:
    told = r"""
        SELECT count(*), count(*) FILTER (regexp_matches(o.text, '<goal>\n.*' || regexp_escape(m.text)))
        FROM observations AS o
        JOIN memories AS m ON m.agent = o.agent AND m.kind = 'plan' AND o.step - m.step IN (0, 1)
    """
    assert sql(whole, told) == [(32, 32)]


def test_plans_and_reflections_last(whole: Path, tmp_path: Path) -> None:
    check_lasting(whole, TalkingTown, partial(town, model="procedural"), tmp_path, SEEN, NOTES)
    assert sql(tmp_path / "stopped.duckdb", PURPOSES) == sql(whole, PURPOSES)


def failing_at(mark: str) -> Callable[[list[BaseMessage]], str]:
    """Answers turns, and gives no JSON where the rules of the prompt hold `mark`."""

    def answer(messages: list[BaseMessage]) -> str:
        return "I would rather not." if mark in str(messages[0].content) else at_length(messages)

    return answer


@pytest.mark.parametrize(
    ("purpose", "settings", "due"),
    [("plan", {"plan_every": 9}, (1, 2)), ("reflect", {"reflect_at": 1, "memory": 4}, (2,))],
)
def test_a_stage_without_an_answer_is_a_row_and_leaves_the_turn_as_it_is(
    tmp_path: Path, purpose: str, settings: dict[str, int], due: tuple[int, ...]
) -> None:
    mark = {"plan": "what that person means to do next", "reflect": "what that person concludes"}[purpose]
    model = Answering(answer=failing_at(mark))
    asked = {"memory_kind": "stream", **settings}
    run = talking(tmp_path / "run.duckdb", 3, settings=asked, model=model, steps=2).run()
    assert run.sql("SELECT active, acted, failed FROM steps").rows == [(3, 3, 0)] * 2
    rows = run.sql("SELECT step, count(*), any_value(outcome), any_value(purpose) FROM failures GROUP BY step").rows
    assert sorted(rows) == [(step, 3, "not_json", purpose) for step in due]
    assert run.sql("SELECT count(*) FROM memories WHERE kind IN ('plan', 'reflection')").rows == [(0,)]


def test_plans_and_reflections_stay_within_the_tokens_of_a_prompt(tmp_path: Path) -> None:
    longest: list[int] = []

    def answer(messages: list[BaseMessage]) -> str:
        longest.append(sum(len(str(message.content)) for message in messages))
        rules = str(messages[0].content)
        if "means to do next" in rules:
            return f'{{"text": "{"plan " * 59}"}}'
        if "concludes" in rules:
            return f'{{"insights": [{{"text": "{"think " * 49}", "importance": 9}}]}}'
        return at_length(messages)

    asked = {"memory_kind": "stream", "plan_every": 1, "reflect_at": 1, "heard": 8, "prompt_tokens": 700}
    talking(tmp_path / "run.duckdb", 6, settings=asked, model=Answering(answer=answer), steps=3).run()
    assert len(longest) == (3 + 3 + 2) * 6  # plans, turns, and reflections from step 2 on
    assert 600 * 4 < max(longest) <= 700 * 4


def promising(messages: list[BaseMessage]) -> str:
    """A line to somebody, and a promise in step 2 that is what the agent means to do until another one in step 10."""
    step = re.search(r"It is step (\d+)\.", str(messages[-1].content))
    assert step is not None
    promise = {"2": "Bring Marta the rope on Saturday.", "10": "Sell the goat."}.get(step[1], "")
    return f'{{"action": {at_length(messages)}, "intends": "{promise}"}}'


def test_a_promise_is_in_view_until_there_is_another_and_is_then_a_memory(tmp_path: Path) -> None:
    settings = {"goals": True, "memory": 3, "recalled": 3, "heard": 2}
    begin = partial(talking, people=3, settings=settings, model=Answering(answer=promising), steps=11)
    run = begin(tmp_path / "run.duckdb").run()
    found = run.sql("""
        SELECT step, bool_and(contains(text, '<goal>\n(step 2) Bring Marta the rope on Saturday.\n</goal>')),
               bool_and(contains(text, '<goal>\n(step 10) Sell the goat.\n</goal>')),
               bool_or(contains(text, 'You planned: Bring Marta the rope on Saturday.'))
        FROM observations GROUP BY step ORDER BY step
    """).rows
    assert found == [(n, 3 <= n <= 10, n == 11, n == 11) for n in range(1, 12)]
    with begin(tmp_path / "stopped.duckdb") as begun:
        begun.run_for(10)
        begun._error = KeyboardInterrupt()  # as when it is interrupted
    resumed = Society.resume(begun.path, TalkingTown, model=Answering(answer=promising)).run()
    assert (resumed.event_hash, resumed.sql(SEEN).rows) == (run.event_hash, run.sql(SEEN).rows)


def test_without_a_stream_nobody_reflects() -> None:
    with pytest.raises(SetupError, match=r"'reflect_at' of scenario 'talking' cannot be 3: .*memory_kind=stream"):
        TalkingTown({"reflect_at": 3})
