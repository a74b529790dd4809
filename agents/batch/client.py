"""The batch protocol over HTTP: upload, create, state, results. It retries nothing: that is the job's."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from ...core.errors import parameter
from ...core.model import Outcome
from ..endpoint.errors import (
    MOST_BYTES,
    RequestError,
    check_for_error,
    error_of_status,
    parse_object,
    words_of,
)
from ..gateway.call import CallKey
from ..gateway.limits import Backoff

if TYPE_CHECKING:
    from ..endpoint.http_client import HttpConnection

#: What every line and every batch is for.
ENDPOINT = "/v1/chat/completions"

#: Lines that say only that the batch ended before their request's slot came.
_UNDONE = frozenset({"batch_expired", "batch_cancelled"})

#: The HTTP status that a refusal by this code would have had.
_STATUS_OF_CODE = {
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "billing_hard_limit_reached": 402,
    "billing_not_active": 402,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "token_limit_exceeded": 429,
    "server_error": 500,
    "internal_error": 500,
}


@dataclass(frozen=True, slots=True)
class ResultLine:
    """What one line of a result file says."""

    custom_id: str
    #: A chat completion, the fault that came in its place, or None for a request that was never done.
    answer: dict[str, Any] | RequestError | None


def custom_id(key: CallKey) -> str:
    """Return the 32 hexadecimal digits that identify a request in a batch.

    Some servers accept at most 64 characters.
    """
    return hashlib.blake2b(orjson.dumps(astuple(key)), digest_size=16).hexdigest()


def status_of_code(code: object, default: int) -> int:
    """Return the HTTP status that a refusal with this code would have had, or `default` if that is not known."""
    if isinstance(code, int) and 300 <= code < 600:
        return code
    return _STATUS_OF_CODE.get(code, default) if isinstance(code, str) else default


def write_line(name: str, payload: Mapping[str, Any]) -> bytes:
    """Return the line that asks for one chat completion under a custom id."""
    return orjson.dumps({"custom_id": name, "method": "POST", "url": ENDPOINT, "body": payload}) + b"\n"


def read_line(line: bytes, *, key: str = "") -> ResultLine | None:
    """Read one line of results. Return None if it is cut or is not a result. No fault contains the `key`."""
    try:
        said = parse_object(line)
    except RequestError:
        return None
    name = said.get("custom_id")
    if not isinstance(name, str):
        return None
    try:
        return ResultLine(name, _read_answer(said, key))
    except RequestError as fault:
        return ResultLine(name, fault)


def _read_answer(said: dict[str, Any], key: str) -> dict[str, Any] | None:
    response, error = said.get("response"), said.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code in _UNDONE:
        return None
    status = response.get("status_code") if isinstance(response, dict) else None
    body = response.get("body") if isinstance(response, dict) else None
    if error or status != 200:
        known = status if isinstance(status, int) and 300 <= status < 600 else status_of_code(code, 500)
        raise error_of_status(known, words_of(orjson.dumps(error or body or "")), key=key)
    if not isinstance(body, dict):
        raise RequestError(Outcome.NOT_JSON, "The batch's line holds no JSON object as its reply.", status=200)
    check_for_error(body, key=key)
    return body


_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


def _or_none(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        return None


#: A field that is unknown where it is not valid: a batch is worth more than what is said beside it.
_OR_NONE = WrapValidator(_or_none)


class BatchState(BaseModel):
    """One batch as its server describes it. A status that is not known counts as under way."""

    # Servers add fields of their own to what the protocol names.
    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=1, max_length=256)
    status: str = Field(max_length=64)
    created_at: Annotated[float | None, _OR_NONE] = Field(None, ge=0, allow_inf_nan=False)
    input_file_id: Annotated[str | None, _OR_NONE] = None
    output_file_id: str | None = Field(None, max_length=256)
    error_file_id: str | None = Field(None, max_length=256)
    metadata: Annotated[dict[str, Any] | None, _OR_NONE] = None
    #: {"data": [{"code", "message", "line"}]} by the protocol; some servers have a mere string.
    errors: Any = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in _ENDED

    def describe_failure(self, *, key: str = "") -> RequestError:
        """Return the reason why a batch with the status `failed` was not begun, in the server's own words."""
        data = self.errors.get("data") if isinstance(self.errors, dict) else None
        listed = [error for error in data if isinstance(error, dict)] if isinstance(data, list) else []
        words = "; ".join(_error_text(error) for error in listed[:3]) or words_of(orjson.dumps(self.errors or ""))
        status = status_of_code(listed[0].get("code") if listed else None, 400)
        # Words and outcome as of a refusal of one request: what stops a run there stops it here.
        judged = error_of_status(status, words, key=key)
        said = f": {judged.body}" if judged.body else ", and the server did not say why"
        return RequestError(judged.outcome, f"The batch failed as a whole{said}", status=status, body=judged.body)

    def left_undone(self) -> RequestError:
        """Return the reason why a request has no line in the output of a batch that ended."""
        if self.status == "expired":
            return RequestError(Outcome.TIMEOUT, "The batch expired before this request was done.")
        if self.status == "cancelled":
            return RequestError(Outcome.DROPPED, "The batch was cancelled before this request was done.")
        return RequestError(Outcome.DROPPED, "The batch ended without a whole line for this request.")


def _error_text(error: dict[str, Any]) -> str:
    where = f"line {error['line']}: " if error.get("line") is not None else ""
    code = f" ({error['code']})" if error.get("code") else ""
    return f"{where}{error.get('message') or 'no message'}{code}"


_WINDOW = "24h"


#: How batches are listed: so many a page, and so many pages at most.
_PAGE = 100
_PAGES = 20

#: Seconds by which the server's clock may be behind ours.
_SKEW = 3600.0


class BatchClient:
    """One endpoint's `/files` and `/batches`. Every method raises `RequestError` when it has nothing to give."""

    def __init__(self, connection: "HttpConnection", *, longest_line: int = MOST_BYTES) -> None:
        """Take `longest_line`, the maximum length in bytes of a line of results."""
        self._connection = connection
        self._longest_line = longest_line
        #: Where the batches are, as it may be kept.
        self.endpoint = connection.endpoint
        #: A secret that must not appear in anything that is shown or kept.
        self.key = connection.key

    async def upload(self, lines: Sequence[bytes]) -> str:
        """Upload a new file with these lines and return its id."""
        from aiohttp import FormData  # runs without batches do not load it here

        form = FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", BytesIO(b"".join(lines)), filename="batch.jsonl", content_type="application/jsonl")
        try:
            name = (await self._send_request("POST", "files", data=form)).get("id")
        except RequestError as fault:
            if fault.outcome is Outcome.NOT_FOUND:
                raise RequestError(fault.outcome, f"{_no_files()} {fault.detail}", status=fault.status) from fault
            raise
        if not isinstance(name, str) or not name:
            raise RequestError(Outcome.SERVER_ERROR, "The endpoint took a file and gave it no id.", status=200)
        return name

    async def create(self, file_id: str, metadata: Mapping[str, str]) -> BatchState:
        """Create a batch over an uploaded file and return its state."""
        asked = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": _WINDOW,
            "metadata": dict(metadata),
        }
        return _parse_state(await self._send_request("POST", "batches", json=asked))

    async def state(self, batch_id: str) -> BatchState:
        """Return the state of a batch."""
        return _parse_state(await self._send_request("GET", f"batches/{batch_id}"))

    async def find(self, file_id: str, metadata: Mapping[str, str], since: float) -> BatchState | None:
        """Find the batch over this file with this metadata, made after `since` (Unix time).

        Return None if there is none.
        """
        after: dict[str, str] = {}
        for _ in range(_PAGES):
            page = await self._send_request("GET", "batches", params={"limit": str(_PAGE), **after})
            data = page.get("data")
            states = [_parse_state(said) for said in data if isinstance(said, dict)] if isinstance(data, list) else []
            found = next((state for state in states if _is_match(state, file_id, metadata)), None)
            if found is not None:
                return found
            # The newest come first.
            if not states or not page.get("has_more") or (states[-1].created_at or since) < since - _SKEW:
                return None
            after = {"after": states[-1].id}
        return None

    async def lines(self, file_id: str) -> AsyncGenerator[bytes | None]:
        """Yield the lines of a file as they arrive, or None for a line that is too long. The last line may be cut."""
        rest, is_too_long, redact = bytearray(), False, self._connection.redactor.redact_body
        async with self._connection.response("GET", f"files/{file_id}/content") as response:
            async for chunk in response.content.iter_any():
                rest += chunk
                *whole, rest = rest.split(b"\n")
                for line in whole:
                    yield None if is_too_long else redact(bytes(line))
                    is_too_long = False
                if len(rest) > self._longest_line:
                    is_too_long = True
                if is_too_long:
                    rest.clear()
        yield None if is_too_long else redact(bytes(rest))

    async def aclose(self) -> None:
        """Close the connections. The next call opens new ones."""
        await self._connection.aclose()

    async def _send_request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, **content: Any
    ) -> dict[str, Any]:
        return (await self._connection.exchange(method, path, params=params, **content)).reply


def _is_match(state: BatchState, file_id: str, metadata: Mapping[str, str]) -> bool:
    # Not every server keeps the metadata, and some give equal files one id.
    kept = state.metadata or {}
    if any(name in kept for name in metadata):
        return all(kept.get(name) == value for name, value in metadata.items())
    return state.input_file_id == file_id


def _parse_state(said: dict[str, Any]) -> BatchState:
    try:
        return BatchState.model_validate(said)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
        detail = f"The endpoint describes a batch in another way than the protocol does (wrong or missing: {where})."
        raise RequestError(Outcome.SERVER_ERROR, detail, status=200) from error


def _no_files() -> str:
    return f"The endpoint takes no files, so it may know no batches: run without {parameter('batch')} there."


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that was sent, or is just about to be."""

    #: Ours, also in the batch's metadata: by it a batch is found whose id we were killed before we heard.
    nonce: str
    #: The base URL without key or credentials.
    endpoint: str
    input_file_id: str
    #: One a request, in the order of the file; `custom_id` of a `CallKey` gives them.
    custom_ids: tuple[str, ...]
    created_at: datetime
    #: The server's; None from just before the batch is made until its id is known.
    batch_id: str | None = None


class BatchJournal(Protocol):
    """Keeps every batch until it is closed."""

    async def opened(self, batch: OpenBatch) -> None:
        """Keep a batch in place of what was kept under its nonce. Return only when a kill can no longer lose it."""
        ...

    async def closed(self, nonce: str, status: str) -> None:
        """Record that a batch will give nothing more, and how it ended.

        This must not be durable before the calls that were recorded earlier, which are its results.
        """
        ...

    def open_batches(self) -> Sequence[OpenBatch]:
        """Return the batches of earlier sessions that are not closed."""
        ...


@dataclass(frozen=True, slots=True)
class PollInterval:
    """Waits that grow from poll to poll. All in seconds."""

    first: float = 5.0
    most: float = 60.0
    growth: float = 1.5

    def wait(self, looks: int, *, asked: float | None = None) -> float:
        """Return the seconds to wait after `looks` looks (from 0), never less than the server asks for."""
        # Bounded first: a large power is no float.
        return max(asked or 0.0, min(self.most, self.first * self.growth ** min(looks, 100)))


def metadata_of(batch: OpenBatch) -> dict[str, str]:
    """Return the metadata that the server keeps with a batch."""
    return {"populace": batch.nonce}


@dataclass(frozen=True, slots=True)
class BatchEndpoint:
    """One endpoint's batches: client, journal, polling and retries."""

    client: BatchClient
    journal: BatchJournal
    interval: PollInterval = field(default_factory=PollInterval)
    #: Between attempts to send or fetch a file.
    backoff: Backoff = field(default_factory=lambda: Backoff(attempts=5))
    #: Looks at a batch that may fail one after the other.
    looks: int = 60
    #: One file is in memory at a time.
    upload: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def again[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what an attempt gives, repeating it as long as its fault may pass."""
        failed = 0
        while True:
            try:
                return await attempt()
            except RequestError as fault:
                failed += 1
                if not await self.backoff.may_repeat(fault, failed):
                    raise

    async def find(self, batch: OpenBatch) -> BatchState | None:
        """Find the batch in the server's list by its nonce or its file. Return None if it is not there."""
        return await self.client.find(batch.input_file_id, metadata_of(batch), batch.created_at.timestamp())

    async def find_if_listed(self, batch: OpenBatch) -> BatchState | None:
        """Find the batch as `find` does. Return None also if the server has no list."""
        try:
            return await self.find(batch)
        except RequestError as fault:
            if fault.outcome is Outcome.NOT_FOUND:
                return None
            raise
