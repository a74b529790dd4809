"""Who wrote what a file holds, and the sentence about mixed models."""

from collections.abc import Sequence
from typing import Any

import pytest

from populace.analysis.summary import describe_authors
from populace.core.model import PROCEDURAL_NOTICE


def file_of(**authors: Sequence[str]) -> Any:
    """Answers the statements of `provenance` as a file with these authors by table would."""

    def ask(sql: str) -> list[tuple[str]]:
        if "duckdb_tables" in sql:
            return [(table,) for table in authors]
        return [(author,) for author in authors[sql.rpartition(" ")[2]]]

    return ask


@pytest.mark.parametrize(
    ("authors", "sentence"),
    [
        ({"personas": ["openai:a"], "emissions": ["openai:a", "rule"], "answers": ["openai:a"]}, ""),
        ({"personas": ["import"], "emissions": ["rule"]}, ""),
        ({"personas": ["openai:a"], "emissions": ["openai:b"]},
         "Models are mixed: personas by openai:a, outputs by openai:b."),
        ({"personas": ["procedural"], "emissions": ["openai:a"]},
         "Models are mixed: personas by procedural (built-in generator, not a language model), outputs by openai:a."),
        ({"personas": ["import"], "votes": ["openai:a", "openai:b"]},
         "Models are mixed: grades by openai:a and openai:b."),
        ({"personas": ["procedural"], "votes": ["procedural:accuracy=0.5"]}, PROCEDURAL_NOTICE),
    ],
)  # fmt: skip
def test_the_sentence_says_who_wrote_what(authors: dict[str, list[str]], sentence: str) -> None:
    assert describe_authors(file_of(**authors)) == sentence
