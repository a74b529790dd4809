"""The language of a text, and its grammatical person: the first, the second (addressing the reader), or the third.

Languages are identified by py3langid, a naive Bayes classifier over byte n-grams of 139 languages (Lui and Baldwin,
"langid.py: An off-the-shelf language identification tool", ACL 2012), whose posterior probabilities are used as they
are. Grammatical person goes by the commonest words of 22 languages, as listed in `languages.toml`.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from ...core.inputs import UNKNOWN_LANGUAGE
from ...core.text import canonical_text

_BARRED = str.maketrans({"đ": "d", "ł": "l", "ø": "o", "ı": "i", "ß": "ss", "æ": "ae"})
#: Combining marks for a character class: accents, and the vowel signs of Indic scripts and Thai.
MARKS = "".join(c for c in map(chr, range(0x300, 0x3100)) if unicodedata.category(c)[0] == "M")


@cache
def read_words(name: str) -> Mapping[str, Any]:
    """The contents of the TOML file of this name, for example `names` for `names.toml`."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


@cache
def name_words() -> Mapping[str, Any]:
    """Read the lists of `names.toml` and `common.toml` as sets without accents."""
    lists = {**read_words("common"), **read_words("names")}
    return {name: frozenset(map(folded, words.split())) for name, words in lists.items()}


def folded(word: str) -> str:
    """The word in lower case and without accents."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.lower().translate(_BARRED))
    return "".join(character for character in plain if not unicodedata.combining(character))


def is_invented(name: str) -> bool:
    """Whether an invented name is among these words, which is then not personal data."""
    return any(_invented_pattern().fullmatch(word) for word in name.split())


@cache
def _invented_pattern() -> re.Pattern[str]:
    onset, first, middle, last = map(_any_part, ("onsets", "firsts", "middles", "lasts"))
    return re.compile(rf"{onset}(?:{first}|{middle}{last})")


def _any_part(name: str) -> str:
    return f"(?:{'|'.join(invented_parts(name))})"


@cache
def invented_parts(name: str) -> tuple[str, ...]:
    """The parts of this kind that invented names are made of."""
    return tuple(read_words("pseudonym")[name].split())


#: The least probability of a detected language.
_LEAST = 0.7
#: A text is in the language asked for from the first probability on. Below the second it is not, if another language
#: reaches the first. tests/personas/test_languages.py counts the errors of this rule.
_IS, _IS_NOT = 0.3, 0.02
#: The probability of English from which a text is not in a language that the classifier does not know.
_SURELY_ENGLISH = 0.9
#: Letters, in bytes of UTF-8, below which names and formulas are taken for languages.
_FEWEST_BYTES = 24
#: Languages of the classifier that count as another one: varieties, and older forms.
_COUNTED_AS = {
    "ary": "ar", "arz": "ar", "fil": "tl", "grc": "el", "hbo": "he", "nb": "no", "nn": "no", "pcm": "en", "sdh": "ku",
    "uzs": "uz", "wuu": "zh", "yue": "zh",
}  # fmt: skip
#: What is not prose: fenced code, formulas, addresses, names with underscores.
_NO_PROSE = re.compile(
    r"```.*?(?:```|\Z)|\$\$.*?\$\$|\$[^$\n]+\$|\\\(.*?\\\)|\\\[.*?\\\]|https?://\S+|\w*[^\W_]_\w+", re.DOTALL
)
_LETTERS = re.compile(r"[^\W\d_]+")
#: Words in common use in no other language. Two of them, or an article at the beginning and a preposition, show that a
#: text is English, unless there are words of another language.
_ENGLISH = (
    "the who whose with their they from which that while through about into been works working you your what how this "
    "these those could would should something anything there here when where because before after much many know think "
    "write please people without nobody somebody never things every always"
)
_OTHERS = (
    "der das und ein eine einer nicht het een les une des et qui que los las una por para con che della uma não och "
    "som att og på til jest nie się ve bir yang dan dengan"
)
#: English words that other languages have, too.
_SHORT = "a am an and as at be but by do for have i if in is it me my no not of on or so to we"
_ENGLISH_WORDS, _OTHER_WORDS, _SHORT_WORDS = (frozenset(of.split()) for of in (_ENGLISH, _OTHERS, _SHORT))
_BEGUN = r"^\s*(?:An?|The)\s.*\b(?:who|whose|with|from|that|of|and|for|near|at|by|works|working|his|her)\b"
_IS_ENGLISH = """
SELECT (regexp_matches(text, $begun) OR len(regexp_extract_all(text, $english)) > 1)
       AND NOT regexp_matches(text, $others) FROM texts
"""
#: Fewer Chinese characters do not show which language it is.
_FEWEST_HAN = 10


def detect_languages(texts: Sequence[str]) -> list[str]:
    """Return the BCP 47 tag of the language of each text; `und` if it is uncertain (a few words, a name alone)."""
    from ...core.arrow import engine, make_table

    with engine(texts=make_table({"text": texts}, {"text": "VARCHAR"})) as con:
        words = {
            name: rf"(?i)\b(?:{'|'.join(sorted(of))})\b"
            for name, of in (("english", _ENGLISH_WORDS), ("others", _OTHER_WORDS))
        }
        is_english = con.execute(_IS_ENGLISH, {"begun": _BEGUN, **words}).fetchall()
    return ["en" if said else _classify_language(text) for (said,), text in zip(is_english, texts, strict=True)]


def is_in_language(text: str, tag: str) -> bool | None:
    """Return whether a text is in the language with this BCP 47 tag; None if that cannot be told, as in short texts.

    Varieties count as their language: `pt-BR` as `pt`, Cantonese as Chinese. For a language that the classifier does
    not know, only English texts can be told not to be in it.
    """
    text = _NO_PROSE.sub(" ", text)
    words = _LETTERS.findall(text)
    if len("".join(words).encode("utf-8", "replace")) < _FEWEST_BYTES:
        return None
    if _base_language(tag) == "en" and (_is_plain_english(words) or sure_language(text) == "en"):
        return True  # the classifier takes ten times as long
    probabilities = _language_probabilities(text)
    if not is_known_language(tag):
        return False if probabilities["en"] >= _SURELY_ENGLISH else None
    asked = probabilities[_base_language(tag)]
    if asked >= _IS:
        return True
    best = max(probability for tag, probability in probabilities.items() if tag != "zxx")
    return False if asked < _IS_NOT and best >= _IS else None


def _is_plain_english(words: Sequence[str]) -> bool:
    """Tell whether enough English words and short words occur, and no word of another language."""
    lower = [word.lower() for word in words]
    own = sum(word in _ENGLISH_WORDS for word in lower)
    short = sum(word in _SHORT_WORDS for word in lower)
    return own > 0 and 2 * own + short >= max(4, len(words) / 5) and _OTHER_WORDS.isdisjoint(lower)


@lru_cache(maxsize=256)
def is_known_language(tag: str) -> bool:
    """Return whether texts in the language with this BCP 47 tag are recognised as such."""
    return _base_language(tag) in {_COUNTED_AS.get(label, label) for label in _load_classifier().labels}


def _base_language(tag: str) -> str:
    language = tag.partition("-")[0].lower()
    return _COUNTED_AS.get(language, language)


@lru_cache(maxsize=16)
def _language_probabilities(text: str) -> dict[str, float]:
    """Return the posterior probability of each language; `zxx` is text in no language."""
    found: dict[str, float] = {}
    for label, probability in _load_classifier().rank(canonical_text(text)):
        language = _COUNTED_AS.get(label, label)
        found[language] = found.get(language, 0.0) + float(probability)
    return found


def _classify_language(text: str) -> str:
    letters = "".join(_LETTERS.findall(canonical_text(text)))
    is_han = bool(letters) and all("\u3400" <= letter <= "\u9fff" for letter in letters)
    if not letters or (is_han and len(letters) < _FEWEST_HAN):
        return UNKNOWN_LANGUAGE
    probabilities = _language_probabilities(text)
    tag = max(probabilities, key=probabilities.__getitem__)
    return tag if probabilities[tag] >= _LEAST and tag != "zxx" else UNKNOWN_LANGUAGE


@cache
def _load_classifier() -> Any:
    # Takes half a second to load, and is not needed for English texts.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


#: The fewest words of a language on which a text is judged.
_FEWEST = 3
_WORD = re.compile(r"[^\W\d_]+(?:[\u0300-\u036f\u0900-\u097f]+[^\W\d_]*)*")
#: No letter of a script with spaces may follow; in other scripts it may.
_END = r"(?![^\W\u0e00-\u0eff\u3000-\u9fff\uac00-\ud7af])"


@dataclass(frozen=True, slots=True)
class LanguageWords:
    """The words and patterns of one language; `languages.toml` explains them."""

    common: frozenset[str]
    self: frozenset[str]
    opens: str
    sorry: str
    here: str


@cache
def known_languages() -> dict[str, LanguageWords]:
    """Return the known languages, by tag."""
    return {tag: _language_words(said) for tag, said in read_words("languages").items()}


def _language_words(said: dict[str, str]) -> LanguageWords:
    words = {name: frozenset(said[name].split()) for name in ("common", "self")}
    return LanguageWords(**words, opens=said["opens"], sorry=said["sorry"], here=said["here"])


def match_beginning(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that matches any of these patterns at the beginning of a text, as whole words."""
    return re.compile(rf"^\W*(?:{'|'.join(patterns)}){_END}", re.IGNORECASE)


def sure_language(text: str) -> str | None:
    """Return the tag of the language of a text if it is certain, else None."""
    votes = sorted(_count_votes(text).items(), key=lambda vote: -vote[1])[:2]
    if not votes or votes[0][1] < _FEWEST:
        return None
    second = votes[1][1] if len(votes) > 1 else 0
    return votes[0][0] if votes[0][1] > 1.5 * second else None


@lru_cache(maxsize=4)
def _count_votes(text: str) -> dict[str, int]:
    votes: dict[str, int] = {}
    for tags in filter(None, map(_by_word().get, _WORD.findall(text.lower()))):
        for tag in tags:
            votes[tag] = votes.get(tag, 0) + 1
    return votes


@cache
def _by_word() -> dict[str, tuple[str, ...]]:
    known = known_languages()
    words = {word for language in known.values() for word in language.common}
    return {word: tuple(tag for tag, language in known.items() if word in language.common) for word in words}


_CAPITAL_I = re.compile(
    r"(?P<before>[\w'’.-]+)?(?P<gap>[^\w'’.]*\s|^\W*)I(?P<after>['’](?:m|ve|d|ll)\b| [a-z][a-z'’]+)"
)
_LONE_I = re.compile(r"\bI\b")
_ENGLISH_SELF = re.compile(
    r"(?<![\w'’.-])(?:i['’](?:m|ve|d|ll)|me|myself|my)(?![\w'’-])"
    r"|^\W*My [a-z]|[.!?] My [a-z]"
    r"|\b(?:of|is|was|are|were) mine(?=\W*$|[,.;:!?]|\s(?:who|that|from|since|and|but)\b)"
    r"|^\W*Mine is\b|(?<![\w'’])[jJ]['’](?=[aeiouhéêy])"
)
_HAN_SELF = re.compile(
    r"(?<![自忘大小无無唯])我(?![国國市省区區军軍行校])|(?<![公])(?:私|僕|俺|わたし|ぼく)(?:は|が|の|も|を|に|たち)"
)

_FIRST = re.compile(r"^\W*(?:i am|i['’]m)\s+(?P<rest>(?:an?|the)\s+\S.*)$", re.IGNORECASE | re.DOTALL)
_SECOND = re.compile(r"^\W*(?:you are|you['’]re)\s+(?P<rest>(?:an?|the)\s+\S.*)$", re.IGNORECASE | re.DOTALL)
_TO_SOMEBODY = re.compile(
    r"^\W*(?:you are|you['’]re|imagine (?:you|that|a)|du bist|sie sind ein|tu es|vous êtes|eres|usted es|você é"
    r"|sei un|jij bent|je bent|jesteś|sen bir|вы\b|ты\b|ви\b|ти\b|wewe ni|आप|तुम|أنت|you(?:['’]ll| will| work| live))"
    r"(?![^\W\u0e00-\u0eff\u3000-\u9fff])|^\W*(?:你是|您是|你叫|あなたは|당신은)",
    re.IGNORECASE,
)
_YOU = re.compile(r"(?<![\w'’-])(?:you|your|yours|yourself)(?![\w'’-])", re.IGNORECASE)

_WORD_OF_SPEAKER = re.compile(r"[^\W\d_]+(?:[\u0900-\u097f]+[^\W\d_]*)*")
#: Scripts that only one of the known languages uses.
_ALONE = re.compile(
    "(?P<el>[\u0370-\u03ff]{2})|(?P<he>[\u0590-\u05ff]{2})|(?P<hi>[\u0900-\u097f]{2})|(?P<ko>[\uac00-\ud7af]{2})"
)


def speaks_of_itself(text: str) -> bool:
    """Return whether a text is in the first person, in any known language; quotations do not count."""
    text = _without_quotes(text)
    return bool(
        _opening_pattern().search(text) or _ENGLISH_SELF.search(text) or _has_capital_i(text) or _HAN_SELF.search(text)
    ) or _in_their_language(text)


def speaks_to_somebody(text: str) -> bool:
    """Return whether a text addresses the reader, as instructions to a model do."""
    return _TO_SOMEBODY.search(text) is not None


def from_outside(text: str) -> str | None:
    """Return the description in the third person if that is certain (in English, for one clause), else None."""
    match = _FIRST.match(text) or _SECOND.match(text)
    if match is None:
        return None
    rest = match["rest"]
    is_sure = not (speaks_of_itself(rest) or _YOU.search(_without_quotes(rest)) or _own_verb().search(rest))
    return rest[0].upper() + rest[1:] if is_sure else None


def _has_capital_i(text: str) -> bool:
    if "I" not in text or not _LONE_I.search(text):
        return False
    return any(_is_somebody(match) for match in _CAPITAL_I.finditer(text))


def _is_somebody(match: re.Match[str]) -> bool:
    before, after = match["before"], match["after"].strip()
    if after in _word_list("no_verbs") or (before or "").lower() in _word_list("numbered"):
        return False
    ends = any(mark in match["gap"] for mark in ".!?,;:—–(") or (before or "").endswith((".", "!", "?"))
    verbs = _word_list("verbs") | _word_list("more_verbs")
    is_verb = after.startswith(("'", "’")) or after in verbs or after.endswith("ed")
    return not before or ends or before.lower() in _word_list("conjunctions") or (before.islower() and is_verb)


def _in_their_language(text: str) -> bool:
    tag = sure_language(text) or _by_script(text)
    if tag is None or not known_languages()[tag].self:
        return False
    # In the middle of a text a capitalised `Mia` or `Mir` is a name.
    words = _WORD_OF_SPEAKER.findall(text[:1].lower() + text[1:])
    return any(word in known_languages()[tag].self for word in words)


def _by_script(text: str) -> str | None:
    match = _ALONE.search(text)
    return match.lastgroup if match else None


@cache
def _opening_pattern() -> re.Pattern[str]:
    return match_beginning(language.opens for language in known_languages().values())


def _without_quotes(text: str) -> str:
    # A quotation with "I" does not make a description one in the first person.
    return re.sub(r"[\"“„«「『][^\"”“»」』]*[\"”“»」』]", " ", text)


@cache
def _own_verb() -> re.Pattern[str]:
    """Match a further first-person verb, which would not fit `she` or `he`: `I am a nurse and love birds`."""
    verbs = "|".join(sorted(_word_list("verbs")))
    joined = r"(?:\b(?:and|but|or|then|also|always|often|never|usually|who)|[,;.])"
    return re.compile(rf"{joined} (?:(?:also|always|often|never|still|now) )?(?:{verbs}|don['’]t)\b")


@cache
def _word_list(name: str) -> frozenset[str]:
    return frozenset(read_words("speaker")[name].split())
