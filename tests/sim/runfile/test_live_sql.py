import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from warm_process import WarmProcess

from populace.core.errors import RunFileError
from populace.core.query import QueryError, QueryResult
from populace.sim.runfile import live as live_module
from populace.sim.runfile.database import ClosedError
from populace.sim.runfile.job_rows import JobRow, MarkerRow
from populace.sim.runfile.live import LiveClient, LiveSql, Sidecar
from populace.sim.runfile.reader import RunReader, open_run
from populace.sim.runfile.rows import AgentRow
from populace.sim.runfile.runlog import RunLog


@pytest.fixture
def live(log: RunLog) -> Iterator[LiveSql]:
    with LiveSql(log) as live:
        yield live


@pytest.fixture
def client(live: LiveSql) -> LiveClient:
    return LiveClient(live.sidecar)


def elsewhere(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python code in another process."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


ASK = """
import sys
from populace.sim.runfile.reader import RunReader, open_run
with open_run(sys.argv[1]) as run:
    print(run.is_live, run.query(sys.argv[2]).rows)
"""


def test_another_process_sees_what_is_committed(path: Path, log: RunLog, live: LiveSql, warm: WarmProcess) -> None:
    log.commit([AgentRow("ada", 1)]).result()
    assert warm.run("-c", ASK, path, "SELECT agent, ordinal FROM agents").stdout == "True [('ada', 1)]\n"


#: The same, without waiting long for a run that is just beginning or ending.
IMPATIENT = f"from populace.sim.runfile import reader\nreader._PAUSE_SECONDS = 0.002\n{ASK}"


@pytest.mark.slow
def test_without_a_sidecar_the_holder_is_named(path: Path, log: RunLog) -> None:
    answer = elsewhere(IMPATIENT, path, "FROM runs")
    assert "BusyError" in answer.stderr
    assert f"is in use by another process (PID {os.getpid()}); wait until that is done" in answer.stderr


def test_the_answer_is_the_same_live_and_from_the_file(path: Path, log: RunLog, client: LiveClient) -> None:
    sql = """
        SELECT 170141183460469231731687303715884105727 // 1000 AS big, sum(1) AS n, 1.50::DECIMAL(5, 2) AS d,
               [1, NULL] AS l, {'a': 'é'} AS s, INTERVAL 40 DAY AS i, DATE '2030-01-01' AS day, 1 = 2 AS no,
               TIMESTAMP '2030-01-01 00:00:00.000001' AS t, '{}'::JSON AS j, 'x'::BLOB AS b, NULL AS nil,
               1 AS twice, 2 AS twice, 'b'::ENUM ('a', 'b') AS e, uuid() IS NULL AS u
    """
    live = client.query(sql)
    log.close()
    with open_run(path) as run:
        assert run.query(sql) == live
    assert live.columns[12:14] == ("twice", "twice")
    assert live.rows[0][:3] == (170141183460469231731687303715884105, 1, live.rows[0][2])


def test_parameters_are_sent_by_place_and_by_name(client: LiveClient) -> None:
    assert client.query("SELECT ? || ?", ["a", "b"]).rows == [("ab",)]
    assert client.query("SELECT $n + 1", {"n": 1}).rows == [(2,)]


def test_an_answer_of_many_batches_is_whole(client: LiveClient) -> None:
    assert len(client.query("FROM range(200_000)").rows) == 200_000


REFUSED = {
    "INSERT INTO agents VALUES ('eve', 9)": "INSERT is refused",
    "UPDATE runs SET seed = 1": "UPDATE is refused",
    "DELETE FROM runs": "DELETE is refused",
    "DROP TABLE runs": "DROP is refused",
    "CREATE TABLE mine (a INTEGER)": "CREATE is refused",
    "CREATE TEMP TABLE mine (a INTEGER)": "CREATE is refused",
    "ATTACH 'other.duckdb'": "ATTACH is refused",
    "COPY runs TO 'runs.csv'": "COPY is refused",
    "EXPORT DATABASE 'out'": "EXPORT is refused",
    "SET threads = 1": "SET is refused",
    "PRAGMA memory_limit = '1MB'": "SET is refused",
    "PRAGMA enable_profiling": "PRAGMA is refused",
    "INSTALL httpfs": "LOAD is refused",
    "CHECKPOINT": "CALL is refused",
    "COMMIT": "TRANSACTION is refused",
    "PREPARE p AS DELETE FROM runs": "PREPARE is refused",
    "EXPLAIN ANALYZE DELETE FROM runs": "DELETE is refused",
    "EXPLAIN ANALYZE COPY runs TO 'runs.csv'": "COPY is refused",
    "WITH c AS (COPY runs TO 'runs.csv') SELECT 1": "COPY is refused",
    "CREATE TEMP TABLE mine AS PIVOT steps ON step USING count(*)": "CREATE is refused",
    "FORCE CHECKPOINT": "CALL is refused",
    "SELECT pg_sleep(3)": "pg_sleep() is refused",
    "SELECT 1; DELETE FROM runs": "One statement at a time",
    "": "One statement at a time",
    "SELECT * FROM read_csv('secret.csv')": "read_csv() is refused",
    "SELECT * FROM 'secret.parquet'": "disabled by configuration",
    "SELECT * FROM cursor": "does not exist",
    "SELEC 1": "syntax error",
    "SELECT * FROM emission": 'Did you mean "emissions"?',
    "SELECT error('late') FROM range(100_000) WHERE range = 99_000": "late.",
    "SELECT '1'::BIT AS b": "cast it to VARCHAR",
    "SELECT 'infinity'::TIMESTAMP AS t": "out of Python's range; cast it to VARCHAR",
}


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, run_row: JobRow) -> Iterator[tuple[LiveClient, RunReader]]:
    """A run that is going on and one that has ended."""
    folder = tmp_path_factory.mktemp("doors")
    RunLog.create(folder / "ended.duckdb", run_row).close()
    with (
        RunLog.create(folder / "running.duckdb", run_row) as log,
        LiveSql(log) as live,
        open_run(folder / "ended.duckdb") as ended,
    ):
        yield LiveClient(live.sidecar), ended


@pytest.mark.parametrize(("sql", "reason"), REFUSED.items(), ids=REFUSED)
def test_whatever_does_more_than_read_is_refused(doors: tuple[LiveClient, RunReader], sql: str, reason: str) -> None:
    for door in doors:
        with pytest.raises(QueryError) as refused:
            door.query(sql)
        assert reason in str(refused.value)
        assert "\n" not in str(refused.value)


READ = ["FROM runs", "VALUES (1)", "SHOW TABLES", "DESCRIBE runs", "SUMMARIZE runs", "EXPLAIN FROM runs"]
READ += ["WITH r AS (FROM runs) FROM r", "PIVOT steps ON step USING count(*)", "-- why\nSELECT 1;"]


@pytest.mark.parametrize("sql", READ)
def test_every_way_of_reading_is_answered(doors: tuple[LiveClient, RunReader], sql: str) -> None:
    running, ended = doors
    assert running.query(sql).columns == ended.query(sql).columns


def post(live: LiveSql, body: bytes, path: str = "/sql", token: str | None = None) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", live.sidecar.port, timeout=300)
    headers = {"Authorization": f"Bearer {token or live.sidecar.token}"}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer["error"]


def test_only_who_has_the_token_is_answered(live: LiveSql) -> None:
    assert post(live, b'{"sql": "FROM runs"}', token="guessed")[0] == 401


def test_what_is_no_question_is_refused_with_a_sentence(live: LiveSql) -> None:
    assert post(live, b"SELECT 1") == (400, 'A question is JSON: {"sql": "SELECT ...", "params": [...]}.')
    assert post(live, b'{"sql": "SELECT 1", "more": 1}')[0] == 400
    assert post(live, b"{}", path="/metrics") == (404, "There is nothing at '/metrics'; post to /sql.")


def test_a_huge_question_is_not_read(live: LiveSql) -> None:
    connection = HTTPConnection("127.0.0.1", live.sidecar.port, timeout=300)
    connection.putrequest("POST", "/sql")
    connection.putheader("Authorization", f"Bearer {live.sidecar.token}")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_the_server_is_on_loopback_alone(live: LiveSql) -> None:
    assert live._server.server_address[0] == "127.0.0.1"


def test_the_sidecar_is_readable_by_its_owner_alone_and_goes_with_the_run(path: Path, log: RunLog) -> None:
    with LiveSql(log):
        assert stat.S_IMODE(Sidecar.path_of(path).stat().st_mode) == 0o600
    assert not Sidecar.path_of(path).exists()


def test_the_sidecar_of_another_run_is_left_alone(path: Path, live: LiveSql) -> None:
    other = live.sidecar.model_copy(update={"token": "of another run"})
    other.write(path)
    live.sidecar.remove(path)
    assert Sidecar.read(path) == other
    other.remove(path)


@pytest.mark.parametrize("left", ["", "{}", '{"port": 1, "pid": 2, "token": "t"}'])
def test_a_stale_sidecar_is_ignored(path: Path, log: RunLog, left: str) -> None:
    log.close()
    Sidecar.path_of(path).write_text(left)
    with open_run(path) as run:
        assert run.query("SELECT run FROM runs").rows == [("r1",)]
        assert not run.is_live


@pytest.mark.slow
def test_a_stale_sidecar_beside_a_held_file_is_not_believed(path: Path, log: RunLog, live: LiveSql) -> None:
    Sidecar(port=live.sidecar.port, pid=1, token="of a run that was killed").write(path)
    assert "is in use by another process" in elsewhere(IMPATIENT, path, "FROM runs").stderr
    Sidecar.path_of(path).unlink()


SLOW = "SELECT count(*) FROM range(100_000_000) a, range(100_000_000) b"


def test_a_slow_query_does_not_stop_the_run(log: RunLog, client: LiveClient, step: Callable[[int], MarkerRow]) -> None:
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.query, SLOW)
        while not log.cursors.active and not asked.done():
            time.sleep(0.01)
        for number in range(1, 6):
            log.commit([step(number)]).result()
        assert not asked.done()
        log.close()
        assert isinstance(asked.exception(), ClosedError)


def test_a_query_that_takes_too_long_is_stopped(client: LiveClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "QUERY_SECONDS", 0.05)
    with pytest.raises(QueryError, match=r"stopped after 0.05 s; ask for less"):
        client.query(SLOW)


def test_whoever_asks_may_set_a_shorter_limit(client: LiveClient) -> None:
    with pytest.raises(QueryError, match=r"stopped after 0.2 s; ask for less, or allow more with `timeout`"):
        client.query(SLOW, seconds=0.2)


def test_an_answer_that_is_too_large_is_refused(client: LiveClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_MOST_BYTES", 1 << 20)
    with pytest.raises(QueryError, match="The answer is larger than 1 MiB; ask for fewer rows"):
        client.query("FROM range(1_000_000)")


def test_a_run_that_has_ended_is_gone(log: RunLog) -> None:
    with LiveSql(log) as live:
        client = LiveClient(live.sidecar)
    with pytest.raises(ClosedError):
        client.query("SELECT 1")


def test_a_log_that_closed_before_its_server_answers_that_it_ended(log: RunLog, client: LiveClient) -> None:
    log.close()
    with pytest.raises(ClosedError):
        client.query("SELECT 1")


def test_a_parameter_that_is_no_json_is_named(client: LiveClient) -> None:
    with pytest.raises(QueryError, match="A parameter cannot be sent to a running run"):
        client.query("SELECT ?", [b"bytes"])


def test_a_reader_goes_on_when_the_run_ends(path: Path, log: RunLog) -> None:
    with open_run(path) as run:
        assert (run.query("SELECT status FROM runs").rows, run.is_live) == ([("running",)], True)
        log.finish("finished", None, "c0ffee")
        log.close()
        assert (run.query("SELECT status FROM runs").rows, run.is_live) == ([("finished",)], False)


def test_a_notebook_may_ask_a_run_that_it_is_running(path: Path, log: RunLog, run_row: JobRow) -> None:
    with open_run(path) as run:
        assert run.query("SELECT seed FROM runs WHERE run = ?", [run_row.id]) == QueryResult(
            ("seed",), ("BIGINT",), [(7,)]
        )
        with pytest.raises(QueryError, match="DELETE is refused"):
            run.query("DELETE FROM runs")


def test_a_reader_outside_with_holds_no_file(path: Path, log: RunLog) -> None:
    log.close()
    run = open_run(path)
    assert run.query("SELECT status FROM runs").rows == [("running",)]
    assert not run.is_live
    with RunLog.open(path):
        assert (run.query("SELECT count(*) FROM runs").rows, run.is_live) == ([(1,)], True)


def test_readers_share_a_finished_file(path: Path, log: RunLog) -> None:
    log.close()
    with open_run(path) as one, open_run(str(path)) as other:
        assert one.query("FROM runs") == other.query("FROM runs")
    with pytest.raises(RunFileError):
        open_run(path.with_name("nowhere.duckdb"))
