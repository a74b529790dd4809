"""The bounds and prices of calls: options of a run, waits between attempts, and rate limits that it keeps itself.

Rate limits are hard caps on requests and tokens a minute: reserved before a call, settled by what it used.
"""

import asyncio
import math
import random
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Self

import orjson
from pydantic import Field, field_validator

from ...core.errors import SetupError
from ...core.model import AnswerSchema, Option, Spec
from ...core.prompt import RenderedPrompt
from ...core.text import estimated_tokens
from ..endpoint.errors import MOST_BYTES, TRANSIENT, RequestError

if TYPE_CHECKING:
    from ..endpoint.response import ModelResponse

#: Parameters of a request that have another place than `extra_body`.
_OURS = frozenset(
    {"model", "messages", "stream", "n", "seed", "max_tokens", "max_completion_tokens", "response_format", "tools"}
    | {"temperature", "top_p"}
)


#: The limits that answers depend on.
SAMPLING = ("temperature", "top_p", "extra_body", "retry_refusals")

_MILLION = 1_000_000

_Limit = partial(Option, panel="Limits")
_Sampled = partial(Option, panel="Sampling")


class Limits(Spec):
    """The bounds of a run's calls, its retries and its sampling; None is no bound, or the endpoint's own default.

    Answers depend on those in `SAMPLING`, and on nothing else here.
    """

    max_in_flight: Annotated[int, _Limit("Maximum concurrent model calls.")] = Field(64, ge=1)
    rpm: Annotated[int | None, _Limit("Maximum requests per minute.")] = Field(None, ge=1)
    tpm: Annotated[int | None, _Limit("Maximum tokens per minute, input plus output.")] = Field(None, ge=1)
    # The budget is that of the whole run, of all its sessions together.
    max_calls: Annotated[int | None, _Limit("Budget in calls; the run pauses before it is exceeded.")] = Field(
        None, ge=1
    )
    max_tokens: Annotated[int | None, _Limit("Budget in tokens, input plus output.")] = Field(None, ge=1)
    max_cost: Annotated[float | None, _Limit("Budget in USD.")] = Field(None, gt=0)
    max_error_rate: Annotated[
        float, _Limit("Pause when more than this share of recent calls fails; 1 never pauses.")
    ] = Field(0.8, gt=0, le=1)
    max_rejected: Annotated[
        float,
        _Limit("Pause when one check rejects more than this share of a task's first 20 answers; 1 never pauses."),
    ] = Field(0.8, gt=0, le=1)
    min_yield: Annotated[
        float, _Limit("Pause when less than this share of a task's outputs is accepted, after 50; 0 never pauses.")
    ] = Field(0.1, ge=0, lt=1)
    # Of the whole call where its answer is not streamed.
    timeout: Annotated[float, _Limit("Seconds of silence per call.")] = Field(60.0, gt=0)
    wait: Annotated[
        float, _Limit("How long to wait for an unreachable endpoint before pausing.", metavar="SECONDS")
    ] = Field(300.0, ge=0)
    max_response_bytes: Annotated[int, _Limit("Maximum response size in bytes.")] = Field(MOST_BYTES, ge=1024)
    retry_refusals: Annotated[int, Option("Retries with another seed after a refusal.", metavar="N", panel="Model")] = (
        Field(0, ge=0)
    )
    # Part of a request's hash where it is given.
    temperature: Annotated[float | None, _Sampled("Sent with every request.  [default: the endpoint's own]")] = Field(
        None, ge=0
    )
    top_p: Annotated[float | None, _Sampled("Sent with every request.  [default: the endpoint's own]")] = Field(
        None, gt=0, le=1
    )
    extra_body: Annotated[
        dict[str, Any] | None,
        _Sampled("Extra request parameters, for example '{\"top_k\": 40}'.", metavar="JSON"),
    ] = None

    @field_validator("extra_body", mode="before")
    @classmethod
    def _check_extra_body(cls, given: object) -> object:
        if given in (None, "", {}):
            return None
        try:
            parsed = orjson.loads(given) if isinstance(given, str) else given
        except orjson.JSONDecodeError as error:
            raise ValueError(f"be a JSON object ({error})") from error
        if not isinstance(parsed, dict):
            raise ValueError("be a JSON object")
        if taken := sorted(_OURS & parsed.keys()):
            raise ValueError(f"not hold {', '.join(taken)}, which Populace sets itself")
        return parsed

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling parameters that are given, as keyword arguments of a LangChain chat model."""
        return self.model_dump(include={"temperature", "top_p", "extra_body"}, exclude_none=True)

    def changed(self, **options: Any) -> Self:
        """Return these limits changed by the options that are not None. Raises `SetupError` in one sentence."""
        return self.given(**self.model_dump() | {n: v for n, v in options.items() if v is not None})


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens."""

    input: float
    output: float
    #: For input tokens that the endpoint had cached; None where they cost what the others do.
    cached: float | None = None
    #: Where the prices are from, as "given" or the price library and its version.
    source: str = "given"

    def cost(self, response: "ModelResponse") -> float | None:
        """Return the price of one answer in US dollars, or None if the endpoint did not count its tokens."""
        if response.input_tokens is None or response.output_tokens is None:
            return None
        return self.of(response.input_tokens, response.output_tokens, response.cached_tokens or 0)

    def of(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0) -> float:
        """Return the price of these tokens in US dollars. `cached_tokens` are part of `input_tokens`."""
        cached = self.input if self.cached is None else self.cached
        fresh = max(0.0, input_tokens - cached_tokens)
        return (fresh * self.input + cached_tokens * cached + output_tokens * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often a request is sent, with exponential waits in seconds, full jitter, and as long as the endpoint asks."""

    base: float = 0.5
    cap: float = 30.0
    #: A request whose endpoint asks to wait longer than this is given up.
    patience: float = 600.0
    #: How often one request is sent, at most; from 1.
    attempts: int = 6

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise SetupError(f"The gateway's attempts are {self.attempts}; give a number above 0.")

    def delay(self, attempt: int, rng: random.Random, *, asked: float | None = None) -> float | None:
        """Return the seconds to wait after failed attempt number `attempt` (from 1).

        Return None if the endpoint asks for too long a wait. The first two times, the wait exceeds what the endpoint
        asks for by at most a twentieth.
        """
        if asked is not None and asked > self.patience:
            return None
        # Capped first: 2 to the power of a large attempt is no float.
        ceiling = min(self.cap, self.base * 2 ** min(attempt - 1, 60))
        if asked and attempt <= 2:
            ceiling = min(ceiling, asked / 20)
        return (asked or 0.0) + rng.uniform(0.0, ceiling)

    async def may_repeat(
        self, fault: RequestError, failed: int, rng: random.Random | None = None, *, most: int | None = None
    ) -> bool:
        """Return whether to send a request again that has failed so often. If so, wait first.

        `most` is how often it is sent, if that is fewer than `attempts`. No answer depends on the wait, which `rng`
        draws.
        """
        delay = self.delay(failed, rng or random.Random(), asked=fault.retry_after)  # noqa: S311
        if fault.outcome not in TRANSIENT or failed >= (most or self.attempts) or delay is None:
            return False
        await asyncio.sleep(delay)
        return True


#: Seconds that a use counts. One more than a minute: between our clock and the endpoint's lies the way there.
_SPAN = 61.0


class RollingWindow:
    """At most so much in any 60 seconds, by a clock that the caller reads (seconds, never going back).

    What is held counts from `hold` until a minute after `release`: wherever between the two the endpoint puts
    it on its own account, it stays below the cap.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        #: What counts now: held, or released within the last minute.
        self.used = 0
        self._leaving: deque[tuple[float, int]] = deque()

    def ready_at(self, now: float, amount: int) -> float:
        """Return the time to ask again whether `amount`, at most the cap, fits. It is `now` if it does.

        Infinity means that a release must come first.
        """
        while self._leaving and self._leaving[0][0] <= now:
            self.used -= self._leaving.popleft()[1]
        if self.used + amount <= self.most:
            return now
        return self._leaving[0][0] if self._leaving else math.inf

    def hold(self, amount: int) -> None:
        """Count `amount` from now on."""
        self.used += amount

    def release(self, now: float, held: int, used: int) -> None:
        """End a hold of which only `used` was needed. That much still counts for a minute."""
        self.used += used - held
        self._leaving.append((now + _SPAN, used))


#: Tokens that a byte can be at most; four times the estimate, which counts one for four bytes.
_RATIO_AT_MOST = 4.0

#: Room above the highest ratio of real to estimated prompt tokens that was seen.
_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class TokenEstimate:
    """What is known of a request's use beforehand: its prompt as estimated, its answer's limit (0: none)."""

    prompt: int = 0
    written: int = 0


def estimate_tokens[T](prompt: RenderedPrompt, schema: AnswerSchema[T], max_tokens: int) -> TokenEstimate:
    """Estimate the input tokens of a request by the bytes of its messages and schema, and its maximum output."""
    asked = orjson.dumps([prompt.messages, schema.sent])
    return TokenEstimate(estimated_tokens(asked.decode()), max_tokens)


class RateLimiter:
    """Requests and tokens a minute; None is no cap.

    Tokens are held at the most that a request can use, as far as the answers so far tell, so that the real
    use stays below the cap at any moment. A request beyond the whole cap is sent when nothing else counts.
    """

    def __init__(self, *, rpm: int | None = None, tpm: int | None = None) -> None:
        self._requests = RollingWindow(rpm) if rpm is not None else None
        self._tokens = RollingWindow(tpm) if tpm is not None else None
        self._ratio = 0.0
        self._longest = 0

    @property
    def caps_tokens(self) -> bool:
        """Whether it has to be given an estimate of each request."""
        return self._tokens is not None

    def ready_at(self, now: float, estimate: TokenEstimate) -> float:
        """Return the time to ask again whether such a request may start. It is `now` if it may."""
        requests = self._requests.ready_at(now, 1) if self._requests else now
        tokens = self._tokens.ready_at(now, self._needed_tokens(estimate, self._tokens)) if self._tokens else now
        return max(requests, tokens)

    def start(self, now: float, estimate: TokenEstimate) -> int:
        """Count a request as started. Return the tokens that are held for it until `settle`."""
        if self._requests:
            self._requests.hold(1)
            self._requests.release(now, 1, 1)
        if self._tokens is None:
            return 0
        needed = self._needed_tokens(estimate, self._tokens)
        self._tokens.hold(needed)
        return needed

    def used_by(self, estimate: TokenEstimate, response: "ModelResponse") -> int:
        """Return the tokens that an answer took, by the endpoint's count if it gave one.

        Later holds are based on this.
        """
        if self._tokens is None:
            return 0
        prompt = response.input_tokens if response.input_tokens is not None else estimate.prompt
        written = response.output_tokens if response.output_tokens is not None else estimated_tokens(response.raw)
        self._ratio = max(self._ratio, prompt / max(1, estimate.prompt))
        self._longest = max(self._longest, written)
        return prompt + written

    def settle(self, now: float, held: int, used: int) -> None:
        """Count a request as ended, having used `used` of the tokens held for it."""
        if self._tokens:
            self._tokens.release(now, held, used)

    def _needed_tokens(self, estimate: TokenEstimate, tokens: RollingWindow) -> int:
        ratio = self._ratio * _MARGIN or _RATIO_AT_MOST
        # How long an answer without a limit may be, only the answers before it tell: the first is sent alone.
        written = estimate.written or self._longest or tokens.most
        return min(tokens.most, int(estimate.prompt * ratio) + written)
