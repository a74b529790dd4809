"""Topics that outputs reached, and whom to grow for the others."""

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from populace.agents.embedding.models import open_embedder
from populace.analysis.coverage import (
    Topic,
    TopicHits,
    cover_by_meaning,
    find_gaps,
    hits_by_cosine,
    read_covered,
    read_topics,
    shuffle_words,
    texts_to_embed,
    write_seeds,
)
from populace.analysis.table import render_result
from populace.core.errors import SetupError, SourceError
from populace.core.result import Result
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
    return np.stack(asyncio.run(open_embedder("wordllama").served.vectors(texts)).vectors)  # type: ignore[arg-type]


def cover(file: Any, topics: Sequence[Topic], *, n: int = 2_000, **options: Any) -> Result:
    sample = read_covered(file, n=n)
    texts = list(dict.fromkeys(texts_to_embed(topics, sample)))
    rows = [[content_id(t), "wordllama", v.tolist(), "c"] for t, v in zip(texts, vectors(texts), strict=True)]
    file.fill("vectors", rows)
    return cover_by_meaning(file, topics, sample, "wordllama", **options)


def test_a_topic_is_reached_by_outputs_that_are_near_to_it(run: Any) -> None:
    found = cover(run, [BAKING, COOKING, RIVERS])
    topics = {row["topic"]: row for row in found}
    assert (topics["Food / Baking"]["texts"], topics["Food / Baking"]["is_reached"]) == (10, True)
    assert paths(find_gaps(found, [BAKING, COOKING, RIVERS])) == ["Food / Cooking", "Nature / Rivers"]
    assert "ferryman on the rivers" in topics["Nature / Rivers"]["people_nearest"]
    assert found.title.startswith("1 of 3")
    assert found.title.endswith(" were reached beyond chance by 10 of 40 texts")
    assert found["Fields"].rows[0][:3] == ("Food", 2, 1)
    assert "By wordllama" in dict(found.notes)["method"]
    assert render_result(found)


def test_rejected_outputs_reach_nothing(run: Any) -> None:
    run.fill("checks", [[1, "leak", "failed", "Because.", None, 1]])
    assert cover(run, [BAKING]).value["texts"] == 9


def test_people_of_a_hub_are_covered_too(make_run: Any) -> None:
    hub = make_run(upto="header")
    hub.connection.execute("DELETE FROM jobs")
    people = [f"Baker {n} bakes bread in a rye oven." for n in range(9)]
    people += [f"Clerk {n} of a town hall, who stamps papers and hums." for n in range(15)]
    for number, text in enumerate(people, 1):
        hub.fill("personas", [[content_id(text), number, text, "text", 0, None, "en", None, None, "m", None]])
    assert len(read_covered(hub, n=20)) == 20
    with pytest.raises(SetupError, match="A hub holds people, not outputs of the kind 'poem'"):
        read_covered(hub, n=20, kind="poem")
    assert {row["topic"]: row["is_reached"] for row in cover(hub, [BAKING, RIVERS])} == {
        "Food / Baking": True,
        "Nature / Rivers": False,
    }


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
    return hits_by_cosine(alike, chance, cosine=cosine), float((chance >= cosine).mean())


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


def test_a_cosine_can_be_given(run: Any) -> None:
    topics, sample = [BAKING, RIVERS], read_covered(run, n=40)
    with pytest.raises(SetupError, match="lacks vectors"):
        cover_by_meaning(run, topics, sample, "wordllama")
    strict = cover(run, topics, threshold=1)
    assert [(row["texts"], row["cosine"]) for row in strict] == [(0, 1), (0, 1)]
    own = cover_by_meaning(run, topics, sample, "wordllama")
    assert all(0 < row["cosine"] < 1 for row in own)
    assert "1 % of texts of shuffled words" in dict(own.notes)["method"]


def test_seeds_are_texts_that_growth_reads(run: Any, tmp_path: Path) -> None:
    topics = [BAKING, COOKING, RIVERS]
    gaps = find_gaps(cover(run, topics), topics)
    assert write_seeds(gaps, tmp_path / "seeds.jsonl") == 2
    rows = [json.loads(line) for line in (tmp_path / "seeds.jsonl").read_text().splitlines()]
    assert [row["title"] for row in rows] == ["Food / Cooking", "Nature / Rivers"]
    passages = read_passages(tmp_path / "seeds.jsonl")
    assert [passage.text for passage in passages] == [gap.passage for gap in gaps]
    assert "about cooking, which is a part of food" in passages[0].text
    with pytest.raises(SetupError, match="is not written over"):
        write_seeds(gaps, tmp_path / "seeds.jsonl")
