"""A small village, as quickly as it can be had; and a run of sums, for jobs on what a run has made."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sums import Ask, make_sums

from populace.agents.gateway.limits import Backoff, Limits
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.society import Society

type Live = Callable[..., FinishedRun]


@pytest.fixture
def live(tmp_path: Path) -> Live:
    """Grow a village of 24 people, let it live three steps, and give what is left of it."""

    def run(
        name: str = "run",
        *,
        agents: int = 24,
        hops: int = 2,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> FinishedRun:
        limits = {limit: options.pop(limit) for limit in Limits.model_fields if limit in options}
        return Society(
            options.pop("scenario", None) or Village({"lines": 1, "assistant": False, **(settings or {})}),
            growth=Growth(agents=agents, hops=hops),
            out=tmp_path / f"{name}.duckdb",
            limits=Limits.given(**limits),
            **{"steps": 3, **options},
        ).run()

    return run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once: what is tested is that, not when."""
    monkeypatch.setattr("populace.agents.gateway.client.Backoff", partial(Backoff, base=0.001))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with twelve sums; modules may have another one."""
    return make_sums(tmp_path_factory.mktemp("sums") / "sums.duckdb", people=12)


@pytest.fixture
def sums(made: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be written to."""
    return Path(shutil.copy(made, tmp_path))


@pytest.fixture
def sql(sums: Path) -> Ask:
    """Asks the copy."""

    def asked(query: str) -> list[tuple[Any, ...]]:
        with open_run(sums) as run:
            return run.query(query).rows

    return asked
