"""Hard caps on requests and tokens a minute: reserved before a call, settled by what it used."""

import math
from collections import deque
from dataclasses import dataclass

import orjson

from ..endpoint.response import ModelResponse
from ..observation import estimated_tokens
from .request import Request

__all__ = ["RateLimiter", "RollingWindow", "TokenEstimate"]

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
        """When to ask again whether `amount`, at most the cap, fits: `now` when it does.

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
        """End a hold, of which `used` was needed in truth; that much counts for a minute yet."""
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

    def estimate[T](self, request: Request[T]) -> TokenEstimate:
        """What a request is to be judged by; empty as long as there is no cap of tokens."""
        if self._tokens is None:
            return TokenEstimate()
        said = orjson.dumps([request.prompt.messages, request.schema.json_schema])
        return TokenEstimate(estimated_tokens(said.decode()), request.max_tokens)

    def ready_at(self, now: float, estimate: TokenEstimate) -> float:
        """When to ask again whether such a request may start: `now` when it may."""
        requests = self._requests.ready_at(now, 1) if self._requests else now
        tokens = self._tokens.ready_at(now, self._needed(estimate, self._tokens)) if self._tokens else now
        return max(requests, tokens)

    def start(self, now: float, estimate: TokenEstimate) -> int:
        """Count a request as started; the tokens that are held for it until `settle`."""
        if self._requests:
            self._requests.hold(1)
            self._requests.release(now, 1, 1)
        if self._tokens is None:
            return 0
        needed = self._needed(estimate, self._tokens)
        self._tokens.hold(needed)
        return needed

    def used_by(self, estimate: TokenEstimate, response: ModelResponse) -> int:
        """The tokens that an answer took, by the endpoint's count where it gave one; what follows is held by it."""
        if self._tokens is None:
            return 0
        prompt = response.input_tokens if response.input_tokens is not None else estimate.prompt
        written = response.output_tokens if response.output_tokens is not None else estimated_tokens(response.raw)
        self._ratio = max(self._ratio, prompt / max(1, estimate.prompt))
        self._longest = max(self._longest, written)
        return prompt + written

    def settle(self, now: float, held: int, used: int) -> None:
        """Count a request as ended, having used so many of the tokens held for it."""
        if self._tokens:
            self._tokens.release(now, held, used)

    def _needed(self, estimate: TokenEstimate, tokens: RollingWindow) -> int:
        ratio = self._ratio * _MARGIN or _RATIO_AT_MOST
        # How long an answer without a limit may be, only the answers before it tell: the first is sent alone.
        written = estimate.written or self._longest or tokens.most
        return min(tokens.most, int(estimate.prompt * ratio) + written)
