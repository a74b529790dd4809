"""What is noted of the runs that are made here."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from populace.core.errors import SetupError
from populace.sim.runfile.job_rows import JobRow
from populace.sim.runfile.reader import Recording
from populace.sim.trust import check_trusted, remember_trust

from .conftest import Live


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "populace" / "made-here"


@pytest.fixture
def run(live: Live) -> JobRow:
    with Recording.open(live(agents=2, hops=0, steps=1).path) as recording:
        return replace(recording.job_row, base_url="http://127.0.0.1:1/v1 http://127.0.0.1:2/v1")


def with_spec(run: JobRow, **changed: object) -> JobRow:
    """The same run with another spec."""
    return replace(run, spec=run.run_spec.model_copy(update=changed).as_json())


def is_trusted(run: JobRow) -> bool:
    try:
        check_trusted(Path("a.duckdb"), run, ())
    except SetupError:
        return False
    return True


def test_another_run_address_or_cache_is_not_trusted(state: Path, run: JobRow) -> None:
    assert not is_trusted(run)
    remember_trust(run)
    assert is_trusted(run)
    others = [{"id": "another"}, {"base_url": "http://127.0.0.1:3/v1"}, {"cache": "/tmp/x"}, {"model": "gguf:x.gguf"}]
    roles = {"solver": {"model": "openai:x", "base_url": ["http://127.0.0.1:3/v1"]}}
    assert not is_trusted(with_spec(run, roles=roles))
    assert not any(is_trusted(replace(run, **other)) for other in others)  # type: ignore[arg-type]


def test_the_file_of_a_network_is_read_only_where_it_was_named(state: Path, run: JobRow) -> None:
    remember_trust(run)
    foreign = with_spec(run, network="file:/tmp/ties.csv")
    with pytest.raises(SetupError, match="would read '/tmp/ties"):
        check_trusted(Path("a.duckdb"), foreign, (), is_grown=False)
    check_trusted(Path("a.duckdb"), foreign, ())


def test_the_model_of_a_role_is_to_be_named_by_its_own_option(state: Path, run: JobRow) -> None:
    remember_trust(run)
    roles = {
        "grader": {"model": "openai:x", "base_url": ["http://127.0.0.1:3/v1"]},
        "solver": {"model": "gguf:y.gguf", "base_url": []},
    }
    foreign = with_spec(run, roles=roles)
    way = "--grader openai:x --grader-url http://127.0.0.1:3/v1 --solver gguf:y.gguf"
    with pytest.raises(SetupError, match=re.escape(way)):
        check_trusted(Path("a.duckdb"), foreign, ("address", "model"))
    check_trusted(Path("a.duckdb"), foreign, ("grader", "solver"))


def test_notes_are_private_and_say_nothing(state: Path, run: JobRow) -> None:
    remember_trust(run)
    assert state.stat().st_mode & 0o777 == 0o600
    assert "127.0.0.1" not in state.read_text()
    before = state.stat().st_size
    remember_trust(run)
    assert state.stat().st_size == before


def test_many_may_note_at_once_and_behind_a_line_that_was_cut_off(state: Path, run: JobRow) -> None:
    runs = [replace(run, id=str(number)) for number in range(40)]
    state.parent.mkdir(parents=True)
    state.write_text("c0ffee")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(remember_trust, runs))
    assert all(map(is_trusted, runs))


def test_a_folder_that_cannot_be_written_is_no_error(state: Path, run: JobRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(OSError("read-only")))
    remember_trust(run)
    assert not is_trusted(run)
