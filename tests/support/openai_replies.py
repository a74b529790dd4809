"""What the tests' server sends: chat completions, and everything that may come in their place."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web
from openai_faults import Fault

_ERRORS = {
    "rate_limit": (429, "Rate limit reached."),
    "server_error": (500, "The server had an error."),
    "bad_gateway": (502, "There is no server behind this proxy."),
    "auth": (401, "Incorrect API key provided."),
    "no_model": (404, "The model `{model}` does not exist."),
    "bad_request": (400, "This model's maximum context length is 8 tokens."),
    "no_bounds": (400, "Invalid schema for response_format: it has bounds, which are not permitted."),
    "no_min_length": (400, "Invalid schema for response_format: 'minLength' is not permitted."),
    "no_json_schema": (400, "response_format of type json_schema is not supported."),
    "no_json_object": (400, "response_format of type json_object is not supported."),
    "no_seed": (400, "Unsupported parameter: 'seed' is not supported with this model."),
    "no_tools": (400, "tool choice is not supported by this model"),
    "no_base64": (400, "encoding_format base64 is not supported."),
    "too_many_texts": (413, "At most 2 texts are taken at once."),
}
_BODIES = {
    "html": ("text/html", b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"),
    "cut_body": ("application/json", b'{"id":"chatcmpl-test","choices":[{"ind'),
    "no_choices": ("application/json", b'{"id":"chatcmpl-test","choices":[]}'),
}


def schema_in(messages: list[dict[str, Any]]) -> dict[str, Any] | None:
    # Where the schema is told in the system message, it stands at its end.
    head = messages[0]["content"] if messages else ""
    start = head.find("{\n")
    if start < 0:
        return None
    schema, _ = json.JSONDecoder().raw_decode(head[start:])
    return schema if isinstance(schema, dict) else None


def broken(kind: str, text: str) -> str:
    return {
        "cut_json": text[: max(1, len(text) * 2 // 3)],
        "empty": "",
        "mismatch": '{"unasked": true}',
        "prose": "I would rather tell you about the weather.",
    }[kind]


def reply(asked: dict[str, Any], message: dict[str, Any], finish: str) -> web.Response:
    prompt = sum(len(m["content"] or "") for m in asked["messages"]) // 4
    written = len(message.get("content") or "") // 4
    reply = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 0,
        "model": asked.get("model", "test"),
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": prompt // 2},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
    if asked.get("stream"):
        body = b"".join(event(piece) for piece in pieces_of(reply, asked)) + b"data: [DONE]\n\n"
        return web.Response(body=body, content_type="text/event-stream")
    return web.Response(body=orjson.dumps(reply), content_type="application/json")


def event(piece: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(piece) + b"\n\n"


def pieces_of(reply: dict[str, Any], asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events in which a chat completion is streamed: its text in three pieces, and its usage if asked for."""
    (choice,) = reply["choices"]
    head = {"id": reply["id"], "object": "chat.completion.chunk", "created": 0, "model": reply["model"]}
    text, others = choice["message"].get("content") or "", {**choice["message"], "content": None}
    third = len(text) // 3 + 1
    parts = [text[start : start + third] for start in range(0, len(text), third)]
    said: list[dict[str, Any]] = [{"content": part} for part in parts]
    for delta, finish in [*((one, None) for one in (others, *said)), ({}, choice["finish_reason"])]:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": reply["usage"]}


def error(status: int, message: str, **headers: str) -> web.Response:
    body = orjson.dumps({"error": {"message": message, "type": "test", "code": None}})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


async def wire_fault(request: web.Request, fault: Fault, asked: dict[str, Any]) -> web.StreamResponse:
    """What the endpoint sends instead of an answer."""
    if fault.kind in _ERRORS:
        status, words = _ERRORS[fault.kind]
        headers = {"Retry-After": f"{fault.retry_after:g}"} if status == 429 else {}
        return error(status, words.format(model=asked.get("model")), **headers)
    if fault.kind in _BODIES:
        kind, body = _BODIES[fault.kind]
        return web.Response(body=body, content_type=kind)
    if fault.kind == "hang":
        await asyncio.sleep(3600)
    return await _dropped(request, midway=fault.kind == "drop_midway")


async def _dropped(request: web.Request, *, midway: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    if midway:
        await response.prepare(request)
        await response.write(b'{"id":"chatcmpl-test",')
    if request.transport is not None:
        request.transport.close()
    return response
