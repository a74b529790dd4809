"""Everything that can be wrong with the file of an answer cache when it is opened: one sentence each."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paid_answers import HERE, call, locked, rows

from populace.agents.gateway.cache import AnswerCache
from populace.core.errors import SetupError


def test_an_empty_file_becomes_a_cache(path: Path) -> None:
    path.touch()
    with AnswerCache(path) as cache:
        cache.keep(call(), HERE)
    assert rows(path, "SELECT raw FROM answers") == [("hello",)]


def test_a_folder_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"is a folder; give the name of a file"):
        AnswerCache(tmp_path)
    with pytest.raises(SetupError, match=r"There is no folder '.*nowhere' for the answer cache 'a.sqlite'"):
        AnswerCache(tmp_path / "nowhere" / "a.sqlite")


def test_what_is_no_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(SetupError, match="is no regular file"):
        AnswerCache(path)


@pytest.mark.parametrize("content", [b"x", b"id,text\n1,hello\n", b"SQLite format 4" * 300, b"\0" * 5_000])
def test_what_is_no_database_is_refused_and_left_as_it_was(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SetupError, match="is no answer cache; give the path of one"):
        AnswerCache(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("sql", ["CREATE TABLE t (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"])
def test_the_database_of_something_else_is_refused_and_left_as_it_was(path: Path, sql: str) -> None:
    rows(path, sql)
    before = path.read_bytes()
    with pytest.raises(SetupError, match="is no answer cache"):
        AnswerCache(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_cache_of_a_newer_version_asks_for_an_update(path: Path) -> None:
    AnswerCache(path).close()
    rows(path, "PRAGMA user_version = 4")
    with pytest.raises(SetupError, match=r"has format 4, and this version of Populace reads format 3; update"):
        AnswerCache(path)


def test_a_damaged_cache_is_said_to_be_so(path: Path) -> None:
    AnswerCache(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    with pytest.raises(SetupError, match=r"cannot be opened \(.*malformed.*\); restore it from a copy"):
        AnswerCache(path)


@contextmanager
def nobody() -> Iterator[None]:
    """Whatever the file modes forbid is forbidden, for the superuser too."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(("exists", "mode"), [(True, 0o444), (True, 0o000), (False, 0o444)])
def test_a_file_that_may_not_be_written_is_refused_before_the_run_begins(exists: bool, mode: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.sqlite"
        if exists:
            AnswerCache(path).close()
            path.chmod(mode)
        Path(folder).chmod(0o555)
        with nobody(), pytest.raises(SetupError, match="it and its folder must be yours to read and write"):
            AnswerCache(path)
        Path(folder).chmod(0o755)


def test_a_name_that_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot be opened \(.+\); .+, or give another file\.$"):
        AnswerCache(tmp_path / ("x" * 300))


def test_a_locked_file_is_waited_for_and_then_named(path: Path) -> None:
    AnswerCache(path).close()
    with locked(path), pytest.raises(SetupError, match=r"another process has kept it locked for 0\.01 s: end that one"):
        AnswerCache(path, patience=0.01)
