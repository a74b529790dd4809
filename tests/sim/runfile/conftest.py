"""Rows to write and run files to write them to."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from populace.agents.gateway.call import Call
from populace.core.model import Outcome
from populace.sim.runfile.job_rows import JobRow, MarkerRow, RunSpec, Unit
from populace.sim.runfile.runlog import RunLog

NOON = datetime(2030, 6, 1, 12, 0, 0, 250_000)


@pytest.fixture(scope="session")
def run_row() -> JobRow:
    spec = RunSpec(scenario="village", settings={"memory": 4}, growth={}, world="A village by a river.", steps=3)
    return JobRow(
        job=1,
        id="r1",
        kind="society",
        spec=spec.as_json(),
        seed=7,
        model="procedural",
        is_language_model=False,
        base_url=None,
        embedding_model=None,
        embedding_url=None,
        limits='{"max_in_flight":8}',
        prices=None,
        cache=None,
        batch=False,
        versions="{}",
        status="running",
        reason=None,
        event_hash=None,
        started_at=NOON,
        ended_at=None,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.duckdb"


@pytest.fixture
def log(path: Path, run_row: JobRow) -> Iterator[RunLog]:
    with RunLog.create(path, run_row) as log:
        log.declare("step", Unit.STEP).result()
        yield log


@pytest.fixture
def call() -> Callable[..., Call]:
    def make(owner: str = "ada", *, phase: str = "step", number: int = 1, raw: str | None = "{}") -> Call:
        outcome, reason = (Outcome.OK, "") if raw is not None else (Outcome.DROPPED, "The line was cut.")
        return Call(
            phase=phase,
            number=number,
            owner=owner,
            purpose="turn",
            prompt_version=1,
            request_hash="f" * 32,
            attempt=1,
            outcome=outcome,
            reason=reason,
            raw=raw,
            finish_reason="stop",
            model="procedural",
            endpoint=None,
            input_tokens=500,
            output_tokens=None,
            reasoning_tokens=None,
            cached_tokens=None,
            started_at=NOON,
            ended_at=NOON.replace(second=2),
            waited=0.5,
        )

    return make


@pytest.fixture
def step() -> Callable[[int], MarkerRow]:
    return lambda number: MarkerRow("step", number, 0, 1, 0, "{}", '{"acted":1}', NOON, NOON, f"{number:064x}")
