"""The words of `mentions.toml` and `places.toml`: what they say of words that may be names, and of their neighbours."""

import re
from functools import cache, lru_cache

from .word_lists import folded, name_words, read_words

_WORD_BEHIND = re.compile(r" ([^\W\d_]+)")
_WORDS = re.compile(r"[^\W\d_]+")
#: A text with as many words is English only if it has one of the usual English words.
_FEWEST = 5


class ContextWords:
    """The lists as sets, without accents."""

    def __init__(self) -> None:
        lists = {name: frozenset(map(folded, said.split())) for name, said in read_words("mentions").items()}
        self.kin, self.roles, self.address = lists["kin"], lists["roles"], lists["address"]
        self.before_any, self.before_things = lists["before_any"], lists["before_things"]
        self.deeds, self.no_deeds, self.famous = lists["deeds"], lists["no_deeds"], lists["famous"]
        self.english, self.foreign = lists["english"], lists["foreign"]
        self.no_people, self.before_names = lists["no_people"], lists["before_names"]
        self.titles = (lists["more_titles"] | name_words()["titles"]) - {"saint"}
        places = read_words("places")
        self.places = frozenset(places["place_names"].split()) | lists["regions"]
        self.towns = frozenset(places["also_given"].split())
        kinds = ("english", "foreign", "before_things", "before_any", "before_names", "address")
        #: Words that begin a sentence and are no names.
        self.starts = frozenset[str]().union(*(lists[kind] for kind in kinds))

    def is_thing(self, word: str) -> bool:
        """Whether a word names a day, a people, a company, a body of people, or is its plural."""
        words = name_words()
        last = word.rpartition("-")[2]
        is_body = last in words["bodies"] or last in words["named_before"] or last.endswith(("strasse", "platz"))
        if last != word and is_body:
            return True
        kinds = (words["others"], words["bodies"], self.no_people)
        return any(one in kind for kind in kinds for one in (word, word.removesuffix("s")))

    def is_place(self, word: str) -> bool:
        """Whether a word names a place."""
        return word in self.places or word in name_words()["also_places"]

    def is_calling(self, word: str) -> bool:
        """Whether a word says what somebody is: "cousin", "carpenter"."""
        return word in self.kin or word in self.roles or word in name_words()["callings"]

    def is_deed(self, word: str, *, is_verb: bool) -> bool:
        """Whether a word behind a name says what somebody does; words in -s do only where a verb may stand."""
        if word in self.deeds:
            return True
        ending = ("ed", "s") if is_verb else ("ed",)
        return len(word) > 3 and word.endswith(ending) and not word.endswith(("ss", "us")) and word not in self.no_deeds


@cache
def context_words() -> ContextWords:
    """The lists, read once."""
    return ContextWords()


@lru_cache(maxsize=64)
def is_english(text: str) -> bool:
    """Check whether the usual words of a text are more often English than not."""
    lists, words = context_words(), _WORDS.findall(text)
    english = sum(word.lower() in lists.english for word in words)
    foreign = sum(folded(word) in lists.foreign or (word.islower() and not word.isascii()) for word in words)
    return english >= foreign and (english > 0 or len(words) < _FEWEST)


def harmless_words() -> frozenset[str]:
    """Words of which none is a name alone: peoples, companies, places and the usual English words."""
    lists, words = context_words(), name_words()
    return frozenset((*words["others"], *lists.no_people, *(lists.places - words["surname_words"]), *lists.english))


def has_deed_behind(text: str, end: int) -> bool:
    """Whether a word of what somebody does follows: "Baker rises"."""
    behind = _WORD_BEHIND.match(text, end)
    return behind is not None and behind[1].islower() and context_words().is_deed(folded(behind[1]), is_verb=True)
