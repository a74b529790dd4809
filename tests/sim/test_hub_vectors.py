"""Fetching the vectors of a hub's people as a job: what comes into the hub, and what is never paid twice."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hub_people import make_hub, townsfolk
from openai_faults import Latency
from openai_server import OpenAIServer

from populace.agents.embedding.vectors import text_hash
from populace.agents.gateway.limits import Limits, Prices
from populace.core.errors import PausedError, SetupError
from populace.personas.hub.dedup import dedup_hub
from populace.personas.hub.file import open_hub
from populace.personas.persona import Persona
from populace.sim.embedding import EmbeddingJob, EmbeddingSpec, HubVectors, dedup_by_meaning
from populace.sim.growth import Growth
from populace.sim.jobs.life import resume_job, run_job
from populace.sim.society import Society

PEOPLE = 40
MODEL = "openai:m"


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture(scope="session")
def made_town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hub(tmp_path_factory.mktemp("town") / "town.duckdb", townsfolk(PEOPLE)[0])


@pytest.fixture
def town(made_town: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made_town, tmp_path))


def fetched(hub: Path, model: Any = MODEL, *, chunk: int = 10, **options: Any) -> HubVectors:
    return run_job(hub, EmbeddingJob(EmbeddingSpec(chunk=chunk)), model=model, **options)[0]


@pytest.fixture
def fetch(town: Path, openai_server: OpenAIServer) -> Any:
    """Fetch the town's vectors; what is given replaces the usual."""
    return lambda *model, **options: fetched(town, *model, **{"base_url": openai_server.base_url, **options})


def in_hub(town: Path, query: str) -> list[tuple[Any, ...]]:
    with open_hub(town) as hub:
        return hub.con.execute(query).fetchall()


def test_everybody_gets_a_vector_and_the_calls_stand_in_the_hub(
    town: Path, fetch: Any, openai_server: OpenAIServer
) -> None:
    assert fetch() == HubVectors(MODEL, PEOPLE, PEOPLE, 1)
    assert openai_server.calls == PEOPLE // 10
    assert set(openai_server.embedded.values()) == {1}
    assert in_hub(town, "SELECT kind, embedding_model, status FROM jobs") == [("embedding", MODEL, "finished")]
    kept = in_hub(town, "SELECT text_hash FROM vectors SEMI JOIN calls USING (request_hash) ORDER BY text_hash")
    assert [key for (key,) in kept] == sorted(map(text_hash, openai_server.embedded))
    assert in_hub(town, "SELECT sum(items), count(*) FROM markers WHERE chunk > 0") == [(PEOPLE, PEOPLE // 10)]


@pytest.mark.slow
def test_each_model_has_vectors_and_jobs_of_its_own(town: Path, fetch: Any) -> None:
    with pytest.raises(PausedError):
        fetch(limits=Limits(max_calls=2))
    assert fetch("openai:other").job == 2
    assert fetch().job == 3
    assert in_hub(town, "SELECT model, count(*) FROM vectors GROUP BY model ORDER BY model") == [
        (MODEL, PEOPLE),
        ("openai:other", PEOPLE),
    ]


def test_a_paused_job_is_resumed_from_its_spec_and_compares_in_the_end(town: Path, openai_server: OpenAIServer) -> None:
    ((text,),) = in_hub(town, "SELECT text FROM personas WHERE ordinal = 7")
    openai_server.fault("server_error", containing=text, attempts=None)
    with pytest.raises(PausedError):
        dedup_by_meaning(town, MODEL, base_url=openai_server.base_url, limits=Limits(max_calls=1))
    openai_server.faults.clear()
    fetched, report = resume_job(town, 1, changed={"max_calls": 100})
    assert fetched == HubVectors(MODEL, PEOPLE, PEOPLE, 1)
    assert report is not None
    assert (report.judged, report.threshold) == (PEOPLE, 0.9)


def test_who_gets_no_vector_is_a_row_and_is_asked_again_by_the_next_job(
    town: Path, fetch: Any, openai_server: OpenAIServer
) -> None:
    ((text,),) = in_hub(town, "SELECT text FROM personas WHERE ordinal = 7")
    openai_server.fault("nan", containing=text)
    done = fetch()
    assert (done.missing, done.fetched) == (PEOPLE, PEOPLE - 1)
    ((agent, outcome, attempts),) = in_hub(town, "SELECT agent, outcome, attempts FROM failures")
    assert (agent, outcome, attempts > 0) == (Persona(text).id, "schema_mismatch", True)
    openai_server.faults.clear()
    again = fetch()
    assert (again.missing, again.fetched) == (1, 1)


def test_a_run_file_keeps_its_vectors_in_its_own_table(tmp_path: Path, openai_server: OpenAIServer) -> None:
    from populace.scenarios.village import Village

    run = Society(Village(), growth=Growth(agents=12, hops=1), out=tmp_path / "run.duckdb", steps=1).run()
    first = fetched(run.path, base_url=openai_server.base_url)
    assert first.fetched == first.missing > 0
    assert in_hub(run.path, "SELECT count(*) FROM vectors") == [(first.fetched,)]
    assert fetched(run.path, base_url=openai_server.base_url).job is None


def test_both_stages_mark_who_says_the_same(tmp_path: Path, openai_server: OpenAIServer) -> None:
    texts = (
        "A baker who opens at four in the morning and sings while the bread rises.",
        "A baker who opens at four in the morning and hums while the bread rises.",
        "a baker who opens at four in the morning, and sings while the bread rises",
        "A retired judge who keeps bees on the roof of the court.",
    )
    hub = make_hub(tmp_path / "hub.duckdb", [Persona(text) for text in texts])
    with open_hub(hub, write=True) as opened:
        dedup_hub(opened)
    fetched, report = dedup_by_meaning(hub, MODEL, base_url=openai_server.base_url)
    assert (fetched.fetched, report.judged, report.marked, report.stage) == (3, 3, 1, "cosine:openai:m")
    marked = in_hub(hub, "SELECT p.ordinal, stage FROM duplicates JOIN personas AS p ON p.id = persona ORDER BY 1")
    assert [row for row, _ in marked] == [2, 3]
    assert marked[0][1] == "cosine:openai:m"


def test_a_cap_on_money_needs_a_price(fetch: Any) -> None:
    with pytest.raises(SetupError, match="`embeddings_prices`"):
        fetch(limits=Limits(max_cost=1.0))
    with pytest.raises(PausedError):
        fetch(limits=Limits(max_cost=1e-6), prices=Prices(1.0, 0.0))


def test_requests_for_vectors_do_not_pass_a_cap(town: Path, fetch: Any, openai_server: OpenAIServer) -> None:
    openai_server.latency = Latency(0.02)
    with pytest.raises(PausedError, match=r"The budget of 1,000 tokens is spent \(\d+ were counted, and the next call"):
        fetch(limits=Limits(max_tokens=1_000), chunk=5)
    ((tokens, calls),) = in_hub(town, "SELECT sum(input_tokens), count(*) FROM calls")
    assert 500 < tokens <= 1_000
    assert calls == openai_server.calls


def test_a_wrong_cosine_is_refused_before_anybody_is_asked(town: Path, openai_server: OpenAIServer) -> None:
    with pytest.raises(SetupError, match="least cosine"):
        dedup_by_meaning(town, MODEL, base_url=openai_server.base_url, threshold=1.5)
    assert openai_server.calls == 0
