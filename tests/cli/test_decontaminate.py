"""`populace data decontaminate`: what is rejected, and how that is taken back."""

import json
from pathlib import Path

import pytest
from openai_server import OpenAIServer

from populace.personas.hub.file import open_hub

from .conftest import Ask


def in_run(run_file: Path, query: str) -> list[tuple[object, ...]]:
    with open_hub(run_file) as hub:
        return hub.con.execute(query).fetchall()


@pytest.fixture
def bench(run_file: Path, folder: Path) -> Path:
    """A benchmark that holds the longest request of the run; tools of one kind share words."""
    ((text,),) = in_run(
        run_file, "SELECT text FROM outputs WHERE kind = 'instruction' ORDER BY length(text) DESC LIMIT 1"
    )
    (folder / "bench.jsonl").write_text(json.dumps({"problem": text}) + "\n{broken\n")
    return Path("bench.jsonl")


ACCEPTED = "SELECT count(*) FROM outputs WHERE status = 'accepted'"
REJECTED = "SELECT stage, reason FROM outputs WHERE stage = 'contamination'"


def test_what_overlaps_is_rejected_and_taken_back(ask: Ask, run_file: Path, bench: Path) -> None:
    ((before,),) = in_run(run_file, ACCEPTED)
    said = ask("data", "decontaminate", run_file, "--against", bench)
    assert said.code == 0, said
    assert "1 of 16 outputs overlap with one of 1 texts." in said.out
    assert "1 outputs are rejected." in said.out
    assert "1 because the line is not JSON" in said.out
    ((stage, reason),) = in_run(run_file, REJECTED)
    assert stage == "contamination"
    assert "bench.jsonl, row 1, problem" in str(reason)
    assert in_run(run_file, ACCEPTED) == [(int(str(before)) - 1,)]
    ((spec, status),) = in_run(run_file, "SELECT spec, status FROM jobs WHERE kind = 'checking'")
    assert json.loads(str(spec))["against"] == ["bench.jsonl"]
    assert status == "finished"
    assert "1 verdicts were taken back." in ask("data", "decontaminate", run_file, "--undo").out
    assert in_run(run_file, ACCEPTED) == [(before,)]
    assert in_run(run_file, "SELECT status FROM jobs WHERE kind = 'checking'") == [("abandoned",)]


def test_the_card_of_an_export_says_with_what_the_outputs_were_compared(ask: Ask, run_file: Path, bench: Path) -> None:
    def card(name: str) -> str:
        said = ask("export", run_file, f"{name}.jsonl", "--format", "jsonl", "--kind", "dialogue")
        assert said.code == 0, said
        return Path(f"{name}.jsonl.card.md").read_text()

    assert "- The outputs were not compared with any benchmark." in card("before")
    ask("data", "decontaminate", run_file, "--against", bench)
    told = "- Compared with bench.jsonl (1 texts) by 13 words in a row: 1 outputs overlapped and were rejected."
    assert told in card("after")


def test_a_preview_rejects_nothing(ask: Ask, run_file: Path, bench: Path) -> None:
    said = ask("data", "decontaminate", run_file, "--against", bench, "--preview")
    assert "1 of 16 outputs overlap with one of 1 texts.\n" in said.out
    assert in_run(run_file, REJECTED) == []
    found = json.loads(ask("data", "decontaminate", run_file, "--against", bench, "--preview", "--json").out)
    assert found["parts"][0]["rows"][0]["shares_with"] == "bench.jsonl, row 1, problem"


def test_with_a_model_texts_that_mean_the_same_count_too(
    ask: Ask, run_file: Path, folder: Path, openai_server: OpenAIServer
) -> None:
    ((text,),) = in_run(
        run_file, "SELECT text FROM outputs WHERE status = 'accepted' ORDER BY length(text) DESC LIMIT 1"
    )
    turned = " ".join(reversed(str(text).split()))
    (folder / "bench.txt").write_text(turned + "\n")
    given = ("data", "decontaminate", run_file, "--against", "bench.txt")
    assert "0 of 16" in ask(*given).out
    said = ask(*given, "--embeddings", "openai:m", "--embeddings-url", openai_server.base_url, "--cosine", 0.99)
    assert "1 of 16 outputs overlap with one of 1 texts." in said.out
    assert "1 outputs are rejected." in said.out
    ((_, reason),) = in_run(run_file, REJECTED)
    assert "means the same as bench.txt, row 1" in str(reason)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "Name the benchmark with --against"),
        (("--against", "gone.jsonl"), "There is no file gone.jsonl"),
        (("--against", "bench.jsonl", "--column", "stem"), "has no column 'stem'"),
        (("--against", "run.duckdb"), "is the run itself"),
        (("--against", "bench.jsonl", "--undo"), "takes no --against"),
        (("--against", "bench.jsonl", "--ngram", 2), "--ngram 2 is too short"),
    ],
)
def test_what_cannot_be_done_is_said(
    ask: Ask, run_file: Path, bench: Path, given: tuple[object, ...], words: str
) -> None:
    ask("data", "decontaminate", run_file, *given).complains(2, words)
