import errno
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from populace.core.errors import RunFileError, StorageError
from populace.sim.runfile.job_rows import JobRow, MarkerRow, Unit
from populace.sim.runfile.live import LiveSql
from populace.sim.runfile.reader import open_run
from populace.sim.runfile.runlog import RunLog


def test_a_new_file_holds_its_run(log: RunLog, run_row: JobRow) -> None:
    assert log.job_row == run_row
    assert (log.last_complete(Unit.HOP), log.last_complete(Unit.STEP), log.last_event_hash()) == (None, None, None)


def test_an_existing_file_is_refused(path: Path, run_row: JobRow) -> None:
    path.write_text("mine")
    with pytest.raises(RunFileError, match=r"exists; give another path, or go on with `populace resume"):
        RunLog.create(path, run_row)
    assert path.read_text() == "mine"


def test_a_missing_folder_is_named(tmp_path: Path, run_row: JobRow) -> None:
    with pytest.raises(RunFileError, match=r"There is no folder '.*nowhere' to write 'a.duckdb' to"):
        RunLog.create(tmp_path / "nowhere" / "a.duckdb", run_row)


def test_the_rest_of_a_file_that_is_gone_is_kept(path: Path, run_row: JobRow) -> None:
    rest = path.with_name(f"{path.name}.wal")
    rest.write_text("what was not checkpointed")
    with pytest.raises(RunFileError, match=r"\.wal' is left of a file that is gone"):
        RunLog.create(path, run_row)
    assert list(path.parent.iterdir()) == [rest]


def test_a_run_that_cannot_be_written_leaves_no_file(path: Path, run_row: JobRow) -> None:
    with pytest.raises(RunFileError, match="cannot be written"):
        RunLog.create(path, replace(run_row, spec="no JSON"))
    assert list(path.parent.iterdir()) == []


def test_markers_are_found_after_reopening(
    path: Path, log: RunLog, run_row: JobRow, step: Callable[[int], MarkerRow]
) -> None:
    now = run_row.started_at
    log.declare("growth", Unit.HOP)
    log.commit([MarkerRow("growth", hop, 0, 1, 0, None, "{}", now, now, "ab"[hop]) for hop in (0, 1)])
    log.commit([step(1)])
    log.commit([step(2)])
    log.close()
    with RunLog.open(path) as again:
        assert (again.last_complete(Unit.HOP), again.last_complete(Unit.STEP), again.last_event_hash()) == (
            1,
            2,
            f"{2:064x}",
        )


def test_a_marker_brings_the_runs_hash_up_to_date(log: RunLog, step: Callable[[int], MarkerRow]) -> None:
    log.commit([step(3)]).result()
    assert log.job_row.event_hash == f"{3:064x}"


def test_finish_says_how_it_ended(log: RunLog) -> None:
    log.finish("failed", "Nobody could be grown.", "c0ffee")
    run = log.job_row
    assert (run.status, run.reason, run.event_hash) == ("failed", "Nobody could be grown.", "c0ffee")
    assert run.ended_at is not None
    assert run.ended_at.tzinfo is None


def test_opening_an_ended_run_changes_nothing_and_writing_makes_it_run(
    path: Path, log: RunLog, step: Callable[[int], MarkerRow]
) -> None:
    log.finish("failed", "The endpoint was unreachable.", "c0ffee")
    log.close()
    with RunLog.open(path) as again:
        assert again.job_row.status == "failed"
        again.commit([step(1)]).result()
        assert (again.job_row.status, again.job_row.reason, again.job_row.ended_at) == ("running", None, None)


def test_a_file_is_written_once_in_a_process(path: Path, log: RunLog) -> None:
    with pytest.raises(RunFileError, match="in this process already"):
        RunLog.open(path)


def test_a_file_that_is_read_in_this_process_is_not_resumed(path: Path, log: RunLog) -> None:
    log.close()
    with open_run(path), pytest.raises(RunFileError, match="open in this process for reading; close"):
        RunLog.open(path)
    RunLog.open(path).close()


def test_queries_of_the_log_cannot_write(log: RunLog) -> None:
    with pytest.raises(Exception, match="read-only"):
        log.query("DELETE FROM jobs")
    assert len(log.query("FROM runs")) == 1


def test_closing_twice_does_nothing_and_leaves_one_file(path: Path, log: RunLog) -> None:
    log.close()
    log.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_where_nothing_can_be_written_it_says_so(path: Path, run_row: JobRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.core.files.os.open", fails(errno.EROFS))
    with pytest.raises(RunFileError, match=r"'.*run.duckdb' cannot be written: Read-only file system; make room"):
        RunLog.create(path, run_row)
    assert not list(path.parent.iterdir())


def test_a_disk_that_is_full_beside_a_run_leaves_nothing_there(log: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    before, threads = set(log.path.parent.iterdir()), set(threading.enumerate())
    monkeypatch.setattr(Path, "write_text", fails(errno.ENOSPC))
    with pytest.raises(StorageError, match=r"Nothing can be written beside .*No space left"), LiveSql(log):
        pass
    assert set(log.path.parent.iterdir()) == before
    assert not set(threading.enumerate()) - threads


def fails(number: int) -> Callable[..., None]:
    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return failing


def test_a_run_file_and_its_log_are_their_owners_alone(
    log: RunLog, path: Path, step: Callable[[int], MarkerRow]
) -> None:
    log.commit([step(1)]).result()
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"run.duckdb": 0o600, "run.duckdb.wal": 0o600, "run.duckdb.journal": 0o600}
