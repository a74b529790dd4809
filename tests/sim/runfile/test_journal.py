"""The journal beside a run file: what is answered is not asked again, whenever the process was killed."""

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from populace.agents.gateway.call import Call
from populace.core.table import by_type
from populace.personas.hub.tables import VectorRow
from populace.sim.runfile.job_rows import JobRow
from populace.sim.runfile.runlog import RunLog
from populace.sim.runfile.writer import Journal

type MakeCall = Callable[..., Call]


def left_by_a_kill(log: RunLog, *rows: Call | VectorRow) -> None:
    """The journal that a process leaves which was killed before it committed these rows."""
    log.close()
    with RunLog.open(log.path) as again:
        journal = Journal(log.path, again.cursor())
        journal.append(by_type(rows))
        path = journal.path
        path.rename(path.with_name("kept"))
    path.with_name("kept").rename(path)


def owners(path: Path) -> list[str]:
    with RunLog.open(path) as log:
        return [owner for (owner,) in log.query("SELECT owner FROM calls ORDER BY rowid")]


def test_answers_that_were_not_committed_are_taken_over_once(log: RunLog, call: MakeCall) -> None:
    log.submit([call("ada")])
    left_by_a_kill(log, call("ada"), replace(call("ben"), sampling='{"temperature":0.5}'))
    assert owners(log.path) == ["ada", "ben"]
    assert owners(log.path) == ["ada", "ben"]
    with RunLog.open(log.path) as again:
        assert again.rows(Call, "WHERE owner = 'ben'") == [replace(call("ben"), sampling='{"temperature":0.5}')]


def test_vectors_are_taken_over_with_the_call_that_brought_them(log: RunLog, call: MakeCall) -> None:
    vectors = [VectorRow("a" * 32, "m", np.array(numbers, np.float32), "f" * 32) for numbers in ([1, 2], [3, 4, 5])]
    vectors[1] = replace(vectors[1], text_hash="b" * 32)
    left_by_a_kill(log, call("ada"), *vectors)
    with RunLog.open(log.path) as again:
        found = again.query("SELECT text_hash, vector FROM vectors ORDER BY text_hash")
        assert [(name, list(vector)) for name, vector in found] == [("a" * 32, [1, 2]), ("b" * 32, [3, 4, 5])]


@pytest.mark.parametrize("lost", [1, 30])
def test_a_record_that_is_not_whole_is_left_out(log: RunLog, call: MakeCall, lost: int) -> None:
    left_by_a_kill(log, call("ada"))
    journal = log.path.with_name(f"{log.path.name}.journal")
    whole = journal.read_bytes()
    left_by_a_kill(log, call("ada"), call("ben"))
    with journal.open("r+b") as file:
        file.truncate(len(journal.read_bytes()) - lost)
    assert len(whole) < journal.stat().st_size or lost > 1
    assert "ben" not in owners(log.path)


def test_a_record_with_a_changed_byte_is_left_out(log: RunLog, call: MakeCall) -> None:
    left_by_a_kill(log, call("ada"))
    journal = log.path.with_name(f"{log.path.name}.journal")
    written = journal.read_bytes()
    assert written.count(b'"ada"') == 1
    journal.write_bytes(written.replace(b'"ada"', b'"eve"'))
    assert owners(log.path) == []


def test_the_journal_of_another_file_is_left_out(log: RunLog, call: MakeCall, run_row: JobRow) -> None:
    left_by_a_kill(log, call("ada"))
    log.path.unlink()
    RunLog.create(log.path, replace(run_row, id="other")).close()
    assert owners(log.path) == []


def test_it_is_private_and_gone_when_the_file_is_closed(log: RunLog, call: MakeCall) -> None:
    journal = log.path.with_name(f"{log.path.name}.journal")
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    log.submit([call("ada")])
    log.commit().result()
    log.close()
    assert not journal.exists()


def test_what_is_committed_is_cut_and_the_file_stays_small(
    log: RunLog, call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("populace.sim.runfile.writer._COMMITTED", 2_000)
    journal = Journal(log.path.with_name("other.duckdb"), log.cursor())
    for number in range(100):
        before = journal.end
        journal.append({Call: [call(str(number))]})
        journal.cut(before)  # the one before it: the last one is never committed
        assert journal.path.stat().st_size < 4_000
    journal.cut(journal.end)
    journal.close()
    assert not journal.path.exists()


def broken_before(log: RunLog, call: MakeCall, **values: object) -> None:
    """The journal of a version that did not check what it kept: one good record, and one with these values."""
    left_by_a_kill(log, call("ada"), replace(call("ben"), **values))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [18446744073709551615, -7, 2**80])
def test_a_count_that_no_endpoint_can_mean_does_not_stop_a_resume_and_the_answer_is_kept(
    log: RunLog, call: MakeCall, count: int
) -> None:
    broken_before(log, call, input_tokens=count)
    assert owners(log.path) == ["ada", "ben"]
    with RunLog.open(log.path) as again:
        (kept,) = again.rows(Call, "WHERE owner = 'ben'")
        assert (kept.raw, kept.input_tokens) == (call("ben").raw, None)
        assert (kept.invalid_fields or "").startswith("usage.input_tokens=")


@pytest.mark.parametrize("values", [{"attempt": 2**40}, {"model": None}, {"reason": "half \ud83d"}, {"outcome": "odd"}])
def test_a_record_that_fits_no_table_is_set_aside_with_the_reason(
    log: RunLog, call: MakeCall, values: dict[str, object]
) -> None:
    broken_before(log, call, **values)
    assert owners(log.path) == ["ada"]
    with RunLog.open(log.path) as again:
        ((destination, content, reason),) = again.query("SELECT destination, content, reason FROM set_aside")
        assert destination == "calls"
        assert '"ben"' in content
        assert reason


def test_a_row_that_fits_no_table_does_not_end_the_run(log: RunLog, call: MakeCall) -> None:
    log.submit([call("ada"), replace(call("ben"), output_tokens=2**64), call("cay")])
    log.close()
    assert owners(log.path) == ["ada", "cay"]
    with RunLog.open(log.path) as again:
        assert again.query("SELECT destination FROM set_aside") == [("calls",)]
