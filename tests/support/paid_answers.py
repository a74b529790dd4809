"""Paid answers for the tests of the shared cache; and, run as a script, the processes that keep them."""

import json
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from populace.agents.gateway.cache import AnswerCache
from populace.agents.gateway.call import Call
from populace.core.model import Outcome

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)
HERE = "http://localhost:1/v1"


def call(request: int = 1, raw: str | None = "hello", **changes: Any) -> Call:
    """A paid attempt at the request of that number."""
    paid = Call(
        phase="step",
        number=1,
        owner="ada",
        purpose="turn",
        prompt_version=3,
        request_hash=blake2b(str(request).encode(), digest_size=16).hexdigest(),
        attempt=1,
        outcome=Outcome.OK,
        reason="",
        raw=raw,
        finish_reason="stop",
        model="openai:m",
        endpoint=HERE,
        input_tokens=90,
        output_tokens=20,
        reasoning_tokens=None,
        cached_tokens=64,
        started_at=NOON,
        ended_at=NOON,
        waited=0.0,
    )
    return replace(paid, **changes)


def answer(cache: AnswerCache, number: int = 1) -> str | None:
    reply = cache.recall(call(number).key, HERE)
    return None if reply is None else reply.raw


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as con:
        return con.execute(sql).fetchall()


def until(true: Callable[[], bool]) -> None:
    """Wait for it, at most five minutes."""
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else is writing, and does not come to an end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as con:
        con.execute("BEGIN IMMEDIATE")
        yield


def main() -> None:
    """Fork a child for each job that comes in, say its id; and, asked to wait for it, how it ended."""
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            say(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1]))
            continue
        child = os.fork()
        if child == 0:
            try:
                write(**job)
            except BaseException as error:  # noqa: BLE001 - the test must hear of whatever it was
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        say(child)


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def write(path: str, who: str, answers: int, pause: float = 0.0, limit: int | None = None) -> None:
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with AnswerCache(Path(path)) as cache:
        for number in range(answers):
            cache.keep(call(number, f"{who} {number}"), HERE)
            time.sleep(pause)


if __name__ == "__main__":
    main()
