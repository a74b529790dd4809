"""What stands before and behind a run of capital words, in points for and against its being somebody's name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .context_words import context_words
from .names import CAPITAL, OWNER, is_given, is_word
from .word_lists import folded, name_words

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
        if (points := self._told(folded(said[1]), said)) is not None:
            return points
        return 0 if said[2] else self._after(folded(said[1]), near)

    def _told(self, word: str, said: re.Match[str]) -> int | None:
        """The points for a title, a calling or a point before; None for everything else."""
        lists, point = context_words(), said[2]
        if word in _FOND and not point:
            return 3
        if word in lists.titles and (said[1][0].isupper() or word in _SMALL_TITLES) and point != ",":
            return 6 if is_sure_title(word, self.words[0]) else 0
        if point in (".", ";", ":"):
            return 0
        if lists.is_calling(word):
            return 6 if not point else 5 if word in lists.kin else 2
        return None

    def _after(self, word: str, near: int) -> int:
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
        return self._deed(behind, _WORD_BEHIND.match(behind))

    def _deed(self, behind: str, word: re.Match[str] | None) -> int:
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
