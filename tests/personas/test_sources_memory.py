"""A corpus larger than memory: what reading takes does not grow with what is read."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pytest

SENTENCE = "The lamp was lit, and the gate stayed shut; nobody came over the footbridge before nine. "
PARAGRAPH = (SENTENCE * 8).encode() + b"\n\n"
ROW = json.dumps({"text": SENTENCE * 40}).encode() + b"\n"
READER = """
import resource, sys
from populace.personas.sources import open_sources
for path in sys.argv[1:]:
    letters = sum(len(passage.text) for passage in open_sources([path], length=2000))
    print(letters, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform != "darwin" else 1024))
"""


def as_text(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "wb", compresslevel=1))


def as_rows(path: Path) -> BinaryIO:
    stream: BinaryIO = pa.output_stream(str(path), compression="zstd")
    return stream


def write(path: Path, opened: Callable[[Path], BinaryIO], piece: bytes, size: int) -> None:
    block = piece * 100
    with opened(path) as file:
        for _ in range(size // len(block)):
            file.write(block)


@pytest.mark.parametrize("size", [30_000_000, pytest.param(120_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "opened", "piece"),
    [("a.txt.gz", as_text, PARAGRAPH), pytest.param("r.jsonl.zst", as_rows, ROW, marks=pytest.mark.slow)],
)
def test_large_files_take_no_more_memory_than_small_ones(
    tmp_path: Path, name: str, opened: Callable[[Path], BinaryIO], piece: bytes, size: int
) -> None:
    paths = [tmp_path / f"small-{name}", tmp_path / name]
    write(paths[0], opened, piece, 3_000_000)
    write(paths[1], opened, piece, size)
    done = subprocess.run([sys.executable, "-c", READER, *map(str, paths)], capture_output=True, text=True, check=True)
    # Letters read, and the most memory in KiB so far.
    (_, few), (letters, many) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert letters > 0.95 * size
    assert many - few < 16 * 1024
