"""The kinds of a table's columns, by heading and values: names, contact details, or nothing personal.

Each column is judged as a whole: a column of names is replaced in every row, whether a list knows the name or not, and
a column of companies, timestamps or identifiers in none. Values may be JSON, whose strings are looked at one by one.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache

from .contacts import find_contacts, identifier_kind, is_phone
from .languages import read_words
from .names import find_foreign_names, find_names, is_foreign_name, is_listed

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_OPENS = '{["'

#: Gives the new string; the path consists of keys and of places in lists, from 0.
type Rewrite = Callable[[tuple[str, ...], str], str]


def json_pointer(path: tuple[str, ...]) -> str:
    """Return the path as a JSON pointer (RFC 6901); a single key as it is."""
    if len(path) == 1:
        return path[0]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _holds_json(text: str) -> bool:
    """Return whether the whole text is a JSON object, list or string."""
    if text.lstrip()[:1] not in _OPENS or not text or text.isspace():
        return False
    try:
        json.loads(text)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def rewrite_strings(
    text: str, rewrite: Rewrite, path: tuple[str, ...] = (), *, numbers: bool = False, keys: bool = False
) -> str:
    """Rewrite each string in a text: in JSON those inside it, to any depth; otherwise the text itself.

    Every character outside the changed strings is kept: order, white space, the form of numbers. With `numbers`,
    numbers are also passed to `rewrite`, and become strings if they change. With `keys`, so are keys of several words.
    """
    if not _holds_json(text):
        return rewrite(path, text)
    parts, end = [], 0
    for where, start, stop in _find_values(text, path, keys=keys):
        piece = text[start:stop]
        is_string = piece[0] == '"'
        if not is_string and not numbers:
            continue
        was = json.loads(piece) if is_string else piece
        now = rewrite_strings(was, rewrite, where, numbers=numbers, keys=keys) if is_string else rewrite(where, was)
        if now != was:
            parts += [text[end:start], json.dumps(now, ensure_ascii="\\u" in piece)]
            end = stop
    return "".join(parts) + text[end:] if parts else text


def _find_values(text: str, path: tuple[str, ...], *, keys: bool = False) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Yield path, start and end (excluded) of each string and number that is a value in valid JSON."""
    # The open objects (with their key once it is read) and lists (with the place in them).
    stack: list[str | int | None] = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece == "{":
            stack.append(None)
        elif piece == "[":
            stack.append(0)
        elif piece in "}]":
            stack.pop()
        elif piece == ",":
            stack[-1] = stack[-1] + 1 if isinstance(stack[-1], int) else None
        elif piece == ":":
            continue
        elif stack and stack[-1] is None:
            stack[-1] = json.loads(piece)
            if keys and " " in piece:
                # Keys of one word are names of fields.
                yield (*path, *map(str, stack)), *match.span()
        elif piece[0] == '"' or piece[0] in "-0123456789":
            yield (*path, *map(str, stack)), *match.span()


class ColumnKind(StrEnum):
    """The kind of values that a column holds."""

    #: All values are names of people.
    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    BIRTH_DATE = "birth_date"
    STREET_ADDRESS = "street_address"
    IDENTITY_NUMBER = "identity_number"
    HANDLE = "handle"
    #: Sentences, which are searched for personal data.
    TEXT = "text"
    #: Short values that name no person (companies, places, categories), searched for contact details only.
    TERM = "term"
    #: Timestamps, UUIDs, numbers, links and the like, in which only e-mail addresses are replaced.
    IDENTIFIER = "identifier"

    @property
    def is_personal(self) -> bool:
        """Whether each value of such a column is personal data."""
        return self not in (ColumnKind.TEXT, ColumnKind.TERM, ColumnKind.IDENTIFIER)


#: Values of a column that are used, and values needed to judge a column by its values alone.
_MOST, _FEWEST = 200, 5
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_COMPANY = re.compile(
    r"\b(?:Inc|Ltd|LLC|LLP|PLC|plc|Corp|Corporation|Company|Co|GmbH|AG|KG|SE|SA|S\.A|SAS|SARL|BV|NV|AB|AS|ASA|Oy|Oyj|"
    r"SpA|Srl|SL|Lda|Pty|Pvt|KK|Group|Holdings?|Partners|Associates|Industries|Enterprises|Solutions|Systems|Services|"
    r"Technologies|Labs?|Studios?|Bank|Foundation|Institute|University|Hospital|School|Agency|"
    r"& (?:Co|Sons?|Daughters?|Partners))\b|\s&\s|株式会社|有限公司|公司|ООО|ЗАО|ПАО"
)
#: Addresses of personal pages.
_PROFILE = re.compile(
    r"(?:https?://)?(?:www\.|[a-z]{2}\.)?(?:linkedin\.com/in/|facebook\.com/|instagram\.com/|"
    r"(?:twitter|x)\.com/\w+/?$|t\.me/|github\.com/[\w-]+/?$|orcid\.org/|tiktok\.com/@)"
)
_DIGITS = re.compile(r"\d")
_DATE = re.compile(r"\d{1,4}[-/. ]\w{1,9}[-/. ]\d{1,4}|\w+ \d{1,2},? \d{4}|\d{8}|\d{4}-\d\d-\d\dT.*")
_CODE = re.compile(r"(?=.*\d)[A-Za-z0-9._:/#+-]+")
_LETTERS = re.compile(r"[^\W_]+")
_TITLES = frozenset(
    ("mr", "mrs", "ms", "mx", "dr", "prof", "sir", "jr", "sr", "phd", "md", "herr", "frau", "ii", "iii", "iv")
)
_WORDS_OF_A_TERM = 5


def is_empty(value: str) -> bool:
    """Return whether a value is blank or says so, like `N/A`."""
    return not value.strip() or value.strip().lower() in _word_list("empty")


def column_of(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the column of a value: its path, with `*` for places in lists."""
    return tuple("*" if part.isdecimal() else part for part in path)


def kinds_of_columns(rows: Iterable[str]) -> dict[str, ColumnKind]:
    """Find the kind of each column, by its path as a pointer, in a sample of rows that are JSON objects."""
    samples: dict[tuple[str, ...], list[str]] = {}

    def add(path: tuple[str, ...], value: str) -> str:
        values = samples.setdefault(column_of(path), [])
        if len(values) < _MOST and not is_empty(value):
            values.append(value)
        return value

    for row in rows:
        rewrite_strings(row, add, numbers=True)
    return {json_pointer(path): _find_kind(path, values) for path, values in samples.items() if values}


def leftover_words(text: str) -> list[str]:
    """Return the words of a value without its name, except titles and initials."""
    return [word for word in _LETTERS.findall(text) if len(word) > 1 and word.lower() not in _TITLES]


def _find_kind(path: tuple[str, ...], values: list[str]) -> ColumnKind:
    heading = _heading_words(path)
    if (kind := _by_heading(heading, values)) is not None:
        return kind
    if len(values) >= _FEWEST and (kind := _by_values(heading, values)) is not None:
        return kind
    if _count_share(values, _is_url) >= 0.8:
        is_own = heading & _word_list("own_pages") or _count_share(values, _is_profile) >= 0.3
        return ColumnKind.TEXT if is_own else ColumnKind.IDENTIFIER
    if _count_share(values, _is_identifier) >= 0.9:
        return ColumnKind.IDENTIFIER
    is_short = _count_share(values, lambda value: len(value.split()) <= _WORDS_OF_A_TERM) >= 0.9
    is_company = len(values) >= _FEWEST and _count_share(values, _is_company) >= 0.2
    return ColumnKind.TERM if is_short and (is_company or heading & _word_list("things")) else ColumnKind.TEXT


def _heading_words(path: tuple[str, ...]) -> frozenset[str]:
    last = next((part for part in reversed(path) if part != "*" and not part.isdecimal()), "")
    return frozenset(word.lower() for word in _WORD.findall(last))


def _by_heading(heading: frozenset[str], values: list[str]) -> ColumnKind | None:
    is_named = heading & _word_list("names") and not heading & _word_list("things")
    if is_named and _count_share(values, _is_company) < 0.2 and _count_share(values, _is_name) >= 0.3:
        return ColumnKind.NAME
    for kind, fits in _FITS.items():
        is_said = heading & _word_list(kind) or (kind is ColumnKind.HANDLE and heading >= {"user", "name"})
        if is_said and _count_share(values, fits) >= 0.5:
            return kind
    return None


def _by_values(heading: frozenset[str], values: list[str]) -> ColumnKind | None:
    if _count_share(values, _is_email) >= 0.8:
        return ColumnKind.EMAIL
    if _count_share(values, is_phone) >= 0.8:
        return ColumnKind.PHONE
    is_other = heading & _word_list("things") or _count_share(values, _is_company) >= 0.1
    return ColumnKind.NAME if not is_other and _count_share(values, _is_full_name) >= 0.6 else None


@cache
def _word_list(name: str) -> frozenset[str]:
    lists = read_words("columns")
    return frozenset((lists["kinds"].get(name) or lists[name]).split())


def _count_share(values: list[str], is_one: Callable[[str], bool]) -> float:
    return sum(map(is_one, values)) / len(values)


def _is_company(value: str) -> bool:
    return _COMPANY.search(value) is not None


def _is_name(value: str) -> bool:
    """Return whether a value under a heading for names is a name, of one word or several."""
    value = value.strip()
    if _DIGITS.search(value) or len(value.split()) > _WORDS_OF_A_TERM:
        return False
    return is_listed(value) or is_foreign_name(value) or _is_full_name(value)


def _is_full_name(value: str) -> bool:
    value = value.strip()
    spans = [*find_names(value), *find_foreign_names(value)]
    return any(not leftover_words(value[:start] + " " + value[end:]) for start, end in spans)


def _is_email(value: str) -> bool:
    found = find_contacts(value)
    return any(piece.kind == "email" and piece.end - piece.start == len(value.strip()) for piece in found)


def _is_url(value: str) -> bool:
    return value.strip().lower().startswith(("http://", "https://", "www.")) and " " not in value.strip()


def _is_profile(value: str) -> bool:
    return _PROFILE.match(value.strip()) is not None


def _is_identifier(value: str) -> bool:
    if next(find_contacts(value), None) is not None or is_phone(value):
        return False
    return identifier_kind(value.strip()) is not None or _CODE.fullmatch(value.strip()) is not None


_FITS: Mapping[ColumnKind, Callable[[str], bool]] = {
    ColumnKind.EMAIL: lambda value: "@" in value,
    ColumnKind.PHONE: lambda value: is_phone(value, is_told=True),
    ColumnKind.BIRTH_DATE: lambda value: _DATE.fullmatch(value.strip()) is not None,
    ColumnKind.STREET_ADDRESS: lambda value: _DIGITS.search(value) is not None and len(value.split()) > 1,
    ColumnKind.IDENTITY_NUMBER: lambda value: len(_DIGITS.findall(value)) >= 6,
    ColumnKind.HANDLE: lambda value: " " not in value.strip() and not value.isdecimal(),
}
