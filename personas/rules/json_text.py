"""Strings inside JSON, inside JSON in strings of JSON, and so on: changed where they stand, and nothing else is."""

import json
import re
from collections.abc import Callable, Iterator

__all__ = ["holds_json", "pointer", "rewrite_strings"]

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_OPENS = '{["'

#: Gives what a string becomes; the path is of keys and of places in lists, from 0.
type Rewrite = Callable[[tuple[str, ...], str], str]


def pointer(path: tuple[str, ...]) -> str:
    """The path as a JSON pointer (RFC 6901); a single key as it stands."""
    if len(path) == 1:
        return path[0]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def holds_json(text: str) -> bool:
    """Whether the whole of a text is a JSON object, list or string."""
    if text.lstrip()[:1] not in _OPENS or not text or text.isspace():
        return False
    try:
        json.loads(text)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def rewrite_strings(text: str, rewrite: Rewrite, path: tuple[str, ...] = (), *, numbers: bool = False) -> str:
    """The text with each of its strings rewritten: of JSON those inside it, to any depth, and else the text itself.

    Keys stay, and so does each character outside the strings that change: order, blanks, numbers as they are written.
    With `numbers` those are shown to `rewrite` too, and become strings where they change.
    """
    if not holds_json(text):
        return rewrite(path, text)
    parts, end = [], 0
    for where, start, stop in _values(text, path):
        piece = text[start:stop]
        is_string = piece[0] == '"'
        if not is_string and not numbers:
            continue
        was = json.loads(piece) if is_string else piece
        now = rewrite_strings(was, rewrite, where, numbers=numbers) if is_string else rewrite(where, was)
        if now != was:
            parts += [text[end:start], json.dumps(now, ensure_ascii="\\u" in piece)]
            end = stop
    return "".join(parts) + text[end:] if parts else text


def _values(text: str, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Path, start and end (excluded) of each string and number that is a value in valid JSON."""
    # The open objects (their key, if it is read) and lists (the place in them).
    stack: list[str | int | None] = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece == "{":
            stack.append(None)
        elif piece == "[":
            stack.append(0)
        elif piece in "}]":
            stack.pop()
        elif piece == ",":
            stack[-1] = stack[-1] + 1 if isinstance(stack[-1], int) else None
        elif piece == ":":
            continue
        elif stack and stack[-1] is None:
            stack[-1] = json.loads(piece)
        elif piece[0] == '"' or piece[0] in "-0123456789":
            yield (*path, *map(str, stack)), *match.span()
