"""The HTTP under the models: one session that posts JSON and gives a chat completion, or a typed fault."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from ..personas.model import Outcome
from .address import is_loopback
from .fault import WireError, fault_of_status, is_html, words_of

__all__ = ["Wire"]

#: Seconds until a host that does not even take the connection counts as unreachable.
_CONNECT = 10.0


class Wire:
    """One endpoint's `/chat/completions`. Bounds nothing and repeats nothing: that is the gateway's."""

    def __init__(self, base_url: str, *, key: str = "", timeout: float = 120.0) -> None:
        base = URL(base_url)
        self._key = key
        self._timeout = timeout
        self._is_loopback = is_loopback(base_url)
        self._url = (base.with_user(None) / "chat/completions").with_query(base.query)
        self._headers = {"Content-Type": "application/json", "User-Agent": "populace"}
        if base.user is not None:
            pair = f"{base.user}:{base.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        elif key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def post(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The endpoint's answer to one request: a dict with at least one choice that has a message.

        Raises `WireError` for anything else.
        """
        data = orjson.dumps(payload)
        try:
            # A redirect may lead to another machine, key and all: where it points is for a person to judge.
            async with self._open().post(self._url, data=data, allow_redirects=False) as response:
                body = await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise WireError(Outcome.UNREACHABLE, f"No connection could be made ({_cause(error)}).") from error
        except TimeoutError as error:
            raise WireError(Outcome.TIMEOUT, f"No answer came within {self._timeout:g} seconds.") from error
        except aiohttp.ClientError as error:
            detail = f"The connection broke before the answer was complete ({_cause(error)})."
            raise WireError(Outcome.DROPPED, detail) from error
        if response.status != 200:
            raise self._refused(response.status, body, response.headers)
        return self._completion(body)

    async def aclose(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=min(_CONNECT, self._timeout)),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                # A proxy of the environment has no business with this machine's own servers.
                trust_env=not self._is_loopback,
            )
        return self._session

    def _refused(self, status: int, body: bytes, headers: Mapping[str, str]) -> WireError:
        words = words_of(body)
        if 300 <= status < 400:
            words = f"it redirects to {URL(headers.get('Location', '')).with_query(None).with_user(None)}"
        return fault_of_status(status, words, headers=headers, key=self._key)

    def _completion(self, body: bytes) -> dict[str, Any]:
        reply = _parsed(body)
        error = reply.get("error")
        if error:
            code = error.get("code") if isinstance(error, dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 500
            raise fault_of_status(status, words_of(body), key=self._key)
        choices = reply.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise WireError(Outcome.SERVER_ERROR, "The endpoint answered without any choice.", status=200)
        message = choices[0].get("message")
        if not isinstance(message, dict):
            raise WireError(Outcome.SERVER_ERROR, "The endpoint's choice holds no message.", status=200)
        message.setdefault("role", "assistant")
        return reply


def _cause(error: Exception) -> str:
    # aiohttp's own words name host and port; the query, where some keep a key, is in none of them.
    return " ".join(str(error).split()) or type(error).__name__


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        reply = _mended(body)
    if isinstance(reply, dict):
        return reply
    start = body[:200].decode(errors="replace").strip()
    what = "an HTML page" if is_html(start) else "cut JSON" if start.startswith("{") else "something else"
    raise WireError(Outcome.NOT_JSON, f"The endpoint sent {what} instead of a JSON reply.", status=200, body=start)


def _mended(body: bytes) -> object:
    # Half an emoji at the end of a cut text is JSON to most writers, and the answer is paid: it is replaced.
    try:
        return orjson.loads(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
