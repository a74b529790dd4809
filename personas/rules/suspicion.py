"""Which of many texts may hold personal data at all: all that do and few others, told some hundred times as fast."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from .word_lists import name_words

__all__ = ["suspects"]

#: As RE2 has it: without looking ahead or behind.
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


def suspects(texts: pa.Array) -> list[int]:
    """The places, from 0, of the texts that `find_personal` may find something in; it finds nothing in the others."""
    places = pc.indices_nonzero(pc.match_substring_regex(texts, _loose()))
    left = texts.take(places)
    found = pc.match_substring_regex(left, _CONTACTS)
    for pattern in _tight():
        found = pc.or_(found, pc.match_substring_regex(left, pattern))
    suspected: list[int] = places.filter(found).to_pylist()
    return suspected


@cache
def _loose() -> str:
    return f"{_CONTACTS}|{_CAPITALS}|{_foreign()}"


@cache
def _tight() -> tuple[str, ...]:
    # One after another: RE2 takes ten times as long for all of them in one pattern.
    lists = name_words()
    callings = "|".join(sorted(lists["callings"]))
    given, words = _any_case(lists["given"]), _any_case(lists["also_words"])
    surnames, surname_words = _any_case(lists["surnames"]), _any_case(lists["surname_words"])
    behind = rf"\.? {_PARTICLES}"
    return (
        _foreign(),
        _TITLES,
        rf"\b(?:{given})(?:[-'’‑]\p{{L}}+)*{behind}\p{{Lu}}",
        rf"\b(?:{words}){behind}(?:{surname_words})(?:[^\p{{L}}]|$)",
        rf"\b(?:{surnames})(?:[^\p{{L}}]|$)",
        rf"\b(?:{_any_case(lists['first_surnames'])}) \p{{Lu}}",
        r"\p{Lu}{2}[\p{Lu}'’-]* \p{Lu}{2}",
        # Names are looked up without their accents.
        r"\b\p{Lu}[a-zA-Z]*[^\x00-\x7f\P{L}]|[^\x00-\x7f\P{Lu}]\p{L}*",
        r"(?:ovic|evic|escu|[oe]wsk[ia]|[oe]vsky|enko|opoulos|akis|sson|sdottir|[lnrt]sen|shvili|adze|zadeh|oglu|nyan)\b",
        _CALLED,
        rf"\b(?i:{callings})\W+\p{{Lu}}",
        _BEHIND,
    )


@cache
def _foreign() -> str:
    families = "|".join(sorted(name_words()["devanagari"]["families"]))
    return f"{_HAN}|{_HANGUL}|{_ARABIC}|{_CYRILLIC}|{families}"


def _any_case(words: Iterable[str]) -> str:
    """What finds any of the words with a capital first, whatever the case of the rest."""
    by_first = defaultdict(list)
    for word in sorted(words):
        by_first[word[0].upper()].append(word[1:])
    return "|".join(f"{first}(?i:{'|'.join(rests)})" for first, rests in by_first.items())
