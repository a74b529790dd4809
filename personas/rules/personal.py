"""Personal data in descriptions: contact details, numbers that identify, and people called by their full names.

What is found is found by patterns and a list of given names: it is a net with holes, made to catch more than it should
rather than less, and no proof that a text tells on nobody.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from hashlib import blake2b
from importlib.resources import files

from ..judging import Judge, Ruling

__all__ = ["Found", "Policy", "find_personal", "personal_judge", "without_personal"]


class Policy(StrEnum):
    """What becomes of a description with personal data in it."""

    #: It is taken in, and the finding is a row.
    KEEP = "keep"
    #: The data are replaced: names by invented ones, the same for the same name; all else by what it was, as `[email]`.
    PSEUDONYMISE = "pseudonymise"
    #: It is not taken in.
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Found:
    """A piece of personal data: what it is, and where it stands in the text (characters, end excluded)."""

    kind: str
    start: int
    end: int


_PATTERNS = (
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("url", re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)),
    ("handle", re.compile(r"(?<![\w@.])@[A-Za-z]\w{2,29}\b")),
    ("ip_address", re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b")),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")),
    ("social_security", re.compile(r"\b\d{3}-\d{2}-\d{4}\b")),
    (
        "street_address",
        re.compile(
            r"\b\d{1,5}[a-z]? (?:[A-Z][\w'’-]+ ){1,3}"
            r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Square)\b"
            r"|\b[A-ZÄÖÜ][\wäöüß-]*(?:straße|strasse|weg|platz|gasse) \d{1,4}[a-z]?\b"
            r"|\b\d{1,4},? (?:rue|avenue|boulevard|place) (?:de |du |des |la |le )*[A-ZÀ-Ý][\w'’-]+"
        ),
    ),
)
_CARD = re.compile(r"\b(?:\d[ -]?){12,18}\d\b")
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d ()./-]{6,18}\d(?!\w)")
_FEWEST_DIGITS = 8

_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'’-]+"
_NAME = re.compile(rf"\b({_CAPITAL})((?: (?:[A-Z]\.|(?:van|von|de|da|del|della|di|bin|al|el|la|le) ?)*)? {_CAPITAL})")
_TITLED = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Dame|Herr|Frau|Señora?|Madame|Monsieur)\.? ((?:{_CAPITAL} ?){{1,3}})"
)


def find_personal(text: str) -> tuple[Found, ...]:
    """The personal data in a text, in order and without overlaps."""
    found = sorted(_all(text), key=lambda f: (f.start, f.start - f.end))
    kept: list[Found] = []
    for finding in found:
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
    return tuple(kept)


def without_personal(text: str, found: Iterable[Found]) -> str:
    """The text with each piece replaced: a name by an invented one, all else by the word for what it was."""
    parts, end = [], 0
    for finding in found:
        new = _pseudonym(text[finding.start : finding.end]) if finding.kind == "name" else f"[{finding.kind}]"
        parts += [text[end : finding.start], new]
        end = finding.end
    return "".join(parts) + text[end:]


def personal_judge(policy: Policy) -> Judge:
    """A judge that finds personal data and rules by `policy`; its reasons name kinds, and never the data."""

    def judge(text: str) -> Ruling | None:
        found = find_personal(text)
        if not found:
            return None
        kinds = ", ".join(sorted({finding.kind for finding in found}))
        changed = without_personal(text, found) if policy is Policy.PSEUDONYMISE else None
        done = {
            Policy.KEEP: "It was kept.",
            Policy.PSEUDONYMISE: "It was replaced.",
            Policy.DROP: "It was turned away.",
        }
        return Ruling("personal_data", f"It holds {kinds}. {done[policy]}", policy is not Policy.DROP, changed)

    return judge


def _all(text: str) -> Iterator[Found]:
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield Found(kind, *match.span())
    if sum(c.isdigit() for c in text) >= _FEWEST_DIGITS:
        yield from _numbers(text)
    yield from _names(text)


def _numbers(text: str) -> Iterator[Found]:
    for match in _CARD.finditer(text):
        if _luhn(match[0]):
            yield Found("payment_card", *match.span())
    for match in _PHONE.finditer(text):
        if sum(c.isdigit() for c in match[0]) >= _FEWEST_DIGITS and not _is_range(match[0]):
            yield Found("phone", *match.span())


def _is_range(text: str) -> bool:
    # 1939-1945 and 12.05.2021 are times, not telephones.
    return (
        re.fullmatch(r"\(?(?:1\d|20)\d\d ?[-/–] ?(?:1\d|20)\d\d\)?|\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}-\d\d-\d\d", text)
        is not None
    )


def _luhn(number: str) -> bool:
    digits = [int(c) for c in number if c.isdigit()][::-1]
    doubled = (d if place % 2 == 0 else sum(divmod(2 * d, 10)) for place, d in enumerate(digits))
    return len(digits) >= 13 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _names(text: str) -> Iterator[Found]:
    for titled in _TITLED.finditer(text):
        yield Found("name", titled.start(1), titled.start(1) + len(titled[1].rstrip()))
    start = 0
    while match := _NAME.search(text, start):
        if match[1].casefold().removesuffix("'s") in _given_names():
            yield Found("name", *match.span())
            start = match.end()
        else:  # the second of two capitalised words may be where a name begins
            start = match.end(1)


@cache
def _given_names() -> frozenset[str]:
    text = files(__package__).joinpath("given_names.txt").read_text(encoding="utf-8")
    return frozenset(name for line in text.splitlines() if not line.startswith("#") for name in line.split())


#: Of invented people.
_FIRST = ("Ansa", "Belo", "Corvin", "Delma", "Erlo", "Fenja", "Goran", "Hadwin", "Isolde", "Jorun", "Kesta", "Lorin")
_LAST = ("Abrenshaw", "Bellgrove", "Castelmor", "Dunhaven", "Elverton", "Fallowby", "Garrowmere", "Hollinsworth")


def _pseudonym(name: str) -> str:
    """The same invented name for the same name, in every text and every run."""
    number = int.from_bytes(blake2b(name.casefold().encode(), digest_size=8).digest())
    first, last = _FIRST[number % len(_FIRST)], _LAST[number // len(_FIRST) % len(_LAST)]
    return f"{first} {last}"
