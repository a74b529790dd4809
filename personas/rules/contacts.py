"""What reaches or identifies somebody besides a name: addresses, numbers, dates of birth."""

import re
from collections.abc import Iterator

from .found import Found

__all__ = ["find_contacts"]

_MONTHS = (
    r"(?:jan(?:uary|uar|vier|eiro)?|feb(?:ruary|ruar|rero)?|février|fevereiro|mar(?:ch|s|zo|ço)?|märz|apr(?:il|ile)?|avril|abril|may|mai|"
    r"mayo|maio|maggio|jun[eio]?|juni|juin|junho|giugno|jul[yio]?|juli|juillet|julho|luglio|aug(?:ust)?|août|agosto|"
    r"sep(?:t|tember|tembre|tiembre)?|setembro|settembre|o[ck]t(?:ober|obre|ubre)?|outubro|ottobre|nov(?:ember|embre|iembre|embro)?|"
    r"de[cz](?:ember|embre|iembre|embro)?|décembre|dicembre|января|февраля|марта|апреля|мая|июня|июля|августа|сентября|"
    r"октября|ноября|декабря|січня|лютого|березня|квітня|травня|червня|липня|серпня|вересня|жовтня|листопада|грудня)\.?"
)
_DATE = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|"
    rf"\d{{1,2}}(?:st|nd|rd|th|er|º|\.)? (?:of |de )?{_MONTHS},? (?:de )?\d{{4}}|"
    rf"{_MONTHS} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|"
    r"\d{4}\s?[年년]\s?\d{1,2}\s?[月월]\s?\d{1,2}\s?[日号號일])"
)
_BORN = re.compile(
    r"(?:\bborn|\bbirth(?:day|date)?|\bdob|\bgeboren|\bgeburtsdatum|\bnée?|\bnaissance|\bnacid[oa]|\bnacimiento|\bnascid[oa]|"
    r"\bnascimento|\bnat[oa]|\bnascita|\burodzon[ya]|\bgeboortedatum|\bродил\w*|\bрожд\w+|\bнарод\w+|出生(?:日期|于|於)?|生日|"
    r"生年月日|생년월일)"
    rf"(?: (?:is|was|on|am|le|el|em|il|op|the|dnia|of|in))*[:： ]{{0,2}}(?P<date>{_DATE})"
    rf"|(?P<date_before>{_DATE})\s?(?:に?生まれ|出生|生(?=的|まれ)|geboren|born|년생|생\b)",
    re.IGNORECASE,
)
_IDENTITY = re.compile(
    r"(?:passport|passeport|reisepass|pasaporte|passaport[eo]|paspoort|паспорт\w*|护照|護照|パスポート|여권|"
    r"identity (?:card|number)|id (?:card|number|no)|identification number|national (?:id|insurance)|"
    r"driver['’]?s? licen[cs]e|driving licen[cs]e|tax (?:id|number)|personalausweis\w*|steuer-?id\w*|ausweisnummer|"
    r"身份证|身分證|dni|nie|cpf|curp|aadhaar|nhs number|medicare)"
    r"(?:\W{1,3}(?:number|no|nr|nummer|numéro|número|numero|n°|nº|is|card|号码?|號碼|номер|:)){0,3}\W{0,3}"
    r"(?P<number>(?-i:[A-Z]{0,3}[ -]?\d(?:[ .-]?[A-Z]?\d){4,15}(?:[ .-]?[A-Z])?))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_INSURANCE = re.compile(r"\b(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]\b")
_CHINESE_ID = re.compile(r"(?<!\d)\d{17}[\dXx](?![\dXx])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z]\w{2,29}\b")
_URL = re.compile(r"\b(?:https?://|www\.)\S*[^\s.,;:!?)\]}'\"”’]", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
#: Of whatever has digits in it.
_PATTERNS = (
    ("ip_address", re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b")),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")),
    ("social_security", re.compile(r"\b\d{3}-\d{2}-\d{4}\b")),
    ("identity_number", _INSURANCE),
    (
        "street_address",
        re.compile(
            r"\b\d{1,5}[a-z]? (?:[A-Z][\w'’-]+ ){1,3}"
            r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Square|Crescent|Terrace|Way)\b"
            r"|\b[A-ZÄÖÜ][\wäöüß-]*(?:straße|strasse|weg|platz|gasse|allee) \d{1,4}[a-z]?\b"
            r"|\b\d{1,4},? (?:rue|avenue|boulevard|place) (?:de |du |des |la |le )*[A-ZÀ-Ý][\w'’-]+"
            r"|\b(?:[Cc]alle|[Aa]venida|Av\.|Rua|Via|[Pp]laza|[Pp]iazza) "
            r"(?:de |del |da |do |la |della )*[A-ZÀ-Ý][\w'’-]+"
            r"(?: [A-ZÀ-Ý][\w'’-]+)*,? (?:n[ºo°.] ?)?\d{1,4}\b"
        ),
    ),
)
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d ()./-]{6,18}\d(?!\w)")
_TIMES = re.compile(
    r"\(?(?:1\d|20)\d\d ?[-/–] ?(?:1\d|20)\d\d\)?|\d{1,2}[./-]\d{1,2}[./-]\d{4}|"
    r"\d{4}[-/]\d\d[-/]\d\d|\d{1,3}(?:[ .]000)+"
)
_FEWEST_DIGITS = 8
_FEWEST_IN_A_DATE = 5


def find_contacts(text: str) -> Iterator[Found]:
    """Everything in a text that reaches or identifies somebody and is no name; pieces may overlap."""
    if "@" in text:
        yield from _each("email", _EMAIL, text)
        yield from _each("handle", _HANDLE, text)
    if "." in text or "://" in text:
        yield from _each("url", _URL, text)
    digits = len(_DIGIT.findall(text))
    if digits:
        for kind, pattern in _PATTERNS:
            yield from _each(kind, pattern, text)
    if digits >= _FEWEST_IN_A_DATE:
        yield from _numbers(text)


def _each(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    for match in pattern.finditer(text):
        yield Found(kind, *match.span())


def _numbers(text: str) -> Iterator[Found]:
    for born in _BORN.finditer(text):
        yield Found("birth_date", *born.span("date" if born["date"] else "date_before"))
    for identity in _IDENTITY.finditer(text):
        yield Found("identity_number", *identity.span("number"))
    for chinese in _CHINESE_ID.finditer(text):
        if _is_chinese_id(chinese[0]):
            yield Found("identity_number", *chinese.span())
    for card in _CARD.finditer(text):
        if _luhn(card[0]):
            yield Found("payment_card", *card.span())
    for phone in _PHONE.finditer(text):
        if sum(c.isdigit() for c in phone[0]) >= _FEWEST_DIGITS and not _TIMES.fullmatch(phone[0]):
            yield Found("phone", *phone.span())


def _is_chinese_id(number: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    rest = sum(weight * int(digit) for weight, digit in zip(weights, number, strict=False)) % 11
    return number[-1].upper() == "10X98765432"[rest]


def _luhn(number: str) -> bool:
    digits = [int(c) for c in number if c.isdigit()][::-1]
    doubled = (d if place % 2 == 0 else sum(divmod(2 * d, 10)) for place, d in enumerate(digits))
    return len(digits) >= 13 and len(set(digits)) > 1 and sum(doubled) % 10 == 0
