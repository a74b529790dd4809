"""A hub that the command line grows: begun, killed, gone on with, asked, and compared with another row by row."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
from benchmarks.lab import ROOT, Lab, Result, environment, finished, output, populace

#: Tables that hold the time of day, or who was asked how often.
_LEFT_OUT = frozenset({"jobs", "calls", "batches"})
_COLUMNS = """
SELECT table_name, list('"' || column_name || '"' ORDER BY column_index) FROM duckdb_columns()
WHERE NOT internal AND data_type <> 'TIMESTAMP' AND table_name IN
    (SELECT table_name FROM duckdb_tables() WHERE NOT internal)
GROUP BY table_name
"""
#: What was paid for and used, each answer under the question that it answers.
_ANSWERS = "(SELECT DISTINCT phase, number, owner, request_hash, raw FROM {hub}.calls WHERE outcome = 'ok')"
#: How often growth is begun that is to be killed before its end.
_TRIES = 5
_ONLY_HERE = "SELECT count(*) FROM (SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other})"


class Grown:
    """A hub that `populace grow` makes with the same options each time it is called."""

    def __init__(self, lab: Lab, texts: Path, *options: object) -> None:
        self.hub = lab.new(".duckdb")
        self._command = populace("grow", texts, "--hub", self.hub, *options)

    def grow(self) -> Result:
        """Grow it to its end, or go on with it: what the process took."""
        return finished(self._command)

    def begin(self) -> subprocess.Popen[bytes]:
        """The process that grows it, which somebody else ends."""
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(self._command, cwd=ROOT, env=environment(), stdout=nowhere, stderr=nowhere)

    def kill_at(self, people: int) -> int:
        """Begin to grow it and kill the process with -9 when so many are there; how many there were then.

        Growth that ended between two looks at it is begun anew, to be killed at half as many people.
        """
        for tried in range(_TRIES):
            found = output("benchmarks.growing", "kill", self.hub, people >> tried, *self._command)
            if found["killed"]:
                return int(found["people"])
            self.hub.unlink()
        raise SystemExit(f"Growth was to be killed {_TRIES} times, first at {people:,} people, but ended before.")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The answer of the hub, while nobody has it open."""
        with duckdb.connect(self.hub, read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        """The answer where it is one value."""
        ((value,),) = self.rows(sql)
        return value

    def graph(self) -> tuple[Result, Result]:
        """The figures of its graph, as `populace hub graph --json` gives them, and what that took."""
        took = finished(populace("hub", "graph", self.hub, "--json"))
        return json.loads(took["said"]), took


def differing(one: Grown, other: Grown) -> list[str]:
    """Tables in which the two differ in any row, times left out; and `answers`, which were paid for."""
    with duckdb.connect() as con:
        for name, grown in (("one", one), ("other", other)):
            con.execute(f"ATTACH '{grown.hub}' AS {name} (READ_ONLY)")
        con.execute("USE one")
        tables = {str(table): ", ".join(columns) for table, columns in con.execute(_COLUMNS).fetchall()}
        pairs = [(table, columns, (f"one.{table}", f"other.{table}")) for table, columns in sorted(tables.items())]
        kept = [pair for pair in pairs if pair[0] not in _LEFT_OUT]
        kept.append(("answers", "*", (_ANSWERS.format(hub="one"), _ANSWERS.format(hub="other"))))
        return [table for table, columns, both in kept if _differ(con, columns, both)]


def _differ(con: duckdb.DuckDBPyConnection, columns: str, both: Sequence[str]) -> bool:
    ways = (both, both[::-1])
    counts = [
        con.execute(_ONLY_HERE.format(columns=columns, one=one, other=other)).fetchall()[0][0] for one, other in ways
    ]
    return any(counts)
