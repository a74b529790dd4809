"""One answer cache and several processes that write it at once, some of which are killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paid_answers import HERE, answer, call, rows, until

from populace.agents.gateway.cache import AnswerCache

SCRIPT = Path(__file__).parents[1] / "support" / "paid_answers.py"


class Writers:
    """Processes that write a cache, without paying for the imports each time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout

    def begin(self, path: Path, who: str, answers: int, **job: Any) -> int:
        """Start a process that keeps so many answers; gives its id."""
        return self._told({"path": str(path), "who": who, "answers": answers, **job})

    def ended(self, child: int) -> int:
        """Wait for a process; gives its exit code, or minus the signal that killed it."""
        return self._told({"wait": child})

    def close(self) -> str:
        """No more jobs; gives what the processes complained of."""
        return self._process.communicate(timeout=300)[1]

    def _told(self, job: dict[str, Any]) -> int:
        self._in.write(json.dumps(job) + "\n")
        self._in.flush()
        return int(self._out.readline())


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    writers = Writers()
    yield writers
    writers.close()


def test_processes_may_make_one_file_at_the_same_moment(writers: Writers, tmp_path: Path) -> None:
    for number in range(8):
        children = [writers.begin(tmp_path / f"{number}.sqlite", who, 1) for who in "abcdef"]
        assert [writers.ended(child) for child in children] == [0] * 6


def test_processes_that_pay_for_the_same_at_once_agree(writers: Writers, path: Path) -> None:
    children = [writers.begin(path, who, 300, pause=0.001) for who in "abcdef"]
    assert [writers.ended(child) for child in children] == [0] * 6
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    raws = [raw for (raw,) in rows(path, "SELECT raw FROM answers")]
    assert sorted(int(raw.split()[1]) for raw in raws) == list(range(300))
    assert all(raw.split()[0] in "abcdef" for raw in raws)


def test_one_process_sees_what_another_has_committed(writers: Writers, path: Path) -> None:
    with AnswerCache(path) as cache:
        assert answer(cache, 49) is None
        assert writers.ended(writers.begin(path, "other", 50)) == 0
        assert answer(cache, 49) == "other 49"


@pytest.mark.parametrize("moment", [1, 40, 90, 150, 230])
def test_a_writer_that_is_killed_loses_nothing_committed_and_harms_nothing(
    writers: Writers, path: Path, moment: int
) -> None:
    AnswerCache(path).close()
    child = writers.begin(path, "killed", 10**6, pause=0.001)
    until(lambda: len(rows(path, "SELECT id FROM answers")) >= moment)
    seen = rows(path, "SELECT request_hash, raw FROM answers")
    os.kill(child, signal.SIGKILL)
    assert writers.ended(child) == -signal.SIGKILL
    with AnswerCache(path) as cache:
        cache.keep(call(6_000, "next 6000"), HERE)
        assert answer(cache, 0) == "killed 0"
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    left = rows(path, "SELECT request_hash, raw FROM answers")
    assert set(seen) < set(left)
    assert all(call(int(raw.split()[1])).request_hash == key.hex() for key, raw in left)


def test_a_file_that_may_not_grow_ends_in_one_sentence_and_what_was_committed_stays(path: Path) -> None:
    writers = Writers()
    child = writers.begin(path, "cramped", 20_000, pause=0.0005, limit=200_000)
    assert writers.ended(child) == 1
    (said,) = writers.close().splitlines()
    assert said.startswith(f"CacheError: The answer cache {str(path)!r} cannot be written (")
    with AnswerCache(path) as cache:
        assert answer(cache, 0) == "cramped 0"
