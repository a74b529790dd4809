"""A small village, as quickly as it can be had."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from populace.agents.gateway.limits import Limits
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.runfile.reader import FinishedRun
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
            options.pop("scenario", None) or Village(settings),
            growth=Growth(agents=agents, hops=hops),
            out=tmp_path / f"{name}.duckdb",
            limits=Limits.given(**limits),
            **{"steps": 3, **options},
        ).run()

    return run
