"""Files that are made: whole or not at all, private, and without leftovers of processes that were killed."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from populace.agents.gateway.cache import AnswerCache
from populace.core.files import private_umask, remove_parts, share_files, whole_file
from populace.personas.hub import create_hub, open_hub


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o277], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Whatever the umask is; one that takes even from the owner among them."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a") as part:
        assert mode(part) == 0o600
        part.write_text("mine")
    assert mode(tmp_path / "a") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_shared_file_is_as_the_umask_says(tmp_path: Path, umask: int) -> None:
    with share_files(), whole_file(tmp_path / "a"):
        pass
    assert mode(tmp_path / "a") == 0o666 & ~umask


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "a").chmod(0o640)
    with whole_file(tmp_path / "a", replace=True) as part:
        part.write_text("new")
    assert (mode(tmp_path / "a"), (tmp_path / "a").read_text()) == (0o640, "new")


def test_a_hub_its_log_and_a_cache_are_private_at_every_moment(tmp_path: Path, umask: int) -> None:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        for _ in range(2):  # DuckDB makes its log anew after a checkpoint
            hub.con.execute("INSERT INTO passages VALUES (gen_random_uuid(), 1, 'a text', 'en', NULL, NULL)")
            assert mode(tmp_path / "hub.duckdb.wal") == 0o600
            hub.con.execute("CHECKPOINT")
    with AnswerCache(tmp_path / "cache.sqlite"):
        assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    assert os.umask(umask) == umask


def test_beside_a_hub_that_others_may_read_so_is_its_log(tmp_path: Path) -> None:
    create_hub(path := tmp_path / "hub.duckdb").close()
    path.chmod(0o644)
    before = os.umask(0o022)
    with open_hub(path, write=True) as hub:
        hub.con.execute("INSERT INTO passages VALUES ('a', 1, 'a text', 'en', NULL, NULL)")
        assert (mode(path), mode(tmp_path / "hub.duckdb.wal")) == (0o644, 0o644)
    os.umask(before)


def test_what_fails_leaves_nothing_and_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a"):
        _ = 1 / 0
    assert not list(tmp_path.iterdir())
    (tmp_path / "a").write_text("mine")
    with pytest.raises(FileExistsError), whole_file(tmp_path / "a"):
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "mine")]


_DIES = """
import os, signal, sys
from pathlib import Path
from populace.core.files import whole_file
with whole_file(Path(sys.argv[1])) as part:
    part.with_name(part.name + ".wal").write_text("log")
    with whole_file(part.with_name(part.name)):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("umask", [0o022], indirect=True)
def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "a[1].duckdb"
    assert subprocess.run([sys.executable, "-c", _DIES, path]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 3
    with whole_file(path) as living:
        remove_parts(path)
        assert list(tmp_path.iterdir()) == [living]
        (elsewhere := tmp_path / f".{path.name}.part-00000000-1-1").touch()
        remove_parts(path)
        assert elsewhere.exists()


def test_the_umask_comes_back_when_the_last_holder_leaves(tmp_path: Path, umask: int) -> None:
    with private_umask(tmp_path / "a"):
        with private_umask(tmp_path / "b"):
            pass
        assert os.umask(0o077) == 0o077
    assert os.umask(umask) == umask
