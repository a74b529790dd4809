"""A key is planted and everything is searched that was written, said, or could be seen in the process list."""

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb
import pytest
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Backoff

from .conftest import Ask

KEY = "sk-planted-4f9c2d7e1b"
PASSWORD = "planted-pass-83ab"
TOKEN = "planted-token-55e0"
PLANTED = (KEY, PASSWORD, TOKEN)

SMALL = ("--agents", 6, "--hops", 1, "--steps", 1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("populace.agents.gateway.client.Backoff", partial(Backoff, base=0.001))
    with OpenAIServer(key=KEY) as server:
        yield server


def held_in(database: Path) -> str:
    """Everything in a DuckDB file as text: in the file itself, strings are compressed."""
    with duckdb.connect(database, read_only=True) as con:
        tables = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return repr([con.execute(f'FROM "{table}"').fetchall() for table in tables])


def leaks(folder: Path, *said: object) -> list[str]:
    """Where a planted secret is found: in a file of the folder, in a database, or in what was said."""
    found = [f"said: {text}" for text in map(str, said) if any(secret in text for secret in PLANTED)]
    for path in folder.rglob("*"):
        if path.is_file():
            written = path.read_bytes().decode(errors="replace")
            written += held_in(path) if path.suffix == ".duckdb" else ""
            found += [str(path) for secret in PLANTED if secret in written]
    return found


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "run.duckdb") as con:
        con.execute("CREATE TABLE kept AS SELECT ? AS key FROM range(5000)", [KEY])
    (tmp_path / "notes.txt").write_text(f"password: {PASSWORD}")
    assert len(leaks(tmp_path, f"the token is {TOKEN}")) == 3


@pytest.mark.slow
def test_no_command_writes_or_says_the_key(ask: Ask, folder: Path, server: OpenAIServer) -> None:
    url = ("--base-url", server.base_url)
    said = [
        ask("check", "endpoint", "--model", "openai:test", *url),
        ask("run", "village", "--estimate", *SMALL, "--model", "openai:test", *url, "--sample", 4),
        ask("run", "village", *SMALL, "--model", "openai:test", *url, "--cache", "answers.sqlite", "--max-calls", 4),
        ask("resume", "village.duckdb", "--max-calls", 500),
        ask("check", "replay", "village.duckdb", "--out", "again.duckdb"),
        ask("fork", "village.duckdb", "--at", 0, "--set", "memory=1", "--out", "fork.duckdb"),
        ask("report", "village.duckdb"),
        ask("sql", "village.duckdb", "FROM runs"),
    ]
    assert [s.code for s in said] == [0, 0, 3, 0, 0, 0, 0, 0]
    assert server.calls > 12
    assert leaks(folder, *said) == []


def test_an_endpoint_that_says_the_key_back_is_not_quoted(ask: Ask, folder: Path, server: OpenAIServer) -> None:
    server.key = "another"
    said = ask("run", "village", *SMALL, "--model", "openai:test", "--base-url", server.base_url)
    said.complains(1, "401", "OPENAI_API_KEY")
    assert leaks(folder, said) == []


@pytest.mark.slow
def test_what_an_address_holds_is_not_kept(ask: Ask, folder: Path, server: OpenAIServer) -> None:
    server.key = ""
    host = server.base_url.removeprefix("http://")
    for name, url in {"one": f"http://user:{PASSWORD}@{host}", "two": f"http://{host}?api_key={TOKEN}"}.items():
        said = ask("run", "village", *SMALL, "--model", "openai:test", "--base-url", url, "--out", f"{name}.duckdb")
        assert said.code == 0
        assert leaks(folder, said) == []
    nobody = f"http://user:{PASSWORD}@127.0.0.1:1/v1?api_key={TOKEN}"
    said = ask("run", "village", *SMALL, "--model", "openai:test", "--base-url", nobody, "--out", "three.duckdb")
    said.complains(1, "Nothing answers at http://127.0.0.1:1/v1")
    assert leaks(folder, said) == []


@pytest.mark.slow
def test_the_process_list_does_not_show_the_key(folder: Path, server: OpenAIServer) -> None:
    server.hold(10_000)
    command = [sys.executable, "-m", "populace", "run", "village", *map(str, SMALL)]
    with subprocess.Popen(
        [*command, "--model", "openai:test", "--base-url", server.base_url], stderr=subprocess.DEVNULL
    ) as process:
        try:
            for _ in range(6000):
                if server.in_flight:
                    break
                time.sleep(0.05)
            assert server.in_flight
            shown = Path(f"/proc/{process.pid}/cmdline").read_text()
        finally:
            process.kill()
    assert "village" in shown
    assert KEY not in shown
