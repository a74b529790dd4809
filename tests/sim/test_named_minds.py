"""Minds by name: one scenario that thinks, finds things out, or goes by a rule, in runs that can be had again."""

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ballots import Answering, Ballot
from complete_town import Talk, TalkingTown, ToolTown, at_length, talking, who_is_here
from langchain_core.messages import BaseMessage
from lasting import check_lasting
from openai_answers import names_near
from openai_server import OpenAIServer
from process_executor import ProcessExecutor

from populace.agents.actions import Action
from populace.agents.mind import Mind
from populace.agents.observation import Observation
from populace.core.errors import HookError, SetupError
from populace.sim.estimate import estimate
from populace.sim.growth import Growth
from populace.sim.scenario import Scenario

LOGGED = "SELECT step, agent, ordinal, kind, text, tool, arguments, is_error FROM deliberations ORDER BY ALL"
PURPOSES = "SELECT purpose, count(*) FROM calls WHERE phase = 'step' GROUP BY purpose ORDER BY purpose"

town = partial(talking, people=6, scenario=ToolTown, model="procedural", steps=2)


def sql(path: Path, query: str) -> list[tuple[Any, ...]]:
    from populace.sim.runfile.reader import open_run

    with open_run(path) as run:
        return run.query(query).rows


@pytest.fixture(scope="module")
def found_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town that finds things out, after two steps; never to be written to."""
    path = tmp_path_factory.mktemp("react") / "run.duckdb"
    town(path, mind="react").run()
    return path


def test_the_default_is_one_call_a_turn(tmp_path: Path) -> None:
    unnamed, named = (
        town(tmp_path / f"{mind}.duckdb", people=3, steps=1, mind=mind).run() for mind in (None, "one-call")
    )
    assert unnamed.event_hash == named.event_hash
    assert named.sql(PURPOSES).rows == [("turn", 3)]
    assert [run.sql("SELECT mind FROM runs").rows for run in (unnamed, named)] == [[(None,)], [("one-call",)]]


def test_thoughts_are_logged_and_nobody_hears_them(tmp_path: Path) -> None:
    thoughts: list[str] = []

    def answer(messages: list[BaseMessage]) -> str:
        thoughts.append(f"secret number {len(thoughts)}")
        return json.dumps({"thoughts": thoughts[-1], "action": json.loads(at_length(messages))})

    run = talking(tmp_path / "run.duckdb", 4, model=Answering(answer=answer), mind="think", steps=2).run()
    assert run.sql(PURPOSES).rows == [("think", 8)]
    assert sorted(text for (text,) in run.sql("SELECT text FROM deliberations").rows) == sorted(thoughts)
    for told in ("observations.text", "memories.text", "emissions.payload::VARCHAR"):
        assert not run.sql(f"SELECT 1 FROM {told.partition('.')[0]} WHERE contains({told}, 'secret')").rows


def test_who_thinks_says_how_much_a_turn_matters_where_notes_are_weighed(tmp_path: Path) -> None:
    def answer(messages: list[BaseMessage]) -> str:
        return json.dumps({"thoughts": "So.", "importance": 9, "action": json.loads(at_length(messages))})

    settings: dict[str, Any] = {"memory_kind": "stream"}
    run = talking(tmp_path / "r.duckdb", 3, model=Answering(answer=answer), mind="think", steps=1, settings=settings)
    assert run.run().sql("SELECT DISTINCT kind, importance FROM memories").rows == [("said", 9)]


def test_tools_are_called_and_logged_and_every_answer_is_a_call(found_out: Path) -> None:
    logged = sql(found_out, LOGGED)
    tools = [row for row in logged if row[3] == "tool"]
    assert {(tool, is_error) for *_, tool, _, is_error in tools} == {
        ("who_is_here", False), ("price_of", False), ("price_of", True)
    }  # fmt: skip
    names = {name for (name,) in sql(found_out, "SELECT name FROM agents")}
    seen = [set(json.loads(row[4])) for row in tools if row[5] == "who_is_here"]
    assert all(one < names and len(one) == 5 for one in seen)
    ((calls,),) = sql(found_out, "SELECT count(*) FROM calls WHERE phase = 'step' AND purpose = 'react'")
    assert calls == len(logged) - len(tools) == 12 + len(tools)
    assert sql(found_out, "SELECT DISTINCT kind, prompt FROM emissions") == [("talk", "react@1")]


def test_without_a_model_the_rule_decides(tmp_path: Path) -> None:
    run = town(tmp_path / "run.duckdb", mind="rule").run()
    assert run.sql("SELECT DISTINCT text, model FROM emissions").rows == [("Good day.", "rule")]
    assert run.sql(PURPOSES).rows == []


@pytest.mark.parametrize("mind", ["react", pytest.param("think", marks=pytest.mark.slow)])
def test_what_was_thought_lasts(tmp_path: Path, found_out: Path, mind: Any) -> None:
    whole = found_out if mind == "react" else town(tmp_path / "whole.duckdb", mind=mind).run().path
    check_lasting(whole, ToolTown, partial(town, mind=mind), tmp_path, LOGGED, "SELECT mind FROM runs", stop=1)


@pytest.mark.slow
def test_another_process_makes_the_same_mind(tmp_path: Path, found_out: Path) -> None:
    run = town(tmp_path / "run.duckdb", mind="react", executor=ProcessExecutor("procedural")).run()
    assert run.event_hash == sql(found_out, "SELECT event_hash FROM runs")[0][0]


@pytest.mark.parametrize(("people", "steps"), [(4, 1), pytest.param(50, 4, marks=pytest.mark.slow)])
def test_over_http_faults_change_nothing_of_what_is_found_out(
    impatient: None, openai_server: OpenAIServer, tmp_path: Path, people: int, steps: int
) -> None:
    there: dict[str, Any] = {
        "model": "openai:test",
        "base_url": openai_server.base_url,
        "steps": steps,
        "mind": "react",
    }
    well = talking(tmp_path / "well.duckdb", people, scenario=ToolTown, **there).run()
    openai_server.reset()
    openai_server.fault("rate_limit", 0.2).fault("server_error", 0.1).fault("drop", 0.05)
    ill = talking(tmp_path / "ill.duckdb", people, scenario=ToolTown, **there).run()
    assert ill.event_hash == well.event_hash
    assert ill.sql(LOGGED).rows == well.sql(LOGGED).rows
    assert well.sql("SELECT count(*) > 0 FROM deliberations WHERE kind = 'tool'").rows == [(True,)]
    assert not ill.sql("SELECT 1 FROM failures").rows
    assert sum(openai_server.by_fault[fault] for fault in ("rate_limit", "server_error", "drop")) > 0


def curious(messages: list[BaseMessage]) -> str:
    """Asks who is there as long as it may, and then talks at length."""
    told = str(messages[-1].content)
    if "Nothing more can be found out" not in told:
        return json.dumps({"thoughts": "Who is there?", "action": {"kind": "who_is_here"}})
    (name, *_) = names_near(str(messages[1].content))
    return json.dumps({"thoughts": "Now then.", "action": {"kind": "talk", "to": name, "text": str(len(messages))}})


@pytest.mark.parametrize("most", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_tools_are_called_so_often_at_most(tmp_path: Path, most: int) -> None:
    run = town(
        tmp_path / "r.duckdb",
        people=3,
        mind="react",
        steps=1,
        model=Answering(answer=curious),
        settings={"tool_calls": most},
    ).run()
    assert run.sql("SELECT agent, count(*) FROM deliberations WHERE kind = 'tool' GROUP BY agent").rows
    assert run.sql("SELECT DISTINCT n FROM (SELECT count(*) AS n FROM calls WHERE phase = 'step' GROUP BY owner)").rows
    assert run.sql("SELECT DISTINCT text FROM emissions").rows == [(str(2 + 2 * most),)]


def test_a_whole_conversation_with_tools_stays_within_its_tokens(tmp_path: Path) -> None:
    sizes: list[int] = []

    def answer(messages: list[BaseMessage]) -> str:
        sizes.append(sum(len(str(message.content)) for message in messages))
        return curious(messages)

    settings: dict[str, Any] = {"prompt_tokens": 1000, "neighbours": 20, "tool_calls": 3}
    run = town(
        tmp_path / "r.duckdb", people=20, mind="react", steps=1, model=Answering(answer=answer), settings=settings
    ).run()
    assert len(sizes) == 20 * 4
    assert max(sizes) <= 1000 * 4
    assert run.sql("SELECT count(*) FROM emissions").rows == [(20,)]


def test_a_draft_that_repeats_is_revised_after_thoughts_too(tmp_path: Path) -> None:
    class Revised(Talk):
        """Say something new."""

        novelty = "revise"  # type: ignore[assignment]  # its base says none

    class NewTown(TalkingTown):
        actions = (Revised,)

    def answer(messages: list[BaseMessage]) -> str:
        (name, *_) = names_near(str(messages[1].content))
        line = {"kind": "talk", "to": name, "text": "the same old story that everybody in town knows by heart"}
        return json.dumps({"thoughts": "Hm.", "action": line})

    run = talking(
        tmp_path / "r.duckdb", 3, scenario=NewTown, mind="think", steps=2, model=Answering(answer=answer)
    ).run()
    assert run.sql("SELECT step, count_if(revised) FROM emissions GROUP BY step ORDER BY step").rows == [(1, 0), (2, 3)]
    assert run.sql(PURPOSES).rows == [("revise", 3), ("think", 6)]


class OwnGraph(TalkingTown):
    """Has a mind of its own."""

    def mind(self) -> Mind:
        """The default stages."""
        return Mind()


class OwnRule(TalkingTown):
    """Has a rule of its own, as its mind."""

    def mind(self) -> Any:
        """A function."""
        return lambda observation, rng: None


@pytest.mark.parametrize(
    ("scenario", "mind", "said"),
    [
        (TalkingTown, "rule", "'talking' has no rule .*define `rule`, or take another mind: one-call, think"),
        (OwnGraph, "rule", "'talking' has no rule"),
        (TalkingTown, "react", "'talking' has no tools .*give them in `tools`"),
        (OwnGraph, "think", "'talking' has a mind of its own, in the place of which `mind='think'` cannot be put"),
    ],
)
def test_a_mind_that_a_scenario_has_not_is_refused(
    tmp_path: Path, scenario: type[Scenario], mind: str, said: str
) -> None:
    with pytest.raises(SetupError, match=said), talking(tmp_path / "r.duckdb", 3, scenario=scenario, mind=mind):
        pass
    assert not (tmp_path / "r.duckdb").exists()


def test_an_unknown_mind_is_refused() -> None:
    with pytest.raises(SetupError, match="`mind` must be 'one-call', 'think', 'react' or 'rule', but 'deep' was given"):
        talking(Path("r.duckdb"), 3, mind="deep")


def test_a_mind_that_is_a_rule_is_the_rule(tmp_path: Path) -> None:
    run = talking(tmp_path / "r.duckdb", 3, scenario=OwnRule, mind="rule", steps=1).run()
    assert run.sql("SELECT count(*) FROM calls WHERE phase = 'step'").rows == [(0,)]


def untold(good: str) -> str:
    return good


def untyped(good) -> str:  # type: ignore[no-untyped-def]
    """What is it?"""
    return str(good)


def named(name: str) -> str:
    """What is it?"""
    return name


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (untold, "tool untold has no docstring"),
        (untyped, "tool untyped has a parameter 'good'"),
        (named, "tool named has a parameter 'name', a name that actions have themselves"),
    ],
)
def test_a_tool_that_no_model_could_call_is_refused(tmp_path: Path, tool: Any, said: str) -> None:
    class Strange(TalkingTown):
        def tools(self) -> Any:
            return (tool,)

    with pytest.raises(SetupError, match=said), talking(tmp_path / "r.duckdb", 3, scenario=Strange, mind="react"):
        pass


def test_a_tool_that_fails_is_named(tmp_path: Path) -> None:
    class Failing(TalkingTown):
        def tools(self) -> Any:
            return (self.who_is_here,)

        def who_is_here(self, observation: Observation) -> str:
            """Who is there."""
            raise KeyError("nobody")

    with pytest.raises(HookError, match="`who_is_here` of Failing failed with KeyError: 'nobody'"):
        talking(tmp_path / "r.duckdb", 3, scenario=Failing, mind="react", model=Answering(answer=curious)).run()


def test_one_scenario_may_have_a_rule_and_a_model(tmp_path: Path) -> None:
    class Both(Ballot):
        def rule(self, observation: Observation, rng: random.Random) -> Action | None:
            return self.actions[0](kind="vote", choice="bridge", reason="So.")

    society = partial(talking, people=3, scenario=Both, model=Answering(), steps=1)
    chosen = "SELECT DISTINCT payload ->> '$.choice' FROM emissions"
    assert society(tmp_path / "model.duckdb").run().sql(chosen).rows == [("ferry",)]
    assert society(tmp_path / "rule.duckdb", mind="rule").run().sql(chosen).rows == [("bridge",)]
    assert who_is_here(Observation("a", "", "")) == []


@pytest.mark.slow
def test_an_estimate_counts_the_requests_of_turns_with_tools() -> None:
    growth = Growth(agents=6, hops=1)
    asked = partial(estimate, growth=growth, steps=2, sample=0, model="openai:test", base_url="http://127.0.0.1:1/v1")
    react = asked(ToolTown({"tool_calls": 2}), mind="react")
    (calls,) = [one.calls for one in react.purposes if one.name == "react"]
    turns = react.dry_run[0] * 2
    assert turns < calls.low == calls.high <= turns * 3
    assert "think" in {one.name for one in asked(ToolTown(), mind="think").purposes}
    assert {one.name for one in asked(ToolTown(), mind="rule").purposes} == {"text_to_persona", "persona_to_persona"}
