"""Checks of text: what it takes over from the persona or the examples, its language, and refusals.

The functions need nothing but texts; the classes are checks that any action can list.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from ..personas.persona import word_list, words
from ..personas.rules.languages import beginning, is_in_language, known_languages
from .checks import CheckOutcome, CheckResult, failed, is_within, passed, undecided

if TYPE_CHECKING:
    from .actions import Action
    from .checks import CheckContext

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
    """The first words in a row, `least` or more, that `text` shares with `source`, in small letters; empty for none.

    Where each character of the source is a word, twice as many count.
    """
    have, known = word_list(text), word_list(source)
    unspaced = 0 if source.isascii() else sum(len(word) == 1 and bool(_UNSPACED.match(word)) for word in known)
    size = least * _UNSPACED_FACTOR if 2 * unspaced > len(known) else least
    shared = set(known)
    if "+" * size not in "".join("+" if word in shared else "-" for word in have):
        return ""  # most texts: so many words in a row that are in the source at all are rare
    grams = set(_grams(known, size))
    found = next((at for at, gram in enumerate(_grams(have, size)) if gram in grams), None)
    if found is None:
        return ""
    between = "" if size != least else " "
    return between.join(have[found : found + size])


def _grams(tokens: list[str], size: int) -> Iterator[tuple[str, ...]]:
    return zip(*(tokens[at:] for at in range(size)), strict=False)


def self_introduction(text: str, persona: str) -> str:
    """The words by which `text` says that its writer is what the description `persona` says; empty for none.

    "As a night nurse, I ..." is one of a description that begins "A night nurse who ..."; "As a treat, I ..." is none.
    """
    is_what = _head_words(persona)
    if not is_what.isdisjoint(words(text)):  # else nothing in the text can name the role
        for pattern in _introductions():
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
def _introductions() -> tuple[re.Pattern[str], ...]:
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
    # The role stands before the first clause; a description may begin with several words for it.
    head = re.split(r"[,.;:(]|\b(?:who|whose|with|in|from|at|die|der|qui|que|che)\b", persona, maxsplit=1)[0]
    return _words_of(head)


def _words_of(text: str) -> frozenset[str]:
    return frozenset(word for word in words(text) if len(word) > 3) - _GENERAL


def speaks_as_model(text: str) -> bool:
    """Whether a sentence of the text is that of a language model about itself: "As an AI language model, I ..."."""
    return bool(_MODEL.search(text))


def is_refusal(text: str) -> bool:
    """Whether a text declines, in one of the languages that are known, to give what was asked for.

    An apology alone is none: "I'm sorry to hear that" goes on to help.
    """
    if _CERTAIN.match(text):
        return True
    opening = text.strip()[:_OPENING]
    if not _sorry().match(opening):
        return False
    first = re.split(r"(?<=[.!?。！？])\s*", opening)[:2]
    return bool(_CANNOT.search(" ".join(first)))


@cache
def _sorry() -> re.Pattern[str]:
    return beginning(language.sorry for language in known_languages().values())


class TextCheck(ABC):
    """A check of texts: reads the fields that it declares, one by one, and names the first that does not pass.

    `reads` holds names of fields, each with all that lies within it; none stands for all strings of the action.
    """

    name: str
    version: int
    revises: bool

    def __init__(self, *, reads: tuple[str, ...] = ()) -> None:
        self.reads = reads

    @abstractmethod
    def judge_text(self, field: str, text: str, context: "CheckContext") -> CheckResult:
        """The result for one string."""

    async def judge(self, action: "Action", context: "CheckContext") -> CheckResult:
        """The first result that is not in favour, failures first."""
        return self.judge_texts(action.texts, context)

    def judge_texts(self, texts: Iterable[tuple[str, str]], context: "CheckContext") -> CheckResult:
        """The same for strings with the paths of their fields."""
        found = [
            replace(result, field=result.field or field)
            for field, text in texts
            if not self.reads or is_within(field, self.reads)
            if (result := self.judge_text(field, text, context)).outcome is not CheckOutcome.PASSED
        ]
        return min(found, key=lambda result: _WORST.index(result.outcome), default=passed())


_WORST = (CheckOutcome.FAILED, CheckOutcome.UNDECIDED, CheckOutcome.WARNED)


class NoLeak(TextCheck):
    """Fails text that copies the persona's description or an example, or introduces its writer by what they are."""

    name = "leak"
    version = 2
    revises = True

    def __init__(self, *, reads: tuple[str, ...] = (), introductions: bool = True) -> None:
        """Where people write as characters, who may well say what they are, `introductions` is False."""
        super().__init__(reads=reads)
        self._introductions = introductions

    def judge_text(self, field: str, text: str, context: "CheckContext") -> CheckResult:
        """The result, with the words that were taken over."""
        observation = context.observation
        if found := shared_run(text, observation.persona, PERSONA_RUN):
            return failed(f"It repeats words of the description ({found!r}); say it without them.", field=field)
        if self._introductions and (found := self_introduction(text, observation.persona)):
            return failed(f"It introduces the person ({found.strip()!r}); leave out who is writing.", field=field)
        if observation.examples and (found := shared_run(text, observation.examples, EXAMPLE_RUN)):
            return failed(f"It repeats words of an example ({found!r}); write about something else.", field=field)
        return passed()


class InLanguage(TextCheck):
    """Fails text in another language than the one it was asked for in; undecided where that cannot be told.

    The stand-in, which writes English, is judged where a setting asks for a language, not by a persona's own.
    """

    name = "language"
    version = 3
    revises = True

    def judge_text(self, field: str, text: str, context: "CheckContext") -> CheckResult:
        """The result; it cannot be told of very few words, as a name or a formula."""
        tag = context.observation.language
        if not tag or tag == "und":
            return undecided("No language was asked for.")
        is_asked = context.observation.is_language_set or tag.startswith("en")
        if not is_asked and context.model.name == "procedural":
            return undecided("The built-in generator writes English only.")
        found = is_in_language(text, tag)
        if found is None:
            return undecided(f"Whether it is in the language asked for ({tag}) cannot be told.")
        return passed() if found else failed(f"It is not written in the language asked for ({tag}).", field=field)

    def judge_texts(self, texts: Iterable[tuple[str, str]], context: "CheckContext") -> CheckResult:
        """The first failure, or the first result that was decided: names stand beside longer texts."""
        judged = [self.judge_text(*one, context) for one in texts if not self.reads or is_within(one[0], self.reads)]
        order = (CheckOutcome.FAILED, CheckOutcome.PASSED, CheckOutcome.UNDECIDED)
        return min(judged, key=lambda result: order.index(result.outcome), default=passed())


class NoRefusal(TextCheck):
    """Fails text in which the model declines to make what was asked for, or speaks as a language model."""

    name = "refusal"
    version = 2
    revises = False

    def __init__(self, *, reads: tuple[str, ...] = (), spoken: tuple[str, ...] = ()) -> None:
        """In the fields `spoken` a character speaks, and may decline whatever it likes."""
        super().__init__(reads=reads)
        self._spoken = spoken

    def judge_text(self, field: str, text: str, context: "CheckContext") -> CheckResult:
        """The result."""
        if speaks_as_model(text):
            return failed("It speaks as a language model.", field=field)
        if not is_within(field, self._spoken) and is_refusal(text):
            return failed("It declines what was asked for.", field=field)
        return passed()


#: The checks of any free text.
TEXT_CHECKS = (NoLeak(), InLanguage(), NoRefusal())
#: Those of what somebody says later in a conversation, where people may well say what they are.
LINE_CHECKS = (NoLeak(introductions=False), InLanguage(), NoRefusal())
