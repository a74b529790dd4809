"""The command as a process: exit codes, runs that are still going, Ctrl-C, a full disk, a pipe that closes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from openai_faults import Latency
from openai_server import OpenAIServer
from warm_process import PATIENCE, WarmProcess

from .conftest import Ask, told

POPULACE = (sys.executable, "-m", "populace")
GOING = "SELECT (SELECT status FROM runs) AS status, (SELECT count(*) FROM growth) AS hops"


def process(*command: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def village(warm: WarmProcess, server: OpenAIServer) -> int:
    """A village of 8 people for 2 steps: 24 calls, two at once; gives its process."""
    options = "--agents 8 --hops 1 --steps 2 --max-in-flight 2 --out run.duckdb --model openai:test --base-url"
    return warm.begin_command("populace", "run", "village", *options.split(), server.base_url)


def call(server: OpenAIServer) -> None:
    asked = json.dumps({"model": "test", "messages": [{"role": "user", "content": "Good day."}]})
    connection = HTTPConnection(urlsplit(server.base_url).netloc, timeout=PATIENCE)
    connection.request("POST", "/v1/chat/completions", asked, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()


def wait_for(happened: Callable[[], bool], warm: WarmProcess) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert warm.is_at_work, warm.ended_command()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_that_is_still_going_answers_and_is_not_disturbed(
    warm: WarmProcess, ask: Ask, openai_server: OpenAIServer
) -> None:
    openai_server.hold(3)  # its two calls wait for ours
    run = village(warm, openai_server)
    wait_for(lambda: openai_server.in_flight == 2, warm)
    assert ask("sql", "run.duckdb", GOING, "--csv").out == "status,hops\nrunning,0\n"
    ask("sql", "run.duckdb", "DELETE FROM runs").complains(2, "DELETE is refused")
    ask("resume", "run.duckdb").complains(2, "'run.duckdb' is in use", str(run), "wait")
    assert ask("report", "run.duckdb").code == 0
    assert warm.is_at_work
    call(openai_server)
    ended = warm.ended_command()
    assert (ended.returncode, told(ended.stderr)) == (0, "")
    assert ask("sql", "run.duckdb", GOING, "--csv").out == "status,hops\nfinished,2\n"


@pytest.mark.slow
def test_a_run_that_is_stopped_says_how_to_go_on_and_does(
    warm: WarmProcess, ask: Ask, openai_server: OpenAIServer
) -> None:
    openai_server.latency = Latency(0.2)
    openai_server.stall(12)  # it does not end before it is stopped
    run = village(warm, openai_server)
    wait_for(lambda: openai_server.calls >= 10, warm)
    os.kill(run, signal.SIGINT)
    openai_server.stall(None)
    ended = warm.ended_command()
    assert ended.returncode == 130
    way_on = r"What was done is kept: go on with `populace resume run\.duckdb`\.\n"
    assert re.fullmatch(rf"populace: Stopped\. .*[12] (?:left|steps? to come)\. {way_on}", told(ended.stderr))
    openai_server.latency = Latency()
    assert ask("resume", "run.duckdb").code == 0
    assert "finished,2" in ask("sql", "run.duckdb", GOING, "--csv").out


KEPT = "SELECT status, (SELECT count(*) BETWEEN 1 AND 8 FROM steps) AS kept FROM runs"
FULL = """
import resource, sys
from populace.cli import main
from populace.personas.rules.languages import is_known_language
is_known_language("en")  # unpacks its model into a file
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_room(warm: WarmProcess, ask: Ask) -> None:
    options = "run village --agents 24 --hops 1 --steps 9 --out run.duckdb"
    ended = warm.run("-c", FULL, *options.split())
    assert (ended.returncode, told(ended.stderr).count("\n")) == (1, 1)
    assert "File too large" in ended.stderr
    assert "free some space, then go on with `populace resume run.duckdb`" in ended.stderr
    assert "running,true" in ask("sql", "run.duckdb", KEPT, "--csv").out
    assert ", 9 steps\n" in ask("resume", "run.duckdb").out


@pytest.mark.slow
def test_a_pipe_that_closes_is_no_traceback(run_file: Path) -> None:
    with process(*POPULACE, "sql", run_file, "FROM range(9)") as asking:
        assert asking.stdout is not None
        assert asking.stderr is not None
        asking.stdout.close()
        assert "Traceback" not in asking.stderr.read()
        assert asking.wait(PATIENCE) == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_for_which_there_is_no_room_is_one_sentence(run_file: Path) -> None:
    with Path("/dev/full").open("w") as full:
        asking = [*POPULACE, "sql", str(run_file), "FROM range(9)"]
        ended = subprocess.run(asking, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
    assert ended.returncode == 1
    assert told(ended.stderr).startswith("populace: The output cannot be written: No space left on device;")
    assert told(ended.stderr).count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(("--version",), 0, "populace, version ", marks=pytest.mark.slow),
        (("run", "vilage"), 2, "did you mean 'village'?"),
        pytest.param(("sql", "no.duckdb", "FROM runs"), 2, "no run file 'no.duckdb'", marks=pytest.mark.slow),
    ],
)
def test_exit_codes_are_those_of_the_process(arguments: tuple[str, ...], code: int, words: str) -> None:
    ended = subprocess.run([*POPULACE, *arguments], capture_output=True, text=True, timeout=300)
    assert ended.returncode == code
    assert words in (ended.stdout if code == 0 else ended.stderr)
    assert ended.stderr.count("\n") == (code > 0)


@pytest.mark.slow
def test_output_that_a_terminal_cannot_show_is_written_out(run_file: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    asking = [*POPULACE, "sql", str(run_file), "SELECT 'café 水' AS said", "--csv"]
    shown = subprocess.run(asking, capture_output=True, timeout=300, env=environment)
    assert (shown.returncode, shown.stdout.decode("latin-1")) == (0, "said\ncafé \\u6c34\n")
