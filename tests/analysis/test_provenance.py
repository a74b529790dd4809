"""Who wrote what a file holds, and the sentence about mixed models."""

from collections.abc import Sequence
from typing import Any

import pytest

from populace.analysis.provenance import has_stand_in, name_mixture


def file_of(**authors: Sequence[str]) -> Any:
    """Answers the statements of `provenance` as a file with these authors by table would."""

    def ask(sql: str) -> list[tuple[str]]:
        if "duckdb_tables" in sql:
            return [(table,) for table in authors]
        return [(author,) for author in authors[sql.rpartition(" ")[2]]]

    return ask


@pytest.mark.parametrize(
    ("authors", "answered", "sentence"),
    [
        ({"personas": ["openai:a"], "emissions": ["openai:a", "rule"]}, ["openai:a"], ""),
        ({"personas": ["import"], "emissions": ["rule"]}, ["openai:a"], ""),
        ({"personas": ["import"], "emissions": ["rule"]}, ["openai:a", "openai:b"], "openai:a and openai:b answered."),
        ({"personas": ["openai:a"], "emissions": ["openai:b"]}, [], "openai:a and openai:b wrote this."),
        ({"personas": ["openai:a"], "emissions": ["openai:a"]}, ["procedural"],
         "procedural answered, openai:a wrote the run."),
    ],
)  # fmt: skip
def test_mixed_models_are_named(authors: dict[str, list[str]], answered: list[str], sentence: str) -> None:
    assert name_mixture(file_of(**authors), answered) == (sentence and f"Models are mixed: {sentence}")


@pytest.mark.parametrize(
    ("votes", "expected"), [(["openai:a"], False), (["openai:a", "procedural:accuracy=0.5"], True)]
)
def test_the_stand_in_is_found_in_any_table(votes: list[str], expected: bool) -> None:
    assert has_stand_in(file_of(personas=["import"], votes=votes)) is expected
