"""Damage anywhere in a file ends in texts or in one sentence, and in nothing else."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SourceError
from populace.personas.sources import open_sources

ROWS = [{"id": str(number), "text": f"Lock {number}. " * 40, "licence": None} for number in range(9)]
LINES = "\n".join(map(json.dumps, ROWS)).encode()
PAGE = b"<html lang='en'><title>Lock</title><body><article>" + b"<p>The gate stayed shut all day.</p>" * 20


def parquet() -> bytes:
    stream = BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), stream, row_group_size=4)
    return stream.getvalue()


def arrow() -> bytes:
    stream, table = BytesIO(), pa.Table.from_pylist(ROWS)
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


READER = """
import sys
from populace.core.errors import SourceError
from populace.personas.sources import open_sources
for path in sys.argv[1:]:
    try:
        list(open_sources([path]))
    except SourceError:
        pass
"""
WHOLE = {
    "r.parquet": parquet(),
    "r.arrow": arrow(),
    "r.jsonl": LINES,
    "r.jsonl.gz": gzip.compress(LINES, mtime=0),
    "r.jsonl.bz2": bz2.compress(LINES),
    "r.jsonl.xz": lzma.compress(LINES),
    "r.jsonl.zst": pa.Codec("zstd").compress(LINES, asbytes=True),
    "r.html": PAGE,
}


@pytest.mark.parametrize("name", WHOLE)
@holds(data=st.data(), few=20, many=60)
def test_damage_ends_in_texts_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    whole = WHOLE[name]
    at = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.integers(0, 200)) :])
    try:
        assert all(passage.text for passage in open_sources([str(path)]))
    except SourceError as error:
        said = str(error)  # that nothing is raised is as good
    else:
        said = name
    assert name in said
    assert "\n" not in said


@pytest.mark.slow
def test_what_libraries_say_of_a_file_is_not_printed(tmp_path: Path) -> None:
    paths = [tmp_path / "a.html", tmp_path / "b.pdf"]
    for path, content in zip(paths, (b"<html><p></p>\xc3\xa9", b"%PDF-1.4\nno more"), strict=True):
        path.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", READER, *map(str, paths)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
