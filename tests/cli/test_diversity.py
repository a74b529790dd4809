"""`populace data diversity` and `data yield`: what they say, the vectors that it fetches, and how it ends."""

import json
from pathlib import Path

import pytest
from openai_server import OpenAIServer

from populace.personas.hub.file import open_hub

from .conftest import Ask


def test_words_are_measured_without_a_model(ask: Ask, run_file: Path) -> None:
    said = ask("data", "diversity", run_file)
    assert said.code == 0
    assert "compression ratio" in said.out
    assert "Without an embedding model this cannot give" in said.out
    found = json.loads(ask("data", "diversity", run_file, "--json", "--n", 5).out)
    assert found["title"].startswith("Diversity of 5 of ")
    assert "no_vectors" in [note["code"] for note in found["notes"]]


def test_vectors_are_fetched_once_and_used_from_then_on(ask: Ask, run_file: Path, openai_server: OpenAIServer) -> None:
    given = ("data", "diversity", run_file, "--embeddings", "openai:m@512", "--embeddings-url", openai_server.base_url)
    said = ask(*given)
    assert said.code == 0, said
    assert "texts got a vector; the calls are in run.duckdb, as job 2." in said.complaint
    assert "Vendi score" in said.out
    asked = openai_server.calls
    assert {body["dimensions"] for body in openai_server.bodies} == {512}
    assert "Vendi score" in ask(*given).out
    assert "Vendi score" in ask("data", "diversity", run_file).out
    assert openai_server.calls == asked
    with open_hub(run_file) as hub:
        assert hub.con.execute("SELECT kind, status FROM jobs ORDER BY job").fetchall() == [
            ("society", "finished"),
            ("embedding", "finished"),
        ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--kind", "poem"), "no outputs of the kind 'poem'"),
        (("--n", 0), "--n 0 is out of range"),
    ],
)
def test_what_cannot_be_done_is_said(ask: Ask, run_file: Path, given: tuple[object, ...], words: str) -> None:
    ask("data", "diversity", run_file, *given).complains(2, words)


def test_the_funnel_is_told_and_given_as_json(ask: Ask, run_file: Path) -> None:
    said = ask("data", "yield", run_file)
    assert said.code == 0
    assert "turns asked for" in said.out
    assert "accepted" in said.out
    found = json.loads(ask("data", "yield", run_file, "--json").out)
    assert found["rows"][0]["rows"] == 16


def test_topics_that_were_not_reached_are_named_with_people_and_seeds(
    ask: Ask, run_file: Path, folder: Path, openai_server: OpenAIServer
) -> None:
    ask("data", "coverage", run_file).complains(2, "an embedding model is needed; add --embeddings wordllama")
    local = ("--embeddings", "wordllama")
    said = ask("data", "coverage", run_file, "--seeds", "gaps.jsonl", *local)
    assert said.code == 0, said
    assert "were reached beyond chance by" in said.out
    assert "By wordllama: a text holds a topic from a cosine that 1 % of texts" in said.out
    assert "grow people from them: `populace grow gaps.jsonl`" in said.out
    assert (folder / "gaps.jsonl").read_text().startswith('{"title":')
    Path("topics.txt").write_text("Food / Baking: bread, oven\n")
    given = ("data", "coverage", run_file, "--topics", "topics.txt", "--json")
    assert [row["topic"] for row in json.loads(ask(*given, *local).out)["rows"]] == ["Food / Baking"]
    found = json.loads(ask(*given, "--embeddings", "openai:m", "--embeddings-url", openai_server.base_url).out)
    assert "By openai:m" in found["notes"][0]["text"]
    assert found["rows"][0]["cosine"] > 0
    ask("data", "coverage", run_file, "--seeds", "gaps.jsonl", *local).complains(
        2, "'gaps.jsonl' exists and is not written over"
    )
    ask("data", "coverage", run_file, "--kind", "poem", *local).complains(2, "no outputs of the kind 'poem'")
    ask("data", "coverage", run_file, "--topics", "gone.json", *local).complains(2, "There is no file gone.json")
