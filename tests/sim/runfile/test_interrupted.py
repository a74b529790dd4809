import signal
import subprocess
import sys
from pathlib import Path

import pytest
from warm_process import WarmProcess

from populace.core.errors import RunFileError
from populace.sim.runfile.job_rows import JobRow, Unit
from populace.sim.runfile.reader import open_run
from populace.sim.runfile.runlog import RunLog

WRITE = """
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from populace.agents.gateway.call import Call
from populace.core.model import Outcome
from populace.sim.runfile.job_rows import MarkerRow, Unit
from populace.sim.runfile.live import LiveSql
from populace.sim.runfile.rows import MessageRow
from populace.sim.runfile.runlog import RunLog

noon = datetime(2030, 6, 1)
call = Call("step", 0, "ada", "turn", 1, "f" * 32, 1, Outcome.OK, "", "{}", None, "m", None,
            None, None, None, None, noon, noon, 0.0)
log = RunLog.open(Path(sys.argv[1]))
log.declare("step", Unit.STEP)
with LiveSql(log):
    for step in range(1, 100_000):
        for number in range(40):
            log.submit([replace(call, number=step, attempt=40 * step + number)])
        lines = [MessageRow(10 * step + n, step, "ada", "ben", "x" * 200, None, None) for n in range(10)]
        done = log.commit([*lines, MarkerRow("step", step, 0, 1, 0, "{}", "{}", noon, noon, "0")])
        if step % 3 == 0:
            done.result()
            print(step, flush=True)
"""


@pytest.mark.parametrize(
    "steps", [pytest.param(steps, marks=() if steps == 3 else pytest.mark.slow) for steps in (3, 12, 60)]
)
def test_a_killed_run_holds_whole_steps_and_every_call_up_to_one(
    warm: WarmProcess, path: Path, run_row: JobRow, steps: int
) -> None:
    RunLog.create(path, run_row).close()
    warm.begin_command("-c", WRITE, path)
    warm.kill_when(lambda: len(warm.said()) >= steps // 3)
    with RunLog.open(path) as log:
        last = log.last_complete(Unit.STEP) or 0
        assert last >= int(warm.said()[-1]) >= steps
        assert log.query("SELECT step FROM steps ORDER BY step") == [(n,) for n in range(1, last + 1)]
        assert log.query("SELECT step, count(*) FROM messages GROUP BY ALL ORDER BY ALL") == [
            (n, 10) for n in range(1, last + 1)
        ]
        calls = [attempt for (attempt,) in log.query("SELECT attempt FROM calls ORDER BY rowid")]
        assert calls == list(range(40, 40 + len(calls)))
        assert len(calls) >= 40 * last


def test_a_killed_run_is_read_as_it_stands(warm: WarmProcess, path: Path, run_row: JobRow) -> None:
    RunLog.create(path, run_row).close()
    warm.begin_command("-c", WRITE, path)
    warm.kill_when(lambda: bool(warm.said()))
    assert path.with_name("run.duckdb.live").exists()
    with open_run(path) as left:
        assert left.query("SELECT max(step) >= 3, max(status) FROM steps, runs").rows == [(True, "running")]
        assert not left.is_live


BEGIN = """
import os, sys
from pathlib import Path
import duckdb
from populace.sim.runfile.database import CONFIG
con = duckdb.connect(sys.argv[1], config=dict(CONFIG))
con.execute("BEGIN")
con.execute("CREATE TABLE runs (a INTEGER)")
os.kill(os.getpid(), 9)
"""


def test_a_run_killed_while_it_was_made_is_no_run_file(path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", BEGIN, path]).returncode == -signal.SIGKILL
    with pytest.raises(RunFileError):
        RunLog.open(path)


FILL = """
import resource, signal, sys
from datetime import datetime
from pathlib import Path
from populace.core.errors import StorageError
from populace.sim.runfile.job_rows import MarkerRow, Unit
from populace.sim.runfile.rows import MessageRow
from populace.sim.runfile.runlog import RunLog

noon = datetime(2030, 6, 1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with RunLog.open(Path(sys.argv[1])) as log:
    log.declare("step", Unit.STEP).result()
    limit = Path(sys.argv[1]).stat().st_size + 300_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for step in range(1, 5_000):
        try:
            numbers = range(10 * step, 10 * step + 10)
            lines = [MessageRow(n, step, "ada", "ben", f"{n * n}" * 50, None, None) for n in numbers]
            log.commit([*lines, MarkerRow("step", step, 0, 1, 0, "{}", "{}", noon, noon, "0")]).result()
        except StorageError as error:
            print(step, error)
            break
"""


def test_a_full_disk_is_one_sentence_and_what_was_done_stays(warm: WarmProcess, path: Path, run_row: JobRow) -> None:
    RunLog.create(path, run_row).close()
    ended = warm.run("-c", FILL, path)
    assert ended.stderr == ""
    step, sentence = ended.stdout.strip().split(" ", 1)
    assert f"free some space, then go on with `populace resume {path}`" in sentence
    with RunLog.open(path) as log:
        assert log.last_complete(Unit.STEP) == int(step) - 1 > 0
        assert log.query("SELECT count(*) FROM messages") == [(10 * (int(step) - 1),)]


LEAVE = """
import sys
from pathlib import Path
from populace.sim.runfile.rows import AgentRow
from populace.sim.runfile.runlog import RunLog
RunLog.open(Path(sys.argv[1])).submit([AgentRow("ada", 1)])
"""


@pytest.mark.slow
def test_a_run_that_nobody_closed_is_closed_with_its_process(path: Path, run_row: JobRow) -> None:
    RunLog.create(path, run_row).close()
    left = subprocess.run([sys.executable, "-c", LEAVE, path], capture_output=True, text=True, timeout=300)
    assert (left.returncode, left.stderr) == (0, "")
    with open_run(path) as run:
        assert run.query("SELECT agent FROM agents").rows == [("ada",)]
