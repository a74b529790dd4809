"""Judging what a model wrote: a pure function that never raises, whatever the answer is.

The same text is judged the same way live and when it is read back from a run file, so nothing here depends on
how the endpoint was told the schema: a code fence, a `<think>` block or prose around the one JSON object is
always cut away, and nothing is ever added.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from ...personas.model import AnswerError, AnswerMistake, AnswerSchema, Outcome
from ..endpoint.errors import is_html

#: How much of a complaint is kept and shown to the model, and of an answer quoted in a reason, in characters.
_COMPLAINT = 1500
_QUOTED = 80

#: Why a model stopped when it did not want to answer; a response says "refusal" of an answer marked as one.
_REFUSALS = frozenset({"content_filter", "refusal"})

_OPENING = re.compile(r"[{\[]")
_MARK = re.compile(r'"(?:[^"\\]|\\.)*+"|["{}\[\]]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ParsedReply[T]:
    """What became of one answer: the value, or the outcome and the reason why there is none."""

    outcome: Outcome
    value: T | None = None
    #: One sentence; empty when there is a value.
    reason: str = ""
    #: What to tell the model when it is asked again.
    complaint: str = ""
    #: What the schema's own check found, where that has a code.
    mistake: AnswerMistake | None = None


class _UnreadableError(Exception):
    """The text holds no JSON that could be meant."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


def judge[T](text: str, schema: AnswerSchema[T], *, finish_reason: str | None = None) -> ParsedReply[T]:
    """The verdict on what a model wrote. Never raises, whatever the text and the schema's own check."""
    if finish_reason in _REFUSALS:
        return ParsedReply(Outcome.REFUSAL, reason=f"The model refused: {_quoted(text)}.")
    length = finish_reason == "length"
    if not text.strip() and not length:
        return ParsedReply(Outcome.EMPTY, reason="The model's answer is empty.", complaint="The answer is empty.")
    try:
        parsed = _json_in(text)
    except _UnreadableError as error:
        if length:
            reason = f"The answer reached the limit of tokens, unfinished, after {len(text)} characters."
            return ParsedReply(Outcome.LENGTH, reason=reason, complaint="The answer is too long.")
        return ParsedReply(error.outcome, reason=str(error), complaint=str(error))
    return _checked(parsed, schema)


def _checked[T](parsed: object, schema: AnswerSchema[T]) -> ParsedReply[T]:
    try:
        return ParsedReply(Outcome.OK, schema.validate(parsed))
    except Exception as error:  # noqa: BLE001 - a scenario's own check may raise anything, and the answer is paid for
        complaint = _complaint(schema, error)[:_COMPLAINT]
        said = "; ".join(complaint.splitlines()).rstrip(".")
        reason = f"The answer does not fit {schema.name}: {said}."
        mistake = error.mistake if isinstance(error, AnswerError) else None
        return ParsedReply(Outcome.SCHEMA_MISMATCH, reason=reason, complaint=complaint, mistake=mistake)


def _complaint[T](schema: AnswerSchema[T], error: Exception) -> str:
    try:
        said = schema.complaint(error) if isinstance(error, ValueError) else str(error)
    except Exception:  # noqa: BLE001 - so may the text of what it raises
        said = ""
    return said or f"its check failed with {type(error).__name__}"


def _json_in(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # A model that thinks aloud begins with that; an answer that begins as JSON may well speak of it.
        return _one_object(text if text.lstrip().startswith("{") else text.rpartition("</think>")[2])


def _one_object(text: str) -> object:
    if is_html(text):
        raise _UnreadableError(Outcome.NOT_JSON, "The answer is an HTML page, not JSON.")
    found = list(_objects(text))
    if len(found) == 1:
        return found[0]
    if found:
        raise _UnreadableError(Outcome.NOT_JSON, f"The answer holds {len(found)} JSON objects where one is asked for.")
    if _is_open(text):
        raise _UnreadableError(Outcome.CUT_JSON, f"The answer's JSON ends early, after {len(text)} characters.")
    raise _UnreadableError(Outcome.NOT_JSON, f"The answer is not JSON: {_quoted(text)}.")


def _objects(text: str) -> Iterator[object]:
    for start, end in _spans(text):
        try:
            parsed = orjson.loads(text[start:end])
        except orjson.JSONDecodeError:
            continue
        if isinstance(parsed, dict):
            yield parsed


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every outermost bracketed stretch; the end of a cut one lies behind the text."""
    depth = start = position = 0
    # Quotation marks of the prose around an object need not be closed: outside brackets only brackets count.
    while match := (_MARK if depth else _OPENING).search(text, position):
        mark, position = match[0], match.end()
        if mark == '"':
            break
        if mark in "{[":
            start = start if depth else match.start()
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                yield start, position
    if depth:
        yield start, len(text) + 1


def _is_open(text: str) -> bool:
    spans = list(_spans(text))
    return bool(spans) and spans[-1][1] > len(text)


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _QUOTED else f"{line[:_QUOTED]}...")
