"""A society as Mesa's users know models: it stops, it says what went wrong, and it is run in batches."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ballots import Answering, Ballot

from populace.core.errors import HookError, SetupError
from populace.sim.growth import Growth
from populace.sim.resident import SocietyView
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A file of three people."""
    path = tmp_path / "people.jsonl"
    path.write_text("".join(f'{{"text": "A voter who keeps {n} hens."}}\n' for n in range(3)))
    return path


class Failing(Ballot):
    """Its second step fails."""

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """Half, and then nothing."""
        return {"inverse": 1 / (2 - society.world.step)}


class Short(Ballot):
    """Over after two steps."""

    def ended(self, society: SocietyView) -> bool:
        """Whether there were two."""
        return society.world.step == 2


type Poll = Callable[..., Society]


@pytest.fixture
def poll(hub: Path, tmp_path: Path) -> Poll:
    """A society of three people that takes three steps."""

    def made(scenario: Ballot | None = None) -> Society:
        out = tmp_path / "run.duckdb"
        return Society(scenario or Ballot(), growth=Growth(hub=hub, hops=0), model=Answering(), out=out, steps=3)

    return made


def test_run_model_stops_with_the_last_step(poll: Poll) -> None:
    with poll() as society:
        assert society.running
        society.run_model()
        assert (society.running, society.time, society.steps, society.world.step) == (False, 3, 3, 3)


def test_run_model_stops_where_the_scenario_ends(poll: Poll) -> None:
    with poll(Short()) as society:
        society.run_model()
        assert (society.running, society.time, society.world.step) == (False, 2, 2)


def test_nothing_goes_beyond_the_last_step(poll: Poll) -> None:
    with poll() as society:
        society.run_for(9.5)
        society.step()
        society.run_until(12)
        assert (society.time, society.steps, society.world.step) == (3, 3, 3)


def test_half_steps_add_up(poll: Poll) -> None:
    with poll() as society:
        lived = []
        for _ in range(4):
            society.run_for(0.5)
            lived.append(society.world.step)
        assert lived == [0, 1, 1, 2]


@pytest.mark.parametrize(
    "way", ["run_for", *(pytest.param(way, marks=pytest.mark.slow) for way in ("step", "run_model"))]
)
def test_what_fails_in_a_step_is_raised_by_that_step_and_by_every_later_one(poll: Poll, way: str) -> None:
    with poll(Failing()) as society:
        society.step()
        for _ in range(2):
            with pytest.raises(HookError, match="`measures` of Failing"):
                getattr(society, way)(*[2] * (way == "run_for"))
            assert not society.running
    with open_run(society.path) as run:
        assert run.query("SELECT status, (SELECT count(*) FROM steps) FROM runs").rows == [("failed", 1)]


def test_a_step_is_taken_in_an_open_society_alone(poll: Poll) -> None:
    society = poll()
    for _ in range(2):
        with pytest.raises(SetupError, match=r"not open, so it takes no step; call run\(\)"):
            society.step()
        if not society.path.exists():
            society.run()


def test_an_open_society_is_not_opened_again(poll: Poll) -> None:
    with poll() as society, pytest.raises(SetupError, match=r"open already; .* call run_model\(\)"):
        society.run()
