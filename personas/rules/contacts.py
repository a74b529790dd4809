"""Personal data other than names: addresses, telephone and identity numbers, dates of birth.

Identifiers that belong to nobody (timestamps, UUIDs, ISBNs, DOIs, versions, coordinates, prices, hashes) are recognised
first, by check digit or range where they have one, so that they are not taken for a telephone number.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address

import phonenumbers

#: Kinds by name, as in placeholders and reasons.
KINDS = (
    "email", "url", "handle", "ip_address", "iban", "social_security", "street_address", "payment_card", "phone",
    "identity_number", "birth_date", "death_date", "name",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PersonalDataSpan:
    """A piece of personal data: its kind, and its place in the text (characters, end excluded)."""

    kind: str
    start: int
    end: int
    #: The whole name of the person of whom this is a part of the name; empty for everything else.
    whole: str = ""


_CALENDAR_DATE = r"(?:1\d|20|21)\d\d(?P<dash>[-/.])(?:0?[1-9]|1[0-2])(?P=dash)(?:0?[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?"
_TIMESTAMP = (
    rf"{_CALENDAR_DATE}(?:[T ]{_CLOCK} ?(?:Z|UTC|[+-]\d\d:?(?:\d\d)?)?)?|{_CLOCK}(?: ?[AaPp]\.?[Mm]\b)?"
    r"|\d{8}T\d{4,6}Z?"
)
_LATITUDE, _LONGITUDE = r"[-+]?(?:[0-8]?\d|90)\.\d{2,}", r"[-+]?(?:1[0-7]\d|180|\d?\d)\.\d{2,}"
_AMOUNT = r"\d{1,3}(?:[,.' \u00a0\u202f]\d{3})*(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?"
_MONEY = (
    r"[$€£¥₹₽₩₺₫₪₱฿]|(?:US|AU|CA|NZ|HK)\$|"
    r"\b(?:USD|EUR|GBP|JPY|CNY|INR|CHF|AUD|CAD|BRL|MXN|KRW|SEK|NOK|DKK|PLN|RUB|TRY)\b"
)

_IDENTIFIERS = {
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
_IDENTIFIER_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _IDENTIFIERS.items()}
_VERSION_SAID = re.compile(r"\b(?:version|release|build|firmware|ver|rev|v)\.?\s*$", re.IGNORECASE)
_ISBN_SAID = re.compile(r"\bISBN(?:-1[03])?:?\s*$", re.IGNORECASE)
_SAID = 16


def _find_identifiers(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the kind, start and end (excluded) of each identifier in a text; they may overlap."""
    for kind, pattern in _IDENTIFIER_PATTERNS.items():
        check = _IDENTIFIER_CHECKS.get(kind)
        for match in pattern.finditer(text):
            if check is None or check(match[0], text[max(0, match.start() - _SAID) : match.start()]):
                yield kind, *match.span()


def identifier_kind(value: str) -> str | None:
    """Return the kind of identifier that the whole value is; None if it is none."""
    for kind, pattern in _IDENTIFIER_PATTERNS.items():
        check = _IDENTIFIER_CHECKS.get(kind)
        if pattern.fullmatch(value) and (check is None or check(value, "")):
            return kind
    return "number" if re.fullmatch(r"[-+]?[\d.,' ]*\d%?", value) and len(value) < _PHONE_LENGTH else None


#: Digits from which on a number may be a telephone number.
_PHONE_LENGTH = 7


def _is_iban(number: str) -> bool:
    """Return whether the check digits of an IBAN are right (ISO 7064, mod 97)."""
    plain = re.sub(r"[\s-]", "", number).upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}", plain):
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def _is_luhn(number: str) -> bool:
    """Return whether the check digit of a card number is right; False for a number of equal digits."""
    digits = [int(c) for c in number if c.isdigit()][::-1]
    doubled = (d if place % 2 == 0 else sum(divmod(2 * d, 10)) for place, d in enumerate(digits))
    return len(digits) >= 13 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _is_isbn(value: str, before: str) -> bool:
    plain = re.sub(r"[- ]", "", value).upper()
    if len(plain) == 13 and plain.isdigit() and plain.startswith(("978", "979")):
        return sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(plain)) % 10 == 0
    # One in eleven numbers of ten digits has a valid check digit, so these must be grouped or named as an ISBN.
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


_IDENTIFIER_CHECKS: dict[str, Callable[[str, str], bool]] = {"isbn": _is_isbn, "version": _is_version}


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
_DIED = re.compile(
    r"(?:\bdied|\bdeath|\bdeceased|\bpassed away|\bgestorben|\btodestag|\bdécédée?|\bmorte?|\bmuri[óo]|\bfallecid[oa]|"
    r"\bfalleció|\bmorreu|\bfalecid[oa]|\bfaleceu|\bmort[oa]|\boverleden|\bzmarła?|\bумер(?:ла)?|\bпомерла?|去世|逝世)"
    rf"(?: (?:was|on|am|le|el|em|il|op|the|dnia|of|in))*[:： ]{{0,2}}(?P<date>{_DATE})",
    re.IGNORECASE,
)
_IDENTITY = re.compile(
    r"(?<![A-Za-z])(?:passport|passeport|reisepass|pasaporte|passaport[eo]|paspoort|паспорт\w*|护照|護照|パスポート|여권|"
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
#: Words after an `@` that are no handles: decorators, documentation tags, keys of JSON-LD.
_NO_HANDLES = (
    "property|staticmethod|classmethod|override|abstractmethod|dataclass|decorator|cache|param|params|return|returns|"
    "throws|type|id|context|graph|value|deprecated|import|media|charset|font|keyframes|app|test|pytest|everyone|here"
)
_HANDLE = re.compile(rf"(?<![\w@./])@(?!(?:{_NO_HANDLES})\b)[A-Za-z]\w{{2,29}}\b(?![(.])")
#: Characters of a URL, without those that surround it in prose and code.
_IN_URL = r"[^\s\"'`<>{}|\\^,;()\[\]“”’»]"
_IN_BRACKETS = r"\([^\s\"'()]*\)"
_URL = re.compile(rf"\b(?:https?://|www\.)(?:{_IN_URL}|{_IN_BRACKETS})*(?:[\w/=&#%~+-]|{_IN_BRACKETS})", re.IGNORECASE)
_DOI_URL = re.compile(r"https?://(?:dx\.)?doi\.org/", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
#: Patterns for texts with digits.
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
_CARD = re.compile(r"(?<![\w.-])(?:\d[ -]?){12,18}\d(?![\w-]|\.\d)")
#: First digits and lengths by card issuer.
_ISSUED = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
_PHONE = re.compile(r"(?<![\w.@/:#=$€£%-])(?<![\d]\s)\+?\(?\d[\d ()./-]{5,18}\d(?![\w@%]|[-/.:,]\d)")
_CALL = re.compile(
    r"(?:\b(?:phone|telephone|tel|mobile|cell|fax|whatsapp|call(?:ed)?|ring|dial|text|sms|contact|hotline|reach\w*|telefon\w*|"
    r"handy|téléphone|telefono|teléfono|móvil|celular|telefone|gsm|numer|komórka|тел|телефон\w*)\b|电话|電話|手机|전화)"
    r"\D{0,24}$",
    re.IGNORECASE,
)
#: The countries whose notations of numbers without a country code are known.
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "NL", "PL", "AU", "JP", "CN")
_TIMES = re.compile(
    r"\(?(?:1\d|20)\d\d ?[-/–] ?(?:1\d|20)\d\d\)?|\d{1,2}[./-]\d{1,2}[./-]\d{4}|"
    r"\d{4}[-/]\d\d[-/]\d\d|\d{1,3}(?:[ .]000)+"
)
_GROUPED = re.compile(r"\d[ ()./-]+\d")
_FEWEST_DIGITS = 8
_FEWEST_IN_A_DATE = 5
_NEAR = 32


def find_contacts(text: str) -> Iterator[PersonalDataSpan]:
    """Find all contact details and identifying numbers in a text, except names; they may overlap."""
    if "@" in text:
        yield from _find_each("email", _EMAIL, text)
        yield from _find_each("handle", _HANDLE, text)
    if "." in text or "://" in text:
        yield from _find_each("url", _URL, text)
    digits = len(_DIGIT.findall(text))
    if digits:
        for kind, pattern in _PATTERNS:
            yield from _find_each(kind, pattern, text)
    if digits >= _FEWEST_IN_A_DATE:
        yield from _find_numbers(text, [(start, end) for _, start, end in _find_identifiers(text)])


def _find_each(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[PersonalDataSpan]:
    check = _CHECKS.get(kind)
    for match in pattern.finditer(text):
        if check is None or check(match[0], text[max(0, match.start() - _NEAR) : match.start()]):
            yield PersonalDataSpan(kind, *match.span())


def _find_numbers(text: str, taken: Sequence[tuple[int, int]]) -> Iterator[PersonalDataSpan]:
    for born in _BORN.finditer(text):
        yield PersonalDataSpan("birth_date", *born.span("date" if born["date"] else "date_before"))
    for died in _DIED.finditer(text):
        yield PersonalDataSpan("death_date", *died.span("date"))
    for identity in _IDENTITY.finditer(text):
        yield PersonalDataSpan("identity_number", *identity.span("number"))
    for chinese in _CHINESE_ID.finditer(text):
        if _is_chinese_id(chinese[0]):
            yield PersonalDataSpan("identity_number", *chinese.span())
    for card in _CARD.finditer(text):
        if _is_luhn(card[0]) and _ISSUED.fullmatch(re.sub(r"\D", "", card[0])):
            yield PersonalDataSpan("payment_card", *card.span())
    for phone in _PHONE.finditer(text):
        start, end = phone.span()
        is_free = not any(first < end and start < last for first, last in taken)
        if is_free and is_phone(phone[0], is_told=_CALL.search(text[max(0, start - _NEAR) : start]) is not None):
            yield PersonalDataSpan("phone", start, end)


def is_phone(number: str, *, is_told: bool = False) -> bool:
    """Return whether this is a telephone number, by country code, a country's notation, or the text around it."""
    if sum(character.isdigit() for character in number) < (_FEWEST_DIGITS - 1 if is_told else _FEWEST_DIGITS):
        return False
    if _TIMES.fullmatch(number):
        return False
    return _is_phone(number, is_told)


@lru_cache(4096)
def _is_phone(number: str, is_told: bool) -> bool:
    if number.startswith("+"):
        return _is_possible(number, None)
    if is_told:
        return any(_is_possible(number, region) for region in _REGIONS)
    if not _GROUPED.search(number):
        return False
    strict = phonenumbers.Leniency.STRICT_GROUPING
    return any(_is_match(number, region, strict) for region in _REGIONS)


def _is_match(number: str, region: str, leniency: int) -> bool:
    found = phonenumbers.PhoneNumberMatcher(number, region, leniency=leniency, max_tries=1)
    return any(len(match.raw_string) == len(number) for match in found)


def _is_possible(number: str, region: str | None) -> bool:
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(number, region)))
    except phonenumbers.NumberParseException:
        return False


def _is_address(value: str, before: str) -> bool:
    try:
        address = IPv4Address(value)
    except AddressValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or _VERSION.search(before))


def _is_social_security(value: str, before: str) -> bool:
    area, group, serial = value.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_chinese_id(number: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    rest = sum(weight * int(digit) for weight, digit in zip(weights, number, strict=False)) % 11
    return number[-1].upper() == "10X98765432"[rest]


_VERSION = re.compile(r"\b(?:version|release|build|firmware|ver|rev)\.?:?\s*$", re.IGNORECASE)
_CHECKS: Mapping[str, Callable[[str, str], bool]] = {
    "iban": lambda value, before: _is_iban(value),
    "ip_address": _is_address,
    "social_security": _is_social_security,
    "url": lambda value, before: _DOI_URL.match(value) is None,
}
