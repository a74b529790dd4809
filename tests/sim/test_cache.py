"""Answers shared between runs through one file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from openai_server import OpenAIServer

from populace.core.errors import SetupError
from populace.scenarios.village import Village
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun

type Live = Callable[..., FinishedRun]

SOURCES = "SELECT source, count(*) FROM calls GROUP BY source ORDER BY source"


@pytest.fixture
def cached(live: Live, openai_server: OpenAIServer, tmp_path: Path) -> Live:
    def run(name: str, **options: object) -> FinishedRun:
        place = {"model": "openai:test", "base_url": openai_server.base_url, "cache": tmp_path / "answers.sqlite"}
        return live(name, **{**place, **options})

    return run


def test_the_same_run_again_costs_nothing_and_is_the_same(cached: Live, openai_server: OpenAIServer) -> None:
    first = cached("first")
    paid, openai_server.calls = openai_server.calls, 0
    again = cached("again")
    assert openai_server.calls == 0
    assert again.event_hash == first.event_hash
    assert again.sql(SOURCES).rows == [("cache", paid)]
    assert again.sql("SELECT sum(cost) FROM calls").rows == [(0.0,)]


def test_answers_of_another_endpoint_are_not_taken(cached: Live) -> None:
    cached("first", steps=1)
    with OpenAIServer() as other:
        cached("second", steps=1, base_url=other.base_url)
        assert other.calls > 0


@pytest.mark.slow
def test_a_run_from_a_cache_is_replayed_without_it(cached: Live, tmp_path: Path) -> None:
    cached("first", steps=1)
    again = cached("again", steps=1)
    (tmp_path / "answers.sqlite").unlink()
    assert replay(again.path, Village).event_hash == again.event_hash


def test_a_cache_that_is_none_leaves_no_run_file(cached: Live, tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_text("This is a poem, and no database at all, however long you look at it.")
    with pytest.raises(SetupError, match=r"answers\.sqlite"):
        cached("first")
    assert not (tmp_path / "first.duckdb").exists()
