"""Doing the jobs of a hub again from their own answers."""

from functools import partial
from pathlib import Path

import pytest
from hub_people import make_hub, townsfolk

from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError, RunFileError
from populace.personas.hub.file import open_hub
from populace.sim.enrichment import enrich as enrich_hub
from populace.sim.jobs.life import replay_job
from populace.sim.specs import Enrichment

PEOPLE = 40
#: An imported hub has no model of its own.
enrich = partial(enrich_hub, model="procedural")


@pytest.fixture
def town(tmp_path: Path) -> Path:
    return make_hub(tmp_path / "town.duckdb", *townsfolk(PEOPLE))


@pytest.mark.slow
def test_a_replay_says_where_a_job_differs_from_its_answers(town: Path) -> None:
    enrich(town, Enrichment(n=4))
    with open_hub(town, write=True) as hub:
        hub.con.execute("UPDATE markers SET event_hash = 'another' WHERE phase = 'profiles'")
    assert "first differs in profiles: its event hash was another then" in replay_job(town, 1).difference


def test_a_job_that_is_not_finished_is_not_replayed(town: Path) -> None:
    with pytest.raises(PausedError):
        enrich(town, limits=Limits.given(max_calls=5))
    with pytest.raises(RunFileError, match=r"Job 1 in .* is not finished, so it cannot be replayed"):
        replay_job(town, 1)
