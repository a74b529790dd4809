"""The hard caps of an account: requests and tokens a minute, held before a call and settled by what it used."""

from dataclasses import dataclass

import orjson

from ..endpoint.response import ModelResponse
from ..observation import estimated_tokens
from .request import Request
from .window import Window

__all__ = ["Allowance", "Weight"]

#: Tokens that a byte can be at most; four times the estimate, which counts one for four bytes.
_RATIO_AT_MOST = 4.0

#: Room above the highest ratio of real to estimated prompt tokens that was seen.
_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class Weight:
    """What is known of a request's use beforehand: its prompt as estimated, its answer's limit (0: none)."""

    prompt: int = 0
    written: int = 0


class Allowance:
    """Requests and tokens a minute; None is no cap.

    Tokens are held at the most that a request can use, as far as the answers so far tell, so that the real
    use stays below the cap at any moment. A request beyond the whole cap is sent when nothing else counts.
    """

    def __init__(self, *, rpm: int | None = None, tpm: int | None = None) -> None:
        self._requests = Window(rpm) if rpm is not None else None
        self._tokens = Window(tpm) if tpm is not None else None
        self._ratio = 0.0
        self._longest = 0

    def weigh[T](self, request: Request[T]) -> Weight:
        """What a request is to be judged by; empty as long as there is no cap of tokens."""
        if self._tokens is None:
            return Weight()
        said = orjson.dumps([request.prompt.messages, request.schema.json_schema])
        return Weight(estimated_tokens(said.decode()), request.max_tokens)

    def opens(self, now: float, weight: Weight) -> float:
        """When to ask again whether such a request may start: `now` when it may."""
        requests = self._requests.opens(now, 1) if self._requests else now
        tokens = self._tokens.opens(now, self._needed(weight, self._tokens)) if self._tokens else now
        return max(requests, tokens)

    def start(self, now: float, weight: Weight) -> int:
        """Count a request as started; the tokens that are held for it until `settle`."""
        if self._requests:
            self._requests.hold(1)
            self._requests.release(now, 1, 1)
        if self._tokens is None:
            return 0
        needed = self._needed(weight, self._tokens)
        self._tokens.hold(needed)
        return needed

    def used_by(self, weight: Weight, delivery: ModelResponse) -> int:
        """The tokens that an answer took, by the endpoint's count where it gave one; what follows is held by it."""
        if self._tokens is None:
            return 0
        prompt = delivery.input_tokens if delivery.input_tokens is not None else weight.prompt
        written = delivery.output_tokens if delivery.output_tokens is not None else estimated_tokens(delivery.raw)
        self._ratio = max(self._ratio, prompt / max(1, weight.prompt))
        self._longest = max(self._longest, written)
        return prompt + written

    def settle(self, now: float, held: int, used: int) -> None:
        """Count a request as ended, having used so many of the tokens held for it."""
        if self._tokens:
            self._tokens.release(now, held, used)

    def _needed(self, weight: Weight, tokens: Window) -> int:
        ratio = self._ratio * _MARGIN or _RATIO_AT_MOST
        # How long an answer without a limit may be, only the answers before it tell: the first is sent alone.
        written = weight.written or self._longest or tokens.most
        return min(tokens.most, int(weight.prompt * ratio) + written)
