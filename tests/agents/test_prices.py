"""What tokens cost: given, or known of a provider's own endpoint, and never guessed."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.agents.endpoint.models import ModelHandle
from populace.agents.gateway.budget import given_prices, known_prices, prices_of
from populace.agents.gateway.limits import Prices
from populace.agents.procedural import ProceduralModel
from populace.core.errors import SetupError

PUBLIC = "https://api.openai.com/v1"
OWN = ("http://127.0.0.1:8000/v1", "https://models.example/v1", "http://api.openai.com/v1", "https://localhost/v1", "")


def handle(name: str, *endpoints: str | None) -> ModelHandle:
    first, *more = [ModelHandle(name, ProceduralModel(), endpoint) for endpoint in endpoints]
    return ModelHandle(name, first.served, first.endpoint, more=tuple(more))


def test_a_providers_own_endpoint_has_the_prices_of_the_library() -> None:
    prices = known_prices(handle("openai:gpt-4o-mini", PUBLIC))
    assert prices is not None
    assert 0 < (prices.cached or 0) < prices.input < prices.output
    assert prices.source.startswith("genai-prices ")
    assert prices.source.endswith(", openai/gpt-4o-mini")


@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        *(("gpt-4o-mini", endpoint) for endpoint in OWN),
        ("somebodys-own-model", PUBLIC),
        ("text-embedding-3-small", PUBLIC),  # it writes nothing
        ("sonar-pro", "https://api.perplexity.ai"),  # by the request, and for reasoning apart
        ("sonar-deep-research", "https://api.perplexity.ai"),
    ],
)
def test_what_has_no_known_price_is_given_none(model: str, endpoint: str) -> None:
    assert prices_of(model, endpoint) is None


def test_a_model_in_the_process_has_no_price() -> None:
    assert known_prices(handle("procedural", None)) is None


def test_endpoints_have_a_price_together_or_none() -> None:
    assert known_prices(handle("openai:gpt-4o-mini", PUBLIC, PUBLIC)) is not None
    assert known_prices(handle("openai:gpt-4o-mini", PUBLIC, OWN[0])) is None


def test_tiers_are_those_of_a_short_request_and_said_to_be() -> None:
    prices = prices_of("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai")
    assert prices is not None
    assert "for requests of up to 200,000 tokens" in prices.source


def test_a_batch_has_its_own_prices_or_none() -> None:
    one, batch = (known_prices(handle("openai:gpt-4o-mini", PUBLIC), batch=b) for b in (False, True))
    assert one is not None
    assert batch is not None
    assert batch.input < one.input
    assert prices_of("deepseek-chat", "https://api.deepseek.com", batch=True) is None


@pytest.mark.slow
def test_the_library_is_not_even_imported_for_a_server_of_ones_own() -> None:
    asked = "from populace.agents.gateway.budget import prices_of; prices_of('m', 'http://127.0.0.1:1/v1')"
    shown = f"import sys; {asked}; print('genai_prices' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


@pytest.mark.parametrize(("text", "cached"), [("2.5/10", None), ("2.5/10/1.25", 1.25), (" 2.5 / 10.0 / 0 ", 0.0)])
def test_prices_are_given_with_strokes_between(text: str, cached: float | None) -> None:
    assert given_prices(text) == Prices(2.5, 10.0, cached, "given")


@pytest.mark.parametrize("text", ["", "2.5", "1/2/3/4", "-1/2", "nan/1", "1/inf", "cheap/dear", "$1/$2", "1//2"])
def test_what_is_no_price_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(SetupError, match=r"`prices` 2\.5/10, but .* was given\.$"):
        given_prices(text)


@given(*[st.floats(0, 1e6)] * 2, st.none() | st.floats(0, 1e6), *[st.integers(0, 10**9)] * 2, st.floats(0, 1))
def test_no_tokens_cost_less_than_nothing_and_more_tokens_no_less(
    into: float, out: float, cached: float | None, asked: int, answered: int, share: float
) -> None:
    prices = Prices(into, out, cached)
    cost = prices.of(asked, answered, share * asked)
    assert 0 <= cost <= prices.of(asked, answered + 1, share * asked)
