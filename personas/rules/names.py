"""Names of people, by lists of names and by context; in other scripts than Latin also by words beside them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from .languages import MARKS, folded, is_invented, name_words, read_words

_WORD_AFTER = re.compile(r" ([^\W\d_]+)")
_LISTED_WORDS = re.compile(r"[^\W\d_]+")
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
    lists, words = context_words(), _LISTED_WORDS.findall(text)
    english = sum(word.lower() in lists.english for word in words)
    foreign = sum(folded(word) in lists.foreign or (word.islower() and not word.isascii()) for word in words)
    return english >= foreign and (english > 0 or len(words) < _FEWEST)


def harmless_words() -> frozenset[str]:
    """Words of which none is a name alone: peoples, companies, places and the usual English words."""
    lists, words = context_words(), name_words()
    return frozenset((*words["others"], *lists.no_people, *(lists.places - words["surname_words"]), *lists.english))


def has_deed_behind(text: str, end: int) -> bool:
    """Whether a word of what somebody does follows: "Baker rises"."""
    behind = _WORD_AFTER.match(text, end)
    return behind is not None and behind[1].islower() and context_words().is_deed(folded(behind[1]), is_verb=True)


#: Words whose kinds are remembered: the common ones of a corpus.
_CACHED = 65_536
#: The most words of a name after the first.
_LONGEST = 3
UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĶĹĻĽŁŃŅŇŌŎŐŒŔŖŘŚŜŞȘŠŢȚŤŨŪŬŮŰŲŴŶŸŹŻŽƠƯ\u1e00-\u1eff"
#: With the marks of letters that are written as two characters.
LETTER = "[A-Za-zÀ-ÖØ-öø-\u024f\u1e00-\u1eff\u0300-\u036f]"
CAPITAL = rf"[{UPPER}]{LETTER}*(?:['’‑-]{LETTER}+)*"
PARTICLE = (
    r"(?:(?:van|von|de|da|das|dos|do|du|della|del|di|bin|ibn|bint|al|el|la|le|der|den|ter|ten|zu|zur|y) "
    r"|(?:a[dlnrstz]|ash|el)-)"
)
#: A run of capitalised words with initials and particles; a point ends it unless it follows an initial.
_RUN = re.compile(rf"(?<!{LETTER})(?<![\d_'’-]){CAPITAL}(?:(?:(?<=\b[{UPPER}])\. ?| ){PARTICLE}{{0,3}}{CAPITAL})+")
_WORDS = re.compile(rf"{LETTER}+")
_TOKEN = re.compile(CAPITAL)
#: Joins common nouns too: "Waschmaschinen von Miele".
JOINS_NOUNS = re.compile(r"(?<! van) (?:der|den|von|zur?) ")
OWNER = re.compile(r"['’][sS]?$")
_DEGREE = re.compile(r"(?:B|M|D|Ph|LL)\.(?:A|B|C|D|M|S|Sc|Ed|Eng|Com|Tech|Phil|Arch|Mus|Div|Res|Litt?)\b")
_COMPOUND = re.compile(r"-(?:style|like|esque|inspired|era|led|born|based|type|themed)$")
_TITLED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Dame|Lady|Lord|Herr|Frau|Señora?|Madame|Monsieur|Mme|Signora?|Senhora?|"
    r"President|Judge|Justice|Miss|Pastor|Senator|Governor|Chancellor|Sheikh|Imam|Rabbi|Reverend)\.? "
    rf"(?P<name>{CAPITAL}(?: {PARTICLE}{{0,3}}{CAPITAL}){{0,2}})"
)
_NEAR = 60
#: What may separate words without a space.
_INNER = re.compile(r"[\W\d_]")
_NUMERAL = re.compile(r"[IVX]{2,}\Z")
#: Common endings of surnames; a capitalised word before one is a given name.
SURNAME_ENDINGS = (
    "ovic|evic|escu|[oe]wsk[ia]|[oe]vsky|[bcdgklmnrtwz]sk[ai]|enko|opoulos|akis|sson|sdottir|[lnrt]sen|shvili|adze|"
    "zadeh|oglu|nyan"
)
_SURNAME = re.compile(rf"\w{{2,}}(?:{SURNAME_ENDINGS})\Z|(?:mc|mac|fitz)[a-z]{{4,}}\Z|o['’][a-z]{{3,}}\Z")
_DIVIDED = re.compile(r"['’‑-]")
#: Articles that also stand in names, before a surname.
_ARTICLES = frozenset((" den ", " der ", " das ", " el ", " la ", " le ", " y ", " zu ", " zur ", " al ", " del "))
#: Endings of inflected English words.
_ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "ly")
_LOWER_BEHIND = re.compile(r" ([a-z]+)")
_PINYIN = re.compile(
    r"(?:(?:[bpmfdtnlgkhjqxrzcsyw]|zh|ch|sh)?(?:iang|iong|uang|ang|eng|ing|ong|iao|ian|uai|uan|ai|an|ao|ei|en|ia|ie|in|"
    r"iu|ou|ua|ue|ui|un|uo|a|e|i|o|u)(?:r?)-?){1,2}\Z"
)
_HANGUL_LATIN = re.compile(r"[a-z]{2,6}-[a-z]{2,6}\Z")


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """Find the places of names in a text (characters, end excluded); they may overlap."""
    for start, end in _iter_names(text):
        if not is_invented(text[start:end]):
            yield start, end


def is_listed(value: str) -> bool:
    """Return whether a value consists of possible names, in any case, at least one of them from a list."""
    words = [folded(word) for word in _WORDS.findall(value)]
    lists = name_words()
    kinds = ("given", "surnames", "also_words", "surname_words")
    is_known = any(word in lists[kind] for word in words for kind in kinds)
    return is_known and all(len(word) == 1 or word in lists["titles"] or _is_namelike(word) for word in words)


def _iter_names(text: str) -> Iterator[tuple[int, int]]:
    for titled in _TITLED.finditer(text):
        yield from _titled_names(text, titled)
    for run in _RUN.finditer(text):
        yield from _make_run(text, _TOKEN.finditer(text, run.start(), run.end())).names()


def _titled_names(text: str, match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield the words after a title, up to the first that cannot belong to a name."""
    row = _make_run(text, _TOKEN.finditer(text, *match.span("name")))
    lists = name_words()
    no_names = lists["others"] | lists["titles"]
    ends = (n for n, word in enumerate(row.words) if word in no_names or (n and not _is_namelike(word)))
    known = next(ends, len(row.words))
    behind = _TOKEN.match(text, match.end() + 1)
    words = (*row.words, _bare_word(behind)) if behind else row.words
    if known and lists["bodies"].isdisjoint(words):
        yield row.tokens[0].start(), _bare_end(row.tokens[known - 1])


def _make_run(text: str, found: Iterator[re.Match[str]]) -> "_CapitalRun":
    tokens = tuple(found)
    return _CapitalRun(text, tokens, tuple(map(_bare_word, tokens)))


@dataclass(frozen=True, slots=True)
class _CapitalRun:
    """A run of capitalised words, with their forms without accents and endings."""

    text: str
    tokens: Sequence[re.Match[str]]
    words: Sequence[str]

    def names(self) -> Iterator[tuple[int, int]]:
        """Yield the places of the names in the run."""
        first = 0
        while first < len(self.words) - 1:
            last = self._last_of_name(first)
            if last > first and not self._is_thing(first, last):
                yield self.tokens[first].start(), _bare_end(self.tokens[last])
            first = max(first, last) + 1

    def _last_of_name(self, first: int) -> int:
        """Return the index of the last word of the name that begins here; 0 if none does."""
        lists, one = name_words(), self.words[first]
        is_initial = len(one) == 1 and self.text.startswith(".", self.tokens[first].end())
        if (
            (one in lists["others"] and not is_initial)
            or _DEGREE.match(self.text, self.tokens[first].start())
            or self._is_noun(first)
            or one in lists["titles"]
            or one in lists["named_before"]
            or self._is_start(first)
            or folded(self._word_before(first)) in lists["places"] | lists["named_before"]
        ):
            return 0
        last = first
        initials = sum(len(word) == 1 for word in self.words[first:])
        while last < min(len(self.words) - 1, first + _LONGEST + initials) and self._goes_on(first, last + 1):
            last += 1
        return last if last > first and self._is_name(first, last) else 0

    def _is_start(self, first: int) -> bool:
        """Check for a word before a name that belongs to its sentence: "Loves Miles Davis records"."""
        one, lists = self.words[first], context_words()
        is_known = is_given(one) or len(one) < 2
        if not is_known and not is_english(self.text) and one in lists.starts:
            return True
        is_usual = one in lists.english or one in lists.address
        is_start = one in name_words()["sentence_words"] or (is_usual and not is_known)
        return first == 0 and is_start and _begins_sentence(self.text, self.tokens[0].start())

    def _is_noun(self, first: int) -> bool:
        """Check for a noun, a title or a preposition before a name: "Kollegin Sabine Drexler", "Selon Aude"."""
        one, behind = self.words[first : first + 2]
        lists = context_words()
        if not is_english(self.text) and (lists.is_calling(one) or one in lists.titles):
            return True
        is_known = is_given(one) or len(one) == 1 or one in name_words()["first_surnames"]
        return not is_known and is_given(behind) and not is_english(self.text)

    def _goes_on(self, first: int, number: int) -> bool:
        lists, word = name_words(), self.words[number]
        if OWNER.search(self.tokens[number - 1][0]) or _NUMERAL.match(self.tokens[number][0]):
            return False
        if word == "st":
            return False
        between = self.text[self.tokens[number - 1].end() : self.tokens[number].start()]
        if between in _ARTICLES and not is_surname(word):
            return False
        if word in lists["bodies"]:
            return number == first + 1 and word in lists["surname_words"] and is_given(self.words[first])
        return _is_namelike(word)

    def _is_thing(self, first: int, last: int) -> bool:
        """Return whether the words, or the one after them, show that this is not a person."""
        lists = name_words()
        pair = f"{self.words[first]}-{self.words[first + 1]}"
        if self.text.endswith(("the ", "The "), 0, self.tokens[first].start()):
            return True
        if pair in lists["no_persons"] or pair in lists["two_word_places"]:
            return True
        if last + 1 < len(self.words) and self._is_joined(last):
            word = self.words[last + 1]
            is_title = word in lists["callings"] or word in lists["titles"] or word in lists["others"]
            return word in lists["bodies"] or not (is_title or OWNER.search(self.tokens[last][0]) or _is_namelike(word))
        behind = _LOWER_BEHIND.match(self.text, self.tokens[last].end())
        return behind is not None and behind[1] in lists["named_after"]

    def _is_name(self, first: int, last: int) -> bool:
        lists, one, rest = name_words(), self.words[first], self.words[first + 1 : last + 1]
        start = self.tokens[first].start()
        before = _last_word(self.text[max(0, start - _NEAR) : start].rstrip()).lower()
        if is_given(one):
            return True
        has_surname = any(map(is_surname, rest))
        if len(one) == 1:
            has_initials = len(rest) > 1 and len(rest[0]) == 1
            is_told = has_surname or has_initials or rest[-1] in lists["surname_words"]
            return is_told and len(rest[-1]) > 1 and self.text.startswith(".", self.tokens[first].end())
        if one in lists["also_words"]:
            is_place = one in lists["also_places"] and before in context_words().before_things
            is_sure = has_surname or not (is_place or one in lists["also_places"] or rest[0] in lists["surname_words"])
            return is_sure or (
                rest[0] in lists["surname_words"] and not is_place and not _begins_sentence(self.text, start)
            )
        is_like = _is_namelike(one) and one not in lists["places"] and one not in lists["bodies"]
        is_noun = _begins_sentence(self.text, start) or JOINS_NOUNS.search(self.text, start, self.tokens[last].end())
        is_like = is_like and (is_english(self.text) or not is_noun)
        has_two = has_surname or (is_surname(one) and is_given(rest[0]))
        if is_like and has_two and folded(before) not in context_words().before_things:
            return True
        return _is_eastern(one, rest[0]) or (is_like and before in lists["callings"])

    def _word_before(self, first: int) -> str:
        """Return the capitalised word before this one, or an empty string."""
        if first:
            return self.words[first - 1] if self._is_joined(first - 1) else ""
        start = self.tokens[0].start()
        word = _last_word(self.text[max(0, start - _NEAR) : start].removesuffix(" ").removesuffix("."))
        return word.lower() if word[:1].isupper() or folded(word) in name_words()["named_before"] else ""

    def _is_joined(self, number: int) -> bool:
        between = self.text[self.tokens[number].end() : self.tokens[number + 1].start()]
        return not between.strip(" .")


@lru_cache(_CACHED)
def is_given(word: str) -> bool:
    """Return whether a list has this word, or its first part, as a given name."""
    given = name_words()["given"]
    return word in given or _divide_word(word)[0] in given


@lru_cache(_CACHED)
def is_surname(word: str) -> bool:
    """Return whether a list has this word as a surname, or it ends like one."""
    surnames = name_words()["surnames"]
    return bool(_SURNAME.match(word)) or word in surnames or any(piece in surnames for piece in _divide_word(word))


def _is_namelike(word: str) -> bool:
    """Return whether a word may belong to a name: a list of names has it, or no list of words does."""
    lists = name_words()
    if word in lists["others"]:
        return False
    if any(word in lists[name] for name in ("given", "also_words", "surnames", "surname_words")):
        return True
    return not all(map(is_word, _divide_word(word)))


@lru_cache(_CACHED)
def is_word(word: str) -> bool:
    """Return whether this is an English word, inflected or not."""
    words, others = name_words()["vocabulary"], name_words()["rare_surname_words"]
    stems = [word[: -len(end)] for end in _ENDINGS if word.endswith(end)]
    is_adverb = word.endswith("ly") and word[:-2] in name_words()["surname_words"]
    return word in words or word in others or is_adverb or any(s in words or f"{s}e" in words for s in stems)


def _divide_word(word: str) -> list[str]:
    return _DIVIDED.split(word)


def _is_eastern(one: str, other: str) -> bool:
    """Return whether these are a surname and a given name in Chinese or Korean order."""
    lists = name_words()
    if one not in lists["first_surnames"]:
        return False
    return bool((len(other) > len("li") and _PINYIN.match(other)) or _HANGUL_LATIN.match(other))


def _last_word(text: str) -> str:
    word = text.rpartition(" ")[2]
    return word if word.isalpha() else _INNER.split(word)[-1]


def _begins_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'“‘(")
    return not before or before[-1] in ".!?:;"


def _bare_word(token: re.Match[str]) -> str:
    return folded(OWNER.sub("", token[0]))


def _bare_end(token: re.Match[str]) -> int:
    behind = OWNER.search(token[0]) or _COMPOUND.search(token[0])
    return token.end() - (len(behind[0]) if behind else 0)


_RANGES = {
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": "\u0400-\u052f",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u06ff",
    "devanagari": "\u0900-\u097f",
    "bengali": "\u0980-\u09ff",
}
_CASED = frozenset(("greek", "cyrillic"))
_SCRIPTS_ENDINGS = {
    "greek": re.compile(r"(?:ους|ος|ης|ας|ες|ου|[οηαευι])$"),
    "cyrillic": re.compile(r"(?:ою|ой|ей|ом|ем|єм|ий|ый|ія|ья|[аяоуюиіїйыьеє])$"),
}
_FAMILY = re.compile(
    r"(?:[оеё]ва?|[иы]на?|ск(?:ий|ая|ого|ой)|ц(?:кий|кая)|енко|чук|юк|ович[а-я]?|евич[а-я]?|[иії]ч|[оеї]вна|івна|"
    r"οπουλου|οπουλος|ακης|ακη|ιδης|ιδου|αδης|ογλου)$"
)
_NISBA = re.compile(r"ال\w{2,}ي\Z")
#: Behind "is called" in Arabic: no particle, and no verb or word with "and".
_NO_VERB = re.compile(r"(?![ويت])\w{3,}")
_SCRIPTS_TOKEN = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{MARKS}])*(?:[’'-](?:[^\W\d_]|[{MARKS}])+)*")
_FOREIGN = re.compile(rf"[{''.join(_RANGES.values())}]")
_SCRIPTS_LONGEST = 4
_HAN = "\u3400-\u9fff々"
#: Two to four words, of which the first is in a script from Greek to Georgian.
_WORDS_VALUE = re.compile(rf"(?=[\u0370-\u10ff])(?:[^\W\d_]|[{MARKS}])+(?: (?:[^\W\d_]|[{MARKS}])+){{1,3}}")


def find_foreign_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places (end excluded) of names in scripts other than Latin; they may overlap."""
    if text.isascii():
        return
    if _FOREIGN.search(text):
        for script in _RANGES:
            yield from _find_spaced(text, script)
    for pattern in _script_patterns():
        for match in pattern.finditer(text):
            yield match.span("name")


def short_forms(name: str) -> tuple[str, ...]:
    """Return the given name in a name of a script without spaces between words, if it is long enough to tell."""
    if "\u0e00" <= name[0] <= "\u0e7f":
        return tuple(word for word in name.split()[:1] if len(word) > 2)
    given = _given_name(name)
    return (given,) if len(given) > 1 else ()


def is_foreign_name(value: str) -> bool:
    """Check whether a value under a heading for names is a name in a script other than Latin."""
    value = value.strip()
    is_found = any(span == (0, len(value)) for span in find_foreign_names(value))
    return is_found or _given_name(value) != "" or _WORDS_VALUE.fullmatch(value) is not None


def _given_name(name: str) -> str:
    """Return what follows the family name in a Chinese, Japanese or Korean name of usual length."""
    han, kana, hangul = map(_script_lists, ("han", "kana", "hangul"))
    families = (*kana["surnames"], *han["double_surnames"], *han["surnames"], *hangul["surnames"])
    known = max((family for family in families if name.startswith(family)), key=len, default=name)
    given = name[len(known) :].strip()
    return given if len(given) <= _SCRIPTS_LONGEST else ""


@cache
def _script_lists(script: str) -> Mapping[str, frozenset[str]]:
    lists = {kind: frozenset(words.split()) for kind, words in read_words("scripts")[script].items()}
    if script in ("han", "hangul"):
        lists["surnames"] = frozenset("".join(lists["surnames"]))
    return {"surnames": frozenset[str](), "words": frozenset[str](), "links": frozenset[str](), **lists}


def _find_spaced(text: str, script: str) -> Iterator[tuple[int, int]]:
    inside = re.compile(f"[{_RANGES[script]}]")
    tokens = [token for token in _SCRIPTS_TOKEN.finditer(text) if inside.match(token[0])]
    place = 0
    while place < len(tokens):
        length = _name_length(text, tokens[place : place + _SCRIPTS_LONGEST], tokens[place - 1 : place], script)
        if length:
            yield tokens[place].start(), tokens[place + length - 1].end()
        place += length or 1


def _name_length(text: str, tokens: list[re.Match[str]], before: list[re.Match[str]], script: str) -> int:
    """Count the words of the name that begins with the first token; 0 if none does."""
    lists, is_cased = _script_lists(script), script in _CASED
    near = before[0] if before and tokens[0].start() - before[0].end() <= len("., ") else None
    cue = folded(near[0]) if near and text[near.end() : tokens[0].start()].strip() in ("", ".", ":") else ""
    is_lower = is_cased and not tokens[0][0][0].isupper()
    if is_lower or cue in lists.get("named_after", ()) or folded(tokens[0][0]) in lists["before"]:
        return 0
    is_cued = cue in lists["before"] or (near is not None and near[0] in lists["before"])
    kinds = [_name_kind(token[0], script) for token in tokens]
    if kinds[0] == "" and not (is_cued and (is_cased or "surname" in kinds[1:2])):
        return 0
    length = 1
    while length < len(tokens) and text[tokens[length - 1].end() : tokens[length].start()] == " ":
        word = tokens[length][0]
        is_part = word[0].isupper() if is_cased else kinds[length] != "" or _NISBA.match(folded(word))
        is_joined = folded(tokens[length - 1][0]) in lists["links"] or folded(word) in lists["links"]
        is_told = length == 1 and cue in lists.get("called", ()) and _NO_VERB.match(word)
        if not (is_part or is_joined or is_told):
            break
        length += 1
    while length > 1 and folded(tokens[length - 1][0]) in lists["links"]:
        length -= 1
    if length < len(tokens) and folded(tokens[length][0]) in lists.get("bodies", ()):
        return 0
    is_word = _name_stem(tokens[0][0], script) in lists["words"] or folded(tokens[0][0]) in lists["words"]
    is_agent = length < len(tokens) and folded(tokens[length][0]) in lists.get("agents", ()) and kinds[0] == "given"
    if is_cued or is_agent:
        return length
    if length > 1:
        is_name = "given" in kinds[:1] or (kinds[0] == "surname" and "given" in kinds[1:length])
        second = folded(tokens[1][0])
        is_pair = kinds[1] == "" or (second in lists["words"] and second not in lists["surnames"])
        return length if is_name and not (is_word and is_pair and not is_cased) else 0
    is_sure = len(tokens[0][0]) > 2 and not is_word if is_cased else folded(tokens[0][0]) in lists.get("sure", ())
    return 1 if kinds[0] == "given" and is_sure else 0


@lru_cache(maxsize=65_536)
def _name_kind(word: str, script: str) -> str:
    """Return `given`, `surname` or an empty string."""
    lists, stem = _script_lists(script), _name_stem(word, script)
    if len(word) > 1 and (stem in lists["given"] or folded(word) in lists["given"]):
        return "given"
    is_surname = stem in lists["surnames"] or (script in _CASED and _FAMILY.search(folded(word)))
    return "surname" if is_surname or folded(word) in lists["links"] else ""


def _name_stem(word: str, script: str) -> str:
    plain = word.lower() if script == "cyrillic" else folded(word)
    return (
        plain
        if script not in _SCRIPTS_ENDINGS or plain in _script_lists(script)["given"]
        else _SCRIPTS_ENDINGS[script].sub("", plain)
    )


def _any_of(words: frozenset[str]) -> str:
    return f"(?:{'|'.join(sorted(words, key=lambda word: (-len(word), word)))})"


@cache
def _script_patterns() -> tuple[re.Pattern[str], ...]:
    """Compile what finds names in scripts without spaces, and in Hangul with its particles."""
    han, kana, hangul, thai = map(_script_lists, ("han", "kana", "hangul", "thai"))
    chinese = f"(?:{_any_of(han['double_surnames'])}|{_any_of(han['surnames'])})"
    letter = f"[{''.join(han['letters'])}]"
    pair = f"[{''.join(han['letters'] | han['more_letters'])}]{{2}}"
    cues = "|".join(f"(?<={cue})" for cue in sorted(han["before"] | han["called"]))
    begins = rf"(?:^|(?<=[\s，。、；：！？“「（(和与跟同])|{cues})"
    ends = r"(?=[，。、；！？”」）)和与跟是的在说今出也曾将从对把]|$|\s)"
    family, korean = _any_of(kana["surnames"]), _any_of(hangul["surnames"])
    apart, particle = rf"(?<![{_HAN}])", r"(?=[はがとをにのもで、。」（]|です|さん|ちゃん|くん|$)"
    two = _any_of(frozenset(name for name in kana["surnames"] if len(name) > 1))
    thai_last = rf"(?:{_any_of(thai['surnames'])}|[\u0e00-\u0e7f]{{2,16}}(?=\s|$))"
    sources = (
        rf"(?P<name>{chinese}{_any_of(han['given'])})",
        rf"{begins}(?P<name>{chinese}(?:{pair}|{letter})){ends}",
        rf"{_any_of(han['called'])}(?P<name>{chinese}[{_HAN}]{{1,2}}?){ends}",
        rf"{_any_of(han['before'])}(?P<name>{chinese}[{_HAN}]{{2}}){ends}",
        rf"^(?P<name>{chinese}[{_HAN}]{{2}})(?=是[^，。]{{0,9}}?[一个]?[名位])",
        rf"{begins}(?P<name>{chinese}{pair})(?=[采拍开常因带老每当教写画唱学会爱用为])",
        rf"(?:{begins}|(?<=[的是为请找被称]))(?P<name>{chinese}(?:{letter}|{pair})??)(?={_any_of(han['titles'])})",
        rf"{apart}(?P<name>{family} ?{_any_of(kana['given'])})",
        rf"{apart}(?P<name>{two}(?!先生|選手|監督|[県市村町橋駅区川山島都府道郡大小中高会社店寺神線家城湖湾港線系員]|技研|自動車|工業|製薬|製鉄|電機|建設)[{_HAN}]{{1,3}}){particle}",
        rf"{apart}(?P<name>{family})(?={_any_of(kana['titles'])})",
        rf"{apart}(?P<name>{_any_of(frozenset(name for name in kana['given'] if len(name) > 1))}){particle}",
        r"(?:^|(?<=[。、「（の]))(?P<name>[ァ-ヴー]{2,}・[ァ-ヴー]{2,})(?=は|さん|氏)",
        rf"{_any_of(kana['before'])}(?P<name>{_any_of(kana['given'])}){particle}",
        rf"(?<![가-힣])(?P<name>{korean}{_any_of(hangul['given'])})",
        rf"(?<![가-힣])(?P<name>{korean}[가-힣]{{2}})(?=\s?{_any_of(hangul['titles'])})",
        rf"(?<![가-힣]){_any_of(hangul['before'])} (?P<name>{korean}[가-힣]{{2}})(?=[은는이가을를의과와]|\s|[,.]|$)",
        rf"{_any_of(thai['before'])} ?(?P<name>{_any_of(thai['given'])}(?: {thai_last})?)",
        rf"(?<![\u0e00-\u0e7f])(?P<name>{_any_of(thai['given'])} {thai_last})",
    )
    return tuple(map(re.compile, sources))
