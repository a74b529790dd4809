"""A turn gives the same whether the stages of its mind are called one by one or scheduled by LangGraph."""

from pathlib import Path
from typing import Any

import pytest
from ballots import Answering, Ballot, Vote

from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society


class Revised(Vote):
    """Vote, and be asked for something else."""

    novelty = "revise"


class RevisedBallot(Ballot):
    """Most votes repeat one of an earlier step."""

    name = "revised"
    actions = (Revised,)


@pytest.mark.parametrize(
    ("scenario", "model"), [pytest.param(Village, "procedural", marks=pytest.mark.slow), (RevisedBallot, Answering())]
)
def test_a_mind_scheduled_by_langgraph_gives_the_same_run(
    tmp_path: Path, scenario: type[Scenario], model: object
) -> None:
    class Scheduled(scenario):  # type: ignore[misc, valid-type]
        def mind(self) -> Any:
            return super().mind().graph.with_config(run_name="a graph of its own")

    people = tmp_path / "people.jsonl"
    people.write_text("".join(f'{{"text": "A voter who keeps {n} hens."}}\n' for n in range(12)))

    def run(scenario: Scenario) -> FinishedRun:
        growth, out = Growth(hub=people, hops=0), tmp_path / f"{type(scenario).__name__}.duckdb"
        return Society(scenario, growth=growth, out=out, steps=2, model=model).run()  # type: ignore[arg-type]

    called, scheduled = run(scenario()), run(Scheduled())
    assert called.event_hash == scheduled.event_hash
    if scenario is RevisedBallot:
        assert called.sql("SELECT count_if(revised) FROM emissions").rows == [(12,)]
