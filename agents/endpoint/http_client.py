"""HTTP to one endpoint: its connections, and a client that posts JSON and gives JSON or a `RequestError`."""

import asyncio
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from ...personas.model import Outcome
from .addresses import is_loopback, public_address
from .errors import RequestError, check_for_error, error_of_status, parse_object, too_large, words_of
from .fields import MOST_BYTES
from .redaction import KeyRedactor
from .response import RateLimitHeaders, read_rate_limits
from .silence import SilenceLimit
from .streamed_reply import StreamedReply, is_event_stream

#: Seconds for which an idle connection is kept: llama.cpp and vLLM close theirs after 5, under the next request.
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

    async def stream(self, path: str, streamed: StreamedReply, silence: SilenceLimit, **content: Any) -> "HttpReply":
        """Return the endpoint's reply to a request for a stream, whether it sends one or not.

        `silence` ends the call. Raises `RequestError` for any other reply. `streamed` then holds what had come.
        """
        headers: Mapping[str, str] = {}
        try:
            async with silence, self.response("POST", path, timeout=self._unbounded, **content) as response:
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
                    if streamed.is_complete:
                        silence.shorten()
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
        return HttpReply(reply, read_rate_limits(headers))

    @asynccontextmanager
    async def response(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, **content: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield a successful response, unread. A connection that breaks inside the block is a `RequestError`."""
        url = self.url(path).update_query(params) if params else self.url(path)
        with self._faults():
            # A redirect may lead to another machine, key and all: where it points is for a person to judge.
            async with self.session().request(method, url, allow_redirects=False, **content) as response:
                if not 200 <= response.status < 300:
                    raise await self._refusal(response)
                yield response

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise RequestError(Outcome.UNREACHABLE, f"No connection could be made ({_cause(error)}).") from error
        except TimeoutError as error:
            raise RequestError(Outcome.TIMEOUT, f"No answer came within {self.timeout or 0:g} seconds.") from error
        except (aiohttp.ClientError, HttpProcessingError) as error:
            detail = f"The connection broke before the answer was complete ({_cause(error)})."
            raise RequestError(Outcome.DROPPED, detail) from error

    async def _refusal(self, response: aiohttp.ClientResponse) -> RequestError:
        """Build the fault that a status other than success means."""
        try:
            # Keys go first: words are cut, and a cut key would not be found.
            words = words_of(self.redactor.redact_body(await _read_body(response, _MOST_OF_REFUSAL)))
        except RequestError as fault:
            words = fault.detail
        if 300 <= response.status < 400:
            words = f"it redirects to {_location(response.headers)}"
        return error_of_status(response.status, self.redactor.redact(words), headers=response.headers, key=self.key)

    async def aclose(self) -> None:
        """Close the connections. The next use opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _proxy_for(url: URL) -> str | None:
    # Looked up once: with `trust_env`, aiohttp has a thread do it for each request.
    return None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)


def _cause(error: Exception) -> str:
    # aiohttp names host and port, and Python's own repr of what failed ("ssl:default [Connect call failed ...]").
    if isinstance(error, aiohttp.ClientConnectorError):
        code = error.os_error.errno or 0
        return (os.strerror(code) if code > 0 else error.os_error.strerror) or type(error.os_error).__name__
    return " ".join(str(error).split())[:_QUOTED] or type(error).__name__


def _location(headers: Mapping[str, str]) -> str:
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


def _json(payload: Mapping[str, Any]) -> aiohttp.BytesPayload:
    return aiohttp.BytesPayload(orjson.dumps(payload), content_type="application/json")


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: a JSON object that holds no error, and what its headers say of rate limits."""

    reply: dict[str, Any]
    rate_limits: RateLimitHeaders | None


class HttpClient:
    """One endpoint. Bounds nothing and repeats nothing: that is the gateway's."""

    def __init__(self, base_url: str, *, key: str = "", timeout: float | None = 120.0) -> None:
        """Take `timeout` in seconds for a whole exchange, or None if the caller sets a limit itself."""
        self._connection = HttpConnection(base_url, key=key, timeout=timeout)

    async def post(self, path: str, payload: Mapping[str, Any], *, most: int = MOST_BYTES) -> HttpReply:
        """Return the endpoint's reply, of up to `most` bytes, to one request at `path` (`chat/completions`).

        Raises `RequestError` for any other.
        """
        return await self._connection.exchange("POST", path, most=most, data=_json(payload))

    async def stream(
        self, path: str, payload: Mapping[str, Any], streamed: StreamedReply, silence: SilenceLimit
    ) -> HttpReply:
        """Return the reply to a request for a stream, as `HttpConnection.stream` does."""
        return await self._connection.stream(path, streamed, silence, data=_json(payload))

    def redact(self, body: bytes) -> bytes:
        """Return a body without the keys of this endpoint."""
        return self._connection.redactor.redact_body(body)

    async def aclose(self) -> None:
        """Close the connections. The next call opens new ones."""
        await self._connection.aclose()
