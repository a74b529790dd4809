"""Names of people in other letters than Latin ones; without capitals, only where words around say that it is a name."""

import re
from collections.abc import Iterator
from functools import cache

from .word_lists import name_words

__all__ = ["find_foreign_names", "is_foreign_name"]

_CYRILLIC = re.compile(r"(?<!\w)([А-ЯЁІЇЄҐ][а-яёіїєґ’'-]+)((?: [А-ЯЁІЇЄҐ](?:\.|[а-яёіїєґ’'-]+)){1,2})")
_PATRONYMIC = re.compile(r"(?:ович|евич|ич|івна|ївна|овна|евна|йович|ьович)(?:[а-яії]{0,2})$")
_ENDINGS = re.compile(r"(?:ою|ой|ей|ом|ем|єм|ем|ий|ый|ія|ья|[аяоуюиіїйыьеє])$")
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
    """Where names in Cyrillic, Chinese, Japanese, Korean, Devanagari and Arabic letters stand (end excluded)."""
    if text.isascii():
        return
    yield from _cyrillic(text)
    for pattern in _patterns():
        for match in pattern.finditer(text):
            yield match.span("name")


def is_foreign_name(value: str) -> bool:
    """Whether a value under a heading that says so is a name in other letters than Latin ones."""
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
        # A sentence begins with a capital too: of three words the first may be no name.
        is_more = len(rest) > 1 and not is_given[0] and (is_given[1] or match.start() == 0)
        start = match.start() + (len(match[1]) + 1 if is_more else 0)
        if len(rest) > 1 or is_given[0] or match.start():
            yield start, match.end()


def _stem(word: str) -> str:
    word = word.lower()
    return word if word in name_words()["cyrillic"]["given"] else _ENDINGS.sub("", word)


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
        _ARABIC,
    )
