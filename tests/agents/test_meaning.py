"""What wordllama's vectors are good for: 120 texts in ten languages, each with a paraphrase and a related text.

The unrelated text of each is the paraphrase of another. The numbers are those of docs/models.md.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import numpy as np
import orjson
import pytest

from populace.agents import open_embedder
from populace.agents.embedding.vectors import Vector, measure_cosine, unit
from populace.core.text import words

ROWS = [orjson.loads(line) for line in Path(__file__).with_name("meaning_triples.jsonl").read_bytes().splitlines()]
LANGUAGES = sorted({row["language"] for row in ROWS})
#: A row of the page: paraphrases against unrelated and related texts, by vectors and by words.
PAGE = re.compile(r"^\| (\w\w) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)

type Similarity = Callable[[str, str], float]


@pytest.fixture(scope="module")
def by_meaning() -> Similarity:
    texts = list({text: None for row in ROWS for text in row.values()})
    found: dict[str, Vector | None] = dict(
        zip(texts, asyncio.run(open_embedder("wordllama").served.vectors(texts)).vectors, strict=True)
    )
    vectors = {text: unit(vector) for text, vector in found.items() if vector is not None}
    return lambda one, other: measure_cosine(vectors[one], vectors[other])


def by_words(one: str, other: str) -> float:
    return len(words(one) & words(other)) / len(words(one) | words(other))


def similarities(language: str, like: Similarity) -> dict[str, list[float]]:
    rows = [row for row in ROWS if row["language"] == language]
    return {
        "paraphrase": [like(row["text"], row["paraphrase"]) for row in rows],
        "related": [like(row["text"], row["related"]) for row in rows],
        "unrelated": [like(row["text"], rows[at - 5]["paraphrase"]) for at, row in enumerate(rows)],
    }


def auc(higher: list[float], lower: list[float]) -> float:
    return mean((one > other) + (one == other) / 2 for one in higher for other in lower)


def measured(language: str, by_meaning: Similarity) -> tuple[float, ...]:
    vectors, overlaps = similarities(language, by_meaning), similarities(language, by_words)
    others = vectors["related"] + vectors["unrelated"]
    return (
        *(auc(found["paraphrase"], found["unrelated"]) for found in (vectors, overlaps)),
        *(auc(found["paraphrase"], found["related"]) for found in (vectors, overlaps)),
        float(np.quantile(others, 0.99)),
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_the_measured_numbers(language: str, by_meaning: Similarity) -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    stated = {row[0]: tuple(map(float, row[1:])) for row in PAGE.findall(page)}
    assert stated[language] == pytest.approx(measured(language, by_meaning), abs=0.011)


def test_meaning_beats_words_in_english_alone(by_meaning: Similarity) -> None:
    gains = {tag: measured(tag, by_meaning)[0] - measured(tag, by_meaning)[1] for tag in LANGUAGES}
    assert [tag for tag, gain in gains.items() if gain > 0.2] == ["en"]


def test_no_pair_reaches_the_cosine_of_near_duplicates(by_meaning: Similarity) -> None:
    every = [value for tag in LANGUAGES for found in similarities(tag, by_meaning).values() for value in found]
    assert len(every) == 360
    assert max(every) < 0.9
