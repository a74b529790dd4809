"""Ages that an English text gives in so many words, in digits or number words, each with how it is said.

Other languages are not read: whose age it is could not be told there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["StatedAge", "ages_in"]

_UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_DECADES = ["teens", "twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"]
_NUMBER = (
    rf"(?P<number>\d{{1,3}}|(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_UNITS)}))?|{'|'.join(_TEENS)}|{'|'.join(_UNITS)}"
    r"|(?:a|one) hundred)"
)
_WHOSE = r"(?:his|her|their)"
#: An age that somebody has at some time, and one that the person has now.
_EVER = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        rf"\b(?:at the age of|aged|at age|turned|turning) {_NUMBER}\b(?!\s*(?:%|times|into|to))",
        rf"(?:^|(?<=[.!?] ))At {_NUMBER}(?=,? (?:he|she|they|the|an?|{_WHOSE})\b)",
        rf"\b(?:he|she|they|who) (?:was|were|had been|is|are) {_NUMBER}(?: years (?:old|of age))?(?=[,.;:]| when\b)",
        rf"\b{_NUMBER}[- ]years?[- ]old (?:man|woman|person|boy|girl)\b",
    )
)
_NOW = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:he|she) is (?:now |today )?{_NUMBER}(?: years (?:old|of age))?(?=[,.;:]| and\b)",
        rf"\b(?:now|today),? (?:at |aged ){_NUMBER}\b",
        rf"\b(?:now|today),? {_NUMBER} years (?:old|of age)\b",
    )
)
_DECADE = re.compile(rf"\bin {_WHOSE} (?:(?:early|mid|late)[- ])?(?P<decade>{'|'.join(_DECADES)})\b", re.IGNORECASE)
_NEAR = 5
#: Words beside an age by which it is somebody else's, or of a time to come.
_OTHERWISE = re.compile(
    r"(?:grand|step)?(?:mother|father|parent|son|daughter|child|aunt|uncle|sister|brother)s?"
    r"|children|wife|husband|spouse|widow|widower|cousins?|niece|nephew|twins?|friends?|neighbou?rs?|teachers?"
    r"|colleagues?|boss|employer|mentor|master|customers?|patients?|pupils?"
    r"|will|would|until|till|before|unless|hopes?|hoped|wants?|wanted|plans?|planned|nobody|nearly|almost"
)


@dataclass(frozen=True, slots=True)
class StatedAge:
    """One age as a text gives it."""

    #: The least that it can be, as a decade has several.
    age: int
    #: The words that say so.
    words: str
    #: Whether it is the age today; otherwise it may have been at any time of life.
    is_now: bool


def ages_in(text: str, others: Sequence[str] = ()) -> Iterator[StatedAge]:
    """The ages that a text on one person gives, but for those beside words for other people and for the future.

    `others` are more such words, in lower case.
    """
    ends: set[int] = set()
    for is_now, patterns in ((True, _NOW), (False, (*_EVER, _DECADE))):
        for pattern in patterns:
            for found in pattern.finditer(text):
                if found.end() not in ends and not _is_otherwise(text, found, others):
                    ends.add(found.end())
                    yield StatedAge(_age(found), _words(text, found), is_now)


def _age(found: re.Match[str]) -> int:
    said = found.groupdict()
    if decade := said.get("decade"):
        return 10 * (_DECADES.index(decade.lower()) + 1)
    number = said["number"].lower().replace("-", " ")
    if number.isdigit():
        return int(number)
    if number.endswith("hundred"):
        return 100
    tens, _, unit = number.partition(" ")
    if tens in _TENS:
        return 10 * (_TENS.index(tens) + 2) + (_UNITS.index(unit) + 1 if unit else 0)
    return 1 + [*_UNITS, *_TEENS].index(tens)


def _is_otherwise(text: str, found: re.Match[str], others: Sequence[str]) -> bool:
    # In the same sentence, a few words either side.
    before = re.split(r"[.!?\n]", text[: found.start()])[-1]
    after = re.split(r"[.!?\n]", text[found.end() :], maxsplit=1)[0]
    words = re.findall(r"\w+", before)[-_NEAR:] + re.findall(r"\w+", found[0]) + re.findall(r"\w+", after)[:_NEAR]
    return any(_OTHERWISE.fullmatch(word) or word in others for word in map(str.lower, words))


def _words(text: str, found: re.Match[str]) -> str:
    after = re.split(r"[.!?\n]", text[found.end() :], maxsplit=1)[0]
    return " ".join((found[0] + after).split()[: len(found[0].split()) + 3])
