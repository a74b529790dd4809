"""Runs of tasks, made quickly."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society
from populace.sim.tasks.task import Task


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Run a task with a few people; gives the file."""

    def make(task: Task, *, people: int = 10, seed: int = 3, **options: Any) -> Path:
        path = tmp_path / f"{len(list(tmp_path.glob('*.duckdb')))}.duckdb"
        growth = options.pop("growth", None) or Growth(agents=people, hops=2)
        Society(task, growth=growth, seed=seed, out=path, **options).run()
        return path

    return make


@pytest.fixture
def rows() -> Callable[[Path, str], Sequence[tuple[Any, ...]]]:
    """The rows that a statement gives of a run file."""

    def ask(path: Path, sql: str) -> Sequence[tuple[Any, ...]]:
        with open_run(path) as run:
            return run.query(sql).rows

    return ask
