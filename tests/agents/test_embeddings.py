import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import pytest
from asking import QUICK
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from langchain_openai import OpenAIEmbeddings
from memory_ledger import MemoryLedger
from memory_vectors import MemoryVectors
from openai_faults import FaultKind
from openai_server import OpenAIServer
from openai_vectors import DIMS, vector_of
from tiny_gguf import write_tiny_gguf

from populace.agents.embedding.embedder import Batching, Embedded, Embedder, Snippet
from populace.agents.embedding.models import EmbeddingHandle, open_embedder
from populace.agents.embedding.vectors import text_hash
from populace.agents.gateway.budget import known_prices
from populace.agents.gateway.cache import AnswerCache
from populace.agents.gateway.limits import Limits, Prices
from populace.core.errors import EndpointError, PausedError, RunError, SetupError
from populace.core.model import Outcome, RequestContext

STEP = RequestContext("step", 1, "society", 5)
TEXTS = [f"text {number} of a flood" for number in range(20)]

type Open = Callable[..., Embedder]


@pytest.fixture
def vectors() -> MemoryVectors:
    return MemoryVectors()


@pytest.fixture
async def opened(
    openai_server: OpenAIServer, memory_ledger: MemoryLedger, vectors: MemoryVectors
) -> AsyncIterator[Open]:
    embedders: list[Embedder] = []

    def open_one(model: Any = "openai:m", **options: Any) -> Embedder:
        handle = open_embedder(model, base_url=openai_server.base_url)
        limits = Limits.given(max_in_flight=4, **options.pop("limits", {}))
        given_or_usual = {"ledger": memory_ledger, "store": vectors, "batching": Batching(texts=8), "backoff": QUICK}
        embedders.append(Embedder(handle, limits=limits, **{**given_or_usual, **options}))
        return embedders[-1]

    yield open_one
    for embedder in embedders:
        await embedder.aclose()


def right(embedded: Embedded, texts: list[str]) -> bool:
    return np.array_equal(embedded.matrix(texts), [vector_of(text) for text in texts])


def outcomes(memory_ledger: MemoryLedger, vectors: MemoryVectors) -> Counter[Outcome]:
    return Counter(call.outcome for call in [*memory_ledger.calls, *vectors.calls])


async def test_texts_become_rows_of_numbers(opened: Open) -> None:
    embedder = opened()
    matrix = (await embedder.embed(TEXTS, STEP)).matrix(TEXTS)
    assert matrix.dtype == np.float32
    assert matrix.shape == (20, DIMS) == (20, embedder.dims)


async def test_requests_hold_as_many_texts_as_they_may(opened: Open, openai_server: OpenAIServer) -> None:
    embedded = await opened().embed(TEXTS, STEP)
    assert right(embedded, TEXTS)
    assert sorted(len(body["input"]) for body in openai_server.bodies) == [4, 8, 8]


async def test_requests_hold_as_many_tokens_as_they_may(opened: Open, openai_server: OpenAIServer) -> None:
    texts = ["a" * 300 + str(number) for number in range(7)] + ["b" * 3000]
    assert right(await opened(batching=Batching(tokens=250)).embed(texts, STEP), texts)
    assert sorted(len(body["input"]) for body in openai_server.bodies) == [1, 1, 2, 2, 2]


async def test_equal_texts_are_sent_once_and_known_ones_never_again(opened: Open, openai_server: OpenAIServer) -> None:
    await opened().embed([*TEXTS, *TEXTS[:5]], STEP)
    assert right(await opened().embed([*TEXTS, "a new one"], STEP), [*TEXTS, "a new one"])
    assert set(openai_server.embedded.values()) == {1}


async def test_every_attempt_is_a_row_and_says_what_came(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger, vectors: MemoryVectors
) -> None:
    openai_server.fault("rate_limit", attempts=1)
    await opened(prices=Prices(2.0, 0.0)).embed(TEXTS[:3], STEP)
    (refused,), (call,) = memory_ledger.calls, vectors.calls
    assert (refused.purpose, refused.outcome, refused.raw, refused.attempt) == ("embedding", "rate_limited", None, 1)
    assert (call.phase, call.number, call.owner, call.outcome, call.attempt) == ("step", 1, "society", "ok", 2)
    assert orjson.loads(call.raw or "") == {"vectors": 3, "dims": DIMS}
    assert (call.input_tokens, call.output_tokens) == (15, 0)
    assert call.cost == pytest.approx(30e-6)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("rate_limit", "rate_limited"),
        ("drop_midway", "dropped"),
        ("cut_body", "not_json"),
    ],
)
async def test_what_passes_is_tried_again_and_counted(
    opened: Open,
    openai_server: OpenAIServer,
    memory_ledger: MemoryLedger,
    vectors: MemoryVectors,
    kind: FaultKind,
    outcome: str,
) -> None:
    openai_server.fault(kind, attempts=1)
    assert right(await opened().embed(TEXTS, STEP), TEXTS)
    assert outcomes(memory_ledger, vectors) == {outcome: 3, "ok": 3}


@pytest.mark.parametrize("kind", ["nan", "one_short", "other_dims"])
async def test_one_text_without_a_usable_vector_costs_no_other_its_own(
    opened: Open, openai_server: OpenAIServer, kind: FaultKind
) -> None:
    embedder = opened()
    await embedder.embed(["one that tells the dimensions"], STEP)
    openai_server.fault(kind, containing="text 7 ")
    embedded = await embedder.embed(TEXTS, STEP)
    assert list(embedded.lost) == ["text 7 of a flood"]
    assert embedded.lost["text 7 of a flood"].outcome is Outcome.SCHEMA_MISMATCH
    assert right(embedded, [text for text in TEXTS if "7 " not in text or "17" in text])


async def test_texts_that_the_endpoint_fails_for_ever_are_lost_with_the_reason(
    opened: Open, openai_server: OpenAIServer
) -> None:
    openai_server.fail_forever("text 7 ")
    embedded = await opened(backoff=replace(QUICK, attempts=2)).embed(TEXTS, STEP)
    assert {lost.outcome for lost in embedded.lost.values()} == {Outcome.SERVER_ERROR}
    assert "HTTP status 500" in embedded.lost["text 7 of a flood"].reason
    assert len(embedded.vectors) + len(embedded.lost) == 20


async def test_an_endpoint_that_takes_few_texts_is_given_few(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.fault("too_many_texts")
    embedder = opened()
    assert right(await embedder.embed(TEXTS, STEP), TEXTS)
    refused = openai_server.by_fault["too_many_texts"]
    assert right(await embedder.embed(["x", "y", "z"], STEP), ["x", "y", "z"])
    assert openai_server.by_fault["too_many_texts"] == refused


async def test_an_endpoint_that_knows_no_base64_is_asked_for_numbers(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.fault("no_base64")
    assert right(await opened().embed(TEXTS[:3], STEP), TEXTS[:3])
    assert ["encoding_format" in body for body in openai_server.bodies] == [True, False]


async def test_a_text_that_is_too_long_is_cut_at_a_word_and_that_is_counted(
    opened: Open, openai_server: OpenAIServer, vectors: MemoryVectors
) -> None:
    text = "ferry " * 100
    embedded = await opened(batching=Batching(longest=20)).embed([text, "short"], STEP)
    assert openai_server.bodies[0]["input"] == [" ".join(["ferry"] * 10), "short"]
    assert (embedded.cut, list(embedded.vectors)) == (1, [text, "short"])
    assert orjson.loads(vectors.calls[0].raw or "")["cut"] == 1


async def test_a_text_that_the_endpoint_finds_too_long_is_cut_until_it_is_not(
    opened: Open, openai_server: OpenAIServer
) -> None:
    openai_server.script({"error": {"message": "input is too large to process"}}, status=500)
    embedded = await opened().embed(["ferry " * 100], STEP)
    assert embedded.cut == 1
    assert len(openai_server.bodies[1]["input"][0]) == 299


async def test_an_empty_text_has_no_vector_and_is_not_sent(opened: Open, openai_server: OpenAIServer) -> None:
    embedded = await opened().embed(["", " \n"], STEP)
    assert {lost.outcome for lost in embedded.lost.values()} == {Outcome.EMPTY}
    assert openai_server.calls == 0


async def test_a_wrong_key_stops_everything(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.key = "another"
    with pytest.raises(EndpointError, match="openai:m"):
        await opened().embed(TEXTS, STEP)


async def test_a_budget_of_calls_pauses_and_loses_nothing(
    opened: Open, openai_server: OpenAIServer, vectors: MemoryVectors
) -> None:
    with pytest.raises(PausedError, match="2 calls"):
        await opened(limits={"max_calls": 2}).embed(TEXTS, STEP)
    assert len(vectors.vectors) == 16
    assert right(await opened().embed(TEXTS, STEP), TEXTS)
    assert set(openai_server.embedded.values()) == {1}


async def test_a_request_is_cut_to_what_a_budget_of_tokens_leaves(
    opened: Open, openai_server: OpenAIServer, vectors: MemoryVectors
) -> None:
    with pytest.raises(PausedError, match=r"budget of 70 tokens is spent \(\d\d were counted"):
        await opened(limits={"max_tokens": 70}).embed(TEXTS, STEP)
    assert 8 < len(vectors.vectors) <= 14  # five tokens each, and all but what one more may take is used
    assert right(await opened().embed(TEXTS, STEP), TEXTS)
    assert set(openai_server.embedded.values()) == {1}


async def test_a_text_that_no_budget_covers_is_not_sent(opened: Open, openai_server: OpenAIServer) -> None:
    with pytest.raises(PausedError, match="does not cover one call"):
        await opened(limits={"max_tokens": 3}).embed(TEXTS, STEP)
    assert openai_server.bodies == []


async def test_no_more_than_may_be_are_in_flight(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.hold(4)
    await opened(batching=Batching(texts=1)).embed(TEXTS, STEP)
    assert openai_server.peak_in_flight == 4


async def test_tokens_a_minute_are_held_for_the_texts_alone(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.hold(4)
    await opened(batching=Batching(texts=2), limits={"tpm": 100_000}).embed(TEXTS, STEP)
    assert openai_server.peak_in_flight == 4


class Own(Embeddings):
    """Embeddings as a user may have them."""

    def __init__(self, numbers: object) -> None:
        self.numbers = numbers

    def embed_documents(self, texts: list[str]) -> Any:
        if isinstance(self.numbers, Exception):
            raise self.numbers
        return [self.numbers for _ in texts]

    def embed_query(self, text: str) -> Any:
        return self.numbers


async def test_embeddings_of_ones_own_are_as_good(opened: Open, vectors: MemoryVectors) -> None:
    embedder = opened(Own([1.0, 2.0]))
    assert (await embedder.embed(["a", "b"], STEP)).matrix(["b", "a"]).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert (embedder.name, vectors.calls[0].input_tokens) == ("Own", None)


@pytest.mark.parametrize(
    ("numbers", "outcome"),
    [
        (ValueError("no"), "model_error"),
        ([], "schema_mismatch"),
        (["a"], "schema_mismatch"),
        ([1e300], "schema_mismatch"),
    ],
)
async def test_what_ones_own_embeddings_do_wrong_is_an_outcome(opened: Open, numbers: object, outcome: str) -> None:
    embedded = await opened(Own(numbers)).embed(["a"], STEP)
    assert embedded.lost["a"].outcome == outcome


async def test_an_endpoint_gives_the_vectors_that_langchain_openai_gives(
    openai_server: OpenAIServer,
) -> None:
    options: dict[str, Any] = {"model": "m", "openai_api_base": openai_server.base_url, "openai_api_key": "key-of-ours"}
    lean = open_embedder("openai:m@16", base_url=openai_server.base_url)
    stock = OpenAIEmbeddings(**options, dimensions=16, check_embedding_ctx_length=False, max_retries=0)
    ours, theirs = (await lean.served.vectors(TEXTS)).vectors, await stock.aembed_documents(TEXTS)
    await lean.aclose()
    await stock.async_client._client.close()
    assert np.array_equal(np.array(ours, np.float32), np.array(theirs, np.float32))
    assert openai_server.bodies[0] == openai_server.bodies[1]


async def test_vectors_come_in_the_order_of_their_index(opened: Open, openai_server: OpenAIServer) -> None:
    entries = [{"index": place, "embedding": [float(place), 1.0]} for place in (2, 0, 1)]
    openai_server.script({"data": entries})
    matrix = (await opened().embed(["a", "b", "c"], STEP)).matrix(["a", "b", "c"])
    assert matrix[:, 0].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("procedural", {}, "no embedding model named 'procedural'"),
        ("openai:", {}, "openai:MODEL, with MODEL as the endpoint calls it"),
        ("openai:m", {}, "`embeddings_url`"),
        ("openai:m", {"base_url": "ftp://x"}, "is no address"),
        ("openai:m", {"base_url": "http://192.0.2.1/v1"}, "POPULACE_FORBID_MODELS"),
    ],
)
def test_a_model_that_cannot_be_is_refused_with_the_way_out(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        open_embedder(name, **options)


def test_stock_embeddings_without_an_address_are_forbidden_too() -> None:
    with pytest.raises(SetupError, match="POPULACE_FORBID_MODELS"):
        open_embedder(OpenAIEmbeddings(openai_api_key="key-of-ours"))


@given(st.lists(st.text(max_size=60), max_size=30, unique=True), st.integers(1, 5), st.integers(1, 30))
def test_no_batch_is_too_large_and_no_text_is_left_out(texts: list[str], most: int, tokens: int) -> None:
    batches = list(Batching(texts=most, tokens=tokens).batches({text_hash(text): text for text in texts}))
    assert [snippet.hash for batch in batches for snippet in batch] == [text_hash(text) for text in texts]
    assert all(len(batch) <= most for batch in batches)
    assert all(len(batch) == 1 or sum(snippet.tokens for snippet in batch) <= tokens for batch in batches)


@given(st.text(min_size=1, max_size=80), st.integers(2, 12))
def test_what_is_cut_is_a_beginning_within_the_limit(text: str, longest: int) -> None:
    ((snippet,),) = Batching(longest=longest).batches({"h": text})
    assert snippet == Snippet("h", text) or snippet.is_cut
    assert text.startswith(snippet.text)
    assert snippet.tokens <= longest


async def test_a_cache_gives_vectors_to_other_runs(opened: Open, openai_server: OpenAIServer, tmp_path: Path) -> None:
    with AnswerCache(tmp_path / "shared.db") as cache:
        await opened(shared=[cache]).embed(TEXTS, STEP)
    other, ledger = MemoryVectors(), MemoryLedger()
    with AnswerCache(tmp_path / "shared.db") as cache:
        embedder = opened(shared=[cache], store=other, ledger=ledger)
        assert right(await embedder.embed([*TEXTS, "a new one"], STEP), [*TEXTS, "a new one"])
    assert set(openai_server.embedded.values()) == {1}
    assert [(call.source, call.cost) for call in other.calls] == [("cache", 0.0), ("endpoint", None)]
    assert len(other.vectors) == 21


async def test_another_model_under_the_name_is_found_out(opened: Open, vectors: MemoryVectors) -> None:
    await opened().embed(["a"], STEP)
    vectors.vectors[f"openai:m {text_hash('b')}"] = vector_of("b", dims=3)
    with pytest.raises(RunError, match="not of one kind: A vector of"):
        await opened().embed(["a", "b"], STEP)


def test_a_model_that_writes_nothing_has_the_price_of_its_input() -> None:
    source = open_embedder(Own([1.0])).served
    handle = EmbeddingHandle("openai:text-embedding-3-small", source, "https://api.openai.com/v1")
    prices = known_prices(handle, writes=False)
    assert prices is not None
    assert (prices.input > 0, prices.output) == (True, 0.0)


@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed (extra 'local')")
async def test_a_gguf_file_gives_vectors_of_texts_of_any_length(opened: Open, tmp_path: Path) -> None:
    texts = ["the bridge is broken", "bread is dear", "the bridge is broken again " * 500]
    embedder = opened(f"gguf:{write_tiny_gguf(tmp_path / 'tiny.gguf')}")
    embedded = await embedder.embed(texts, STEP)
    assert (embedded.matrix(texts).shape, embedded.cut) == ((3, 64), 1)


async def test_wordllama_gives_vectors_in_this_process_and_none_for_a_text_without_words() -> None:
    handle = open_embedder("wordllama")
    reply = await handle.served.vectors(["A baker of bread.", "", "half a pair \ud800", "Someone bakes bread."])
    baker, empty, odd, bakes = (cast("Any", vector) for vector in reply.vectors)
    assert (len(baker), empty, handle.endpoint) == (256, None, None)
    assert odd is not None
    assert baker @ bakes > 0.5 * np.linalg.norm(baker) * np.linalg.norm(bakes)


def test_wordllama_that_is_not_installed_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(SetupError, match=r"pip install 'populace\[wordllama\]'"):
        open_embedder("wordllama")
