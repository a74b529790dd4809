"""Names of people: in Latin letters by lists of names and by context, in other scripts mostly by context."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from .word_lists import folded, is_invented, name_words, read_words

_CYRILLIC = re.compile(r"(?<!\w)([А-ЯЁІЇЄҐ][а-яёіїєґ’'-]+)((?: [А-ЯЁІЇЄҐ](?:\.|[а-яёіїєґ’'-]+)){1,2})")
_PATRONYMIC = re.compile(r"(?:ович|евич|ич|івна|ївна|овна|евна|йович|ьович)(?:[а-яії]{0,2})$")
_ONE_CYRILLIC = re.compile(r"(?<!\w)[А-ЯЁІЇЄҐ][а-яёіїєґ’'-]{2,}")
_SURNAME_CYRILLIC = re.compile(r"(?:[оеёи]ва?|[иы]на?|ск(?:ий|ая)|ц(?:кий|кая)|енко|чук|юк|ий|ая)$")
_CASE_ENDINGS = re.compile(r"(?:ою|ой|ей|ом|ем|єм|ем|ий|ый|ія|ья|[аяоуюиіїйыьеє])$")
_HAN_ENDS = "的是在和与跟了也就很喜从為为对對有曾将將因以被把让讓、，。；：（）"
_TITLES_HAN = "先生|女士|小姐|太太|夫人|总统|總統|主席|总理|總理|同志"
_TITLES_KANA = "さん|氏|様|先生|という|と名乗る|ちゃん|くん"
_HAN = re.compile(r"[\u3400-\u9fff\u3040-\u30ff々]{2,5}(?: [\u3400-\u9fff\u3040-\u30ff々]{1,3})?")
_HANGUL = re.compile(r"[가-힣]{2,4}")
_CAPITALS = re.compile(r"(?:[А-ЯЁІЇЄҐ][а-яёіїєґ’'-]+ ?){1,3}")
#: Two to four words in Arabic, Devanagari, Bengali, Tamil, Thai, Greek, Hebrew, Georgian or Armenian letters.
_OTHER = re.compile(
    r"(?:[\u0600-\u06ff]+|[\u0900-\u097f]+|[\u0980-\u09ff]+|[\u0b80-\u0bff]+|[\u0e00-\u0e7f]+|[\u0370-\u03ff\u1f00-\u1fff]+|"
    r"[\u0590-\u05ff]+|[\u10a0-\u10ff]+|[\u0530-\u058f]+)(?: [\u0370-\u10ff\u1f00-\u1fff]+){1,3}"
)
_ARABIC = re.compile(r"(?:اسمه|اسمها|يدعى|تدعى|المدعو|المدعوة) (?P<name>[\u0621-\u064a]+ [\u0621-\u064a]+)")


def find_foreign_names(text: str) -> Iterator[tuple[int, int]]:
    """The places (end excluded) of names in Cyrillic, Chinese, Japanese, Korean, Devanagari and Arabic script."""
    if text.isascii():
        return
    yield from _cyrillic(text)
    for pattern in _patterns():
        for match in pattern.finditer(text):
            yield match.span("name")


def is_foreign_name(value: str) -> bool:
    """Whether a value under a heading for names is a name in another script than Latin."""
    lists, value = name_words(), value.strip()
    if _HAN.fullmatch(value):
        return value[0] in lists["han"]["surnames"] or any(
            value.startswith(name) for kind in ("double_surnames", "japanese") for name in lists["han"][kind]
        )
    if _HANGUL.fullmatch(value):
        return value[0] in lists["hangul"]["surnames"]
    if _CAPITALS.fullmatch(value):
        return any(_stem(word) in lists["cyrillic"]["given"] or _PATRONYMIC.search(word) for word in value.split())
    return _OTHER.fullmatch(value) is not None


def _cyrillic(text: str) -> Iterator[tuple[int, int]]:
    lists = name_words()["cyrillic"]
    for match in _CYRILLIC.finditer(text):
        before = re.search(r"(\w+)\.? $", text[max(0, match.start() - 16) : match.start()])
        if before and before[1].lower() in lists["named_after"]:
            continue
        rest = match[2].split()
        is_given = [len(word) > 2 and _stem(word) in lists["given"] for word in (match[1], *rest)]
        if not any(is_given) and not any(_PATRONYMIC.search(word) for word in rest):
            continue
        # The first word of a sentence is capitalised too, so the first of three words may be no name.
        is_more = len(rest) > 1 and not is_given[0] and (is_given[1] or match.start() == 0)
        start = match.start() + (len(match[1]) + 1 if is_more else 0)
        if len(rest) > 1 and is_given[1] and not is_given[0] and _SURNAME_CYRILLIC.search(match[1]):
            start = match.start()
        if len(rest) > 1 or is_given[0] or match.start():
            yield start, match.end()
    for match in _ONE_CYRILLIC.finditer(text):
        before = re.search(r"(\w+)\.? $", text[max(0, match.start() - 16) : match.start()])
        is_other = (before and before[1].lower() in lists["named_after"]) or match[0].lower() in lists["words"]
        if not is_other and _stem(match[0]) in lists["given"]:
            yield match.span()


def _stem(word: str) -> str:
    word = word.lower()
    return word if word in name_words()["cyrillic"]["given"] else _CASE_ENDINGS.sub("", word)


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    lists = name_words()
    han = rf"(?:{'|'.join(sorted(lists['han']['double_surnames']))}|[{''.join(sorted(lists['han']['surnames']))}])"
    given = rf"[^\W\d_a-zA-Z{_HAN_ENDS}]"
    one = rf"(?P<name>{han}{given}{{1,2}}?)"
    japanese = "|".join(sorted(lists["han"]["japanese"], key=len, reverse=True))
    indian = "|".join(sorted(lists["devanagari"]["families"], key=len, reverse=True))
    korean = rf"[{''.join(sorted(lists['hangul']['surnames']))}][가-힣]{{2}}"
    return (
        re.compile(
            rf"(?:名叫|叫做|叫作|名为|名為|名字是|名字叫|姓名是|姓名[:：]|本名|原名|他叫|她叫){one}(?=[{_HAN_ENDS}]|$)"
        ),
        re.compile(rf"(?:名叫|叫做|叫作|名为|名為|名字是|名字叫|姓名[:：]|他叫|她叫)(?P<name>{han}{given}{{2}})"),
        re.compile(
            rf"(?:主席|总统|總統|总理|作家|诗人|詩人|歌手|演员|演員|导演|導演|科学家|画家|企业家)(?P<name>{han}{given}{{2}})(?=[{_HAN_ENDS}]|$)"
        ),
        re.compile(rf"(?P<name>(?!白人|高[龄级]|年){han}{given}{{1,2}}?)(?={_TITLES_HAN})"),
        re.compile(rf"(?P<name>(?:{japanese})[\u4e00-\u9fff\u3041-\u3096\u30a1-\u30fa]{{1,4}}?)(?={_TITLES_KANA})"),
        re.compile(rf"(?P<name>(?:{japanese}))(?=さん|氏|様|先生)"),
        re.compile(rf"(?<![가-힣])(?P<name>{korean})(?=\s?(?:씨|님|선생|교수|박사|대통령|이라는|라는|이라고))"),
        re.compile(rf"이름[은이] (?P<name>{korean})"),
        re.compile(rf"(?<!\S)(?P<name>[\u0900-\u097f]+ (?:{indian}))(?![\u0900-\u097f])"),
        re.compile(rf"^(?P<name>{han}{given}{{2}})(?=是[^，。]{{0,9}}?[一个]?[名位])"),
        _ARABIC,
    )


#: Words whose kinds are remembered: the common ones of a corpus.
_CACHED = 65_536
#: The most words of a name after the first.
_LONGEST = 3
UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĶĹĻĽŁŃŅŇŌŎŐŒŔŖŘŚŜŞȘŠŢȚŤŨŪŬŮŰŲŴŶŸŹŻŽƠƯ\u1e00-\u1eff"
#: With the marks of letters that are written as two characters.
LETTER = "[A-Za-zÀ-ÖØ-öø-\u024f\u1e00-\u1eff\u0300-\u036f]"
CAPITAL = rf"[{UPPER}]{LETTER}*(?:['’‑-]{LETTER}+)*"
PARTICLE = r"(?:(?:van|von|de|da|das|dos|do|du|della|del|di|bin|ibn|bint|al|el|la|le|der|den|ter|ten|zu|zur|y) )"
#: A run of capitalised words with initials and particles; a point ends it unless it follows an initial.
_RUN = re.compile(rf"(?<!{LETTER})(?<![\d_'’-]){CAPITAL}(?:(?:(?<=\b[{UPPER}])\. ?| ){PARTICLE}{{0,3}}{CAPITAL})+")
_WORDS = re.compile(rf"{LETTER}+")
_TOKEN = re.compile(CAPITAL)
OWNER = re.compile(r"['’][sS]?$")
_COMPOUND = re.compile(r"-(?:style|like|esque|inspired|era|led|born|based|type|themed)$")
_TITLED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Dame|Lady|Lord|Herr|Frau|Señora?|Madame|Monsieur|Mme|Signora?|Senhora?|"
    r"President|Judge|Justice|Miss|Pastor|Senator|Governor|Chancellor|Sheikh|Imam|Rabbi|Reverend)\.? "
    rf"(?P<name>{CAPITAL}(?: {PARTICLE}{{0,3}}{CAPITAL}){{0,2}})"
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
_OF = frozenset((" de ", " da ", " di ", " do ", " du ", " van ", " von "))
#: Endings of inflected English words.
_ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "ly")
#: Particles that may be capitalised within a name.
_CAPITAL_PARTICLES = frozenset(("da", "de", "del", "della", "der", "di", "du", "el", "la", "le", "van", "von"))
_BEFORE_A_PLACE = frozenset(("in", "at", "near", "from"))
_LOWER_BEHIND = re.compile(r" ([a-z]+)")
_PINYIN = re.compile(
    r"(?:(?:[bpmfdtnlgkhjqxrzcsyw]|zh|ch|sh)?(?:iang|iong|uang|ang|eng|ing|ong|iao|ian|uai|uan|ai|an|ao|ei|en|ia|ie|in|"
    r"iu|ou|ua|ue|ui|un|uo|a|e|i|o|u)(?:r?)-?){1,2}\Z"
)
_HANGUL_LATIN = re.compile(r"[a-z]{2,6}-[a-z]{2,6}\Z")


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """The places of names in a text (characters, end excluded); they may overlap."""
    for start, end in _all(text):
        if not is_invented(text[start:end]):
            yield start, end


def is_listed(value: str) -> bool:
    """Whether a value consists of possible names, in any case, of which a list has at least one."""
    words = [folded(word) for word in _WORDS.findall(value)]
    lists = name_words()
    kinds = ("given", "surnames", "also_words", "surname_words")
    is_known = any(word in lists[kind] for word in words for kind in kinds)
    return is_known and all(len(word) == 1 or word in lists["titles"] or _is_namelike(word) for word in words)


def _all(text: str) -> Iterator[tuple[int, int]]:
    for titled in _TITLED.finditer(text):
        yield from _titled(text, titled)
    for run in _RUN.finditer(text):
        yield from _run(text, _TOKEN.finditer(text, run.start(), run.end())).names()


def _titled(text: str, match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """The words after a title, up to the first that cannot belong to a name."""
    row = _run(text, _TOKEN.finditer(text, *match.span("name")))
    lists = name_words()
    no_names = lists["others"] | lists["behind_titles"] | lists["titles"]
    ends = (n for n, word in enumerate(row.words) if word in no_names or (n and not _is_namelike(word)))
    known = next(ends, len(row.words))
    behind = _TOKEN.match(text, match.end() + 1)
    words = (*row.words, _word(behind)) if behind else row.words
    if known and lists["bodies"].isdisjoint(words):
        yield row.tokens[0].start(), _end(row.tokens[known - 1])


def _run(text: str, found: Iterator[re.Match[str]]) -> "_CapitalRun":
    tokens = tuple(found)
    return _CapitalRun(text, tokens, tuple(map(_word, tokens)))


@dataclass(frozen=True, slots=True)
class _CapitalRun:
    """A run of capitalised words, with their forms without accents and endings."""

    text: str
    tokens: Sequence[re.Match[str]]
    words: Sequence[str]

    def names(self) -> Iterator[tuple[int, int]]:
        """The places of the names in the run."""
        first = 0
        while first < len(self.words) - 1:
            last = self._last(first)
            if last > first and not self._is_thing(first, last):
                yield self.tokens[first].start(), _end(self.tokens[last])
            first = max(first, last) + 1

    def _last(self, first: int) -> int:
        """The index of the last word of the name that begins here; 0 when none does."""
        lists, one = name_words(), self.words[first]
        is_initial = len(one) == 1 and self.text.startswith(".", self.tokens[first].end())
        if (
            (one in lists["others"] and not is_initial)
            or one in lists["titles"]
            or one in lists["named_before"]
            or one in lists["relations"]
            or (first == 0 and one in lists["sentence_words"] and _begins(self.text, self.tokens[0].start()))
            or folded(self._before(first)) in lists["places"] | lists["named_before"]
        ):
            return 0
        last = first
        initials = sum(len(word) == 1 for word in self.words[first:])
        while last < min(len(self.words) - 1, first + _LONGEST + initials) and self._goes_on(first, last + 1):
            last += 1
        while last > first and (self.words[last] in _CAPITAL_PARTICLES or self._is_from(last)):
            last -= 1
        return last if last > first and self._is_name(first, last) else 0

    def _is_from(self, last: int) -> bool:
        """Whether the last word is the town that somebody is of: "Moussa de Dakar"."""
        between = self.text[self.tokens[last - 1].end() : self.tokens[last].start()]
        return between in _OF and self.words[last] in _towns() and not is_surname(self.words[last])

    def _goes_on(self, first: int, number: int) -> bool:
        lists, word = name_words(), self.words[number]
        if OWNER.search(self.tokens[number - 1][0]) or _NUMERAL.match(self.tokens[number][0]):
            return False
        if word == "st":
            return False
        if word in lists["bodies"]:
            return number == first + 1 and word in lists["surname_words"] and is_given(self.words[first])
        if word in lists["rare_surname_words"]:
            return is_given(self.words[first])
        return word in _CAPITAL_PARTICLES or _is_namelike(word)

    def _is_thing(self, first: int, last: int) -> bool:
        """Whether the words, or the one after them, show that this is no person."""
        lists = name_words()
        pair = f"{self.words[first]}-{self.words[first + 1]}"
        if self.text.endswith(("the ", "The "), 0, self.tokens[first].start()):
            return True
        if pair in lists["no_persons"] or pair in lists["two_word_places"] or pair in lists["no_names"]:
            return True
        if last + 1 < len(self.words) and self._joined(last):
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
            is_place = one in lists["also_places"] and before in lists["before_places"]
            is_sure = has_surname or not (is_place or one in lists["also_places"] or rest[0] in lists["surname_words"])
            return is_sure or (rest[0] in lists["surname_words"] and not is_place and not _begins(self.text, start))
        is_like = _is_namelike(one) and one not in lists["places"] and one not in lists["bodies"]
        if is_like and (has_surname or (is_surname(one) and is_given(rest[0]))) and before not in _BEFORE_A_PLACE:
            return True
        return _is_eastern(one, rest[0]) or (is_like and _is_called(self.text, start, self.tokens[last].end()))

    def _before(self, first: int) -> str:
        """The capitalised word before this one, or an empty string."""
        if first:
            return self.words[first - 1] if self._joined(first - 1) else ""
        start = self.tokens[0].start()
        word = _last_word(self.text[max(0, start - _NEAR) : start].removesuffix(" ").removesuffix("."))
        return word.lower() if word[:1].isupper() or folded(word) in name_words()["named_before"] else ""

    def _joined(self, number: int) -> bool:
        between = self.text[self.tokens[number].end() : self.tokens[number + 1].start()]
        return not between.strip(" .")


@cache
def _towns() -> frozenset[str]:
    return frozenset(read_words("places")["place_names"].split())


@lru_cache(_CACHED)
def is_given(word: str) -> bool:
    """Whether a list has this word, or its first part, as a given name."""
    given = name_words()["given"]
    return word in given or _pieces(word)[0] in given


@lru_cache(_CACHED)
def is_surname(word: str) -> bool:
    """Whether a list has this word as a surname, or it ends like one."""
    surnames = name_words()["surnames"]
    return bool(_SURNAME.match(word)) or word in surnames or any(piece in surnames for piece in _pieces(word))


def _is_namelike(word: str) -> bool:
    """Whether a word may belong to a name: a list of names has it, or no list of words does."""
    lists = name_words()
    if word in lists["others"]:
        return word in lists["surnames_and_others"]
    if any(word in lists[name] for name in ("given", "also_words", "surnames", "surname_words")):
        return True
    return not all(map(is_word, _pieces(word)))


@lru_cache(_CACHED)
def is_word(word: str) -> bool:
    """Whether this is an English word, inflected or not."""
    words, others = name_words()["vocabulary"], name_words()["rare_surname_words"]
    stems = (word[: -len(end)] for end in _ENDINGS if word.endswith(end))
    return word in words or word in others or any(stem in words or f"{stem}e" in words for stem in stems)


def _pieces(word: str) -> list[str]:
    return _DIVIDED.split(word)


def _is_eastern(one: str, other: str) -> bool:
    """Whether these are a surname and a given name in Chinese or Korean order."""
    lists = name_words()
    if one not in lists["first_surnames"]:
        return False
    is_chinese = one not in lists["first_surnames_and_words"] and len(other) > len("li") and _PINYIN.match(other)
    return bool(is_chinese or _HANGUL_LATIN.match(other))


def _is_called(text: str, start: int, end: int) -> bool:
    """Whether the words around say that this is a name."""
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
    return folded(OWNER.sub("", token[0]))


def _end(token: re.Match[str]) -> int:
    behind = OWNER.search(token[0]) or _COMPOUND.search(token[0])
    return token.end() - (len(behind[0]) if behind else 0)
