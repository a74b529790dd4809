"""Answers to closed questions are what they are: nobody is asked for another because somebody said the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ballots import Answering, Ballot, Vote

from populace.sim.growth import Growth
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society

type Poll = Callable[..., FinishedRun]

_COUNTS = """
SELECT count(*), count_if(revised), (SELECT count(*) FROM calls), (SELECT count(*) FROM duplicates) FROM emissions
"""


class Marked(Vote):
    """Vote, and be compared."""

    novelty = "mark"


class Revised(Vote):
    """Vote, and be asked for something else."""

    novelty = "revise"


def asking(action: type[Vote]) -> Scenario:
    return type("Poll", (Ballot,), {"actions": (action,)})()  # type: ignore[no-any-return]


@pytest.fixture
def poll(tmp_path: Path) -> Poll:
    """Ask 60 people in three steps; all of them answer the same."""

    def run(scenario: Scenario, name: str = "run", **options: Any) -> FinishedRun:
        hub = tmp_path / "people.jsonl"
        hub.write_text("".join(f'{{"text": "A voter who keeps {n} hens."}}\n' for n in range(60)))
        given: dict[str, Any] = {"model": Answering(), "steps": 3} | options
        return Society(scenario, growth=Growth(hub=hub, hops=0), out=tmp_path / f"{name}.duckdb", **given).run()

    return run


def test_a_vote_of_sixty_takes_one_call_a_turn_and_is_neither_revised_nor_marked(poll: Poll) -> None:
    assert poll(Ballot()).sql(_COUNTS).rows == [(180, 0, 180, 0)]


@pytest.mark.slow
def test_a_class_can_ask_to_be_marked_or_revised(poll: Poll) -> None:
    assert poll(asking(Marked), "marked").sql(_COUNTS).rows == [(180, 0, 180, 179)]
    ((emitted, revised, calls, _),) = poll(asking(Revised), "revised").sql(_COUNTS).rows
    assert (emitted, revised, calls) == (180, 120, 300)
