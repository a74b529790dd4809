"""The diversity of a run: what is measured, what is said of it, and the picture."""

from typing import Any

import pytest
from openai_vectors import vector_of

from populace.analysis.diversity.similarity import measure_diversity, read_sample
from populace.analysis.table import Queryable, render_result
from populace.core.errors import SetupError
from populace.core.result import Result
from populace.personas.persona import content_id

MODEL = "openai:m"


def measures(found: Result) -> dict[str, float | None]:
    return {row["measure"]: row["value"] for row in found}


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
    assert found.title.startswith("Diversity of 50 of ")
    assert all(0 < (measures(found)[f"distinct-{n}"] or 0) <= 1 for n in (1, 2, 3, 4))
    assert "Vendi score" not in measures(found)
    ((repeated,),) = lived.query("SELECT count(DISTINCT emission) FROM duplicates WHERE emission IS NOT NULL").rows
    assert measures(found)["new"] == pytest.approx(1 - repeated / 295)
    notes = dict(found.notes)
    for missing in ("Figure 10", "Vendi score", "nearest neighbours", "clusters by meaning"):
        assert missing in notes["no_vectors"]
    assert "not a language model" in notes["procedural"]


def test_with_vectors_the_study_has_a_level_for_each_of_the_papers(embedded: Queryable) -> None:
    found = measure_diversity(embedded, n=2_000)
    assert 1 < (measures(found)["Vendi score"] or 0) <= 16
    levels = [row for row in found["How alike"] if row["outputs_of"] == "this run"]
    assert [row["personas"] for row in levels] == [0.4, 0.6, 0.8, 0.9]
    assert "paper: finance and probability" in render_result(found, width=160)
    assert f"Vectors are by {MODEL}, of 16 numbers" in dict(found.notes)["vectors"]
    assert "text-embedding-3-small" in dict(found.notes)["vectors"]


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
    for sampling, said in (("{}", "the endpoint's own"), ('{"temperature": 0.7}', "0.7")):
        run.query(f"UPDATE calls SET sampling = '{sampling}'")
        told = dict(measure_diversity(run).notes)["temperature"]
        assert told == f"The temperature of the run: {said}; that of the paper: 0."


@pytest.mark.parametrize("texts", [["one output alone"], ["河水在春天上涨", "河水在秋天上涨"], ["the same text"] * 3])
def test_few_short_and_equal_outputs_have_a_diversity_too(make_run: Any, texts: list[str]) -> None:
    run = make_run(upto="header")
    for number, text in enumerate(texts, 1):
        run.fill("emissions", [[number, 1, "a", "problem", text, "{}", False, "m", "p@1"]])
        if number == 1:
            run.fill("vectors", [[content_id(text), MODEL, vector_of(text).tolist(), "c"]])
    found = measure_diversity(run)
    assert found.title == f"Diversity of all {len(texts)} accepted outputs"
    assert all(row["median"] is None for row in found["How alike"] if row["outputs_of"] == "this run")
    assert measures(found)["Vendi score"] == pytest.approx(1.0)
    assert render_result(found, width=140)
