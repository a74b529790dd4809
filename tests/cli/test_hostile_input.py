"""Whatever is given to a command in place of what it takes: one sentence, exit code 1 or 2, and nothing left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from .conftest import Ask

#: Commands that read a run file or a hub, with @ for its path.
READ = """
sql @ FROM_runs
report @ --out page.html
resume @
replay @
fork @ --at 0 --out new.duckdb
hub info @
hub export @ new.jsonl
hub dedup @
hub undo @ --persona x
hub merge @ hub.duckdb --out new.duckdb
hub check @
hub enrich @
hub graph @
hub sample @ --n 1
hub import people.jsonl --hub @
grow people.jsonl --hub @ --hops 0 --limit 1
grow --people @ --hub new.duckdb --hops 0 --limit 1
run village --hub @ --out new.duckdb --agents 2 --hops 0 --steps 1
run village --cache @ --out new.duckdb --agents 2 --hops 0 --steps 1
hub enrich hub.duckdb --cache @
"""
#: Commands that read texts, tables or scripts.
TEXTS = """
hub import @ --hub new.duckdb
hub sample hub.duckdb --n 1 --targets @
grow @ --hub new.duckdb --hops 0 --limit 1
run village --seeds @ --out new.duckdb --agents 2 --hops 0 --steps 1
estimate village --seeds @ --agents 2 --hops 0 --steps 1
run ./@ --out new.duckdb
"""
#: Commands that write a file.
WRITE = """
run village --out @ --agents 2 --hops 0 --steps 1
fork run.duckdb --at 0 --out @
replay run.duckdb --out @
report run.duckdb --out @
hub merge hub.duckdb run.duckdb --out @
hub export hub.duckdb @ --format jsonl
hub export run.duckdb @ --format graphml
hub sample hub.duckdb --n 1 --out @
hub graph run.duckdb --picture @
"""
NAMES = ("folder", "pipe", "circle", "n" * 300, "run.duckdb/inside", "no/such", "-")
DAMAGED = ("binary", "nul.jsonl", "cut.duckdb", "cut.parquet", "cut.jsonl.gz", "cut.jsonl", "deep.jsonl", "cut.arrow")


def commands(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture
def places(folder: Path, run_file: Path) -> Iterator[None]:
    """A folder with a run, a hub, and everything that looks like a file and is none; waiting for ever is a failure."""
    (folder / "people.jsonl").write_text('{"text": "A baker who lights the oven at three in the morning."}\n')
    whole = run_file.read_bytes()
    (folder / "hub.duckdb").write_bytes(whole)
    (folder / "folder").mkdir()
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    content = {
        "binary": bytes(range(256)) * 40,
        "nul.jsonl": b"\0\0\n",
        "cut.duckdb": whole[:20_000],
        "cut.jsonl": b'{"text": "A ba',
        "cut.jsonl.gz": b"\x1f\x8b\x08\0\0\0\0\0",
        "cut.arrow": b"ARROW1\0\0",
        "deep.jsonl": b"[" * 100_000,
    }
    parquet.write_table(pa.table({"text": ["A baker."]}), folder / "cut.parquet")
    content["cut.parquet"] = (folder / "cut.parquet").read_bytes()[:-20]
    for name, data in content.items():
        (folder / name).write_bytes(data)
    signal.signal(signal.SIGALRM, _waited)
    signal.alarm(600)
    yield
    signal.alarm(0)


def _waited(*_: object) -> None:
    raise AssertionError("A command waits for ever.")


def held(folder: Path) -> dict[str, int]:
    """What is in the folder, with the time of the last change; a hub that is opened may be brought up to date."""
    return {path.name: path.lstat().st_mtime_ns * (path.name != "hub.duckdb") for path in folder.iterdir()}


def refused(ask: Ask, folder: Path, command: str, names: tuple[str, ...]) -> None:
    """Each of the names, in place of @, is refused in one sentence that leaves nothing."""
    before = held(folder)
    for name in names:
        said = ask(*(word.replace("@", name).replace("_", " ") for word in command.split()))
        assert said.code in (1, 2), (name, said)
        said.complains(said.code)
        assert held(folder) == before, (name, said)


@pytest.mark.slow
@pytest.mark.parametrize("command", commands(READ))
def test_what_is_no_database_is_refused(ask: Ask, folder: Path, places: None, command: str) -> None:
    refused(ask, folder, command, (*NAMES[:5], "binary", "cut.duckdb", "cut.parquet"))


@pytest.mark.parametrize("command", commands(TEXTS))
def test_what_is_no_text_is_refused(ask: Ask, folder: Path, places: None, command: str) -> None:
    refused(ask, folder, command, (*NAMES[:-1], *DAMAGED))


@pytest.mark.slow
@pytest.mark.parametrize("command", commands(WRITE))
def test_where_no_file_can_be_nothing_is_written(ask: Ask, folder: Path, places: None, command: str) -> None:
    # Exports go to standard output when - is asked for; a report and a replay are at work before they write.
    names = NAMES[:-1] if "export" in command else ("pipe", "circle") if command[:3] in {"rep", "for"} else NAMES
    refused(ask, folder, command, names)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("resume run.duckdb --cache c --no-cache", ("--cache and --no-cache",)),
        ("hub sample hub.duckdb --drop x --n 3", ("--drop goes with no other option",)),
        ("run village --out o --base-url http://127.0.0.1:9/v1", ("procedural", "127.0.0.1:9", "--model")),
        ("run village --out o --embeddings-url http://127.0.0.1:9/v1", ("--embeddings-url", "add --embeddings")),
        ("run village --out o --model openai:x --base-url @", ("A base URL is empty",)),
        ("grow @ --hub new.duckdb", ("A source is ''",)),
        ("hub import - --hub new.duckdb", ("Standard input (-) is not read here",)),
        ("hub dedup hub.duckdb --threshold nan", ("'--threshold'", "nan is no number")),
        ("check endpoint --model openai:x --timeout nan", ("'--timeout'", "nan is no number")),
        ("hub enrich hub.duckdb --n 99999999999999999999", ("'--n'", "is out of range")),
        ("fork run.duckdb --at 0 --out o --steps 99999999999999999999", ("'--steps'", "is out of range")),
        ("hub info @", ("is a folder",)),
    ],
)
def test_what_contradicts_itself_or_is_no_number_is_refused(
    ask: Ask, folder: Path, places: None, command: str, words: tuple[str, ...]
) -> None:
    before = held(folder)
    ask(*(word.replace("@", "") for word in command.split())).complains(2, *words)
    assert held(folder) == before
