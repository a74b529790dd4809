"""What a check of an emission may look at and ask, and what it says; `Check` itself stands beside `Action`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from ..core.model import Answer, AnswerSchema, PersonaModel, RequestContext
from ..core.prompt import RenderedPrompt, language_name
from ..core.text import word_list
from ..personas.rules.languages import is_in_language
from ..personas.rules.quality import find_cut, find_loop, find_noun_list, has_content
from .observation import Observation
from .text_faults import (
    EXAMPLE_RUN,
    PERSONA_RUN,
    PROMPT_RUN,
    find_assistant_voice,
    find_echo,
    find_key,
    find_no_request,
    find_other_actor,
    find_prompt_words,
    find_refusal,
    find_said_again,
    find_self_address,
    is_refusal,
    self_introduction,
    shared_run,
    speaks_as_model,
)


class CheckOutcome(StrEnum):
    """What a check says of an emission."""

    PASSED = "passed"
    FAILED = "failed"
    #: Something may be wrong: recorded and shown, and no reason to reject.
    WARNED = "warned"
    #: The check could not be made, as when a model gave no answer.
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check of one emission."""

    outcome: CheckOutcome
    #: One sentence, shown to the model when it is asked for another answer; empty when there is nothing to say.
    reason: str = ""
    score: float | None = None
    #: Name and version of the check; filled in by `run_checks`.
    check: str = ""
    version: int = 1
    #: The field that it is about, as `barks.idle` or `hooks[0].text`; empty where it is about the whole.
    field: str = ""
    #: Whether something else is to be asked for, since no repair of a repetition is new.
    renews: bool = False


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may look at and ask, besides the action."""

    observation: Observation
    #: The world text of the scenario.
    world: str
    model: PersonaModel
    request_context: RequestContext
    #: The words of the prompt that are no person's: its rules, and what it says of the actions.
    instructions: str = ""
    #: Of a check that asks a model: the results of the checks before it.
    results: tuple[CheckResult, ...] = ()

    async def ask[T](
        self, prompt: RenderedPrompt, schema: AnswerSchema[T], *, role: str = "grader", replicate: int = 0
    ) -> Answer[T]:
        """Ask the model of a role on behalf of the agent whose action is checked.

        `replicate` numbers several answers to the same request, from 0. Raises what `PersonaModel.ask` raises.
        """
        return await self.model.ask(prompt, schema, self.request_context.vary_context(role=role, replicate=replicate))


def passed(score: float | None = None) -> CheckResult:
    """Return a result in favour of the output."""
    return _PASSED if score is None else CheckResult(CheckOutcome.PASSED, score=score)


_PASSED = CheckResult(CheckOutcome.PASSED)


def failed(reason: str, score: float | None = None, *, field: str = "", renews: bool = False) -> CheckResult:
    """Return a result against the output.

    `reason` is a sentence to the model, which begins with the `field`. With `renews` the model is asked for something
    else instead of a repair.
    """
    return CheckResult(CheckOutcome.FAILED, _locate_reason(reason, field), score, field=field, renews=renews)


def warned(reason: str, score: float | None = None, *, field: str = "") -> CheckResult:
    """Return the result of a rule that cannot be sure. The output is kept and the reason recorded."""
    return CheckResult(CheckOutcome.WARNED, _locate_reason(reason, field), score, field=field)


def undecided(reason: str) -> CheckResult:
    """Return an undecided result with its reason."""
    return CheckResult(CheckOutcome.UNDECIDED, reason)


def _locate_reason(reason: str, field: str) -> str:
    return f"In {field}: {reason}" if field else reason


def iter_strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield all strings within a JSON value, however deep, each with its path: `barks.idle`, `hooks[0].text`."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from iter_strings(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from iter_strings(part, f"{path}[{place}]")


def is_within(path: str, fields: tuple[str, ...]) -> bool:
    """Return whether a path is one of these fields or lies within one of them."""
    return any(path == field or path.startswith((f"{field}.", f"{field}[")) for field in fields)


#: Words in a row that a text may not share with what the person remembers: turns of phrase come again.
_MEMORY_RUN = 14


class Texts(Protocol):
    """What holds texts, each with the path of its field: an action."""

    @property
    def texts(self) -> Iterable[tuple[str, str]]:
        """Yield each path with its text."""
        ...


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
    def judge_text(self, field: str, text: str, context: CheckContext) -> CheckResult:
        """Return the result for one string."""

    async def judge(self, action: Texts, context: CheckContext) -> CheckResult:
        """Return the first result that is not in favour, with failures first."""
        return self.judge_texts(action.texts, context)

    def judge_texts(self, texts: Iterable[tuple[str, str]], context: CheckContext) -> CheckResult:
        """Judge strings with the paths of their fields, as `judge` judges an action."""
        found = [
            replace(result, field=result.field or field)
            for field, text in texts
            if not self.reads or is_within(field, self.reads)
            if (result := self.judge_text(field, text, context)).outcome is not CheckOutcome.PASSED
        ]
        return min(found, key=lambda result: _WORST.index(result.outcome), default=passed())


_WORST = (CheckOutcome.FAILED, CheckOutcome.UNDECIDED, CheckOutcome.WARNED)


class NoLeak(TextCheck):
    """Fails text that is not its own: copied from the description, the prompt, an example, or what was just heard.

    A name before the line, as in a script, and the keys by which a prompt calls people are the prompt's, too.
    """

    name = "leak"
    version = 7
    revises = True

    def __init__(self, *, reads: tuple[str, ...] = (), introductions: bool = True) -> None:
        """Take the fields to read. Set `introductions` to False for characters, who may well say what they are."""
        super().__init__(reads=reads)
        self._introductions = introductions

    def judge_text(self, field: str, text: str, context: CheckContext) -> CheckResult:
        """Judge one string. Fail with the words that were copied."""
        seen = context.observation
        if self._introductions:
            copied = shared_run(text, seen.persona, PERSONA_RUN)
        else:
            copied = find_echo(text, (seen.persona,))
        if copied:
            return failed(f"It repeats words of the description ({copied!r}); say it without them.", field=field)
        if self._introductions and (found := self_introduction(text, seen.persona)):
            return failed(f"It introduces the person ({found.strip()!r}); leave out who is writing.", field=field)
        if seen.examples and (found := shared_run(text, seen.examples, EXAMPLE_RUN)):
            return failed(f"It repeats words of an example ({found!r}); write about something else.", field=field)
        told = context.instructions
        if found := find_echo(text, (told,), run=PROMPT_RUN) or find_prompt_words(text, told, seen.persona):
            return failed(f"It repeats words of these instructions ({found!r}); do what they ask for.", field=field)
        heard = [*(line.text for line in seen.heard), *(line.text for line in seen.said_before)]
        echo = find_echo(text, heard) or find_said_again(text, (*heard, *seen.memories, *seen.news))
        if found := echo or find_echo(text, (*seen.memories, *seen.news), run=_MEMORY_RUN):
            return failed(f"It repeats what was said before ({found!r}).", field=field, renews=True)
        if found := find_key(text, (*seen.addressees, seen.name)):
            return failed(f"Nobody would say {found!r}, which is the prompt's; say it as a person would.", field=field)
        if found := find_self_address(text, seen.name, seen.addressees):
            return failed(f"The speaker is {seen.name}, and {found!r} is said to somebody else.", field=field)
        if found := find_other_actor(text, seen.addressees):
            return failed(f"It tells what somebody else does ({found!r}); write what {seen.name} does.", field=field)
        return passed()


class InLanguage(TextCheck):
    """Fails text in another language than the one it was asked for in; undecided where that cannot be told.

    The built-in generator, which writes English, is judged where a setting asks for a language, not by a persona's own.
    """

    name = "language"
    version = 3
    revises = True

    def judge_text(self, field: str, text: str, context: CheckContext) -> CheckResult:
        """Judge one string. The result is undecided for very few words, such as a name or a formula."""
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

    def judge_texts(self, texts: Iterable[tuple[str, str]], context: CheckContext) -> CheckResult:
        """Return the first failure, or else the first decided result. Names stand next to longer texts."""
        judged = [self.judge_text(*one, context) for one in texts if not self.reads or is_within(one[0], self.reads)]
        order = (CheckOutcome.FAILED, CheckOutcome.PASSED, CheckOutcome.UNDECIDED)
        return min(judged, key=lambda result: order.index(result.outcome), default=passed())


class NoRefusal(TextCheck):
    """Fails text in which the model declines to make what was asked for, or speaks as a language model."""

    name = "refusal"
    version = 3
    revises = True

    def __init__(self, *, reads: tuple[str, ...] = (), spoken: tuple[str, ...] | None = ()) -> None:
        """Take the fields to read. In the fields `spoken` a character speaks, and may decline as people do.

        None means all fields.
        """
        super().__init__(reads=reads)
        self._spoken = spoken

    def judge_text(self, field: str, text: str, context: CheckContext) -> CheckResult:
        """Judge one string. Fail if a language model speaks or the text declines."""
        if speaks_as_model(text):
            return failed("A language model speaks; write what this person would.", field=field)
        is_spoken = self._spoken is None or is_within(field, self._spoken)
        if find_refusal(text) if is_spoken else is_refusal(text):
            return failed("It declines what was asked for; write it as this person.", field=field)
        return passed()


class NoDegeneration(TextCheck):
    """Fails loops, lists of nouns, text that breaks off, and words of a schema in place of text."""

    name = "degenerate"
    version = 1
    revises = True

    def __init__(
        self, *, reads: tuple[str, ...] = (), is_chat: bool = True, is_puzzle: bool = False, fewest: int = 1
    ) -> None:
        """Take the fields to read.

        Set `is_chat` to False for prose, in which a missing last mark shows that the text breaks off. Puzzles may
        name the same things more often (`is_puzzle`). `fewest` is the number of words that say something.
        """
        super().__init__(reads=reads)
        self._is_puzzle = is_puzzle
        self._is_chat = is_chat
        self._fewest = fewest

    def judge_text(self, field: str, text: str, context: CheckContext) -> CheckResult:
        """Judge one string. Fail with the offending words."""
        seen = context.observation
        names = ("English", language_name(seen.language)) if seen.language else ("English",)
        is_empty = len(word_list(text)) < self._fewest or not has_content(
            text, reserved=(*names, *seen.addressees, field)
        )
        if text and is_empty:
            return failed(f"It says nothing ({text[:40]!r}); write the text itself.", field=field)
        if found := find_loop(text, is_puzzle=self._is_puzzle):
            return failed(f"It repeats itself ({found!r}); say it once and go on.", field=field)
        if found := find_noun_list(text):
            return failed(f"It is a list of nouns ({found!r}); write whole sentences.", field=field)
        if found := find_cut(text, is_chat=self._is_chat):
            return failed(f"It breaks off at {found!r}; write it to the end.", field=field)
        return passed()


class OwnVoice(TextCheck):
    """Fails text in which an assistant offers its help where a person was to write or speak."""

    name = "voice"
    version = 4
    revises = True

    def __init__(self, *, reads: tuple[str, ...] = (), requests: bool = False) -> None:
        """Take the fields to read. With `requests`, the text asks an assistant for something."""
        super().__init__(reads=reads)
        self._requests = requests

    def judge_text(self, field: str, text: str, context: CheckContext) -> CheckResult:
        """Judge one string. Fail with the assistant's words."""
        if self._requests and (found := find_no_request(text, context.observation.persona)):
            return failed(f"It is no request ({found!r}); write what this person would type.", field=field)
        if found := find_assistant_voice(text):
            return failed(f"An assistant speaks ({found!r}); write what this person would say.", field=field)
        return passed()


#: The checks of any text, however long and whoever speaks in it.
BASIC_CHECKS = (NoLeak(), InLanguage(), NoRefusal())
#: Those of text that a person writes.
TEXT_CHECKS = (*BASIC_CHECKS, NoDegeneration(), OwnVoice())
#: Those of what people pass on, which may be in another's words. They may decline, too.
RETOLD_CHECKS = (InLanguage(), NoRefusal(spoken=None), NoDegeneration(), OwnVoice())
#: Those of what people say to each other, or later in a conversation, where they may say what they are.
LINE_CHECKS = (NoLeak(introductions=False), *RETOLD_CHECKS)
