"""`populace hub dedup --embeddings`: what it says, and how it ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hub_people import make_hub
from openai_server import OpenAIServer

from populace.personas.hub.file import open_hub
from populace.personas.persona import Persona

from .conftest import Ask, Said

TEXTS = (
    "A baker who opens at four in the morning and sings while the bread rises.",
    "A baker who opens at four in the morning and hums while the bread rises.",
    "A retired judge who keeps bees on the roof of the court.",
)

type Give = Callable[..., Said]


@pytest.fixture
def give(folder: Path, ask: Ask, openai_server: OpenAIServer) -> Give:
    """Give `populace hub dedup` for three people, two of whom are alike by meaning."""
    make_hub(folder / "town.duckdb", [Persona(text) for text in TEXTS])
    return lambda *arguments: ask("hub", "dedup", "town.duckdb", "--embeddings-url", openai_server.base_url, *arguments)


def test_without_a_model_only_words_are_compared(give: Give, openai_server: OpenAIServer) -> None:
    assert "Only the lexical stage ran" in give().out
    assert openai_server.calls == 0


def test_with_a_model_both_stages_are_told(give: Give) -> None:
    said = give("--embeddings", "openai:m")
    assert said.code == 0
    assert said.out.startswith("0 of 3 people were marked as near-duplicates at 0.9;")
    assert "3 of 3 texts got a vector; the calls are in town.duckdb, as job 1.\n" in said.out
    assert "1 of 3 people were marked as near-duplicates by openai:m at a cosine of 0.9.\n" in said.out
    assert said.out.endswith("By stage: cosine:openai:m 1.\n")


def test_a_higher_cosine_marks_fewer_and_asks_nobody_again(give: Give, openai_server: OpenAIServer) -> None:
    assert (
        "0 of 3 people were marked as near-duplicates by openai:m"
        in give("--embeddings", "openai:m", "--cosine", 0.999).out
    )
    asked = openai_server.calls
    said = give("--embeddings", "openai:m")
    assert "got a vector" not in said.out
    assert "1 of 3 people were marked as near-duplicates by openai:m" in said.out
    assert openai_server.calls == asked


def test_an_unknown_model_is_refused_before_anything_is_done(give: Give) -> None:
    give("--embeddings", "minilm").complains(2, "There is no embedding model named 'minilm'")
    with open_hub("town.duckdb") as hub:
        assert hub.con.execute("SELECT count(*) FROM duplicates").fetchall() == [(0,)]


def test_who_has_no_vector_is_counted(give: Give, openai_server: OpenAIServer) -> None:
    openai_server.fault("nan", containing=TEXTS[2])
    said = give("--embeddings", "openai:m")
    assert "2 of 3 texts got a vector" in said.out
    assert "1 people have no vector and were not compared by meaning.\n" in said.out
