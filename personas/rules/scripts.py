"""Names of people in scripts other than Latin: by lists of names, and by words that stand beside names."""

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

from .languages import MARKS, folded, read_words

_RANGES = {
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": "\u0400-\u052f",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u06ff",
    "devanagari": "\u0900-\u097f",
    "bengali": "\u0980-\u09ff",
}
_CASED = frozenset(("greek", "cyrillic"))
_ENDINGS = {
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
_TOKEN = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{MARKS}])*(?:[’'-](?:[^\W\d_]|[{MARKS}])+)*")
_FOREIGN = re.compile(rf"[{''.join(_RANGES.values())}]")
_LONGEST = 4
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
    for pattern in _patterns():
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
    han, kana, hangul = map(_lists, ("han", "kana", "hangul"))
    families = (*kana["surnames"], *han["double_surnames"], *han["surnames"], *hangul["surnames"])
    known = max((family for family in families if name.startswith(family)), key=len, default=name)
    given = name[len(known) :].strip()
    return given if len(given) <= _LONGEST else ""


@cache
def _lists(script: str) -> Mapping[str, frozenset[str]]:
    lists = {kind: frozenset(words.split()) for kind, words in read_words("scripts")[script].items()}
    if script in ("han", "hangul"):
        lists["surnames"] = frozenset("".join(lists["surnames"]))
    return {"surnames": frozenset[str](), "words": frozenset[str](), "links": frozenset[str](), **lists}


def _find_spaced(text: str, script: str) -> Iterator[tuple[int, int]]:
    inside = re.compile(f"[{_RANGES[script]}]")
    tokens = [token for token in _TOKEN.finditer(text) if inside.match(token[0])]
    place = 0
    while place < len(tokens):
        length = _name_length(text, tokens[place : place + _LONGEST], tokens[place - 1 : place], script)
        if length:
            yield tokens[place].start(), tokens[place + length - 1].end()
        place += length or 1


def _name_length(text: str, tokens: list[re.Match[str]], before: list[re.Match[str]], script: str) -> int:
    """Count the words of the name that begins with the first token; 0 if none does."""
    lists, is_cased = _lists(script), script in _CASED
    near = before[0] if before and tokens[0].start() - before[0].end() <= len("., ") else None
    cue = folded(near[0]) if near and text[near.end() : tokens[0].start()].strip() in ("", ".", ":") else ""
    is_lower = is_cased and not tokens[0][0][0].isupper()
    if is_lower or cue in lists.get("named_after", ()) or folded(tokens[0][0]) in lists["before"]:
        return 0
    is_cued = cue in lists["before"] or (near is not None and near[0] in lists["before"])
    kinds = [_kind(token[0], script) for token in tokens]
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
    is_word = _stem(tokens[0][0], script) in lists["words"] or folded(tokens[0][0]) in lists["words"]
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
def _kind(word: str, script: str) -> str:
    """Return `given`, `surname` or an empty string."""
    lists, stem = _lists(script), _stem(word, script)
    if len(word) > 1 and (stem in lists["given"] or folded(word) in lists["given"]):
        return "given"
    is_surname = stem in lists["surnames"] or (script in _CASED and _FAMILY.search(folded(word)))
    return "surname" if is_surname or folded(word) in lists["links"] else ""


def _stem(word: str, script: str) -> str:
    plain = word.lower() if script == "cyrillic" else folded(word)
    return plain if script not in _ENDINGS or plain in _lists(script)["given"] else _ENDINGS[script].sub("", plain)


def _any(words: frozenset[str]) -> str:
    return f"(?:{'|'.join(sorted(words, key=lambda word: (-len(word), word)))})"


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Compile what finds names in scripts without spaces, and in Hangul with its particles."""
    han, kana, hangul, thai = map(_lists, ("han", "kana", "hangul", "thai"))
    chinese = f"(?:{_any(han['double_surnames'])}|{_any(han['surnames'])})"
    letter = f"[{''.join(han['letters'])}]"
    pair = f"[{''.join(han['letters'] | han['more_letters'])}]{{2}}"
    cues = "|".join(f"(?<={cue})" for cue in sorted(han["before"] | han["called"]))
    begins = rf"(?:^|(?<=[\s，。、；：！？“「（(和与跟同])|{cues})"
    ends = r"(?=[，。、；！？”」）)和与跟是的在说今出也曾将从对把]|$|\s)"
    family, korean = _any(kana["surnames"]), _any(hangul["surnames"])
    apart, particle = rf"(?<![{_HAN}])", r"(?=[はがとをにのもで、。」（]|です|さん|ちゃん|くん|$)"
    two = _any(frozenset(name for name in kana["surnames"] if len(name) > 1))
    thai_last = rf"(?:{_any(thai['surnames'])}|[\u0e00-\u0e7f]{{2,16}}(?=\s|$))"
    sources = (
        rf"(?P<name>{chinese}{_any(han['given'])})",
        rf"{begins}(?P<name>{chinese}(?:{pair}|{letter})){ends}",
        rf"{_any(han['called'])}(?P<name>{chinese}[{_HAN}]{{1,2}}?){ends}",
        rf"{_any(han['before'])}(?P<name>{chinese}[{_HAN}]{{2}}){ends}",
        rf"^(?P<name>{chinese}[{_HAN}]{{2}})(?=是[^，。]{{0,9}}?[一个]?[名位])",
        rf"{begins}(?P<name>{chinese}{pair})(?=[采拍开常因带老每当教写画唱学会爱用为])",
        rf"(?:{begins}|(?<=[的是为请找被称]))(?P<name>{chinese}(?:{letter}|{pair})??)(?={_any(han['titles'])})",
        rf"{apart}(?P<name>{family} ?{_any(kana['given'])})",
        rf"{apart}(?P<name>{two}(?!先生|選手|監督|[県市村町橋駅区川山島都府道郡大小中高会社店寺神線家城湖湾港線系員]|技研|自動車|工業|製薬|製鉄|電機|建設)[{_HAN}]{{1,3}}){particle}",
        rf"{apart}(?P<name>{family})(?={_any(kana['titles'])})",
        rf"{apart}(?P<name>{_any(frozenset(name for name in kana['given'] if len(name) > 1))}){particle}",
        r"(?:^|(?<=[。、「（の]))(?P<name>[ァ-ヴー]{2,}・[ァ-ヴー]{2,})(?=は|さん|氏)",
        rf"{_any(kana['before'])}(?P<name>{_any(kana['given'])}){particle}",
        rf"(?<![가-힣])(?P<name>{korean}{_any(hangul['given'])})",
        rf"(?<![가-힣])(?P<name>{korean}[가-힣]{{2}})(?=\s?{_any(hangul['titles'])})",
        rf"(?<![가-힣]){_any(hangul['before'])} (?P<name>{korean}[가-힣]{{2}})(?=[은는이가을를의과와]|\s|[,.]|$)",
        rf"{_any(thai['before'])} ?(?P<name>{_any(thai['given'])}(?: {thai_last})?)",
        rf"(?<![\u0e00-\u0e7f])(?P<name>{_any(thai['given'])} {thai_last})",
    )
    return tuple(map(re.compile, sources))
