"""How a call fails before there is an answer to judge: one exception with a typed outcome, also for broken bodies."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from ...core.errors import EndpointError, parameter
from ...core.inputs import is_too_deep
from ...core.model import Outcome

#: Decoded bytes of a response that are read at most, where nothing else is said.
MOST_BYTES = 16 * 2**20
#: The largest count of tokens that is taken for one: no model reads or writes a thousandth of it in a call.
MOST_TOKENS = 10**9
#: Characters of a finish reason, a name or a fingerprint.
_LONGEST = 256
#: Seconds that an endpoint may ask for.
_LONGEST_WAIT = 7 * 86_400.0
#: Numbers below it are shown.
_LONG = 10**40


class FieldReader:
    """Reads an object of untrusted JSON. Fields that are absent or null are None.

    So are those of a wrong type or out of range; `invalid` names these, with the value where it is a number.
    """

    def __init__(self, data: object, *, path: str = "", invalid: list[str] | None = None) -> None:
        self.invalid: list[str] = [] if invalid is None else invalid
        self._path = path
        self._data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        if data is not None and not isinstance(data, Mapping):
            self.reject(path.rstrip("."), data)

    def reject(self, place: str, value: object) -> None:
        """Record that a value is not usable."""
        # Text of any kind may stand where a number should, and has no place in a note.
        is_short = isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < _LONG)
        self.invalid.append(f"{place}={value if is_short else type(value).__name__}")

    def object(self, name: str) -> "FieldReader":
        """Return a reader of an object in this one, or of an empty object if there is none."""
        return FieldReader(self._data.get(name), path=f"{self._path}{name}.", invalid=self.invalid)

    def count(self, name: str, most: int = MOST_TOKENS) -> int | None:
        """Return a whole number from 0 to `most`, or None for any other value."""
        value = self._data.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        self._note_field(name)
        return None

    def count_ending(self, name: str, most: int = MOST_TOKENS) -> int | None:
        """Return the count whose name ends with `name`.

        langchain-openai puts the service tier before it (`priority_cache_read`).
        """
        return self.count(next((key for key in self._data if str(key).endswith(name)), name), most)

    def text(self, name: str, longest: int = _LONGEST) -> str | None:
        """Return a text of at most `longest` characters, or None for any other value."""
        value = self._data.get(name)
        if isinstance(value, str) and len(value) <= longest and is_encodable(value):
            return value
        self._note_field(name)
        return None

    def _note_field(self, name: str) -> None:
        if (value := self._data.get(name)) is not None:
            self.reject(f"{self._path}{name}", value)


def is_encodable(text: str) -> bool:
    """Return whether a text can be written. A str can hold half a surrogate pair, but a file cannot."""
    return text.isascii() or text.encode("utf-8", "replace").decode() == text


def read_seconds(text: str | None, *, scale: float = 1.0) -> float | None:
    """Return the seconds in a header, from 0 to a week, or None for anything else."""
    try:
        return check_seconds(float(text or "") * scale)
    except ValueError:
        return None


def check_seconds(seconds: float) -> float | None:
    """Return the seconds that an endpoint asks for, or 0 for a time in the past.

    Return None for more than a week, or for something that is not a finite number.
    """
    return max(0.0, seconds) if math.isfinite(seconds) and seconds <= _LONGEST_WAIT else None


#: How much of an endpoint's own words is kept.
_WORDS = 300

#: A key shorter than this is no secret, and could be any word.
_SECRET = 6

#: What is left of a JSON text from the place where reading it failed, if it was cut there.
_CUT = re.compile(r"[\w.+-]{0,8}")

#: Outcomes that may differ when the very same request is sent again.
TRANSIENT = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.SERVER_ERROR,
        Outcome.DROPPED,
        Outcome.TIMEOUT,
        Outcome.UNREACHABLE,
        Outcome.NOT_JSON,
        Outcome.EMPTY,
    }
)

_BY_STATUS = {
    400: Outcome.BAD_REQUEST,
    401: Outcome.AUTH,
    402: Outcome.AUTH,
    403: Outcome.AUTH,
    404: Outcome.NOT_FOUND,
    405: Outcome.NOT_FOUND,
    408: Outcome.TIMEOUT,
    409: Outcome.SERVER_ERROR,
    413: Outcome.BAD_REQUEST,
    422: Outcome.BAD_REQUEST,
    425: Outcome.SERVER_ERROR,
    429: Outcome.RATE_LIMITED,
}

#: llama.cpp's words when what its model wrote under a schema does not parse, mostly because it was cut.
_SPOILED = re.compile(r"model produced output that does not match", re.IGNORECASE)

_CREDENTIAL = re.compile(r"\b(?:sk|pk|key|api[-_]key)-[\w*-]{4,}|(?<=bearer )\S{4,}", re.IGNORECASE)


class RequestError(Exception):
    """A call that ended without an answer, and how: `outcome` is never `OK`."""

    def __init__(
        self,
        outcome: Outcome,
        detail: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        body: str = "",
        spoiled: bool = False,
    ) -> None:
        super().__init__(detail)
        self.outcome = outcome
        #: What happened, in one sentence, without any key.
        self.detail = detail
        #: The HTTP status, where there was one.
        self.status = status
        #: Seconds the endpoint asks us to wait.
        self.retry_after = retry_after
        #: The first part of what the endpoint sent instead of an answer, without any key.
        self.body = body
        #: The model did write, and the endpoint could not read it: the same request would end the same way.
        self.spoiled = spoiled
        #: The endpoint's address, once it is known which one it was.
        self.endpoint: str | None = None
        #: What had come of the answer before it was cut, a `ModelResponse`; None for nothing.
        self.partial: Any = None


def too_large(most: int, *, status: int) -> RequestError:
    """Build the fault of a response that is longer than the limit for reading."""
    return RequestError(
        Outcome.TOO_LARGE,
        f"The response is longer than {most:,} bytes, and was not read to its end "
        f"({parameter('max_response_bytes')} allows more).",
        status=status,
    )


def error_of_status(
    status: int, words: str, *, headers: Mapping[str, str] | None = None, key: str = ""
) -> RequestError:
    """Build the fault for an HTTP status other than success, with the endpoint's own words in it."""
    words = _without_keys(words, key)
    spoiled = status >= 500 and _SPOILED.search(words) is not None
    outcome = Outcome.CUT_JSON if spoiled else _outcome_of(status, words)
    said = f": {words}" if words else ""
    end = "" if said.endswith((".", "!", "?")) else "."
    # Not the server failed but its model's text: as when we find it cut, the same seed would give the same again.
    head = "The endpoint could not read what its model wrote, and answered" if spoiled else "The endpoint answered"
    return RequestError(
        outcome,
        f"{head} with HTTP status {status}{said}{end}",
        status=status,
        retry_after=retry_after(headers or {}),
        body=words,
        spoiled=spoiled,
    )


def _outcome_of(status: int, words: str) -> Outcome:
    # Some providers answer 429 to an account without money: waiting does not help there.
    if status == 429 and "insufficient_quota" in words:
        return Outcome.AUTH
    if status >= 500:
        return Outcome.SERVER_ERROR
    if 300 <= status < 400:
        return Outcome.NOT_FOUND
    return _BY_STATUS.get(status, Outcome.BAD_REQUEST)


def _without_keys(words: str, key: str) -> str:
    if len(key) >= _SECRET:
        words = words.replace(key, "[key]")
    return _CREDENTIAL.sub("[key]", words)


def words_of(body: bytes) -> str:
    """Return what an endpoint says in the body of a refusal, on one line: its message, or the body's start."""
    try:
        said = _message_in(_checked_depth(orjson.loads(body)))
    except orjson.JSONDecodeError:
        said = body[: 4 * _WORDS].decode(errors="replace")
        if is_html(said):
            said = "an HTML page, " + " ".join(re.sub(r"<[^>]*>", " ", said).split())
    return " ".join(said.split())[:_WORDS].strip()


def is_html(text: str) -> bool:
    """Return whether a text is an HTML page."""
    return re.match(r"\s*<(?:!doctype html|html|head|body)\b", text, re.IGNORECASE) is not None


def _message_in(said: Any) -> str:
    # OpenAI nests {"error": {"message"}}; others have {"error": "..."}, {"message"} or {"detail"}.
    if isinstance(said, Mapping):
        for name in ("error", "message", "detail", "msg"):
            if said.get(name):
                code = said.get("code")
                known = f" ({code})" if isinstance(code, str) and name == "message" else ""
                return _describe_place(said) + _message_in(said[name]) + known
    if isinstance(said, list):
        return "; ".join(_message_in(part) for part in said[:3])
    return said if isinstance(said, str) else orjson.dumps(said).decode()


def _describe_place(said: Mapping[Any, Any]) -> str:
    # FastAPI says what it refuses in a list of its own: ["body", "seed"].
    place = said.get("loc")
    return f"{'.'.join(map(str, place))}: " if isinstance(place, list) and place else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `retry-after-ms` or `Retry-After` (seconds or an HTTP date) asks for, or None."""
    milliseconds = read_seconds(headers.get("retry-after-ms"), scale=0.001)
    if milliseconds is not None:
        return milliseconds
    asked = headers.get("Retry-After", headers.get("retry-after"))
    seconds = read_seconds(asked)
    if asked is None or seconds is not None:
        return seconds
    try:
        date = parsedate_to_datetime(asked)
        wait = date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)
    except (ValueError, OverflowError):
        return None
    return check_seconds(wait.total_seconds())


_CHECK = {
    Outcome.AUTH: "Check OPENAI_API_KEY and what the account may use.",
    Outcome.NOT_FOUND: "Check the model's name and that {base_url} ends where the API begins (often /v1).",
    Outcome.UNREACHABLE: "Start the server or give another {base_url}.",
    Outcome.NOT_JSON: "Check that {base_url} ends where an OpenAI-compatible API begins (often /v1).",
    Outcome.BAD_REQUEST: "Check that the model takes such requests (prompt length, max tokens, seed).",
}


def endpoint_error(fault: RequestError, *, model: str, endpoint: str | None, named: str = "base_url") -> EndpointError:
    """Build the error that ends a run whose endpoint refuses every call, with what it said and what to check.

    `named` is the parameter that gives its address.
    """
    place = endpoint or "its endpoint"
    if fault.outcome is Outcome.UNREACHABLE:
        head = f"Nothing answers at {place}, where model {model} was to be asked: {fault.detail}"
    else:
        head = f"Model {model} at {place} cannot be used. {fault.detail}"
    return EndpointError(f"{head.rstrip('.')}. {_CHECK[fault.outcome].format(base_url=parameter(named))}")


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that an endpoint sent. Raises `RequestError` for anything else."""
    try:
        reply = _checked_depth(orjson.loads(body))
    except orjson.JSONDecodeError:
        reply = _mend_json(body)
    if isinstance(reply, dict):
        return reply
    start = body[:200].decode(errors="replace").strip()
    what = "an HTML page" if is_html(start) else "something else" if start else "an empty body"
    what = describe_json_fault(body.decode(errors="replace")) if start.startswith("{") else what
    raise RequestError(Outcome.NOT_JSON, f"The endpoint sent {what} instead of a JSON reply.", status=200, body=start)


def describe_json_fault(text: str) -> str:
    """Name what is wrong with a text that begins like a JSON object, such as "cut JSON"."""
    text = text.strip()
    constants: list[str] = []
    try:
        json.loads(text, parse_constant=constants.append)
    except json.JSONDecodeError as error:
        is_in_text = error.msg.startswith("Unterminated")
        if is_in_text or (_CUT.fullmatch(text, error.pos) and not error.msg.startswith("Extra data")):
            return "cut JSON"
        return f"malformed JSON ({error.msg}, character {error.pos + 1:,})"
    except ValueError:  # a number of thousands of digits
        return "JSON with a number that is too long"
    except RecursionError:
        pass
    return f"JSON with {constants[0]} (no JSON number)" if constants else "JSON that nests too deeply"


def check_for_error(reply: dict[str, Any], *, key: str = "") -> None:
    """Raise the `RequestError` of a reply that holds an error although its status says success."""
    error = reply.get("error")
    if error:
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        raise error_of_status(status, words_of(orjson.dumps(reply)), key=key)


def _checked_depth(reply: object) -> object:
    # What nests deeper is no reply of this protocol, and neither orjson nor our own walks would take it.
    return "JSON that nests too deeply" if is_too_deep(reply) else reply


def _mend_json(body: bytes) -> object:
    # Half an emoji at the end of a cut text is JSON to most writers, and the answer is paid: it is replaced.
    try:
        mended = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
        return _checked_depth(orjson.loads(mended))
    except (ValueError, RecursionError):
        return None
