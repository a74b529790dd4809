"""The questions that a scenario declares, and their answers."""

from typing import Any

from populace.analysis.report.report import answer_questions
from populace.analysis.table import Queryable
from populace.scenarios.village import Village
from populace.sim.runfile.reader import open_run


def test_what_the_village_asks_is_answered(lived: Queryable) -> None:
    taught, kinds, _ = (lived.query(sql) for sql in Village.questions.values())
    assert {row[1] for row in taught.rows} == {"to their teaching partner", "as their teaching partner"}
    assert len(kinds.rows) == 5
    assert answer_questions(lived) == []


def test_a_question_in_wrong_sql_costs_nobody_the_other_answers(make_run: Any, tmp_path: Any) -> None:
    run = make_run(people=20, steps=1, path=tmp_path / "run.duckdb")
    own = [["How so?", "SELEC 1"], ["Who?", "SELECT agent FROM agents LIMIT 2"], ["Nobody?", "FROM agents LIMIT 0"]]
    run.fill("questions", [[9 + n, *question] for n, question in enumerate(own)])
    run.connection.close()
    with open_run(tmp_path / "run.duckdb") as reader:
        failed, answered = answer_questions(reader)[-2:]
    assert failed[2] is None
    assert "syntax error" in failed[3]
    assert answered[0] == "Who?"
    assert answered[2] is not None
    assert len(answered[2].rows) == 2
