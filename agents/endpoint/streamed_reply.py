"""Reads a streamed chat completion (server-sent events) and merges its pieces to the reply that is sent unstreamed."""

import json
from collections import defaultdict
from sys import getsizeof
from typing import Any

import orjson

from ...personas.inputs import MOST_LEVELS, is_too_deep
from ...personas.model import Outcome
from .errors import RequestError, too_large
from .response import REASONING_FIELDS

_TEXTS = ("content", "refusal", *REASONING_FIELDS)
_HEADS = ("id", "model", "system_fingerprint", "service_tier")
#: What a stream sends around a piece of text: so many times the bytes of the text may come.
_FRAMING = 64
#: Bytes of a reply that holds no event, which are kept to say what it is.
_SHOWN = 2_000


def is_event_stream(body: bytes) -> bool:
    """Return whether a body of any content type is a stream of events."""
    return body.lstrip()[:6].startswith((b"data:", b"event:", b":"))


class StreamedReply:
    """The pieces of one streamed reply, as far as they have come."""

    def __init__(self, most: int) -> None:
        #: Bytes of its text at most.
        self.most = most
        #: Pieces of text so far, each a token or a few.
        self.pieces = 0
        #: Whether the endpoint has said that nothing more will come.
        self.is_done = False
        self._read = self._kept = 0
        self._head = b""
        self._rest = bytearray()
        #: Lines of an event that is not whole yet, and their bytes.
        self._data: list[bytes] = []
        self._held = 0
        self._reply: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._texts: defaultdict[str, list[str]] = defaultdict(list)
        self._parts: list[Any] = []
        self._tools: dict[Any, dict[str, Any]] = {}

    @property
    def is_complete(self) -> bool:
        """Whether the answer has come to its end, whatever becomes of the rest of the stream."""
        return self.is_done or self._choice.get("finish_reason") is not None

    @property
    def is_cut(self) -> bool:
        """Whether it began as a stream does and has not come to its end."""
        return bool(self._reply or self._choice) and not self.is_complete and "error" not in self._reply

    def feed(self, piece: bytes) -> None:
        """Read bytes, cut anywhere. Raises `RequestError` for malformed or too long content."""
        self._read += len(piece)
        self._head += piece[: _SHOWN - len(self._head)]
        self._rest += piece
        if b"\n" in piece:
            *lines, self._rest = self._rest.split(b"\n")
            for line in lines:
                self._take_line(bytes(line.removesuffix(b"\r")))
        if max(self._kept + self._held + len(self._rest), self._read // _FRAMING) > self.most:
            raise too_large(self.most, status=200)

    def end(self) -> None:
        """Read what follows the last line break."""
        if self._rest:
            self._take_line(bytes(self._rest))

    def body(self) -> bytes:
        """Return the reply as one JSON object, or the first bytes if no event came."""
        if not self._reply and not self._choice:
            return self._head
        texts: dict[str, Any] = {name: "".join(said) for name, said in self._texts.items()}
        if self._parts:
            texts["content"] = self._parts + ([texts["content"]] if texts.get("content") else [])
        if self._tools:
            texts["tool_calls"] = list(self._tools.values())
        choices = [{**self._choice, "message": {"content": None, **texts}}] if self._choice else []
        reply = {**self._reply, "choices": choices}
        try:
            return orjson.dumps(reply)
        except TypeError:  # half a surrogate pair: its other half may be the next piece, and JSON's escapes join them
            return json.dumps(reply).encode()

    def _take_line(self, line: bytes) -> None:
        # A line is mostly an event; by the standard, several up to an empty one can be.
        if line.startswith((b"data:", b"{")):  # the latter from servers that send JSON lines
            data = line.removeprefix(b"data:").strip()
            event = _parse(data) if not self._data else None
            if event is not None:
                self._take(event)
            elif data == b"[DONE]":
                self.is_done = True
            elif data:
                self._data.append(data)
                self._held += getsizeof(data)
        elif not line and self._data:
            data, self._data, self._held = b"\n".join(self._data), [], 0
            event = _parse(data)
            if event is None:
                what = "The endpoint's stream holds an event that is not JSON."
                raise RequestError(Outcome.NOT_JSON, what, status=200)
            self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        if not self._reply:
            self._reply = {name: event[name] for name in _HEADS if event.get(name) is not None}
        for name in ("usage", "error"):
            if event.get(name):
                self._reply[name] = event[name]
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index", 0) != self._choice.setdefault(
            "index", choice.get("index", 0)
        ):
            return
        if choice.get("finish_reason"):
            self._choice["finish_reason"] = choice["finish_reason"]
        # Some servers end with the whole message, after its pieces or in place of them.
        delta = choice.get("delta") or (None if self._kept else choice.get("message"))
        if isinstance(delta, dict):
            self._take_delta(delta)

    def _take_delta(self, delta: dict[str, Any]) -> None:
        before = self._kept
        for name in _TEXTS:
            said = delta.get(name)
            if isinstance(said, str):
                self._texts[name].append(said)
                self._kept += len(said)
            elif isinstance(said, list) and name == "content":
                self._parts += said
                self._kept += len(orjson.dumps(said))
        if isinstance(calls := delta.get("tool_calls"), list):
            for call in calls:
                self._take_call(call)
        self.pieces += self._kept > before

    def _take_call(self, call: object) -> None:
        if not isinstance(call, dict):
            return
        self._kept += len(str(call))
        kept = self._tools.setdefault(str(call.get("index", 0)), {"type": "function", "function": {}})
        if call.get("id"):
            kept["id"] = call["id"]
        function = call.get("function")
        for name, said in function.items() if isinstance(function, dict) else ():
            if isinstance(said, str):
                kept["function"][name] = kept["function"].get(name, "") + said


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            return None
    # Walking an event takes longer than parsing it, and one with few brackets cannot be too deep.
    may_be_deep = data.count(b"{") + data.count(b"[") > MOST_LEVELS
    return event if isinstance(event, dict) and not (may_be_deep and is_too_deep(event)) else None
