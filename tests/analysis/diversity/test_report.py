"""The diversity of a run: what is measured, what is said of it, and the picture."""

from typing import Any

import pytest
from openai_vectors import vector_of

from populace.analysis.diversity.report import describe_diversity, measure_diversity, notes_on
from populace.analysis.diversity.similarity import read_sample
from populace.analysis.table import Queryable, render_table
from populace.core.errors import SetupError
from populace.personas.persona import content_id

MODEL = "openai:m"


@pytest.fixture(scope="module")
def embedded(make_run: Any) -> Any:
    """A run of 40 people over two steps, with vectors of all texts and people."""
    run = make_run(people=40, steps=2)
    run.connection.begin()
    texts = {text for (text,) in run.query("SELECT text FROM emissions UNION SELECT text FROM personas").rows}
    run.fill("vectors", [[content_id(t), MODEL, vector_of(t).tolist(), "c"] for t in sorted(texts)])
    run.connection.commit()
    return run


def test_a_sample_depends_on_the_seed_alone_and_a_larger_one_holds_it(lived: Queryable) -> None:
    small, again = (read_sample(lived, n=20, seed=3) for _ in range(2))
    assert small == again
    assert list(small.emissions) == sorted(small.emissions)
    assert set(small.emissions) < set(read_sample(lived, n=60, seed=3).emissions)
    assert set(small.emissions) != set(read_sample(lived, n=20, seed=4).emissions)
    assert small.accepted < small.outputs


def test_near_duplicates_and_other_kinds_are_not_measured(lived: Queryable) -> None:
    sample = read_sample(lived, n=10_000, kind="instruction")
    ((accepted,),) = lived.query("SELECT count(*) FROM outputs WHERE status = 'accepted' AND kind = 'instruction'").rows
    assert len(sample) == sample.accepted == accepted
    assert all(text.startswith("How do I mend") for text in sample.texts)


def test_a_kind_that_is_not_there_is_refused(lived: Queryable) -> None:
    with pytest.raises(SetupError, match="no outputs of the kind 'instructions'"):
        read_sample(lived, n=10, kind="instructions")


@pytest.mark.slow
def test_a_run_without_outputs_is_refused(make_run: Any) -> None:
    with pytest.raises(SetupError, match="The run has no output; make some first"):
        measure_diversity(make_run(upto="growth"))


def test_without_vectors_words_are_measured_and_the_rest_is_named(lived: Queryable) -> None:
    found = measure_diversity(lived, n=50)
    assert found.sample == 50
    assert found.embedded is None
    assert all(0 < (found.distinct[n] or 0) <= 1 for n in (1, 2, 3, 4))
    assert found.latest == 295
    ((repeated,),) = lived.query("SELECT count(DISTINCT emission) FROM duplicates WHERE emission IS NOT NULL").rows
    assert found.share_new == pytest.approx(1 - repeated / 295)
    notes = " ".join(notes_on(found))
    for missing in ("Figure 10", "Vendi score", "nearest neighbours", "clusters by meaning"):
        assert missing in notes
    assert "not a language model" in notes


def test_with_vectors_the_study_has_a_level_for_each_of_the_papers(embedded: Queryable) -> None:
    found = measure_diversity(embedded, n=2_000)
    assert found.embedded is not None
    assert (found.embedded.model, found.embedded.dims) == (MODEL, 16)
    assert found.embedded.outputs == found.sample
    assert found.embedded.personas <= 39
    assert 1 < (found.embedded.vendi_score or 0) <= 16
    assert [level.similarity for level in found.embedded.levels] == [0.4, 0.6, 0.8, 0.9]
    shown = "".join(render_table(section, width=160) for section in describe_diversity(found))
    assert "paper: finance and probability" in shown
    notes = " ".join(notes_on(found))
    assert "text-embedding-3-small" in notes
    assert "temperature 0" in notes
    few = [level for level in found.embedded.levels if level.pairs < 100]
    assert all(f"{level.pairs} at {level.similarity:g}" in notes for level in few)


def test_a_model_without_vectors_is_refused(embedded: Queryable) -> None:
    with pytest.raises(SetupError, match="no vectors of its outputs by model 'openai:other'"):
        measure_diversity(embedded, embeddings="openai:other")


@pytest.mark.parametrize("n", [0, 20_001])
def test_too_many_or_too_few_outputs_are_refused(lived: Queryable, n: int) -> None:
    with pytest.raises(SetupError, match="out of range"):
        measure_diversity(lived, n=n)


def test_the_temperature_of_the_run_is_said(make_run: Any) -> None:
    run = make_run(people=12, steps=1, model="openai:m")
    texts = [text for (text,) in run.query("SELECT text FROM emissions").rows]
    run.fill("vectors", [[content_id(t), MODEL, vector_of(t).tolist(), "c"] for t in dict.fromkeys(texts)])
    assert "The requests named no temperature" in " ".join(notes_on(measure_diversity(run)))
    run.query("UPDATE calls SET sampling = '{\"temperature\": 0.7}'")
    assert "The run sampled at temperature 0.7; the paper's" in " ".join(notes_on(measure_diversity(run)))
    run.query("UPDATE calls SET sampling = '{\"temperature\": 0}'")
    assert "at temperature 0, as in the paper." in " ".join(notes_on(measure_diversity(run)))


@pytest.mark.parametrize("texts", [["one output alone"], ["河水在春天上涨", "河水在秋天上涨"], ["the same text"] * 3])
def test_few_short_and_equal_outputs_have_a_diversity_too(make_run: Any, texts: list[str]) -> None:
    run = make_run(upto="header")
    for number, text in enumerate(texts, 1):
        run.fill("emissions", [[number, 1, "a", "problem", text, "{}", False, "m", "p@1"]])
        if number == 1:
            run.fill("vectors", [[content_id(text), MODEL, vector_of(text).tolist(), "c"]])
    found = measure_diversity(run)
    assert found.sample == len(texts)
    assert found.embedded is not None
    assert all(level.box is None for level in found.embedded.levels)
    assert found.embedded.vendi_score == pytest.approx(1.0)
    assert [render_table(section, width=140) for section in describe_diversity(found)]
    assert (found.self_bleu is None) == (len(texts) == 1)
