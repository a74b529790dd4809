"""Comparing two, responses of a teacher, and the preferences that are made of grades."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openai_server import OpenAIServer
from sums import Ask, Sum, Sums

from populace.agents.rubric import read_rubric, shipped_rubrics
from populace.core.errors import SetupError
from populace.sim.estimate.jobs import estimate_file_job
from populace.sim.grading.grading import Candidate, GradingJob, GradingSpec
from populace.sim.grading.preferences import ComparingJob, ComparingSpec, Scored, choose_pair, write_preferences
from populace.sim.grading.responding import RespondingJob, RespondingSpec, has_responses
from populace.sim.growth import Growth
from populace.sim.jobs.life import run_job
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society

if TYPE_CHECKING:
    from populace.sim.tasks.outputs import OutputJob

GENERAL = tuple(one for one in shipped_rubrics() if one.name == "general")
PEOPLE, EACH = 4, 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sums by each of four people."""
    path = tmp_path_factory.mktemp("sums") / "sums.duckdb"
    Society(Sums(), growth=Growth(agents=PEOPLE, hops=0, per_passage=2), out=path, steps=EACH).run()
    return path


def compared(path: Path, **options: Any) -> Any:
    given = {"model": options.pop("model", "procedural")} | {
        name: options.pop(name) for name in ("limits", "base_url") if name in options
    }
    spec = ComparingSpec.given(rubrics=GENERAL, graders=(given["model"],), **options)
    return run_job(path, ComparingJob(spec), **given)


def responded(path: Path, count: int = 3, **options: Any) -> Any:
    spec = RespondingSpec(teacher="procedural", responses=count)
    return run_job(path, RespondingJob(spec, (Sum,)), model="procedural", **options)


def graded(path: Path, **options: Any) -> Any:
    spec = GradingSpec.given(**{"rubrics": GENERAL, "graders": ("procedural",), "votes": 1, **options})
    return run_job(path, GradingJob(spec))


def test_two_by_one_person_are_compared_in_both_orders(sums: Path, sql: Ask) -> None:
    done = compared(sums)
    assert done.outputs == PEOPLE * 3
    assert sql("SELECT position, count(*) FROM votes GROUP BY ALL ORDER BY 1") == [(1, 12), (2, 12)]
    pairs = sql("""SELECT a.agent = b.agent AND v.emission < v.other, count(DISTINCT (v.emission, v.other))
                   FROM votes AS v
                   JOIN emissions AS a USING (emission) JOIN emissions AS b ON b.emission = v.other GROUP BY ALL""")
    assert pairs == [(True, 12)]
    # The stand-in judges texts, not places: both orders say the same.
    assert sql("SELECT max(n) FROM (SELECT count(DISTINCT label) AS n FROM votes GROUP BY emission, other)") == [(1,)]
    assert sql("SELECT count(*) FROM checks") == [(0,)]


@pytest.mark.slow
def test_pairs_of_one_prompt_are_bounded(sums: Path, sql: Ask) -> None:
    assert compared(sums, pairs=1).outputs == PEOPLE
    told = estimate_file_job(sums, ComparingJob(ComparingSpec(rubrics=GENERAL, graders=("procedural",), pairs=2)))
    assert (told.dry_run[0], told.calls.low) == (PEOPLE * 2, PEOPLE * 2 * 2)


def test_a_grader_that_favours_the_first_place_is_seen(sums: Path, sql: Ask, openai_server: OpenAIServer) -> None:
    for _ in range(8):
        message = {"role": "assistant", "content": '{"reason": "It comes first.", "better": "first"}'}
        openai_server.script({"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": {}})
    done = compared(sums, model="openai:test", base_url=openai_server.base_url, pairs=1)
    assert (done.counts["first won"], done.counts.get("second won", 0)) == (8, 0)
    assert sql("SELECT position, label, count(*) FROM votes GROUP BY ALL ORDER BY 1") == [
        (1, "better", 4), (2, "worse", 4)]  # fmt: skip
    from populace.analysis.agreement import read_preference_bias

    with pytest.raises(SetupError, match="no preferences yet"), open_run(sums) as run:
        read_preference_bias(run)
    # Won once and lost once, nobody leads.
    assert write_preferences(sums, margin=0.1).rows == 0


def test_nonsense_in_a_comparison_is_counted(sums: Path, sql: Ask, openai_server: OpenAIServer) -> None:
    openai_server.fault("mismatch")
    done = compared(sums, model="openai:test", base_url=openai_server.base_url, pairs=1)
    assert (done.failed, done.counts["votes schema_mismatch"]) == ({"comparing": 4}, 8)
    assert sql("SELECT DISTINCT label, score FROM votes") == [(None, None)]


def test_a_run_with_one_output_of_each_person_has_no_pairs(sums: Path) -> None:
    from populace.sim.runfile.database import connect

    with connect(sums, read_only=False) as con:
        con.execute("DELETE FROM emissions WHERE step > 1")
    with pytest.raises(SetupError, match="--per-persona 2"):
        compared(sums)
    with pytest.raises(SetupError, match="--responses 4"):
        graded(sums, responses=True)
    graded(sums)
    with pytest.raises(SetupError, match="none can be preferred"):
        write_preferences(sums)


@pytest.mark.slow
def test_responses_are_graded_and_reject_nothing(sums: Path, sql: Ask) -> None:
    done = responded(sums)
    assert done.counts == {"responses ok": PEOPLE * EACH * 3}
    assert has_responses(sums, RespondingSpec(teacher="procedural", responses=3), seed=0)
    assert not has_responses(sums, RespondingSpec(teacher="procedural", responses=4), seed=0)
    assert sql("SELECT count(*), count(DISTINCT (emission, response)), min(text) <> '' FROM responses") == [
        (36, 36, True)]  # fmt: skip
    assert graded(sums, responses=True, threshold=1.0).outputs == 36
    assert sql("SELECT count(DISTINCT (emission, response)), count(response) FROM votes") == [(36, 108)]
    assert sql("SELECT count(*) FROM outputs WHERE status = 'rejected'") == [(0,)]
    found = write_preferences(sums, margin=0.01)
    assert (found.source, found.groups, found.candidates) == ("grades", 12, 36)
    rows = sql("""SELECT p.prompt = e.text, p.chosen = c.text, p.rejected = r.text,
                         p.chosen_emission = p.emission, margin > 0
                  FROM preferences AS p JOIN emissions AS e USING (emission)
                  JOIN responses AS c ON c.emission = p.emission AND c.response = chosen_response
                  JOIN responses AS r ON r.emission = p.emission AND r.response = rejected_response""")
    assert rows == [(True,) * 5] * found.rows
    assert found.rows + found.within_margin == 12
    assert found.rows > 0


def test_refused_and_empty_responses_are_kept_and_not_graded(sums: Path, sql: Ask, openai_server: OpenAIServer) -> None:
    openai_server.fault("refusal")
    spec = RespondingSpec(teacher="openai:test", responses=2)
    done = run_job(sums, RespondingJob(spec), model="openai:test", base_url=openai_server.base_url)
    assert done.failed == {"responding": 12}
    assert sql("SELECT DISTINCT outcome, text, reason <> '' FROM responses") == [("refusal", "", True)]
    with pytest.raises(SetupError, match="no responses to grade"):
        graded(sums, responses=True)


def test_preferences_of_outputs_take_the_best_and_the_worst_of_a_person(sums: Path, sql: Ask) -> None:
    graded(sums, threshold=0.0)
    found = write_preferences(sums, margin=0.01)
    grades: dict[str, list[float]] = dict(
        sql("SELECT agent, list(score) FROM checks JOIN emissions USING (emission) GROUP BY agent")
    )
    rows = sql("SELECT agent, margin, p.prompt, chosen, text FROM preferences AS p JOIN emissions USING (emission)")
    assert len(rows) == found.rows > 0
    for agent, margin, prompt, chosen, text in rows:
        assert margin == pytest.approx(max(grades[agent]) - min(grades[agent]))
        assert prompt.startswith('Create one output of the kind "sum" with the following persona:')
        assert chosen == text
    # Made again, they take the place of the earlier ones.
    write_preferences(sums, margin=0.011)
    assert sql("SELECT count(DISTINCT job) FROM preferences") == [(1,)]


def test_what_cannot_be_preferred_is_said_in_a_sentence(sums: Path) -> None:
    with pytest.raises(SetupError, match="were not graded yet"):
        write_preferences(sums)
    with pytest.raises(SetupError, match=r"were not compared yet.*--pairwise"):
        write_preferences(sums, source="comparisons")
    with pytest.raises(SetupError, match="The margin must be above 0"):
        write_preferences(sums, margin=0)


def scored(*scores: float, rejected: Sequence[int] = ()) -> list[Scored]:
    candidate = Candidate(0, 1, "a", "sum", "", "{}")
    return [
        Scored(replace(candidate, emission=n), score, n not in rejected, f"Text {n}.") for n, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("group", "found"),
    [
        (scored(0.5), "alone"),
        (scored(0.5, 0.55), "within_margin"),
        (scored(0.2, 0.9, rejected=[1]), "best_rejected"),
        (scored(0.3, 0.2, 0.1 + 0.2), (0, 1)),
        (scored(0.2, 0.9, 0.9, 0.2, rejected=[0]), (1, 3)),
    ],
)
def test_the_best_and_the_worst(group: list[Scored], found: object) -> None:
    pair = choose_pair(group, 0.1)
    assert (pair if isinstance(pair, str) else tuple(one.candidate.emission for one in pair)) == found


@pytest.mark.parametrize(("name", "is_request_shown"), [("general", True), ("response", False)])
def test_a_rubric_for_responses_alone_is_judged_without_the_request(
    sums: Path, openai_server: OpenAIServer, name: str, is_request_shown: bool
) -> None:
    responded(sums)
    openai_server.bodies.clear()
    rubrics = (read_rubric(name),)
    given: dict[str, Any] = {"rubrics": rubrics, "graders": ("openai:test",), "responses": True, "votes": 1}
    same: dict[str, Any] = {"model": "openai:test", "base_url": openai_server.base_url}
    jobs: tuple[OutputJob[Any], ...] = (ComparingJob(ComparingSpec(**given, pairs=1)), GradingJob(GradingSpec(**given)))
    for job in jobs:
        run_job(sums, job, **same)
    asked = [body["messages"][-1]["content"] for body in openai_server.bodies]
    with open_run(sums) as run:
        requests = [text for (text,) in run.query("SELECT text FROM emissions").rows]
    assert len(asked) == 2 * PEOPLE * EACH + 3 * PEOPLE * EACH
    assert all(any(text in one for text in requests) is is_request_shown for one in asked)


def test_a_rubric_for_responses_needs_some(sums: Path) -> None:
    with pytest.raises(SetupError, match=r"judges response, and no 'sum' of .* holds that"):
        graded(sums, rubrics=(read_rubric("response"),))
