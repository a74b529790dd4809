"""`populace check model`: its table, its JSON, and wrong usage in one sentence."""

import json
from pathlib import Path

import pytest

from .conftest import Ask


def test_the_built_in_generator_is_measured_in_a_table(ask: Ask, folder: Path) -> None:
    said = ask("check", "model", "--model", "procedural", "--calls", "16", "--out", "kept")
    assert said.code == 0
    assert "identifiability" in said.out
    assert "not a language model" in said.out
    assert (folder / "kept" / "requests.duckdb").exists()


def test_scripts_read_json_and_no_sentence(ask: Ask) -> None:
    said = ask("check", "model", "--model", "procedural", "--calls", "16", "--json")
    rows = {row["measure"]: row for row in json.loads(said.out)}
    assert rows["fit"]["value"] == 100
    assert "no finding about people" in said.complaint


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ((), 2, "--model"),
        (("--model", "procedural", "--calls", "201"), 2, "--calls"),
        (("--model", "procedural", "--out", __file__), 2, "File exists"),
        (("--model", "openai:x", "--base-url", "http://127.0.0.1:9/v1"), 1, "Nothing answers"),
    ],
)
def test_wrong_usage_is_one_sentence(ask: Ask, arguments: tuple[str, ...], code: int, word: str) -> None:
    ask("check", "model", *arguments).complains(code, word)
