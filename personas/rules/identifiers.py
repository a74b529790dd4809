"""Identifiers that are of no person: timestamps, UUIDs, ISBNs, DOIs, versions, coordinates, prices, hashes.

They are verified where they have a check digit or a range, so that what only looks like one is still looked at.
"""

import re
from collections.abc import Callable, Iterator

__all__ = ["find_identifiers", "identifier_kind", "is_iban", "is_luhn"]

_DATE = r"(?:1\d|20|21)\d\d(?P<dash>[-/.])(?:0?[1-9]|1[0-2])(?P=dash)(?:0?[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?"
_TIMESTAMP = (
    rf"{_DATE}(?:[T ]{_CLOCK} ?(?:Z|UTC|[+-]\d\d:?(?:\d\d)?)?)?|{_CLOCK}(?: ?[AaPp]\.?[Mm]\b)?|\d{{8}}T\d{{4,6}}Z?"
)
_LATITUDE, _LONGITUDE = r"[-+]?(?:[0-8]?\d|90)\.\d{2,}", r"[-+]?(?:1[0-7]\d|180|\d?\d)\.\d{2,}"
_AMOUNT = r"\d{1,3}(?:[,.' \u00a0\u202f]\d{3})*(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?"
_MONEY = (
    r"[$€£¥₹₽₩₺₫₪₱฿]|(?:US|AU|CA|NZ|HK)\$|"
    r"\b(?:USD|EUR|GBP|JPY|CNY|INR|CHF|AUD|CAD|BRL|MXN|KRW|SEK|NOK|DKK|PLN|RUB|TRY)\b"
)

_PATTERNS = {
    "uuid": r"(?<![\w-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\w-])",
    "doi": r"\b(?:https?://(?:dx\.)?doi\.org/|doi:\s?)?10\.\d{4,9}/[^\s\"'<>{}|,;]+[^\s\"'<>{}|.,;:)\]]",
    "isbn": r"(?<![\w-])(?:97[89][- ]?)?\d{1,5}[- ]?\d{1,7}[- ]?\d{1,7}[- ]?[\dXx](?![\w-])",
    "timestamp": rf"(?<![\w.-])(?:{_TIMESTAMP})(?![\w])",
    "version": r"(?<![\w.@])(?:[vV]?\d{1,4}(?:\.\d{1,6}){2,4}(?:[-+][\w.+-]*\w)?|[vV]\d+(?:\.\d+)+)(?![\w.]*\w)",
    "coordinate": rf"(?<![\w.]){_LATITUDE}°?\s?[NS]?\s?[,;/ ]\s?{_LONGITUDE}°?\s?[EW]?(?![\w.])",
    "price": rf"(?:{_MONEY})\s?(?:{_AMOUNT})|(?<![\w.])(?:{_AMOUNT})\s?(?:{_MONEY})",
    "hash": r"(?<![\w-])(?=[0-9a-fA-F]*[a-fA-F])(?:[0-9a-fA-F]{8}){2,8}(?![\w-])",
    "number": r"(?<![\w.+-])[-+]?\d+\.\d+(?:[eE][-+]?\d+)?(?![\w.-])",
}
_COMPILED = {kind: re.compile(pattern) for kind, pattern in _PATTERNS.items()}
_VERSION_SAID = re.compile(r"\b(?:version|release|build|firmware|ver|rev|v)\.?\s*$", re.IGNORECASE)
_ISBN_SAID = re.compile(r"\bISBN(?:-1[03])?:?\s*$", re.IGNORECASE)
_SAID = 16


def find_identifiers(text: str) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end (excluded) of each identifier in a text; they may overlap."""
    for kind, pattern in _COMPILED.items():
        check = _CHECKS.get(kind)
        for match in pattern.finditer(text):
            if check is None or check(match[0], text[max(0, match.start() - _SAID) : match.start()]):
                yield kind, *match.span()


def identifier_kind(value: str) -> str | None:
    """What kind of identifier the whole of a value is; None when it is none."""
    for kind, pattern in _COMPILED.items():
        check = _CHECKS.get(kind)
        if pattern.fullmatch(value) and (check is None or check(value, "")):
            return kind
    return "number" if re.fullmatch(r"[-+]?[\d.,' ]*\d%?", value) and len(value) < _PHONE_LENGTH else None


#: Digits alone may be a telephone number from so many on.
_PHONE_LENGTH = 7


def is_iban(number: str) -> bool:
    """Whether the check digits of an IBAN are right (ISO 7064, mod 97)."""
    plain = re.sub(r"[\s-]", "", number).upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}", plain):
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def is_luhn(number: str) -> bool:
    """Whether the last digit of a card's number is right; all digits alike is none."""
    digits = [int(c) for c in number if c.isdigit()][::-1]
    doubled = (d if place % 2 == 0 else sum(divmod(2 * d, 10)) for place, d in enumerate(digits))
    return len(digits) >= 13 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _is_isbn(value: str, before: str) -> bool:
    plain = re.sub(r"[- ]", "", value).upper()
    if len(plain) == 13 and plain.isdigit() and plain.startswith(("978", "979")):
        return sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(plain)) % 10 == 0
    # Of ten digits one number in eleven would pass, so these are to be grouped as an ISBN is, or called one.
    is_told = value.count("-") == 3 or _ISBN_SAID.search(before)
    if len(plain) != 10 or not is_told:
        return False
    return sum((10 if d == "X" else int(d)) * (10 - n) for n, d in enumerate(plain)) % 11 == 0


def _is_version(value: str, before: str) -> bool:
    parts = value.lstrip("vV").split(".")
    if value[:1] in "vV" or _VERSION_SAID.search(before):
        return True
    if len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts):
        return False  # an IP address
    return not all(len(part) == 2 for part in parts) and len(parts[-1]) < 4  # a telephone number in pairs, a date


_CHECKS: dict[str, Callable[[str, str], bool]] = {"isbn": _is_isbn, "version": _is_version}
