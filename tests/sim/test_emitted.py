"""What a scenario's measures read of the step: actions with their own fields, also after a resume, replay or fork."""

import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from populace.agents.action_schema import typed_fields
from populace.agents.actions import Action, dump_json, load_json
from populace.agents.tool_spec import ToolSpec
from populace.core.errors import RunFileError, SetupError
from populace.sim import Growth, Resident, Scenario, Society
from populace.sim.emitted import Emitted
from populace.sim.resident import SocietyView
from populace.sim.runfile.reader import emissions_query, open_run
from populace.sim.runfile.rows import EmissionRow


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Ballot(Action):
    """How you vote, and what a seat is worth to you."""

    name: ClassVar[str] = "ballot"
    kind: Literal["ballot"]
    vote: Literal["yes", "no", "abstain"]
    price: Annotated[float, Field(ge=0, le=9, description="What a seat\n is worth.")]
    sure: bool
    mood: Mood | None = None
    why: str = ""

    @property
    def emitted_text(self) -> str:
        return f"{self.vote} at {self.price} ({self.sure})"


class Election(Scenario):
    """A vote."""

    name = "election"
    actions = (Ballot,)
    questions: Mapping[str, str] = {"Who won?": "SELECT payload ->> 'vote' AS vote FROM emissions LIMIT 1"}
    seen: ClassVar[list[tuple[int, ...]]] = []

    def group(self, resident: Resident) -> str:
        return f"hop {resident.persona.hop}"

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        ballots = [e.action for e in society.emitted_this_step if isinstance(e.action, Ballot)]
        return {"share_yes": sum(b.vote == "yes" for b in ballots) / len(ballots)}

    def ended(self, society: SocietyView) -> bool:
        self.seen.append((society.world.step, *(e.step for e in society.emitted_this_step)))
        return False


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, ...]]]:
    """An election of two steps, never to be written to, and what its scenario saw."""
    Election.seen.clear()
    out = tmp_path_factory.mktemp("made") / "votes.duckdb"
    Society(Election(), growth=Growth(agents=5, hops=1), out=out, steps=2).run()
    return out, list(Election.seen)


@pytest.fixture
def voted(made: tuple[Path, list[tuple[int, ...]]], tmp_path: Path) -> Path:
    """A copy of it."""
    path, Election.seen[:] = made
    return Path(shutil.copy(path, tmp_path))


def asked(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def test_measures_read_the_fields_of_what_the_step_emitted(voted: Path) -> None:
    measured = asked(voted, "SELECT value FROM measures ORDER BY step")
    counted = "SELECT avg((payload ->> 'vote' = 'yes')::INT) FROM emissions GROUP BY step ORDER BY step"
    assert measured == asked(voted, counted)
    assert Election.seen == [(0,), (1, 1, 1, 1, 1, 1)]


def test_a_resumed_run_stands_where_the_last_step_left_it(voted: Path) -> None:
    Society.resume(voted, Election, steps=3).run()
    assert Election.seen[2] == (2, 2, 2, 2, 2, 2)
    with Society.resume(voted, Election, steps=4) as society:
        assert {type(e.action) for e in society.emitted_this_step} == {Ballot}


def test_the_run_file_says_what_the_scenario_declares(voted: Path) -> None:
    declared = asked(voted, "SELECT field, type, choices FROM action_fields ORDER BY ordinal")
    assert declared == [
        ("vote", "choice", ["yes", "no", "abstain"]),
        ("price", "number", []),
        ("sure", "boolean", []),
        ("mood", "choice", ["good", "bad"]),
    ]
    assert asked(voted, "SELECT title FROM questions") == [("Who won?",)]
    assert {group for (group,) in asked(voted, "SELECT group_name FROM agents")} == {"hop 0", "hop 1"}


def test_emissions_come_as_a_data_frame_with_the_fields_as_columns(voted: Path) -> None:
    with open_run(voted) as run:
        answer = run.emissions()
    own = ("emission", "step", "agent", "group_name", "kind", "text", "revised")
    assert answer.columns == (*own, "vote", "price", "sure", "mood")
    frame = answer.df()
    assert {name: str(frame[name].dtype) for name in ("price", "sure")} == {"price": "float64", "sure": "bool"}
    assert set(frame["vote"]) <= {"yes", "no", "abstain"}
    assert list(frame["text"]) == [f"{b.vote} at {b.price} ({b.sure})" for b in frame.itertuples()]


def test_fields_of_one_name_share_a_column_where_their_types_agree(voted: Path) -> None:
    fields = [("a", "n", "integer"), ("b", "n", "integer"), ("a", "x'y", "choice"), ("a", "step", "number")]
    sql = emissions_query([*fields, ("b", "x'y", "number")])
    assert asked(voted, f"SELECT count(*) FROM ({sql})") == [(10,)]
    with open_run(voted) as run:
        assert run.query(sql).columns[-4:] == ("n", "a_x'y", "a_step", "b_x'y")


def test_a_script_that_has_changed_since_is_taken_as_it_is_now(voted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Election, "questions", {})
    monkeypatch.setattr(Election, "group", lambda self, resident: "all")
    Society.resume(voted, Election, steps=3).run()
    assert asked(voted, "FROM questions") == []
    assert asked(voted, "SELECT DISTINCT group_name FROM agents") == [("all",)]


def test_an_action_that_cannot_be_read_back_is_named_when_somebody_asks_for_it(
    voted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Election, "actions", (ToolSpec,))
    with Society.resume(voted, Election, steps=2) as society, pytest.raises(RunFileError, match="no such action"):
        _ = society.emitted_this_step
    monkeypatch.setattr(Election, "actions", (Ballot,))
    monkeypatch.setattr(Ballot, "from_payload", ToolSpec.from_payload)
    with Society.resume(voted, Election, steps=2) as society, pytest.raises(RunFileError, match="`from_payload`"):
        _ = society.emitted_this_step


def test_questions_that_are_none_are_refused_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Election, "questions", ["SELECT 1"])
    with pytest.raises(SetupError, match="The questions of scenario 'election' must be a mapping of texts to SQL"):
        Society(Election())


def test_what_an_action_is_kept_as_gives_it_back() -> None:
    # A model may answer with integers of more than 64 bits.
    meanings = [f"day (1..{10**25 + 1}): Which day.", "spring: Whether it is a spring tide."]
    signature = "tide_table(day: int | None, spring: bool) -> list[str]"
    tool = ToolSpec(kind="tool", purpose="Tells the tide.", signature=signature, meanings=meanings)
    assert ToolSpec.from_payload(load_json(dump_json(tool.payload))) == tool
    with pytest.raises(TypeError, match="key must be str"):
        dump_json({1: "no JSON"})
    ballot = Ballot(kind="ballot", vote="no", price=2.5, sure=True, mood=Mood.BAD)
    assert Ballot.from_payload(ballot.payload) == ballot


def test_texts_and_lists_are_no_typed_fields() -> None:
    assert [field.name for field in typed_fields(ToolSpec)] == []
    assert typed_fields(Ballot)[1].description == "What a seat is worth."


def test_an_original_that_is_dropped_from_memory_with_its_own_repeat_is_still_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("populace.sim.emitted._KEPT", 2)
    said = ["one and the same line of words", "another line altogether here", "a third and quite different one"]
    rows = [
        EmissionRow(number, 1, f"agent {number}", "instruction", text, "{}", False, "procedural", "turn@3")
        for number, text in enumerate([*said, said[0]], start=1)
    ]
    (verdict,) = Emitted().add_all(rows)
    assert (verdict.emission, verdict.of_emission, verdict.of) == (4, 1, "agent 1")
