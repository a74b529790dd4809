"""Overlaps of outputs with benchmarks, by words in a row and by vectors."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_vectors import vector_of

from populace.analysis.contamination import (
    Contamination,
    NgramIndex,
    find_contaminated,
    find_same_meaning,
    texts_of,
)
from populace.core.errors import SetupError
from populace.personas.formats.foreign import ForeignText, ForeignTexts
from populace.personas.persona import content_id

LONG = "a train leaves the north station at nine and runs for two hours without a single stop on its way"


def index_of(*texts: str, ngram: int = 13) -> NgramIndex:
    return NgramIndex([ForeignText("b.jsonl", n, text, "problem") for n, text in enumerate(texts, 1)], ngram=ngram)


def words_of(text: str, first: int, count: int) -> str:
    return " ".join(text.split()[first : first + count])


def test_thirteen_words_in_a_row_are_found_with_row_and_words() -> None:
    part = words_of(LONG, 3, 14)
    found = index_of("something else entirely, of which nothing is in any other text here", LONG).find(
        f"Quite another beginning: {part.upper()}! And another end of the story."
    )
    assert found is not None
    foreign, shared, score = found
    assert (foreign.row, foreign.column, shared) == (2, "problem", part)
    assert score == pytest.approx(2 / 11)


def test_twelve_words_in_a_row_of_long_texts_are_not_enough() -> None:
    beginning, end = "we are told of this and that before it begins", "and then it ends in another way altogether"
    assert index_of(LONG).find(f"{beginning} {words_of(LONG, 0, 12)} {end}") is None
    assert index_of(LONG, ngram=12).find(f"{beginning} {words_of(LONG, 0, 12)} {end}") is not None


@pytest.mark.parametrize(("words", "is_found"), [(8, True), (7, False)])
def test_of_a_shorter_text_eight_words_are_enough_on_either_side(words: int, is_found: bool) -> None:
    short = f"{words_of(LONG, 2, words)} yesterday, perhaps"
    assert (index_of(LONG).find(short) is not None) == is_found
    assert (index_of(short).find(LONG) is not None) == is_found


def test_very_short_texts_have_to_be_equal_as_a_whole() -> None:
    index = index_of("What is two and two?", "Two plus", "42")
    assert index.find("what is two AND two") is not None
    assert index.find("Tell me, what is two and two, please, and why is that so for everybody?") is None
    assert index.find("Two plus") is None
    assert index.find("42") is None


def test_phrases_that_many_texts_have_do_not_count() -> None:
    form = "choose the one answer that is right and give nothing but its letter in brackets please"
    texts = [f"{form} number {n} {n} {n}" for n in range(11)]
    assert index_of(*texts).find(f"{form} as always") is None
    assert index_of(*texts[:10]).find(f"{form} as always") is not None


def test_ngrams_of_few_words_mean_nothing() -> None:
    with pytest.raises(SetupError, match="too short"):
        index_of(LONG, ngram=3)


@given(
    st.lists(st.sampled_from("abcd"), min_size=4, max_size=24),
    st.lists(st.sampled_from("abcd"), min_size=4, max_size=24),
)
def test_what_is_found_is_what_the_rule_says(ours: Sequence[str], theirs: Sequence[str]) -> None:
    least = min(len(ours), len(theirs))
    n = 13 if least >= 13 else 8
    grams = {tuple(theirs[i : i + n]) for i in range(len(theirs) - n + 1)}
    expected = any(tuple(ours[i : i + n]) in grams for i in range(len(ours) - n + 1))
    if least < 8:
        expected = list(ours) == list(theirs)
    assert (index_of(" ".join(theirs)).find(" ".join(ours)) is not None) == expected


def benchmark(folder: Path, *rows: dict[str, Any]) -> ForeignTexts:
    file = folder / "bench.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ForeignTexts([file])


def add(run: Any, number: int, output: str, **payload: Any) -> None:
    run.fill("emissions", [[number, 1, "a", "problem", output, json.dumps(payload), False, "m", "p@1"]])


def test_problems_and_solutions_of_a_run_are_compared(make_run: Any, tmp_path: Path) -> None:
    run = make_run(upto="header")
    add(run, 1, LONG, kind="problem", text=LONG)
    add(run, 2, "Another problem that is nobody's", solution={"steps": ["First", f"we see that {LONG}"]})
    add(run, 3, "A third one of which nothing is known anywhere at all", solution="42", kind="problem")
    found = find_contaminated(run, benchmark(tmp_path, {"problem": "unrelated"}, {"solution": LONG}, {"answer": "42"}))
    assert [(one.emission, one.field, one.foreign.row) for one in found.overlaps] == [
        (1, "text", 2),
        (2, "solution.steps", 2),
    ]
    assert (found.outputs, found.foreign) == (3, 3)
    reason = found.overlaps[0].reason
    assert str(tmp_path / "bench.jsonl") in reason
    assert "row 2, solution" in reason
    assert LONG in reason


def test_what_solvers_wrote_is_compared_but_not_an_evaluation(make_run: Any, tmp_path: Path) -> None:
    run = make_run(upto="header")
    for job, kind in ((2, "solving"), (3, "evaluation")):
        run.query(f"INSERT INTO jobs SELECT * REPLACE ({job} AS job, '{kind}' AS kind) FROM jobs WHERE job = 1")
    for number in (1, 2):
        add(run, number, f"A problem of our own, number {number}")
    for job, emission in ((2, 1), (3, 2)):
        run.fill("solutions", [[job, emission, 1, "m", 0, "text", f"So {LONG}.", "1", 1, "ok", "", None]])
    found = find_contaminated(run, benchmark(tmp_path, {"solution": LONG}))
    assert [(one.emission, one.field) for one in found.overlaps] == [(1, "solutions")]


def test_texts_that_mean_the_same_are_found_by_vectors(make_run: Any, tmp_path: Path) -> None:
    run = make_run(upto="header")
    add(run, 1, "the river rises fast in spring")
    add(run, 2, "a baker and her two ovens")
    add(run, 3, "without any vector")
    foreign = benchmark(tmp_path, {"problem": "in spring the river rises fast"}, {"problem": "seven bridges"})
    texts = list(texts_of(run, foreign))
    assert len(texts) == 5
    for text in texts:
        if "without" not in text:
            run.fill("vectors", [[content_id(text), "openai:m", vector_of(text).tolist(), "c"]])
    (one,) = find_same_meaning(run, foreign, "openai:m")
    assert (one.emission, one.foreign.row) == (1, 1)
    assert one.score == pytest.approx(1.0)
    assert "means the same as" in one.reason
    assert not list(find_same_meaning(run, foreign, "openai:other"))
    words = Contamination(3, 2, foreign.files, [])
    assert [o.emission for o in words.with_meaning("openai:m", [one]).overlaps] == [1]
