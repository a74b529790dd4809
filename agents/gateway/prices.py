"""What tokens cost: given by the user, or known from a price library that brings its data along; never guessed."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ...personas.errors import SetupError, parameter
from ..endpoint.address import is_loopback
from ..endpoint.models import ServedModel
from ..endpoint.response import ModelResponse

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice


__all__ = ["Prices", "given_prices", "known_prices", "prices_of"]

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

    def cost(self, response: ModelResponse) -> float | None:
        """US dollars for one answer; None when the endpoint did not count its tokens."""
        if response.input_tokens is None or response.output_tokens is None:
            return None
        return self.of(response.input_tokens, response.output_tokens, response.cached_tokens or 0)

    def of(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0) -> float:
        """US dollars for so many tokens; the cached ones are among those of the input."""
        cached = self.input if self.cached is None else self.cached
        fresh = max(0.0, input_tokens - cached_tokens)
        return (fresh * self.input + cached_tokens * cached + output_tokens * self.output) / _MILLION


#: Prices that no plain request for text meets: tools, and media other than text.
_NOT_FOR_TEXT = ("web_searches_", "storage_searches_", "audio", "image", "video", "document", "chars")


def known_prices(model: ServedModel, *, batch: bool = False, writes: bool = True) -> Prices | None:
    """What the model's endpoints charge now, `batch` for a batch; None unless all are a known provider's own.

    A model that writes nothing, as for embeddings, has no price for its output.
    """
    served = model.name.partition(":")[2]
    if not served or any(handle.endpoint is None for handle in model.all):
        return None
    found = {prices_of(served, handle.endpoint or "", batch=batch, writes=writes) for handle in model.all}
    return found.pop() if len(found) == 1 else None


def prices_of(served: str, endpoint: str, *, batch: bool = False, writes: bool = True) -> Prices | None:
    """What a model costs at an endpoint now; None where the library does not know both, or prices no plain tokens."""
    if is_loopback(endpoint) or not endpoint.startswith("https://"):
        return None
    from genai_prices import __version__
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider, model = get_snapshot().find_provider_model(served, None, None, endpoint)
    except LookupError:
        return None
    price = _price_now(model, batch=batch)
    source = f"genai-prices {__version__}, {provider.id}/{model.id}{_by_the_clock(model)}"
    return None if price is None else _prices(price, source, writes=writes)


def given_prices(text: str) -> Prices:
    """Prices written as INPUT/OUTPUT or INPUT/OUTPUT/CACHED. Raises `SetupError` for anything else."""
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(math.isfinite(n) and n >= 0 for n in numbers):
        raise SetupError(
            "A price is INPUT/OUTPUT or INPUT/OUTPUT/CACHED in dollars for a million tokens, as "
            f"{parameter('prices')} 2.5/10, "
            f"but {text!r} was given."
        )
    return Prices(numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None)


def _price_now(model: "ModelInfo", *, batch: bool) -> "ModelPrice | None":
    context = {"processing": "batch"} if batch else None
    if batch and not any(variant.when == context for variant in model.price_variants or ()):
        return None
    return model.get_prices(datetime.now(UTC), context)


def _by_the_clock(model: "ModelInfo") -> str:
    conditional = model.prices if isinstance(model.prices, list) else []
    return ", as at this time of day" if any(hasattr(p.constraint, "end_time") for p in conditional) else ""


def _prices(price: "ModelPrice", source: str, *, writes: bool) -> Prices | None:
    listed = {name: value for name, value in vars(price).items() if value is not None and not _is_aside(name)}
    tiers = sorted({tier.start for value in listed.values() for tier in getattr(value, "tiers", ())})
    dollars = {name: float(getattr(value, "base", value)) for name, value in listed.items()}
    into, out, cached = (dollars.pop(f"{kind}_mtok", None) for kind in ("input", "output", "cache_read"))
    out = 0.0 if out is None and not writes else out
    keeping = [dollars.pop(name) for name in ("cache_write_mtok", "cache_write_1h_mtok") if name in dollars]
    # What is left is charged for in another way, by the request or by a kind of token that is not counted apart.
    if into is None or out is None or dollars:
        return None
    if tiers:
        source += f", for requests of up to {tiers[0]:,} tokens"
    if keeping and keeping[0] > into:
        source += f", without the {keeping[0]:g} for writing to a cache"
    return Prices(into, out, cached, source)


def _is_aside(name: str) -> bool:
    return any(part in name for part in _NOT_FOR_TEXT)
