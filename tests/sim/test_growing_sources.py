"""What growth reads: a part of a pipe by chance, and what it passes over, which is kept in the file."""

import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError
from populace.personas.sources import Skip, open_sources
from populace.sim.growth import Growth
from populace.sim.growth.settings import PassageStream
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society

type Grow = Callable[..., FinishedRun]


@pytest.fixture
def grow(tmp_path: Path) -> Grow:
    """Grow people over two hops in small chunks."""

    def grown(name: str = "hub", *, limits: Limits | None = None, seed: int = 0, **growth: Any) -> FinishedRun:
        model = {key: growth.pop(key) for key in ("model", "base_url") if key in growth}
        wanted = Growth.unlimited(**({"hops": 2, "fan_outs": (3, 2), "chunk": 10} | growth))
        out = tmp_path / f"{name}.duckdb"
        return Society(GrowthOnly(), growth=wanted, out=out, limits=limits, seed=seed, **model).run()

    return grown


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Forty different texts."""
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps({"text": f"Street number {n} counts the winter."}) for n in range(40)))
    return path


def piped(monkeypatch: pytest.MonkeyPatch, corpus: Path) -> dict[str, Any]:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(corpus.read_bytes())))
    return {"sources": ("-",), "reading": {"format": "jsonl"}}


def test_a_limit_draws_from_a_pipe_whom_it_draws_from_a_file(
    grow: Grow, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = "SELECT id, ordinal FROM personas ORDER BY ordinal"
    given = {"agents": 30, "seed": 5}
    file = grow("file", sources=(str(corpus),), **given)
    pipe = grow("pipe", **piped(monkeypatch, corpus), **given)
    assert pipe.sql(people).rows == file.sql(people).rows


@pytest.mark.slow
def test_growth_from_a_pipe_goes_on_when_the_same_is_piped_again(
    grow: Grow, corpus: Path, openai_server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = {"agents": 60, "chunk": 4, "model": "openai:test", "base_url": openai_server.base_url}
    whole = grow("whole", **piped(monkeypatch, corpus), **to).event_hash
    with pytest.raises(PausedError):
        grow(**piped(monkeypatch, corpus), **to, limits=Limits(max_calls=10))
    piped(monkeypatch, corpus)
    assert Society.resume(tmp_path / "hub.duckdb", GrowthOnly, limits={"max_calls": 500}).run().event_hash == whole


SKIPPED = "SELECT kind, sum(number)::INTEGER, any_value(examples)[1] FROM skipped_sources GROUP BY kind ORDER BY kind"


@pytest.fixture
def folder(tmp_path: Path, corpus: Path) -> Path:
    """A folder with a corpus in which a line is broken, a file in another encoding, and a hidden one."""
    folder = tmp_path / "folder"
    folder.mkdir()
    lines = corpus.read_bytes().split(b"\n")
    (folder / "b.jsonl").write_bytes(b"\n".join([*lines[:20], b'{"text": "bro', *lines[20:]]))
    (folder / "a.txt").write_bytes("Café crème".encode("latin-1"))
    (folder / ".hidden").write_text("x")
    return folder


@pytest.mark.parametrize("agents", [None, 30])
def test_what_was_passed_over_is_in_the_file_with_examples(grow: Grow, folder: Path, agents: int | None) -> None:
    found = grow(sources=(str(folder),), hops=0, fan_outs=(), agents=agents).sql(SKIPPED).rows
    assert [(kind, number) for kind, number, _ in found] == [
        ("hidden", 1),
        ("in another encoding", 1),
        ("rows that cannot be read", 1),
    ]
    assert "a.txt is not UTF-8: byte 3" in found[1][2]
    assert "b.jsonl, line 21: the line is not JSON" in found[2][2]


def test_what_was_passed_over_is_counted_once_by_growth_that_was_stopped(
    grow: Grow, folder: Path, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    to = {"sources": (str(folder),), "hops": 0, "fan_outs": (), "model": "openai:test"}
    with pytest.raises(PausedError):
        grow(**to, base_url=openai_server.base_url, limits=Limits(max_calls=33, max_in_flight=1))
    run = Society.resume(tmp_path / "hub.duckdb", GrowthOnly, limits={"max_calls": 100}).run()
    assert [number for _, number, _ in run.sql(SKIPPED).rows] == [1, 1, 1]


def test_what_is_passed_over_behind_the_last_text_is_in_the_file_too(grow: Grow, tmp_path: Path) -> None:
    (folder := tmp_path / "texts").mkdir()
    for name in ("a", "c", "e"):
        (folder / f"{name}.txt").write_text("The very same words.")
    for name in ("b", "d", "f", "g"):
        (folder / f"{name}.txt").write_bytes(b"caf\xe9")
    (folder / "h.odd").write_text("x")
    run = grow(sources=(str(folder),), hops=0, fan_outs=())
    found = {kind: number for kind, number, _ in run.sql(SKIPPED).rows}
    assert found == {"in another encoding": 4, "of another kind": 1, "the same text again": 2}
    assert run.sql("SELECT count(*) FROM passages").rows[0][0] + sum(found.values()) == 8


WORDS = st.lists(st.sampled_from(["one", "two", "three", " ", "{", "5"]), max_size=5)
BYTES = st.sampled_from([b"", b"\xff", b"\0"])
FILES = st.dictionaries(st.text("abc", min_size=1, max_size=3), WORDS | BYTES, max_size=6)


@settings(max_examples=60)
@given(FILES, st.integers(1, 4))
def test_what_is_read_is_kept_merged_or_skipped(files: dict[str, list[str] | bytes], most: int) -> None:
    with TemporaryDirectory() as made:
        Path(made, "zz.jsonl").write_text('{"text": "sure"}\n')
        for name, held in files.items():
            lines = held if isinstance(held, bytes) else b"\n".join(_line(word) for word in held)
            Path(made, f"{name}.jsonl").write_bytes(lines)
        sources = open_sources([made])
        asked: set[str] = set()
        stream = PassageStream(sources, asked=asked.intersection)
        kept = []
        while taken := stream.take(most):
            kept += taken
            asked.update(item.passage.id for item in taken)
        skipped = [one for item in kept for one in item.skipped] + [*stream.rest, *sources.skips.take()]
    merged = sum(one.number for one in skipped if one.kind is Skip.REPEATED)
    assert len({item.passage.id for item in kept}) == len(kept)
    assert sources.passages == len(kept) + merged
    assert sources.skips.total == sum(one.number for one in skipped) - merged


def _line(word: str) -> bytes:
    return word.encode() if word in "{5" else orjson.dumps({"text": word})


def test_a_large_file_is_read_no_further_than_a_sample_needs(
    grow: Grow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("populace.sim.growth.settings._DRAWN_FROM", 50)
    lines = [orjson.dumps({"text": f"Street number {n} counts the winter."}) for n in range(5000)]
    (path := tmp_path / "large.jsonl").write_bytes(b"\n".join(lines))
    run = grow(sources=(str(path),), hops=0, fan_outs=(), agents=2)
    assert max(int(text.split()[2]) for (text,) in run.sql("SELECT text FROM passages").rows) < 50
