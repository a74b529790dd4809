"""Names that no list has whole: a surname or given name alone, initials, nicknames, by the words around them.

Each run of capital words gets points for what lists say of its words and for what stands before and behind it: a title,
a relation ("his cousin"), an owner's ending, a verb. A run with enough points is a name.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from .names import CAPITAL, LETTER, OWNER, PARTICLE, UPPER, is_given, is_surname, is_word
from .word_lists import folded, is_invented, name_words, read_words

_SEPARATOR = rf"(?:(?<=\b[{UPPER}])\. ?|(?<=\bSt)\. | )"
_RUN = re.compile(rf"(?<!{LETTER})(?<![\d_'’-]){CAPITAL}(?:{_SEPARATOR}(?:{PARTICLE}{{0,3}}(?:[dD]['’])?){CAPITAL})*")
_TOKEN = re.compile(CAPITAL)
_NICKNAMED = re.compile(rf"{CAPITAL} [\"“‘'(]{CAPITAL}[\"”’')] {CAPITAL}")
_INVERTED = re.compile(
    rf"(?<!\w)(?<![{UPPER}]\. )(?P<last>{CAPITAL}), (?P<first>[{UPPER}]\.(?: ?[{UPPER}]\.)*(?! ?{CAPITAL})|{CAPITAL})(?!\w)"
)
_LAST_WORD = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)*)([.,:;]?) ?[\"“‘'(«]?$")
_BEGINS = re.compile(r"(?:^|[.!?:]|\n|[.!?] ?[\"”’])\s*[\"“‘'(«]?$")
_CAPITAL_BEHIND = re.compile(rf" ({CAPITAL})")
_WORD_BEHIND = re.compile(r" ([^\W\d_]+(?:['’][a-z]+)?)")
#: What tells of a person behind a comma or in brackets.
_TOLD_BEHIND = re.compile(
    r"^(?:, (?:who|whose|whom|aged)\b|, \d\d\b|,? \((?:b\.|born|d\.|died|née|nee|\d{4})|, née |,[\"”’]? (?:said|says|wrote)\b)"
)
_APPOSED = re.compile(
    r"^, (?:the|a|an|his|her|their|our|my|sein|seine|ihr|ihre|der|die|su|el|la|sa|son|le|il|zijn|haar|de|jego|jej) "
    r"(?:[^\W\d_]+ ){0,2}?(?P<what>[^\W\d_]+(?:-[^\W\d_]+)*)\b"
)
#: What makes a word the name of a product or the label of a number.
_NUMBER = re.compile(r" \d{3}")
#: Words with capitals inside, except names such as McCready and DeGroot.
_CAMEL = re.compile(r"(?!(?:Mc|Mac|De|Di|Du|La|Le|Fitz|Van|O)[A-Z][a-z])\w*[a-z][A-Z]|\w+-\w$")
_DEMONYM = re.compile(r"(?:ians?|eans|eses?|ish|ists?|isms?|ans|ites?|ing)$")
#: What says before a name that it is one.
_CALLED = re.compile(
    r"\b(?:named|called|nicknamed|alias|née|nee|born|known as|by the name of|under the name|name (?:is|was|being)|a certain|"
    r"(?:call|calls|called|named) (?:him|her|me|them|us)|namens|genannt|nommée?|appelée?|llamad[oa]|(?:l[aoe] )?llaman|"
    r"chamad[oa]|di nome|genaamd|heißt|s['’]appelle|se llama|se chama|si chiama|heet),? [\"“‘'(«]?$"
)
_CALLED_WHAT = re.compile(r"([^\W\d_]+),? (?:named|called|nicknamed|known as|by the name of) $")
_OF = re.compile(r"([^\W\d_]+) (?:of|to|de|di|da|do|von|van) $")
_TO = re.compile(
    r"(?i:\b(?:[a-z]+ed by|written by|led by|taught by|taught|(?:married|engaged|letters?|notes?|wrote|writes|speaks?|spoke|talks?|"
    r"listens|belongs?|belonged|according|introduced|lent|given|gave|left) to)) $"
)
#: Before a name with a title: a ship, a pub or a book.
_THE_TITLED = re.compile(r"\b[Tt]he (?!Rev|Hon|Dowager)[A-Z][a-z]+\.? $")
_COUNTED = re.compile(r"\b(?:[Tt]he|two|three|four|five|six|both|other|these|those|all) $")
_JOINS = re.compile(r"(?:,? (?:and|or|und|y|et|e|och|i|en|og) |, |,? & )(?:little |old |young |the |die kleine )?$")
_ENOUGH = 4
#: A text with as many words is English only if it has one of the usual English words.
_FEWEST = 5
_EAGER_ADJECTIVES = frozenset(("little", "old", "young", "poor", "dear", "big", "late", "kleine", "petite", "petit"))
_UNSURE_TITLES = frozenset(
    ["captain", "chief", "general", "justice", "king", "major", "officer", "president", "prince", "princess", "queen"]
)
#: Titles that are written small within a sentence.
_SMALL_TITLES = frozenset(
    ["don", "dona", "madame", "maitre", "monsieur", "seu", "signor", "signora", "sr", "sra", "tia", "tio"]
)
_EPITHETS = frozenset(("big", "little", "old", "young"))
_AGES = frozenset(("eldest", "oldest", "youngest", "elder", "younger", "middle", "other", "first", "second", "latter"))


def find_mentions(text: str, taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The places of names (end excluded) that do not overlap those that were found already."""
    found = [*taken]
    is_english = _is_english(text)
    for start, end in _by_form(text):
        if _is_free(start, end, found):
            found.append((start, end))
            yield start, end
    runs = [run for match in _RUN.finditer(text) for run in _split(text, match, found, is_english=is_english)]
    points = [run.points() for run in runs]
    for n, run in enumerate(runs):
        if points[n] >= _ENOUGH or (1 <= points[n] < _ENOUGH and _is_listed(text, run, found)):
            start, end = run.span
            if not is_invented(text[start:end]):
                found.append((start, end))
                yield start, end


def _by_form(text: str) -> Iterator[tuple[int, int]]:
    for match in _NICKNAMED.finditer(text):
        if not is_word(folded(match[0].split(" ")[0])):
            yield match.start(), match.end() - len(match[0]) + len(OWNER.sub("", match[0]))
    for match in _INVERTED.finditer(text):
        last, first = folded(match["last"]), match["first"]
        is_shouted = match["last"].isupper() and (len(last) > 5 or is_surname(last) or is_given(folded(first)))
        is_initial = first.endswith(".")
        if _lists().is_thing(last) or (is_word(last) and not is_shouted):
            continue
        if (is_initial and not _lists().is_place(last)) or (is_shouted and not is_word(folded(first))):
            yield match.start(), match.end()


def _is_free(start: int, end: int, found: Sequence[tuple[int, int]]) -> bool:
    return all(end <= a or b <= start for a, b in found)


def _is_listed(text: str, run: "_Run", found: Sequence[tuple[int, int]]) -> bool:
    """Whether the run stands beside a name in a list."""
    start, end = run.span
    return any(
        (0 < start - b < 16 and _JOINS.fullmatch(text, b, start))
        or (0 < a - end < 16 and _JOINS.fullmatch(text, end, a))
        for a, b in found
    )


def _split(text: str, match: re.Match[str], found: Sequence[tuple[int, int]], *, is_english: bool) -> Iterator["_Run"]:
    """The parts of a run that are free, each up to the ending of its owner."""
    part: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text, *match.span()):
        is_free = _is_free(*token.span(), found)
        if part and (not is_free or OWNER.search(part[-1][0])):
            yield from _trimmed(text, part, is_english=is_english)
            part = []
        if is_free:
            part.append(token)
    if part:
        yield from _trimmed(text, part, is_english=is_english)


def _trimmed(text: str, tokens: Sequence[re.Match[str]], *, is_english: bool) -> Iterator["_Run"]:
    """The run without titles and without the word that begins a sentence."""
    lists, first, has_title = _lists(), 0, False
    words = [folded(OWNER.sub("", token[0])) for token in tokens]
    is_first = _BEGINS.search(text[: tokens[0].start()]) is not None
    while first < len(words) - 1:
        word = words[first]
        if word in _EPITHETS and is_given(words[1]):
            break
        if lists.is_title(word) or (lists.is_calling(word) and not is_english):
            has_title = not (word in _UNSURE_TITLES and is_word(words[first + 1]))
        elif _is_date_or_place(word, words[first + 1]):
            pass
        elif not (first == 0 and is_first and word in lists.starts):
            break
        first += 1
    yield _Run(text, tokens[first:], words[first:], has_title, is_first and not first, is_english)


def _is_date_or_place(word: str, behind: str) -> bool:
    """Whether a word is none of the name that it stands before: "every Tuesday Ibrahim", "in Kraków Zbigniew"."""
    if word in name_words()["others"]:
        return word not in name_words()["also_words"]
    is_body = behind in name_words()["bodies"] or is_word(behind)
    return (
        _lists().is_place(word)
        and not is_given(word)
        and not is_surname(word)
        and not (is_body or word in name_words()["also_words"])
    )


@dataclass(frozen=True, slots=True)
class _Run:
    text: str
    tokens: Sequence[re.Match[str]]
    words: Sequence[str]
    has_title: bool
    is_first: bool
    is_english: bool

    @property
    def span(self) -> tuple[int, int]:
        token = self.tokens[-1]
        owner = OWNER.search(token[0])
        return self.tokens[0].start(), token.end() - (len(owner[0]) if owner else 0)

    def points(self) -> int:
        """How much speaks for a name: `_ENOUGH` and more make one."""
        before, behind = self._before(), self._behind()
        if min(before, behind) <= _NEVER:
            return _NEVER
        if before < 0 and not is_given(self.words[0]):
            behind = 0  # the verb belongs to what stands before: "the sails of Whitby fill"
        return (self._single() if len(self.words) == 1 else self._several()) + before + behind

    def _single(self) -> int:
        lists, word, shown = _lists(), self.words[0], self.tokens[0][0]
        if (
            len(word) == 1
            or lists.is_thing(word)
            or lists.is_title(word)
            or word in lists.english
            or _CAMEL.match(shown)
        ):
            return _NEVER
        if not self.is_english and word in lists.starts:
            return _NEVER
        if _is_plural(word) and self._counted():
            return 12
        is_place = lists.is_place(word)
        if is_given(word):
            return 1 if is_place or word in lists.famous else 4
        if word in name_words()["also_words"]:
            return -4 if self.is_first else -2 if is_place else 1
        if is_place or word in lists.famous:
            return 0 if is_surname(word) and word not in lists.famous else -6
        if shown.isupper() and len(shown) < 6:
            return -4
        if is_word(word):
            return -5 if self.is_first else -2
        if is_surname(word):
            return (3 if self.is_first else 4) if self.is_english else 1
        return (-3 if _DEMONYM.search(word) else 1) if self.is_english else -2

    def _several(self) -> int:
        lists, words = _lists(), name_words()
        first, last = self.words[0], self.words[-1]
        pair = f"{first}-{self.words[1]}"
        if any(lists.is_thing(w) and (n or w not in words["also_words"]) for n, w in enumerate(self.words)):
            return _NEVER
        if first in _EPITHETS and is_given(last):
            return 3
        if first in words["places"] or any(pair in words[k] for k in ("no_persons", "two_word_places", "no_names")):
            return _NEVER
        points = -4 if lists.is_place(first) else 1 + (not self.is_first) if self.is_english else -1
        if is_given(first):
            points = 4
        elif first in words["also_words"]:
            points = 2
        elif len(first) == 1:
            points = 3 if self.text.startswith(".", self.tokens[0].end()) else -4
        elif is_word(first):
            points = -4 if self.is_first else -2
        elif is_surname(first):
            points = 2
        if is_surname(last) or is_given(last):
            return points + 2
        if last in words["surname_words"] or last in words["rare_surname_words"]:
            return points
        return points + (-1 if is_word(last) else 1)

    def _counted(self) -> bool:
        """Whether a number or an article stands before, as before the name of a family."""
        return _COUNTED.search(self.text, max(0, self.tokens[0].start() - 12), self.tokens[0].start()) is not None

    def _before(self) -> int:
        lists, words, start = _lists(), name_words(), self.tokens[0].start()
        if self.has_title:
            return _NEVER if _THE_TITLED.search(self.text, max(0, start - 40), start) else 6
        near = max(0, start - 40)
        if _CALLED.search(self.text, near, start):
            what = _CALLED_WHAT.search(self.text, near, start)
            return _NEVER if what and folded(what[1]) in words["things"] else 6
        said = _LAST_WORD.search(self.text, near, start)
        if said is None:
            return _NEVER if self.text[:start].rstrip().endswith("&") else 0
        word, point = folded(said[1]), said[2]
        if word in _EAGER_ADJECTIVES and not point:
            return 3
        if lists.is_title(word) and (said[1][0].isupper() or word in _SMALL_TITLES) and point != ",":
            return 0 if word in _UNSURE_TITLES and is_word(self.words[0]) else 6
        if point in (".", ";", ":", "!", "?"):
            return 0
        if lists.is_calling(word):
            return 6 if not point else 5 if word in lists.kin else 2
        if point == ",":
            return 0
        if word in words["named_before"] or word in words["places"] or word in words["things"]:
            return _NEVER
        if (of := _OF.search(self.text, near, start)) and folded(of[1]) in lists.kin:
            return 6
        if word in lists.before_things:
            return -6 if word == "the" else -3
        if word in lists.address or _TO.search(self.text, near, start):
            return 3
        return 1 if word in lists.before_names else -1 if word in lists.before_any else 0

    def _behind(self) -> int:
        lists, token = _lists(), self.tokens[-1]
        owner = OWNER.search(token[0])
        behind = self.text[token.end() : token.end() + 60]
        if not owner and (behind.startswith((" &", "-", "’", "'")) or _NUMBER.match(behind)):
            return _NEVER
        word = _WORD_BEHIND.match(behind)
        said = folded(word[1]) if word else ""
        follows = _CAPITAL_BEHIND.match(behind)
        if owner:
            return _NEVER if follows and folded(follows[1]) in name_words()["bodies"] else 3 if self.is_english else 1
        if said in name_words()["named_after"] or said in name_words()["bodies"]:
            return _NEVER
        if _TOLD_BEHIND.match(behind):
            return 3
        if (apposed := _APPOSED.match(behind)) and lists.is_person(folded(apposed["what"])):
            return 3
        is_deed = self.is_english and word and word[1].islower() and lists.is_deed(said, is_sure=self._has_clause())
        return 3 if is_deed else 0

    def _has_clause(self) -> bool:
        """Whether a clause may begin here, so that a word in -s behind is rather a verb than a plural."""
        said = _LAST_WORD.search(self.text, max(0, self.tokens[0].start() - 40), self.tokens[0].start())
        return said is None or bool(said[2]) or folded(said[1]) in _lists().before_names or not said[1].islower()


_NEVER = -20


def _is_plural(word: str) -> bool:
    """Whether a word is the plural of a name, as a family is called."""
    if not word.endswith("s") or is_word(word) or _lists().is_thing(word) or _lists().is_place(word):
        return False
    stems = (word[:-1], word[:-2] if word.endswith("es") else word[:-1])
    return any((is_given(stem) or is_surname(stem)) and not is_word(stem) for stem in stems)


class _Lists:
    """The words of `mentions.toml` and `places.toml`, without accents."""

    def __init__(self) -> None:
        lists = {name: frozenset(map(folded, said.split())) for name, said in read_words("mentions").items()}
        self.kin, self.roles, self.address = lists["kin"], lists["roles"], lists["address"]
        self.before_any, self.before_things = lists["before_any"], lists["before_things"]
        self.deeds, self.no_deeds, self.famous = lists["deeds"], lists["no_deeds"], lists["famous"]
        self.english, self.foreign = lists["english"], lists["foreign"]
        self.no_people, self.before_names = lists["no_people"], lists["before_names"]
        self.titles = lists["more_titles"] | name_words()["titles"]
        self.places = frozenset(read_words("places")["place_names"].split()) | lists["regions"]
        self.starts = (
            lists["english"]
            | lists["foreign"]
            | lists["before_things"]
            | lists["before_any"]
            | lists["address"]
            | lists["before_names"]
        )

    def is_title(self, word: str) -> bool:
        return word in self.titles and word != "saint"

    def is_thing(self, word: str) -> bool:
        plain, words = word.removesuffix("s"), name_words()
        kinds = (words["others"], words["bodies"], self.no_people)
        if any(one in kind for kind in kinds for one in (word, plain)):
            return True
        last = word.rpartition("-")[2]
        return last != word and (last in words["bodies"] or last.endswith(("strasse", "platz")))

    def is_place(self, word: str) -> bool:
        return word in self.places or word in name_words()["also_places"]

    def is_calling(self, word: str) -> bool:
        return word in self.kin or word in self.roles or word in name_words()["callings"]

    def is_person(self, word: str) -> bool:
        return self.is_calling(word) or word in _AGES

    def is_deed(self, word: str, *, is_sure: bool) -> bool:
        if word in self.deeds:
            return True
        is_inflected = (
            len(word) > 3 and word.endswith(("ed", "s") if is_sure else "ed") and not word.endswith(("ss", "us"))
        )
        return is_inflected and word not in self.no_deeds


@cache
def _lists() -> _Lists:
    return _Lists()


def begins(text: str, start: int) -> bool:
    """Whether a sentence begins here."""
    return _BEGINS.search(text[max(0, start - 4) : start]) is not None or start == 0


def harmless_words() -> frozenset[str]:
    """Words of which none is a name alone: peoples, companies, places and the usual English words."""
    lists = _lists()
    return (name_words()["others"] | lists.no_people | lists.places - name_words()["surname_words"]) | lists.english


def is_place(word: str) -> bool:
    """Whether a folded word is the name of a place."""
    return _lists().is_place(word)


def has_deed_behind(text: str, end: int) -> bool:
    """Whether a word of what somebody does follows: "Baker rises"."""
    behind = _WORD_BEHIND.match(text, end)
    return behind is not None and behind[1].islower() and _lists().is_deed(folded(behind[1]), is_sure=True)


def _is_english(text: str) -> bool:
    words = [folded(word) for word in re.findall(r"[^\W\d_]+", text)]
    lists = _lists()
    english, foreign = (sum(word in said for word in words) for said in (lists.english, lists.foreign))
    return english >= foreign and (english > 0 or len(words) < _FEWEST)
