"""Ask an endpoint as a run would, and report what the gateway learnt of it and what came back."""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from ..core.errors import EndpointError, PausedError, SetupError
from ..core.model import Answer, AnswerSchema, Outcome, RequestContext
from ..core.prompt import RenderedPrompt, language_name
from ..personas.rules.languages import is_in_language
from .embedding.models import open_embedder
from .endpoint.errors import FieldReader, RequestError
from .endpoint.models import ModelHandle
from .gateway.call import Call, CallKey, RequestPart
from .gateway.capabilities import OutputMode
from .gateway.client import Gateway
from .gateway.limits import Backoff, Limits, Prices
from .text_forms import WHOLE

#: Calls that an examination makes, at most.
_MOST_CALLS = 19
#: Calls made at once.
_AT_ONCE = 6
#: Tokens that an answer may have.
_LENGTH = 512
#: Languages that are tried.
_LANGUAGES = ("en", "de", "es", "zh")
#: Model names of an endpoint that are shown.
_SHOWN = 8
_SEED = 20_011


class Health(StrEnum):
    """What a check found."""

    OK = "ok"
    NO = "no"
    UNKNOWN = "unknown"


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
    #: Whether a run could work.
    works: bool
    #: Requests that were sent for it, and the tokens that the endpoint counted.
    calls: int
    tokens: int


class Animal(BaseModel):
    """An answer that is asked for under a schema."""

    name: str = Field(min_length=2, max_length=120)
    legs: int = Field(ge=0, le=1000)
    is_wild: bool


class LongText(BaseModel):
    """An answer that is asked for as plain text."""

    text: str = Field(min_length=1)


_TEXT = replace(AnswerSchema.of(LongText), text_form=WHOLE)
_QUESTION = "Which animal is it that says moo? Answer in the form that is set."
_TALE = "Invent a village by a river and tell its name."

_FORMS = {
    OutputMode.STRICT: "Answers fit their JSON Schema.",
    OutputMode.PLAIN: "Schemas are sent without bounds and patterns; answers are still held to all of the schema.",
    OutputMode.JSON: "Schemas are told in the prompt, in JSON mode; answers are still held to all of the schema.",
    OutputMode.PROMPT: "Schemas are told in the prompt alone; answers are still held to all of the schema.",
}
_WITHOUT = {
    "seed": "No seed is sent: what a run was answered is in its file all the same, and can be replayed.",
    "max_tokens": "The limit of length is sent as max_completion_tokens.",
    "max_completion_tokens": "No limit of length is sent.",
    "stream": "Answers are not streamed.",
}


class _CallLog:
    """Keeps the calls of an examination in memory."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def keep(self, parts: Sequence[RequestPart]) -> None:
        """Forget the parts."""

    def record(self, call: Call) -> None:
        """Keep one attempt."""
        self.calls.append(call)

    def recall(self, key: CallKey) -> None:
        """Know no earlier answer."""


async def examine_endpoint(
    handle: ModelHandle,
    *,
    within: float = 60.0,
    embeddings: str | None = None,
    prices: Prices | None = None,
    found: Callable[[CheckFinding], None] | None = None,
) -> Examination:
    """Find out what a model's first endpoint can do, with under 20 calls of at most `within` seconds each.

    `embeddings` names an embedding model to try there as well. `prices` are the known prices of the model. `found` is
    called with each finding as it comes. Raises `EndpointError` if a model of our own cannot be started.
    """
    doctor = _Doctor(handle, within, found)
    works = False
    try:
        works = await doctor.check_schema()
        if works:
            await doctor.check_model()
            await doctor.check_text()
            await doctor.check_seed()
            await doctor.check_speed()
    except (EndpointError, PausedError) as error:
        doctor.report("answer", Health.NO, str(error))
        works = works and isinstance(error, PausedError)
    if works:
        doctor.check_usage(prices)
        if embeddings:
            await doctor.check_embeddings(embeddings, within)
    return doctor.sum_up(works=works)


class _Doctor:
    def __init__(self, handle: ModelHandle, within: float, found: Callable[[CheckFinding], None] | None) -> None:
        self._handle = handle
        self._found = found
        self._findings: list[CheckFinding] = []
        self._log = _CallLog()
        self._asked = 0
        limits = Limits(max_in_flight=_AT_ONCE, max_calls=_MOST_CALLS, max_error_rate=1, timeout=within, wait=0)
        self._gateway = Gateway(
            handle, ledger=self._log, limits=limits, answer_tokens=_LENGTH, backoff=Backoff(patience=within, attempts=2)
        )

    def sum_up(self, *, works: bool) -> Examination:
        """Sum up the findings."""
        tokens = sum((call.input_tokens or 0) + (call.output_tokens or 0) for call in self._log.calls)
        return Examination(tuple(self._findings), works=works, calls=self._gateway.calls, tokens=tokens)

    def report(self, check: str, health: Health, said: str) -> None:
        """Keep and tell a finding."""
        self._findings.append(CheckFinding(check, health, said))
        if self._found is not None:
            self._found(self._findings[-1])

    async def check_schema(self) -> bool:
        """Return whether the model answers under a schema, in the best form that its endpoint takes."""
        answer = await self._ask_model(_QUESTION, AnswerSchema.of(Animal))
        known = self._gateway.endpoints[0]
        form, without = _FORMS[known.output_modes.mode], known.parameters.without
        if answer.value is None:
            self.report("schema", Health.NO, f"{answer.outcome}: {answer.reason}")
        else:
            asked_again = f" It took {answer.attempts} requests." if answer.attempts > 1 else ""
            self.report("schema", Health.OK, form + asked_again)
        for name, said in _WITHOUT.items():
            if name in without and not (name == "max_tokens" and "max_completion_tokens" in without):
                self.report(name, Health.NO, said)
        return answer.value is not None or answer.outcome is Outcome.LENGTH

    async def check_model(self) -> None:
        """Find the model among those that the endpoint lists."""
        served = self._handle.name.partition(":")[2]
        listed = await self._list_models()
        names = ", ".join(map(repr, listed[:_SHOWN])) + (f" and {len(listed) - _SHOWN:,} more" * (len(listed) > _SHOWN))
        if not listed or served in listed:
            self.report("model", Health.OK, f"{served!r} answers; the endpoint lists {names or 'no models'}.")
        else:
            said = f"Something answers as {served!r}, but the endpoint lists {names}: it may be that."
            self.report("model", Health.UNKNOWN, said)

    async def check_text(self) -> None:
        """Find out in which of four languages the model writes a sentence, in plain text."""
        asked = "; ".join(map(language_name, _LANGUAGES))
        answer = await self._ask_model(f"Describe a market in the rain in one long sentence in each language: {asked}.")
        if answer.value is None:
            self.report("languages", Health.UNKNOWN, f"{answer.outcome}: {answer.reason}")
            return
        lines = answer.value.text.splitlines()
        written = [tag for tag in _LANGUAGES if any(is_in_language(line, tag) for line in lines)]
        missing = [language_name(tag) for tag in _LANGUAGES if tag not in written]
        said = f"The model writes {', '.join(map(language_name, written)) or 'none of the four languages asked for'}"
        hint = f"; not recognised: {', '.join(missing)}. Choose one it writes with --language." if missing else "."
        self.report("languages", Health.UNKNOWN if missing else Health.OK, said + hint)

    async def check_seed(self) -> None:
        """Compare two answers to one seed with one to another."""
        if "seed" in self._gateway.endpoints[0].parameters.without:
            return
        same, again, other = [(await self._ask_model(_TALE, seed=_SEED + n)).raw for n in (0, 0, 1)]
        if not (same and again and other):
            self.report("seed", Health.UNKNOWN, "It is taken, but not every call was answered.")
        elif same != again:
            said = "It is taken, but the same seed gave two answers: a run repeats itself from its file only."
            self.report("seed", Health.NO, said)
        elif same == other:
            said = "It is taken, but two seeds gave one answer: another one may not come by asking again."
            self.report("seed", Health.UNKNOWN, said)
        else:
            self.report("seed", Health.OK, "The same seed gives the same answer, and another one another.")

    async def check_speed(self) -> None:
        """Measure how long an answer takes alone, and how long among several."""
        alone = self._median_seconds(self._log.calls)
        before = len(self._log.calls)
        await asyncio.gather(*(self._ask_model(_TALE, seed=_SEED + 2 + n) for n in range(_AT_ONCE)))
        calls = self._log.calls[before:]
        refused = [call for call in calls if call.raw is None]
        said = f"An answer takes {alone:.2f} s alone, and {self._median_seconds(calls):.2f} s with {_AT_ONCE} at once."
        if refused:
            said = (
                f"{len(refused)} of {len(calls)} calls failed: {refused[0].reason} A run finds out how many it takes."
            )
        self.report("at once", Health.NO if refused else Health.OK, said)

    def check_usage(self, prices: Prices | None) -> None:
        """Report whether tokens are counted, and what is known of the price."""
        if any(call.input_tokens is not None and call.output_tokens is not None for call in self._log.calls):
            self.report("usage", Health.OK, "Tokens are counted.")
        else:
            self.report("usage", Health.NO, "Tokens are not counted, so only --max-calls can cap what a run costs.")
        if prices is None:
            said = "No price is known, and none is guessed: give it with --price to see and cap what a run costs."
            self.report("price", Health.UNKNOWN, said)
        else:
            cost = f"{prices.input:g} dollars for a million tokens in and {prices.output:g} out ({prices.source})"
            self.report("price", Health.OK, f"It is {cost}.")

    async def check_embeddings(self, model: str, within: float) -> None:
        """Find out whether the endpoint has an embedding model of this name."""
        try:
            embedder = open_embedder(f"openai:{model}", base_url=self._handle.endpoint, timeout=within)
            try:
                reply = await embedder.served.vectors(["Good day.", "A ferry leaves."])
            finally:
                await embedder.aclose()
        except (RequestError, SetupError) as fault:
            said = f"{str(fault).rstrip('.')}. Without embeddings near-duplicates are found by their words alone."
            self.report("embeddings", Health.NO, said)
            return
        sizes = {len(vector) for vector in reply.vectors if vector is not None}
        if len(reply.vectors) == 2 and len(sizes) == 1:
            self.report("embeddings", Health.OK, f"{model!r} gives vectors of {sizes.pop():,} numbers.")
        else:
            self.report("embeddings", Health.NO, f"{model!r} does not give one list of numbers for each text.")

    async def _ask_model(self, text: str, schema: AnswerSchema[Any] = _TEXT, *, seed: int = _SEED) -> Answer[Any]:
        self._asked += 1
        prompt = RenderedPrompt("doctor", 1, (("user", text),))
        return await self._gateway.ask(prompt, schema, RequestContext("doctor", self._asked, "", seed))

    async def _list_models(self) -> list[str]:
        """Return the names of the endpoint's models; none if it does not list them."""
        connect = getattr(self._handle.served, "connection", None)
        if connect is None:
            return []
        connection = connect()
        try:
            async with asyncio.timeout(10):
                models = (await connection.exchange("GET", "models")).reply.get("data")
        except (RequestError, TimeoutError):
            return []
        finally:
            await connection.aclose()
        return [name for model in models if (name := FieldReader(model).text("id"))] if isinstance(models, list) else []

    @staticmethod
    def _median_seconds(calls: Sequence[Call]) -> float:
        took = [(call.ended_at - call.started_at).total_seconds() for call in calls if call.raw is not None]
        return statistics.median(took) if took else 0.0
