"""A finished run is surveyed in its own file, and stays as it is."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError, SetupError
from populace.scenarios.village import Village
from populace.sim.estimate.jobs import estimate_file_job
from populace.sim.growth import Growth
from populace.sim.jobs.life import replay_job
from populace.sim.replay import replay
from populace.sim.resident import Resident
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society
from populace.sim.survey.items import Choice, FreeText, Likert, Number, Rank
from populace.sim.survey.job import survey_job, survey_run
from populace.sim.survey.survey import Panel, Survey

POLL = Survey(
    "poll",
    [
        Likert("The council listens to people like me.", dont_know=True),
        Choice("Who should decide?", ("the council", "all residents", "the ferrymen")),
        Rank("What is most urgent?", ("roads", "the clinic", "the school"), most=2),
        Number("How many hours?", 0, 40),
        FreeText("What would you tell the council?"),
    ],
    at=1,
)
ANSWERS = "SELECT * EXCLUDE (job) FROM answers WHERE job = {} ORDER BY agent, item, replicate"
UNCHANGED = ["emissions", "messages", "memories", "observations", "duplicates", "measures", "agents", "checks"]


class Polled(Village):
    """The village, polled after its first step."""

    surveys = (POLL,)


class Placed(Polled):
    """The village, in which every second one is a baker, and the others nothing else."""

    def described(self, resident: Resident) -> str:
        told = f"baker of step {resident.model.world.step}."
        is_first = resident is resident.model.residents[0]
        return f"The {told}" if is_first else f"{super().described(resident)} You are the {told}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people who lived one step and were polled; never to be written to."""
    out = tmp_path_factory.mktemp("made") / "run.duckdb"
    return Society(Polled(), growth=Growth(agents=12, hops=1), out=out, steps=1).run().path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def test_asked_afterwards_agents_answer_as_they_did_in_the_run(path: Path) -> None:
    before = {table: rows(path, f"FROM {table}") for table in UNCHANGED}
    hashed = rows(path, "SELECT event_hash FROM runs")
    done = survey_run(path, [POLL])
    assert (done.job, done.respondents, done.answers) == (2, 12, 60)
    assert done.given + done.unsure == 60
    assert not done.is_language_model
    assert rows(path, ANSWERS.format(2)) == rows(path, ANSWERS.format(1))
    assert {table: rows(path, f"FROM {table}") for table in UNCHANGED} == before
    assert rows(path, "SELECT event_hash FROM runs") == hashed
    assert replay(path, Polled).event_hash == hashed[0][0]


def test_agents_of_a_finished_run_are_described_as_its_scenario_described_them(tmp_path: Path) -> None:
    run = Society(Placed(), growth=Growth(agents=4, hops=1), out=tmp_path / "run.duckdb", steps=1).run()
    asked = "SELECT owner, request_hash FROM calls WHERE job = {} AND phase = 'survey poll' ORDER BY owner"
    survey_run(run.path, [POLL])
    first, second = (rows(run.path, asked.format(job)) for job in (1, 2))
    assert len(first) == 4
    assert first == second
    assert rows(run.path, "SELECT DISTINCT before, after, is_replaced FROM descriptions ORDER BY ALL") == [
        ("", " You are the baker of step 1.", False),
        ("The baker of step 1.", "", True),
    ]


def test_as_many_calls_are_made_as_were_estimated_and_none_again_in_a_replay(path: Path) -> None:
    surveys = [POLL, Survey("panel", POLL.items[:2], of=Panel(5), repeats=2, one_by_one=True)]
    (told,) = estimate_file_job(path, survey_job(path, surveys)).purposes
    done = survey_run(path, surveys)
    calls = rows(path, f"SELECT count(*) FROM calls WHERE job = {done.job}")
    assert calls == [(told.calls.low,)] == [(told.calls.high,)] == [(12 + 5 * 2 * 2,)]
    again = replay_job(path, done.job)
    assert (again.event_hash, again.calls, again.difference) == (done.event_hash, 0, "")


@pytest.mark.parametrize("name", ["profile", "description"])
def test_what_is_read_back_of_a_survey_is_what_was_written(name: str) -> None:
    survey = Survey(name, POLL.items, of=Panel(3), intro="Hello.", one_by_one=True, repeats=2)
    assert Survey.from_json(survey.as_json()) == survey


def test_a_run_that_is_not_finished_and_one_without_surveys_to_ask_are_refused(tmp_path: Path, path: Path) -> None:
    stopped = Society(
        Village(),
        growth=Growth(agents=8, hops=1),
        out=tmp_path / "s.duckdb",
        steps=2,
        limits=Limits(max_calls=12),
    )
    with pytest.raises(PausedError):
        stopped.run()
    with pytest.raises(SetupError, match=r"is not finished \(paused\), and its agents are not as they will be"):
        survey_run(stopped.path, [POLL])
    with pytest.raises(SetupError, match="There is no survey to ask"):
        survey_run(path, [])
    with pytest.raises(SetupError, match="Two surveys are called 'poll'"):
        survey_run(path, [POLL, POLL])
