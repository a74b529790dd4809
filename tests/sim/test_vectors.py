import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from openai_vectors import DIMS, vector_of

from populace.agents.embedding.vectors import text_hash
from populace.agents.gateway.limits import Limits, Prices
from populace.analysis.summary import summarise
from populace.core.errors import EndpointError, PausedError, RunError, RunFileError, SetupError
from populace.scenarios.village import Village
from populace.sim.estimate.jobs import estimate_file_job
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.interview import interview, interviews_path
from populace.sim.jobs.life import replay_job, resume_job
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun, open_hub_or_run, open_run
from populace.sim.society import Society
from populace.sim.survey.items import Likert
from populace.sim.survey.job import survey_job, survey_run
from populace.sim.survey.survey import Survey

#: So few notes are recalled that there is a choice from the second step on.
SETTINGS: dict[str, object] = {"lines": 1, "recalled": 2}
AGENTS, STEPS = 8, 4


POLL = Survey("poll", [Likert("The river is our greatest danger.")], at=2)


class Polled(Village):
    """The village, asked about the river."""

    surveys = (POLL,)


@pytest.fixture
def village(tmp_path: Path, openai_server: OpenAIServer) -> Any:
    """A village whose people are reminded by meaning, not run yet; what is given replaces the usual."""

    def build(name: str = "run", **options: Any) -> Society:
        usual = {"embeddings": "openai:m", "embeddings_url": openai_server.base_url, "steps": STEPS}
        growth = Growth(agents=AGENTS, hops=1)
        scenario = options.pop("scenario", None) or Village(SETTINGS)
        return Society(scenario, growth=growth, out=tmp_path / f"{name}.duckdb", **{**usual, **options})

    return build


@dataclass(frozen=True, slots=True)
class Lived:
    """A run by meaning, never to be written to, and what its server was asked."""

    run: FinishedRun
    server: OpenAIServer
    bodies: int
    embedded: tuple[str, ...]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """The village by meaning, to be looked at by several tests."""
    out = tmp_path_factory.mktemp("lived") / "run.duckdb"
    with OpenAIServer() as server:
        usual = {"embeddings": "openai:m", "embeddings_url": server.base_url, "steps": STEPS}
        run = Society(Village(SETTINGS), growth=Growth(agents=AGENTS, hops=1), out=out, **usual).run()  # type: ignore[arg-type]
        yield Lived(run, server, len(server.bodies), tuple(server.embedded))


@pytest.fixture(scope="module")
def by_words(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """The same village without an embedding model."""
    out = tmp_path_factory.mktemp("words") / "run.duckdb"
    return Society(Village(SETTINGS), growth=Growth(agents=AGENTS, hops=1), out=out, steps=STEPS).run()


def embedding_calls(run: FinishedRun) -> int:
    return int(run.sql("SELECT count(*) FROM calls WHERE purpose = 'embedding'").rows[0][0])


def memory_of(path: Path) -> str:
    with open_run(path) as run:
        return summarise(run).memory


def test_the_result_does_not_depend_on_how_many_are_in_flight(
    lived: Lived, village: Any, openai_server: OpenAIServer
) -> None:
    assert village(limits=Limits(max_in_flight=1)).run().event_hash == lived.run.event_hash
    assert set(openai_server.embedded.values()) == {1}


def test_who_is_reminded_by_meaning_remembers_otherwise_than_by_words(lived: Lived, by_words: FinishedRun) -> None:
    sql = "SELECT text FROM observations ORDER BY step, agent"
    assert lived.run.sql(sql).rows != by_words.sql(sql).rows
    assert embedding_calls(by_words) == 0


def test_a_step_asks_for_all_its_texts_in_one_request(lived: Lived) -> None:
    steps = lived.run.sql("SELECT number, owner, outcome FROM calls WHERE purpose = 'embedding' ORDER BY number").rows
    assert steps == [(step, "society", "ok") for step in range(steps[0][0], STEPS + 1)]
    assert lived.bodies == len(steps)


def test_the_run_file_holds_each_vector_once_and_as_it_came(lived: Lived) -> None:
    kept = lived.run.sql("SELECT text_hash, vector, model FROM vectors JOIN calls USING (request_hash, model)").rows
    assert len(kept) == len(lived.embedded)
    assert {key: vector for key, vector, _ in kept} == {
        text_hash(text): vector_of(text).tolist() for text in lived.embedded
    }
    assert {len(vector) for _, vector, _ in kept} == {DIMS}


def test_a_replay_has_the_same_hash_and_no_calls(lived: Lived) -> None:
    asked = lived.server.calls
    replayed = replay(lived.run.path, Village)
    assert (replayed.event_hash, replayed.difference) == (lived.run.event_hash, "")
    assert (replayed.calls, lived.server.calls) == (0, asked)


def test_a_paused_run_sends_no_text_twice_and_ends_the_same(
    lived: Lived, village: Any, openai_server: OpenAIServer
) -> None:
    # Enough to grow, for two steps, and for half of the third.
    paused = village(limits=Limits(max_calls=_calls_before_step_3(lived.run) + 8))
    with pytest.raises(PausedError):
        paused.run()
    assert openai_server.embedded
    resumed = Society.resume(paused.path, Village, limits={"max_calls": 100_000}).run()
    assert resumed.event_hash == lived.run.event_hash
    assert set(openai_server.embedded.values()) == {1}


def _calls_before_step_3(run: FinishedRun) -> int:
    sql = "SELECT count(*) FROM calls WHERE phase = 'growth' OR number < 3 OR purpose = 'embedding' AND number = 3"
    return int(run.sql(sql).rows[0][0])


@pytest.mark.slow
def test_who_has_no_vectors_is_reminded_by_words_and_a_row_says_so(
    lived: Lived, village: Any, openai_server: OpenAIServer
) -> None:
    unquoted = next(text for text in lived.embedded if '"' not in text[:40])  # a request has its quotes escaped
    openai_server.fault("nan", containing=unquoted[:40])
    run = village().run()
    ((agents, reason),) = run.sql(
        "SELECT count(DISTINCT agent), any_value(reason) FROM failures WHERE purpose = 'embedding'"
    ).rows
    assert agents >= 1
    assert reason.endswith("chosen by words.")
    assert run.sql("SELECT sum(failed) FROM steps").rows == [(0,)]
    assert replay(run.path, Village).event_hash == run.event_hash


@pytest.mark.slow
def test_a_note_that_gets_its_vector_later_is_replayed_as_it_was(
    lived: Lived, village: Any, openai_server: OpenAIServer
) -> None:
    known = {key for (key,) in lived.run.sql("SELECT text_hash FROM vectors").rows}
    notes = lived.run.sql("SELECT text FROM memories WHERE step = 1 AND NOT contains(text, '\"') ORDER BY agent").rows
    note = next(text for (text,) in notes if text_hash(text) in known)
    # The attempts at the note alone in the first step that needs it; the next one succeeds.
    openai_server.fault("nan", containing=note, attempts=3)
    run = village("later", steps=5).run()
    lost = run.sql("SELECT DISTINCT step FROM failures WHERE purpose = 'embedding'").rows
    assert len(lost) == 1
    assert run.sql("SELECT count(*) FROM vectors WHERE text_hash = ?", (text_hash(note),)).rows == [(1,)]
    replayed = replay(run.path, Village)
    assert (replayed.event_hash, replayed.difference) == (run.event_hash, "")


def test_an_endpoint_that_gives_nobody_a_vector_commits_nothing(village: Any, openai_server: OpenAIServer) -> None:
    openai_server.fault("one_short")
    with pytest.raises(RunError, match=r"none of \d+ texts in step 3 a vector"):
        village().run()
    with open_run(village().path) as run:
        assert run.query("SELECT max(step), (SELECT status FROM runs) FROM steps").rows == [(2, "failed")]


@pytest.mark.slow
def test_a_fork_takes_the_vectors_over_and_is_replayed(lived: Lived, tmp_path: Path) -> None:
    asked = lived.server.calls
    forked = fork(lived.run.path, Village, at=3, out=tmp_path / "fork.duckdb").run()
    assert (forked.event_hash, lived.server.calls) == (lived.run.event_hash, asked)
    assert replay(forked.path, Village).difference == ""


def test_the_summary_says_what_was_by_words(lived: Lived, by_words: FinishedRun) -> None:
    by_meaning = lived.run
    assert memory_of(by_meaning.path) == "by meaning (openai:m)"
    assert memory_of(by_words.path) == "by words only (no embedding model)"


def test_who_is_surveyed_recalls_by_meaning_too_and_a_replay_the_same(
    village: Any, openai_server: OpenAIServer
) -> None:
    place = {
        "model": "openai:chat",
        "base_url": openai_server.base_url,
        "steps": 2,
        "scenario": Polled(SETTINGS | {"lines": 4}),
    }
    run = village(**place).run()
    phases = "SELECT phase, number FROM calls WHERE purpose = 'embedding' GROUP BY ALL ORDER BY ALL"
    assert ("survey poll", 2) in run.sql(phases).rows
    assert POLL.cue in openai_server.embedded
    again = replay(run.path, Polled)
    assert again.event_hash == run.event_hash
    # Asked afterwards as in the run, agents are shown the same notes; no text is embedded again.
    chat: dict[str, Any] = {"model": "openai:chat", "base_url": openai_server.base_url}
    meaning: dict[str, Any] = {"embeddings": "openai:m"}
    told = estimate_file_job(run.path, survey_job(run.path, [POLL]), **chat, **meaning)
    assert [(one.name, one.calls.low) for one in told.purposes] == [("survey", AGENTS)]
    assert "vectors by which agents recall are not counted" in told.notes[-1]
    calls = embedding_calls(run)
    later = survey_run(run.path, [POLL], **chat, **meaning)
    assert asked_in(run, 1) == asked_in(run, later.job)
    assert embedding_calls(run) == calls
    by_words = survey_run(run.path, [POLL], **chat)
    assert asked_in(run, by_words.job) != asked_in(run, 1)
    # Another question needs its own vector, in the job's name, and is replayed by it.
    other = Survey("other", [Likert("The council is right.")])
    last = survey_run(run.path, [other], **chat, **meaning)
    jobs = "SELECT job, count(*) FROM calls WHERE purpose = 'embedding' AND job > 1 GROUP BY job"
    assert run.sql(jobs).rows == [(last.job, 1)]
    assert replay_job(run.path, last.job).difference == ""


def asked_in(run: FinishedRun, job: int) -> list[Any]:
    sql = "SELECT owner, request_hash FROM calls WHERE job = ? AND purpose = 'survey' ORDER BY owner"
    return run.sql(sql, (job,)).rows


def test_a_stopped_survey_by_meaning_goes_on_so_and_other_models_are_refused(lived: Lived, tmp_path: Path) -> None:
    path, meaning = Path(shutil.copy(lived.run.path, tmp_path)), dict[str, Any](embeddings="openai:m")
    chat: dict[str, Any] = {"model": "openai:chat", "base_url": lived.server.base_url}
    with pytest.raises(PausedError):
        survey_run(path, [POLL], **chat, **meaning, limits=Limits(max_calls=6, max_in_flight=1))
    with pytest.raises(
        SetupError, match=r"begun with recall by openai:m, and goes on so; leave `embeddings='openai:x'`"
    ):
        resume_job(path, 2, embeddings="openai:x")
    assert resume_job(path, 2, changed={"max_calls": 100}).respondents == AGENTS
    assert replay_job(path, 2).difference == ""
    for model, said in (("openai:x", "by the embedding model openai:m"), ("m", "no embedding model named 'm'")):
        with pytest.raises(SetupError, match=said):
            survey_run(path, [POLL], **chat, embeddings=model)
    with pytest.raises(SetupError, match="no embedding model is named"):
        survey_run(path, [POLL], **chat, embeddings_url="http://127.0.0.1:1")
    with pytest.raises(SetupError, match="`embeddings_prices`"):
        survey_run(path, [POLL], **chat, **meaning, prices=Prices(1.0, 1.0), limits=Limits(max_cost=1.0))


def test_who_is_interviewed_recalls_by_meaning_and_a_replay_the_same(lived: Lived, tmp_path: Path) -> None:
    path = Path(shutil.copy(lived.run.path, tmp_path))
    where: dict[str, Any] = {"model": "openai:chat", "base_url": lived.server.base_url}
    questions = ["What of the river?", "And of the council?"]
    by_words = interview(path, "3", questions, **where)
    prompts = [str(body["messages"]) for body in lived.server.bodies[-2:]]
    rows = interview(
        path, "3", ["What of the river?", "And of the council?"], anew=True, embeddings="openai:m", **where
    )
    assert [row.outcome for row in (*by_words, *rows)] == ["ok"] * 4
    chats = [body for body in lived.server.bodies if "messages" in body][-2:]
    assert [str(body["messages"]) for body in chats] != prompts
    with open_hub_or_run(interviews_path(path)) as file:
        found = file.query("SELECT job, count(*) FROM calls WHERE purpose = 'embedding' GROUP BY job ORDER BY job").rows
    assert [job for job, _ in found] == [rows[0].job, rows[1].job]
    assert replay_job(interviews_path(path), rows[1].job).difference == ""
    with pytest.raises(EndpointError, match=r"where model openai:m was to be asked.*give another `embeddings_url`"):
        interview(path, "4", ["Nobody there?"], embeddings="openai:m", embeddings_url="http://127.0.0.1:9/v1")
    # Where a question gets no vector, words say what is near, and a row says so.
    lived.server.fault("nan", containing="Unspeakable")
    (lost,) = interview(path, "3", ["Unspeakable?"], embeddings="openai:m", embeddings_url=lived.server.base_url)
    with open_hub_or_run(interviews_path(path)) as file:
        ((job, reason),) = file.query("SELECT job, reason FROM failures WHERE purpose = 'embedding'").rows
    assert (lost.outcome, job) == ("ok", lost.job)
    assert reason.endswith("for this question was chosen by words.")
    assert replay_job(interviews_path(path), lost.job).difference == ""


def test_another_embedding_model_cannot_go_on_with_a_run(lived: Lived, tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="begun with the embedding model openai:m"):
        Society.resume(shutil.copy(lived.run.path, tmp_path), Village, embeddings="openai:other")


def test_a_cap_on_money_needs_the_price_of_embeddings_too(village: Any) -> None:
    with pytest.raises(SetupError, match="`embeddings_prices`"):
        village(limits=Limits(max_cost=3.0), prices=Prices(1.0, 1.0))


def test_vectors_made_in_this_process_cost_nothing_under_a_cap_on_money(village: Any) -> None:
    own = {"embeddings": "wordllama", "embeddings_url": None}
    run = village(limits=Limits(max_cost=3.0), prices=Prices(0.0, 0.0), **own).run()
    assert run.sql("SELECT count(*) > 0, sum(cost) FROM calls WHERE purpose = 'embedding'").rows == [(True, None)]
