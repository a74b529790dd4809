"""Societies of models that are hard to live with, over HTTP: one that refuses, mends one fault at a time, or agrees."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_answers import names_near
from openai_server import OpenAIServer
from quick_time import in_no_time, seconds

from populace.agents.actions import DialogueLine
from populace.agents.endpoint.silence import SilenceLimit
from populace.sim.growth import Growth
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society


class Chat(Scenario):
    """Agents speak."""

    name = "chat"
    actions = (DialogueLine,)


TRADES = ("Sexton", "Miller", "Cooper", "Diver", "Printer", "Tailor")
REFUSAL = "I'm sorry, but I can't assist with that."

type Messages = list[dict[str, str]]
type Chatting = Callable[[Callable[[str, Messages], str], int], FinishedRun]


@pytest.fixture
def chatting(tmp_path: Path, openai_server: OpenAIServer) -> Chatting:
    """Runs six people who all know each other; a model writes each line, given the trade of who speaks."""

    def run(line: Callable[[str, Messages], str], steps: int) -> FinishedRun:
        def write(asked: dict[str, Any]) -> str:
            told = asked["messages"]
            described = re.sub("<persona.*>", "", told[1]["content"])
            (name, *_) = names_near(told[1]["content"])
            return json.dumps({"kind": "dialogue", "to": name, "text": line(described.split()[0], told)})

        openai_server.writer = write
        people = "\n".join(json.dumps({"persona": f"{trade} {n} of {n * 7}."}) for n, trade in enumerate(TRADES))
        (hub := tmp_path / "people.jsonl").write_text(people, encoding="utf-8")
        model: dict[str, Any] = {"model": "openai:test", "base_url": openai_server.base_url}
        out, growth = tmp_path / "run.duckdb", Growth(hub=hub, hops=0)
        return Society(Chat(), growth=growth, out=out, network="complete", steps=steps, **model).run()

    return run


def test_a_refusal_is_repaired_once_and_never_heard(chatting: Chatting, openai_server: OpenAIServer) -> None:
    def refuse(trade: str, told: Messages) -> str:
        """Refuse first; in the repair, half of the agents speak."""
        return f"My sister is no {trade}." if len(told) > 2 and TRADES.index(trade) % 2 else REFUSAL

    run = chatting(refuse, 1)
    said = run.sql("SELECT text, revised FROM emissions").rows
    heard = [text for (text,) in run.sql("SELECT text FROM messages").rows]
    assert openai_server.calls == 12
    assert len(said) == 6
    assert sorted(heard) == sorted(f"My sister is no {trade}." for trade in TRADES[1::2])
    assert all(revised for _, revised in said)
    ((refused,),) = run.sql("SELECT count(*) FROM checks WHERE \"check\" = 'refusal' AND outcome = 'failed'").rows
    assert refused == 3


def test_a_model_that_mends_only_what_it_is_told_is_told_all_faults_at_once(chatting: Chatting) -> None:
    faults = {"It repeats itself": " and on" * 30, "An assistant speaks": " How can I assist you today?"}

    def mend(trade: str, told: Messages) -> str:
        """Leave out exactly the faults that the complaint names."""
        complaint = told[-1]["content"] if len(told) > 2 else ""
        return (
            f"The {trade} went on" + "".join(fault for words, fault in faults.items() if words not in complaint) + "."
        )

    run = chatting(mend, 1)
    assert run.sql("SELECT count(*) FROM messages").rows == [(6,)]
    assert run.sql("SELECT count(*) FROM checks WHERE outcome = 'failed'").rows == [(0,)]


def test_a_model_that_agrees_for_ever_is_heard_once_and_refused_as_an_echo(chatting: Chatting) -> None:
    def agree(trade: str, told: Messages) -> str:
        """Repeat whatever was heard."""
        heard = re.findall(r'"(The well [^"]+)"', told[1]["content"])
        return heard[-1] if heard else f"The well by the old mill has run dry again, thinks the {trade}."

    run = chatting(agree, 4)
    heard = dict(run.sql("SELECT step, count(*) FROM messages GROUP BY step").rows)
    refused = dict(
        run.sql(
            "SELECT step, count(*) FROM checks JOIN emissions USING (emission) "
            "WHERE outcome = 'failed' AND \"check\" = 'leak' GROUP BY step"
        ).rows
    )
    assert heard == {1: 6}
    assert refused == {2: 6, 3: 6, 4: 6}


def test_a_call_that_writes_a_token_a_second_lives_for_ten_minutes() -> None:
    async def trickle() -> float:
        async with SilenceLimit(60) as limit:
            for _ in range(600):
                await asyncio.sleep(1)
                limit.note(1)
        return seconds()

    assert in_no_time(trickle()) == pytest.approx(600)
