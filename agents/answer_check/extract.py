r"""Where the final answer of a solution stands, and how it is spelled.

`final_answer` finds it: in the last `\boxed{...}`, in what is named as the answer, or in the last formula or number.
`clean_answer` gives every answer one spelling: no delimiters, spacing commands or ornaments, one sign for each meaning.
"""

import re
import unicodedata
from itertools import pairwise

import orjson

from ..gateway.json_answer import escape_literal_backslashes
from .values import WORDS

#: Characters of a solution that are searched for its answer: its end.
_SEARCHED = 8_000
#: Characters of a text that is an answer by itself, where it holds no number and names none.
_SHORT = 60
#: Words of a text with a number that is an answer by itself, as `12 apples`.
_FEW_WORDS = 4
_NESTED = 4

_BOXED = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{)|\\boxed\s+(?P<bare>[^\s$.,;{}]+)")
_BETWEEN_BOXES = re.compile(r"[\s$,;.\\()\[\]]*(?:and|or)?[\s$,;\\()\[\]]*", re.IGNORECASE)
_NAMED = re.compile(
    r"\b(?:answer|option|choice)s?\b(?:\s+to\s+[^.:\n]{1,60}?)?(?:\*\*)?\s*(?:is|are|:|=|：)(?:\*\*)?\s*:?\s*"
    r"(?P<answer>[^\n]+)"
    r"|(?:答案|结果)(?:\*\*)?\s*(?:是|为|：|:)(?:\*\*)?\s*(?P<chinese>[^\n]+)"
    r"|^####\s*(?P<hashes>[^\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<![\\\d])\$([^$\n]+?)\$", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[-−]?[$€£]?\d[\d,]*(?:\.\d+)?(?:\s?/\s?\d+)?\s?(?:%|°)?")
#: Where a sentence ends, which is not at the point of a number or of an abbreviation.
_SENTENCE_END = re.compile(r"(?<=[^\s.])[.!?](?=\s|$)(?!\s*[a-z])|[。！？]")
_KEYS = ("answer", "final_answer", "final answer", "result")


def final_answer(solution: str, *, is_answer: bool = False) -> str | None:
    r"""Return the answer that a solution ends with, or None if it has none.

    Take the content of the last `\boxed{...}` first. Next, take what is named as the answer ("The answer is ...",
    "#### ...", a field of a JSON object). Failing that, take the last formula or number, or the whole of a short
    text. A text that is meant to be an answer (`is_answer`) is returned as it stands if it neither has a box nor
    names an answer.
    """
    text = solution.strip()
    if text.startswith("{") and (field := _json_field(text)) is not None:
        return field
    text = text[-_SEARCHED:]
    if stated := stated_answer(text):
        return stated
    if "\\boxed{" in text:  # the solution was cut off
        return None
    return text or None if is_answer else _last_value(text)


def stated_answer(solution: str) -> str | None:
    r"""Return the content of the last `\boxed{...}`, or else what is named as the answer.

    Return None if there is neither.
    """
    text = solution.strip()[-_SEARCHED:]
    if boxed := _last_boxed(text):
        return boxed
    if "\\boxed{" in text:
        return None
    named = (_ended(one["answer"] or one["chinese"] or one["hashes"]) for one in reversed(list(_NAMED.finditer(text))))
    return next((answer for answer in named if answer), None)


def _json_field(text: str) -> str | None:
    try:
        read = orjson.loads(escape_literal_backslashes(text)[0])
    except orjson.JSONDecodeError:
        return None
    found = next((read[key] for key in read if key.lower() in _KEYS), None) if isinstance(read, dict) else None
    if found is None or found == "":
        return None
    return (final_answer(found) or found.strip()) if isinstance(found, str) else orjson.dumps(found).decode()


def _last_boxed(text: str) -> str | None:
    """Return the content of the last box, or of all boxes that follow each other at the end."""
    boxes: list[tuple[int, int, str]] = []
    for found in _BOXED.finditer(text):
        end = found.end() if found["bare"] else _behind_brace(text, found.end())
        if end is not None and (not boxes or found.start() >= boxes[-1][1]):  # neither cut off nor inside another box
            boxes.append((found.start(), end, (found["bare"] or text[found.end() + 1 : end - 1]).strip()))
    if not boxes:
        return None
    answers = [boxes[-1][2]]
    for (_, end, content), (start, _, _) in reversed(list(pairwise(boxes))):
        between = text[end:start]
        if "\n\n" in between or not _BETWEEN_BOXES.fullmatch(between):
            break
        answers.insert(0, content)
    return ", ".join(dict.fromkeys(answers)) or None


def _behind_brace(text: str, at: int) -> int | None:
    """Return the position after the brace that closes the one at `at`, or None if it stays open."""
    depth = 0
    for position in range(at, len(text)):
        if text[position] in "{}" and text[position - 1] != "\\":
            depth += 1 if text[position] == "{" else -1
            if depth == 0:
                return position + 1
    return None


def _ended(answer: str) -> str:
    """Cut what is named as the answer at the end of its sentence."""
    answer = answer.strip(" *")
    formula = _FORMULA.match(answer)
    if formula and re.match(r"\s*(?:[.,;*]|$)", answer[formula.end() :]):
        return formula[0]
    if cut := _SENTENCE_END.search(answer):
        answer = answer[: cut.start()]
    return answer.strip(" *:：。.")


def _last_value(text: str) -> str | None:
    formulas, numbers = list(_FORMULA.finditer(text)), list(_NUMBER.finditer(text))
    if formulas and (not numbers or numbers[-1].end() <= formulas[-1].end()):
        content = next(part for part in formulas[-1].groups() if part)
        return (content.rpartition("=")[2] if content.count("=") == 1 else content).strip() or None
    is_short = "\n" not in text and 0 < len(text) <= _SHORT
    if is_short and (not numbers or len(text.split()) <= _FEW_WORDS):
        return text
    return numbers[-1][0].strip(" ,") if numbers else None


_DELIMITED = re.compile(r"\$\$([^$]*)\$\$|\$([^$]*)\$|\\\(((?:(?!\\\)).)*)\\\)|\\\[((?:(?!\\\]).)*)\\\]", re.DOTALL)
_WRAPPED = re.compile(
    r"\\(?:boxed|fbox|text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}"
)
_SPACING = re.compile(
    r"(?<!\\)\\[,;:> ]|\\(?:quad|qquad|displaystyle|limits|left|right|bigl?|bigr?|Bigl?|Bigr?)(?![A-Za-z])"
    "|[~\u00a0\u2009\u202f]"
)
_TILDE = re.compile(r"(?<![^$ ])~\s*(?=[\d.])")
_APPROXIMATE = re.compile(r"(?:(?:≈|\\(?:approx|sim)(?![A-Za-z])|(?:about|approximately|roughly|around)\s)\s*)+")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
#: Forms of which each has one spelling afterwards.
_FORMS = (
    (re.compile(r"^(?:the\s+)?(?:final |correct |right )?answer\s+is\s*:?\s+", re.IGNORECASE), ""),
    (re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+"), lambda found: f"^{{{found[0].translate(_SUPERSCRIPTS)}}}"),
    (re.compile(r"[^\x00-\x7f]"), lambda found: _digit(found[0])),
    (re.compile(r"\\overline\s*\{\s*([A-Z]{2,})\s*\}"), r"\1"),
    (re.compile(r"\{\s*([^{}\\]+?)\s*\\choose\s+([^{}\\]+?)\s*\}"), r"\\binom{\1}{\2}"),
    (
        re.compile(r"[\[(]\s*\\begin\{array\}\s*\{[^{}]*\}(.*?)\\end\{array\}\s*[\])]", re.DOTALL),
        r"\\begin{pmatrix}\1\\end{pmatrix}",
    ),
    (re.compile(r"\\(begin|end)\{[bB]?matrix\}"), r"\\\1{pmatrix}"),
    (re.compile(r"\\log_(?:e(?![A-Za-z])|\{e\})"), r"\\ln "),
    (re.compile(r"(?<=\d)\s*:\s*(?=\d)"), ":"),
    (re.compile(r"(?<=\d)\s+\([A-Za-z][A-Za-z ]{3,}\)$"), ""),
    (re.compile(r"^(?:all )?(?:real numbers|reals)$", re.IGNORECASE), r"\\mathbb{R}"),
)


def _digit(sign: str) -> str:
    """Return the ASCII digit or letter that a digit of any script, or a full-width sign, stands for."""
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    return chr(ord(sign) - 0xFEE0) if "！" <= sign <= "～" else sign


def clean_answer(answer: str) -> str:
    """Return the answer without delimiters, spacing commands and ornaments, with one spelling of each sign."""
    text = _TILDE.sub("≈ ", answer.strip().strip("*").strip().replace("\\!", ""), count=1)
    for _ in range(_NESTED):
        whole = _DELIMITED.fullmatch(text)
        inner = next((part for part in whole.groups() if part is not None), "") if whole else text
        shorter = _WRAPPED.sub(r" \1 ", _SPACING.sub(" ", inner)).strip()
        if shorter == text:
            break
        text = shorter
    # A dollar sign may stand for money, or be one of a pair around a formula.
    if "\\$" not in text:
        text = _DELIMITED.sub(lambda found: next(part for part in found.groups() if part is not None), text)
    for sign, same in WORDS["signs"]:
        if sign in text:
            text = text.replace(sign, same)
    for form, written in _FORMS:
        text = form.sub(written, text)
    text = re.sub(r"\s+(\^)|\s+", lambda found: found[1] or " ", text).strip().rstrip(" ,;。\\")
    return _APPROXIMATE.sub("≈ ", re.sub(r"(?<=[^\s.])\.$", "", text).strip())
