"""The questions that follow a run: the scenario's own first, then those that its emissions and measures suggest."""

from typing import Any

import pytest

from populace.analysis.questions import Question, answers_of, ask, questions_of
from populace.analysis.table import Queryable
from populace.scenarios.village import Village
from populace.sim.runfile.reader import open_run


def declare(run: Any) -> Any:
    """What a scenario declares: a field `net's size` of instructions, a choice of tools, and a group for everybody."""
    run.fill("action_fields", [["instruction", 'net\'s "size"', 1, "integer", [], ""]])
    run.fill("action_fields", [["tool", "use", 2, "choice", ["much", "little"], ""]])
    run.connection.execute("UPDATE agents SET group_name = if(ordinal % 2 = 0, 'east', 'west')")
    sizes = "{'net''s \"size\"': emission}"
    run.connection.execute(f"UPDATE emissions SET payload = {sizes}::JSON WHERE kind = 'instruction'")
    run.connection.execute("UPDATE emissions SET payload = {'use': 'much'}::JSON WHERE kind = 'tool'")
    return run


def test_every_question_that_is_derived_is_answered_in_a_few_rows_of_short_text(make_run: Any) -> None:
    run = declare(make_run(people=20, steps=4))
    answers = answers_of(run, 99)
    assert len(answers) >= 11
    for answer in answers:
        assert answer.rows is not None, answer.sentence
        assert 1 <= len(answer.rows.rows) <= 12
        assert all(len(value) <= 90 for row in answer.rows.rows for value in row if isinstance(value, str))


def test_figures_about_the_population_go_by_the_weights_of_agents_where_they_differ(make_run: Any) -> None:
    run = declare(make_run(people=20, steps=4))
    plain = {answer.question.title: answer for answer in answers_of(run, 4)}
    run.connection.execute("UPDATE agents SET weight = if(group_name = 'east', 3, 1)")
    run.connection.execute(
        "UPDATE emissions SET payload = {'use': 'little'}::JSON WHERE kind = 'tool' AND emission % 2 = 0"
    )
    weighted = {answer.question.title: answer for answer in answers_of(run, 4)}
    assert list(weighted) == list(plain)
    ((expected,),) = run.query(
        "SELECT round(100 * sum(weight) FILTER (payload ->> 'use' = 'little') / sum(weight), 1) "
        "FROM emissions JOIN agents USING (agent) WHERE kind = 'tool'"
    ).rows
    often = weighted["How often was each use chosen in tool?"].rows
    assert often is not None
    assert often.columns == ["use", "times", "%", "weighted %"]
    assert {use: share for use, _, _, share in often.rows}["little"] == expected
    shares = weighted["Do groups differ in use of tool?"].rows
    assert shares is not None
    assert sum(row[3] for row in shares.rows if row[0] == "east") == pytest.approx(100, abs=0.2)
    for title in list(weighted)[:2]:
        means, before = weighted[title].rows, plain[title].rows
        assert means is not None
        assert before is not None
        assert means.columns == [name.replace("mean", "weighted mean") for name in before.columns]


def test_fields_are_asked_about_first_then_measures_then_interventions(make_run: Any) -> None:
    titles = [question.title for question in questions_of(declare(make_run(people=20, steps=4)))]
    assert titles[:6] == [
        'How did net\'s "size" of instruction change from step to step?',
        'Do groups differ in net\'s "size" of instruction?',
        "How often was each use chosen in tool?",
        "Do groups differ in use of tool?",
        "How did what the scenario measures change?",
        "What changed when ferry_stops came in step 3?",
    ]


def test_the_scenarios_own_come_first_and_one_without_rows_is_left_out(make_run: Any) -> None:
    run = make_run(people=20, steps=1, path=None)
    own = [["Who?", "SELECT agent FROM agents LIMIT 2"], ["Nobody?", "FROM agents LIMIT 0"]]
    run.fill("questions", [[n, *question] for n, question in enumerate(own)])
    answers = answers_of(run, 3)
    assert answers[0].question.title == "Who?"
    assert len(answers) == 3
    assert all(answer.rows is not None and answer.rows.rows for answer in answers)


def test_a_question_in_wrong_sql_costs_nobody_the_other_answers(make_run: Any, tmp_path: Any) -> None:
    run = make_run(people=20, steps=1, path=tmp_path / "run.duckdb")
    run.connection.close()
    with open_run(tmp_path / "run.duckdb") as reader:
        answer = ask(reader, Question("How so?", "SELEC 1"))
        assert answer.rows is None
        assert "syntax error" in answer.sentence


@pytest.mark.parametrize("upto", ["header", "growth"])
def test_a_run_in_which_nothing_happened_has_no_answers(upto: str, make_run: Any) -> None:
    assert answers_of(make_run(upto=upto), 9) == []


def test_what_the_village_asks_is_answered(lived: Queryable) -> None:
    answers = [ask(lived, Question(title, sql)) for title, sql in Village.questions.items()]
    taught, kinds, flood = (answer.rows for answer in answers)
    assert taught is not None
    assert {row[1] for row in taught.rows} == {"to their teaching partner", "as their teaching partner"}
    assert kinds is not None
    assert len(kinds.rows) == 5
    assert flood is not None
    assert flood.rows == []


def test_an_intervention_is_compared_step_by_step(make_run: Any) -> None:
    run = make_run(people=20, steps=4)
    (turn,) = [q for q in questions_of(run) if q.title.startswith("What changed")]
    answer = ask(run, turn)
    assert answer.rows is not None
    # Nineteen people act in each of the steps, before and since.
    assert [round(sum(column)) for column in list(zip(*answer.rows.rows, strict=True))[1:]] == [19, 19]
