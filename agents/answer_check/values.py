"""Where the final answer of a solution stands, and its quantities: numbers however they are written, with units."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import orjson

from ..gateway.json_answer import escape_literal_backslashes

#: Digits of the longest number that is read, and the largest power of ten.
_DIGITS, _POWER = 4_000, 300
#: Digits from which a decimal number may stand for the one that it is rounded from, and those of one marked with `≈`.
_ROUNDED, _ROUNDED_IF_MARKED = 4, 2
#: Digits that programs print of a double, its relative error, and digits of a decimal that it may stand for.
_DOUBLE, _DOUBLE_ERROR, _SHORT_DECIMAL = (16, 17), Fraction(8, 10**16), 12
#: Seconds.
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, and what it counts."""

    number: Fraction
    #: The unit, reduced to base units: how many of them it is, and their powers by name; `unit` is empty for none.
    unit: tuple[tuple[str, int], ...] = ()
    factor: Fraction = Fraction(1)
    #: Decimal places (negative for `1.5e3`), and digits without leading zeros; None for what is no decimal number.
    places: int | None = None
    digits: int = 0
    has_point: bool = False
    #: Whether it is marked as an approximation: `\\approx 3.14`.
    is_marked: bool = False

    @property
    def is_percent(self) -> bool:
        """Whether it is a percentage."""
        return self.unit == _PERCENT

    @property
    def is_angle(self) -> bool:
        """Whether it is given in degrees."""
        return self.unit == (("degree", 1),)

    def tolerance(self, beside: Self | None = None, times: Fraction = Fraction(1)) -> Fraction:
        """Return how far another number, multiplied by `times`, may be from this one if this one is its rounded form.

        This is half a unit of the last digit if this number is marked as an approximation. It is the same for a
        decimal of four digits, if the number beside it has no finite decimal form (None for one that is not
        rational). It is the error of a double if all digits of one are written. Otherwise it is 0.
        """
        if self.places is None:
            return Fraction(0)
        is_rounded = self.digits >= _ROUNDED and (beside is None or not _is_decimal(beside.number * times))
        found = Fraction(0)
        if (self.has_point and is_rounded) or (self.is_marked and self.digits >= _ROUNDED_IF_MARKED):
            found = Fraction(1, 2) / Fraction(10) ** self.places
        if self.has_point and self.digits in _DOUBLE and (beside is None or beside.digits <= _SHORT_DECIMAL):
            found = max(found, abs(self.number) * _DOUBLE_ERROR)
        return found


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time on the clock."""

    #: Since midnight.
    seconds: int
    #: Whether it can be nothing else, as a ratio.
    is_certain: bool


_PERCENT = (("percent", 1),)

# --- units ---------------------------------------------------------------------------------------------------------

#: The words of answers, by kind.
WORDS: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
#: Base units that are not measured in millions.
_SMALL_BASES = frozenset({"metre", "metre^3", "gram", "second"})


def _unit_names() -> Iterator[tuple[str, tuple[Fraction, str]]]:
    for base, units in WORDS["units"].items():
        prefixes = WORDS["small_prefixes"] | ({} if base in _SMALL_BASES else WORDS["large_prefixes"])
        for factor, names in units.items():
            for name in names.split():
                yield name.removeprefix("~"), (Fraction(factor), base)
                if name.startswith("~"):
                    for before, times in prefixes.items():
                        *signs, word = before.split()
                        for prefix in [word] if len(name) > 4 else signs:  # `kilowatt`, `kW`
                            yield prefix + name[1:], (Fraction(factor) * Fraction(times), base)


_UNITS = dict(_unit_names())
#: Names of several letters whose case makes no difference; None for `mw`, which may be milliwatts or megawatts.
_FOLDED: dict[str, tuple[Fraction, str] | None] = {}
for _name, _one in _UNITS.items():
    if len(_name) > 1:
        _FOLDED[_name.lower()] = _one if _FOLDED.get(_name.lower(), _one) == _one else None
_PREPOSITIONS = frozenset({"of", "in", "on", "at", "for", "from", "with"})
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_PART = re.compile(
    r"(?:(square|sq|cubic|cu)\.?\s+)?([^\s^\d/]+|\^\\circ ?[CFcf]?)\s*(?:\^?\{?(-?\d)\}?|\s+(squared|cubed))?"
)
#: Words that count things, as in `12 apples`: no symbol of a formula.
_COUNTED = re.compile(r"[A-Za-z]{3,}(?:[ -][A-Za-z]{2,}){0,3}|[\u4e00-\u9fff]{1,4}")
#: Words around a unit that do not change it: `5 years old`, `20 degrees Celsius`.
_ASIDE = re.compile(
    r"^(?:degrees?\s+(?=[CcFf])|US\s+)|\s+(?:old|later|ago|away|long|tall|wide|high|deep|(?:in )?total|left)$"
)
_FUNCTIONS = frozenset({"sin", "cos", "tan", "log", "exp", "sqrt", "sec", "csc", "cot", "and", "or", "pi", "times"})
_PLURAL = re.compile(r"(?:(?<=[sxz])|(?<=[cs]h))es$|(?<=[^su])s$")


def _parse_unit(text: str) -> tuple[tuple[tuple[str, int], ...], Fraction] | None:
    """Return the powers of base units and their factor, or None if the text is not a unit.

    For things that are counted, return their words, of power 0.
    """
    text = _ASIDE.sub("", text.strip(" ."))
    text = WORDS["unit_aliases"].get(text.lower(), text)
    if not text:
        return (), Fraction(1)
    powers: dict[str, int] = {}
    factor = Fraction(1)
    for place, part in enumerate(re.split(r"\s*/\s*|\s+per\s+", text)):
        found = _PART.fullmatch(part.strip().rstrip("."))
        one = _named_unit(found[2].replace(" ", "")) if found else None
        if found is None or one is None:
            is_counted = _COUNTED.fullmatch(text) and not _FUNCTIONS.intersection(text.lower().split())
            words = re.split("[ -]", text.lower()) if text.isascii() else text
            return (tuple((_singular_form(word), 0) for word in words), Fraction(1)) if is_counted else None
        power = _POWERS.get(found[1] or found[4] or "", int(found[3] or 1)) * (-1 if place else 1)
        base, _, own = one[1].partition("^")
        powers[base] = powers.get(base, 0) + power * int(own or 1)
        factor *= one[0] ** power
    return tuple(sorted((base, power) for base, power in powers.items() if power)), factor


def _named_unit(name: str) -> tuple[Fraction, str] | None:
    names = (name, name.removesuffix("s"), name.lower(), name.lower().removesuffix("s"))
    return next((one for one in map(_UNITS.get, names) if one), None) or _FOLDED.get(names[2]) or _FOLDED.get(names[3])


def _singular_form(word: str) -> str:
    """Return the form that the singular and the plural of a word share."""
    return re.sub(r"(?:ie|y)$", "i", re.sub(r"ve$", "f", _PLURAL.sub("", WORDS["irregular_plurals"].get(word, word))))


def is_unit(text: str) -> bool:
    """Return whether the text is a unit of measure, or the word `units`."""
    found = _parse_unit(text)
    return found is not None and bool(found[0]) and not _is_counted(found[0])


def _is_counted(unit: tuple[tuple[str, int], ...]) -> bool:
    return any(power == 0 for _, power in unit)


# --- numbers -------------------------------------------------------------------------------------------------------

_GROUPED = r"\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d{1,3}(?:'\d{3})+"
_DECIMAL = rf"(?:{_GROUPED}|\d+)(?:\.\d+)?|\.\d+"
_FRACTION = r"\\frac\s*(?:\{\s*-?\d+\s*\}|\d)\s*(?:\{\s*\d+\s*\}|\d)|\(?\d+\s*/\s*\d+\)?"
_SIGNED = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<money>[$€£¥]|\b(?:USD|EUR|GBP|RMB)\b\s*|)\s*(?P<sign2>-?)"
    rf"(?:(?P<whole>\d+)\s*(?:\+|and)?\s*(?P<part>\\frac\s*\{{?\d+\}}?\s*\{{?\d+\}}?|(?<=[\s+d])\d+\s*/\s*\d+)"
    rf"|(?P<fraction>{_FRACTION})"
    rf"|(?P<fixed>\d*)\.(?P<once>\d*)\\overline\s*\{{?(?P<repeated>\d+)\}}?"
    rf"|(?P<decimal>{_DECIMAL})(?:\s*(?:\\times|\\cdot|\*)\s*10\s*\^\s*\{{?\s*(?P<power>[-+]?\d{{1,4}})\s*\}}?"
    rf"|[eE](?P<exponent>[-+]?\d{{1,4}}))?"
    rf")(?P<unit>.*)",
    re.DOTALL,
)
_RATIO = re.compile(r"(\d+)\s*:\s*(\d+)")
#: A time of day; without minutes it needs `am` or `pm`.
_TIME = re.compile(
    r"(?:at\s+)?(?P<hour>\d{1,2})(?P<minutes>:(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)?"
    r"\s*(?:(?P<half>[ap])\.?\s?m\b\.?|(?P<word>o'clock|noon|midnight))?",
    re.IGNORECASE,
)
_WORDS_OF_TIME = {"noon": 43_200, "midday": 43_200, "midnight": 0}
_NUMBERS = {word: number for number, word in enumerate(WORDS["small_numbers"])}
_NUMBERS |= {word: 10 * number for number, word in enumerate(WORDS["tens"], 2)}
_SCALES: Mapping[str, int] = WORDS["scales"]
_SCALE = re.compile(rf"({'|'.join(_SCALES)})s?\b", re.IGNORECASE)
_BASE = re.compile(r"\(?((?=[\dA-F]*\d|[A-F]+_\{?\s*16\b)[\dA-Fa-f,]+)\)?_\{?\s*(\d{1,2}|[a-z]+)\s*\}?")
_SHARES = {"half": Fraction(1, 2), "third": Fraction(1, 3), "quarter": Fraction(1, 4)}
_CHINESE: Mapping[str, int] = WORDS["chinese_digits"]
_CHINESE_SCALES: Mapping[str, int] = WORDS["chinese_scales"]


def read_time(text: str) -> TimeOfDay | None:
    """Read a clean answer as a time of day. Return None for anything else.

    12 am is midnight and 12 pm is noon. Without `am` or `pm` the time is on the 24-hour clock: `11:05` is 11:05 am,
    not 11:05 pm.
    """
    if (named := _WORDS_OF_TIME.get(text.lower())) is not None:
        return TimeOfDay(named, is_certain=True)
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, half, word = int(found["hour"]), (found["half"] or "").lower(), (found["word"] or "").lower()
    if not (found["minutes"] or half or word) or hour > 24 or (half == "a" and hour > 12):
        return None
    if word in ("noon", "midnight"):
        return TimeOfDay(_WORDS_OF_TIME[word], is_certain=True) if hour == 12 and not found["minutes"] else None
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    seconds = 3_600 * hour + 60 * int(found["minute"] or 0) + int(found["second"] or 0)
    if seconds > _DAY:
        return None
    # 4:30 may be a ratio; 04:30 and 4:05 may not.
    is_padded = "0" in (found["hour"][0], (found["minute"] or "-")[0])
    return TimeOfDay(seconds % _DAY, is_certain=bool(half or word or found["second"]) or is_padded)


def read_quantity(text: str) -> Quantity | None:
    """Read a clean answer as a number with its unit. Return None for anything else."""
    if len(text) > _DIGITS:
        return None
    if text.startswith("≈"):
        exact = read_quantity(text[1:].strip())
        return None if exact is None else replace(exact, is_marked=True)
    if (clock := read_time(text)) and clock.is_certain:
        return Quantity(Fraction(clock.seconds), (("time of day", 1),))
    if (ratio := _RATIO.fullmatch(text)) and int(ratio[2]):
        return Quantity(Fraction(int(ratio[1]), int(ratio[2])), (("ratio", 1),))
    if based := _BASE.fullmatch(text):
        return _in_base(based[1].replace(",", ""), based[2])
    found = _SIGNED.fullmatch(text)
    if found is None:
        return _in_words(text)
    number, places, digits, rest = _parse_number(found)
    # A single letter right behind a number belongs to a formula.
    unit = None if re.match(r"[A-Za-z](?![A-Za-z])", rest) else _parse_unit(rest)
    if number is None or unit is None:
        return None
    if found["money"]:
        if unit[0] and not _is_counted(unit[0]):
            return None
        unit = _parse_unit(found["money"].strip()) or unit
    negative = bool(found["sign"] == "-") != bool(found["sign2"])
    has_point = (found["decimal"] or "").count(".") == 1
    return Quantity(-number if negative else number, *unit, places, digits, has_point)


def _parse_number(found: re.Match[str]) -> tuple[Fraction | None, int | None, int, str]:
    """Return the number, its decimal places and digits, and the unit that is written behind it."""
    number, places, digits = _plain_number(found)
    rest = found["unit"].strip()
    scale = _SCALE.match(rest)
    if number is None or scale is None:
        return number, places, digits, found["unit"]
    times = _SCALES[scale[1].lower()]
    return number * times, None if places is None else places - len(str(times)) + 1, digits, rest[scale.end() :]


def _plain_number(found: re.Match[str]) -> tuple[Fraction | None, int | None, int]:
    if found["whole"] is not None:
        part = _parse_fraction(found["part"])
        return (None if part is None else int(found["whole"]) + part), None, 0
    if found["fraction"] is not None:
        return _parse_fraction(found["fraction"]), None, 0
    if found["repeated"] is not None:
        fixed, once, repeated = found["fixed"] or "0", found["once"], found["repeated"]
        share = Fraction(int(repeated), 10 ** len(once) * (10 ** len(repeated) - 1))
        return int(fixed) + (Fraction(int(once), 10 ** len(once)) if once else 0) + share, None, 0
    plain = re.sub(r"[, ']", "", found["decimal"])
    plain = plain.replace(".", "") if plain.count(".") > 1 else plain  # 1.234.567
    power = int(found["power"] or found["exponent"] or 0)
    if abs(power) > _POWER:
        return None, None, 0
    places = len(plain.partition(".")[2]) - power
    return Fraction(plain) * Fraction(10) ** power, places, len(plain.replace(".", "").lstrip("0"))


def _in_base(digits: str, base: str) -> Quantity | None:
    """Return the value of `101_2` or `101_{two}`, or None if the digits do not fit the base."""
    number = _NUMBERS.get(base, 0) if base.isalpha() else int(base)
    try:
        return Quantity(Fraction(int(digits, number))) if number >= 2 else None
    except ValueError:  # a digit that the base does not have
        return None


def _parse_fraction(text: str) -> Fraction | None:
    text = re.sub(r"\\frac\s*(\d)\s*(\d)$", r"\1/\2", text)
    over, under, *_ = [*re.findall(r"-?\d+", text), "0", "0"]
    return Fraction(int(over), int(under)) if int(under) else None


def _in_words(text: str) -> Quantity | None:
    words = re.split(r"[\s-]+", text.lower().replace(" and ", " "))
    sign = -1 if words[0] in ("minus", "negative") else 1
    words = words[1:] if sign < 0 else words
    total, current, used = 0, 0, 0
    for word in words:
        if word in _NUMBERS:
            current += _NUMBERS[word]
        elif word in _SCALES and (current or used == 0):
            current = max(1, current) * _SCALES[word]
            if _SCALES[word] >= 1_000:
                total, current = total + current, 0
        else:
            break
        used += 1
    if not used:
        return _in_chinese(text)
    rest = words[used:]
    if rest and (share := _SHARES.get(rest[0].removesuffix("s"))):
        return Quantity(sign * (total + current) * share) if len(rest) == 1 else None
    unit = _parse_unit(" ".join(rest))
    return None if unit is None else Quantity(Fraction(sign * (total + current)), *unit)


def _in_chinese(text: str) -> Quantity | None:
    match = re.match(r"(负?)([零〇一二两三四五六七八九十百千万亿]+)", text)
    if match is None:
        return None
    total = section = digit = 0
    for sign in match[2]:
        if sign in _CHINESE:
            digit = _CHINESE[sign]
        elif _CHINESE_SCALES[sign] < 10_000:
            section += max(1, digit) * _CHINESE_SCALES[sign]
            digit = 0
        else:
            total += (section + digit) * _CHINESE_SCALES[sign]
            section = digit = 0
    unit = _parse_unit(text[match.end() :])
    number = Fraction(total + section + digit)
    return None if unit is None else Quantity(-number if match[1] else number, *unit)


# --- comparing -----------------------------------------------------------------------------------------------------


def same_quantity(one: Quantity, other: Quantity) -> bool:
    """Return whether both are the same number of the same thing.

    A unit may be missing, and a percentage may be written as a share.
    """
    if one.is_percent != other.is_percent and not (one.unit and other.unit):
        percent, plain = (one, other) if one.is_percent else (other, one)
        return _is_close(percent, plain, Fraction(1)) or _is_close(percent, plain, Fraction(100))
    first, second = (q.unit if q.unit and q.unit[0][0] not in ("ratio", "unit") else () for q in (one, other))
    if not (first and second):
        return _is_close(one, other, Fraction(1))
    is_same_unit = _is_within(first, second) or _is_within(second, first)
    return is_same_unit and _is_close(one, other, other.factor / one.factor)


def _is_within(few: tuple[tuple[str, int], ...], many: tuple[tuple[str, int], ...]) -> bool:
    """Return whether two units are the same, or `many` says more about `few`: `red balls`, `balls of wool`."""
    if not (_is_counted(few) and _is_counted(many)):
        return few == many
    behind = many[len(few) : len(few) + 1]
    return few == many[-len(few) :] or (few == many[: len(few)] and {word for word, _ in behind} <= _PREPOSITIONS)


def _is_close(one: Quantity, other: Quantity, times: Fraction) -> bool:
    """Return whether `other` multiplied by `times` equals `one`, or one of them approximates the other."""
    error = abs(one.number - other.number * times)
    return error <= max(one.tolerance(other, times), other.tolerance(one, 1 / times) * times)


def _is_decimal(number: Fraction) -> bool:
    """Return whether the decimal form of a number is finite."""
    return pow(10, number.denominator.bit_length(), number.denominator) == 0


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
    named = (
        _cut_answer(one["answer"] or one["chinese"] or one["hashes"]) for one in reversed(list(_NAMED.finditer(text)))
    )
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


def _cut_answer(answer: str) -> str:
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
    (re.compile(r"[^\x00-\x7f]"), lambda found: _ascii_digit(found[0])),
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


def _ascii_digit(sign: str) -> str:
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
