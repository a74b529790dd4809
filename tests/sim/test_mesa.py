"""A society as Mesa's users know models: it stops, it says what went wrong, and it is run in batches."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import mesa
import pytest
from ballots import Answering, Ballot

from populace.personas.errors import HookError, SetupError
from populace.scenarios.village import Village
from populace.sim import batch_society
from populace.sim.batch_society import BatchSociety
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


@pytest.fixture
def spawning() -> Iterator[None]:
    """`batch_run` changes how processes are started, for all that follows."""
    method = multiprocessing.get_start_method(allow_none=True)
    yield
    multiprocessing.set_start_method(method, force=True)


class Counted(Ballot):
    """Measures something from its second step on."""

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """The step."""
        return {"step": society.world.step} if society.world.step > 1 else {}


@pytest.mark.slow
@pytest.mark.usefixtures("spawning")
def test_mesa_runs_societies_in_batches(hub: Path, tmp_path: Path) -> None:
    parameters = {"scenario": Village, "folder": tmp_path / "runs", "hub": hub, "steps": 3, "visited": [0.0, 1.0]}
    rows = mesa.batch_run(BatchSociety, parameters, rng=[1, 2], data_collection_period=1, display_progress=False)
    assert len(rows) == 2 * 2 * 3
    assert len({row["run_file"] for row in rows}) == 4
    assert {row["seed"] for row in rows} == {1, 2}
    last = [row for row in rows if row["Step"] == 3]
    assert all(row["emissions"] == 9 and 0 <= row["share_spoken_to"] <= 1 for row in last)
    for row in last:
        with open_run(Path(row["run_file"])) as run:
            assert run.query("SELECT status, event_hash FROM runs").rows == [("finished", row["event_hash"])]


def test_a_measure_that_comes_up_later_was_nothing_before(hub: Path, tmp_path: Path) -> None:
    society = BatchSociety(Counted, folder=tmp_path, hub=hub, steps=3)
    society.run_model()
    assert society.datacollector.model_vars["step"] == [None, 2, 3]


@pytest.mark.usefixtures("spawning")
def test_a_batch_raises_what_went_wrong_and_lets_go_of_the_file(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(HookError, match="`measures` of Failing"):
        mesa.batch_run(BatchSociety, {"scenario": Failing, "folder": tmp_path, "hub": hub}, display_progress=False)
    with open_run(tmp_path / "ballot-1.duckdb") as run:
        assert run.query("SELECT status FROM runs").rows == [("failed",)]


def test_a_batch_takes_another_name_when_another_process_was_faster(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ballot-1.duckdb").write_bytes(bytes(1 << 17))
    names = iter(["ballot-1.duckdb", "ballot-2.duckdb"])
    monkeypatch.setattr(batch_society, "_free_path", lambda folder, _: folder / next(names))
    society = BatchSociety(Counted, folder=tmp_path, hub=hub, steps=1)
    society.run_model()
    assert society.reported["run_file"] == str(tmp_path / "ballot-2.duckdb")


def test_a_batch_is_given_a_class_and_a_known_way_to_draw(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="give it the class of"):
        BatchSociety(Counted(), folder=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(SetupError, match="`draw` should be 'snowball'"):
        BatchSociety(Counted, folder=tmp_path, hub=hub, draw="eggo")
