"""What tasks that make problems share: a task of one's own is a prompt and a few lines."""

from pathlib import Path

import pytest

from populace.facade import make
from populace.personas.errors import SetupError
from populace.scenarios.catalog import find_task

OWN_TASK = '''
from pathlib import Path
from typing import ClassVar, Literal

from populace.personas.prompt import read_prompt
from populace.sim.tasks.problem_task import ProblemAction, ProblemTask


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
