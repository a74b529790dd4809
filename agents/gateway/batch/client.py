"""The batch protocol over HTTP: upload, create, look, fetch, cancel. Repeats nothing: that is the trip's."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from io import BytesIO
from typing import Any

import aiohttp
from pydantic import ValidationError

from ....personas.model import Outcome
from ...endpoint.errors import RequestError, check_for_error, parse_object
from ...endpoint.http_client import HttpConnection
from .line import ENDPOINT
from .state import BatchState

__all__ = ["BatchClient"]

_WINDOW = "24h"

_NO_FILES = "The endpoint takes no files, so it may know no batches: run without --batch there."

#: How batches are listed: so many a page, and so many pages at most.
_PAGE = 100
_PAGES = 20

#: Seconds by which the server's clock may be behind ours.
_SKEW = 3600.0


class BatchClient:
    """One endpoint's `/files` and `/batches`. Every method raises `WireError` when it has nothing to give."""

    def __init__(self, link: HttpConnection) -> None:
        self._link = link
        #: Where the batches are, as it may be kept.
        self.endpoint = link.endpoint
        #: What must stand in nothing that is shown or kept.
        self.key = link.key

    async def upload(self, lines: Sequence[bytes]) -> str:
        """The id of a new file with these lines."""
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", BytesIO(b"".join(lines)), filename="batch.jsonl", content_type="application/jsonl")
        try:
            name = (await self._said("POST", "files", data=form)).get("id")
        except RequestError as fault:
            if fault.outcome is Outcome.NOT_FOUND:
                raise RequestError(fault.outcome, f"{_NO_FILES} {fault.detail}", status=fault.status) from fault
            raise
        if not isinstance(name, str) or not name:
            raise RequestError(Outcome.SERVER_ERROR, "The endpoint took a file and gave it no id.", status=200)
        return name

    async def create(self, file_id: str, metadata: Mapping[str, str]) -> BatchState:
        """A new batch over an uploaded file."""
        asked = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": _WINDOW,
            "metadata": dict(metadata),
        }
        return _state(await self._said("POST", "batches", json=asked))

    async def state(self, batch_id: str) -> BatchState:
        """How a batch stands."""
        return _state(await self._said("GET", f"batches/{batch_id}"))

    async def cancel(self, batch_id: str) -> BatchState:
        """How a batch stands, now that it was told to stop."""
        return _state(await self._said("POST", f"batches/{batch_id}/cancel"))

    async def find(self, file_id: str, metadata: Mapping[str, str], since: float) -> BatchState | None:
        """The batch over this file and with this metadata, made after `since` (Unix time); None when there is none."""
        after: dict[str, str] = {}
        for _ in range(_PAGES):
            page = await self._said("GET", "batches", params={"limit": str(_PAGE), **after})
            data = page.get("data")
            states = [_state(said) for said in data if isinstance(said, dict)] if isinstance(data, list) else []
            found = next((state for state in states if _is(state, file_id, metadata)), None)
            if found is not None:
                return found
            # The newest come first.
            if not states or not page.get("has_more") or (states[-1].created_at or since) < since - _SKEW:
                return None
            after = {"after": states[-1].id}
        return None

    async def lines(self, file_id: str) -> AsyncGenerator[bytes]:
        """The lines of a file as they come, the last one also when it is cut."""
        link = self._link
        rest = bytearray()
        with link.faults():
            async with link.session().get(link.url(f"files/{file_id}/content"), allow_redirects=False) as response:
                if response.status != 200:
                    raise link.refused(response.status, await response.read(), response.headers)
                async for chunk in response.content.iter_any():
                    rest += chunk
                    *whole, rest = rest.split(b"\n")
                    for line in whole:
                        yield bytes(line)
        yield bytes(rest)

    async def aclose(self) -> None:
        """Close the connections; the next call opens new ones."""
        await self._link.aclose()

    async def _said(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, **content: Any
    ) -> dict[str, Any]:
        link = self._link
        url = link.url(path).update_query(params or {})
        with link.faults():
            async with link.session().request(method, url, allow_redirects=False, **content) as response:
                body = await response.read()
        if response.status not in (200, 201, 202):
            raise link.refused(response.status, body, response.headers)
        said = parse_object(body)
        check_for_error(said, key=link.key)
        return said


def _is(state: BatchState, file_id: str, metadata: Mapping[str, str]) -> bool:
    # Not every server keeps the metadata, and some give equal files one id.
    kept = state.metadata or {}
    if any(name in kept for name in metadata):
        return all(kept.get(name) == value for name, value in metadata.items())
    return state.input_file_id == file_id


def _state(said: dict[str, Any]) -> BatchState:
    try:
        return BatchState.model_validate(said)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
        detail = f"The endpoint describes a batch in another way than the protocol does (wrong or missing: {where})."
        raise RequestError(Outcome.SERVER_ERROR, detail, status=200) from error
