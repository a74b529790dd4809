"""Bounded, counted and timed calls to one endpoint, trials of output modes, and what is found by reading replies."""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel, Field

from ..core.model import AnswerSchema, Outcome
from ..core.prompt import RenderedPrompt
from .endpoint.errors import RequestError
from .endpoint.http_client import HttpConnection
from .endpoint.models import ModelHandle
from .endpoint.response import ModelResponse, response_of
from .gateway.capabilities import OutputMode, OutputModes
from .gateway.request import judge
from .text_forms import WHOLE

#: Faults that may be chance: such a call is repeated once.
_CHANCE = frozenset({Outcome.SERVER_ERROR, Outcome.DROPPED})


class Health(StrEnum):
    """What a check found."""

    OK = "ok"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reply:
    """How one call ended: with a response or a fault, after so many seconds."""

    seconds: float
    response: ModelResponse | None = None
    fault: RequestError | None = None
    #: Whether the model called a tool.
    called_tool: bool = False

    @property
    def why(self) -> str:
        """What was wrong, in one sentence; empty when there is an answer."""
        return "" if self.fault is None else f"{self.fault.detail.rstrip('.')}."


@dataclass(slots=True)
class Probe:
    """Asks one endpoint; nothing waits longer than `within` seconds."""

    handle: ModelHandle
    within: float
    #: Requests that were sent, of every kind.
    calls: int = 0
    #: The answers that came, one after another.
    answers: list[Reply] = field(default_factory=list)

    async def ask(self, messages: list[BaseMessage], kwargs: Mapping[str, Any], *, alone: bool = True) -> Reply:
        """Return the reply to a chat request.

        A request that is not sent `alone` says nothing about how long an answer takes.
        """
        reply = await self._asked(messages, kwargs)
        if reply.fault is not None and reply.fault.outcome in _CHANCE:
            reply = await self._asked(messages, kwargs)
        if reply.response is not None and alone:
            self.answers.append(reply)
        return reply

    async def fetch(self, path: str, payload: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the JSON object that the endpoint sends from `path`. If there is a payload, it is posted there.

        Raises `RequestError` if no object comes.
        """
        connection = _connection_of(self.handle.chat)
        if connection is None:
            raise RequestError(Outcome.NOT_FOUND, "The model is no OpenAI-compatible endpoint.")
        self.calls += 1
        try:
            async with asyncio.timeout(self.within):
                method = "GET" if payload is None else "POST"
                return (await connection.exchange(method, path, json=payload)).reply
        except TimeoutError as error:
            raise self._timeout() from error
        finally:
            await connection.aclose()

    async def _asked(self, messages: list[BaseMessage], kwargs: Mapping[str, Any]) -> Reply:
        self.calls += 1
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.within):
                result = await self.handle.chat._agenerate(messages, **kwargs)
        except RequestError as fault:
            return Reply(time.perf_counter() - started, fault=fault)
        except TimeoutError:
            return Reply(time.perf_counter() - started, fault=self._timeout())
        message = result.generations[0].message
        called = isinstance(message, AIMessage) and bool(message.tool_calls)
        return Reply(time.perf_counter() - started, response_of(result), called_tool=called)

    def _timeout(self) -> RequestError:
        return RequestError(Outcome.TIMEOUT, f"No answer came within {self.within:g} seconds.")


def _connection_of(chat: BaseChatModel) -> HttpConnection | None:
    # By then the chat model has been asked, and what takes long to import is there.
    from .endpoint.chat_openai import LeanChatOpenAI

    return chat.connection() if isinstance(chat, LeanChatOpenAI) else None


#: Ends of an answer that say more about its limit of length than about its form.
_TOO_LONG = frozenset({Outcome.LENGTH, Outcome.CUT_JSON})


class Animal(BaseModel):
    """What is asked for."""

    name: str = Field(min_length=2, max_length=120)
    legs: int = Field(ge=0, le=1000)
    is_wild: bool


_SCHEMA = AnswerSchema.of(Animal)
_PROMPT = RenderedPrompt("doctor", 1, (("user", "Which animal is it that says moo? Answer in the form that is set."),))


class LongText(BaseModel):
    """A text with what is easily lost in JSON: line breaks, quotation marks and LaTeX."""

    text: str = Field(min_length=40)


_TEXT_SCHEMA = AnswerSchema.of(LongText)
_TEXT_PROMPT = RenderedPrompt(
    "doctor",
    1,
    (
        (
            "user",
            r"Solve \frac{3}{4} x = \frac{9}{8} for x. Write three or four numbered steps, each on a line of its own "
            r"and with its formula in LaTeX, and end with the result in \boxed{}.",
        ),
    ),
)
_TEXT_MODES = {
    OutputMode.TEXT: "plain text",
    OutputMode.STRICT: "a JSON schema",
    OutputMode.PLAIN: "a JSON schema without bounds",
    OutputMode.PROMPT: "JSON by the prompt",
}


@dataclass(frozen=True, slots=True)
class TriedMode:
    """The outcome of asking in one form."""

    mode: OutputMode
    #: How the answer was judged, or how the call failed.
    outcome: Outcome
    #: Whether the endpoint took the form at all, whatever it answered.
    is_taken: bool
    #: Why the outcome is not `ok`.
    why: str = ""
    #: What had to be repaired, as in `calls.repair`.
    repair: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Whether the answer failed for its length, of which a run allows more."""
        return self.outcome in _TOO_LONG


async def trials(probe: Probe, form: OutputModes, kwargs: dict[str, Any]) -> Sequence[TriedMode]:
    """Try every form from the best down to the one that the endpoint takes, which is tried twice if it misses.

    `form` learns from this what a gateway's would, and `kwargs` go with every request.
    """
    done: list[TriedMode] = []
    mode: OutputMode | None = form.mode_for(_SCHEMA)
    while mode is not None:
        reply, tried = await _tried(probe, form, mode, kwargs)
        done.append(tried)
        if reply.fault is None:
            form.learn(mode, _SCHEMA)
        mode = form.fallback(mode, reply.fault, _SCHEMA) if reply.fault is not None else None
    if done[-1].is_taken and done[-1].outcome is not Outcome.OK:
        done.append(await trial(probe, form, done[-1].mode, kwargs))
    return done


async def trial(probe: Probe, form: OutputModes, mode: OutputMode, kwargs: dict[str, Any]) -> TriedMode:
    """Try to ask in this form and return the result."""
    return (await _tried(probe, form, mode, kwargs))[1]


async def try_long_text(probe: Probe, form: OutputModes, best: OutputMode, kwargs: dict[str, Any]) -> list[TriedMode]:
    """Ask for a text with LaTeX in each form: as plain text, in the `best` form that is taken, and by the prompt."""
    done = []
    for mode in dict.fromkeys((OutputMode.TEXT, best, OutputMode.PROMPT)):
        if mode in _TEXT_MODES:
            schema = replace(_TEXT_SCHEMA, text_form=WHOLE) if mode is OutputMode.TEXT else _TEXT_SCHEMA
            done.append((await _tried(probe, form, mode, kwargs, _TEXT_PROMPT, schema))[1])
    return done


def describe_long_text(done: Sequence[TriedMode]) -> tuple[Health, str]:
    """Tell which forms suit a model for long text."""
    suits = [_TEXT_MODES[one.mode] for one in done if one.outcome is Outcome.OK and not one.repair]
    failed = [one for one in done if one.outcome is not Outcome.OK or one.repair]
    faults = [f"{_TEXT_MODES[one.mode]}: {one.repair or one.outcome}" for one in failed]
    said = f"Forms that suit it for long text: {', '.join(suits) or 'none'}"
    listed = f" ({'; '.join(faults)})" if faults else ""
    health = Health.OK if done and done[0].outcome is Outcome.OK else Health.UNKNOWN
    return health, f"{said}{listed}. A run asks for responses, solutions, conversations and code as plain text."


async def _tried(
    probe: Probe,
    form: OutputModes,
    mode: OutputMode,
    kwargs: dict[str, Any],
    prompt: RenderedPrompt = _PROMPT,
    schema: AnswerSchema[Any] = _SCHEMA,
) -> tuple[Reply, TriedMode]:
    messages, arguments = form.arguments(mode, prompt, schema)
    # How long an answer takes is measured by the short ones.
    reply = await probe.ask(messages, {**kwargs, **arguments}, alone=schema is _SCHEMA)
    if reply.response is None:
        fault = reply.fault
        outcome = fault.outcome if fault is not None else Outcome.EMPTY
        # What the endpoint spoiled was an answer in this form.
        return reply, TriedMode(mode, outcome, is_taken=fault is not None and fault.spoiled, why=reply.why)
    verdict = judge(reply.response.raw, schema, finish_reason=reply.response.finish_reason)
    return reply, TriedMode(mode, verdict.outcome, is_taken=True, why=verdict.reason, repair=verdict.repair or "")


#: Model names of an endpoint that are shown.
_SHOWN = 8

#: The share of the calls made at once from which on it counts as all of them.
_ALL = 0.7


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """What one check found, in a sentence or two."""

    check: str
    health: Health
    said: str


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was found out about one endpoint."""

    findings: tuple[CheckFinding, ...]
    #: What a run does where the endpoint cannot do all, one sentence each.
    fallbacks: tuple[str, ...]
    #: Whether a run could work.
    works: bool
    #: Requests that were sent for it, and the tokens that the endpoint counted.
    calls: int
    tokens: int


def some(names: Sequence[str]) -> str:
    """List the first of these names and count the rest."""
    if not names:
        return "no models"
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def spoken(reply: Reply, *, most: int) -> tuple[Health, str]:
    """Judge the first plain answer. `most` is the maximum number of tokens it could have."""
    response = reply.response
    if response is not None and response.raw.strip():
        return Health.OK, f"The model says {' '.join(response.raw.split())[:60]!r}."
    reasoned = f", {response.reasoning_tokens} of them reasoning" if response and response.reasoning_tokens else ""
    said = f"The model was given {most} tokens{reasoned}, and said nothing"
    return Health.UNKNOWN, f"{said}: a run may have to allow longer answers (--set answer_tokens=N)."


def formed(tried: TriedMode) -> tuple[Health, str]:
    """Judge the result of asking for a form."""
    if not tried.is_taken:
        return Health.NO, tried.why
    if tried.outcome is Outcome.OK:
        return Health.OK, "It is taken, and the answer fits."
    return Health.UNKNOWN if tried.is_doubtful else Health.NO, f"It is taken, but: {tried.why}"


def seeded(first: Reply, again: Reply, other: Reply) -> tuple[Health, str]:
    """Compare two answers to one seed with one to another."""
    texts = [reply.response.raw for reply in (first, again, other) if reply.response is not None]
    if len(texts) < 3:
        return Health.UNKNOWN, f"It is taken, but not every call was answered: {again.why or other.why}"
    if texts[0] != texts[1]:
        return Health.NO, "It is taken, but the same seed gave two answers: a run repeats itself from its file only."
    if texts[0] == texts[2]:
        return Health.UNKNOWN, "It is taken, but two seeds gave one answer: another one may not come by asking again."
    return Health.OK, "The same seed gives the same answer, and another one another."


def together(replies: Sequence[Reply], one: float) -> tuple[Health, str]:
    """Judge the replies of several concurrent calls, if one alone takes about `one` seconds."""
    refused = [reply for reply in replies if reply.fault is not None]
    if refused:
        said = f"Of {len(replies)} calls at once {len(refused)} failed: {refused[0].why}"
        return Health.NO, f"{said} A run finds out how many it takes."
    median = statistics.median(reply.seconds for reply in replies)
    took = f"Of {len(replies)} calls at once, one takes {median:.2f} s"
    # Where k of n are worked on at a time, the median is that of 1, 1, ..., 2, 2, ..., n / k times as long.
    at_once = len(replies) / max(1.0, 2 * median / max(one, 1e-9) - 1)
    if at_once >= _ALL * len(replies):
        return Health.OK, f"{took}: it works on so many at least, and --max-in-flight may be more."
    return Health.OK, f"{took}: it works on about {max(1, round(at_once))} at a time."
