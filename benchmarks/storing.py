"""One thing done with a hub in a process of its own: people written to a file, imported, tied, counted or exported.

Prints what it took, as JSON.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import batched
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.crowd import make_crowd
from benchmarks.people import people

from populace.personas.formats.exporting import export_hub
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import create_hub, open_hub
from populace.personas.hub.file import describe_hub
from populace.personas.hub.merge import merge_hubs

type Result = dict[str, Any]

#: Relations between people who arrived close to each other, as growth leaves them, and verdicts on one in a hundred.
_TIES = """
INSERT INTO relations
SELECT n, p.id, q.id, ['kinship', 'work', 'trade', 'care'][1 + n % 4], 'neighbour ' || n % 97, 1 + n % 6
FROM (SELECT range + 1 AS n, 1 + (range * 7919) % $people AS one, 1 + (range * 104729 + range // 3) % $people AS other
      FROM range($ties))
JOIN personas AS p ON p.ordinal = one JOIN personas AS q ON q.ordinal = other
ORDER BY n
"""
_VERDICTS = """
INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
SELECT 'persona', p.id, q.id, 'minhash', 0.95, false
FROM personas AS p JOIN personas AS q ON q.ordinal = p.ordinal - 1 WHERE p.ordinal % 100 = 0
"""


def write(given: argparse.Namespace) -> Result:
    """A file of people, as JSONL or Parquet by its ending."""
    texts = people(given.people, 1)
    if given.path.suffix == ".parquet":
        schema = pa.schema([("persona", pa.string())])
        with pq.ParquetWriter(given.path, schema) as writer:
            for some in batched(texts, 50_000):
                writer.write_table(pa.table({"persona": some}, schema=schema))
    else:
        with given.path.open("wb") as file:
            file.writelines(orjson.dumps({"persona": text}) + b"\n" for text in texts)
    return {"bytes": given.path.stat().st_size}


def bare(given: argparse.Namespace) -> Result:
    """The reference: the same file read by DuckDB into a table without ids, keys or provenance."""
    with duckdb.connect(str(given.path)) as con:
        con.execute("CREATE TABLE people AS FROM read_json_auto(?)", [str(given.file)])
    return {}


def take(given: argparse.Namespace) -> Result:
    """The file imported into a new hub."""
    with create_hub(given.path) as hub:
        (report,) = import_files(hub, [given.file], ImportOptions())
    return {"rows": report.rows, "new": report.new, "bytes": given.path.stat().st_size}


def tie(given: argparse.Namespace) -> Result:
    """Relations and verdicts put between people who are there."""
    with open_hub(given.path, write=True) as hub:
        ((there,),) = hub.con.execute("SELECT max(ordinal) FROM personas").fetchall()
        with hub.writing() as con:
            con.execute(_TIES, {"people": there, "ties": given.ties})
            con.execute(_VERDICTS)
    return {"bytes": given.path.stat().st_size}


def crowd(given: argparse.Namespace) -> Result:
    """A hub of people with profiles and relations."""
    make_crowd(given.path, given.people, given.ties, seed=1)
    return {"bytes": given.path.stat().st_size}


def look(given: argparse.Namespace) -> Result:
    """The hub opened, and then described three times; the first look finds nothing in memory."""
    began = time.perf_counter()
    with open_hub(given.path) as hub:
        opened, laps = time.perf_counter() - began, list(_laps(lambda: describe_hub(hub)))
        found = describe_hub(hub)
    return {"opened": opened, "first": laps[0], "later": min(laps), "people": found.personas, "ties": found.relations}


def give(given: argparse.Namespace) -> Result:
    """Everybody exported."""
    with open_hub(given.path) as hub:
        report = export_hub(hub, given.file)
    return {"people": report.people, "bytes": given.file.stat().st_size}


def unite(given: argparse.Namespace) -> Result:
    """The hub united with itself."""
    report = merge_hubs([given.path, given.path], given.file)
    return {"people": report.personas, "bytes": given.file.stat().st_size}


def _laps(work: Callable[[], object]) -> Iterator[float]:
    for _ in range(3):
        began = time.perf_counter()
        work()
        yield time.perf_counter() - began


WAYS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "write": write,
    "bare": bare,
    "import": take,
    "tie": tie,
    "crowd": crowd,
    "look": look,
    "export": give,
    "merge": unite,
}


def main() -> None:
    """Do one of them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("way", choices=sorted(WAYS))
    options.add_argument("path", type=Path)
    options.add_argument("--file", type=Path)
    options.add_argument("--people", type=int, default=0)
    options.add_argument("--ties", type=int, default=0)
    given = options.parse_args()
    began, cpu = time.perf_counter(), time.process_time()
    result = WAYS[given.way](given)
    took = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    json.dump({**took, **result, "peak_memory": peak}, sys.stdout)


if __name__ == "__main__":
    main()
