"""The HTTP under the models: one session that posts JSON and gives JSON, or a typed fault."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .body import check_for_error, parse_object
from .headroom import Headroom, headroom
from .link import Link

__all__ = ["Posted", "Wire"]

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Posted:
    """What came back: a JSON object that holds no error, and what its headers say of rate limits."""

    reply: dict[str, Any]
    headroom: Headroom | None


class Wire:
    """One endpoint. Bounds nothing and repeats nothing: that is the gateway's."""

    def __init__(self, base_url: str, *, key: str = "", timeout: float = 120.0) -> None:
        self._link = Link(base_url, key=key, timeout=timeout)

    async def post(self, path: str, payload: Mapping[str, Any]) -> Posted:
        """The endpoint's answer to one request at `path` (`chat/completions`). Raises `WireError` for anything else."""
        link, data = self._link, orjson.dumps(payload)
        with link.faults():
            # A redirect may lead to another machine, key and all: where it points is for a person to judge.
            async with link.session().post(link.url(path), data=data, headers=_JSON, allow_redirects=False) as response:
                body = await response.read()
        if response.status != 200:
            raise link.refused(response.status, body, response.headers)
        reply = parse_object(body)
        check_for_error(reply, key=link.key)
        return Posted(reply, headroom(response.headers))

    async def aclose(self) -> None:
        """Close the connections; the next call opens new ones."""
        await self._link.aclose()
