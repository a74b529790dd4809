"""A hub of three people in which profiles can be kept."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hub_people import make_hub

from populace.personas.hub.file import HubFile, open_hub
from populace.personas.persona import Persona

PEOPLE = (
    Persona("A ferry mechanic in her forties."),
    Persona("A retired teacher who keeps bees."),
    Persona("A boy of nine who collects stamps."),
)


@pytest.fixture
def noon() -> datetime:
    return datetime(2030, 6, 1, 12, 0)


@pytest.fixture
def people() -> tuple[Persona, Persona, Persona]:
    return PEOPLE


@pytest.fixture(scope="session")
def made_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub as it is made; only copies of it are written to."""
    return make_hub(tmp_path_factory.mktemp("hub") / "town.duckdb", PEOPLE)


@pytest.fixture
def hub(made_hub: Path, tmp_path: Path) -> Iterator[HubFile]:
    with open_hub(shutil.copy(made_hub, tmp_path), write=True) as opened:
        yield opened
