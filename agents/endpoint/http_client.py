"""HTTP to one endpoint: its connections, over which JSON is posted, and which give JSON or a `RequestError`."""

import asyncio
import json
import os
from base64 import b64encode
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from sys import getsizeof
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from ...core.inputs import MOST_LEVELS, is_too_deep
from ...core.model import Outcome
from .addresses import KeyRedactor, is_loopback, public_address
from .errors import MOST_BYTES, RequestError, check_for_error, error_of_status, parse_object, too_large, words_of
from .response import LOOP, REASONING_FIELDS, rate_limit_wait
from .silence import SilenceLimit

_TEXTS = ("content", "refusal", *REASONING_FIELDS)
_HEADS = ("id", "model", "system_fingerprint", "service_tier")
#: What a stream sends around a piece of text: so many times the bytes of the text may come.
_FRAMING = 64
#: Bytes of a reply that holds no event, which are kept to say what it is.
_SHOWN = 2_000


def is_event_stream(body: bytes) -> bool:
    """Return whether a body of any content type is a stream of events."""
    return body.lstrip()[:6].startswith((b"data:", b"event:", b":"))


#: Characters between two looks at a text, at the end of a text that must repeat, and of what is repeated at most.
_LOOK, _REPEATED, _LONGEST_UNIT = 500, 800, 200


class StreamedReply:
    """The pieces of one streamed reply, as far as they have come."""

    def __init__(self, most: int) -> None:
        #: Bytes of its text at most.
        self.most = most
        #: Pieces of text so far, each a token or a few.
        self.pieces = 0
        #: Whether the endpoint has said that nothing more will come.
        self.is_done = False
        #: Whether the answer repeats itself, so that nothing more needs to be read.
        self.is_loop = False
        self._read = self._kept = self._looked = 0
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
            event = _parse_event(data) if not self._data else None
            if event is not None:
                self._take_event(event)
            elif data == b"[DONE]":
                self.is_done = True
            elif data:
                self._data.append(data)
                self._held += getsizeof(data)
        elif not line and self._data:
            data, self._data, self._held = b"\n".join(self._data), [], 0
            event = _parse_event(data)
            if event is None:
                what = "The endpoint's stream holds an event that is not JSON."
                raise RequestError(Outcome.NOT_JSON, what, status=200)
            self._take_event(event)

    def _take_event(self, event: dict[str, Any]) -> None:
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
        if before // _LOOK > self._looked:
            self._looked = before // _LOOK
            if any(map(_is_looping, self._texts.values())):
                self._choice["finish_reason"], self.is_done, self.is_loop = LOOP, True, True
        if self.is_loop:
            return
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


def _is_looping(pieces: Sequence[str]) -> bool:
    """Return whether the end of a text is one unit over and over."""
    end = ""
    for piece in reversed(pieces):
        end = piece + end
        if len(end) >= _REPEATED:
            break
    end, last = end[-_REPEATED:], end[-_LONGEST_UNIT:]
    before = end.rfind(last, 0, -1)
    unit = len(end) - len(last) - before
    return before >= 0 and len(end) == _REPEATED and unit <= _LONGEST_UNIT and end[unit:] == end[:-unit]


def _parse_event(data: bytes) -> dict[str, Any] | None:
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


#: Seconds for which an idle connection is kept: llama.cpp and vLLM close theirs after 5, and streams at their end.
_KEPT_OPEN = 4.0
#: Seconds until a host that does not even take the connection counts as unreachable.
_CONNECT = 10.0
#: Seconds for an exchange of which only the silences are bounded otherwise: a file of a batch.
_LONGEST_EXCHANGE = 6 * 3600.0

#: Decoded bytes of a refusal that are read: it is only quoted.
_MOST_OF_REFUSAL = 2**16
#: Characters of an address or of aiohttp's words that are quoted.
_QUOTED = 300


class HttpConnection:
    """The connections to one endpoint. What is said over them is its users' business."""

    def __init__(self, base_url: str, *, key: str = "", timeout: float | None = 120.0, whole: bool = True) -> None:
        """Take `timeout` in seconds: for a `whole` exchange, or else for each silence within it. None sets no limit."""
        base = URL(base_url)
        #: The address as it may be shown and kept.
        self.endpoint = public_address(base_url)
        self.key = key
        self.timeout = timeout
        self._is_loopback = is_loopback(base_url)
        self._base = base.with_user(None).with_query(None)
        self._query = base.query
        self._urls: dict[str, URL] = {}
        connect = _CONNECT if timeout is None else min(_CONNECT, timeout)
        self._limits = (
            aiohttp.ClientTimeout(total=timeout, sock_connect=connect)
            if whole
            else aiohttp.ClientTimeout(total=_LONGEST_EXCHANGE, sock_connect=connect, sock_read=timeout)
        )
        self._unbounded = aiohttp.ClientTimeout(total=None, sock_connect=connect)
        self._headers = {"User-Agent": "populace"}
        keys = [key, *base.query.values()]
        if base.user is not None:
            pair = f"{base.user}:{base.password or ''}"
            encoded = b64encode(pair.encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"
            keys += [pair, encoded, base.user, base.password or ""]
        elif key:
            self._headers["Authorization"] = f"Bearer {key}"
        #: Takes the keys of this endpoint out of what it sends.
        self.redactor = KeyRedactor(keys)
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def url(self, path: str) -> URL:
        """Return the address of a path at this endpoint, with the query of the base URL."""
        if path not in self._urls:
            self._urls[path] = (self._base / path).with_query(self._query)
        return self._urls[path]

    def session(self) -> aiohttp.ClientSession:
        """Return the open session of the running loop."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_OPEN),
                timeout=self._limits,
                headers=self._headers,
                trace_configs=[_trace_reuse()],
                cookie_jar=aiohttp.DummyCookieJar(),
                # A proxy of the environment has no business with this machine's own servers.
                proxy=None if self._is_loopback else _proxy_for(self._base),
            )
        return self._session

    async def exchange(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, most: int = MOST_BYTES, **content: Any
    ) -> "HttpReply":
        """Return the endpoint's reply of up to `most` decoded bytes to a request. Raises `RequestError` for any other.

        `content` is what aiohttp sends (`data`, `json`).
        """
        async with self.response(method, path, params=params, **content) as response:
            body = await _read_body(response, most)
            headers = response.headers
        return self.read(body, headers)

    async def post(self, path: str, payload: Mapping[str, Any], *, most: int = MOST_BYTES) -> "HttpReply":
        """Return the endpoint's reply, of up to `most` bytes, to one request at `path` (`chat/completions`).

        Raises `RequestError` for any other.
        """
        return await self.exchange("POST", path, most=most, data=_json_payload(payload))

    async def stream(
        self, path: str, payload: Mapping[str, Any], streamed: StreamedReply, silence: SilenceLimit
    ) -> "HttpReply":
        """Return the endpoint's reply to a request for a stream, whether it sends one or not.

        `silence` ends the call. Raises `RequestError` for any other reply. `streamed` then holds what had come.
        """
        headers: Mapping[str, str] = {}
        try:
            async with (
                silence,
                self.response("POST", path, timeout=self._unbounded, data=_json_payload(payload)) as response,
            ):
                headers = response.headers
                if response.content_type != "text/event-stream":
                    body = await _read_body(response, streamed.most)
                    if not is_event_stream(body):
                        return self.read(body, headers)
                    streamed.feed(body)
                async for piece in response.content.iter_any():
                    before = streamed.pieces
                    streamed.feed(piece)
                    silence.note(streamed.pieces - before)
                    if streamed.is_loop:
                        break
                    if streamed.is_complete:
                        silence.wait_briefly()
            streamed.end()
            if streamed.is_cut:
                raise RequestError(Outcome.DROPPED, "The stream ended before the answer was complete.")
        except (TimeoutError, RequestError) as error:
            if not streamed.is_complete and isinstance(error, RequestError):
                raise
            if not streamed.is_complete:
                raise RequestError(Outcome.TIMEOUT, silence.reason) from error
        return self.read(streamed.body(), headers)

    def read(self, body: bytes, headers: Mapping[str, str]) -> "HttpReply":
        """Return the reply that a body holds, without keys.

        Raises `RequestError` for anything but an object without an error.
        """
        reply = parse_object(self.redactor.redact_body(body))
        check_for_error(reply, key=self.key)
        return HttpReply(reply, rate_limit_wait(headers))

    @asynccontextmanager
    async def response(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, **content: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield a successful response, unread. A connection that breaks inside the block is a `RequestError`."""
        url = self.url(path).update_query(params) if params else self.url(path)
        with self._raise_faults():
            async with await self._send_request(method, url, **content) as response:
                if not 200 <= response.status < 300:
                    raise await self._read_refusal(response)
                yield response

    async def _send_request(self, method: str, url: URL, **content: Any) -> aiohttp.ClientResponse:
        """Send a request; what is asked of a model again, if the endpoint had closed an idle connection meanwhile.

        All else, such as the making of a batch, may have been done, and is for the caller to repeat.
        """
        is_question = isinstance(content.get("data"), aiohttp.BytesPayload)
        while True:
            is_reused: list[bool] = []
            try:
                # A redirect may lead to another machine, key and all: where it points is for a person to judge.
                return await self.session().request(
                    method, url, allow_redirects=False, trace_request_ctx=is_reused, **content
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not (is_question and is_reused):
                    raise

    @contextmanager
    def _raise_faults(self) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise RequestError(
                Outcome.UNREACHABLE, f"No connection could be made ({_describe_cause(error)})."
            ) from error
        except TimeoutError as error:
            raise RequestError(Outcome.TIMEOUT, f"No answer came within {self.timeout or 0:g} seconds.") from error
        except (aiohttp.ClientError, HttpProcessingError) as error:
            detail = f"The connection broke before the answer was complete ({_describe_cause(error)})."
            raise RequestError(Outcome.DROPPED, detail) from error

    async def _read_refusal(self, response: aiohttp.ClientResponse) -> RequestError:
        """Build the fault that a status other than success means."""
        try:
            # Keys go first: words are cut, and a cut key would not be found.
            words = words_of(self.redactor.redact_body(await _read_body(response, _MOST_OF_REFUSAL)))
        except RequestError as fault:
            words = fault.detail
        if 300 <= response.status < 400:
            words = f"it redirects to {_read_location(response.headers)}"
        return error_of_status(response.status, self.redactor.redact(words), headers=response.headers, key=self.key)

    async def aclose(self) -> None:
        """Close the connections. The next use opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _trace_reuse() -> aiohttp.TraceConfig:
    async def note_reuse(session: aiohttp.ClientSession, context: Any, params: object) -> None:
        context.trace_request_ctx.append(True)

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(note_reuse)
    return trace


def _proxy_for(url: URL) -> str | None:
    # Looked up once: with `trust_env`, aiohttp has a thread do it for each request.
    return None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)


def _describe_cause(error: Exception) -> str:
    # aiohttp names host and port, and Python's own repr of what failed ("ssl:default [Connect call failed ...]").
    if isinstance(error, aiohttp.ClientConnectorError):
        code = error.os_error.errno or 0
        return (os.strerror(code) if code > 0 else error.os_error.strerror) or type(error.os_error).__name__
    return " ".join(str(error).split())[:_QUOTED] or type(error).__name__


def _read_location(headers: Mapping[str, str]) -> str:
    try:
        return str(URL(headers.get("Location", "")).with_query(None).with_user(None))[:_QUOTED]
    except ValueError:
        return "an address that is none"


async def _read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the decoded body.

    Raises `RequestError` once it is longer than `most` bytes, however small it was when sent.
    """
    body = bytearray()
    # aiohttp decodes no more than a piece ahead of the reader; `read()` would lift that bound.
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise too_large(most, status=response.status)
    return bytes(body)


def _json_payload(payload: Mapping[str, Any]) -> aiohttp.BytesPayload:
    return aiohttp.BytesPayload(orjson.dumps(payload), content_type="application/json")


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: a JSON object that holds no error, and the seconds until a rate limit that is spent has more."""

    reply: dict[str, Any]
    rate_limit_wait: float
