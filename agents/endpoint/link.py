"""One endpoint's address, key and connections; and what a connection's failure means."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from yarl import URL

from ...personas.model import Outcome
from .address import is_loopback, public_address
from .fault import WireError, fault_of_status, words_of

__all__ = ["Link"]

#: Seconds until a host that does not even take the connection counts as unreachable.
_CONNECT = 10.0


class Link:
    """The connections to one endpoint. What is said over them is its users' business."""

    def __init__(self, base_url: str, *, key: str = "", timeout: float = 120.0, whole: bool = True) -> None:
        """`timeout` is in seconds: for a `whole` exchange, or else for each silence within it."""
        base = URL(base_url)
        #: The address as it may be shown and kept.
        self.endpoint = public_address(base_url)
        self.key = key
        self.timeout = timeout
        self._is_loopback = is_loopback(base_url)
        self._base = base.with_user(None).with_query(None)
        self._query = base.query
        self._urls: dict[str, URL] = {}
        connect = min(_CONNECT, timeout)
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
                trust_env=not self._is_loopback,
            )
        return self._session

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turns whatever breaks a connection inside the block into a `WireError`."""
        try:
            yield
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise WireError(Outcome.UNREACHABLE, f"No connection could be made ({_cause(error)}).") from error
        except TimeoutError as error:
            raise WireError(Outcome.TIMEOUT, f"No answer came within {self.timeout:g} seconds.") from error
        except aiohttp.ClientError as error:
            detail = f"The connection broke before the answer was complete ({_cause(error)})."
            raise WireError(Outcome.DROPPED, detail) from error

    def refused(self, status: int, body: bytes, headers: Mapping[str, str]) -> WireError:
        """The fault that a reply other than success means."""
        words = words_of(body)
        if 300 <= status < 400:
            words = f"it redirects to {URL(headers.get('Location', '')).with_query(None).with_user(None)}"
        return fault_of_status(status, words, headers=headers, key=self.key)

    async def aclose(self) -> None:
        """Close the connections; the next use opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _cause(error: Exception) -> str:
    # aiohttp's own words name host and port; the query, where some keep a key, is in none of them.
    return " ".join(str(error).split()) or type(error).__name__
