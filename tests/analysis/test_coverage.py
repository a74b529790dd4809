"""Topics that outputs reached, and whom to grow for the others."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from openai_vectors import vector_of

from populace.analysis.coverage import (
    Topic,
    cover_by_meaning,
    cover_by_words,
    describe_coverage,
    read_topics,
    write_seeds,
)
from populace.analysis.diversity.sample import read_sample
from populace.analysis.table import render_table
from populace.personas.errors import SetupError, SourceError
from populace.personas.persona import content_id
from populace.personas.sources.sources import read_passages

BAKING = Topic(("Food", "Baking"), ("Baking", "bread", "rye oven"))
RIVERS = Topic(("Nature", "Rivers"), ("Rivers",))
COOKING = Topic(("Food", "Cooking"), ("Cooking",))


def paths(topics: Sequence[Topic]) -> list[str]:
    return [topic.title for topic in topics]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", '{"Food": {"Baking": "bread, rye oven", "Cooking": null}, "Nature": ["Rivers"]}'),
        ("t.toml", 'Nature = ["Rivers"]\n[Food]\nBaking = "bread, rye oven"\nCooking = ""\n'),
        ("t.yaml", "Food:\n  Baking: bread, rye oven\n  Cooking:\nNature:\n- Rivers\n"),
        ("t.txt", "# ours\nFood / Baking: bread, rye oven\nFood > Cooking\n\nNature/Rivers\n"),
    ],
)
def test_a_taxonomy_is_read_in_each_form(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert sorted(read_topics(tmp_path / name), key=lambda t: t.title) == [BAKING, COOKING, RIVERS]


def test_the_taxonomy_that_ships_has_topics_with_terms() -> None:
    topics = read_topics()
    assert len(topics) > 50
    assert len(set(paths(topics))) == len(topics)
    assert all(len(topic.path) == 2 and len(topic.terms) > 4 for topic in topics)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.json", "{", "is not JSON"),
        ("t.json", '{"Food": 3}', "3 is no topic"),
        ("t.yaml", "a: [", "is not YAML"),
        ("t.toml", "a", "is not TOML"),
        ("t.txt", "Food / / Baking\n", "line 1: .* has an empty part"),
        ("t.txt", "\n", "holds no topics"),
        ("t.txt", "Food\nFood\n", "holds the topic 'Food' twice"),
    ],
)
def test_what_is_no_taxonomy_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=words):
        read_topics(tmp_path / name)


@pytest.fixture
def run(make_run: Any) -> Any:
    """Three outputs of two bakers and a ferryman."""
    run = make_run(upto="header")
    for number, text in enumerate(["A baker of rye bread.", "A cook, cooking soups.", "A ferryman on the rivers."], 1):
        run.fill("personas", [[content_id(text), number, text, "text", 0, None, "en", None, None, "m", None]])
    outputs = ["How warm must the ovens for rye be?", "Where do I buy a loaf of bread?", "What is the time?"]
    for number, text in enumerate(outputs, 1):
        agent = content_id("A baker of rye bread.")
        run.fill("emissions", [[number, 1, agent, "instruction", text, "{}", False, "m", "p@1"]])
    return run


def test_a_topic_is_reached_by_its_terms(run: Any) -> None:
    found = cover_by_words(run, [BAKING, COOKING, RIVERS])
    assert [(one.outputs, one.example) for one in found.topics] == [(2, 1), (0, None), (0, None)]
    assert (found.outputs, found.placed) == (3, 2)
    assert paths([gap.topic for gap in found.gaps]) == ["Food / Cooking", "Nature / Rivers"]
    assert cover_by_words(run, [BAKING], least=2).topics[0].outputs == 0
    with pytest.raises(SetupError, match="would count every output"):
        cover_by_words(run, [BAKING], least=0)


def test_rejected_outputs_reach_nothing(run: Any) -> None:
    run.fill("checks", [[1, "leak", "failed", "Because.", None, 1]])
    assert cover_by_words(run, [BAKING]).topics[0].outputs == 1


def test_for_a_gap_the_people_who_know_it_come_before_those_of_its_field(run: Any) -> None:
    cooking, rivers = cover_by_words(run, [BAKING, COOKING, RIVERS]).gaps
    assert [text for _, text in cooking.people] == ["A cook, cooking soups.", "A baker of rye bread."]
    assert [text for _, text in rivers.people] == ["A ferryman on the rivers."]
    assert cooking.people[0][0] == content_id("A cook, cooking soups.")


def test_with_vectors_a_topic_is_reached_by_meaning(run: Any) -> None:
    topics, sample = [BAKING, RIVERS], read_sample(run, n=10)
    with pytest.raises(SetupError, match="lacks vectors"):
        cover_by_meaning(run, topics, sample, "openai:m")
    for text in dict.fromkeys([*sample.embeddable, *(topic.text for topic in topics)]):
        run.fill("vectors", [[content_id(text), "openai:m", vector_of(text).tolist(), "c"]])
    # The stand-in for a model gives a text's vector by its words.
    found = cover_by_meaning(run, topics, sample, "openai:m", threshold=0.25)
    assert found.topics[0].outputs > 0
    strict = cover_by_meaning(run, topics, sample, "openai:m", threshold=1)
    assert [topic.outputs for topic in strict.topics] == [0, 0]
    gap = strict.gaps[1]
    assert [text for _, text in gap.people] == ["A baker of rye bread."]


def test_seeds_are_texts_that_growth_reads(run: Any, tmp_path: Path) -> None:
    gaps = cover_by_words(run, [BAKING, COOKING, RIVERS]).gaps
    assert write_seeds(gaps, tmp_path / "seeds.jsonl") == 2
    rows = [json.loads(line) for line in (tmp_path / "seeds.jsonl").read_text().splitlines()]
    assert [row["title"] for row in rows] == ["Food / Cooking", "Nature / Rivers"]
    passages = read_passages(tmp_path / "seeds.jsonl")
    assert [passage.text for passage in passages] == [gap.topic.passage for gap in gaps]
    assert "about cooking, which is a part of food" in passages[0].text
    with pytest.raises(SetupError, match="is not written over"):
        write_seeds(gaps, tmp_path / "seeds.jsonl")


def test_coverage_is_told_by_field_with_the_gaps(run: Any) -> None:
    found = cover_by_words(run, [BAKING, COOKING, RIVERS])
    fields, gaps = describe_coverage(found)
    assert fields.title == "1 of 3 topics were reached by 2 of 3 outputs, with at least 1 term"
    assert list(fields.rows) == [("Food", 2, 1, 2, "Baking (2)"), ("Nature", 1, 0, 0, "")]
    assert gaps.rows[0] == ("Food / Cooking", "cook; baker of rye bread")
    assert render_table(gaps)


def test_a_taxonomy_that_is_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "topics.txt"
    file.write_text("a" * 4_000_001)
    with pytest.raises(SourceError, match="has 4,000,001 bytes, more than a taxonomy needs"):
        read_topics(file)
    file.write_text(f"Food / Baking: {'b' * 201}")
    with pytest.raises(SourceError, match=r"a topic or term of 201 characters, 'bbb.*; give 200 at most"):
        read_topics(file)
