"""What tokens cost: given by the user, or known of a provider's own endpoint. Never invented: unknown is None."""

from dataclasses import dataclass

from ..endpoint.response import ModelResponse

__all__ = ["Prices"]

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens."""

    input: float
    output: float
    #: For input tokens that the endpoint had cached; None where they cost what the others do.
    cached: float | None = None
    #: Where the prices are from, as "given" or the price library and its version.
    source: str = "given"

    def cost(self, delivery: ModelResponse) -> float | None:
        """US dollars for one answer; None when the endpoint did not count its tokens."""
        if delivery.input_tokens is None or delivery.output_tokens is None:
            return None
        return self.of(delivery.input_tokens, delivery.output_tokens, delivery.cached_tokens or 0)

    def of(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0) -> float:
        """US dollars for so many tokens; the cached ones are among those of the input."""
        cached = self.input if self.cached is None else self.cached
        fresh = max(0.0, input_tokens - cached_tokens)
        return (fresh * self.input + cached_tokens * cached + output_tokens * self.output) / _MILLION
