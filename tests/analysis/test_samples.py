from typing import Any

import pytest

from populace.analysis.report import facts
from populace.analysis.report.facts import FAILURES, read_purposes, read_steps
from populace.analysis.summary import summarise
from populace.analysis.table import Queryable


def test_each_step_shows_a_few_and_says_of_how_many(lived: Queryable) -> None:
    pages = read_steps(lived)
    assert [page.step for page in pages] == [1, 2, 3, 4, 5]
    for page in pages:
        assert all(len(group.samples) <= min(4, group.total) for group in page.kinds)
        assert len(page.conversations) <= min(3, page.conversations_total)


def test_no_conversation_is_shown_twice(lived: Queryable) -> None:
    first = [(line.step, line.text) for page in read_steps(lived) for line in (t.lines[0] for t in page.conversations)]
    assert first
    assert len(first) == len(set(first))


def test_a_conversation_answers_line_by_line(lived: Queryable) -> None:
    talk = read_steps(lived)[0].conversations[0]
    assert [line.step for line in talk.lines] == sorted(line.step for line in talk.lines)
    assert talk.lines[1].speaker == talk.lines[0].listener


def test_of_a_long_run_the_listed_steps_are_spread_and_hold_the_interventions(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "LISTED_STEPS", 3)
    pages = read_steps(make_run(people=12, steps=9))
    assert [page.step for page in pages] == [1, 3, 5, 9]


def test_the_visitor_is_named_as_one(make_run: Any) -> None:
    run = make_run(people=12, steps=1)
    agent = run.query("SELECT agent FROM agents").rows[0][0]
    run.fill(
        "messages",
        [[900, 1, "player", agent, "Hello?", None, None], [901, 1, agent, "player", "Yes.", 1, 900]],
    )
    (talk,) = [t for t in read_steps(run)[0].conversations if t.length == 2]
    assert [(line.speaker == "the visitor", line.text) for line in talk.lines] == [
        (True, "Hello?"),
        (False, "Yes."),
    ]


def test_failures_and_calls_are_grouped(lived: Queryable) -> None:
    assert [row[:3] for row in lived.query(FAILURES).rows] == [(5, "100.0%", 15)]
    ((_, calls, recalled, ok, otherwise, *_, median, slow),) = read_purposes(lived, summarise(lived)).rows
    assert (calls, recalled, ok, otherwise) == (310, 0, 295, "cut_json 15")
    assert 20 <= median <= slow <= 90
