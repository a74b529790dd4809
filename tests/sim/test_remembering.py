"""Prompts that stay within their tokens, neighbours by their ties, and streams of notes, over whole runs."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from complete_town import TalkingTown, complete_hub, talking
from lasting import check_lasting

from populace.agents.observation import Disclosure, Observation
from populace.core.errors import SetupError
from populace.personas.persona import RelationKind
from populace.sim.estimate.jobs import estimate_file_job
from populace.sim.resident import Resident
from populace.sim.scenario import Scenario
from populace.sim.society import Society
from populace.sim.survey.items import Choice, Item
from populace.sim.survey.job import drift_survey, survey_job, survey_run
from populace.sim.survey.survey import Survey, identity_survey

OPTIONS = ("the bridge over the river", "the clinic in the old town", "the school by the mill")
STREAM = {"memory_kind": "stream", "neighbours_by": "strength", "neighbours": 3, "memory": 6, "recalled": 3}
NOTES = "SELECT step, agent, ordinal, text, kind, importance FROM memories ORDER BY ALL"
#: The longest prompt of each step in characters, as the model counted them.
TOLD = """
    SELECT max(regexp_extract(raw, ' (\\d+)"', 1)::INT) FROM calls WHERE phase = 'step' GROUP BY number ORDER BY number
"""
SEEN = "SELECT step, agent, text FROM observations ORDER BY ALL"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town that remembers in streams, after all its steps; never to be written to."""
    path = tmp_path_factory.mktemp("streams") / "run.duckdb"
    talking(path, settings=STREAM, model="procedural").run()
    return path


def sql(path: Path, query: str) -> list[tuple[Any, ...]]:
    from populace.sim.runfile.reader import open_run

    with open_run(path) as run:
        return run.query(query).rows


@pytest.mark.parametrize(("people", "steps"), [(12, 4), pytest.param(50, 10, marks=pytest.mark.slow)])
def test_in_a_complete_graph_the_whole_prompt_stays_within_its_tokens(tmp_path: Path, people: int, steps: int) -> None:
    def sizes(name: str, **settings: int) -> list[float]:
        run = talking(tmp_path / name, people, steps=steps, settings={"heard": 8, **settings}).run()
        return [size for (size,) in run.sql(TOLD).rows]

    free, capped = sizes("free.duckdb"), sizes("capped.duckdb", prompt_tokens=800)
    assert free[-1] > 1.5 * free[0]
    assert len(capped) == steps
    assert capped[-1] < free[-1]
    assert max(capped) <= 4 * 800


class Asked(TalkingTown):
    """A town with a tool, and with a survey whose prompt is longer than those of turns."""

    surveys = (Survey("views", [Choice(f"What of {n}?", OPTIONS, name=f"q{n}") for n in range(12)], every=1),)

    def tools(self) -> tuple[Any, ...]:
        """Something to find out."""
        return (weather,)

    def rule(self, observation: Observation, rng: Random) -> None:
        """Nothing is done."""

    def answer(self, resident: Resident, item: Item, rng: Random) -> Any:
        """The first option."""
        return OPTIONS[0]


def weather(day: str) -> str:
    """What the sky looks like on a day of this week, as seen from the bridge over the river."""
    return f"fine on {day}"


def least(scenario: type[Scenario], mind: Any = None, **settings: Any) -> tuple[str, int]:
    """What needs the longest prompt, and the least setting with which it has room; which is then taken."""
    with pytest.raises(SetupError) as refused:
        Society(scenario({"prompt_tokens": 200, **settings}), mind=mind)
    found = re.search(
        r"'prompt_tokens' of scenario 'talking' is 200, .* of (.*) leaves .* from (\d+);", str(refused.value)
    )
    assert found, refused
    enough = int(found[2])
    with pytest.raises(SetupError):
        Society(scenario({"prompt_tokens": enough - 1, **settings}), mind=mind)
    Society(scenario({"prompt_tokens": enough, **settings}), mind=mind)
    return found[1], enough


def test_a_prompt_that_has_no_room_for_an_agent_is_refused_with_the_least_that_has() -> None:
    what, plain = least(TalkingTown)
    assert what == "turns"
    what, thinking = least(TalkingTown, "think")
    assert (what, thinking > plain) == ("turns (mind think)", True)
    stream: dict[str, Any] = {"memory_kind": "stream", "plan_every": 1, "reflect_at": 1}
    assert least(TalkingTown, "think", **stream)[1] > thinking  # which asks for the importance too
    asked, survey = least(Asked, "think")
    assert (asked, survey > thinking) == ("the survey 'views'", True)
    Society(Asked({"prompt_tokens": 1}), mind="rule")


def test_tools_are_in_the_least_that_a_prompt_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asked, "surveys", ())
    what, most = least(Asked, "react")
    assert (what, most > least(Asked, "think")[1]) == ("turns (mind react)", True)


def test_a_finished_run_is_asked_nothing_that_its_prompts_cannot_hold(tmp_path: Path) -> None:
    path = talking(tmp_path / "run.duckdb", 3, steps=1, settings={"prompt_tokens": 800}, model="procedural").run().path
    survey = identity_survey()
    with pytest.raises(
        SetupError, match=r"prompt_tokens=800, .* survey 'identity' .* only from \d+; ask each item in a"
    ):
        survey_run(path, [survey])
    with pytest.raises(SetupError, match="prompt_tokens=800"):
        estimate_file_job(path, survey_job(path, [survey]))
    done = survey_run(path, [drift_survey(path)])
    assert (done.respondents, done.answers) == (3, 3 * len(survey.items))
    assert sql(path, "SELECT count(*) FROM failures WHERE purpose = 'survey'") == [(0,)]


def test_the_strongest_ties_and_the_latest_talks_come_first(whole: Path) -> None:
    seen = """
        SELECT count(*), count(*) FILTER (contains(o.text, a.name)) FROM observations AS o
        JOIN messages AS m ON m.sender = o.agent AND m.step = o.step - 1
        JOIN agents AS a ON a.agent = m.recipient
    """
    ((turns, met_again),) = sql(whole, seen)
    assert turns > 12
    assert met_again >= 0.8 * turns  # three are seen, and those who spoke to the agent come before


def test_news_and_lines_become_notes_that_are_weighed(whole: Path) -> None:
    kinds = dict(sql(whole, "SELECT kind, count(*) FROM memories GROUP BY kind"))
    assert set(kinds) == {"said", "heard"}
    ((least, most),) = sql(whole, "SELECT min(importance), max(importance) FROM memories")
    assert 3 <= least < most <= 10


def test_what_is_remembered_lasts(whole: Path, tmp_path: Path) -> None:
    begin = partial(talking, settings=STREAM, model="procedural")
    check_lasting(whole, TalkingTown, begin, tmp_path, SEEN, NOTES)


def test_what_is_disclosed_is_a_scenarios_own(tmp_path: Path) -> None:
    class Closed(TalkingTown):
        disclosure: Mapping[str, Disclosure] = dict.fromkeys(RelationKind, "nothing")

    run = talking(tmp_path / "run.duckdb", scenario=Closed, steps=1).run()
    assert run.sql("SELECT count(*) FROM observations WHERE contains(text, 'hens')").rows == [(0,)]


@pytest.mark.parametrize("wrong", [{"kinship": "some"}, {"aunt": "all"}, "all"])
def test_a_disclosure_that_cannot_be_is_refused(wrong: Any) -> None:
    class Wrong(TalkingTown):
        disclosure = wrong

    with pytest.raises(SetupError, match="`disclosure` maps kinds of relations"):
        Society(Wrong())


def test_the_default_scenario_has_neither() -> None:
    settings = Scenario.settings_type()
    assert (settings.memory_kind, settings.neighbours_by, settings.prompt_tokens) == ("nearest", "chance", 0)
    assert len(complete_hub(4).relations) == 6
