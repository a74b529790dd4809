"""The one JSON object that a model's answer holds, and the control characters that no text may hold.

A code fence or prose around the object is passed over, and backslashes that were not escaped are repaired.
"""

import re
from collections.abc import Iterator, Mapping

import orjson

from ...personas.model import Outcome
from ..endpoint.errors import describe_json_fault, is_html
from .latex_escapes import escape_literal_backslashes

#: How much of an answer is quoted in a reason, in characters.
_QUOTED = 80

_OPENING = re.compile(r"[{\[]")
_MARK = re.compile(r'"(?:[^"\\]|\\.)*+"|["{}\[\]]', re.DOTALL)
#: All of Unicode's control characters but tab, line feed, carriage return and next line.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_NAMES = {0x00: "null", 0x08: "backspace", 0x0B: "vertical tab", 0x0C: "form feed", 0x1B: "escape", 0x7F: "delete"}


class UnreadableError(Exception):
    """The text holds no JSON that could be meant."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


def read_json_answer(text: str, *, repair: bool = True) -> tuple[object, tuple[str, ...]]:
    """Return the JSON value that the text is, or its one JSON object.

    The commands whose backslashes were repaired come with it. Raises `UnreadableError` if there is no such value.
    """
    try:
        return _parse(text, repair=repair)
    except orjson.JSONDecodeError:
        return _one_object(text, repair=repair)


def find_control_character(value: object, text: str) -> str:
    """Describe in a sentence which control character a value read from `text` holds, and where.

    Return an empty text if it holds none.
    """
    if "\\" not in text and _CONTROL.search(text) is None:
        return ""  # without an escape, a value holds no character that its text has not
    return next(_control_characters(value, ()), "")


def quote_answer(text: str) -> str:
    """Quote the beginning of an answer on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _QUOTED else f"{line[:_QUOTED]}...")


def _parse(text: str, *, repair: bool) -> tuple[object, tuple[str, ...]]:
    commands: tuple[str, ...] = ()
    if repair and "\\" in text:
        text, commands = escape_literal_backslashes(text)
    return orjson.loads(text), commands


def _one_object(text: str, *, repair: bool) -> tuple[object, tuple[str, ...]]:
    if is_html(text):
        raise UnreadableError(Outcome.NOT_JSON, "The answer is an HTML page, not JSON.")
    found = list(_objects(text, repair=repair))
    if len(found) == 1:
        return found[0]
    if found:
        raise UnreadableError(Outcome.NOT_JSON, f"The answer holds {len(found)} JSON objects where one is asked for.")
    spans = list(_spans(text))
    if spans and spans[-1][1] > len(text):
        raise UnreadableError(Outcome.CUT_JSON, f"The answer's JSON ends early, after {len(text)} characters.")
    what = describe_json_fault(text[slice(*spans[0])]) if spans else "not JSON"
    raise UnreadableError(Outcome.NOT_JSON, f"The answer is {what}: {quote_answer(text)}.")


def _objects(text: str, *, repair: bool) -> Iterator[tuple[object, tuple[str, ...]]]:
    for start, end in _spans(text):
        try:
            parsed, commands = _parse(text[start:end], repair=repair)
        except orjson.JSONDecodeError:
            continue
        if isinstance(parsed, dict):
            yield parsed, commands


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of every outermost bracketed stretch. The end of a truncated one is past the text."""
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


def _control_characters(value: object, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, str):
        if (found := _CONTROL.search(value)) is not None:
            code = ord(found[0])
            name = f" ({_NAMES[code]})" if code in _NAMES else ""
            near = repr(value[max(0, found.start() - 10) : found.end() + 10])
            yield f"{'.'.join(path) or 'the text'} holds the control character U+{code:04X}{name} near {near}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _control_characters(key, (*path, "a key"))
            yield from _control_characters(inner, (*path, str(key)))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _control_characters(inner, (*path, str(place)))
