"""Whether two answers are the same: choices, quantities, names, tuples and sets here, formulas by a checker of them."""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from fractions import Fraction

from .values import WORDS, Quantity, clean_answer, is_unit, read_quantity, read_time, same_quantity

#: Characters of an answer that is compared as a formula; longer ones are compared as text.
_LONGEST = 400
#: Characters of an answer that is looked into at all.
_LONGEST_TEXT = 4_000
_DEEPEST = 5
_MOST_ELEMENTS = 40


class SameAnswer(StrEnum):
    """Whether two answers are the same."""

    YES = "yes"
    NO = "no"
    #: They could not be compared within the limits of time and memory.
    UNDECIDED = "undecided"


#: Decides about two formulas in LaTeX, and how far their values may be apart.
type CompareFormulas = Callable[[str, str, Fraction], SameAnswer]

_LETTER = re.compile(r"(?:(?:option|choice|answer)\s+)?(?:\(([A-Ha-h])\)|([A-Ha-h])[.):]?)", re.IGNORECASE)
_LETTER_WITH = re.compile(r"(?:(?:option|choice)\s+)?(?:\(([A-H])\)|([A-H])[.):])\s*(.+)", re.DOTALL | re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<name>[A-Za-z](?:_\w|_\{\w+\})?'?(?:\([a-z]\))?|\([a-z](?:, ?[a-z])+\)|\\(?:theta|alpha|beta|lambda|phi|mu))"
    r"\s*(?:=|\\in\b|(?=≈))\s*(?P<value>[^=<>]+)"
)
_LABEL = re.compile(r"(?:^|(?<=[\s;,]))\(([a-h])\)\s*|(?:^|(?<=[\s;,]))([a-h])\)\s+")
_COLUMN = re.compile(r"\\begin\{pmatrix\}((?:(?!\\begin|&).)*)\\end\{pmatrix\}", re.DOTALL)
_SEPARATOR = re.compile(r"\s*(?:[,;]\s*(?:and|or)\b|[,;]|\b(?:and|or)\b)\s*")
_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(?:,\d{3})+(?![\d,])")
_RELATION = re.compile(r"<|>|\\(?:le|ge|lt|gt|cup|cap|in|setminus|ne|mathbb|begin)\b")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{\w+\*?\}")
_BUILDER = re.compile(r"\{\s*([a-z])(?:\s*\\in\s*\\mathbb\{R\})?\s*(?:\\mid\b|\||:)\s*(?P<condition>[^{}]+)\}")
#: What a formula is followed by: a unit, which says nothing that the formula alone does not.
_MEASURED = re.compile(
    r"(?P<formula>.*?[\w)}])\s+(?P<unit>(?:(?:square|cubic|sq)\s+)?[A-Za-z]+(?:\^\{?\d\}?)?(?:/[a-z]+)?)", re.DOTALL
)
#: What may follow an answer in words: `because ...`, or after a colon or a full stop what it means.
_BECAUSE = re.compile(
    r"(?P<answer>[^\d:;,.]{2,60}?)\s*[,.]?\s+(?:because|since)\b(?P<reason>.{8,})", re.IGNORECASE | re.DOTALL
)
_MEANING = re.compile(r"(?P<answer>[^\d:;,.]{2,60}?)\s*(?:[:;]|\.\s)\s*(?P<reason>[^\d:]{8,})", re.DOTALL)
_WORDS = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}|[\u4e00-\u9fff]")
_LOOSE = frozenset({"the", "a", "an", "on", "at", "in", "it", "is", "to"})
_FUNCTIONS = frozenset(WORDS["functions"])
_TRUTH = {word: said for said in ("yes", "no") for word in WORDS[said]}
_NOTHING = frozenset(WORDS["nothing"])


def compare_answers(one: str, other: str, formulas: CompareFormulas) -> SameAnswer:
    """Tell whether two answers to one problem are the same. `formulas` decides if they are formulas."""
    if max(len(one), len(other)) > _LONGEST_TEXT:
        return _as_verdict(_fold_text(one) == _fold_text(other))
    return _AnswerComparison(formulas).compare(clean_answer(one), clean_answer(other))


class _AnswerComparison:
    """One comparison, which may take the answers apart."""

    def __init__(self, formulas: CompareFormulas) -> None:
        self._formulas = formulas
        self._depth = 0

    def compare(self, one: str, other: str) -> SameAnswer:
        if not one or not other or self._depth > _DEEPEST:
            return SameAnswer.NO
        if _fold_text(one) == _fold_text(other) and not _differs_in_case(one, other):
            return SameAnswer.YES
        # The mark of an approximation says something of a number alone.
        one, other = (text if read_quantity(text) else text.removeprefix("≈ ") for text in (one, other))
        self._depth += 1
        try:
            for rule in (
                self._compare_choices,
                self._compare_quantities,
                self._compare_words,
                self._compare_named,
                self._compare_elements,
            ):
                if (verdict := rule(one, other)) is not None:
                    return verdict
        finally:
            self._depth -= 1
        if max(len(one), len(other)) > _LONGEST:
            return SameAnswer.NO
        quantities = [read_quantity(text) for text in (one, other)]
        tolerance = sum(quantity.tolerance() for quantity in quantities if quantity) if None in quantities else 0
        return self._formulas(_as_latex(one, other), _as_latex(other, one), Fraction(tolerance))

    def _compare_choices(self, one: str, other: str) -> SameAnswer | None:
        """Compare a letter with a letter, a letter with a letter and its content, or the content alone."""
        if any(len(_LABEL.findall(text)) > 1 for text in (one, other)):
            return None
        letters = [_read_letter(_LETTER.fullmatch(text)) for text in (one, other)]
        withs = [_LETTER_WITH.fullmatch(text) for text in (one, other)]
        named = [letter or _read_letter(full) for letter, full in zip(letters, withs, strict=True)]
        if all(named):
            return _as_verdict(named[0] == named[1])
        for full, content in zip(withs, (other, one), strict=True):
            if full:
                return self.compare(full[3].strip(), content)
        return None

    def _compare_quantities(self, one: str, other: str) -> SameAnswer | None:
        times = read_time(one), read_time(other)
        if times[0] and times[1] and (times[0].is_certain or times[1].is_certain):
            return _as_verdict(times[0].seconds == times[1].seconds)
        first, second = read_quantity(one), read_quantity(other)
        if first and second:
            return _as_verdict(same_quantity(first, second))
        if first or second:
            plain = [text if quantity else _without_unit(text) for text, quantity in ((one, first), (other, second))]
            if plain != [one, other]:
                return self.compare(*plain)
        elif (plain := [_without_unit(one), _without_unit(other)]) != [one, other]:
            units = [
                read_quantity(f"1 {text.removeprefix(bare)}") for text, bare in zip((one, other), plain, strict=True)
            ]
            if units[0] and units[1] and not same_quantity(units[0], units[1]):
                return SameAnswer.NO
            return self.compare(*plain)
        return None

    def _compare_words(self, one: str, other: str) -> SameAnswer | None:
        heads = _without_reasons(one, other)
        if heads != (one, other):
            return self.compare(*heads)
        low, high = one.casefold(), other.casefold()
        if low in _TRUTH and high in _TRUTH:
            return _as_verdict(_TRUTH[low] == _TRUTH[high])
        if low in _NOTHING or high in _NOTHING:
            return _as_verdict(low in _NOTHING and high in _NOTHING)
        return None

    def _compare_named(self, one: str, other: str) -> SameAnswer | None:
        """Compare without a leading `x =`.

        This applies if only one answer has it, both have the same, or one of them names a function.
        """
        first, second = _NAMED.fullmatch(one), _NAMED.fullmatch(other)
        if first and second:
            names = [_fold_text(found["name"]) for found in (first, second)]
            if names[0] != names[1] and "(" not in names[0] + names[1]:
                return SameAnswer.NO
            return self.compare(first["value"].strip(), second["value"].strip())
        if first and "=" not in other:
            return self.compare(first["value"].strip(), other)
        if second and "=" not in one:
            return self.compare(one, second["value"].strip())
        return None

    def _compare_elements(self, one: str, other: str) -> SameAnswer | None:
        """Compare tuples and intervals by their elements in order.

        Compare sets and lists of solutions in any order, and prose by words.
        """
        conditions = [
            found["condition"].strip() if (found := _BUILDER.fullmatch(text)) else text for text in (one, other)
        ]
        if conditions != [one, other]:
            return self.compare(*conditions)
        first, second = _split_parts(one), _split_parts(other)
        if first and second:
            (form, left), (kind, right) = first, second
            forms = {form, kind}
            if len(left) != len(right):
                return SameAnswer.NO
            if (len(forms) == 1 and form not in ("{}", "list")) or forms == {"()", "list"}:
                return self._in_order(left, right)
            return (
                self._in_any_order(left, right) if forms <= {"{}", "list"} or forms == {"[]", "list"} else SameAnswer.NO
            )
        if (first or second) and not _RELATION.search(one + other):
            return SameAnswer.NO
        if _is_prose(one) or _is_prose(other):
            return _as_verdict(_loose_words(one) == _loose_words(other) and bool(_loose_words(one)))
        return None

    def _in_order(self, left: list[str], right: list[str]) -> SameAnswer:
        return _join_verdicts(self.compare(a, b) for a, b in zip(left, right, strict=True))

    def _in_any_order(self, left: list[str], right: list[str]) -> SameAnswer:
        rest, is_doubtful = list(right), False
        for element in left:
            verdicts = [self.compare(element, one) for one in rest]
            if SameAnswer.YES in verdicts:
                del rest[verdicts.index(SameAnswer.YES)]
            elif SameAnswer.UNDECIDED in verdicts:
                is_doubtful = True
            else:
                return SameAnswer.NO
        return SameAnswer.UNDECIDED if is_doubtful else SameAnswer.YES


def _as_verdict(is_same: bool) -> SameAnswer:
    return SameAnswer.YES if is_same else SameAnswer.NO


def _join_verdicts(verdicts: Iterable[SameAnswer]) -> SameAnswer:
    together = SameAnswer.YES
    for verdict in verdicts:
        if verdict is SameAnswer.NO:
            return verdict
        together = verdict if verdict is SameAnswer.UNDECIDED else together
    return together


def _fold_text(text: str) -> str:
    return re.sub(r"\s+", "", text.casefold())


def _differs_in_case(one: str, other: str) -> bool:
    """Return whether texts that differ in case are quantities in different units, such as `2 MW` and `2 mW`."""
    quantities = () if one == other else (read_quantity(one), read_quantity(other))
    return len({(q.unit, q.factor) for q in quantities if q}) > 1


def _read_letter(found: re.Match[str] | None) -> str:
    return (found[1] or found[2]).upper() if found else ""


def _split_parts(text: str) -> tuple[str, list[str]] | None:
    """Return the form of a tuple, interval, set or list and its elements. Return None for text with only one part."""
    if len(labels := list(_LABEL.finditer(text))) > 1 and labels[0].start() == 0:
        stops = [*(label.start() for label in labels[1:]), len(text)]
        return "()", [text[label.end() : stop].strip(" ,;") for label, stop in zip(labels, stops, strict=True)]
    column = _COLUMN.fullmatch(text)
    if column:
        rows = [row.strip() for row in column[1].split("\\\\") if row.strip()]
        return ("()", rows) if len(rows) > 1 else None
    if "\\cup" in text:
        return "list", [part.strip() for part in text.split("\\cup")]
    if "\\pm" in text and not _RELATION.search(text):
        return "list", [text.replace("\\pm", "+"), text.replace("\\pm", "-")]
    ends = text[:1] + text[-1:]
    if ends in ("()", "[]", "(]", "[)", "{}") and _is_one_pair(text):
        inside = _split_text(text[1:-1], is_inside=True)
        return (ends, inside) if len(inside) > 1 or ends == "{}" else None
    elements = _split_text(text)
    return ("list", elements) if 1 < len(elements) <= _MOST_ELEMENTS else None


def _is_one_pair(text: str) -> bool:
    """Return whether the last character closes the first bracket."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0:
            return at == len(text) - 1
    return False


def _split_text(text: str, *, is_inside: bool = False) -> list[str]:
    """Split the text at separators outside brackets. The comma of `1,234` separates only within a bracket."""
    kept = [] if is_inside else [found.span() for found in _THOUSANDS.finditer(text)]
    parts, begun, position = [], 0, 0
    while found := _SEPARATOR.search(text, position):
        position = max(found.end(), found.start() + 1)
        before = text[: found.start()]
        depth = sum(before.count(sign) for sign in "([{") - sum(before.count(sign) for sign in ")]}")
        if depth or any(start < found.start() < end for start, end in kept):
            continue
        parts.append(text[begun : found.start()].strip())
        begun = found.end()
    parts.append(text[begun:].strip())
    return [part for part in parts if part]


def _without_unit(text: str) -> str:
    """Return a formula without the unit behind it."""
    found = _MEASURED.fullmatch(text)
    if found is None or not ("\\" in found["formula"] or re.search(r"\d", found["formula"])):
        return text
    if re.search(r"\\(?!pi)[A-Za-z]+$", found["formula"]):  # `3 \le n` has no unit
        return text
    return found["formula"].strip() if is_unit(found["unit"]) else text


def _without_reasons(one: str, other: str) -> tuple[str, str]:
    """Drop the explanations from answers in words: `Nowhere: nobody has left the hall` becomes `Nowhere`.

    What follows a colon is dropped only if the other answer has nothing like it.
    """
    texts = [_read_head(_BECAUSE, text) for text in (one, other)]
    heads = [_read_head(_MEANING, text) for text in texts]
    changed = [head != text for head, text in zip(heads, texts, strict=True)]
    return (heads[0], heads[1]) if sum(changed) == 1 else (texts[0], texts[1])


def _read_head(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.fullmatch(text)
    return found["answer"].strip() if found and len(_WORDS.findall(found["reason"])) > 2 else text


def _is_prose(text: str) -> bool:
    if read_quantity(text) is not None:
        return False
    text = _ENVIRONMENT.sub(" ", text)
    return any(word.lower() not in _FUNCTIONS and not _is_product(word) for word in _PROSE.findall(text))


def _is_product(word: str) -> bool:
    """Return whether adjacent letters may be a product of variables: `ab`, `xyz`."""
    return len(word) <= 3 and word.islower() and word not in _LOOSE


def _loose_words(text: str) -> list[str]:
    words = [word.casefold() for word in _WORDS.findall(text)]
    return [word for word in words if word not in _LOOSE] or words


_PLAIN = (
    (re.compile(r"(?<![\w.}])(\d*)\.(\d+)(?![\d.])"), lambda m: rf"\frac{{{int(m[1] + m[2])}}}{{{10 ** len(m[2])}}}"),
    (re.compile(r"\bsqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"√\s*\(([^()]*)\)|√\s*(\d+|[a-z])"), lambda m: rf"\sqrt{{{m[1] or m[2]}}}"),
    (re.compile(r"(?<![\\A-Za-z])(sin|cos|tan|log|ln|pi|exp|arcsin|arccos|arctan)(?![A-Za-z])"), r"\\\1 "),
    (re.compile(r"(?<![\\A-Za-z])(?:oo|inf|infinity)(?![A-Za-z])"), r"\\infty "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\^\(([^()]*)\)"), r"^{\1}"),
    (re.compile(r"\^(-?\d+)"), r"^{\1}"),
    (re.compile(r"\*"), r"\\cdot "),
    (re.compile(r"<="), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (re.compile(r"(?<![\\\w}])(\w+|\([^()]*\))/(\d+|[A-Za-z]|\([^()]*\))(?![\w(])"), r"\\frac{\1}{\2}"),
)


_OF_ANGLE = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_IN_DEGREES = re.compile(r"(\d+(?:\.\d+)?) ?\^\\circ")


def _as_latex(text: str, beside: str) -> str:
    """Return the answer as LaTeX.

    A quantity loses its unit. Degrees become radians next to a multiple of pi or inside a function.
    """
    quantity = read_quantity(text)
    if quantity is not None:
        return _number_in_latex(quantity, in_radians=quantity.is_angle and "\\pi" in beside)
    if _OF_ANGLE.search(text):
        text = _IN_DEGREES.sub(r"{\\frac{\1\\pi}{180}}", text)
    for pattern, written in _PLAIN:
        text = pattern.sub(written, text)
    is_set = text[:1] + text[-1:] == "{}" and _is_one_pair(text)
    return rf"\{{{text[1:-1]}\}}" if is_set else text


def _number_in_latex(quantity: Quantity, *, in_radians: bool) -> str:
    number = quantity.number / 180 if in_radians else quantity.number
    written = (
        str(number.numerator) if number.denominator == 1 else rf"\frac{{{number.numerator}}}{{{number.denominator}}}"
    )
    return rf"{written}\pi" if in_radians else written
