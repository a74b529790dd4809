"""The people around a person: what labels of relations mean, and the facts that a biography is given."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ..persona import canonical_text

#: The languages whose labels are understood.
LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "ja", "pt", "sw", "zh")

_TABLE = "tie_words.toml"
_SETTINGS = ("head", "of", "otherwise")
#: Models write labels in English about people of any language.
_ALWAYS = ("en",)
#: Languages that are unambiguous by script when none is stated; Chinese and Japanese share theirs.
_UNSTATED = {"und": ("ar", "hi")}
_ARTICLE = "\u0627\u0644"
_APOSTROPHES = re.compile("['\u2019]")
_HYPHENS = re.compile("[-\u2010\u2011\u2013]")
_MARKS = '.,;:!?()[]"\u201c\u201d\u201e\u00ab\u00bb'


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a label: what the target is to the source."""

    #: parent, child, grandparent, grandchild, sibling, spouse, employer, colleague, or other for one without a rule.
    relation: str
    #: Whether the tie is by marriage, adoption, former or the like, so that no age follows from it.
    is_otherwise: bool


@dataclass(frozen=True, slots=True)
class _Language:
    """The words of one language, and the structure of its labels."""

    head: str
    of: frozenset[str]
    otherwise: re.Pattern[str]
    #: The relation by the words of a phrase, or by its letters where there are no spaces.
    phrases: Mapping[str, str]
    #: Words, or letters, of the longest phrase.
    longest: int

    def read(self, label: str) -> Meaning | None:
        """The meaning of a label in lower case, if it is in this language."""
        found = next((phrase for phrase in self._candidates(label) if phrase in self.phrases), None)
        if found is None or self._is_of_another(label, found):
            return None
        return Meaning(self.phrases[found], self.otherwise.search(label) is not None)

    def _candidates(self, label: str) -> Iterator[str]:
        """The parts of a label that may be its head, the longest first."""
        if self.head == "end":
            yield from (label[-size:] for size in range(min(self.longest, len(label)), 0, -1))
            return
        words = _words(label)
        if self.head == "alone":
            yield from _alone(words)
            return
        for size in range(min(self.longest, len(words)), 0, -1):
            if self.head != "first":
                yield " ".join(words[-size:])
            if self.head != "last":
                yield " ".join(words[:size])

    def _is_of_another(self, label: str, found: str) -> bool:
        if self.head == "end":
            return not self.of.isdisjoint(label.removesuffix(found))
        rest = " ".join(_words(label)).replace(found, " ", 1)
        return not self.of.isdisjoint(_APOSTROPHES.sub(" ", rest).split())


def read_label(label: str, languages: Iterable[str] = ()) -> Meaning | None:
    """The meaning of a label in English, in one of these languages (BCP 47), or by its script.

    The longest known phrase counts. None for an unknown label, and for a relative of somebody else ("mother of her
    pupil").
    """
    folded = unicodedata.normalize("NFC", label.strip().casefold())
    tags = [language.partition("-")[0].lower() for language in languages]
    spoken = dict.fromkeys((*tags, *_ALWAYS, *(tag for one in tags for tag in _UNSTATED.get(one, ()))))
    known = _known()
    found = (known[language].read(folded) for language in spoken if language in known)
    return next((meaning for meaning in found if meaning is not None), None)


@cache
def _known() -> Mapping[str, _Language]:
    table = tomllib.loads(files(__package__).joinpath(_TABLE).read_text(encoding="utf-8"))
    return {language: _parsed(table[language]) for language in LANGUAGES}


def _parsed(entry: Mapping[str, Any]) -> _Language:
    relations = {name: words for name, words in entry.items() if name not in _SETTINGS}
    phrases = {_phrase(word): relation for relation, words in relations.items() for word in words}
    return _Language(
        entry["head"],
        frozenset(entry.get("of", ())),
        re.compile(entry["otherwise"]),
        phrases,
        max(len(phrase) if entry["head"] == "end" else len(phrase.split()) for phrase in phrases),
    )


def _phrase(word: str) -> str:
    return " ".join(_words(unicodedata.normalize("NFC", word.casefold())))


def _words(text: str) -> list[str]:
    """The words of a label; a hyphen separates words."""
    return [word for part in _HYPHENS.sub(" ", text).split() if (word := part.strip(_MARKS))]


def _alone(words: Sequence[str]) -> Iterator[str]:
    """The whole label; and its first word without the article, when the second is an adjective."""
    yield " ".join(words)
    has_article = [word.startswith(_ARTICLE) for word in words]
    if has_article == [True] or has_article == [True, True]:
        yield words[0].removeprefix(_ARTICLE)


_EDUCATION = (
    "early childhood education",
    "primary school",
    "lower secondary school",
    "upper secondary school",
    "training after school",
    "short-cycle tertiary education",
    "bachelor's degree",
    "master's degree",
    "doctorate",
)
_TOLD = {
    "age_band": "aged {}",
    "occupation": "{}",
    "education": "education: {}",
    "household": "household: {}",
    "region": "lives in {}",
    "languages": "speaks {}",
    "interests": "likes {}",
    "values": "holds to {}",
    "favourite_colour": "favourite colour {}",
    "favourite_number": "favourite number {}",
    "family_background": "family: {}",
    "life_events": "events: {}",
}


def told_facts(values: Mapping[str, Any], *, most: int | None = None) -> str:
    """The known attributes in one line, or the first `most` of them; empty when nothing is known."""
    facts = [
        form.format(_said(name, values[name])) for name, form in _TOLD.items() if values.get(name) not in (None, [])
    ]
    return "; ".join(facts[:most])


def estimated_tokens(text: str) -> int:
    """An estimate of the tokens of a text: one per four bytes of UTF-8."""
    return -(-len(text.encode()) // 4)


def _said(name: str, value: Any) -> str:
    if name == "education":
        return _EDUCATION[value]
    return ", ".join(value) if isinstance(value, list) else str(value)


#: The most characters of a description, and the most facts, that the prompt gives about one of them.
_PERSON = 300
_MOST_FACTS = 5
_BACK = {"parent": "child", "child": "parent", "grandparent": "grandchild", "grandchild": "grandparent"}


@dataclass(frozen=True, slots=True)
class Tied:
    """A person to whom a persona is tied, with what a biography needs to know."""

    persona: str
    #: What the other is to the persona ("mother"), or what the persona is to the other.
    label: str
    #: Whether the label says what the other is.
    is_theirs: bool
    text: str
    #: What is known of the other by attribute; empty without a profile.
    values: Mapping[str, Any]

    def told(self, key: str) -> str:
        """The line of the prompt about this person."""
        tie = f"this person's {self.label}" if self.is_theirs else f"this person is their {self.label}"
        facts = told_facts(self.values, most=_MOST_FACTS)
        return f"{key}: {tie}: {canonical_text(self.text)[:_PERSON]}" + (f" ({facts})" if facts else "")

    def relation(self, language: str) -> str | None:
        """What the other is to the persona (parent, child, ...); None when the label does not say, or by marriage."""
        meaning: Meaning | None = read_label(self.label, [language])
        if meaning is None or meaning.is_otherwise:
            return None
        return meaning.relation if self.is_theirs else _BACK.get(meaning.relation)
