"""What a reasoning model thought is kept apart from its answer, whichever way the server gives it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asking import LINE, VALID, ask, gateway_over, scripted
from langchain_core.messages import AIMessage
from memory_ledger import MemoryLedger
from openai_server import OpenAIServer

from populace.agents.endpoint.models import open_model
from populace.agents.endpoint.response import split_thoughts
from populace.agents.gateway.cache import AnswerCache
from populace.agents.gateway.request import judge
from populace.core.model import Outcome


@pytest.mark.parametrize(
    ("written", "thoughts", "answer"),
    [
        ("<think>Hm.</think>\nYes.", "Hm.", "Yes."),
        ("\n<think>\nHm.\n</think>\n\nYes.", "Hm.", "Yes."),
        ("<think>\n\n</think>\n\nYes.", "", "Yes."),
        ("<think>Hm. I was cut", "Hm. I was cut", ""),
        ("<think>a <think>b</think> c</think>Yes.", "a <think>b</think> c", "Yes."),
        ("<think>I close <think> later</think>Yes.", "I close <think> later", "Yes."),
        ("<THINKING>Hm.</THINKING>Yes.", "Hm.", "Yes."),
        ("Hm, so be it.\n</think>\n\nYes.", "Hm, so be it.", "Yes."),
        ("<think>a</think>\n<think>b</think>\nYes.", "a\n\nb", "Yes."),
        ("Yes.", "", "Yes."),
        ("Write <think> to begin.", "", "Write <think> to begin."),
        ('{"text": "close it with </think>"}', "", '{"text": "close it with </think>"}'),
    ],
)
def test_thoughts_at_the_beginning_are_split_from_the_answer(written: str, thoughts: str, answer: str) -> None:
    assert split_thoughts(written) == (thoughts, answer)


def test_thoughts_that_were_cut_off_are_no_answer() -> None:
    _, left = split_thoughts("<think>Maybe {")
    assert judge(left, LINE, finish_reason="length").outcome is Outcome.LENGTH
    assert judge(left, LINE, finish_reason="stop").outcome is Outcome.EMPTY


@pytest.mark.parametrize(
    "message",
    [
        {"content": VALID, "reasoning_content": "Hm."},
        {"content": VALID, "reasoning": "Hm."},
        {"content": f"<think>Hm.</think>{VALID}"},
    ],
)
async def test_the_call_holds_the_thoughts_in_a_field_of_their_own(
    message: dict[str, Any], openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    openai_server.writer = lambda asked: message
    ledger = MemoryLedger()
    gateway = gateway_over(open_model("openai:test", base_url=openai_server.base_url), ledger=ledger)
    assert (await ask(gateway)).outcome is Outcome.OK
    await gateway.aclose()
    (call,) = ledger.calls
    assert (call.raw, call.reasoning) == (VALID, "Hm.")


async def test_blocks_of_thinking_of_another_chat_model_are_kept_too() -> None:
    ledger = MemoryLedger()
    content: list[str | dict[str, Any]] = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": VALID}]
    gateway, _ = scripted([AIMessage(content=content)], ledger)
    assert (await ask(gateway)).outcome is Outcome.OK
    assert ledger.calls[0].reasoning == "Hm."


async def test_thoughts_come_back_from_the_cache(tmp_path: Path) -> None:
    message = AIMessage(VALID, additional_kwargs={"reasoning_content": "Hm."})
    with AnswerCache(tmp_path / "cache.sqlite") as cache:
        first, _ = scripted([message], MemoryLedger(), stores=[cache])
        await ask(first)
    ledger = MemoryLedger()
    with AnswerCache(tmp_path / "cache.sqlite") as cache:
        again, _ = scripted([], ledger, stores=[cache])
        assert (await ask(again)).outcome is Outcome.OK
    assert [(call.source, call.reasoning) for call in ledger.calls] == [("cache", "Hm.")]


async def test_a_model_that_is_asked_again_is_not_shown_its_thoughts() -> None:
    ledger = MemoryLedger()
    gateway, chat = scripted(["<think>Secret.</think>No JSON.", VALID], ledger)
    assert (await ask(gateway)).outcome is Outcome.OK
    await asyncio.sleep(0)
    assert "Secret" not in str(chat.seen[1]["messages"])
    assert "No JSON." in str(chat.seen[1]["messages"])
