"""Doing the jobs of a hub again from their own answers."""

from functools import partial
from pathlib import Path

import pytest
from hub_people import make_hub, townsfolk
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError, RunFileError
from populace.personas.hub.file import open_hub
from populace.personas.profiles import Tier
from populace.sim.embedding import dedup_by_meaning
from populace.sim.enrichment import Enrichment
from populace.sim.enrichment import enrich as enrich_hub
from populace.sim.jobs.replay import replay_job

PEOPLE = 40
#: An imported hub has no model of its own.
enrich = partial(enrich_hub, model="procedural")


@pytest.fixture
def town(tmp_path: Path) -> Path:
    return make_hub(tmp_path / "town.duckdb", *townsfolk(PEOPLE))


def test_an_enrichment_is_done_again_from_its_own_answers(town: Path, openai_server: OpenAIServer) -> None:
    wishes = Enrichment(n=8, chunk=3, skill="chess", tier=Tier.ONE_PERCENT)
    done = enrich(town, wishes, model="openai:test", base_url=openai_server.base_url)
    enrich(town, Enrichment(n=12, replace=True))  # another job later on
    before, asked = town.read_bytes(), openai_server.calls
    again = replay_job(town, 1)
    assert (again.event_hash, again.difference, again.recalled) == (done.event_hash, "", asked)
    assert openai_server.calls == asked
    assert town.read_bytes() == before


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


def test_vectors_are_fetched_again_from_the_hub_itself(town: Path, openai_server: OpenAIServer) -> None:
    dedup_by_meaning(town, "openai:m", threshold=0.5, base_url=openai_server.base_url)
    with open_hub(town) as hub:
        query = "SELECT (SELECT count(*) FROM duplicates), event_hash FROM jobs"
        ((marked, event_hash),) = hub.con.execute(query).fetchall()
    asked = openai_server.calls
    again = replay_job(town, 1)
    assert marked > 0
    assert (again.event_hash, again.difference, again.recalled) == (event_hash, "", PEOPLE)
    assert openai_server.calls == asked
