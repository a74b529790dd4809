"""Jobs on the outputs of a run: solving as the example of all, and what solving itself says."""

from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from sums import Ask, Sum

from populace.agents.checks import CheckOutcome
from populace.agents.gateway.limits import Limits
from populace.core.errors import SetupError
from populace.core.model import Answer, Outcome
from populace.sim.jobs.life import run_job
from populace.sim.tasks.solving import (
    Solution,
    SolverPanel,
    SolvingJob,
    SolvingSpec,
    answer_verdict,
    compared,
    parse_solvers,
    solving_spec,
    verdict_of,
)

SLIPPING = "procedural:accuracy=0.6"
KNOWN = (Sum,)

pytestmark = pytest.mark.usefixtures("impatient")


def solved(path: Path, *solvers: str, **options: Any) -> Any:
    spec = solving_spec(
        parse_solvers(solvers or (SLIPPING,)),
        **{
            k: options.pop(k)
            for k in ("samples", "methods", "execute", "threshold", "n", "kinds", "all", "chunk")
            if k in options
        },
    )
    return run_job(path, SolvingJob(spec, KNOWN), model=spec.voters.solvers[0], **options)


def test_each_solution_is_a_request_of_its_own(sums: Path, sql: Ask) -> None:
    done = solved(sums, samples=4)
    assert (done.outputs, done.done, done.failed) == (12, {"solving": 12}, {"solving": 0})
    assert sql(
        "SELECT count(*), count(DISTINCT request_hash), min(role), count(DISTINCT replicate) FROM calls WHERE job = 2"
    ) == [(48, 48, "solver", 4)]
    assert sql("SELECT count(*), count(DISTINCT (emission, replicate)) FROM solutions") == [(48, 48)]


def test_the_answer_of_most_solutions_is_the_answer(sums: Path, sql: Ask) -> None:
    solved(sums, samples=5)
    votes = sql("SELECT emission, votes, solutions, agreement, difficulty FROM agreed_answers ORDER BY emission")
    assert [row[0] for row in votes] == list(range(1, 13))
    for emission, most, came, agreement, difficulty in votes:
        counts = sql(f"SELECT count(*) FROM solutions WHERE emission = {emission} GROUP BY answer ORDER BY 1 DESC")
        assert (most, came) == (counts[0][0], 5)
        assert agreement == pytest.approx(most / 5)
        assert difficulty == pytest.approx(1 - most / 5)
    checked = sql("""SELECT "check", outcome, count(*) FROM checks GROUP BY ALL""")
    assert sum(n for check, _, n in checked if check == "solved") == 12
    assert sql("""SELECT count(*) FROM checks AS c JOIN agreed_answers AS a USING (emission)
                  WHERE "check" = 'answer' AND (c.outcome = 'passed') <> a.correct""") == [(0,)]
    assert sql("SELECT count(*) FROM outputs WHERE status = 'rejected' AND stage NOT IN ('answer', 'solved')") == [(0,)]


def test_a_program_is_run_only_where_that_is_allowed(sums: Path, sql: Ask) -> None:
    with pytest.raises(SetupError, match="--execute"):
        solved(sums, "procedural", methods=("program",))
    solved(sums, "procedural", methods=("text", "program"), samples=1, execute=True, n=3)
    found = sql("SELECT method, answer, correct, outcome FROM solutions ORDER BY emission, ordinal")
    assert [row[0] for row in found] == ["text", "program"] * 3
    assert all(row[2:] == (True, "ok") for row in found)
    assert all(one[1] == other[1] for one, other in zip(found[::2], found[1::2], strict=True))


def test_several_solvers_answer_side_by_side(sums: Path, sql: Ask) -> None:
    solved(sums, SLIPPING, "procedural:accuracy=0", samples=1)
    assert sql("SELECT solver, role, count(*) FROM solutions JOIN calls ON calls.job = solutions.job AND owner = "
               "CAST(emission AS VARCHAR) AND model = solver GROUP BY ALL ORDER BY 2") == [
        (SLIPPING, "solver", 12), ("procedural:accuracy=0", "solver-2", 12)]  # fmt: skip
    assert sql("SELECT count(*) FROM solutions WHERE solver LIKE '%=0' AND correct") == [(0,)]


def test_solving_again_looks_at_what_solving_has_rejected(sums: Path, sql: Ask) -> None:
    solved(sums, "procedural:accuracy=0", samples=2)
    rejected = sql("SELECT count(*) FROM outputs WHERE status = 'rejected'")[0][0]
    assert rejected > 0
    assert solved(sums, "procedural", samples=2).outputs == 12
    assert sql("SELECT status, count(*) FROM outputs GROUP BY ALL") == [("accepted", 12)]
    assert sql("SELECT DISTINCT job, correct FROM agreed_answers") == [(3, True)]


def over_http(path: Path, server: OpenAIServer, *, samples: int = 2) -> Any:
    job = SolvingJob(solving_spec(parse_solvers(("openai:test",)), samples=samples))
    limits = Limits.given(max_in_flight=8, max_error_rate=1.0)
    return run_job(path, job, model="openai:test", base_url=server.base_url, limits=limits)


def test_every_solution_is_a_row_whatever_the_endpoint_does(sums: Path, sql: Ask, openai_server: OpenAIServer) -> None:
    openai_server.fault("rate_limit", 0.1).fault("server_error", 0.1).fault("refusal", 0.2)
    done = over_http(sums, openai_server)
    assert dict(SolvingJob(SolvingSpec(voters=SolverPanel(solvers=("procedural",)))).rows(done))["problems"] == "12"
    outcomes: dict[str, int] = dict(sql("SELECT outcome, count(*) FROM solutions GROUP BY ALL"))
    assert sum(outcomes.values()) == 24
    assert outcomes.keys() <= {"ok", "no_answer", "refusal"}
    assert 0 < outcomes["refusal"] < 24
    assert sql("SELECT count(*) FROM checks WHERE \"check\" = 'solved'") == [(12,)]
    assert sql("SELECT count(*) FROM solutions WHERE outcome = 'refusal' AND (answer IS NOT NULL OR reason = '')") == [
        (0,)
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kinds": ("sun",)}, "made no 'sun' .did you mean 'sum'"),
        ({"samples": 0}, "`samples` must be at least 1"),
        ({"threshold": 2.0}, "`threshold` must be at most 1"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(sums: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        solved(sums, **options)


def test_a_run_without_accepted_outputs_is_refused(sums: Path) -> None:
    from populace.sim.runfile.database import connect

    with connect(sums, read_only=False) as con:
        columns = "emission, 'is_even' AS \"check\", 'failed' AS outcome, 'It is odd.' AS reason, 1 AS version"
        con.execute(f"INSERT INTO checks BY NAME SELECT {columns} FROM emissions")
    with pytest.raises(SetupError, match="none is accepted"):
        solved(sums)
    assert solved(sums, all=True, samples=1).outputs == 12


def test_a_run_that_made_nothing_or_is_not_finished_is_refused(sums: Path) -> None:
    from populace.sim.runfile.database import connect

    with connect(sums, read_only=False) as con:
        con.execute("UPDATE jobs SET status = 'paused'")
    with pytest.raises(SetupError, match="is not finished"):
        solved(sums)
    with connect(sums, read_only=False) as con:
        con.execute("UPDATE jobs SET status = 'finished'")
        con.execute("DELETE FROM emissions")
    with pytest.raises(SetupError, match="has made nothing"):
        solved(sums)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("openai:a,openai:b",), [("openai:a", ()), ("openai:b", ())]),
        (
            ("openai:a@http://127.0.0.1:1/v1", "procedural"),
            [("openai:a", ("http://127.0.0.1:1/v1",)), ("procedural", ())],
        ),
    ],
)
def test_solvers_are_named_with_their_addresses(given: tuple[str, ...], found: list[Any]) -> None:
    assert [(one.model, one.base_url) for one in parse_solvers(given)] == found


def test_a_solver_is_named_once() -> None:
    with pytest.raises(SetupError, match="named twice"):
        parse_solvers(("procedural", "procedural"))


def vote(answer: str | None, outcome: str = "ok") -> Solution:
    reason = "It is gone." if outcome != "ok" else ""
    return Solution(Answer(Outcome.OK), outcome, reason, solver="x", method="text", replicate=0, answer=answer)


@pytest.mark.parametrize(
    ("votes", "outcome", "score"),
    [
        (["1/2", "0.5", "2"], CheckOutcome.PASSED, 2 / 3),
        (["1", "2", "3"], CheckOutcome.FAILED, 1 / 3),
        (["1", "1", "2", "2"], CheckOutcome.FAILED, 1 / 2),
        (["1", "1", None, None, None], CheckOutcome.FAILED, 2 / 5),
        (["1"], CheckOutcome.PASSED, 1.0),
        ([None, None], CheckOutcome.FAILED, 0.0),
    ],
)
def test_the_vote(votes: list[str | None], outcome: CheckOutcome, score: float) -> None:
    result = compared([vote(one) for one in votes], "")
    verdict, _, found = verdict_of(result, 0.5)
    assert verdict is outcome
    assert found == pytest.approx(score)


def test_solutions_that_the_endpoint_lost_do_not_vote() -> None:
    result = compared([vote("1"), vote("1"), vote(None, "timeout"), vote(None, "rate_limited")], "")
    assert verdict_of(result, 0.9)[0] is CheckOutcome.PASSED
    lost = compared([vote(None, "timeout")], "")
    assert verdict_of(lost, 0.5)[0] is CheckOutcome.UNDECIDED


def test_the_known_answer_is_compared_with_the_vote() -> None:
    assert answer_verdict(compared([vote("0.5"), vote(r"\frac12")], "1/2")) == (CheckOutcome.PASSED, "")
    outcome, reason = answer_verdict(compared([vote("3"), vote("3"), vote("4")], "4"))
    assert (outcome, reason) == (CheckOutcome.FAILED, "Most solutions give '3', and the answer is '4'.")


def test_the_stand_in_says_that_it_knows_no_other_problem(sums: Path, sql: Ask) -> None:
    run_job(sums, SolvingJob(SolvingSpec(voters=SolverPanel(solvers=("procedural",), samples=1))), model="procedural")
    assert sql("SELECT DISTINCT outcome, answer FROM solutions") == [("no_answer", None)]
    assert "knows the solutions of its own problems" in sql("SELECT any_value(solution) FROM solutions")[0][0]
