import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from openai_faults import FaultKind
from openai_server import OpenAIServer

from populace.agents.endpoint.chat_openai import LeanChatOpenAI
from populace.agents.endpoint.errors import (
    RequestError,
    endpoint_error,
    error_of_status,
    parse_object,
    retry_after,
    words_of,
)
from populace.agents.endpoint.http_client import HttpConnection
from populace.agents.endpoint.models import open_model
from populace.core.model import Outcome

MESSAGES = [SystemMessage("Be brief."), HumanMessage("Speak.")]


def reply(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "finish_reason": "stop", "message": message}], **more}


@pytest.fixture
async def chat(openai_server: OpenAIServer) -> AsyncIterator[LeanChatOpenAI]:
    chat = cast("LeanChatOpenAI", open_model("openai:m", base_url=openai_server.base_url, timeout=120.0).served)
    yield chat
    await chat.aclose()


async def message_of(chat: LeanChatOpenAI, **kwargs: Any) -> AIMessage:
    result = await chat._agenerate(list(MESSAGES), **kwargs)
    assert isinstance(result.generations[0].message, AIMessage)
    return result.generations[0].message


async def fault_of(chat: LeanChatOpenAI) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await chat._agenerate(list(MESSAGES))
    return caught.value


@pytest.mark.parametrize("closed", [1, 2])
async def test_a_connection_that_was_closed_while_idle_costs_no_attempt(closed: int) -> None:
    """llama.cpp closes each connection behind a stream without saying so; a new connection that breaks is a fault."""
    taken: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(0)
        while await reader.readuntil(b"{}"):
            taken[-1] += 1
            if (len(taken) == 1 and taken[-1] > 1) or len(taken) == closed == 2:
                writer.close()
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        client = HttpConnection(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        await client.post("x", {})
        if closed == 1:
            await client.post("x", {})
        else:
            with pytest.raises(RequestError, match="connection broke"):
                await client.post("x", {})
        assert taken == [2, 1]
        await client.aclose()


async def test_what_is_sent_is_a_plain_chat_completion(chat: LeanChatOpenAI, openai_server: OpenAIServer) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "A", "schema": {"type": "object"}, "strict": True}}
    await message_of(chat, response_format=form, seed=7, max_tokens=9)
    assert openai_server.bodies == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Speak."},
            ],
            "response_format": form,
            "seed": 7,
            "max_tokens": 9,
            "stream": False,
        }
    ]


async def test_the_key_is_sent_as_a_bearer(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    openai_server.key = "sk-right-one"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-right-one")
    handle = open_model("openai:m", base_url=openai_server.base_url)
    await handle.served._agenerate(list(MESSAGES))
    await handle.aclose()
    assert openai_server.calls == 1


async def test_tokens_are_the_endpoints_own_count(chat: LeanChatOpenAI, openai_server: OpenAIServer) -> None:
    usage = {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    openai_server.script(reply({"role": "assistant", "content": "Hm."}, usage=usage))
    counted = (await message_of(chat)).usage_metadata
    assert counted is not None
    assert (counted["input_tokens"], counted["output_tokens"]) == (11, 7)
    assert counted["input_token_details"]["cache_read"] == 5
    assert counted["output_token_details"]["reasoning"] == 3


async def test_no_count_of_tokens_stays_none(chat: LeanChatOpenAI, openai_server: OpenAIServer) -> None:
    openai_server.script(reply({"role": "assistant", "content": "Hm."}))
    assert (await message_of(chat)).usage_metadata is None


async def test_tool_calls_are_read(chat: LeanChatOpenAI, openai_server: OpenAIServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weigh", "arguments": '{"what":"flour"}'}}
    openai_server.script(reply({"role": "assistant", "content": None, "tool_calls": [call]}))
    tool = {"type": "function", "function": {"name": "weigh", "parameters": {"type": "object"}}}
    message = await message_of(chat, tools=[tool])
    assert message.content == ""
    assert (message.tool_calls[0]["name"], message.tool_calls[0]["args"]) == ("weigh", {"what": "flour"})
    assert openai_server.bodies[0]["tools"] == [tool]


async def test_a_reply_without_role_is_the_assistants(chat: LeanChatOpenAI, openai_server: OpenAIServer) -> None:
    openai_server.script(reply({"content": "Hm."}))
    assert (await message_of(chat)).content == "Hm."


async def test_half_an_emoji_costs_no_answer(chat: LeanChatOpenAI, openai_server: OpenAIServer) -> None:
    openai_server.script(b'{"choices":[{"message":{"role":"assistant","content":"so sad \\ud83d"}}]}')
    assert (await message_of(chat)).content == "so sad ?"


@pytest.mark.parametrize(
    ("kind", "outcome", "status"),
    [
        ("rate_limit", Outcome.RATE_LIMITED, 429),
        ("server_error", Outcome.SERVER_ERROR, 500),
        ("no_choices", Outcome.SERVER_ERROR, 200),
        ("auth", Outcome.AUTH, 401),
        ("no_model", Outcome.NOT_FOUND, 404),
        ("bad_request", Outcome.BAD_REQUEST, 400),
        ("drop", Outcome.DROPPED, None),
        ("drop_midway", Outcome.DROPPED, None),
        ("html", Outcome.NOT_JSON, 200),
        ("cut_body", Outcome.NOT_JSON, 200),
    ],
)
async def test_every_failure_has_its_outcome(
    chat: LeanChatOpenAI, openai_server: OpenAIServer, kind: FaultKind, outcome: Outcome, status: int | None
) -> None:
    openai_server.fault(kind)
    fault = await fault_of(chat)
    assert (fault.outcome, fault.status) == (outcome, status)
    assert openai_server.calls == 1


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"null", Outcome.NOT_JSON),
        (b"\xff\xfe\x00", Outcome.NOT_JSON),
        (b"[" * 5000, Outcome.NOT_JSON),
        (b'{"choices":[{"message":"hm"}]}', Outcome.SERVER_ERROR),
        (b'{"choices":[7]}', Outcome.SERVER_ERROR),
        (b'{"choices":[{"message":{"role":"assistant","content":{"a":1}}}]}', Outcome.SERVER_ERROR),
        (b'{"error":{"message":"busy","code":429}}', Outcome.RATE_LIMITED),
        (b'{"error":"overloaded"}', Outcome.SERVER_ERROR),
    ],
)
async def test_a_reply_that_is_no_chat_completion_is_a_typed_fault(
    chat: LeanChatOpenAI, openai_server: OpenAIServer, body: bytes, outcome: Outcome
) -> None:
    openai_server.script(body)
    assert (await fault_of(chat)).outcome is outcome


async def test_a_call_ends_at_its_timeout(openai_server: OpenAIServer) -> None:
    openai_server.fault("hang")
    wire = HttpConnection(openai_server.base_url, timeout=0.05)
    with pytest.raises(RequestError, match=r"within 0\.05 seconds") as caught:
        await wire.post("chat/completions", {"messages": []})
    await wire.aclose()
    assert caught.value.outcome is Outcome.TIMEOUT


async def test_nobody_at_the_address_is_unreachable(nowhere: str) -> None:
    wire = HttpConnection(nowhere)
    with pytest.raises(RequestError) as caught:
        await wire.post("chat/completions", {"messages": []})
    await wire.aclose()
    assert caught.value.outcome is Outcome.UNREACHABLE


async def test_requests_go_by_the_proxy_that_the_environment_names(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", openai_server.base_url.removesuffix("/v1"))
    wire = HttpConnection("http://elsewhere.example/v1", timeout=120.0)
    posted = await wire.post("chat/completions", {"messages": [{"role": "user", "content": "Hm?"}]})
    await wire.aclose()
    assert posted.reply["choices"]
    assert openai_server.calls == 1


async def test_a_redirect_is_not_followed(chat: LeanChatOpenAI, openai_server: OpenAIServer) -> None:
    openai_server.script(b"", status=307, headers={"Location": "https://elsewhere.example/v1?key=secret"})
    fault = await fault_of(chat)
    assert fault.outcome is Outcome.NOT_FOUND
    assert "elsewhere.example" in fault.detail
    assert "secret" not in fault.detail


def test_a_session_is_opened_anew_after_it_was_closed(openai_server: OpenAIServer) -> None:
    wire = HttpConnection(openai_server.base_url)

    async def once() -> None:
        await wire.post("chat/completions", {"messages": [{"role": "user", "content": "Hm?"}]})
        await wire.aclose()

    asyncio.run(once())
    asyncio.run(once())
    assert openai_server.calls == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2.5"}, 2.5),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "inf"}, None),
    ],
)
def test_the_wait_that_is_asked_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_in_retry_after_is_a_wait_until_then() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    asked = retry_after({"Retry-After": date})
    assert asked is not None
    assert 3500 < asked <= 3600


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":{"message":"No such\\nmodel."}}', "No such model."),
        (b'{"error":{"message":"No money","code":"insufficient_quota"}}', "No money (insufficient_quota)"),
        (b'{"detail":[{"loc":["seed"],"msg":"extra field"}]}', "seed: extra field"),
        (b"<html><body><h1>Bad gateway</h1></body></html>", "an HTML page, Bad gateway"),
        (b"\xff no text", "\ufffd no text"),
        (b"", ""),
    ],
)
def test_the_endpoints_own_words_are_found(body: bytes, words: str) -> None:
    assert words_of(body) == words


@given(st.binary())
def test_no_body_makes_the_reading_of_words_raise(body: bytes) -> None:
    assert len(words_of(body)) <= 300


@given(st.integers(300, 599), st.text())
def test_every_status_has_an_outcome_other_than_ok(status: int, words: str) -> None:
    assert error_of_status(status, words).outcome is not Outcome.OK


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"a": NaN}', "JSON with NaN"),
        (b'{"a": -Infinity, "b": 1}', "JSON with -Infinity"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "JSON that nests too deeply"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "JSON that nests too deeply"),
        (b'{"a": "b", "c": tru', "cut JSON"),
        (b'{"a": "b\\u12', "cut JSON"),
        (b'{"a": 1}{"b": 2}', "malformed JSON (Extra data"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_wrong_with_a_reply_is_named(body: bytes, what: str) -> None:
    with pytest.raises(RequestError, match=re.escape(f"The endpoint sent {what}")):
        parse_object(body)


def test_an_account_without_money_is_not_waited_for() -> None:
    assert error_of_status(429, "No money (insufficient_quota)").outcome is Outcome.AUTH


def test_the_last_word_names_model_endpoint_status_and_what_to_check() -> None:
    fault = error_of_status(404, "The model `m` does not exist.")
    said = str(endpoint_error(fault, model="openai:m", endpoint="http://127.0.0.1:9/v1"))
    for part in ("openai:m", "http://127.0.0.1:9/v1", "404", "does not exist", "Check the model's name"):
        assert part in said
