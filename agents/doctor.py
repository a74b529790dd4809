"""What an endpoint can and cannot do, found out with a few small calls, and what a run makes of it.

reachable? key? model? an answer at all? If so: the forms in which a schema can be given, tools, languages, seed,
usage, rate limits, embeddings, latency, calls at once, price.
"""

import asyncio
import statistics
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from ..core.model import Outcome
from ..core.prompt import language_name
from ..personas.rules.languages import is_in_language
from .endpoint.errors import FieldReader, RequestError
from .endpoint.models import ModelHandle
from .endpoint.response import ModelResponse
from .gateway.budget import Prices
from .gateway.capabilities import OutputMode, OutputModes, ParameterSupport
from .probe import (
    CheckFinding,
    Examination,
    Health,
    Probe,
    Reply,
    describe_long_text,
    formed,
    seeded,
    some,
    spoken,
    together,
    trial,
    trials,
    try_long_text,
)

#: Tokens that an answer may have: enough for a sentence and a little thought.
_LENGTH = 256

#: Languages that are tried.
_LANGUAGES = ("en", "de", "es", "zh")

#: Calls made at once.
_AT_ONCE = 6

_SEED = 20_011
_TALE = "Invent a village by a river and tell its name."

_TOOL = {
    "type": "function",
    "function": {
        "name": "note_legs",
        "description": "Keeps how many legs an animal has.",
        "parameters": {"type": "object", "properties": {"legs": {"type": "integer"}}, "required": ["legs"]},
    },
}

_FALLBACKS = {
    OutputMode.PLAIN: "Schemas are sent without bounds and patterns; answers are still held to all of the schema.",
    OutputMode.JSON: "Schemas are told in the prompt, in JSON mode; answers are still held to all of the schema.",
    OutputMode.PROMPT: "Schemas are told in the prompt alone; answers are still held to all of the schema.",
}
_WITHOUT = {
    "seed": "No seed is sent: what a run was answered is in its file all the same, and can be replayed.",
    "max_tokens": "The limit of length is sent as max_completion_tokens.",
    "max_completion_tokens": "No limit of length is sent.",
}


async def examine(
    handle: ModelHandle,
    *,
    within: float = 60.0,
    embeddings: str | None = None,
    prices: Prices | None = None,
    found: Callable[[CheckFinding], None] | None = None,
) -> Examination:
    """Find out what a model's first endpoint can do, with some fifteen calls of at most `within` seconds each.

    `embeddings` names an embedding model to try there as well. `prices` are the known prices of the model. `found` is
    called with each finding as it comes. Raises `EndpointError` if a model of our own cannot be started.
    """
    doctor = _Doctor(Probe(handle, max(within, handle.patience)), found or (lambda finding: None))
    works = await doctor.reach() and await doctor.check_answers()
    if works:
        if embeddings:
            await doctor.check_embeddings(embeddings)
        await doctor.check_speed()
        doctor.check_price(prices)
    return doctor.examination(works=works)


class _Doctor:
    def __init__(self, probe: Probe, found: Callable[[CheckFinding], None]) -> None:
        self._probe = probe
        self._found = found
        self._findings: list[CheckFinding] = []
        self._fallbacks: list[str] = []
        self._parameters = ParameterSupport()
        #: The best form of a schema that is taken.
        self._best_form = OutputMode.PROMPT
        #: The replies to one text, asked alone.
        self._tales: list[Reply] = []
        self._served = probe.handle.name.partition(":")[2]
        self._place = probe.handle.endpoint or "the model's own server"

    def examination(self, *, works: bool) -> Examination:
        probe = self._probe
        fallbacks = [*self._fallbacks, *(_WITHOUT[name] for name in _WITHOUT if name in self._parameters.without)]
        if "max_completion_tokens" in self._parameters.without:
            fallbacks.remove(_WITHOUT["max_tokens"])
        return Examination(
            tuple(self._findings), tuple(fallbacks), works=works, calls=probe.calls, tokens=self._tokens()
        )

    async def reach(self) -> bool:
        """Return whether the endpoint gives any answer. If it does not, find the cause."""
        reply = await self._say("Say good day in one short sentence.")
        if reply.fault is not None:
            await self._explain(reply.fault, reply.why)
            return False
        self._find("reachable", Health.OK, f"Something answers at {self._place}.")
        self._find("key", Health.OK, "Calls are let in.")
        self._find("model", *self._named(await self._listed()))
        self._find("answer", *spoken(reply, most=_LENGTH))
        return True

    async def check_answers(self) -> bool:
        """Return whether its answers are good enough for a run."""
        has_form = await self._check_forms()
        await self._check_tools()
        await self._check_long_text()
        await self._check_languages()
        takes_seed = await self._check_seed()
        self._check_usage()
        return has_form and takes_seed

    async def check_embeddings(self, model: str) -> None:
        """Find out whether the endpoint has an embedding model of this name."""
        try:
            reply = await self._probe.fetch("embeddings", {"model": model, "input": ["Good day.", "A ferry leaves."]})
        except RequestError as fault:
            self._find("embeddings", Health.NO, f"{fault.detail.rstrip('.')}.")
            self._fallbacks.append("Without embeddings near-duplicates are found by their words alone.")
            return
        data = reply.get("data")
        vectors = [item.get("embedding") for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        sizes = {len(vector) for vector in vectors if isinstance(vector, list)}
        if len(vectors) == 2 and len(sizes) == 1:
            self._find("embeddings", Health.OK, f"{model!r} gives vectors of {sizes.pop():,} numbers.")
        else:
            self._find("embeddings", Health.NO, f"{model!r} does not give one list of numbers for each text.")

    async def check_speed(self) -> None:
        """Measure how long an answer takes, and how several concurrent calls change that."""
        times = [reply.seconds for reply in self._probe.answers]
        said = f"An answer takes {statistics.median(times):.2f} s, the median of {len(times)}"
        self._find("latency", Health.OK, f"{said} (from {min(times):.2f} to {max(times):.2f}).")
        seeds: list[int | None] = [
            None if "seed" in self._parameters.without else _SEED + 2 + n for n in range(_AT_ONCE)
        ]
        replies = await asyncio.gather(*(self._say(_TALE, seed=seed, alone=False) for seed in seeds))
        # How long an answer takes depends on its length: what is compared with is the same, asked alone.
        alone = [reply.seconds for reply in self._tales if reply.fault is None] or times
        self._find("at once", *together(replies, statistics.median(alone)))
        if written := sum(response.output_tokens or 0 for response in self._got):
            self._find("speed", Health.OK, f"An answer is written at {written / sum(times):,.0f} tokens a second.")
        else:
            self._find("speed", Health.UNKNOWN, "The endpoint counts no tokens.")

    def check_price(self, prices: Prices | None) -> None:
        """Report what is known of the price."""
        if prices is None:
            said = "No price is known, and none is guessed: give it with --price to see and cap what a run costs."
            self._find("price", Health.UNKNOWN, said)
            return
        cost = f"{prices.input:g} dollars for a million tokens in and {prices.output:g} out ({prices.source})"
        self._find("price", Health.OK, f"It is {cost}.")

    def _tokens(self) -> int:
        return sum((d.input_tokens or 0) + (d.output_tokens or 0) for d in self._got)

    @property
    def _got(self) -> list[ModelResponse]:
        return [reply.response for reply in self._probe.answers if reply.response is not None]

    def _find(self, check: str, health: Health, said: str) -> None:
        finding = CheckFinding(check, health, said)
        self._findings.append(finding)
        self._found(finding)

    async def _say(self, text: str, *, seed: int | None = None, alone: bool = True) -> Reply:
        """Return the reply to a text. Leave out parameters that the endpoint refuses, except the seed."""
        messages: list[BaseMessage] = [HumanMessage(text)]
        without: set[str] = set()
        while True:
            kwargs = self._kwargs(seed, without)
            reply = await self._probe.ask(messages, kwargs, alone=alone)
            refused = self._parameters.blamed(reply.fault, kwargs) if reply.fault is not None else None
            if refused is None or refused == "seed":
                self._parameters.learn({"seed"} if refused else without if reply.fault is None else set())
                return reply
            without.add(refused)

    def _kwargs(self, seed: int | None = None, without: AbstractSet[str] = frozenset()) -> dict[str, Any]:
        if seed is None:
            without = without | {"seed"}
        return self._parameters.arguments(seed=seed or 0, max_tokens=_LENGTH, without=without)

    async def _explain(self, fault: RequestError, why: str) -> None:
        """Find what prevents the first answer."""
        outcome, at = fault.outcome, self._place
        listed = None if outcome in (Outcome.AUTH, Outcome.UNREACHABLE) else await self._listed()
        if outcome is Outcome.UNREACHABLE:
            self._find("reachable", Health.NO, f"{why} Start the server at {at}, or give another --base-url.")
        elif listed is None and outcome in (Outcome.NOT_JSON, Outcome.NOT_FOUND):
            self._find("reachable", Health.NO, f"{why} Check that {at} is where the API begins (often /v1).")
        elif listed is None and outcome is Outcome.TIMEOUT:
            self._find("reachable", Health.UNKNOWN, f"{why} Check {at}, or give it longer with --timeout.")
        else:
            self._find("reachable", Health.OK, f"Something answers at {at}.")
            self._find(*self._refusal(outcome, why, listed))

    def _refusal(self, outcome: Outcome, why: str, listed: list[str] | None) -> tuple[str, Health, str]:
        if outcome is Outcome.AUTH:
            return "key", Health.NO, f"{why} Check OPENAI_API_KEY and what the account may use."
        if outcome is Outcome.NOT_FOUND:
            return "model", Health.NO, f"{why} The endpoint lists {some(listed or [])}."
        return "answer", Health.NO, why

    async def _listed(self) -> list[str] | None:
        """Return the names of the endpoint's models, or None if it does not list them."""
        try:
            models = (await self._probe.fetch("models")).get("data")
        except RequestError:
            return None
        if not isinstance(models, list):
            return None
        return [name for model in models if isinstance(model, dict) and (name := FieldReader(model).text("id"))]

    def _named(self, listed: list[str] | None) -> tuple[Health, str]:
        if not listed:
            return Health.OK, f"{self._served!r} answers; the endpoint lists no models."
        if self._served in listed:
            return Health.OK, f"{self._served!r} is there; the endpoint lists {some(listed)}."
        said = f"Something answers as {self._served!r}, but the endpoint lists {some(listed)}: it may be that."
        return Health.UNKNOWN, said

    async def _check_forms(self) -> bool:
        form, kwargs = OutputModes(), self._kwargs()
        done = list(await trials(self._probe, form, kwargs))
        last = done[-1]
        self._best_form = last.mode
        if last.mode in (OutputMode.STRICT, OutputMode.PLAIN):
            done.append(await trial(self._probe, form, OutputMode.JSON, kwargs))
        # Of a form that was tried twice, the later try counts.
        for tried in {t.mode: t for t in done}.values():
            self._find(tried.mode.value.replace("_plain", " without bounds"), *formed(tried))
        if not last.is_taken:
            return False
        if last.mode in _FALLBACKS:
            self._fallbacks.append(_FALLBACKS[last.mode])
        elif form.left_out:
            left_out = ", ".join(sorted(form.left_out))
            self._fallbacks.append(f"Schemas are sent without {left_out}; answers are still held to all of the schema.")
        if last.outcome is not Outcome.OK:
            self._fallbacks.append("Answers that do not fit their schema are asked for again, at most twice each.")
        return last.outcome is Outcome.OK or last.is_doubtful

    async def _check_long_text(self) -> None:
        longer = self._parameters.arguments(seed=0, max_tokens=4 * _LENGTH, without={"seed"})
        tried = await try_long_text(self._probe, OutputModes(), self._best_form, longer)
        self._find("long text", *describe_long_text(tried))

    async def _check_languages(self) -> None:
        """Find out in which of four languages the model writes a sentence."""
        asked = "; ".join(map(language_name, _LANGUAGES))
        reply = await self._say(f"Describe a market in the rain in one long sentence in each language: {asked}.")
        lines = reply.response.raw.splitlines() if reply.response is not None else []
        written = [tag for tag in _LANGUAGES if any(is_in_language(line, tag) for line in lines)]
        missing = [language_name(tag) for tag in _LANGUAGES if tag not in written]
        said = f"The model writes {', '.join(map(language_name, written)) or 'none of the four languages asked for'}"
        hint = f"; not recognised: {', '.join(missing)}. Choose one it writes with --language." if missing else "."
        self._find("languages", Health.UNKNOWN if missing else Health.OK, said + hint)

    async def _check_tools(self) -> None:
        text = "A spider has eight legs. Note that with your tool."
        reply = await self._probe.ask([HumanMessage(text)], {**self._kwargs(), "tools": [_TOOL]})
        if reply.fault is not None:
            self._find("tools", Health.NO, f"{reply.why} A run needs none.")
        elif reply.called_tool:
            self._find("tools", Health.OK, "The model calls a tool that it is given.")
        else:
            self._find("tools", Health.UNKNOWN, "Tools are taken, but the model called none. A run needs none.")

    async def _check_seed(self) -> bool:
        """Return whether requests can be sent with a seed, or without one once that is known."""
        first = await self._say(_TALE, seed=_SEED)
        if first.fault is None:
            again, other = await self._say(_TALE, seed=_SEED), await self._say(_TALE, seed=_SEED + 1)
            self._tales = [first, again, other]
            self._find("seed", *seeded(first, again, other))
            return True
        is_learnt = "seed" in self._parameters.without
        if is_learnt or first.fault.outcome is not Outcome.BAD_REQUEST:
            self._find("seed", Health.NO if is_learnt else Health.UNKNOWN, first.why)
            self._tales = [await self._say(_TALE)]
            return True
        said = f"{first.why} It does not say that it is the seed it refuses, so every call of a run would fail."
        self._find("seed", Health.NO, said)
        return False

    def _check_usage(self) -> None:
        counted = [d for d in self._got if d.input_tokens is not None and d.output_tokens is not None]
        if counted:
            kinds = {"cached": [d.cached_tokens for d in counted], "reasoning": [d.reasoning_tokens for d in counted]}
            more = [name for name, counts in kinds.items() if any(n is not None for n in counts)]
            apart = f"; {' and '.join(more)} ones apart" if more else "; cached and reasoning ones not apart"
            self._find("usage", Health.OK, f"Tokens are counted{apart}.")
        else:
            self._find("usage", Health.NO, "Tokens are not counted, so only --max-calls can cap what a run costs.")
        if any(d.rate_limits is not None for d in self._got):
            self._find("rate limits", Health.OK, "Answers say how much more may be asked, and that is kept to.")
        else:
            said = "Answers say nothing of rate limits; what is too much is learnt from refusals."
            self._find("rate limits", Health.UNKNOWN, said)
