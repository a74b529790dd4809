"""What tasks that make problems share: a task of one's own is a prompt and a few lines."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from populace.agents.action_schema import answer_schema
from populace.agents.checks import CheckContext, CheckOutcome
from populace.agents.gateway.limits import Limits
from populace.agents.observation import Observation
from populace.core.errors import SetupError
from populace.facade import make
from populace.scenarios.catalog import find_task
from populace.scenarios.math.task import Math

OWN_TASK = '''
from pathlib import Path
from typing import ClassVar, Literal

from populace.core.prompt import read_prompt
from populace.sim.tasks.task import ProblemAction, ProblemTask


class Proverb(ProblemAction):
    """A proverb with a gap."""

    name: ClassVar[str] = "proverb"
    prompt: ClassVar = read_prompt(Path(__file__).with_name("proverb.v1.toml"))
    kind: Literal["proverb"]
    text: str

    @classmethod
    def stand_in(cls, rng, situation, schema):
        return {"text": f"Which word is missing: many a {cls.settings.focus or 'hand'} makes ... {rng.random()}?"}


class Proverbs(ProblemTask):
    """Proverbs with gaps."""

    name = "proverbs"
    actions = (Proverb,)
'''
OWN_PROMPT = """
name = "proverb"
version = 1
about = "Asks for a proverb."
user = "$persona $task $actions $language"
[choices.language]
named = "in $name"
unknown = "in their language"
"""
OWN_PHRASES = """
[choices.focus]
"" = ""
other = "It is about $focus."
"""


def test_a_problem_task_of_ones_own_is_a_prompt_and_a_few_lines(tmp_path: Path) -> None:
    folder = tmp_path / "proverbs"
    folder.mkdir()
    (folder / "task.py").write_text(OWN_TASK, encoding="utf-8")
    (folder / "proverb.v1.toml").write_text(OWN_PROMPT + OWN_PHRASES, encoding="utf-8")
    made = make(str(folder), n=2, settings={"focus": "ships"}, agents=6, hops=0, out=tmp_path / "made.duckdb")
    found = made.sql("SELECT text, status FROM outputs").rows
    assert [(text[:39], status) for text, status in found] == [
        ("Which word is missing: many a ships mak", "accepted")] * 2  # fmt: skip
    assert find_task(str(folder))[0]({"focus": "ships"}).task(None, None) == "It is about ships."  # type: ignore[arg-type]
    (folder / "proverb.v1.toml").write_text(OWN_PROMPT, encoding="utf-8")
    with pytest.raises(SetupError, match="'proverb' of 'proverbs' says nothing of a focus, so it cannot be 'ships'"):
        find_task(str(folder))[0]({"focus": "ships"})


ROLES = (
    "SELECT role, count(*) FROM calls WHERE purpose IN ('math', 'verify', 'review_problem') GROUP BY role ORDER BY role"
)


def test_a_problem_is_kept_only_if_an_independent_solution_finds_its_answer(tmp_path: Path) -> None:
    made = make("math", n=12, agents=50, hops=0, solver="procedural:accuracy=0.5", out=tmp_path / "half.duckdb")
    ((accepted, failed),) = made.sql(
        "SELECT count(*) FILTER (status = 'accepted'), count(*) FILTER (stage = 'verified') FROM outputs"
    ).rows
    assert (accepted, failed > 0) == (12, True)
    assert made.sql("SELECT count(*) FROM outputs WHERE contains(text, payload->>'answer' || '\n')").rows == [(0,)]
    ((reason,),) = made.sql(
        """SELECT reason FROM checks WHERE "check" = 'verified' AND outcome = 'failed' LIMIT 1"""
    ).rows
    assert re.fullmatch(r"Its answer is stated as .+, and solutions find .+\.", reason)


def test_verify_0_asks_no_solver_and_several_are_as_many_requests(tmp_path: Path) -> None:
    none = make("math", n=2, agents=4, hops=0, settings={"verify": 0, "review": False}, out=tmp_path / "none.duckdb")
    assert none.sql(ROLES).rows == [("default", 2)]
    three = make("math", n=2, agents=4, hops=0, settings={"verify": 3}, out=tmp_path / "three.duckdb")
    assert three.sql(ROLES).rows == [("default", 2), ("grader", 2), ("solver", 6)]


def test_verification_is_the_same_however_many_requests_are_under_way(tmp_path: Path) -> None:
    hashes = {
        make(
            "logic", n=5, agents=20, hops=0, solver="procedural:accuracy=0.6", out=tmp_path / f"{most}.duckdb",
            limits=Limits(max_in_flight=most),
        ).event_hash
        for most in (1, 64)
    }  # fmt: skip
    assert len(hashes) == 1


@pytest.mark.parametrize("task", ["math", "logic", "spatial"])
def test_the_author_thinks_before_text_and_answer_and_nobody_else_reads_that(task: str, tmp_path: Path) -> None:
    (action,) = find_task(task)[0]({}).actions
    asked = list(answer_schema((action,), ()).json_schema["properties"])
    order = [name for name in asked if name in ("plan", "text", "check", "answer")]
    assert order == ["plan", "text", "check", "answer"]
    made = make(task, n=4, agents=8, hops=0, out=tmp_path / "made.duckdb")
    rows = made.sql("SELECT text, payload->>'plan', payload->>'check' FROM outputs WHERE status = 'accepted'").rows
    assert len(rows) == 4
    for text, plan, check in rows:
        assert plan
        assert check
        assert plan not in text
        assert check not in text
        shown = made.sql(
            """SELECT count(*), count_if(contains(text, $1) OR contains(text, $2)) FROM requests
            WHERE purpose IN ('verify', 'review_problem')""",
            (plan, check),
        ).rows
        assert shown == [(8, 0)]


async def test_checks_of_texts_do_not_read_what_the_author_thinks() -> None:
    (action,) = Math({"review": False, "verify": 0}).actions
    persona = "A baker who keeps eleven grey pigeons in a loft above the yard."
    fields = {"topic": "sums", "text": "A loft has 3 rows of 4 boxes. How many boxes are there?", "answer": "12"}
    made = action.from_payload({**fields, "plan": persona, "check": "The answer is 12. " * 20})
    seen, model = Observation("a", persona, "", language="en"), cast("Any", SimpleNamespace(name="m"))
    context = CheckContext(seen, "", model, cast("Any", None))
    for check in action.checks:
        assert (await check.judge(made, context)).outcome is not CheckOutcome.FAILED, check.name
    thoughts = {"plan": "", "check": ""}
    copied = action.from_payload({**fields, **thoughts, "text": f"{persona} How many boxes are there?"})
    assert (await action.checks[0].judge(copied, context)).outcome is CheckOutcome.FAILED
