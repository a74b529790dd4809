"""Personal data in descriptions: contact details, numbers that identify, and people called by their full names.

Detection is by patterns and by lists of common names. It finds what is written in the usual way and is no proof that a
text is free of personal data: a single name, a name that is in no list and has no telling context, and names in scripts
that are not known are not found.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from ..judgement import Judge, Redaction, Ruling
from .columns import ColumnKind, column_of, is_empty, leftover, pointer, rewrite_strings
from .contacts import KINDS, PersonalDataSpan, find_contacts
from .names import SURNAME_ENDINGS, find_foreign_names, find_names
from .word_lists import is_invented, name_words, pseudonym

__all__ = [
    "PERSONAL_RULE",
    "Policy",
    "find_personal",
    "personal_changes",
    "personal_judge",
    "reason_of",
    "rows_to_search",
    "without_personal",
]

#: The name of the rule on personal data.
PERSONAL_RULE = "personal_data"


class Policy(StrEnum):
    """What happens to a description with personal data, from the mildest policy to the strictest."""

    #: It is admitted, and the finding is recorded.
    KEEP = "keep"
    #: The data are replaced: equal names by equal invented ones, everything else by its kind, as `[email]`.
    PSEUDONYMISE = "pseudonymise"
    #: It is not admitted.
    DROP = "drop"


_DONE = {
    Policy.KEEP: "It was kept.",
    Policy.PSEUDONYMISE: "It was replaced.",
    Policy.DROP: "It was turned away.",
}


_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")
_HAS_DATA = re.compile(r"\d|@")


def find_personal(text: str) -> tuple[PersonalDataSpan, ...]:
    """The personal data in a text, in order and without overlaps."""
    return _apart(_all(text))


def personal_changes(text: str, columns: Mapping[str, ColumnKind] | None = None) -> tuple[str, tuple[Redaction, ...]]:
    """The text without its personal data, and each piece that was replaced; in JSON, the strings inside are searched.

    `columns` gives the kinds of the values of a JSON object, by pointer (`*` for any place in a list); other columns
    count as text. Numbers are searched when their column is personal.
    """
    changes: list[Redaction] = []

    def rewrite(path: tuple[str, ...], value: str) -> str:
        column = pointer(path) if path and columns is not None else None
        kind = columns.get(pointer(column_of(path))) if path and columns is not None else None
        found = _of_kind(value, kind or ColumnKind.TEXT)
        changes.extend(
            Redaction(f.kind, value, f.start, value[f.start : f.end], _replacement(value, f), column) for f in found
        )
        return without_personal(value, found)

    numbers = any(kind.is_personal for kind in columns.values()) if columns else False
    return rewrite_strings(text, rewrite, numbers=numbers), tuple(changes)


def without_personal(text: str, found: Iterable[PersonalDataSpan]) -> str:
    """The text with each piece replaced: names by invented ones, everything else by the name of its kind."""
    parts, end = [], 0
    for finding in found:
        parts += [text[end : finding.start], _replacement(text, finding)]
        end = finding.end
    return "".join(parts) + text[end:]


def personal_judge(policy: Policy) -> Judge:
    """A judge that finds personal data and applies `policy`; its reasons name kinds, never the data."""

    def judge(text: str) -> Ruling | None:
        changed, changes = personal_changes(text)
        if not changes:
            return None
        is_kept = policy is not Policy.DROP
        now = changed if policy is Policy.PSEUDONYMISE else None
        return Ruling(PERSONAL_RULE, reason_of(changes, policy), is_kept, now, is_erased=not is_kept, changes=changes)

    return judge


def reason_of(changes: Iterable[Redaction], policy: Policy) -> str:
    """The reason of a ruling in one sentence, which names kinds and never the data."""
    return f"It holds {', '.join(sorted({change.kind for change in changes}))}. {_DONE[policy]}"


def _replacement(text: str, finding: PersonalDataSpan) -> str:
    return pseudonym(text[finding.start : finding.end]) if finding.kind == "name" else f"[{finding.kind}]"


def _of_kind(value: str, kind: ColumnKind) -> tuple[PersonalDataSpan, ...]:
    """The personal data in a value of a column of this kind."""
    if kind is ColumnKind.IDENTIFIER:
        # The query of a link may contain an address.
        return _apart(f for f in find_contacts(value) if f.kind == "email") if "@" in value else ()
    if kind is ColumnKind.TERM:
        return _apart(find_contacts(value))
    plain = value.strip()
    if not kind.is_personal or is_empty(value) or _PLACEHOLDER.fullmatch(plain):
        return find_personal(value)
    if kind is ColumnKind.NAME:
        found = find_personal(value)
        if is_invented(plain) or (found and _covers(found, value)):
            return found
    elif kind is not ColumnKind.HANDLE and not _HAS_DATA.search(plain):
        return find_personal(value)
    start = value.index(plain)
    return (PersonalDataSpan(str(kind), start, start + len(plain)),)


def _covers(found: Iterable[PersonalDataSpan], value: str) -> bool:
    """Whether only titles and punctuation are left of a value without these pieces."""
    parts, end = [], 0
    for finding in found:
        parts.append(value[end : finding.start])
        end = finding.end
    return not leftover(" ".join((*parts, value[end:])))


def _apart(found: Iterable[PersonalDataSpan]) -> tuple[PersonalDataSpan, ...]:
    """The pieces without overlaps, in order; of two, the one that begins first or is longer."""
    kept: list[PersonalDataSpan] = []
    for finding in sorted(found, key=lambda f: (f.start, f.start - f.end)):
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
    return tuple(kept)


def _all(text: str) -> Iterator[PersonalDataSpan]:
    yield from find_contacts(text)
    for start, end in find_names(text):
        yield PersonalDataSpan("name", start, end)
    for start, end in find_foreign_names(text):
        yield PersonalDataSpan("name", start, end)


#: Patterns for RE2, which has no look-around.
_PARTICLES = r"(?:(?:van|von|de|da|das|dos|do|du|della|del|di|bin|ibn|bint|al|el|la|le|der|den|ter|ten|zu|zur|y|e) )*"
_CAPITALS = rf"\p{{Lu}}[\p{{L}}'’‑-]*\.? ?{_PARTICLES}\p{{Lu}}"
_CONTACTS = (
    r"@|://|[wW]{3}\.|\d(?:\D*\d){4}|\d[a-z]? \p{Lu}|(?:straße|strasse|weg|platz|gasse|allee) \d"
    r"|\d,? (?:rue|avenue|boulevard|place) |(?:[Cc]alle|[Aa]venida|Av\.|Rua|Via|[Pp]laza|[Pp]iazza) .*\d"
)
_TITLES = (
    r"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Dame|Lady|Lord|Herr|Frau|Señora?|Madame|Monsieur|Mme|Signora?|Senhora?|"
    r"President|Senator|Governor|Chancellor|Sheikh|Imam|Rabbi|Reverend)\.? \p{Lu}"
)
_HAN = (
    "名叫|叫做|叫作|名为|名為|名字|姓名|本名|原名|他叫|她叫|主席|总统|總統|总理|總理|作家|诗人|詩人|歌手|演员|演員|导演|導演|科学家|画家|企业家|"
    "先生|女士|小姐|太太|夫人|同志|さん|氏|様|という|と名乗|ちゃん|くん"
)
_HANGUL = "씨|님|선생|교수|박사|대통령|라는|라고|이름"
_ARABIC = "اسمه|يدعى|تدعى|المدعو"
_CALLED = (
    r"\b(?i:named|called|nicknamed|known as|by the name of|namens|genannt|nommée?|appelée?|llamad[oa]|chamad[oa]|"
    r"di nome|genaamd|name is|name was|name being|née|nee|alias|heißt|appelle|se llama|se chama|si chiama|heet)"
    r"\W+\p{Lu}"
)
_BEHIND = r"\p{Lu}[\p{L}'’-]*,? (?:who is|then|now|the|a|an|our|former|current|first|der|die|le|la|el|il|o) "
_CYRILLIC = r"[А-ЯЁІЇЄҐ][а-яёіїєґ’'-]+ [А-ЯЁІЇЄҐ]"


def rows_to_search(texts: pa.Array) -> list[int]:
    """The places, from 0, of the texts in which `find_personal` may find something; in the others it finds nothing."""
    escaped = pc.indices_nonzero(pc.match_substring(texts, "\\"))
    if len(escaped):
        return sorted({*_rows_to_search(texts), *_in_escaped(texts.take(escaped), escaped)})
    return _rows_to_search(texts)


def _in_escaped(texts: pa.Array, places: pa.Array) -> list[int]:
    """The same for texts with JSON escapes, in which a line end is two characters and an accented letter six."""
    plain = pc.replace_substring_regex(texts, r'\\+[a-z"/]', " ")
    found = {*_rows_to_search(plain), *pc.indices_nonzero(pc.match_substring(texts, "\\u")).to_pylist()}
    inside: list[int] = places.take(pa.array(sorted(found), pa.int64())).to_pylist()
    return inside


def _rows_to_search(texts: pa.Array) -> list[int]:
    places = pc.indices_nonzero(pc.match_substring_regex(texts, _loose()))
    left = texts.take(places)
    found = pc.or_(pc.match_substring_regex(left, _CONTACTS), _has_name(left))
    for pattern in _tight():
        found = pc.or_(found, pc.match_substring_regex(left, pattern))
    found_rows: list[int] = places.filter(found).to_pylist()
    return found_rows


@cache
def _loose() -> str:
    return f"{_CONTACTS}|{_CAPITALS}|{_foreign()}"


@cache
def _tight() -> tuple[str, ...]:
    # Separate patterns: combined into one, RE2 takes ten times as long.
    callings = "|".join(sorted(name_words()["callings"]))
    return (
        _foreign(),
        _TITLES,
        r"\p{Lu}\. ?\p{Lu}\.",
        # Names are looked up without their accents.
        r"\b\p{Lu}[a-zA-Z]*[^\x00-\x7f\P{L}]|[^\x00-\x7f\P{Lu}]\p{L}*",
        rf"(?i:{SURNAME_ENDINGS}|\b(?:mc|mac|fitz|o['’]))",
        _CALLED,
        rf"\b(?i:{callings})\W+\p{{Lu}}",
        _BEHIND,
    )


def _has_name(texts: pa.Array) -> pa.Array:
    """Which texts have a capitalised word that is in a list of names."""
    words = pc.split_pattern_regex(texts, r"[^\p{L}]+")
    flat = pc.list_flatten(words)
    is_name = pc.and_(
        pc.utf8_is_upper(pc.utf8_slice_codeunits(flat, 0, 1)), pc.is_in(pc.utf8_lower(flat), value_set=_names())
    )
    places = pc.unique(pc.list_parent_indices(words).filter(is_name))
    return pc.is_in(pa.array(range(len(texts)), places.type), value_set=places)


@cache
def _names() -> pa.Array:
    lists = name_words()
    kinds = ("given", "also_words", "surnames", "surname_words", "first_surnames")
    return pa.array(sorted({word for kind in kinds for word in lists[kind]}))


@cache
def _foreign() -> str:
    families = "|".join(sorted(name_words()["devanagari"]["families"]))
    return f"{_HAN}|{_HANGUL}|{_ARABIC}|{_CYRILLIC}|{families}"
