"""One line of a batch's files: a request on its way out, or what became of one on its way back."""

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import orjson

from ....personas.model import Outcome
from ...endpoint.errors import RequestError, check_for_error, error_of_status, parse_object, words_of
from ..call import CallKey

__all__ = ["ENDPOINT", "Line", "custom_id", "read_line", "status_of_code", "write_line"]

#: What every line and every batch is for.
ENDPOINT = "/v1/chat/completions"

#: Lines that say only that the batch ended before their request's turn came.
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
class Line:
    """What one line of a result file says."""

    custom_id: str
    #: A chat completion, the fault that came in its place, or None for a request that was never done.
    answer: dict[str, Any] | RequestError | None


def custom_id(key: CallKey) -> str:
    """The 32 hexadecimal digits that a request goes by in a batch; some servers take 64 characters at most."""
    return hashlib.blake2b(orjson.dumps(astuple(key)), digest_size=16).hexdigest()


def status_of_code(code: object, default: int) -> int:
    """The HTTP status that a refusal with this code would have had, or `default` where that is not known."""
    if isinstance(code, int) and 300 <= code < 600:
        return code
    return _STATUS_OF_CODE.get(code, default) if isinstance(code, str) else default


def write_line(name: str, payload: Mapping[str, Any]) -> bytes:
    """The line that asks for one chat completion under a custom id."""
    return orjson.dumps({"custom_id": name, "method": "POST", "url": ENDPOINT, "body": payload}) + b"\n"


def read_line(line: bytes, *, key: str = "") -> Line | None:
    """What a line says; None for one that is cut or no result at all. No fault holds the `key`."""
    try:
        said = parse_object(line)
    except RequestError:
        return None
    name = said.get("custom_id")
    if not isinstance(name, str):
        return None
    try:
        return Line(name, _answer(said, key))
    except RequestError as fault:
        return Line(name, fault)


def _answer(said: dict[str, Any], key: str) -> dict[str, Any] | None:
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
