"""What holds for every kind of job on a file: it begins, stops, goes on, is done again, replaced and replayed."""

import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from openai_server import OpenAIServer
from sums import Sum, make_sums

from populace.agents.gateway.limits import Limits
from populace.core.errors import EndpointError, PausedError, RunError, RunFileError, SetupError
from populace.sim.embedding import EmbeddingJob, EmbeddingSpec
from populace.sim.enrichment import EnrichmentJob
from populace.sim.grading.grading import GradingJob, GradingSpec, rubrics_for
from populace.sim.grading.preferences import ComparingJob, ComparingSpec
from populace.sim.grading.responding import RespondingJob, RespondingSpec
from populace.sim.interview import InterviewJob, InterviewSpec, interviews_path
from populace.sim.jobs.kind import SHIPPED, JobKind, find_kind
from populace.sim.jobs.life import jobs_in, replay_job, resume_job, run_job
from populace.sim.jobs.loop import Chunks
from populace.sim.runfile.database import make_run_file
from populace.sim.runfile.reader import open_hub_or_run, open_run, run_of
from populace.sim.specs import Enrichment, TranslatingSpec
from populace.sim.survey.items import Likert
from populace.sim.survey.job import SurveyJob, SurveySpec
from populace.sim.survey.survey import Survey
from populace.sim.tasks.evaluation import evaluation_job, read_problems
from populace.sim.tasks.solving import SolvingJob, parse_solvers, solving_spec
from populace.sim.tasks.translating import TranslatingJob

pytestmark = pytest.mark.usefixtures("impatient")

PEOPLE = 6
POLL = Survey("poll", [Likert("The town needs a library.", 5)], at=1)
TEACHER = {"teacher": "openai:test", "responses": 2}
GRADERS: dict[str, Any] = {"rubrics": rubrics_for(["sum"], None), "graders": ("openai:test",), "votes": 1}
PAIRS = GRADERS | {"responses": True, "pairs": 1}


def asked_agent(path: Path) -> InterviewJob:
    with open_run(path) as run:
        ((agent,),) = run.query("SELECT agent FROM agents ORDER BY ordinal LIMIT 1").rows
        spec = InterviewSpec(run=run_of(run).id, agent=agent, interview=1, turn=1, question="Who are you?")
    return InterviewJob(spec)


def measured_model(path: Path) -> Any:
    test_set = path.with_name("test.jsonl")
    rows = (f'{{"problem": "What is {n} + 1?", "answer": {n + 1}}}\n' for n in range(PEOPLE))
    test_set.write_text("".join(rows), encoding="utf-8")
    job = evaluation_job(read_problems(test_set), target="test.jsonl", solver="openai:test")
    test_set.unlink()  # its problems are kept in the file
    job.spec = job.spec.model_copy(update={"chunk": 2})
    return job


#: By kind, the job; each works on items of the run that `made` is a copy of.
KINDS: Mapping[str, Callable[[Path], JobKind[Any, Any]]] = {
    "embedding": lambda path: EmbeddingJob(EmbeddingSpec(chunk=2)),
    "enrichment": lambda path: EnrichmentJob(Enrichment(wiki=True, chunk=2)),
    "survey": lambda path: SurveyJob(SurveySpec(surveys=(POLL.as_json(),))),
    "interview": asked_agent,
    "solving": lambda path: SolvingJob(solving_spec(parse_solvers(("openai:test",)), samples=1, chunk=2)),
    "evaluation": measured_model,
    "responding": lambda path: RespondingJob(RespondingSpec.given(**TEACHER, chunk=2)),
    "grading": lambda path: GradingJob(GradingSpec.given(**GRADERS, chunk=2)),
    "comparing": lambda path: ComparingJob(ComparingSpec.given(**PAIRS, chunk=2)),
    "translating": lambda path: TranslatingJob(TranslatingSpec.given(language="French", chunk=2)),
}
#: Those with more than one item, which can stop between two.
LONG = [kind for kind in KINDS if kind != "interview"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six sums, with two responses to each."""
    path = make_sums(tmp_path_factory.mktemp("sums") / "sums.duckdb", people=PEOPLE)
    spec = RespondingSpec.given(teacher="procedural", responses=2)
    run_job(path, RespondingJob(spec, (Sum,)), model="procedural")
    return path


class Case:
    """A job of one kind in a file of its own, with an endpoint that answers it."""

    def __init__(self, kind: str, made: Path, folder: Path, server: OpenAIServer) -> None:
        folder.mkdir()
        self.server = server
        self.source = run = Path(shutil.copy(made, folder))
        self.make: Callable[[], JobKind[Any, Any]] = lambda: KINDS[kind](run)
        self.is_new = kind == "evaluation"
        self.path = {"evaluation": folder / "evaluation.duckdb", "interview": interviews_path(run)}.get(kind, run)
        if kind == "interview":
            make_run_file(self.path)
        self.options: dict[str, Any] = {"model": "openai:test", "base_url": server.base_url}

    def run(self, **options: Any) -> Any:
        limits = options.pop("limits", {})
        return run_job(self.path, self.make(), **self.options, limits=Limits(max_in_flight=2, **limits), **options)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with open_hub_or_run(self.path) as run:
            return run.query(sql).rows

    def run_hash(self) -> list[tuple[Any, ...]]:
        """The event hash of the run that it works on."""
        with open_run(self.source) as run:
            return run.query("SELECT event_hash FROM runs").rows

    @property
    def job(self) -> int:
        """The number of the latest job."""
        return jobs_in(self.path)[-1].job

    @property
    def state(self) -> tuple[Any, ...]:
        """How the latest job stands: its status, and the hash over its events."""
        return self.ask("SELECT status, event_hash FROM jobs ORDER BY job DESC LIMIT 1")[0]


@pytest.fixture
def case_of(made: Path, tmp_path: Path, openai_server: OpenAIServer) -> Callable[..., Case]:
    return lambda kind: Case(kind, made, tmp_path / "one", openai_server)


@pytest.fixture(scope="module")
def whole_of(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, int]]:
    """By kind, the hash and the calls of a job that went through at once."""
    folder = tmp_path_factory.mktemp("whole")

    @cache
    def whole(kind: str) -> tuple[str, int]:
        with OpenAIServer() as server:
            case = Case(kind, made, folder / kind, server)
            case.run()
            return case.state[1], server.calls

    return whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_is_a_row_with_its_calls_replays_without_one_and_is_not_done_twice_unless_that_is_asked(
    kind: str, case_of: Callable[..., Case]
) -> None:
    case = case_of(kind)
    before = case.run_hash()
    case.run()
    assert case.run_hash() == before
    sent = case.server.calls
    assert case.state[0] == "finished"
    assert case.ask("SELECT kind, model FROM jobs ORDER BY job DESC LIMIT 1") == [(kind, "openai:test")]
    asked = f"SELECT count(*) FROM calls WHERE job = {case.job} AND source = 'endpoint'"
    assert case.ask(asked) == [(sent,)]
    replayed = replay_job(case.path, case.job)
    assert (replayed.difference, replayed.event_hash) == ("", case.state[1])
    assert replayed.recalled > 0
    assert case.server.calls == sent
    number = case.job
    if case.is_new:
        with pytest.raises(RunFileError, match="exists; give another path"):
            case.run()
        return
    if case.make().is_done_once:
        with pytest.raises(SetupError, match=rf"Job {number} of .* has done just this; .* `anew=True`"):
            case.run()
        if kind != "interview":  # which is asked once; another question is another job
            case.run(anew=True)
            assert case.job == number + 1
    else:
        case.run()  # which finds nothing to do
        assert (case.job, case.server.calls) == (number, sent)


@pytest.mark.parametrize("kind", LONG)
def test_a_job_whose_budget_is_spent_goes_on_to_the_same_hash_and_pays_once(
    kind: str, case_of: Callable[..., Case], whole_of: Callable[[str], tuple[str, int]]
) -> None:
    case = case_of(kind)
    expected, all_calls = whole_of(kind)
    most = max(1, all_calls // 2)
    with pytest.raises(PausedError):
        case.run(limits={"max_calls": most})
    assert case.state[0] == "paused"
    resume_job(case.path, case.job, changed={"max_calls": 10_000})
    assert case.state == ("finished", expected)
    assert case.server.calls == all_calls
    assert replay_job(case.path, case.job).difference == ""


@pytest.mark.parametrize("kind", LONG)
def test_a_job_that_breaks_off_goes_on_with_the_same_command(
    kind: str,
    case_of: Callable[..., Case],
    whole_of: Callable[[str], tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = case_of(kind)
    expected, all_calls = whole_of(kind)
    close = Chunks.close

    async def broken(self: Chunks, *changes: Any) -> None:
        raise RuntimeError("broken off")

    monkeypatch.setattr(Chunks, "close", broken)
    with pytest.raises(RuntimeError, match="broken off"):
        case.run()
    monkeypatch.setattr(Chunks, "close", close)
    number = case.job
    if case.is_new:
        resume_job(case.path, number)
    else:
        case.run()
    assert case.job == number
    assert case.state == ("finished", expected)
    assert case.server.calls == all_calls


@pytest.mark.parametrize("kind", LONG)
def test_another_job_of_the_kind_takes_the_place_of_a_paid_one_only_if_asked(
    kind: str, case_of: Callable[..., Case]
) -> None:
    case = case_of(kind)
    if case.is_new:
        pytest.skip("each evaluation has a file of its own")
    with pytest.raises(PausedError):
        case.run(limits={"max_calls": 2})
    number = case.job
    if not case.make().keeps_all:
        with pytest.raises(SetupError, match=f"holds another {kind} that is not finished .* --anew"):
            case.run(seed=5)
        assert (case.job, case.state[0]) == (number, "paused")
    case.run(seed=5, anew=True)
    assert case.job == number + 1
    assert [one.status for one in jobs_in(case.path)[-2:]] == ["abandoned", "finished"]


@pytest.mark.parametrize("kind", LONG)
def test_a_job_from_elsewhere_asks_no_address_that_was_not_named_here(
    kind: str, case_of: Callable[..., Case], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    case = case_of(kind)
    with pytest.raises(PausedError):
        case.run(limits={"max_calls": 2})
    sent = case.server.calls
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    option = "--embeddings-url" if kind == "embedding" else "--base-url"
    with pytest.raises(SetupError, match=rf"not made here by you, and would send .* with your key, .*{option}"):
        resume_job(case.path, case.job, changed={"max_calls": 10_000})
    assert case.server.calls == sent
    named = {"embeddings_url" if kind == "embedding" else "base_url": case.server.base_url}
    resume_job(case.path, case.job, changed={"max_calls": 10_000}, **named)  # type: ignore[arg-type]
    assert case.state[0] == "finished"


@pytest.mark.parametrize("kind", LONG)
def test_an_endpoint_that_answers_nothing_ends_the_job_and_loses_nothing(
    kind: str, case_of: Callable[..., Case]
) -> None:
    case = case_of(kind)
    case.server.fault("server_error", share=1.0)
    with pytest.raises((EndpointError, RunError, PausedError)):
        case.run(limits={"wait": 0.01})
    assert case.state[0] in ("failed", "paused")
    case.server.reset()
    resume_job(case.path, case.job)
    assert case.state[0] == "finished"


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_in_flight_changes_no_hash(
    kind: str, case_of: Callable[..., Case], whole_of: Callable[[str], tuple[str, int]]
) -> None:
    case = case_of(kind)
    run_job(case.path, case.make(), **case.options, limits=Limits(max_in_flight=16))
    assert case.state == ("finished", whole_of(kind)[0])


def test_each_kind_that_ships_is_found_where_it_is_said_to_be() -> None:
    assert SHIPPED.keys() == KINDS.keys()
    for kind, module in SHIPPED.items():
        assert find_kind(kind).__module__ == f"populace.sim.{module}"


def test_a_kind_that_nobody_knows_is_named(case_of: Callable[..., Case]) -> None:
    case = case_of("grading")
    case.run()
    with duckdb.connect(str(case.path)) as con:
        con.execute("UPDATE jobs SET kind = 'titling', status = 'paused' WHERE job = 3")
    with pytest.raises(RunFileError, match="knows jobs of the kind 'titling'; install the package"):
        resume_job(case.path, 3)
