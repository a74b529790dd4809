"""Train and test rows: what belongs together stays on one side."""

from pathlib import Path

import pytest
from made_run import NewRun, read_lines

from populace.analysis.export import DatasetOptions, Split, SplitBy, export_outputs
from populace.core.errors import SetupError


def on_test_side(path: Path, split: Split) -> set[str]:
    """The texts on the test side."""
    export_outputs([path], path.with_name("s.jsonl"), DatasetOptions(split=split))
    sides = {side: read_lines(path.with_name(f"s-{side}.jsonl")) for side in ("train", "test")}
    for file in path.parent.glob("s*.jsonl*"):
        file.unlink()
    found = {side: {str(row["text"]) for row in rows} for side, rows in sides.items()}
    assert not found["train"] & found["test"]
    return found["test"]


def test_a_lineage_is_on_one_side_and_the_share_is_what_was_asked_for(new_run: NewRun) -> None:
    run = new_run()
    for one in "abcdefghijklmnopqrst":
        parent = run.person(f"The first of family {one}.")
        run.output(parent, f"{one}1 {one}2 {one}3")
        run.output(run.person(f"A child of family {one}.", parent=parent), f"{one}4 {one}5 {one}6")
    path = run.done()
    test = on_test_side(path, Split(0.8, seed=3))
    assert len(test) == 8
    families = [text[0] for text in test]
    assert all(families.count(one) == 2 for one in families)
    assert test == on_test_side(path, Split(0.8, seed=3))
    assert test != on_test_side(path, Split(0.8, seed=4))


def test_a_persona_is_on_one_side_and_its_lineage_may_be_on_both(new_run: NewRun) -> None:
    run = new_run()
    first = run.person("The first of the family.")
    for child in range(20):
        person = run.person(f"Child {child}.", parent=first)
        for text in range(2):
            run.output(person, f"{child}a{text} {child}b{text} {child}c{text}")
    path = run.done()
    test = [text.partition("a")[0] for text in on_test_side(path, Split(0.5, SplitBy.PERSONA))]
    assert len(test) == 20
    assert all(test.count(child) == 2 for child in test)
    with pytest.raises(SetupError, match=r"hang together, by lineage.*`similarity`.*`by='cluster'`"):
        on_test_side(path, Split(0.5, SplitBy.LINEAGE))


@pytest.mark.slow
def test_similar_texts_follow_each_other_whoever_made_them(new_run: NewRun) -> None:
    run = new_run()
    # Each is similar to the next alone, so the first of a cluster is not similar to all of it.
    chain = ["a b c d e f", "c d e f g h", "e f g h i j"]
    others = [f"{x}1 {x}2 {x}3 {x}4" for x in "mnopqrs"]
    for number, text in enumerate([*chain, *others]):
        run.output(run.person(f"Person {number}."), text)
    path = run.done()
    seen = [on_test_side(path, Split(0.7, SplitBy.CLUSTER, seed)) for seed in (0, 7)]
    assert [len(test & set(chain)) for test in seen] == [0, 3]


@pytest.mark.slow
def test_duplicates_that_were_marked_follow_each_other_when_all_outputs_are_wanted(new_run: NewRun) -> None:
    run = new_run()
    texts = [f"{x}1 {x}2 {x}3" for x in "abcdefgh"]
    numbers = [run.output(run.person(f"Person {n}."), text) for n, text in enumerate(texts)]
    run.repeats(numbers[5], numbers[2])
    path = run.done()
    found = []
    for seed in (0, 1):
        options = DatasetOptions(rejected=True, split=Split(0.5, SplitBy.CLUSTER, seed))
        export_outputs([path], path.with_name(f"{seed}.jsonl"), options)
        test = {row["text"] for row in read_lines(path.with_name(f"{seed}-test.jsonl"))}
        found.append(len(test & {texts[5], texts[2]}))
    assert found == [0, 2]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 7.0, float("nan")])
def test_a_share_that_leaves_a_side_empty_is_refused(share: float) -> None:
    with pytest.raises(SetupError, match="between 0 and 1"):
        Split(share)


def test_a_conversation_keeps_both_of_its_people_on_one_side(new_run: NewRun) -> None:
    run = new_run()
    people = [run.person(f"Person {name}.") for name in "abcdefgh"]
    for n, person in enumerate(people):
        run.output(person, f"{n}a {n}b {n}c")
    run.output(people[1], "shared words here", personas=[people[1], people[6]])
    path = run.done()
    linked = {"1a 1b 1c", "6a 6b 6c", "shared words here"}
    seen = [on_test_side(path, Split(0.6, SplitBy.PERSONA, seed)) for seed in (0, 9)]
    assert [len(test & linked) for test in seen] == [0, 3]
