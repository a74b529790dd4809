"""Measuring a model: test sets and solved runs, accuracy and its interval, and a job in a file of its own."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from sums import Sum, make_sums

from populace.agents.actions import KnownSolution
from populace.agents.answer_check.compare import SameAnswer
from populace.agents.answer_check.process import shared_checker
from populace.agents.procedural.judging import make_solutions, wrong_answer
from populace.agents.procedural.situation import Situation
from populace.analysis.funnel import read_evaluation
from populace.analysis.stats import wilson_interval
from populace.core.errors import SetupError, SourceError
from populace.core.result import Result
from populace.sim.estimate import Sampling
from populace.sim.estimate.jobs import estimate_file_job
from populace.sim.jobs.life import run_job
from populace.sim.runfile.reader import open_hub_or_run
from populace.sim.tasks.evaluation import evaluate, evaluation_job, read_problems
from populace.sim.tasks.solving import SolvingJob, parse_solvers, solving_spec

MATH = (
    {"problem": "What is 1 + 1?", "solution": r"It is $\boxed{2}$.", "level": "Level 1", "type": "Algebra"},
    {"problem": "What is 1/2 + 1/4?", "solution": r"So \boxed{\frac{3}{4}}.", "level": "Level 2", "type": "Algebra"},
    {"problem": "What is 5 * 5?", "answer": 25, "level": "Level 1", "type": "Number Theory"},
    {"problem": "Which one of them, if there are 3?", "solution": "It ends without a box, at 3."},
    {"question": "Is 7 prime?", "answer": "yes"},
)


@pytest.fixture
def test_set(tmp_path: Path) -> Path:
    path = tmp_path / "math.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in MATH), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_sums(tmp_path_factory.mktemp("sums") / "sums.duckdb", people=12)
    spec = solving_spec(parse_solvers(("procedural:accuracy=0.6",)), samples=3)
    run_job(path, SolvingJob(spec, (Sum,)), model="procedural:accuracy=0.6")
    return path


def measured(path: Path) -> Result:
    with open_hub_or_run(path) as run:
        return read_evaluation(run)


def evaluated(target: Path, out: Path, model: str = "procedural", **options: Any) -> Result:
    job = evaluation_job(read_problems(target), target=target.name, solver=model)
    evaluate(job, out, model=model, **options)
    return measured(out)


def test_a_test_set_is_read_with_boxed_and_plain_answers(test_set: Path) -> None:
    found = read_problems(test_set)
    assert [one.answer for one in found.problems] == ["2", r"\frac{3}{4}", "25", "yes"]
    assert [one.level for one in found.problems] == ["Level 1", "Level 2", "Level 1", None]
    assert found.problems[1].source == "math.jsonl:2"
    assert (found.passed_over, found.rows, found.examples) == (1, 5, ("math.jsonl:4",))


@pytest.mark.parametrize(
    ("answer", "known"),
    [("5*2=<<5*2=10>>10 clips.\n#### 10", "10"), (r"So it is $\boxed{\frac12}$.", r"\frac12"), ("# 4", "# 4")],
)
def test_a_solution_in_the_field_of_the_answer_is_read_for_its_answer(tmp_path: Path, answer: str, known: str) -> None:
    path = tmp_path / "gsm8k.jsonl"
    path.write_text(json.dumps({"question": "How many?", "answer": answer}) + "\n")
    assert [one.answer for one in read_problems(path).problems] == [known]


def test_accuracy_by_level_and_type(test_set: Path, tmp_path: Path) -> None:
    found = evaluated(test_set, tmp_path / "out.duckdb")
    assert [row[:4] for row in found.rows] == [
        ("all", "all", 4, 4),
        ("level", "Level 1", 2, 2),
        ("level", "Level 2", 1, 1),
        ("type", "Algebra", 2, 2),
        ("type", "Number Theory", 1, 1),
    ]
    notes = dict(found.notes)
    assert notes["passed_over"] == "1 of 5 rows were passed over, without a known answer."
    assert "procedural" in notes


def test_a_solver_that_is_always_wrong_has_none_right(test_set: Path, tmp_path: Path) -> None:
    found = evaluated(test_set, tmp_path / "out.duckdb", "procedural:accuracy=0")
    assert found.shown.rows[0] == ("all", "all", "4", "0", "0.0% (0.0% to 49.0%)")


def test_problems_of_a_run_have_the_answers_on_which_two_of_three_agree(made: Path, tmp_path: Path) -> None:
    problems = read_problems(made)
    with open_hub_or_run(made) as run:
        agreed = run.query("SELECT count(*) FROM agreed_answers JOIN outputs USING (emission) "
                           "WHERE votes >= 2 AND status = 'accepted'").rows  # fmt: skip
    assert [(len(problems.problems),)] == agreed
    assert problems.solvers == ("procedural:accuracy=0.6",)
    found = evaluated(made, tmp_path / "out.duckdb", "procedural:accuracy=0.6")
    assert found.rows[0][3] > 0
    assert "favours it" in dict(found.notes)["own_answers"]


def test_a_run_that_was_not_solved_is_refused(tmp_path: Path) -> None:
    path = make_sums(tmp_path / "sums.duckdb", people=4)
    with pytest.raises(SetupError, match="--samples 3"):
        read_problems(path)


@pytest.mark.parametrize(
    ("text", "raised", "said"),
    [
        ('{"problem": "x", "solution": "no box"}\n', SetupError, "no problem with an answer in 1 row;"),
        ("", SourceError, "is empty; give a file with rows"),
        ("{\n", SourceError, "row 1: the line is not JSON"),
        ("[1]\n", SourceError, "row 1: the line is JSON and no object"),
    ],
)
def test_a_file_without_answers_is_refused(tmp_path: Path, text: str, raised: type[Exception], said: str) -> None:
    path = tmp_path / "none.jsonl"
    path.write_text(text)
    with pytest.raises(raised, match=said):
        read_problems(path)


def test_a_file_without_an_evaluation_says_so(made: Path) -> None:
    with pytest.raises(SetupError, match="populace data evaluate"):
        measured(made)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


def drawn(seed: int, problems: int, accuracy: float) -> tuple[float, float]:
    """What the stand-in draws as a solver, as `evaluate` asks it: one answer to each problem, right or wrong."""
    correct = 0
    for problem in range(problems):
        known = KnownSolution("It is known.", str(problem))
        rng = random.Random(f"{seed} {problem}")
        answer = make_solutions(known)(rng, Situation(accuracy=accuracy), {"properties": {"answer": {}}})
        correct += (answer or {})["answer"] == known.answer
    return wilson_interval(correct, problems)


@pytest.mark.parametrize(
    ("seeds", "problems", "least"), [(20, 200, 19), pytest.param(100, 200, 95, marks=pytest.mark.slow)]
)
def test_the_interval_covers_the_rate_of_a_solver_that_errs_at_a_known_rate(
    seeds: int, problems: int, least: int
) -> None:
    intervals = [drawn(seed, problems, 0.8) for seed in range(seeds)]
    assert sum(low <= 0.8 <= high for low, high in intervals) >= least


@pytest.mark.parametrize("answer", ["42", "-1", "0", "3/4", r"\frac{1}{2}", "yes", "No", "B", "Tuesday", "12.50", "0/5",
                                    "(a) 12; (b) 7", "5 cm", "x^2", "a knave", "10:30", "1"])  # fmt: skip
def test_a_wrong_answer_is_wrong(answer: str) -> None:
    checker = shared_checker()
    for seed in range(6):
        assert checker.same(answer, wrong_answer(answer, random.Random(seed))) is SameAnswer.NO


def test_an_estimate_counts_one_request_to_a_problem(test_set: Path, made: Path) -> None:
    problems = read_problems(test_set)
    job = evaluation_job(problems, target="math.jsonl", solver="openai:x")
    found = estimate_file_job(Path(), job, model="openai:x", base_url="http://127.0.0.1:1/v1", sampling=Sampling(0))
    assert [(p.name, p.calls.low) for p in found.purposes] == [("solve (solver)", 4)]
    assert "of 4 problems." in found.notes[0]


def test_an_estimate_of_solving_counts_by_solver(made: Path) -> None:
    spec = solving_spec(parse_solvers(("openai:x@http://127.0.0.1:1/v1", "procedural")), samples=3, all=True)
    found = estimate_file_job(
        made,
        SolvingJob(spec),
        model="openai:x",
        base_url="http://127.0.0.1:1/v1",
        sampling=Sampling(0),
    )
    assert {(p.name, p.role, p.calls.low) for p in found.purposes} == {
        ("solve (solver)", "solver", 36),
        ("solve (solver-2)", "solver-2", 36),
    }
    assert "of 12 outputs." in found.notes[0]


def test_an_estimate_of_many_problems_is_made_of_a_few(test_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.sim.estimate.jobs._PROBLEMS", 2)
    problems = read_problems(test_set)
    job = evaluation_job(problems, target="math.jsonl", solver="procedural")
    found = estimate_file_job(Path(), job, model="procedural")
    assert (found.dry_run, found.calls.low) == ((2, 0), 4)
