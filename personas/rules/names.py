"""Names of people in Latin letters, by lists of names and by the words around them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .pseudonym import is_invented
from .word_lists import folded, name_words

__all__ = ["find_names"]

#: Words of a name behind the first.
_LONGEST = 3
_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĶĹĻĽŁŃŅŇŌŎŐŒŔŖŘŚŜŞȘŠŢȚŤŨŪŬŮŰŲŴŶŸŹŻŽƠƯ\u1e00-\u1eff"
_LETTER = "[A-Za-zÀ-ÖØ-öø-\u024f\u1e00-\u1eff]"
_CAPITAL = rf"[{_UPPER}]{_LETTER}*(?:['’‑-]{_LETTER}+)*"
_PARTICLE = r"(?:(?:van|von|de|da|das|dos|do|du|della|del|di|bin|ibn|bint|al|el|la|le|der|den|ter|ten|zu|zur|y) )"
#: Capital words in a row, with initials and particles among them.
_RUN = re.compile(
    rf"(?<!{_LETTER})(?<![\d_'’-]){_CAPITAL}(?:\.? {_PARTICLE}{{0,3}}{_CAPITAL}|(?<=[A-Z])\.(?= ?[A-Z]))+"
)
_TOKEN = re.compile(_CAPITAL)
_OWNER = re.compile(r"['’][sS]?$")
_TITLED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Dame|Lady|Lord|Herr|Frau|Señora?|Madame|Monsieur|Mme|Signora?|Senhora?|"
    r"President|Senator|Governor|Chancellor|Sheikh|Imam|Rabbi|Reverend)\.? "
    rf"(?P<name>{_CAPITAL}(?: {_PARTICLE}{{0,3}}{_CAPITAL}){{0,2}})"
)
_CALLED = re.compile(
    r"(?P<what>[^\W\d_]+),? (?:named|called|nicknamed|known as|by the name of|namens|genannt|nommée?|appelée?|"
    r"llamad[oa]|chamad[oa]|di nome|genaamd)$|\b(?:my |whose |his |her |full |real |birth )?name (?:is|was|being)$"
    r"|\b(?:née|nee|alias|heißt|s['’]appelle|se llama|se chama|si chiama|heet)$",
    re.IGNORECASE,
)
_PERSON_BEHIND = re.compile(
    r"^,? (?:who is |then |now )?(?:the|a|an|our|former|current|first|der|die|le|la|el|il|o) "
    r"(?:(?:late|former|first|current|famous|legendary|great|incumbent|then|American|British|\w+ian|\w+ish) ){0,2}"
    r"(?P<calling>[a-z]+)"
)
_NEAR = 60
#: What a word behind the last space may yet be divided by.
_INNER = re.compile(r"[\W\d_]")
_NUMERAL = re.compile(r"[IVX]{2,}\Z")
#: How many peoples end their surnames; a capital word before such a one is a given name.
_SURNAME = re.compile(
    r"\w{2,}(?:ovic|evic|escu|[oe]wsk[ia]|[oe]vsky|enko|opoulos|akis|sson|sdottir|[lnrt]sen|shvili|adze|zadeh|oglu|nyan)\Z"
)
_PINYIN = re.compile(
    r"(?:(?:[bpmfdtnlgkhjqxrzcsyw]|zh|ch|sh)?(?:iang|iong|uang|ang|eng|ing|ong|iao|ian|uai|uan|ai|an|ao|ei|en|ia|ie|in|"
    r"iu|ou|ua|ue|ui|un|uo|a|e|i|o|u)(?:r?)-?){1,2}\Z"
)
_HANGUL_LATIN = re.compile(r"[a-z]{2,6}-[a-z]{2,6}\Z")


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """Where names stand in a text (characters, end excluded); they may overlap."""
    for start, end in _all(text):
        if not is_invented(text[start:end]):
            yield start, end


def _all(text: str) -> Iterator[tuple[int, int]]:
    for titled in _TITLED.finditer(text):
        yield from _titled(text, titled)
    for run in _RUN.finditer(text):
        yield from _run(text, _TOKEN.finditer(text, run.start(), run.end())).names()


def _titled(text: str, match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """The words behind a title, up to the first that is none of a name."""
    row = _run(text, _TOKEN.finditer(text, *match.span("name")))
    lists = name_words()
    no_names = lists["others"] | lists["behind_titles"]
    known = next((n for n, word in enumerate(row.words) if word in no_names), len(row.words))
    behind = _TOKEN.match(text, match.end() + 1)
    words = (*row.words, _word(behind)) if behind else row.words
    if known and lists["bodies"].isdisjoint(words):
        yield row.tokens[0].start(), _end(row.tokens[known - 1])


def _run(text: str, found: Iterator[re.Match[str]]) -> "_Run":
    tokens = tuple(found)
    return _Run(text, tokens, tuple(map(_word, tokens)))


@dataclass(frozen=True, slots=True)
class _Run:
    """Capital words in a row, and what they are without accents and endings."""

    text: str
    tokens: Sequence[re.Match[str]]
    words: Sequence[str]

    def names(self) -> Iterator[tuple[int, int]]:
        """Where names stand among them."""
        first = 0
        while first < len(self.words) - 1:
            last = self._last(first)
            if last:
                yield self.tokens[first].start(), _end(self.tokens[last])
            first = max(first, last) + 1

    def _last(self, first: int) -> int:
        """The number of the last word of the name that begins with this one; 0 when none does."""
        lists, one = name_words(), self.words[first]
        if one in lists["others"] or one in lists["titles"] or self._before(first) in lists["places"]:
            return 0
        last = first
        while last < min(len(self.words) - 1, first + _LONGEST) and self._goes_on(last + 1):
            last += 1
        is_name = last > first and not self._is_body(first, last) and self._is_name(first, last)
        return last if is_name else 0

    def _goes_on(self, number: int) -> bool:
        lists, word = name_words(), self.words[number]
        if _OWNER.search(self.tokens[number - 1][0]) or _NUMERAL.match(self.tokens[number][0]):
            return False
        return word not in lists["others"] or word in lists["surnames_and_others"]

    def _is_body(self, first: int, last: int) -> bool:
        """Whether a word among these, or behind them, says that they name something else than a person."""
        lists, rest = name_words(), self.words[first + 1 : last + 1]
        is_more = last + 1 < len(self.words) and self._joined(last)
        if is_more and self.words[last + 1] in lists["bodies"]:
            return True
        named = [n for n, word in enumerate(rest) if word in lists["bodies"]]
        is_surname = rest[0] in lists["surnames"] or rest[0] in lists["surname_words"]
        return any(n or not is_surname for n in named)

    def _is_name(self, first: int, last: int) -> bool:
        lists, one, rest = name_words(), self.words[first], self.words[first + 1 : last + 1]
        if one in lists["given"] or one.partition("-")[0] in lists["given"]:
            return True
        has_surname = any(word in lists["surnames"] or _SURNAME.match(word) for word in rest)
        if has_surname and one not in lists["places"] and one not in lists["bodies"]:
            return True
        start = self.tokens[first].start()
        if one in lists["also_words"] and rest[0] in lists["surname_words"] and not _begins(self.text, start):
            return True
        return _is_eastern(one, rest[0]) or _is_called(self.text, start, self.tokens[last].end())

    def _before(self, first: int) -> str:
        """The capital word before this one, if there is one."""
        if first:
            return self.words[first - 1] if self._joined(first - 1) else ""
        start = self.tokens[0].start()
        word = _last_word(self.text[max(0, start - _NEAR) : start].removesuffix(" ").removesuffix("."))
        return word.lower() if word[:1].isupper() else ""

    def _joined(self, number: int) -> bool:
        between = self.text[self.tokens[number].end() : self.tokens[number + 1].start()]
        return between.removeprefix(".").isspace()


def _is_eastern(one: str, other: str) -> bool:
    """Whether these are a surname and a given name in Chinese or Korean order."""
    lists = name_words()
    if one not in lists["first_surnames"] or f"{one}-{other}" in lists["no_names"]:
        return False
    is_chinese = one not in lists["first_surnames_and_words"] and len(other) > len("li") and _PINYIN.match(other)
    return bool(is_chinese or _HANGUL_LATIN.match(other))


def _is_called(text: str, start: int, end: int) -> bool:
    """Whether the words around say that somebody is called so."""
    lists, before = name_words(), text[max(0, start - _NEAR) : start].rstrip()
    last = _last_word(before).lower()
    if folded(last) in lists["calls"] and (called := _CALLED.search(before)):
        return (called["what"] or "").lower() not in lists["things"]
    behind = _PERSON_BEHIND.match(text[end : end + _NEAR])
    is_person = behind is not None and behind["calling"] in lists["callings"]
    return last in lists["callings"] or (is_person and last not in lists["before_places"])


def _last_word(text: str) -> str:
    word = text.rpartition(" ")[2]
    return word if word.isalpha() else _INNER.split(word)[-1]


def _begins(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'“‘(")
    return not before or before[-1] in ".!?:;"


def _word(token: re.Match[str]) -> str:
    return folded(_OWNER.sub("", token[0]))


def _end(token: re.Match[str]) -> int:
    owner = _OWNER.search(token[0])
    return token.end() - (len(owner[0]) if owner else 0)
