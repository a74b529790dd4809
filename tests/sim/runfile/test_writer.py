import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from populace.agents.gateway.call import Call
from populace.core.errors import StorageError
from populace.sim.runfile.job_rows import MarkerRow
from populace.sim.runfile.rows import AgentRow, MeasureRow
from populace.sim.runfile.runlog import RunLog
from populace.sim.runfile.writer import Statement


def test_rows_of_many_submissions_share_a_commit(log: RunLog, call: Callable[..., Call]) -> None:
    for number in range(1_000):
        log.submit([call(f"agent {number}")])
    log.commit().result()
    assert log.query("SELECT count(DISTINCT owner) FROM calls") == [(1_000,)]
    assert log.commits < 100  # 50 ms or more pass between two of them


def test_submitted_rows_become_durable_unasked(log: RunLog, call: Callable[..., Call]) -> None:
    before = log.commits
    log.submit([call()])
    for _ in range(10_000):
        # The commit is counted after it is made, so its rows may be seen a moment before.
        if log.commits > before:
            break
        threading.Event().wait(0.01)
    assert log.commits == before + 1
    assert log.query("SELECT owner FROM calls") == [("ada",)]


def test_a_commit_covers_all_that_was_submitted_before(log: RunLog, call: Callable[..., Call]) -> None:
    log.submit([call("first")])
    log.commit([call("second")]).result()
    assert log.query("SELECT owner FROM calls ORDER BY rowid") == [("first",), ("second",)]


def test_an_empty_commit_is_a_barrier(log: RunLog) -> None:
    assert log.commit().result() is None


def test_threads_may_submit_at_once(log: RunLog) -> None:
    def submit(thread: int) -> None:
        for number in range(200):
            log.submit([AgentRow(f"{thread}/{number}", number)])

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.commit().result()
    assert log.query("SELECT count(*) FROM agents") == [(1_600,)]


def test_a_statement_is_in_the_transaction_of_its_rows(log: RunLog) -> None:
    failing = Statement("UPDATE runs SET seed = 'no number'")
    with pytest.raises(StorageError):
        log.commit([AgentRow("ada", 1)], [Statement("UPDATE runs SET seed = 8"), failing]).result()
    assert log.query("SELECT seed FROM runs") == [(7,)]
    assert log.query("SELECT count(*) FROM agents") == [(0,)]


def test_one_bad_row_keeps_its_whole_commit_out(log: RunLog, step: Callable[[int], MarkerRow]) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        log.commit([MeasureRow(1, "trust", 0.5), step(1), step(1)]).result()
    assert log.query("SELECT count(*) FROM measures") == [(0,)]


def test_after_a_failure_every_call_says_so(log: RunLog, step: Callable[[int], MarkerRow]) -> None:
    with pytest.raises(StorageError):
        log.commit([step(1), step(1)]).result()
    with pytest.raises(StorageError, match="everything committed before is kept"):
        log.submit([step(2)])
    with pytest.raises(StorageError, match="go on with `populace resume"):
        log.commit()


def test_a_failure_that_nobody_was_told_of_is_raised_on_closing(log: RunLog, step: Callable[[int], MarkerRow]) -> None:
    log.submit([step(1), step(1)])
    with pytest.raises(StorageError):
        log.close()


def test_a_cancelled_wait_does_not_stop_the_writer(log: RunLog) -> None:
    assert not log.commit([AgentRow("ada", 1)]).cancel()
    log.commit([AgentRow("ben", 2)]).result()
    assert log.query("SELECT count(*) FROM agents") == [(2,)]


def test_a_closed_log_takes_nothing(log: RunLog) -> None:
    log.close()
    with pytest.raises(StorageError, match="is closed"):
        log.submit([AgentRow("ada", 1)])


_HELD = """
SELECT (SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'BASE_TABLE'), current_setting('memory_limit')
"""


def test_blocks_of_the_file_leave_memory_unless_it_is_being_read_and_the_limit_stays(
    path: Path, log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.commit([AgentRow(random.Random(number).randbytes(200).hex(), number) for number in range(10_000)]).result()
    log.close()
    most = 1 << 19
    monkeypatch.setattr("populace.sim.runfile.writer._CACHED", most)
    monkeypatch.setattr("populace.sim.runfile.writer._LOOKED_AFTER", 1)
    with RunLog.open(path) as again:

        def written(number: int) -> tuple[int, str]:
            again.commit([AgentRow(f"ada {number}", number)]).result()
            again.commit().result()  # blocks are dropped before the writer goes on
            ((held, limit),) = again.query(_HELD)
            return held, limit

        again.query("SELECT sum(hash(agent)) FROM agents")
        ((held, limit),) = again.query(_HELD)
        assert held > 2 * most
        with again.cursors.reading():
            assert written(10_000)[0] > 2 * most
        assert written(10_001)[0] <= most
        again.query("SELECT sum(hash(agent)) FROM agents")
        again.cursor().close()  # whoever has one may be at work with it
        held, still = written(10_002)
        assert held > 2 * most
        assert still == limit
