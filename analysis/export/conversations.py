"""Conversations as trainers read them: OpenAI's messages, and ShareGPT's turns made of them."""

from collections.abc import Sequence
from typing import Any, Literal

import orjson

from .texts import parse_payload

_ROLES = frozenset({"system", "user", "assistant", "tool"})


def make_message(role: str, content: str) -> dict[str, Any]:
    """A message of OpenAI's format."""
    return {"role": role, "content": content}


def read_messages(found: object, *, with_tools: bool) -> list[dict[str, Any]] | str:
    """The messages of a payload in OpenAI's format up to the last one of the assistant, or why they cannot be written.

    `content` is a string in every message, also beside calls of tools, and arguments of calls are JSON objects as text.
    """
    if not isinstance(found, list) or not found:
        return "no messages"
    messages = []
    for message in found:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return "messages that are not in OpenAI's format"
        content = message.get("content")
        made = make_message(message["role"], content if isinstance(content, str) else "")
        if calls := message.get("tool_calls"):
            made["tool_calls"] = [_read_call(call) for call in calls]
        messages.append(made | {name: message[name] for name in ("name", "tool_call_id") if message.get(name)})
    answers = [n for n, m in enumerate(messages) if m["role"] == "assistant" and (m["content"] or m.get("tool_calls"))]
    if not answers:
        return "no response"
    messages = messages[: answers[-1] + 1]
    used = any("tool_calls" in m or m["role"] == "tool" for m in messages)
    return "calls of tools" if used and not with_tools else messages


def _read_call(call: Any) -> dict[str, Any]:
    function = call.get("function", call)
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments or {}).decode()
    return {
        "id": call.get("id"), "type": "function", "function": {"name": function.get("name"), "arguments": text}
    }  # fmt: skip


def add_persona(
    messages: list[dict[str, Any]], persona: str | None, place: Literal["out", "in", "system"]
) -> list[dict[str, Any]]:
    """The messages, with the description of the persona before the first thing that the user says if `place` is in."""
    if place != "in" or not persona:
        return messages
    first = next((n for n, m in enumerate(messages) if m["role"] == "user"), None)
    if first is None:
        return messages
    said = messages[first] | {"content": f"{persona}\n\n{messages[first]['content']}"}
    return [*messages[:first], said, *messages[first + 1 :]]


def mark_wrong_calls(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages, with weight 0 for those that hold a wrong call of a tool, so that no loss is taken of them."""
    wrong = _find_wrong_calls(messages)
    return [m | {"weight": 0} if n in wrong else m for n, m in enumerate(messages)]


def has_wrong_call(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether a tool was called wrongly: it is not there, the arguments do not fit, or it gave an error."""
    return bool(_find_wrong_calls(messages))


def _find_wrong_calls(messages: Sequence[dict[str, Any]]) -> set[int]:
    failed = {m.get("tool_call_id") for m in messages if m["role"] == "tool" and _is_error(m["content"])}
    return {
        place
        for place, message in enumerate(messages)
        for call in message.get("tool_calls", ())
        if call["id"] in failed - {None} or not isinstance(parse_payload(call["function"]["arguments"]), dict)
    }


def _is_error(content: str) -> bool:
    # As `scenarios.tool_use` answers a call that gives nothing, and as most tools do.
    told = parse_payload(content)
    return isinstance(told, dict) and told.keys() == {"error"}


_SPEAKERS = {"user": "human", "assistant": "gpt", "tool": "observation"}


def make_sharegpt(messages: Sequence[dict[str, Any]]) -> list[dict[str, str]] | str:
    """ShareGPT's turns, which alternate: human or observation, then gpt or function_call; or why they cannot.

    Calls that are made at once are one function_call with a JSON list, and what they gave one observation.
    """
    turns: list[dict[str, str]] = []
    spoken = list(messages)
    if spoken and spoken[0]["role"] == "system":
        turns.append({"from": "system", "value": spoken.pop(0)["content"]})
    for message in spoken:
        if message["role"] == "system":
            return "a system message within the conversation"
        speaker, value = _SPEAKERS[message["role"]], message["content"]
        if calls := message.get("tool_calls"):
            if value:
                return "text beside a call of a tool, which ShareGPT has no place for"
            called = [call["function"] | {"arguments": parse_payload(call["function"]["arguments"])} for call in calls]
            speaker, value = "function_call", orjson.dumps(called if len(called) > 1 else called[0]).decode()
        if speaker == "observation" and turns and turns[-1]["from"] == "observation":
            turns[-1]["value"] += f"\n{value}"
        else:
            turns.append({"from": speaker, "value": value})
    said = [turn["from"] for turn in turns if turn["from"] != "system"]
    sides = (("human", "observation"), ("gpt", "function_call"))
    if len(said) % 2 or any(speaker not in sides[place % 2] for place, speaker in enumerate(said)):
        return "turns that do not alternate, as ShareGPT has them"
    return turns
