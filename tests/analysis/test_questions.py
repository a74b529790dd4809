from typing import Any

import pytest

from populace.analysis.queryable import Queryable
from populace.analysis.questions import QUESTIONS, Question, ask

BY_NAME = {question.name: question for question in QUESTIONS}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)
def test_every_question_has_at_most_five_rows_of_short_text(question: Question, lived: Queryable) -> None:
    answer = ask(lived, question)
    assert 1 <= len(answer.rows) <= 5
    assert all(len(value) <= 60 for row in answer.rows for value in row if isinstance(value, str))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)
def test_an_empty_run_answers_without_rows_and_says_what_that_means(question: Question, make_run: Any) -> None:
    assert ask(make_run(upto="header"), question).rows == []
    assert question.no_rows.endswith(".")


def test_teaching_follows_the_tie_in_both_directions(lived: Queryable) -> None:
    ties = {row[1] for row in ask(lived, BY_NAME["taught"]).rows}
    assert ties == {"to their teaching partner", "as their teaching partner"}


def test_dialogue_by_kind_adds_up_to_all_lines(lived: Queryable) -> None:
    whole = BY_NAME["kinds"].sql.replace("LIMIT 5", "")
    spoken = lived.query("SELECT count(*) FROM messages").rows[0][0]
    assert sum(row[1] for row in lived.query(whole).rows) == spoken


def test_lines_to_a_visitor_have_no_relation(make_run: Any) -> None:
    run = make_run(people=12, upto="growth")
    run.fill("messages", [[1, 1, "player", run.query("SELECT agent FROM agents").rows[0][0], "Hello?", None, None]])
    assert ask(run, BY_NAME["kinds"]).rows == [("visitor or stranger", 1, 100.0, 1, 1.0)]


def test_tools_come_first_and_an_undone_verdict_does_not_come(make_run: Any) -> None:
    run = make_run(people=20, steps=3)
    assert ask(run, BY_NAME["repeats"]).rows[0][0] == "tool"
    run.connection.execute("UPDATE duplicates SET undone = true")
    assert ask(run, BY_NAME["repeats"]).rows == []
