"""The bytes an endpoint sends, as the JSON object they should be; anything else is a typed fault."""

import json
from typing import Any

import orjson

from ...personas.model import Outcome
from .fault import WireError, fault_of_status, is_html, words_of

__all__ = ["check_for_error", "parse_object"]


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object that an endpoint sent. Raises `WireError` when it is none."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        reply = _mended(body)
    if isinstance(reply, dict):
        return reply
    start = body[:200].decode(errors="replace").strip()
    what = "an HTML page" if is_html(start) else "cut JSON" if start.startswith("{") else "something else"
    raise WireError(Outcome.NOT_JSON, f"The endpoint sent {what} instead of a JSON reply.", status=200, body=start)


def check_for_error(reply: dict[str, Any], *, key: str = "") -> None:
    """Raise the `WireError` that a reply is in truth, though its status says success."""
    error = reply.get("error")
    if error:
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        raise fault_of_status(status, words_of(orjson.dumps(reply)), key=key)


def _mended(body: bytes) -> object:
    # Half an emoji at the end of a cut text is JSON to most writers, and the answer is paid: it is replaced.
    try:
        return orjson.loads(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
