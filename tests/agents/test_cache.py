"""The shared answer cache: what is found again, by whom, and what becomes of it when the file fails."""

import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paid_answers import HERE, answer, call, locked, rows, until

from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.cache import AnswerCache
from populace.core.errors import CacheError


@pytest.fixture
def cache(path: Path) -> Iterator[AnswerCache]:
    with AnswerCache(path) as cache:
        yield cache


def test_an_answer_is_recalled_before_and_after_it_is_committed(cache: AnswerCache) -> None:
    cache.keep(call(), HERE)
    reply = ModelResponse("hello", "stop", 90, 20, None, 64)
    assert cache.recall(call().key, HERE) == reply
    until(lambda: cache.commits == 1)
    assert cache.recall(call().key, HERE) == reply


@pytest.mark.parametrize("committed", [False, True])
def test_another_request_replicate_or_server_has_no_answer(cache: AnswerCache, committed: bool) -> None:
    cache.keep(call(), HERE)
    if committed:
        until(lambda: cache.commits == 1)
    assert cache.recall(call(2).key, HERE) is None
    assert cache.recall(call(replicate=1).key, HERE) is None
    assert cache.recall(call().key, "") is None


def test_replicates_and_servers_have_answers_of_their_own(path: Path) -> None:
    with AnswerCache(path) as cache:
        cache.keep(call(raw="a"), HERE)
        cache.keep(call(raw="b", replicate=1), HERE)
        cache.keep(call(raw="c"), "")
    with AnswerCache(path) as cache:
        places = [(call(), HERE), (call(replicate=1), HERE), (call(), "")]
        replies = [cache.recall(asked.key, scope) for asked, scope in places]
    assert [reply and reply.raw for reply in replies] == ["a", "b", "c"]


def test_the_context_is_no_part_of_what_is_asked(cache: AnswerCache) -> None:
    cache.keep(call(), HERE)
    until(lambda: cache.commits == 1)
    other = call(phase="growth", number=7, owner="ben", attempt=2)
    assert cache.recall(other.key, HERE) is not None


def test_the_first_answer_in_is_the_one_that_all_get(path: Path) -> None:
    with AnswerCache(path) as first, AnswerCache(path) as second:
        first.keep(call(raw="first"), HERE)
        first.keep(call(raw="later"), HERE)
        until(lambda: first.commits == 1)
        second.keep(call(raw="second"), HERE)
        until(lambda: second.commits == 1)
        assert answer(first) == answer(second) == "first"


def test_an_attempt_without_an_answer_is_not_kept(path: Path) -> None:
    with AnswerCache(path) as cache:
        cache.keep(call(raw=None), HERE)
        cache.keep(call(2, raw=""), HERE)
        assert (answer(cache, 1), answer(cache, 2)) == (None, "")
    assert rows(path, "SELECT raw FROM answers") == [("",)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(st.text(st.characters(exclude_categories=())), max_size=5), reason=st.none() | st.text())
def test_every_text_comes_back_as_it_was(tmp_path: Path, texts: list[str], reason: str | None) -> None:
    path = Path(tempfile.mkdtemp(dir=tmp_path)) / "answers.sqlite"
    with AnswerCache(path) as cache:
        for number, text in enumerate(texts):
            cache.keep(call(number, text, finish_reason=reason), HERE)
    with AnswerCache(path) as cache:
        replies = [cache.recall(call(number).key, HERE) for number in range(len(texts))]
    assert [(reply.raw, reply.finish_reason) for reply in replies if reply] == [(text, reason) for text in texts]


def test_any_sql_tool_can_read_what_was_paid_for(path: Path) -> None:
    with AnswerCache(path) as cache:
        cache.keep(call(), HERE)
    sql = "SELECT scopes.scope, model, purpose, raw, datetime(kept_at, 'unixepoch') FROM answers JOIN scopes"
    (row,) = rows(path, f"{sql} ON scopes.id = answers.scope")
    assert row == (HERE, "openai:m", "turn@3", "hello", "2030-06-01 12:00:00")


def test_many_answers_share_a_commit(path: Path) -> None:
    with AnswerCache(path) as cache:
        for number in range(1_000):
            cache.keep(call(number), HERE)
    assert rows(path, "SELECT count(*) FROM answers") == [(1_000,)]
    assert cache.commits < 100


def test_answers_become_durable_unasked(cache: AnswerCache, path: Path) -> None:
    cache.keep(call(), HERE)
    until(lambda: rows(path, "SELECT raw FROM answers") == [("hello",)])


def test_threads_may_keep_and_recall_at_once(path: Path) -> None:
    found: list[str | None] = []

    def work(cache: AnswerCache, thread: int) -> None:
        for number in range(100):
            cache.keep(call(100 * thread + number, f"{thread}/{number}"), HERE)
            found.append(answer(cache, 100 * thread + number))

    with AnswerCache(path) as cache:
        threads = [threading.Thread(target=work, args=(cache, n)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(found) == {raw for (raw,) in rows(path, "SELECT raw FROM answers")}
    assert len(found) == 600


def test_a_closed_cache_is_one_file_that_takes_and_gives_nothing(path: Path) -> None:
    with AnswerCache(path) as cache:
        cache.keep(call(), HERE)
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(CacheError, match="is closed"):
        cache.keep(call(2), HERE)
    with pytest.raises(CacheError, match="cannot be read"):
        cache.recall(call().key, HERE)
    cache.close()


def test_a_short_lock_is_waited_for(cache: AnswerCache, path: Path) -> None:
    with locked(path):
        cache.keep(call(), HERE)
        assert answer(cache) == "hello"
    until(lambda: cache.commits == 1)


def test_a_failure_that_nobody_was_told_of_is_raised_on_closing(path: Path) -> None:
    cache = AnswerCache(path, patience=0.01)
    with locked(path):
        cache.keep(call(), HERE)
        with pytest.raises(CacheError, match=r"locked for 0\.01 s: end that one, or go on with `cache=False`"):
            cache.close()


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases have no room for more than 40 pages."""
    connect = sqlite3.connect

    def cramped(*args: Any, **options: Any) -> sqlite3.Connection:
        con: sqlite3.Connection = connect(*args, **options)
        con.execute("PRAGMA max_page_count = 40")
        return con

    monkeypatch.setattr("populace.agents.gateway.cache.sqlite3.connect", cramped)


def kept_until_it_fails(cache: AnswerCache) -> CacheError:
    number = 0
    try:
        while number < 100_000:
            number += 1
            cache.keep(call(number, "x" * 100), HERE)
            time.sleep(0.001)
    except CacheError as error:
        return error
    raise AssertionError("the disk never filled")


@pytest.mark.usefixtures("small_disk")
def test_after_a_failure_every_keep_says_so_and_recall_goes_on(path: Path) -> None:
    with AnswerCache(path) as cache:
        error = kept_until_it_fails(cache)
        assert "disk is full); everything committed before is kept: free some space, or go on" in str(error)
        with pytest.raises(CacheError, match="cannot be written"):
            cache.keep(call(0), HERE)
        assert answer(cache, 1) == "x" * 100
    with AnswerCache(path) as cache:
        assert answer(cache, 1) == "x" * 100
