"""What a run survives: being killed at any moment, and a budget that stops it on the way."""

import json
import random
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import duckdb
from benchmarks.lab import ROOT, Bar, Finding, Lab, Result, Server, environment, populace, watched

MOMENTS = 20
SEED = 11

#: What a run is compared by: every table but those that hold the time of day or who was asked how often.
_LEFT_OUT = frozenset({"jobs", "calls", "batches"})
_TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL"
_COLUMNS = "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND data_type <> 'TIMESTAMP' ORDER BY ALL"
_PAID = "SELECT DISTINCT phase, number, owner, request_hash, raw FROM calls WHERE raw IS NOT NULL"

#: Seconds until a run that makes no call is given up.
_PATIENCE = 180.0


class Job:
    """One village grown and lived over HTTP, as a user would: by the command line."""

    def __init__(self, lab: Lab, server: Server, *, agents: int, steps: int, in_flight: int) -> None:
        self.out = lab.new(".duckdb")
        self.in_flight = in_flight
        self._server = server
        self._said = self.out.with_suffix(".said")
        sizes = ("--agents", agents, "--hops", 2, "--steps", steps, "--max-in-flight", in_flight)
        self._run = ("run", "village", *sizes, "--model", "openai:test", "--base-url", server.base_url)

    def begin(self, *options: object) -> subprocess.Popen[bytes]:
        """Start it, or go on with it when its file is there."""
        words = ("resume", self.out) if self.out.exists() else (*self._run, "--out", self.out)
        with self._said.open("wb") as said:
            return subprocess.Popen(
                populace(*words, *options), cwd=ROOT, env=environment(), stdout=said, stderr=subprocess.STDOUT
            )

    def live(self, *options: object) -> int:
        """Start it or go on with it, and wait; the exit status."""
        return self.begin(*options).wait(timeout=600)

    def ended(self, *options: object) -> None:
        """The same, when it is to end well."""
        if self.live(*options) != 0:
            raise SystemExit(f"A run of the benchmark ended badly: {self._said.read_text()}")

    def counts(self) -> Result:
        """What the server has counted so far."""
        with urllib.request.urlopen(self._server.base_url.removesuffix("/v1") + "/counts") as reply:
            counts: Result = json.load(reply)
        return counts

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The answer of the run file, while nobody has it open."""
        with duckdb.connect(self.out, read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def hash(self) -> str:
        """The hash of everything that happened."""
        return str(self.rows("SELECT event_hash FROM runs")[0][0])

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row but for times, ordered, and the answers that were paid for."""
        found = {"answers": sorted(self.rows(_PAID))}
        with duckdb.connect(self.out, read_only=True) as connection:
            for (table,) in connection.execute(_TABLES).fetchall():
                if table not in _LEFT_OUT:
                    names = [f'"{name}"' for (name,) in connection.execute(_COLUMNS, [table]).fetchall()]
                    rows = f'SELECT {", ".join(names)} FROM "{table}" ORDER BY ALL'
                    found[table] = connection.execute(rows).fetchall()
        return found


def kill(lab: Lab) -> Iterator[Finding]:
    """A kill -9 at 20 moments of one job of about 1,000 calls, each followed by `populace resume`."""
    size = {"agents": 120, "steps": 7, "in_flight": 16}
    with watched() as others:
        with lab.server("--latency", 0.2) as first:
            whole = Job(lab, first, **size)
            whole.ended()
        calls = first.counted["calls"]
        with lab.server("--latency", 0.2) as second:
            job = Job(lab, second, **size)
            moments = sorted(random.Random(SEED).sample(range(1, calls), MOMENTS))
            kills = [_killed(job, moment) for moment in moments]
            job.ended()
        counted = second.counted
    answers = set(job.rows(_PAID))
    lost = sum(len(kept - answers) for _, kept in kills)
    times = [when for when, _ in kills]
    # How old an answer was when the run that had asked for it was killed; below 0 it was still to come.
    ages = [min(when for when in times if when > came) - ended for came, ended, _ in counted["repeats"]]
    flying, answered = [age for age in ages if age < 0], [age for age in ages if age >= 0]
    beside = f"{counted['calls']:,} calls, {calls:,} without a kill; {others()}"
    most = Bar("at most", MOMENTS * job.in_flight)
    yield Finding(f"calls paid twice after {MOMENTS} kills", len(ages), most, beside)
    yield Finding("of them under way when the run was killed", len(flying), most)
    yield Finding("of them answered, and not durable yet", len(answered), beside="rows wait 50 ms for a commit")
    yield Finding("seconds that the oldest of those answers had", max(answered, default=0.0), Bar("at most", 0.2))
    yield Finding("answered rows lost", lost, Bar("exactly", 0), f"{len(answers):,} answers at the end")
    yield Finding("event hash and all rows as in the run that nobody killed", _same(whole, job), Bar("exactly", 1))


def _killed(job: Job, moment: int) -> tuple[float, set[tuple[Any, ...]]]:
    """Kill the run once so many distinct requests have come: when that was, and the answers in its file."""
    process = job.begin()
    deadline = time.monotonic() + _PATIENCE
    counts = job.counts()
    moment = max(moment, counts["distinct"] + 1)  # never before it has asked for anything
    while counts["distinct"] < moment and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.003)
        counts = job.counts()
    process.send_signal(signal.SIGKILL)
    when = time.monotonic()
    status = process.wait()
    if status != -signal.SIGKILL:
        raise SystemExit(f"The run was to be killed at request {moment}, but ended before with status {status}.")
    return when, set(job.rows(_PAID))


def _same(one: Job, other: Job) -> int:
    return int(one.hash() == other.hash() and one.state() == other.state())


def budget(lab: Lab) -> Iterator[Finding]:
    """A job of about 2,000 calls under `--max-calls 500`, resumed twice with more."""
    size = {"agents": 240, "steps": 7, "in_flight": 32}
    with watched() as others:
        with lab.server("--latency", 0.05) as first:
            whole = Job(lab, first, **size)
            whole.ended()
        with lab.server("--latency", 0.05) as second:
            job = Job(lab, second, **size)
            stops = [_paused(job, most) for most in (500, 1_200)]
            job.ended("--max-calls", 100_000)
        counted = second.counted
    beside = f"{first.counted['calls']:,} calls without a budget; {others()}"
    for most, (status, kept, sent) in zip((500, 1_200), stops, strict=True):
        yield Finding(f"calls sent under a budget of {most:,}", sent, Bar("at most", most + job.in_flight), beside)
        yield Finding("calls that the budget left unused", max(0, most - sent), Bar("exactly", 0))
        yield Finding("exit status (3 says paused)", status, Bar("exactly", 3), f"runs.status is {kept}")
    repeated = counted["calls"] - counted["distinct"]
    yield Finding("calls paid twice", repeated, Bar("exactly", 0), f"{counted['calls']:,} calls in all")
    yield Finding("event hash and all rows as without a budget", _same(whole, job), Bar("exactly", 1))


def _paused(job: Job, most: int) -> tuple[int, str, int]:
    status = job.live("--max-calls", most)
    return status, str(job.rows("SELECT status FROM runs")[0][0]), int(job.counts()["calls"])
