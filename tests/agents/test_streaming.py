import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from asking import VALID, Open, ask
from memory_ledger import MemoryLedger
from openai_replies import error, event
from openai_server import OpenAIServer
from raw_server import RawServer, http

from populace.core.model import Outcome

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"
USAGE = event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 9}})


def said(text: str, finish: str | None = None) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})


ANSWER = [said(VALID[:9]), said(VALID[9:]), said("", "stop"), USAGE, DONE]


def sent(*pieces: bytes | float) -> Callable[[], AsyncIterator[bytes]]:
    """A stream of these pieces; a number is a silence in seconds."""

    async def stream() -> AsyncIterator[bytes]:
        yield HEAD
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                await asyncio.sleep(piece)

    return stream


async def test_an_answer_is_streamed_with_its_usage(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger
) -> None:
    openai_server.writer = lambda asked: VALID
    assert (await ask(opened())).outcome is Outcome.OK
    assert openai_server.bodies[0]["stream_options"] == {"include_usage": True}
    (call,) = memory_ledger.calls
    assert (call.raw, call.finish_reason) == (VALID, "stop")
    assert None not in (call.input_tokens, call.output_tokens, call.cached_tokens)


async def test_an_answer_that_repeats_itself_is_not_waited_for(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger
) -> None:
    raw.answer = sent(*[said("and so on ")] * 500, 30.0)
    answer = await ask(opened(base_url=raw.base_url, attempts=1))
    assert answer.outcome is Outcome.LENGTH
    assert "repeated itself and was not read further" in answer.reason
    for call in memory_ledger.calls:
        assert (call.outcome, call.finish_reason) == (Outcome.LENGTH, "loop")
        assert len(call.raw or "") < 2_000


async def test_a_server_that_does_not_stream_is_read_as_it_answers(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger
) -> None:
    raw.answer = http(orjson.dumps({"choices": [{"message": {"content": VALID}, "finish_reason": "stop"}]}))
    assert (await ask(opened(base_url=raw.base_url))).outcome is Outcome.OK
    assert [call.raw for call in memory_ledger.calls] == [VALID]


async def test_a_stream_that_calls_itself_text_is_a_stream(opened: Open, raw: RawServer) -> None:
    raw.answer = http(b"".join(ANSWER), kind="text/plain")
    assert (await ask(opened(base_url=raw.base_url))).outcome is Outcome.OK


class Picky(OpenAIServer):
    """Refuses requests that hold a parameter, in these words."""

    refused, words = "stream", ""

    async def _answer(self, request: Any, body: bytes, fault: Any) -> Any:
        asked = orjson.loads(body)
        return error(422, self.words) if asked.get(self.refused) else await super()._answer(request, body, fault)


@pytest.mark.parametrize(
    ("refused", "words", "refusals"),
    [
        ("stream", "Streaming is not supported.", 1),
        ("stream_options", "stream_options: Extra inputs are not permitted", 1),
        ("stream", "No.", 4),  # said of any form, from the best one to the prompt
    ],
)
async def test_a_refused_stream_is_not_asked_for_again(
    opened: Open, memory_ledger: MemoryLedger, refused: str, words: str, refusals: int
) -> None:
    with Picky() as server:
        server.refused, server.words = refused, words
        gateway = opened(base_url=server.base_url)
        assert [(await ask(gateway, number)).outcome for number in range(3)] == [Outcome.OK] * 3
        assert server.calls == refusals + 3
        assert all("response_format" in body for body in server.bodies)


async def test_an_answer_counts_when_only_the_end_of_its_stream_is_missing(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger
) -> None:
    raw.answer = sent(said(VALID), said("", "stop"), 0.6)
    assert (await ask(opened(base_url=raw.base_url, timeout=0.3, attempts=1))).outcome is Outcome.OK
    assert [call.output_tokens for call in memory_ledger.calls] == [None]


async def test_an_error_in_the_stream_is_the_endpoints_fault(opened: Open, raw: RawServer) -> None:
    raw.answer = sent(said("{"), event({"error": {"message": "Too long.", "code": 503}}), DONE)
    answer = await ask(opened(base_url=raw.base_url, attempts=1))
    assert (answer.outcome, answer.value) == (Outcome.SERVER_ERROR, None)


async def test_a_call_lives_as_long_as_its_answer_grows(opened: Open, raw: RawServer) -> None:
    letters = [part for letter in VALID for part in (said(letter), 0.02)]
    raw.answer = sent(*letters, said("", "stop"), DONE)
    answer = await ask(opened(base_url=raw.base_url, timeout=0.3, attempts=1))
    assert (answer.outcome, answer.attempts) == (Outcome.OK, 1)


@pytest.mark.parametrize(
    ("ending", "outcome"), [((2.0,), Outcome.TIMEOUT), ((), Outcome.DROPPED), ((b'data: {"cho',), Outcome.DROPPED)]
)
async def test_what_came_before_a_cut_is_kept_and_is_no_answer(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger, ending: tuple[bytes | float, ...], outcome: Outcome
) -> None:
    raw.answer = sent(said('{"text":"half'), *ending)
    assert (await ask(opened(base_url=raw.base_url, timeout=0.3, attempts=1))).outcome is outcome
    (call,) = memory_ledger.calls
    assert (call.outcome, call.raw, call.output_tokens) == (outcome, None, None)
    assert call.reason.endswith(' The model had written: {"text":"half')


async def test_comments_alone_keep_a_call_for_a_while(opened: Open, raw: RawServer) -> None:
    pings: list[bytes | float] = [b": ping\n\n", 0.05]
    raw.answer = sent(*pings * 8, *ANSWER)
    gateway = opened(base_url=raw.base_url, timeout=0.2, attempts=1)
    assert (await ask(gateway)).outcome is Outcome.OK
    raw.answer = sent(*pings * 80)
    assert (await ask(gateway, 2)).outcome is Outcome.TIMEOUT


async def test_an_endpoint_that_needed_longer_is_given_longer(opened: Open, raw: RawServer) -> None:
    async def slow() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.5)
        async for piece in sent(*ANSWER)():
            yield piece

    raw.answer = slow
    gateway = opened(base_url=raw.base_url, timeout=0.3, attempts=3)
    assert [(await ask(gateway, number)).attempts for number in (1, 2)] == [2, 1]


async def test_an_unfinished_answer_is_asked_for_again_by_a_resumed_run(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger
) -> None:
    raw.answer = sent(said(VALID[:9]))
    await ask(opened(base_url=raw.base_url, attempts=1))
    raw.answer = sent(*ANSWER)
    resumed = MemoryLedger(memory_ledger)
    assert (await ask(opened(base_url=raw.base_url, ledger=resumed))).outcome is Outcome.OK
    assert [call.raw for call in resumed.calls] == [VALID]
