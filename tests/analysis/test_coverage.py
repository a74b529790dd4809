"""Topics that outputs reached, and whom to grow for the others."""

import asyncio
import json
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from populace.agents.embedding.models import open_embedder
from populace.analysis.coverage import (
    Coverage,
    Topic,
    cover_by_meaning,
    describe_coverage,
    notes_on_coverage,
    read_covered,
    read_topics,
    texts_to_embed,
    write_seeds,
)
from populace.analysis.table import render_table
from populace.analysis.topics import TopicHits, hits_by_cosine, shuffle_words
from populace.core.errors import SetupError, SourceError
from populace.personas.dedup.vectors import units
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
    """Forty outputs of three people, ten of them about baking."""
    run = make_run(upto="header")
    people = ["A baker of rye bread.", "A cook, cooking soups.", "A ferryman on the rivers."]
    for number, text in enumerate(people, 1):
        run.fill("personas", [[content_id(text), number, text, "text", 0, None, "en", None, None, "m", None]])
    outputs = [f"How warm must my oven be for {n} loaves of rye bread?" for n in range(10)]
    outputs += [f"What is the time in Lima now, {n} hours after the call from my aunt?" for n in range(15)]
    outputs += [f"Where does number {n} of the singers live today, and who feeds the parrot?" for n in range(15)]
    for number, text in enumerate(outputs, 1):
        agent = content_id(people[number % 3])
        run.fill("emissions", [[number, 1, agent, "instruction", text, "{}", False, "m", "p@1"]])
    return run


def vectors(texts: Sequence[str]) -> Any:
    return np.stack(asyncio.run(open_embedder("wordllama").source.vectors(texts)).vectors)  # type: ignore[arg-type]


def cover(file: Any, topics: Sequence[Topic], *, n: int = 2_000, beside: Any = None, **options: Any) -> Coverage:
    samples = [(one, read_covered(one, n=n)) for one in (file, *([beside] if beside else []))]
    for one, sample in samples:
        texts = list(dict.fromkeys(texts_to_embed(topics, sample)))
        rows = [[content_id(t), "wordllama", v.tolist(), "c"] for t, v in zip(texts, vectors(texts), strict=True)]
        one.fill("vectors", rows)
    others = {"other": samples[1]} if beside else None
    return cover_by_meaning(file, topics, samples[0][1], "wordllama", beside=others, **options)


def test_a_topic_is_reached_by_outputs_that_are_near_to_it(run: Any) -> None:
    found = cover(run, [BAKING, COOKING, RIVERS])
    baking = found.topics[0]
    assert (baking.outputs, baking.is_reached) == (10, True)
    assert baking.example in range(1, 11)
    assert (found.outputs, found.accepted, found.placed) == (40, 40, 10)
    assert paths([gap.topic for gap in found.gaps]) == ["Food / Cooking", "Nature / Rivers"]
    assert "A ferryman on the rivers." in [text for _, text in found.gaps[1].people]


def test_rejected_outputs_reach_nothing(run: Any) -> None:
    run.fill("checks", [[1, "leak", "failed", "Because.", None, 1]])
    assert cover(run, [BAKING]).topics[0].outputs == 9


def test_people_of_a_hub_are_covered_too_and_stand_beside_a_run(run: Any, make_run: Any) -> None:
    hub = make_run(upto="header")
    hub.connection.execute("DELETE FROM jobs")
    people = [f"Baker {n} bakes bread in a rye oven." for n in range(9)]
    people += [f"Clerk {n} of a town hall, who stamps papers and hums." for n in range(15)]
    for number, text in enumerate(people, 1):
        hub.fill("personas", [[content_id(text), number, text, "text", 0, None, "en", None, None, "m", None]])
    assert len(read_covered(hub, n=20)) == 20
    with pytest.raises(SetupError, match="A hub holds people, not outputs of the kind 'poem'"):
        read_covered(hub, n=20, kind="poem")
    found = cover(hub, [BAKING, RIVERS], beside=run)
    assert [one.is_reached for one in found.topics] == [True, False]
    this, other = found.compared
    assert (this.file, this.of, this.more, other.file, other.outputs, other.closed) == ("", 24, None, "other", 40, 0)
    assert other.more is not None
    assert other.more[1] <= other.more[0] <= other.more[2]
    assert "Compared at 24 texts each" in [*describe_coverage(found)][-1].title


def test_shuffled_texts_have_the_words_and_lengths_of_the_texts() -> None:
    texts = ["one two three", "four", "", "five six"]
    made = shuffle_words(texts)
    assert len(made) == 2_000
    assert made == shuffle_words(texts)
    assert sorted(" ".join(made[:3]).split()) == sorted(" ".join(texts).split())
    assert [len(one.split()) for one in made[:3]] == [3, 1, 2]
    assert shuffle_words(["", " "]) == []


WHO = "a young woman|an old man|a single father|a widow|a quiet student|a cheerful pensioner|a newcomer|a village elder"
WORK = """night nurse on a children's ward|retired welder who mends bicycles|trainee pastry cook|lorry driver at borders
midwife in the mountains|teacher of mathematics who plays chess|beekeeper with forty hives|interpreter in court
goalkeeper of a women's side|organist who tunes pianos|tax adviser to fishermen|coast guard officer who paints storms
apprentice tailor of wedding dresses|shepherd with a degree in philosophy|programmer of traffic lights
geologist after groundwater|priest of a shrinking parish|soldier home from a mission|astronomer of faint stars
landlord of eleven flats|guide through ruined temples|chemist testing water|librarian who mends maps|potter
psychologist in a prison|councillor fighting for a pool|botanist who breeds wheat|bank clerk who spots forged notes
novelist writing about a plague|pharmacist in a war zone|historian of sunken ships|translator of love poems"""
HABIT = """keeps a diary nobody may read|sends half the wages home|distrusts anything with a screen|has a vote
laughs at bad weather|is learning to swim at fifty|argues with the radio|collects bus tickets|sleeps four hours a night
grows tomatoes on the balcony|once won a lottery and gave it away|never missed a Sunday market"""


def lively_people(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    who, work, habit = (text.replace("\n", "|").split("|") for text in (WHO, WORK, HABIT))
    return [f"{rng.choice(who)}, {rng.choice(work)}, who {rng.choice(habit)}." for _ in range(count)]


def wordllama_hits(texts: Sequence[str], own: Sequence[str]) -> tuple[TopicHits, float]:
    """Hits of texts by WordLlama, where chance is that of shuffled `own` texts; with the share of chance pairs."""
    about = units(vectors([topic.text for topic in read_topics()])).T
    alike, chance = ((units(vectors(some)) @ about).astype(np.float32) for some in (texts, shuffle_words(own)))
    cosine = np.quantile(chance, 0.99, axis=0).astype(np.float32)
    return hits_by_cosine(alike, chance, texts, cosine=cosine), float((chance >= cosine).mean())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_real_people_reach_topics_by_wordllama_and_shuffled_ones_none(seed: int) -> None:
    people = lively_people(400, seed)
    found, rate = wordllama_hits(people, people)
    assert found.reached.sum() >= 5
    assert rate == pytest.approx(0.01, rel=0.05)
    rng, words = random.Random(seed), " ".join(people).split()
    rng.shuffle(words)
    shuffled = [" ".join(words[n : n + 14]) for n in range(0, len(words), 14)]
    assert not wordllama_hits(shuffled, people)[0].reached.any()


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


def test_a_cosine_can_be_given_and_a_file_is_compared_with_itself(run: Any) -> None:
    topics, sample = [BAKING, RIVERS], read_covered(run, n=40)
    with pytest.raises(SetupError, match="lacks vectors"):
        cover_by_meaning(run, topics, sample, "wordllama")
    strict = cover(run, topics, threshold=1)
    assert [topic.outputs for topic in strict.topics] == [0, 0]
    own = cover_by_meaning(run, topics, sample, "wordllama", beside={"again": (run, sample)})
    assert (strict.threshold, own.threshold) == (1, None)
    assert all(0 < one.cosine < 1 for one in own.topics)
    assert own.compared[1].more is not None
    assert own.compared[1].more[0] == 0
    assert "1 % of texts of shuffled words" in next(notes_on_coverage(own))


def test_seeds_are_texts_that_growth_reads(run: Any, tmp_path: Path) -> None:
    gaps = cover(run, [BAKING, COOKING, RIVERS]).gaps
    assert write_seeds(gaps, tmp_path / "seeds.jsonl") == 2
    rows = [json.loads(line) for line in (tmp_path / "seeds.jsonl").read_text().splitlines()]
    assert [row["title"] for row in rows] == ["Food / Cooking", "Nature / Rivers"]
    passages = read_passages(tmp_path / "seeds.jsonl")
    assert [passage.text for passage in passages] == [gap.topic.passage for gap in gaps]
    assert "about cooking, which is a part of food" in passages[0].text
    with pytest.raises(SetupError, match="is not written over"):
        write_seeds(gaps, tmp_path / "seeds.jsonl")


def test_coverage_is_told_by_field_with_the_gaps(run: Any) -> None:
    found = cover(run, [BAKING, COOKING, RIVERS])
    fields, gaps = describe_coverage(found)
    assert fields.title.startswith("1 of 3 topics (95 % interval ")
    assert fields.title.endswith(" were reached beyond chance by 10 of 40 texts")
    assert fields.rows[0][:3] == ("Food", 2, 1)
    assert fields.rows[0][4] == "Baking (10)"
    assert fields.rows[1][:3] == ("Nature", 1, 0)
    assert gaps.rows[0][0] == "Food / Cooking"
    assert "cook" in str(gaps.rows[0][3]).split("; ")
    assert render_table(gaps)
    (note,) = notes_on_coverage(found)
    assert "By wordllama" in note


def test_a_taxonomy_that_is_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "topics.txt"
    file.write_text("a" * 4_000_001)
    with pytest.raises(SourceError, match="has 4,000,001 bytes, more than a taxonomy needs"):
        read_topics(file)
    file.write_text(f"Food / Baking: {'b' * 201}")
    with pytest.raises(SourceError, match=r"a topic or term of 201 characters, 'bbb.*; give 200 at most"):
        read_topics(file)
