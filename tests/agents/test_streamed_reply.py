import json
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.agents.endpoint.errors import RequestError
from populace.agents.endpoint.http_client import StreamedReply, is_event_stream
from populace.core.model import Outcome


def piece(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def sse(*events: dict[str, Any], end: bytes = b"\n\n", done: bool = True) -> bytes:
    body = b"".join(b"data: " + orjson.dumps(event) + end for event in events)
    return body + (b"data: [DONE]" + end if done else b"")


def merged(*pieces: bytes, most: int = 2**20) -> dict[str, Any]:
    streamed = StreamedReply(most)
    for one in pieces:
        streamed.feed(one)
    streamed.end()
    reply = orjson.loads(streamed.body())
    assert isinstance(reply, dict)
    return reply


def message(*pieces: bytes) -> dict[str, Any]:
    said = merged(*pieces)["choices"][0]["message"]
    assert isinstance(said, dict)
    return said


GREETING = sse(
    piece({"role": "assistant", "content": ""}), piece({"content": "Grüße"}), piece({"content": " 🌾"}, "stop")
)


@given(st.lists(st.integers(0, len(GREETING)), max_size=12))
def test_where_the_bytes_are_cut_does_not_matter(cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(GREETING)]
    pieces = [GREETING[start:end] for start, end in pairwise(bounds)]
    assert message(*pieces)["content"] == "Grüße 🌾"


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\n", b"\r\n"])
def test_any_line_break_ends_an_event(end: bytes) -> None:
    assert message(sse(piece({"content": "one "}), piece({"content": "two"}, "stop"), end=end))["content"] == "one two"


@pytest.mark.parametrize("unit", ["\n", "She mends nets. ", "The baker's aunt, who knows the town, says so. "])
def test_an_answer_that_repeats_itself_is_not_read_to_its_end(unit: str) -> None:
    streamed = StreamedReply(2**20)
    streamed.feed(sse(piece({"content": "A baker. " * 3}), done=False))
    for n in range(2_000):
        assert n * len(unit) < 1_700, "the loop was not found"
        streamed.feed(sse(piece({"content": unit}), done=False))
        if streamed.is_loop:
            break
    assert orjson.loads(streamed.body())["choices"][0]["finish_reason"] == "loop"
    assert len(orjson.loads(streamed.body())["choices"][0]["message"]["content"]) > 800


def test_a_long_answer_with_refrains_is_read_to_its_end() -> None:
    verse = [f"Verse {n}: the {n}th boat comes home with {n * 7} crates. Row, row, row the boat. " for n in range(99)]
    assert message(sse(*(piece({"content": one}) for one in verse), piece({}, "stop")))["content"] == "".join(verse)


def test_comments_and_other_fields_are_no_part_of_the_answer() -> None:
    body = b": ping\n\nevent: message\nid: 7\nretry: 10\n" + sse(piece({"content": "Rye."}, "stop"))
    assert message(body)["content"] == "Rye."


def test_an_event_may_be_spread_over_lines() -> None:
    lines = json.dumps(piece({"content": "Barley."}, "stop"), indent=1).splitlines()
    assert message("\n".join(f"data: {line}" for line in lines).encode() + b"\n\n")["content"] == "Barley."


def test_the_halves_of_a_surrogate_pair_are_joined() -> None:
    halves = [b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % half for half in (b"so \\ud83d", b"\\ude00")]
    assert message(*halves)["content"] == "so 😀"


def test_thoughts_and_refusals_are_apart_from_the_text() -> None:
    deltas = ({"reasoning_content": "Hm"}, {"reasoning_content": "..."}, {"refusal": "No"}, {"refusal": "."})
    said = message(sse(*(piece(delta) for delta in deltas), piece({}, "stop")))
    assert (said["content"], said["reasoning_content"], said["refusal"]) == (None, "Hm...", "No.")


def test_tool_calls_are_joined_by_their_index() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return piece({"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]})

    said = message(sse(call(0, name="weigh", arguments='{"a"'), call(1, name="cut"), call(0, arguments=":1}")))
    assert [one["function"] for one in said["tool_calls"]] == [
        {"name": "weigh", "arguments": '{"a":1}'},
        {"name": "cut"},
    ]


def test_usage_may_come_last_or_not_at_all() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    assert merged(sse(piece({"content": "a"}, "stop"), {"choices": [], "usage": usage}))["usage"] == usage
    assert "usage" not in merged(sse(piece({"content": "a"}, "stop")))


def test_only_the_first_choice_is_read() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "other"}}]}
    assert message(sse(piece({"content": "mine"}), other, piece({}, "stop")))["content"] == "mine"


def test_a_whole_message_at_the_end_is_not_added_to_its_pieces() -> None:
    whole = {"choices": [{"index": 0, "message": {"content": "Oats."}, "finish_reason": "stop"}]}
    assert message(sse(piece({"content": "Oats."}), whole))["content"] == "Oats."
    assert message(sse(whole))["content"] == "Oats."


@pytest.mark.parametrize("finish", [None, ""])
def test_a_stream_without_an_end_is_cut(finish: str | None) -> None:
    streamed = StreamedReply(2**20)
    streamed.feed(sse(piece({"content": "Once upon"}, finish), done=False))
    assert (streamed.is_cut, streamed.is_complete, streamed.pieces) == (True, False, 1)
    streamed.feed(b"data: [DONE]\n")
    assert (streamed.is_cut, streamed.is_complete) == (False, True)


LONG = sse(*(piece({"content": f"word {number} " * 20}) for number in range(50)))


@pytest.mark.parametrize("bytes_sent", [b"x" * 5000, b"data: x\n" * 700, LONG])
def test_a_stream_that_is_too_long_is_not_held(bytes_sent: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        merged(bytes_sent, most=4000)
    assert caught.value.outcome is Outcome.TOO_LARGE


def test_comments_without_end_are_too_long() -> None:
    with pytest.raises(RequestError, match="longer than 1,024 bytes"):
        merged(*[b": ping\n\n"] * 20_000, most=1024)


@pytest.mark.parametrize("line", [b"data: {oops\n\n", b"data: 7\n\n", b"data: " + b"[" * 5000 + b"\n\n"])
def test_an_event_that_is_no_object_is_a_fault(line: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        merged(sse(piece({"content": "a"}), done=False) + line)
    assert caught.value.outcome is Outcome.NOT_JSON


JSONISH = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(st.dictionaries(st.sampled_from(["content", "tool_calls", "refusal", "role"]), JSONISH), JSONISH, JSONISH)
def test_any_value_of_a_field_is_read_without_an_error(delta: dict[str, Any], usage: object, finish: object) -> None:
    body = json.dumps({"choices": [{"delta": delta, "finish_reason": finish}], "usage": usage, "id": usage})
    merged(f"data: {body}\n\n".encode())


@pytest.mark.parametrize(("body", "is_one"), [(b"\ndata: {}", True), (b": hi\n", True), (b"{}", False), (b"", False)])
def test_a_stream_is_known_by_its_first_bytes(body: bytes, is_one: bool) -> None:
    assert is_event_stream(body) is is_one
