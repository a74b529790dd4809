"""The one JSON object that a model's answer holds, and the control characters that no text may hold.

A code fence or prose around the object is passed over, and backslashes that were not escaped are repaired.
"""

import re
import tomllib
from bisect import bisect
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import orjson

from ...core.model import Outcome
from ..endpoint.errors import describe_json_fault, is_html

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:(?P<word>[A-Za-z]+)|(?P<sign>.))", re.DOTALL)
_UNICODE = re.compile(r"u[0-9A-Fa-f]{4}")
_JSON_LETTERS = frozenset("bfnrtu")
#: Signs behind a backslash that is literal: `\(`, `\,`, `\_`. `\'` stays an error, for it is mostly an apostrophe.
_LITERAL_SIGNS = frozenset("()[]{},;:!|$%&#_^ <>.*+?-=~@`0123456789")
_LATEX_SIGNS = frozenset("()[]{},;!|")

_WORDS = tomllib.loads(Path(__file__).with_name("latex_commands.toml").read_text(encoding="utf-8"))
_COMMANDS, _AMBIGUOUS = (frozenset(_WORDS[kind].split()) for kind in ("commands", "ambiguous"))
_FORMULA = re.compile(
    r"\$\$(?:(?!\$\$).){1,2000}\$\$"
    r"|(?<![\\$])\$(?=[^\s$])(?:(?!\\n\\n)[^$]){0,2000}?(?<=[^\s])\$(?!\d)"
    r"|\\{1,2}\((?:(?!\\\)).){1,2000}\\\)"
    r"|\\{1,2}\[(?:(?!\\\]).){1,2000}\\\]"
    r"|\\{1,2}begin\{(\w+\*?)\}.{1,2000}?\\end\{\1\}",
    re.DOTALL,
)
#: Before a line break in a formula: its beginning, or the end of a row.
_ROW_END = re.compile(r"(?:\$\$|\\\\\[|\\\\\\\\|\\\\begin\{\w+\*?\}(?:\{[^}]*\})?|[&,])$")
_LINE_START = re.compile(r"(?:^|\\[nrt])$")
_OPERATOR_BEFORE = re.compile(r"[ =+\-*/({\[<>|&^_]$")
_OPERAND_BEFORE = re.compile(r"(?:^|[^A-Za-z0-9])(?:[A-Za-z]|\d+)[})\]]* $")
_OPERAND_AFTER = re.compile(r" (?:[A-Za-z](?![A-Za-z])|[-(]?\d|\\)")
_ARGUMENT_AFTER = re.compile(r" ?\{|\^|_\{|_\d")
_EQUATION_AFTER = re.compile(r"\.| ?=(?!=)|\(| \(\d+\)")
#: A Windows path whose author may have escaped nothing, and a part of one that begins with no escape of JSON.
_DRIVE_PATH = re.compile(r"(?<![A-Za-z])[A-Za-z]:(?:\\(?!\\)[\w.-]+)+")
_UNESCAPED_PART = re.compile(r"\\[^\\/\"bfnrtu]")
_PATH_PART = re.compile(r"\\([bfnrt]([A-Za-z]*))")


def escape_literal_backslashes(text: str) -> tuple[str, tuple[str, ...]]:
    r"""Return the JSON text with literal backslashes doubled, and each command they begin once: `("\frac", ...)`."""
    found: dict[str, None] = {}

    def repair_string(string: re.Match[str]) -> str:
        raw = string[0]
        if "\\" not in raw:
            return raw
        places = [at + 1 for at in _iter_literal(raw[1:])]
        found.update((escape[0], None) for at in places if (escape := _ESCAPE.match(raw, at)))
        return "\\".join(raw[start:end] for start, end in pairwise((0, *places, len(raw))))

    return _STRING.sub(repair_string, text), tuple(found)


def _iter_literal(content: str) -> Iterator[int]:
    """Yield the places in a string's content where a single backslash is literal."""
    escapes = [found for found in _ESCAPE.finditer(content) if found["sign"] not in ("\\", '"', "/")]
    if not escapes:
        return
    paths = [one for one in _DRIVE_PATH.finditer(content) if _is_unescaped_path(one[0])]
    certain = {one.start() for one in escapes if _is_certain(one, content)}
    certain |= {one.start() + at for one in paths for at, sign in enumerate(one[0]) if sign == "\\"}
    latex = {one.start() for one in escapes if one.start() in certain and _is_latex(one)}
    context: _Surroundings | None = None
    for one in escapes:
        word = one["word"] or ""
        if one.start() in certain:
            yield one.start()
        elif word[:1] in ("b", "f"):
            # A backspace or a form feed is in no text: where other backslashes are literal, so is this one.
            if certain:
                yield one.start()
        elif word in _AMBIGUOUS:
            context = context or _Surroundings(content, latex)
            if context.is_command(one):
                yield one.start()


def _is_unescaped_path(path: str) -> bool:
    r"""Return whether the author of a path escaped nothing.

    This is true of `C:\temp`, as `emp` is not a word, and false of `C:\nVery`.
    """
    if _UNESCAPED_PART.search(path):
        return True
    parts = {
        (whole in _COMMANDS or _is_english(whole), _is_english(rest.lower()) or rest[:1].isupper())
        for whole, rest in _PATH_PART.findall(path)
    }
    return (True, False) in parts and (False, True) not in parts


def _is_english(word: str) -> bool:
    # They read their lists, which few answers need.
    from ...personas.rules.languages import name_words
    from ...personas.rules.names import context_words, is_word

    names = name_words()
    listed = (context_words().english, names["also_words"], names["surname_words"])
    return is_word(word) or any(word in words for words in listed)


def _is_certain(escape: re.Match[str], content: str) -> bool:
    word, end = escape["word"], escape.end()
    if word is None:
        return escape["sign"] in _LITERAL_SIGNS
    if word[0] not in _JSON_LETTERS:
        return True
    if word[0] == "u":
        return _UNICODE.match(content, escape.start() + 1) is None
    if word == "neq":  # a line may begin with "eq. (3)" or "eq = 1"
        return _EQUATION_AFTER.match(content, end) is None
    return word in _COMMANDS or (word[0] in "bf" and len(word) > 1 and content[end : end + 1] == "{")


def _is_latex(escape: re.Match[str]) -> bool:
    word = escape["word"]
    return escape["sign"] in _LATEX_SIGNS if word is None else len(word) > 1


class _Surroundings:
    """What stands around an ambiguous command in the content of a string."""

    def __init__(self, content: str, latex: set[int]) -> None:
        self._content = content
        self._latex = latex
        self._formulas = [found.span() for found in _FORMULA.finditer(content)]
        self._has_lines = "\\n" in re.sub(r"\\n(?=[a-z]+\b)", "", content)

    def is_command(self, escape: re.Match[str]) -> bool:
        """Return whether the escape is the LaTeX command that it reads as."""
        content, start, end, word = self._content, escape.start(), escape.end(), escape["word"]
        before = content[max(0, start - 40) : start]
        if _ARGUMENT_AFTER.match(content, end) or end in self._latex:
            return True
        formula = bisect(self._formulas, (start, start)) - 1
        if formula >= 0 and start < self._formulas[formula][1]:
            return word[0] == "t" or bool(self._latex) or _ROW_END.search(before) is None
        is_first = _LINE_START.search(before) is not None
        if word[0] == "t":
            if start == 0:
                return not content[end:].strip(' ."') or (bool(self._latex) and not self._has_lines)
            return not is_first and (bool(self._latex) or _OPERATOR_BEFORE.search(before) is not None)
        if _OPERAND_BEFORE.search(before) and _OPERAND_AFTER.match(content, end):
            return word != "ni"
        return not is_first and bool(self._latex) and _OPERATOR_BEFORE.search(before) is not None


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


def read_json_answer(text: str) -> tuple[object, tuple[str, ...]]:
    """Return the JSON value that the text is, or its one JSON object.

    The commands whose backslashes were repaired come with it. Raises `UnreadableError` if there is no such value.
    """
    try:
        return _parse_json(text)
    except orjson.JSONDecodeError:
        return _one_object(text)


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


def _parse_json(text: str) -> tuple[object, tuple[str, ...]]:
    commands: tuple[str, ...] = ()
    if "\\" in text:
        text, commands = escape_literal_backslashes(text)
    return orjson.loads(text), commands


def _one_object(text: str) -> tuple[object, tuple[str, ...]]:
    if is_html(text):
        raise UnreadableError(Outcome.NOT_JSON, "The answer is an HTML page, not JSON.")
    found = list(_iter_objects(text))
    if len(found) == 1:
        return found[0]
    if found:
        raise UnreadableError(Outcome.NOT_JSON, f"The answer holds {len(found)} JSON objects where one is asked for.")
    spans = list(_iter_spans(text))
    if spans and spans[-1][1] > len(text):
        raise UnreadableError(Outcome.CUT_JSON, f"The answer's JSON ends early, after {len(text)} characters.")
    what = describe_json_fault(text[slice(*spans[0])]) if spans else "not JSON"
    raise UnreadableError(Outcome.NOT_JSON, f"The answer is {what}: {quote_answer(text)}.")


def _iter_objects(text: str) -> Iterator[tuple[object, tuple[str, ...]]]:
    for start, end in _iter_spans(text):
        try:
            parsed, commands = _parse_json(text[start:end])
        except orjson.JSONDecodeError:
            continue
        if isinstance(parsed, dict):
            yield parsed, commands


def _iter_spans(text: str) -> Iterator[tuple[int, int]]:
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
