"""A new run file that begins with another's state after a step, and knows the answers that came later there."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import duckdb

from ...personas.hub.details import read_details, write_details
from .database import BusyError, check_free, connect, cursors_of, make_run_file
from .job_rows import RunRow, job_of
from .writer import Inserts

__all__ = ["COPIED", "LEFT", "copy_run"]

#: Steps are told from hops by what the numbers of their phase count.
_STEPS = "phase IN (SELECT phase FROM phases WHERE job = 1 AND unit = 'step')"
_BEFORE = f"job = 1 AND (NOT {_STEPS} OR number <= $at)"

#: The tables that are copied, each with the condition for those of its rows that step $at had already.
COPIED: Mapping[str, str] = MappingProxyType(
    {
        "passages": "true",
        "personas": "true",
        "relations": "true",
        "rulings": "true",
        "phases": "job = 1",
        "markers": _BEFORE,
        "growth_extensions": "true",
        "skipped_sources": "true",
        "frontier": "true",
        "passage_places": "true",
        "agents": "true",
        "action_fields": "true",
        "questions": "true",
        "vectors": "true",
        "interventions": "step <= $at",
        "observations": "step <= $at",
        "emissions": "step <= $at",
        "checks": "emission IN (SELECT emission FROM emissions WHERE step <= $at)",
        "agent_state": "step <= $at",
        "relation_changes": "step <= $at",
        "messages": "step <= $at",
        "duplicates": "step IS NULL OR step <= $at",
        "memories": "step <= $at",
        "measures": "step <= $at",
        "failures": _BEFORE,
        "calls": _BEFORE,
    }
)

#: The tables whose rows are not copied, and what a copy has instead.
LEFT: Mapping[str, str] = MappingProxyType(
    {
        "jobs": "a row of its own",
        "job_items": "none: what other jobs of the file work on is theirs",
        "migrations": "those that made it",
        "known_answers": "what the other run was answered after the step",
        "batches": "none: what was under way for the other run is that run's",
    }
)

#: Calls up to the step were paid for by the other run: they count nothing in the budget of this one.
_PAID_ELSEWHERE = "* REPLACE ('fork' AS source, 0.0 AS cost)"

_LATER = f"job = 1 AND {_STEPS} AND number > $at"
#: The other run may be a fork itself, and know answers that it has not asked for.
_UNASKED = f"""
SELECT known_answers.* FROM known_answers
ANTI JOIN (FROM calls WHERE raw IS NOT NULL) AS asked USING (job, phase, number, owner, request_hash, replicate)
WHERE {_LATER}
"""  # noqa: S608 - our own names

#: Rows that are in memory at a time.
_BATCH = 10_000


def copy_run(source: Path, target: Path, run: RunRow, *, at: int, with_calls: bool = True) -> None:
    """Make the run file `target`: the state of `source` after step `at`, as the run that `run` says.

    With its calls come, as known answers, those that `source` was given later. The file is there when it is whole,
    and never before. The schema of `source` must be up to date, as a reader leaves it. Raises `RunFileError` when it
    cannot be made, `BusyError` when `source` is being written.
    """
    check_free(target)
    if cursors_of(source):
        raise BusyError(f"{str(source)!r} is being written in this process; wait until that run has ended.")
    # Over a reader's connection: to attach the file would open it a second time, and closing that ends all locks on it.
    with connect(source, read_only=True) as old:
        make_run_file(target, lambda new: _fill(new, old, run, at, with_calls=with_calls))


def _fill(
    new: duckdb.DuckDBPyConnection, old: duckdb.DuckDBPyConnection, run: RunRow, at: int, *, with_calls: bool
) -> None:
    Inserts(new).write([job_of(run)])
    for table, had in COPIED.items():
        if table != "calls":
            _insert(new, table, old, f"SELECT * FROM {table} WHERE {had}", at)  # noqa: S608 - our own names
    if with_calls:
        _insert(new, "calls", old, f"SELECT {_PAID_ELSEWHERE} FROM calls WHERE {COPIED['calls']}", at)  # noqa: S608
        _keep_answers(new, old, at)
    people = [str(persona) for (persona,) in old.execute("SELECT id FROM personas").fetchall()]
    if beside := read_details(old, people):
        write_details(new, beside)


def _keep_answers(new: duckdb.DuckDBPyConnection, old: duckdb.DuckDBPyConnection, at: int) -> None:
    columns = ", ".join(new.sql("FROM known_answers LIMIT 0").columns)
    _insert(new, "known_answers", old, _UNASKED, at)
    asked = f"SELECT {columns} FROM calls WHERE raw IS NOT NULL AND {_LATER}"  # noqa: S608 - our own names
    _insert(new, "known_answers", old, asked, at)


def _insert(new: duckdb.DuckDBPyConnection, table: str, old: duckdb.DuckDBPyConnection, sql: str, at: int) -> None:
    params = {"at": at} if "$at" in sql else None
    new.register("found", old.sql(sql, params=params).to_arrow_reader(_BATCH))
    new.execute(f"INSERT INTO {table} BY NAME FROM found")
    new.unregister("found")
