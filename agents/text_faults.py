"""What a text takes over from elsewhere, and whose voice it has: the writer's, an assistant's, a language model's.

The functions need nothing but texts. Those that find something return the offending words, or "".
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache

from ..core.text import word_list, words
from ..personas.rules.languages import known_languages, match_beginning, read_words
from ..personas.rules.quality import function_words

#: Words in a row that a text may not share with the persona's description, and with an example that it was shown.
PERSONA_RUN, EXAMPLE_RUN = 7, 9
#: Where each character is a word, so many of them stand for a word.
_UNSPACED_FACTOR = 2
#: Characters of a text's beginning in which a refusal says that something cannot be done.
_OPENING = 240

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
#: How a self-introduction begins, up to the word for the role, by language.
_INTRODUCTIONS = {
    "en": r"(?:as|being|speaking as|working as|i am|i['’]m|im|my (?:job|work) (?:is|as)) (?:an?|the)",
    "de": r"(?:als|ich bin|ich arbeite als)(?: ein[er]?)?",
    "fr": r"(?:en tant que?|je suis|étant|comme)(?: une?)?",
    "es": r"(?:como|soy|trabajo (?:como|de)|siendo)(?: una?)?",
    "pt": r"(?:como|sou|eu sou|trabalho como|sendo)(?: uma?)?",
    "it": r"(?:come|sono|in qualità di|lavoro come|essendo)(?: un[ao]?)?",
    "nl": r"(?:als|ik ben|ik werk als)(?: een)?",
}
#: The same where each character is a word.
_UNSPACED_INTRODUCTIONS = {
    "zh": r"(?:作为|身为|我是)(?:一[名个位])?",
    "ja": r"(?:私は|僕は|わたしは)",
}
#: A self-introduction in Japanese, where the role comes first.
_JAPANESE = re.compile(r"([\u3040-\u30ff\u4e00-\u9fff]{2,12})(?:として|の立場)")
#: Words that say in a refusal that something is not done.
_CANNOT = re.compile(
    r"\b(?:can(?:no|['’])t|cannot|can not|unable|not able|won['’]t|will not|not (?:comfortable|allowed|permitted)"
    r"|decline|must refuse|against my|kann\b.*?\bnicht|kann keine|nicht möglich|ne peux|ne suis pas|impossible"
    r"|no puedo|não posso|non posso|kan\b.*?\bniet|не могу)\b|无法|不能|不便|抱歉|できません|いたしかねます|出来ません",
    re.IGNORECASE | re.DOTALL,
)
#: Refusals that need no further sign.
_CERTAIN = re.compile(
    r"^\W*(?:as an? (?:ai|artificial intelligence|language model)\b[^.]{0,80}\b(?:cannot|can['’]t|not|unable)"
    r"|i (?:cannot|can['’]t|won['’]t|am unable to|['’]m unable to) (?:help|assist|comply|provide|write|create|fulfil)"
    r"|i must decline|作为(?:一个)?(?:人工智能|AI|语言模型)[^。]{0,40}(?:无法|不能))",
    re.IGNORECASE,
)


#: What a language model calls itself in English, with no further noun behind it: an "AI engineer" is somebody else.
_A_MODEL = (
    r"an? (?:large |helpful )?(?:(?:ai|artificial intelligence)(?: language)?(?: model| assistant| chatbot)?"
    r"|language model)(?=$|,|\W(?! ?\w)| (?:i|my|we|and|so|that)\b)"
)
#: What a language model says of itself, at the beginning of a sentence; "As an AI, you ..." is said to one.
_MODEL = re.compile(
    r"(?:^|(?<=[.!?。！？…]))[\s\"“„«'‘*_-]*(?:"
    rf"as {_A_MODEL}(?=[^.!?]{{0,40}}\b(?:i|my|we)\b|(?![^.!?]{{0,60}}\byou))|i(?:['’]m| am) (?:just |only )?{_A_MODEL}"
    r"|als (?:eine? )?(?:KI\b|großes Sprachmodell|Sprachmodell|künstliche Intelligenz)"
    r"|en tant qu(?:e |['’])(?:une? )?(?:IA\b|modèle de langage|intelligence artificielle)"
    r"|como (?:una? )?(?:IA\b|modelo de (?:lenguaje|linguagem|lengua)|inteligencia artificial)"
    r"|作为(?:一个|一款|一名)?(?:大型|大)?(?:人工智能|AI|语言模型)|(?:AI|人工知能|言語モデル)として)",
    re.IGNORECASE,
)


def shared_run(text: str, source: str, least: int) -> str:
    """Return the first run of `least` or more words that `text` shares with `source`, in lower case, or "".

    If each character of the source is a word, twice as many count.
    """
    have, (known, shared, is_unspaced) = _words_in(text)[0], _words_in(source)
    size = least * _UNSPACED_FACTOR if is_unspaced else least
    if len(have) < size or "+" * size not in "".join(["+" if word in shared else "-" for word in have]):
        return ""  # most texts: so many words in a row that are in the source at all are rare
    grams = set(_iter_grams(known, size))
    found = next((at for at, gram in enumerate(_iter_grams(have, size)) if gram in grams), None)
    if found is None:
        return ""
    between = "" if size != least else " "
    return between.join(have[found : found + size])


@lru_cache(maxsize=2048)
def _words_in(text: str) -> tuple[list[str], frozenset[str], bool]:
    """Return the words in order, the set of them, and whether most are single characters without spaces."""
    have = word_list(text)
    unspaced = 0 if text.isascii() else sum(len(word) == 1 and bool(_UNSPACED.match(word)) for word in have)
    return have, frozenset(have), 2 * unspaced > len(have)


def _iter_grams(tokens: list[str], size: int) -> Iterator[tuple[str, ...]]:
    return zip(*(tokens[at:] for at in range(size)), strict=False)


def self_introduction(text: str, persona: str) -> str:
    """Return the words by which `text` says that its writer is what the description `persona` says, or "".

    "As a night nurse, I ..." matches a description that begins "A night nurse who ...", but "As a treat, I ..." does
    not.
    """
    is_what = _head_words(persona)
    if not is_what.isdisjoint(words(text)):  # else nothing in the text can name the role
        for pattern in _introduction_patterns():
            for found in pattern.finditer(text):
                if is_what & _words_of(found["what"]):
                    return found[0]
    if text.isascii():
        return ""
    opening = re.split(r"[.;:。；：]", persona, maxsplit=1)[0].casefold()
    for pattern in _unspaced_introductions():
        for found in pattern.finditer(text):
            told = found["what"]
            if any(told[:size] in opening for size in range(min(6, len(told)), 1, -1)):
                return found[0]
    return next((found[0] for found in _JAPANESE.finditer(text) if found[1][-2:] in opening), "")


@cache
def _introduction_patterns() -> tuple[re.Pattern[str], ...]:
    what = r"(?P<what>(?:[\w'’-]+[ ]?){1,5})"
    return tuple(re.compile(rf"(?<!\w)(?:{lead})\s+{what}", re.IGNORECASE) for lead in _INTRODUCTIONS.values())


@cache
def _unspaced_introductions() -> tuple[re.Pattern[str], ...]:
    what = r"(?P<what>[\u3040-\u30ff\u4e00-\u9fff]{2,12})"
    return tuple(re.compile(rf"(?:{lead}){what}", re.IGNORECASE) for lead in _UNSPACED_INTRODUCTIONS.values())


#: Words that describe many people and name no role.
_GENERAL = words(
    "young old middle aged retired person people man woman someone somebody year years years-old small town big large "
    "good careful quiet shy tidy cheerful stubborn blunt patient curious with from that whose their late early first"
)


@lru_cache(maxsize=1024)
def _head_words(persona: str) -> frozenset[str]:
    return _words_of(_description_head(persona))


def _description_head(persona: str) -> str:
    """Return the words before the first clause of a description, among which the role is."""
    return re.split(r"[,.;:(]|\b(?:who|whose|with|in|from|at|die|der|qui|que|che)\b", persona, maxsplit=1)[0]


def _words_of(text: str) -> frozenset[str]:
    return frozenset(word for word in words(text) if len(word) > 3) - _GENERAL


def speaks_as_model(text: str) -> bool:
    """Return whether a sentence of the text is a language model's about itself: "As an AI language model, I ..."."""
    return bool(_MODEL.search(text))


def is_refusal(text: str) -> bool:
    """Return whether a text declines, in one of the known languages, to give what was asked for.

    An apology alone does not count: "I'm sorry to hear that" goes on to help.
    """
    if _CERTAIN.match(text):
        return True
    opening = text.strip()[:_OPENING]
    if not _apology_pattern().match(opening):
        return False
    first = re.split(r"(?<=[.!?。！？])\s*", opening)[:2]
    return bool(_CANNOT.search(" ".join(first)))


@cache
def _apology_pattern() -> re.Pattern[str]:
    return match_beginning(language.sorry for language in known_languages().values())


_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s*")

#: Shares of a text's words that one source may hold in a row, from so many words on.
_ECHO_SHARE, _ECHO_WORDS = 0.7, 5


def find_echo(text: str, sources: Iterable[str], *, run: int = EXAMPLE_RUN) -> str:
    """Find consecutive words taken from one of the sources: `run` of them, or fewer that are most of the text."""
    text = text[:_ECHO_END]
    have, _, is_unspaced = _words_in(text)
    size = len(have) / (_UNSPACED_FACTOR if is_unspaced else 1)
    least = min(run, math.ceil(_ECHO_SHARE * size))
    return next(filter(None, (shared_run(text, one, least) for one in sources)), "") if size >= _ECHO_WORDS else ""


def find_said_again(text: str, lines: Sequence[str], *, least: int = 6) -> str:
    """Find a whole sentence of a text, of `least` words or more, that stands in one of the lines.

    Shorter ones may well come again.
    """
    for sentence in _SENTENCE_END.split(text[:_ECHO_END]) if lines else ():
        have, _, is_unspaced = _words_in(sentence)
        size = len(have) // (_UNSPACED_FACTOR if is_unspaced else 1)
        runs = (shared_run(sentence, line, size) for line in lines if size >= least)
        if found := next(filter(None, runs), ""):
            return found
    return ""


def find_prompt_words(text: str, instructions: str, persona: str = "") -> str:
    """Find the content words of a text that is made of words of the prompt's own instructions.

    Where they are many, words of the persona's description tell neither way. Nothing is found if each character is a
    word.
    """
    have, _, is_unspaced = _words_in(text[:_ECHO_END])
    told = [word for word in dict.fromkeys(have) if len(word) > _SHORT and word not in function_words()]
    if is_unspaced or len(have) < _ECHO_WORDS or len(told) < _FEWEST_TOLD:
        return ""
    shared = [word for word in told if word in _words_in(instructions)[1]]
    if len(shared) >= _MANY_TOLD:
        described = _words_in(persona)[1]
        told, shared = ([word for word in some if word not in described] for some in (told, shared))
    least = _PROMPT_SHARE if len(shared) < _MANY_TOLD else _MANY_SHARE
    return " ".join(shared[:_SHOWN_WORDS]) if len(shared) >= least * len(told) > 0 else ""


def find_key(text: str, keys: Iterable[str]) -> str:
    """Find what only a prompt says: a tag, a name before the line, a key of an agent (n1), or the step."""
    known = set(keys)
    if tag := _TAG.search(text):
        return tag[0]
    before, colon, _ = text.partition(":")
    if colon and before.strip() and before.strip() in known:
        return f"{before.strip()}:"
    return next((found[0] for found in _KEY.finditer(text) if found["clock"] or found[0] in known), "")


def find_self_address(text: str, name: str, others: Iterable[str]) -> str:
    """Find where a text addresses its own speaker, as "Hey Brenda!" said by Brenda, unless another is called so."""
    first = name.partition(" ")[0]
    if len(first) < _SHORT or any(first in one.split() for one in others):
        return ""
    called = re.escape(first)
    for place, sentence in enumerate(_SENTENCE_END.split(text[:_ECHO_END]) if first in text else ()):
        opening = None if place else re.match(rf"\W*((?:[\w'’]+ ){{0,2}}{called}\s?[,!?.])", sentence)
        found = opening or re.search(rf"(,\s{called}\s?[.!?]+)\W*$", sentence)
        if found and not _PRESENTS.search(sentence):
            return found[1]
    return ""


def find_other_actor(text: str, others: Iterable[str]) -> str:
    """Find the opening that tells what somebody else does, as in a novel: "Maureen Lowry smiles and says"."""
    for name in others:
        if text.startswith(name) and (found := _ACTS.match(text, len(name))):
            return f"{name}{found[0]}"
    return ""


_ACTS = re.compile(
    r" (?:\w+ly )?(?:smiles|nods|looks|says|asks|shakes|turns|stands|walks|sighs|laughs|replies|answers|takes|tells)\b"
)

#: Words by which somebody says their own name.
_PRESENTS = re.compile(
    r"\b(?:i am|i['’]m|it['’]?s|it is|this is|name|called?|bin|heiße|suis|appelle|soy|llamo|sono|chiamo)\b",
    re.IGNORECASE,
)

_TAG = re.compile(
    r"</?(?:persona|now|goal|neighbours|news|memory|tools|posts|conversation|task|world|request|message-\d+|example)\b[^<>]*>"
)
_KEY = re.compile(r"(?<![\w.])(?:n\d{1,3}(?!\w)|(?P<clock>[Ii]t is step \d+))")

#: Letters of a word without content of its own; the fewest others of a text, and their share, that show the prompt.
_SHORT, _FEWEST_TOLD, _PROMPT_SHARE, _SHOWN_WORDS = 2, 3, 0.8, 6
#: Shared words from which on those of the description are left out, and a smaller share shows the prompt.
_MANY_TOLD, _MANY_SHARE = 5, 0.75
#: Letters that the forms of a word have in common.
_STEM = 4

#: Words in a row that no text shares with the instructions by chance.
PROMPT_RUN = 6
#: Characters read at either end of a text for an assistant's voice, and for an echo.
_END, _ECHO_END = 1_000, 6_000
#: What somebody quotes, they do not say.
_QUOTED = re.compile(r"\"[^\"]*\"|[“„][^“”]*[“”]|«[^«»]*»|「[^「」]*」|『[^『』]*』")


def find_assistant_voice(text: str) -> str:
    """Find the words of an assistant that offers its services: one sure phrase, or two that a shopkeeper may use.

    Quotations do not count, since somebody may repeat what a hotline said.
    """
    ends = text if len(text) <= 2 * _END else f"{text[:_END]} {text[-_END:]}"
    text = re.sub(r"^\W+", "", _QUOTED.sub(" ", ends.lower()))
    if found := _read_pattern("assistant").search(text) or _read_pattern("announced").match(text):
        return found[0].strip()
    offers = dict.fromkeys(found[0].strip() for found in _read_pattern("offers").finditer(text))
    return " ... ".join(offers) if len(offers) > 1 else ""


def find_no_request(text: str, persona: str = "") -> str:
    """Find the words of a text that describes the asker, the text itself, or answers, instead of making a request.

    A text whose content words are nearly all in the description describes the asker.
    """
    lower, head = text.lower(), word_list(_description_head(persona))
    if len(head) > 1 and word_list(lower[:_OPENING])[: len(head)] == head:
        return " ".join(head)
    found = _read_pattern("no_request").match(lower[:_OPENING]) or _read_pattern("portrait").match(lower[:_OPENING])
    if found and (found.re is not _read_pattern("portrait") or not _read_pattern("asks").search(lower)):
        return found[0].strip()
    about = _read_pattern("about_text").search(lower)
    if about and not _read_pattern("requests").search(lower):
        return about[0].strip()
    described = {word[:_STEM] for word in _words_in(persona)[1]}
    told = [word for word in dict.fromkeys(_words_in(lower)[0]) if len(word) > _SHORT and word not in function_words()]
    shared = [word for word in told if word[:_STEM] in described]
    return " ".join(shared) if len(shared) >= max(_MANY_TOLD, _PROMPT_SHARE * len(told)) else ""


def find_refusal(text: str) -> str:
    """Find the words by which a language model declines, but not somebody who declines an invitation.

    Narrower than `is_refusal`, for what people say: it needs a model's verbs (assist, provide, generate) and objects
    (request, content, guidelines). Quotations do not count.
    """
    start = _QUOTED.sub(" ", text[: 2 * _OPENING])
    lower = start.lower()
    found = _read_pattern("refusal").search(lower) or _read_pattern("curt").match(lower) or _MODEL.search(start)
    return found[0].strip() if found else ""


@cache
def _read_pattern(name: str) -> re.Pattern[str]:
    """Compile a list of `text_faults.toml`, for text in lower case."""
    lists = read_words("text_faults")
    patterns = [one.replace("CANT", lists["cant"]) for one in lists[name]]
    # Those that begin a word are tried at the beginnings of words only.
    words = [one.removeprefix(r"\b") for one in patterns if one.startswith(r"\b") and "|\b" not in one]
    others = [one for one in patterns if not (one.startswith(r"\b") and "|\b" not in one)]
    return re.compile("|".join([rf"\b(?:{'|'.join(words)})", *others] if words else others))
