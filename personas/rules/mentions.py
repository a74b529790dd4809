"""Names that no list has whole: a surname or given name alone, initials, nicknames, by the words around them.

Each run of capital words gets points for what lists say of its words and for what stands before and behind it: a title,
a relation ("his cousin"), an owner's ending, a verb. A run with enough points is a name.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .languages import folded, is_invented, name_words
from .names import (
    CAPITAL,
    JOINS_NOUNS,
    LETTER,
    OWNER,
    PARTICLE,
    UPPER,
    ContextWords,
    context_words,
    is_english,
    is_given,
    is_surname,
    is_word,
)

#: The points of what rules a name out.
NEVER = -20
_NEAR = 40
_LAST_WORD = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)*)([.,:;]?) ?[\"“‘'(«]?$")
_CAPITAL_BEHIND = re.compile(rf" ({CAPITAL})")
_WORD_BEHIND = re.compile(r" ([^\W\d_]+(?:['’][a-z]+)?)")
#: What makes a word the name of a product or the label of a number.
_NUMBER = re.compile(r" \d{3}")
#: What says before a name that it is one.
_CALLED = re.compile(
    r"\b(?:named|called|nicknamed|alias|née|nee|born|known as|by the name of|under the name|name (?:is|was|being)|"
    r"a certain|(?:call|calls|called|named) (?:him|her|me|them|us)|namens|genannt|nommée?|appelée?|llamad[oa]|"
    r"(?:l[aoe] )?llaman|chamad[oa]|di nome|genaamd|heißt|s['’]appelle|se llama|se chama|si chiama|heet),? [\"“‘'(«]?$"
)
_CALLED_WHAT = re.compile(r"([^\W\d_]+),? (?:is |was |are |were )?(?:named|called|nicknamed|known as) $")
#: Behind a noun with a capital: "Consuelo de los enfermos".
_OWN_NOUN = re.compile(r" (?:de l[ao]s?|del|du|des) [a-zà-ÿ]")
#: The head of the name of a place, a body or a rank: "the Isle of", "Duke of".
_OF_THING = re.compile(r"[A-Z][^\W\d_]+ (?:of|de|di|da|do|du|des) (?:the )?$")
_TO = re.compile(
    r"(?i:\b(?:[a-z]+ed by|written by|led by|taught by|taught|(?:married|engaged|letters?|notes?|wrote|writes|speaks?|"
    r"spoke|talks?|listens|belongs?|belonged|according|introduced|lent|given|gave|left) to)) $"
)
#: Before a name with a title: a ship, a pub or a book.
_THE_TITLED = re.compile(r"\b[Tt]he (?!Rev|Hon|Dowager)[A-Z][a-z]+\.? $")
_FOND = frozenset(("little", "old", "young", "poor", "dear", "big", "late", "kleine", "petite", "petit"))
_UNSURE_TITLES = frozenset(
    ("captain", "chief", "general", "justice", "king", "major", "officer", "president", "prince", "princess", "queen")
)
#: Titles that are written small within a sentence.
_SMALL_TITLES = frozenset(
    ("don", "dona", "madame", "maitre", "monsieur", "seu", "signor", "signora", "sr", "sra", "tia", "tio")
)


#: Before a place, and before a person: "a letter from Edith".
_BEFORE_BOTH = frozenset(
    ("from", "of", "de", "di", "da", "do", "von", "van", "z", "od", "till", "fran", "fra", "para", "por")
)


def is_sure_title(word: str, behind: str) -> bool:
    """Whether a title makes a name of the word behind it: not "General Motors"."""
    return not (word in _UNSURE_TITLES and is_word(behind))


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of a run of capital words, which are given without accents."""

    text: str
    start: int
    #: The last word as it stands, with the ending of an owner.
    last: re.Match[str]
    words: Sequence[str]
    has_title: bool
    is_first: bool
    is_english: bool

    @property
    def has_owner(self) -> bool:
        """Whether the run ends as the name of an owner does."""
        return OWNER.search(self.last[0]) is not None

    def before(self) -> int:
        """The points for what stands before."""
        near = max(0, self.start - _NEAR)
        if self.has_title:
            return NEVER if _THE_TITLED.search(self.text, near, self.start) else 6
        if _CALLED.search(self.text, near, self.start):
            what = _CALLED_WHAT.search(self.text, near, self.start)
            return NEVER if what and folded(what[1]) in name_words()["things"] else 6
        said = _LAST_WORD.search(self.text, near, self.start)
        if said is None:
            return NEVER if self.text[: self.start].rstrip().endswith("&") else 0
        if (points := self._score_told(folded(said[1]), said)) is not None:
            return points
        return 0 if said[2] else self._score_before(folded(said[1]), near)

    def _score_told(self, word: str, said: re.Match[str]) -> int | None:
        """The points for a title, a calling or a point before; None for everything else."""
        lists, point = context_words(), said[2]
        if word in _FOND and not point:
            return 3
        if word in lists.titles and (said[1][0].isupper() or word in _SMALL_TITLES) and point != ",":
            return 6 if is_sure_title(word, self.words[0]) else 0
        if lists.is_calling(word):
            return 6 if not point else 5 if word in lists.kin else 2
        return None

    def _score_before(self, word: str, near: int) -> int:
        """The points for any other word before."""
        lists, words = context_words(), name_words()
        if word in words["named_before"] or word in words["places"] or word in words["things"]:
            return NEVER
        if _OF_THING.search(self.text, near, self.start):
            return NEVER
        if word in lists.before_things:
            is_both = word in _BEFORE_BOTH or (word == "a" and not self.is_english)
            return 0 if is_both and self._is_sure() else -3
        if word in lists.address or _TO.search(self.text, near, self.start):
            return 3
        return 1 if word in lists.before_names else -1 if word in lists.before_any and not self._is_sure() else 0

    def _is_sure(self) -> bool:
        lists, word = context_words(), self.words[0]
        return is_given(word) and word not in lists.towns and not lists.is_place(word)

    def behind(self, *, is_plural: bool) -> int:
        """The points for what stands behind a run, which may be the plural of a name."""
        behind = self.text[self.last.end() : self.last.end() + 60]
        follows = _CAPITAL_BEHIND.match(behind)
        if self.has_owner:
            is_body = follows and folded(follows[1]) in name_words()["bodies"]
            return NEVER if is_body else 3 if self.is_english else 1
        if is_plural and behind.startswith(("' ", "’ ")):
            return 3
        if behind.startswith((" &", "-", "’", "'")) or _NUMBER.match(behind):
            return NEVER
        return self._score_deed(behind, _WORD_BEHIND.match(behind))

    def _score_deed(self, behind: str, word: re.Match[str] | None) -> int:
        lists, said = context_words(), folded(word[1]) if word else ""
        is_body = word is not None and word[1][0].isupper() and said in name_words()["bodies"]
        if is_body or said in name_words()["named_after"]:
            return NEVER
        if not self.is_english:
            return NEVER if _OWN_NOUN.match(behind) and len(self.words) == 1 else 0
        is_deed = word and word[1].islower() and lists.is_deed(said, is_verb=self._has_clause())
        return 3 if is_deed or (self.is_first and behind.startswith((", ", " and "))) else 0

    def _has_clause(self) -> bool:
        """Whether a clause may begin here, so that a word in -s behind is rather a verb than a plural."""
        said = _LAST_WORD.search(self.text, max(0, self.start - _NEAR), self.start)
        if said is None or said[2] or not said[1].islower():
            return True
        return folded(said[1]) in context_words().before_names


_SEPARATOR = rf"(?:(?<=\b[{UPPER}])\. ?|(?<=\bSt)\. | )"
_RUN = re.compile(rf"(?<!{LETTER})(?<![\d_'’-]){CAPITAL}(?:{_SEPARATOR}(?:{PARTICLE}{{0,3}}(?:[dD]['’])?){CAPITAL})*")
_TOKEN = re.compile(CAPITAL)
_NICKNAMED = re.compile(rf"{CAPITAL} [\"“‘'(]{CAPITAL}[\"”’')] {CAPITAL}")
_INITIALS = rf"[{UPPER}]\.(?: ?[{UPPER}]\.)*(?! ?{CAPITAL})"
_INVERTED = re.compile(rf"(?<!\w)(?<![{UPPER}]\. )(?P<last>{CAPITAL}), (?P<first>{_INITIALS}|{CAPITAL})(?!\w)")
_BEGINS = re.compile(r"(?:^|[.!?:]|\n|[.!?] ?[\"”’])\s*[\"“‘'(«]?$")
#: Words with capitals inside, except names such as McCready and DeGroot.
_CAMEL = re.compile(r"(?!(?:Mc|Mac|De|Di|Du|La|Le|Fitz|Van|O)[A-Z][a-z])\w*[a-z][A-Z]|\w+-\w$")
_DEMONYM = re.compile(r"(?:ians?|eans|eses?|ish|ists?|isms?|ans|ites?|ing|ly)$")
_COUNTED = re.compile(r"\b(?:[Tt]he|two|three|four|five|six|both|other|these|those|all) $")
_JOINS = re.compile(
    r"(?:,? (?:and|or|und|y|et|e|och|i|en|og) |, |,? & )(?:little |old |young |the |die kleine |(?:M[rs]|Mrs|Dr)\.? )?$"
)
#: The most characters between two names of a list.
_BETWEEN = 16
_ENOUGH = 4
_SHORT = 5
_EPITHETS = frozenset(("big", "little", "old", "young"))


def find_mentions(text: str, taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the places of names (end excluded) that do not overlap those already found."""
    found = [*taken]
    lists = context_words()
    for start, end in _by_form(text):
        if _is_free(start, end, found):
            found.append((start, end))
            yield start, end
    # Most texts have no capital but that of a usual word at the beginning.
    matches = [match for match in _RUN.finditer(text) if not _is_usual(match[0].lower(), lists)]
    runs = [run for match in matches for run in _split_run(text, match, found, is_english=is_english(text))]
    pointed = [(*run.span, run.points()) for run in runs]
    # Twice, because a name may stand in a list before those that are surer.
    for start, end, points in (*pointed, *pointed):
        is_name = points >= _ENOUGH or (points > 0 and _is_listed(text, start, end, found))
        if is_name and _is_free(start, end, found) and not is_invented(text[start:end]):
            found.append((start, end))
            yield start, end


def _is_usual(word: str, lists: ContextWords) -> bool:
    """Return whether this is one usual word of English, and not a plural."""
    return word in lists.english and word[-1] != "s"


def begins_sentence(text: str, start: int) -> bool:
    """Return whether a sentence begins here."""
    return start == 0 or _BEGINS.search(text, max(0, start - 4), start) is not None


def _by_form(text: str) -> Iterator[tuple[int, int]]:
    """Yield names by their form alone: `Edwina "Winnie" Nkemelu`, `HATCH, Olive`, `Hatch, O.`."""
    for match in _NICKNAMED.finditer(text):
        if not is_word(folded(match[0].split(" ")[0])):
            yield match.start(), match.end() - len(match[0]) + len(OWNER.sub("", match[0]))
    lists = context_words()
    for match in _INVERTED.finditer(text):
        last, first = folded(match["last"]), match["first"]
        is_shouted = match["last"].isupper() and (len(last) > _SHORT or is_surname(last) or is_given(folded(first)))
        if lists.is_thing(last) or (is_word(last) and not is_shouted):
            continue
        if (first.endswith(".") and not lists.is_place(last)) or (is_shouted and not is_word(folded(first))):
            yield match.start(), match.end()


def _is_free(start: int, end: int, found: Sequence[tuple[int, int]]) -> bool:
    return all(end <= a or b <= start for a, b in found)


def _is_listed(text: str, start: int, end: int, found: Sequence[tuple[int, int]]) -> bool:
    """Return whether a run stands next to a name in a list."""
    gaps = [(b, start) if b <= start else (end, a) for a, b in found]
    return any(0 < b - a < _BETWEEN and _JOINS.fullmatch(text, a, b) for a, b in gaps)


def _split_run(
    text: str, match: re.Match[str], found: Sequence[tuple[int, int]], *, is_english: bool
) -> Iterator["_Run"]:
    """Yield the parts of a run that are free, each up to the possessive ending of its owner."""
    part: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text, *match.span()):
        is_free = _is_free(*token.span(), found)
        if part and (not is_free or OWNER.search(part[-1][0])):
            yield _trim_run(text, part, is_english=is_english)
            part = []
        if is_free:
            part.append(token)
    if part:
        yield _trim_run(text, part, is_english=is_english)


def _trim_run(text: str, tokens: Sequence[re.Match[str]], *, is_english: bool) -> "_Run":
    """Return the run without titles and without the word that begins a sentence."""
    lists, first, has_title = context_words(), 0, False
    words = [folded(OWNER.sub("", token[0])) for token in tokens]
    is_first = begins_sentence(text, tokens[0].start())
    while first < len(words) - 1 and not (words[first] in _EPITHETS and is_given(words[1])):
        word, behind = words[first], words[first + 1]
        if word in ("dear", "poor") or word in lists.titles or (lists.is_calling(word) and not is_english):
            # "Vecina de Santiago" tells nothing of Santiago.
            is_near = not text[tokens[first].end() : tokens[first + 1].start()].strip(" .")
            has_title = is_near and is_sure_title(word, behind)
        elif not _is_date_or_place(word, behind) and not (first == 0 and is_first and word in lists.starts):
            break
        first += 1
    is_first = is_first and not first
    context = Context(text, tokens[first].start(), tokens[-1], words[first:], has_title, is_first, is_english)
    return _Run(context, words[first:], tokens[first][0])


def _is_date_or_place(word: str, behind: str) -> bool:
    """Return whether a word is not part of the name after it: "every Tuesday Ibrahim", "in Kraków Zbigniew"."""
    words = name_words()
    if word in words["also_words"]:
        return False
    if word in words["others"]:
        return True
    is_other = is_given(word) or is_surname(word) or behind in words["bodies"] or is_word(behind)
    return context_words().is_place(word) and not is_other


@dataclass(frozen=True, slots=True)
class _Run:
    context: Context
    #: Without accents and endings of owners.
    words: Sequence[str]
    #: The first word as it stands.
    shown: str

    @property
    def span(self) -> tuple[int, int]:
        last = self.context.last
        owner = OWNER.search(last[0])
        return self.context.start, last.end() - (len(owner[0]) if owner else 0)

    def points(self) -> int:
        """Return how much speaks for a name: `_ENOUGH` and more make one."""
        context, is_plural = self.context, len(self.words) == 1 and _is_plural(self.words[0])
        behind = context.behind(is_plural=is_plural)
        if is_plural and behind > NEVER and _COUNTED.search(context.text, max(0, context.start - 12), context.start):
            return _ENOUGH
        before = context.before()
        if min(before, behind) <= NEVER:
            return NEVER
        if before < 0 and not is_given(self.words[0]):
            behind = 0  # the verb belongs to what stands before: "the sails of Whitby fill"
        return (self._score_single(self.words[0]) if len(self.words) == 1 else self._score_several()) + before + behind

    def _score_single(self, word: str) -> int:
        lists, is_english = context_words(), self.context.is_english
        if len(word) == 1 or lists.is_thing(word) or word in lists.titles or word in lists.english:
            return NEVER
        if _CAMEL.match(self.shown) or (not is_english and word in lists.starts):
            return NEVER
        small = self.shown.lower()
        if small in self.context.text and re.search(rf"(?<!\w){re.escape(small)}(?!\w)", self.context.text):
            return NEVER
        is_known = lists.is_place(word) or word in lists.famous
        if is_given(word):
            return 1 if is_known else 4
        if word in name_words()["also_words"]:
            return -4 if self.context.is_first else -2 if lists.is_place(word) else 1
        if is_known:
            return 0 if is_surname(word) and word not in lists.famous else -6
        return self._score_unknown(word)

    def _score_unknown(self, word: str) -> int:
        """Return the points of a word that is neither a given name nor known as something else."""
        is_first, is_english = self.context.is_first, self.context.is_english
        if OWNER.sub("", self.shown).isupper() and len(word) <= _SHORT:
            return -4
        if is_word(word) or (is_first and word in name_words()["surname_words"]):
            return -5 if is_first else -2
        if is_surname(word):
            return 3 if is_english else 1
        return (-3 if _DEMONYM.search(word) else 1) if is_english else -2

    def _score_several(self) -> int:
        words, last = name_words(), self.words[-1]
        if self._is_thing() or len(last) == 1:
            return NEVER
        if self.words[0] in _EPITHETS and is_given(last):
            return 3
        points = self._score_first()
        if is_surname(last) or is_given(last):
            return points + 2
        if last in words["surname_words"] or last in words["rare_surname_words"]:
            return points
        return points + (-1 if is_word(last) else 1)

    def _is_thing(self) -> bool:
        lists, words, first = context_words(), name_words(), self.words[0]
        if any(lists.is_thing(w) and (n or w not in words["also_words"]) for n, w in enumerate(self.words)):
            return True
        pair = f"{first}-{self.words[1]}"
        is_pair = any(pair in words[kind] for kind in ("no_persons", "two_word_places"))
        return is_pair or (first not in _EPITHETS and first in words["places"]) or first in words["named_before"]

    def _score_first(self) -> int:
        """Return the points of the first of several words."""
        first, is_first, is_english = self.words[0], self.context.is_first, self.context.is_english
        if is_given(first):
            return 4
        if not is_english and JOINS_NOUNS.search(self.context.text, self.context.start, self.context.last.end()):
            return NEVER
        if first in name_words()["also_words"]:
            return 2
        if len(first) == 1:
            return 3 if self.context.text.startswith(".", self.context.start + 1) else -4
        is_verb = is_first and first.endswith("s") and first[:-1] in name_words()["surname_words"]
        if is_verb or is_word(first) or context_words().is_place(first):
            return -4 if is_first or not is_word(first) else -2
        if is_surname(first):
            return 2
        return 2 - is_first if is_english else -1


def _is_plural(word: str) -> bool:
    """Return whether a word is the plural of a name, as a family is called."""
    lists = context_words()
    if not word.endswith("s") or is_word(word) or lists.is_thing(word) or lists.is_place(word):
        return False
    stems = (word[:-1], word[:-2] if word.endswith("es") else word[:-1])
    return any((is_given(stem) or is_surname(stem)) and not is_word(stem) for stem in stems)
