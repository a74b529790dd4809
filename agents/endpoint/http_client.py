"""HTTP to one endpoint: its connections, and a client that posts JSON and gives JSON or a `RequestError`."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from yarl import URL

from ...personas.model import Outcome
from .addresses import is_loopback, public_address
from .errors import RequestError, check_for_error, error_of_status, parse_object, words_of
from .response import RateLimitHeaders, read_rate_limits

#: Seconds until a host that does not even take the connection counts as unreachable.
_CONNECT = 10.0


class HttpConnection:
    """The connections to one endpoint. What is said over them is its users' business."""

    def __init__(self, base_url: str, *, key: str = "", timeout: float | None = 120.0, whole: bool = True) -> None:
        """`timeout` is in seconds: for a `whole` exchange, or else for each silence within it; None is no limit."""
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
            else aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=timeout)
        )
        self._headers = {"User-Agent": "populace"}
        if base.user is not None:
            pair = f"{base.user}:{base.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        elif key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def url(self, path: str) -> URL:
        """The address of something at this endpoint, with the query that the base URL was given with."""
        if path not in self._urls:
            self._urls[path] = (self._base / path).with_query(self._query)
        return self._urls[path]

    def session(self) -> aiohttp.ClientSession:
        """The open session of the running loop."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=self._limits,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                # A proxy of the environment has no business with this machine's own servers.
                proxy=None if self._is_loopback else _proxy_for(self._base),
            )
        return self._session

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turns whatever breaks a connection inside the block into a `RequestError`."""
        try:
            yield
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise RequestError(Outcome.UNREACHABLE, f"No connection could be made ({_cause(error)}).") from error
        except TimeoutError as error:
            raise RequestError(Outcome.TIMEOUT, f"No answer came within {self.timeout or 0:g} seconds.") from error
        except aiohttp.ClientError as error:
            detail = f"The connection broke before the answer was complete ({_cause(error)})."
            raise RequestError(Outcome.DROPPED, detail) from error

    def refused(self, status: int, body: bytes, headers: Mapping[str, str]) -> RequestError:
        """The fault that a reply other than success means."""
        words = words_of(body)
        if 300 <= status < 400:
            words = f"it redirects to {URL(headers.get('Location', '')).with_query(None).with_user(None)}"
        return error_of_status(status, words, headers=headers, key=self.key)

    async def aclose(self) -> None:
        """Close the connections; the next use opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _proxy_for(url: URL) -> str | None:
    # Looked up once: with `trust_env`, aiohttp has a thread do it for each request.
    return None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)


def _cause(error: Exception) -> str:
    # aiohttp's own words name host and port; the query, where some keep a key, is in none of them.
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: a JSON object that holds no error, and what its headers say of rate limits."""

    reply: dict[str, Any]
    rate_limits: RateLimitHeaders | None


class HttpClient:
    """One endpoint. Bounds nothing and repeats nothing: that is the gateway's."""

    def __init__(self, base_url: str, *, key: str = "", timeout: float | None = 120.0) -> None:
        """`timeout` is in seconds for a whole exchange; None where the caller sets a limit itself."""
        self._connection = HttpConnection(base_url, key=key, timeout=timeout)

    async def post(self, path: str, payload: Mapping[str, Any]) -> HttpReply:
        """The endpoint's reply to one request at `path` (`chat/completions`). Raises `RequestError` for any other."""
        connection = self._connection
        data = aiohttp.BytesPayload(orjson.dumps(payload), content_type="application/json")
        with connection.faults():
            # A redirect may lead to another machine, key and all: where it points is for a person to judge.
            async with connection.session().post(connection.url(path), data=data, allow_redirects=False) as response:
                body = await response.read()
        if response.status != 200:
            raise connection.refused(response.status, body, response.headers)
        reply = parse_object(body)
        check_for_error(reply, key=connection.key)
        return HttpReply(reply, read_rate_limits(response.headers))

    async def aclose(self) -> None:
        """Close the connections; the next call opens new ones."""
        await self._connection.aclose()
