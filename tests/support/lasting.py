"""A run that stops, is replayed and is forked ends as one that went on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from populace.sim.fork import fork
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.scenario import Scenario
from populace.sim.society import Society


def rows_of(path: Path, query: str) -> list[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(query).rows


def check_lasting(
    whole: FinishedRun | Path,
    scenario: type[Scenario],
    begin: Callable[[Path], Society],
    folder: Path,
    *queries: str,
    stop: int = 2,
    at: int | None = None,
) -> None:
    """Check that it ends with the same hash and rows, however it came there; a fork pays for no step.

    `begin` opens the society again at a path; it stops behind the step `stop`, and a fork begins behind `at`.
    """
    path = whole if isinstance(whole, Path) else whole.path
    ((event_hash,),) = rows_of(path, "SELECT event_hash FROM runs")
    with begin(folder / "stopped.duckdb") as begun:
        begun.run_for(stop)
        begun._error = KeyboardInterrupt()  # as when it is interrupted
    resumed = Society.resume(folder / "stopped.duckdb", scenario).run()
    forked = fork(path, scenario, at=stop if at is None else at, out=folder / "fork.duckdb").run()
    replayed = replay(path, scenario, out=folder / "replay.duckdb")
    assert (resumed.event_hash, forked.event_hash, replayed.event_hash) == (event_hash,) * 3
    assert replayed.difference == ""
    for query in queries:
        expected = rows_of(path, query)
        for again in (resumed.path, forked.path, folder / "replay.duckdb"):
            assert rows_of(again, query) == expected
    asked = "SELECT count(*) FROM calls WHERE source = 'endpoint' AND phase = 'step'"
    assert rows_of(forked.path, asked) == [(0,)]
