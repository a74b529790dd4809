"""Scripts of one's own on the command line: what is wrong with them, where, and how to go on."""

from pathlib import Path

import pytest

from .conftest import ERRANDS, Ask

SMALL = ("--agents", "3", "--hops", "0", "--steps", "2")

FAILING = """

    def measures(self, society):
        return {"share": average([])}


def average(numbers):
    return sum(numbers) / len(numbers)
"""

ACTION = '''from typing import ClassVar, Literal

from populace.agents import Action
from populace.sim import Scenario


class Vote(Action):
    """Vote."""

    novelty: ClassVar[str] = "never"
    choice: Literal["yes", "no"]


class Ballot(Scenario):
    """Yes or no?"""

    name = "ballot"
    actions = (Vote,)
'''


@pytest.mark.slow
def test_a_method_that_fails_is_shown_with_ones_own_lines_and_the_way_on(ask: Ask) -> None:
    Path("errands.py").write_text(ERRANDS.rstrip() + FAILING)
    said = ask("run", "errands.py", *SMALL)
    sentence, *frames = said.complaint.splitlines()
    assert said.code == 1
    assert sentence.startswith("populace: `measures` of Errands failed with ZeroDivisionError: division by zero.")
    assert "Mend it, and go on with `populace resume errands.duckdb`." in sentence
    assert [line.strip().partition(":")[0] for line in frames[::2]] == ["errands.py"] * 2
    assert [line.strip() for line in frames[1::2]] == [
        'return {"share": average([])}',
        "return sum(numbers) / len(numbers)",
    ]
    Path("errands.py").write_text(ERRANDS)
    assert ", 2 steps\n" in ask("resume", "errands.duckdb").out


@pytest.mark.parametrize(
    ("script", "arguments", "words"),
    [
        (ACTION, (), "The action Vote has novelty 'never'"),
        (ERRANDS.replace('"errands"', '"a/errands"'), (), "The scenario Errands is called 'a/errands'"),
        (ERRANDS + "    interventions = (Intervention(2.5, 'x', 'x'),)\n", (), "NameError"),
        (ERRANDS, ("--set", "memory=3", "--set", "memory=4"), "--set memory was given twice"),
        (ERRANDS, ("--draw", "random"), "--draw random is for people of a hub"),
        (ERRANDS, ("--set", "neighbours=nan"), "cannot be 'nan'"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(
    ask: Ask, script: str, arguments: tuple[str, ...], words: str
) -> None:
    Path("mine.py").write_text(script)
    ask("run", "mine.py", *SMALL, *arguments).complains(2, words)
    assert not list(Path().glob("*.duckdb"))


def test_a_script_that_fails_says_in_which_line(ask: Ask) -> None:
    Path("mine.py").write_text("import sys\n\nvalue = {}['missing']\n")
    ask("run", "mine.py").complains(2, "'mine.py' fails in line 3 with KeyError: 'missing'")


def test_an_intervention_behind_the_last_step_is_refused(ask: Ask) -> None:
    said = ask("run", "village", *SMALL, "--set", "flood_at=3")
    said.complains(2, "'flood' is to come at step 3, and the run is to end after step 2", "give --steps 3 or more")
