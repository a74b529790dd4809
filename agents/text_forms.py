r"""How long answers stand in plain text, where JSON would cost escapes, cuts and tokens.

| form | what the model writes |
| --- | --- |
| `WHOLE`, `whole_text` | the text |
| `MESSAGE` | the text, or the header line `done: yes` |
| `SOLUTION` | the steps, which end in `\boxed{...}` |
| `PROGRAM` | one fenced block of Python |
| `text_under_header` | a line `name: value` for each short field, and the text |
| `code_with_fields` | a fenced block of Python, and a fenced block of JSON with the short fields |
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..core.model import TextForm
from .answer_check.values import stated_answer
from .gateway.json_answer import UnreadableError, read_json_answer

#: That nothing is left to say: a line of its own before the text, or behind it.
_DONE = re.compile(r"^[\s*_`\"\[]*done(?:[\s*_`\"]*[:=][\s*_`\"]*(yes|no|true|false))?[*_`\".\]]*$", re.IGNORECASE)
#: An answer to whether something is left to say, and no message.
_BARE = re.compile(r"\s*(?:yes|no|true|false)\s*", re.IGNORECASE)
_FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[^`]*$")
_PYTHON = frozenset({"python", "py", "python3"})


def _read_message(text: str) -> Mapping[str, Any]:
    lines = text.strip().split("\n")
    for place in dict.fromkeys((0, len(lines) - 1)):
        header = _DONE.match(lines[place])
        # The bare word may be a message's first or last line.
        if header is not None and (header[1] or len(lines) == 1):
            is_done = (header[1] or "yes").lower() in ("yes", "true")
            return {"done": is_done, "text": "\n".join(lines[:place] + lines[place + 1 :])}
    if _BARE.fullmatch(text):
        raise ValueError(f"{text.strip()!r} is no message; write the message itself, or only `done: yes`")
    return {"done": False, "text": text}


def _write_message(values: Mapping[str, Any]) -> str:
    return f"done: yes\n\n{values['text']}".rstrip() if values["done"] else str(values["text"])


def _write_solution(values: Mapping[str, Any]) -> str:
    answer = f"\n\n\\boxed{{{values['answer']}}}" if values["answer"] else ""
    return f"{values['solution']}{answer}"


@dataclass(frozen=True, slots=True)
class _Block:
    """What stands in one fenced block, and where in the text it ends."""

    language: str
    inside: str
    end: int
    is_closed: bool = True


def _find_blocks(text: str) -> list[_Block]:
    found: list[_Block] = []
    mark, language, begin, position = "", "", 0, 0
    for line in text.splitlines(keepends=True):
        start, position = position, position + len(line)
        if mark:
            if line.strip() == mark:
                found.append(_Block(language, text[begin:start], position))
                mark = ""
        elif (opening := _FENCE.match(line.rstrip())) is not None:
            mark, language, begin = opening["mark"], opening["language"].lower(), position
    return [*found, _Block(language, text[begin:], position, is_closed=False)] if mark else found


def _read_program(text: str) -> str:
    blocks = _find_blocks(text)
    closed = [one for one in reversed(blocks) if one.is_closed]
    # Where a model corrects itself, the last block stands.
    if program := [one for one in closed if one.language in _PYTHON] or [one for one in closed if not one.language]:
        return program[0].inside
    if any(not one.is_closed for one in blocks):
        raise ValueError("the fenced block of Python is not closed; write the whole program, and ``` behind it")
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError("there is no fenced block of Python; write the program between ```python and ```") from None
    return text


def _fence_block(language: str, text: str) -> str:
    # A text that holds a fence of its own needs a longer one around it.
    mark = "`" * max(3, *(len(run) + 1 for run in re.findall(r"^\s*(`{3,})", text, re.MULTILINE)), 3)
    return f"{mark}{language}\n{text.rstrip()}\n{mark}"


#: Marks of quotation that models set around a whole text, by the one that opens.
_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "「": "」"}


def _strip_quotes(text: str) -> str:
    """Return the text without quotation marks around all of it."""
    inside = text.strip()[1:-1]
    first, last = text.strip()[:1], text.strip()[-1:]
    is_quoted = last and last in _QUOTES.get(first, "") and first not in inside and last not in inside
    return inside if is_quoted else text


def whole_text(text: str, fixed: Mapping[str, str]) -> TextForm:
    """Build the form of an answer that is the field `text` alone. Quotation marks around all of it are dropped."""
    return TextForm("whole", lambda answer: {**fixed, text: _strip_quotes(answer)}, lambda values: str(values[text]))


WHOLE = TextForm("whole", lambda text: {"text": text}, lambda values: str(values["text"]))
MESSAGE = TextForm("message", _read_message, _write_message)
SOLUTION = TextForm(
    "solution", lambda text: {"solution": text.strip(), "answer": stated_answer(text) or ""}, _write_solution
)
PROGRAM = TextForm(
    "program", lambda text: {"program": _read_program(text)}, lambda values: _fence_block("python", values["program"])
)


type Fields = Mapping[str, Any]


def text_under_header(text: str, names: Sequence[str], fixed: Mapping[str, str]) -> TextForm:
    """Build the form of an answer with the field `text` below a header.

    The header has one line for each of the short fields `names`.
    """
    label = re.compile(rf"^[\s*_#>`]*({'|'.join(names)})[\s*_`]*[:：][\s*_`]*(.*?)[\s*_`]*$", re.IGNORECASE)

    def read(answer: str) -> Fields:
        found: dict[str, str] = {}
        lines = answer.strip().split("\n")
        while lines and (not lines[0].strip() or (line := label.match(lines[0])) is not None):
            if lines.pop(0).strip() and line is not None:
                found.setdefault(line[1].lower(), line[2])
        if missing := [name for name in names if not found.get(name)]:
            raise ValueError(f"the line `{missing[0]}: ...` is missing at the beginning; the text stands below it")
        return {**found, **fixed, text: "\n".join(lines).strip()}

    def write(values: Fields) -> str:
        return "\n".join(f"{name}: {values[name]}" for name in names) + f"\n\n{values[text]}"

    return TextForm("text_under_header", read, write)


def code_with_fields(
    code: str,
    fixed: Mapping[str, str],
    *,
    read_fields: Callable[[Fields], Fields] = dict,
    write_fields: Callable[[Fields], Fields] = dict,
) -> TextForm:
    """Build the form of an answer with the field `code` in a Python block and all others but `fixed` in a JSON block.

    `read_fields` and `write_fields` convert those others if the block holds them in another shape.
    """

    def read(text: str) -> Fields:
        blocks = _find_blocks(text)
        described = [one.inside for one in blocks if one.language in ("json", "")]
        behind = text[blocks[-1].end :] if blocks else text
        try:
            found, _ = read_json_answer(described[-1] if described else behind)
        except UnreadableError as error:
            raise ValueError(f"the fenced block of JSON is missing or cannot be read ({error})") from error
        if not isinstance(found, dict):
            raise ValueError("the fenced block of JSON must hold one object")
        return {**read_fields(found), **fixed, code: _read_program(text)}

    def write(values: Fields) -> str:
        others = write_fields({name: value for name, value in values.items() if name not in (code, *fixed)})
        block = orjson.dumps(others, option=orjson.OPT_INDENT_2).decode()
        return f"{_fence_block('python', values[code])}\n\n{_fence_block('json', block)}"

    return TextForm("code_with_fields", read, write)
