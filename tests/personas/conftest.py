"""An empty hub, open for writing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from populace.personas.hub import HubFile, create_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubFile]:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        yield hub
