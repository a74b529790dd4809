"""Endpoints that send anything: each reply is an answer or a counted outcome, and never a traceback."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from asking import QUICK, VALID, Open, ask
from memory_ledger import MemoryLedger
from memory_vectors import MemoryVectors
from raw_server import Answer, RawServer, http

from populace.agents.batch.client import BatchClient
from populace.agents.doctor import examine_endpoint
from populace.agents.embedding.embedder import Embedder
from populace.agents.embedding.models import open_embedder
from populace.agents.endpoint.chat_openai import LeanChatOpenAI
from populace.agents.endpoint.errors import FieldReader, RequestError
from populace.agents.endpoint.http_client import HttpConnection
from populace.agents.endpoint.models import open_model
from populace.agents.gateway.limits import Limits
from populace.core.errors import EndpointError, PausedError
from populace.core.model import Outcome, RequestContext

#: What may stand anywhere in a reply.
STRANGE: tuple[Any, ...] = (
    None,
    True,
    -7,
    18446744073709551615,
    1e300,
    0.5,
    "x" * 3000,
    "\x00\x1b[2J",
    [],
    [[]],
    {},
    {"a": {}},
)
PLACES = (
    *("id", "object", "created", "model", "system_fingerprint", "service_tier", "choices", "usage", "error"),
    *("usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens"),
    *("usage.prompt_tokens_details", "usage.prompt_tokens_details.cached_tokens"),
    *("usage.completion_tokens_details", "usage.completion_tokens_details.reasoning_tokens"),
    *("choices.0", "choices.0.index", "choices.0.finish_reason", "choices.0.message", "choices.0.logprobs"),
    *(f"choices.0.message.{name}" for name in ("role", "content", "refusal", "tool_calls", "function_call", "name")),
    *(f"choices.0.message.{name}" for name in ("id", "audio", "reasoning_content")),
)
DEEP = b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}"


def completion(text: str = VALID) -> dict[str, Any]:
    return {
        "id": "1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 7,
            "prompt_tokens_details": {},
            "completion_tokens_details": {},
        },
    }


def put(place: str, value: object) -> dict[str, Any]:
    reply = completion()
    node: Any = reply
    *path, last = place.split(".")
    for name in path:
        node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
    node[int(last) if isinstance(node, list) else last] = value
    return reply


async def endless() -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + b" " * 65536 + b"\r\n"


async def drip() -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    while True:
        yield b" "
        await asyncio.sleep(0.05)


def bomb(encoding: str, size: int = 64 * 2**20) -> bytes:
    packed = gzip.compress(b" " * size) if encoding == "gzip" else zlib.compress(b" " * size)
    return http(packed, f"Content-Encoding: {encoding}")


REPLIES: dict[str, Answer] = {
    "nothing": b"",
    "no HTTP": b"\x00\xff\x00\xff\r\n\r\n",
    "early close": http(orjson.dumps(completion()))[:-20],
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + orjson.dumps(completion()),
    "empty body": http(b""),
    "HTML": http(b"<!DOCTYPE html><html><body>Bad gateway</body></html>", kind="text/html"),
    "wrong content-type": http(orjson.dumps(completion()), kind="image/png; charset=klingon"),
    "invalid UTF-8": http(b'{"choices":[{"message":{"content":"\xff\xfe"}}]}'),
    "half a surrogate pair": http(b'{"choices":[{"message":{"content":"\\ud83d"}}]}'),
    "deep": http(DEEP),
    "deep error": http(b'{"error":' * 900 + b"1" + b"}" * 900),
    "deep refusal": http(b'{"error":' * 900 + b"1" + b"}" * 900, status="400 Bad Request"),
    "long number": http(b'{"choices":' + b"9" * 10_000 + b"}"),
    "array": http(b"[1,2]"),
    "redirect": http(b"", "Location: https://user:secret@example.org/v1?key=secret", status="302 Found"),
    "malformed redirect": http(b"", "Location: http://[::1", status="307 Temporary Redirect"),
    "redirect to nowhere": http(b"", status="301 Moved"),
    "huge header": http(b"{}", "X-Large: " + "x" * 100_000),
    "many headers": http(b"{}", *(f"X-{n}: {n}" for n in range(5000))),
    "strange status": http(b"{}", status="999 Odd"),
    "no status": b"HTTP/1.1 abc\r\n\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "bad gzip": http(b"not gzip at all", "Content-Encoding: gzip"),
    "unknown encoding": http(b"{}", "Content-Encoding: rot13"),
    "brotli": http(b"\x1b\x00\xf8\x25", "Content-Encoding: br"),
    "zstd": http(b"\x28\xb5\x2f\xfd", "Content-Encoding: zstd"),
    "rate limits": http(
        orjson.dumps(completion()), "x-ratelimit-remaining-requests: nan", "x-ratelimit-reset-requests: 1e999"
    ),
    "endless retry": http(b"{}", "Retry-After: 1e300", status="429 Too Many"),
    "odd retry": http(b"{}", "Retry-After: Mon, 99 Foo 99999 99:99:99", status="503 Busy"),
    "early retry": http(b"{}", "Retry-After: Mon, 01 Jan 0001 00:00:00 +2359", status="503 Busy"),
    "gzip bomb": bomb("gzip"),
    "deflate bomb": bomb("deflate"),
    "nested bomb": http(gzip.compress(gzip.compress(b" " * 2**26)), "Content-Encoding: gzip, gzip"),
    "endless": endless,
    "error bomb": http(gzip.compress(b" " * 2**26), "Content-Encoding: gzip", status="500 Broken"),
}


def limits(**given: Any) -> Limits:
    return Limits(timeout=20, wait=0, max_error_rate=1, **given)


@pytest.mark.parametrize("place", PLACES)
async def test_any_value_at_any_place_of_a_completion_is_a_counted_outcome(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger, place: str
) -> None:
    for value in STRANGE:
        raw.answer = http(orjson.dumps(put(place, value)))
        answer = None
        gateway = opened(base_url=raw.base_url, limits=limits(), attempts=2)
        try:
            answer = await ask(gateway)
        except EndpointError:
            continue
        assert (answer.value is not None) == (answer.outcome is Outcome.OK)
    for call in memory_ledger.calls:
        counts = (call.input_tokens, call.output_tokens, call.reasoning_tokens, call.cached_tokens)
        assert all(count is None or 0 <= count <= 10**9 for count in counts)
        assert call.finish_reason is None or len(call.finish_reason) <= 256
        orjson.dumps(call)


@pytest.mark.parametrize("name", REPLIES)
async def test_any_bytes_from_a_chat_endpoint_are_a_counted_outcome(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger, name: str
) -> None:
    raw.answer = REPLIES[name]
    gateway = opened(base_url=raw.base_url, limits=limits(max_response_bytes=2**20), attempts=2)
    try:
        answer = await ask(gateway)
        assert (answer.value is not None) == (answer.outcome is Outcome.OK)
        assert answer.value is not None or answer.reason
    except EndpointError:
        assert not any(call.raw for call in memory_ledger.calls)
    assert memory_ledger.calls
    assert not any("secret" in call.reason for call in memory_ledger.calls)
    assert all(call.reason or call.outcome is Outcome.OK for call in memory_ledger.calls)


@pytest.mark.parametrize("name", REPLIES)
async def test_any_bytes_instead_of_models_and_batches_are_a_fault(raw: RawServer, name: str) -> None:
    raw.answer = REPLIES[name]
    handle = open_model("openai:m", base_url=raw.base_url)
    connection = HttpConnection(raw.base_url, timeout=20.0, whole=False)
    client = BatchClient(connection, longest_line=2**16)
    for attempt in (
        client.state("b1"),
        client.create("f1", {}),
        client.upload([b"{}\n"]),
        client.find("f1", {}, 0.0),
    ):
        with suppress(RequestError):
            await attempt
    if name != "endless":
        with suppress(RequestError):
            assert all(line is None or len(line) <= 2**20 for line in [line async for line in client.lines("f1")])
    await client.aclose()
    await handle.aclose()


@pytest.mark.parametrize("name", ["nothing", "HTML", "deep", "gzip bomb", "half a surrogate pair"])
async def test_an_examination_says_of_any_bytes_that_no_run_could_work(raw: RawServer, name: str) -> None:
    raw.answer = REPLIES[name]
    await examined(raw, works=False)


@pytest.mark.parametrize("value", STRANGE)
async def test_an_examination_takes_any_list_of_models_and_vectors(raw: RawServer, value: object) -> None:
    for data in (value, [value], [{"id": value, "embedding": value}]):
        raw.answer = http(orjson.dumps(completion('{"name":"cow","legs":4,"is_wild":false}') | {"data": data}))
        await examined(raw, works=True)


async def examined(raw: RawServer, *, works: bool) -> None:
    handle = open_model("openai:m", base_url=raw.base_url)
    try:
        assert (await examine_endpoint(handle, within=20.0, embeddings="openai:e")).works is works
    finally:
        await handle.aclose()


@pytest.mark.parametrize("name", REPLIES)
async def test_any_bytes_instead_of_vectors_are_a_counted_outcome(
    raw: RawServer, memory_ledger: MemoryLedger, name: str
) -> None:
    raw.answer = REPLIES[name]
    await embedded_by(raw, memory_ledger)


ENTRY = {"index": 0, "embedding": [0.5, 0.5]}


@pytest.mark.parametrize("value", [*STRANGE, "AAAA", [1e39], ["1"], [None], [0.1] * 200_000, [10**400]])
async def test_any_value_in_place_of_a_vector_is_a_counted_outcome(
    raw: RawServer, memory_ledger: MemoryLedger, value: object
) -> None:
    for reply in (
        {"data": value},
        {"data": [value]},
        {"data": [{**ENTRY, "embedding": value}]},
        {"data": [{**ENTRY, "index": value}]},
        {"data": [ENTRY], "usage": {"prompt_tokens": value}},
        {"data": [ENTRY], "usage": value},
    ):
        raw.answer = http(
            orjson.dumps(reply, default=str) if value != [10**400] else b'{"data":[{"embedding":[1e400]}]}'
        )
        await embedded_by(raw, memory_ledger)
    assert all(call.input_tokens is None or 0 <= call.input_tokens <= 10**9 for call in memory_ledger.calls)


async def embedded_by(raw: RawServer, ledger: MemoryLedger) -> None:
    handle = open_embedder("openai:m", base_url=raw.base_url)
    embedder = Embedder(
        handle,
        ledger=ledger,
        store=MemoryVectors(),
        limits=limits(max_response_bytes=2**20),
        backoff=replace(QUICK, attempts=2),
    )
    try:
        embedded = await embedder.embed(["a text"], RequestContext("step", 1, "society", 5))
        assert bool(embedded.vectors) != bool(embedded.lost)
    except (EndpointError, PausedError):
        pass
    finally:
        await embedder.aclose()


async def test_a_value_out_of_range_is_unknown_and_named(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger
) -> None:
    reply = put("usage.prompt_tokens", 18446744073709551615)
    reply["usage"]["completion_tokens"] = -7
    raw.answer = http(orjson.dumps(reply))
    assert (await ask(opened(base_url=raw.base_url))).outcome is Outcome.OK
    (call,) = memory_ledger.calls
    assert (call.input_tokens, call.output_tokens) == (None, None)
    assert call.invalid_fields == "usage.prompt_tokens=18446744073709551615, usage.completion_tokens=-7"


async def test_more_cached_tokens_than_there_are_in_the_prompt_are_unknown(raw: RawServer) -> None:
    chat = open_model("openai:m", base_url=raw.base_url).served
    assert isinstance(chat, LeanChatOpenAI)
    output = chat.read(put("usage.prompt_tokens_details.cached_tokens", 6)).llm_output or {}
    assert output["token_counts"].cached is None
    assert output["invalid_fields"] == ["usage.prompt_tokens_details.cached_tokens=6"]


@pytest.mark.parametrize("name", ["gzip bomb", "deflate bomb", "endless"])
async def test_a_response_that_is_too_long_is_not_read_into_memory(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger, name: str
) -> None:
    raw.answer = REPLIES[name]
    gateway = opened(base_url=raw.base_url, limits=limits(max_response_bytes=2**20))
    tracemalloc.start()
    try:
        answer = await ask(gateway)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.outcome is Outcome.TOO_LARGE
    assert "1,048,576 bytes" in answer.reason
    assert peak < 12 * 2**20
    assert [call.outcome for call in memory_ledger.calls] == [Outcome.TOO_LARGE]


async def test_a_reply_that_drips_ends_at_the_timeout(
    opened: Open, raw: RawServer, memory_ledger: MemoryLedger
) -> None:
    raw.answer = drip
    answer = await ask(opened(base_url=raw.base_url, limits=Limits(timeout=0.3, wait=0), attempts=1))
    assert answer.outcome is Outcome.TIMEOUT


async def test_a_line_of_a_batch_that_is_too_long_costs_that_line_alone(raw: RawServer) -> None:
    raw.answer = http(b"first\n" + b"x" * 2**18 + b"\nlast\n")
    client = BatchClient(HttpConnection(raw.base_url, whole=False), longest_line=2**16)
    assert [line async for line in client.lines("f1")] == [b"first", None, b"last", b""]
    await client.aclose()


@pytest.mark.parametrize("value", [True, "5", [5], 1.5, -1, 10**9 + 1, float("nan")])
def test_no_count_is_made_of_what_is_none(value: object) -> None:
    fields = FieldReader({"n": value})
    assert fields.count("n") is None
    assert len(fields.invalid) == 1
