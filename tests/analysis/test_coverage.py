"""Topics that outputs reached, and whom to grow for the others."""

import json
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_vectors import vector_of

from populace.analysis.coverage import (
    Topic,
    cover_by_meaning,
    cover_by_words,
    describe_coverage,
    notes_on_coverage,
    read_covered,
    read_topics,
    texts_to_embed,
    write_seeds,
)
from populace.analysis.table import render_table
from populace.analysis.topic_hits import TopicHits, hits_by_words
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
    """Twelve outputs of three people, four of them about baking."""
    run = make_run(upto="header")
    for number, text in enumerate(["A baker of rye bread.", "A cook, cooking soups.", "A ferryman on the rivers."], 1):
        run.fill("personas", [[content_id(text), number, text, "text", 0, None, "en", None, None, "m", None]])
    outputs = ["How warm must my rye ovens be for bread?", "What is the time in Lima now?", "Where does he live today?"]
    for number, text in enumerate(outputs * 4, 1):
        agent = content_id("A baker of rye bread.")
        run.fill("emissions", [[number, 1, agent, "instruction", text, "{}", False, "m", "p@1"]])
    return run


def test_a_topic_is_reached_by_outputs_that_hold_several_words_of_its_field(run: Any) -> None:
    found = cover_by_words(run, [BAKING, COOKING, RIVERS])
    assert [(one.outputs, one.is_reached, one.example) for one in found.topics] == [
        (4, True, 1), (0, False, None), (0, False, None)
    ]  # fmt: skip
    assert (found.outputs, found.accepted, found.placed) == (12, 12, 4)
    assert found.topics[0].expected < 0.1
    assert paths([gap.topic for gap in found.gaps]) == ["Food / Cooking", "Nature / Rivers"]
    assert cover_by_words(run, [BAKING], least=4).topics[0].outputs == 0
    with pytest.raises(SetupError, match="would count single words"):
        cover_by_words(run, [BAKING], least=1)


def test_rejected_outputs_reach_nothing(run: Any) -> None:
    run.fill("checks", [[1, "leak", "failed", "Because.", None, 1]])
    assert cover_by_words(run, [BAKING]).topics[0].outputs == 3


def test_people_of_a_hub_are_covered_too_and_stand_beside_a_run(run: Any, make_run: Any) -> None:
    hub = make_run(upto="header")
    hub.connection.execute("DELETE FROM jobs")
    people = [f"Baker {n} bakes bread in a rye oven." for n in range(9)] + [f"Clerk {n} of a town." for n in range(15)]
    for number, text in enumerate(people, 1):
        hub.fill("personas", [[content_id(text), number, text, "text", 0, None, "en", None, None, "m", None]])
    assert len(read_covered(hub, n=20)) == 20
    with pytest.raises(SetupError, match="A hub holds people, not outputs of the kind 'poem'"):
        read_covered(hub, n=20, kind="poem")
    found = cover_by_words(hub, [BAKING, COOKING], beside={"other": run})
    assert [one.is_reached for one in found.topics] == [True, False]
    this, other = found.compared
    assert (this.file, this.of, this.more, other.file, other.outputs, other.closed) == ("", 12, None, "other", 12, 0)
    assert other.more is not None
    assert other.more[1] <= other.more[0] <= other.more[2]
    assert "Compared at 12 texts each" in [*describe_coverage(found)][-1].title


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("She opened her arms and smiled at the soldier's child.", Topic(("History", "War"), ("War", "arm", "army"))),
        ("原来如此，孩子们都在操场上。", Topic(("科学", "物理"), ("物理", "原子"))),
        ("Training began after the plan.", Topic(("Health", "Exercise"), ("Exercise", "training plan"))),
    ],
)
def test_single_words_and_scattered_ones_hold_no_topic(text: str, topic: Topic) -> None:
    assert not hits_by_words([text], ["a"], [topic], least=2).held.any()
    assert hits_by_words([f"{', '.join(topic.terms)}."], ["a"], [topic], least=2).held.all()


def random_texts(rng: random.Random, count: int, *, planted: dict[str, int] | None = None) -> list[str]:
    """Texts of 40 words, a quarter of them words of the taxonomy that ships; `planted` phrases stand in so many."""
    terms = sorted({word for topic in read_topics() for term in topic.terms for word in term.split()})
    fill = [f"word{n}" for n in range(500)]
    texts = [
        " ".join(rng.choice(terms) if rng.random() < 0.25 else rng.choice(fill) for _ in range(40))
        for _ in range(count)
    ]
    for phrase, number in (planted or {}).items():
        for place in rng.sample(range(count), number):
            texts[place] += f" {phrase}"
    return texts


def test_random_words_reach_topics_as_seldom_as_stated_and_planted_topics_are_found() -> None:
    """Where no topic is there, some is found in 5 % of corpora at most (Benjamini-Hochberg)."""
    rng, topics = random.Random(20), read_topics()
    found = 0
    for _ in range(40):
        hits = hits_by_words(random_texts(rng, 60), ["p"] * 60, topics, least=2)
        assert hits.held.any()
        found += bool(hits.reached.any())
    assert found <= 5  # of 40; more has a probability of 1.4 % at a rate of 5 %
    planted = {"the velocity and energy of the magnet": 30, "a soup and a stew with sauce": 30}
    hits = hits_by_words(random_texts(rng, 60, planted=planted), ["p"] * 60, topics, least=2)
    names = [topic.path[1] for topic, is_there in zip(topics, hits.reached, strict=True) if is_there]
    assert {"Physics", "Cooking"} <= set(names)
    assert len(names) <= 4


def test_a_topic_that_all_texts_are_about_is_reached() -> None:
    texts = [
        f"Bake {n} loaves of bread, with flour and yeast in the dough, in an oven of {n}0 degrees." for n in range(60)
    ]
    topics = read_topics()
    hits = hits_by_words(texts, ["p"] * 60, topics, least=2)
    names = [topic.path[1] for topic, is_there in zip(topics, hits.reached, strict=True) if is_there]
    assert names == ["Baking"]


def drawn_hits(rng: np.random.Generator, rates: Any, count: int) -> TopicHits:
    held = rng.random((count, len(rates))) < rates
    chance = rng.binomial(100 * count, 0.002, len(rates)).astype(np.int64)
    return TopicHits(held, np.arange(count), chance, 100 * count)


def test_intervals_of_topics_and_of_differences_hold_what_they_say() -> None:
    """Of 100 pairs of files, some 95 intervals hold what a new file reaches on average, or no difference."""
    rng = np.random.default_rng(3)
    rates = 0.3 * rng.random(60) ** 4
    truth = np.mean([drawn_hits(rng, rates, 200).reached.sum() for _ in range(300)])
    held = same = 0
    for _ in range(100):
        one, other = (drawn_hits(rng, rates, 200).reached_of(200) for _ in range(2))
        held += bool(one[1] <= truth <= one[2])
        spread = float(np.hypot(one[2] - one[1], other[2] - other[1])) / 2
        same += abs(one[0] - other[0]) <= spread
    assert held >= 88
    assert same >= 90


def test_fewer_texts_reach_fewer_topics_and_the_unseen_share_is_about_right() -> None:
    rng = np.random.default_rng(4)
    rates = np.concatenate([np.full(10, 0.1), np.full(400, 0.001)])
    hits = [drawn_hits(rng, rates, 500) for _ in range(60)]
    sizes = [hits[0].reached_of(size)[0] for size in (50, 100, 250, 500)]
    assert all(fewer <= more for fewer, more in pairwise(sizes))
    shares = [one.unseen or 0 for one in hits]
    unseen = [float(rates[~one.held.any(axis=0)].sum() / rates.sum()) for one in hits]
    assert abs(float(np.mean(shares)) - float(np.mean(unseen))) < 0.01
    assert TopicHits(np.zeros((3, 2), dtype=bool), np.arange(3), np.zeros(2, dtype=np.int64), 300).unseen is None


def test_for_a_gap_the_people_who_know_it_come_before_those_of_its_field(run: Any) -> None:
    cooking, rivers = cover_by_words(run, [BAKING, COOKING, RIVERS]).gaps
    assert [text for _, text in cooking.people] == ["A cook, cooking soups.", "A baker of rye bread."]
    assert [text for _, text in rivers.people] == ["A ferryman on the rivers."]
    assert cooking.people[0][0] == content_id("A cook, cooking soups.")


def test_with_vectors_a_topic_is_reached_by_meaning(run: Any) -> None:
    topics, sample = [BAKING, RIVERS], read_covered(run, n=12)
    with pytest.raises(SetupError, match="lacks vectors"):
        cover_by_meaning(run, topics, sample, "openai:m")
    for text in dict.fromkeys(texts_to_embed(topics, sample)):
        run.fill("vectors", [[content_id(text), "openai:m", vector_of(text).tolist(), "c"]])
    # The stand-in for a model gives a text's vector by its words.
    found = cover_by_meaning(run, topics, sample, "openai:m", threshold=0.25)
    assert found.topics[0].outputs > 0
    strict = cover_by_meaning(run, topics, sample, "openai:m", threshold=1)
    assert [topic.outputs for topic in strict.topics] == [0, 0]
    gap = strict.gaps[1]
    assert [text for _, text in gap.people] == ["A baker of rye bread."]
    own = cover_by_meaning(run, topics, sample, "openai:m", beside={"again": (run, sample)})
    assert 0 < own.threshold < 1
    assert own.compared[1].more is not None
    assert own.compared[1].more[0] == 0
    assert "mixed from unrelated terms" in next(notes_on_coverage(own))


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
    assert fields.title.startswith("1 of 3 topics (95 % interval ")
    assert fields.title.endswith(" were reached beyond chance by 4 of 12 texts")
    assert list(fields.rows) == [("Food", 2, 1, 4, "Baking (4)"), ("Nature", 1, 0, 0, "")]
    assert gaps.rows[0] == ("Food / Cooking", 0, 0.0, "cook; baker of rye bread")
    assert render_table(gaps)
    (note,) = notes_on_coverage(found)
    assert "drawn at random" in note


def test_a_taxonomy_that_is_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "topics.txt"
    file.write_text("a" * 4_000_001)
    with pytest.raises(SourceError, match="has 4,000,001 bytes, more than a taxonomy needs"):
        read_topics(file)
    file.write_text(f"Food / Baking: {'b' * 201}")
    with pytest.raises(SourceError, match=r"a topic or term of 201 characters, 'bbb.*; give 200 at most"):
        read_topics(file)
