"""Somebody takes an agent's turns, or answers where a graph interrupts itself; what was typed is recorded."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from populace.agents.actions import Instruction
from populace.agents.endpoint.human import HumanChat, fill_form
from populace.agents.mind import Decision, Mind, MindContext, MindState
from populace.core.errors import RunError, SetupError
from populace.scenarios.village import Village
from populace.sim.fork import fork
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun
from populace.sim.society import Society

QUIET: dict[str, Any] = {"lines": 1, "assistant": False, "visited": 0.0, "wish": 0.0, "goals": False}

type Live = Callable[..., FinishedRun]


def typing(*lines: str) -> Callable[[str], str]:
    """Type these lines, one for each field that is asked for, and nothing after."""
    left = iter(lines)
    return lambda label: next(left)


def named(live: Live) -> str:
    """Somebody of the village who has neighbours."""
    found = live("who", steps=1, settings=QUIET).sql(
        "SELECT name FROM agents JOIN observations USING (agent) WHERE neighbours > 2 ORDER BY ordinal LIMIT 1"
    )
    return str(found.rows[0][0])


def test_somebody_takes_the_turns_of_one_agent_and_a_replay_asks_nobody(live: Live, tmp_path: Path) -> None:
    name = named(live)
    human = HumanChat(read=typing("deed", "She waters the beans.", "2", "She locks the shed.", "silence"))
    run = live(settings=QUIET, play=name, human=human, prices="0/0", max_cost=1.0)
    played = run.sql(
        "SELECT o.step, o.kind, o.text FROM outputs AS o JOIN agents USING (agent) "
        "WHERE name = $1 AND model = 'human' ORDER BY step",
        (name,),
    )
    assert played.rows == [
        (1, "deed", "She waters the beans."),
        (2, "deed", "She locks the shed."),
        (3, "silence", "(nothing)"),
    ]
    assert run.sql("SELECT count(*), count(DISTINCT owner) FROM calls WHERE role = 'human'").rows == [(3, 1)]
    assert replay(run.path, Village).event_hash == run.event_hash
    nobody = HumanChat(read=typing())  # what is asked again has its answer
    forked = fork(run.path, Village, at=2, out=tmp_path / "fork.duckdb", human=nobody, steps=3).run()
    assert forked.sql("SELECT count(*) FROM failures").rows == [(0,)]
    assert forked.sql("SELECT kind, text FROM emissions").rows == run.sql("SELECT kind, text FROM emissions").rows


def test_a_paused_run_asks_only_for_the_turns_that_were_not_taken(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = named(live)
    monkeypatch.setattr("sys.stdin", io.StringIO("silence\n"))
    with pytest.raises(RunError, match="Standard input has ended, so nobody answers; resume the run"):
        live(settings=QUIET, play=name)
    shown = capsys.readouterr().err
    assert f'<persona name="{name}">' in shown
    assert "action (1 dialogue, 2 deed, 3 instruction, 4 silence): " in shown
    monkeypatch.setattr("sys.stdin", io.StringIO("silence\nsilence\n"))
    run = Society.resume(tmp_path / "run.duckdb", Village).run()
    assert run.sql("SELECT count(*) FROM calls WHERE role = 'human' AND raw IS NOT NULL").rows == [(3,)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"play": "Nobody Atall"}, "There is no agent 'Nobody Atall' whose turns could be taken"),
        ({"play": "Nobody Atall", "archetypes": 3}, "cannot be taken by somebody else"),
    ],
)
def test_who_cannot_be_played_is_refused(live: Live, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        live(settings=QUIET, **options)


class Asking(Village):
    """Whoever acts asks first, outside of the model, what to request."""

    name = "asking"

    def mind(self) -> Mind:
        def decide(state: MindState) -> dict[str, Any]:
            wish = interrupt(f"What does {state['observation'].name} ask for?")
            return {"decision": Decision(Instruction(kind="instruction", text=wish))}

        graph = StateGraph(MindState, context_schema=MindContext)
        graph.add_node("decide", decide)
        graph.add_edge(START, "decide")
        return Mind(own=graph.compile(checkpointer=InMemorySaver()))


def test_a_graph_that_interrupts_itself_is_answered_and_replayed(live: Live) -> None:
    human = FakeListChatModel(responses=[f"Number {place}" for place in range(60)])
    run = live(scenario=Asking(QUIET), steps=1, human=human, max_in_flight=1)
    asked = run.sql("SELECT count(*) FROM calls WHERE role = 'human' AND purpose = 'interrupt'").rows[0][0]
    assert asked > 12
    assert run.sql("SELECT count(DISTINCT text) FROM emissions WHERE text LIKE 'Number %'").rows == [(asked,)]
    assert replay(run.path, Asking).event_hash == run.event_hash


def test_no_model_answers_in_the_place_of_somebody(live: Live) -> None:
    with pytest.raises(SetupError, match="Somebody is to answer, and nobody is there; say who, as `human='human'`"):
        live(scenario=Asking(QUIET), steps=1)


def test_a_form_reads_every_kind_of_field_and_asks_again_for_what_does_not_fit() -> None:
    schema = {
        "type": "object",
        "properties": {
            "item": {
                "anyOf": [
                    {"$ref": "#/$defs/Coin"},
                    {"type": "object", "properties": {"kind": {"const": "note"}, "text": {"type": "string"}}},
                    {"type": "null"},
                ]
            },
            "is_new": {"type": "boolean"},
            "share": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}},
        },
        "$defs": {"Coin": {"type": "object", "properties": {"kind": {"enum": ["coin"]}, "worth": {"type": "integer"}}}},
    }
    asked: list[str] = []
    lines: Iterator[str] = iter(["5", "coin", "x", "3", "maybe", "no", "half", "0.5", "y", "2", "n"])

    def read(label: str) -> str:
        asked.append(label)
        return next(lines)

    assert fill_form(schema, read) == {
        "item": {"kind": "coin", "worth": 3}, "is_new": False, "share": 0.5, "tags": ["blue"],
    }  # fmt: skip
    assert asked[0] == "item (1 coin, 2 note):"
    assert asked.count("worth:") == asked.count("is_new:") == asked.count("share:") == 2
