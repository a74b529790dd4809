from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.call import Call
from populace.sim.runfile.job_rows import MarkerRow
from populace.sim.runfile.ledger import RunLedger
from populace.sim.runfile.runlog import RunLog

type MakeCall = Callable[..., Call]


def reopened(log: RunLog) -> RunLog:
    log.close()
    return RunLog.open(log.path)


def test_a_call_is_kept_whatever_became_of_it(log: RunLog, call: MakeCall) -> None:
    ledger = RunLedger(log)
    made = [call("ada"), call("ben", raw=None)]
    for one in made:
        ledger.record(one)
    log.commit().result()
    assert log.rows(Call, "ORDER BY owner") == made


def test_answers_of_the_unfinished_step_are_recalled(
    log: RunLog, call: MakeCall, step: Callable[[int], MarkerRow]
) -> None:
    log.submit([call(number=1), step(1), call(number=2, raw="paid")])
    with reopened(log) as again:
        ledger = RunLedger(again)
        assert ledger.recall(call(number=2).key) == ModelResponse("paid", "stop")


def test_answers_of_the_unfinished_hop_are_recalled(log: RunLog, call: MakeCall) -> None:
    now = log.job_row.started_at
    paid = [call(phase="growth", number=hop, raw=f"hop {hop}") for hop in (0, 1)]
    log.submit([*paid, MarkerRow("growth", 0, 0, 1, 0, None, "{}", now, now, "a")])
    with reopened(log) as again:
        ledger = RunLedger(again)
        assert ledger.recall(paid[1].key) == ModelResponse("hop 1", "stop")


def test_hop_zero_is_unfinished_without_a_marker(log: RunLog, call: MakeCall) -> None:
    log.submit([call(phase="growth", number=0, raw="a person")])
    with reopened(log) as again:
        assert RunLedger(again).recall(call(phase="growth", number=0).key) == ModelResponse("a person", "stop")


def test_what_was_not_answered_is_not_recalled(log: RunLog, call: MakeCall) -> None:
    log.submit([call(raw=None)])
    with reopened(log) as again:
        assert RunLedger(again).recall(call().key) is None


def test_of_two_answers_to_one_request_the_later_stands(log: RunLog, call: MakeCall) -> None:
    log.submit([call(raw="{"), replace(call(raw="{}"), attempt=2)])
    with reopened(log) as again:
        assert RunLedger(again).recall(call().key) == ModelResponse("{}", "stop")


def test_another_request_is_not_answered(log: RunLog, call: MakeCall) -> None:
    log.submit([call()])
    with reopened(log) as again:
        assert RunLedger(again).recall(replace(call(), request_hash="0" * 32).key) is None


def test_answers_are_recalled_of_the_owners_that_are_worked_on(log: RunLog, call: MakeCall) -> None:
    log.submit([call("ada", raw="a"), call("ben", raw="b")])
    with reopened(log) as again:
        ledger = RunLedger(again)
        ledger.prepare("step", 1, ["ada"])
        assert (ledger.recall(call("ada").key), ledger.recall(call("ben").key)) == (ModelResponse("a", "stop"), None)
        ledger.prepare("step", 1)
        assert ledger.recall(call("ben").key) == ModelResponse("b", "stop")


def test_answers_of_another_job_are_not_recalled(log: RunLog, call: MakeCall) -> None:
    log.submit([call(), replace(call(raw="another"), job=2)])
    with reopened(log) as again:
        assert RunLedger(again).recall(call().key) == ModelResponse("{}", "stop")


def test_paths_are_kept_for_the_reader(path: Path, log: RunLog) -> None:
    assert log.path == path
