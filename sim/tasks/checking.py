"""Verdicts on finished outputs that no model gave: a job that is done when it begins, and can be undone."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import orjson

from ...personas.hub.file import open_hub
from ...personas.table import Row
from ..runfile.job_rows import CHECKING, JobRow, now, versions
from ..runfile.rows import CheckRow
from ..runfile.runlog import RunLog
from ..runfile.writer import Inserts

_UNDO = """DELETE FROM checks WHERE "check" = $check AND job IN (SELECT job FROM jobs WHERE kind = $kind)"""
_UNDONE = """
UPDATE jobs SET status = 'abandoned', reason = 'Undone.'
WHERE kind = $kind AND spec ->> '$.check' = $check AND status = 'finished'
"""


def record_verdicts(
    path: Path | str, check: str, spec: Mapping[str, Any], failed: Iterable[tuple[int, str, float | None]]
) -> int:
    """Store a check's verdicts on outputs that failed it: number, reason and score. Returns the number of the job.

    The job's row records with `spec` what was compared, even if nothing failed. Raises what `record_rows` raises.
    """

    def rows(number: int) -> list[CheckRow]:
        return [CheckRow(emission, check, "failed", why, score, 1, number) for emission, why, score in failed]

    return record_rows(path, {"check": check, **spec}, rows)


def record_rows(
    path: Path | str, spec: Mapping[str, Any], rows: Callable[[int], Iterable[Row]], *, replaces: str = ""
) -> int:
    """Store rows that no model produced, in one transaction with their job, and return the job's number.

    First deletes all rows of the table `replaces`. Raises `RunFileError` if the file is not a run file, or is in use.
    """
    path, at = Path(path), now()
    job = JobRow(
        job=0,
        id=uuid4().hex,
        kind=CHECKING,
        spec=orjson.dumps(spec).decode(),
        seed=0,
        model="none",
        is_language_model=True,  # nothing was written, so there is nothing to be told from a language model's
        base_url=None,
        embedding_model=None,
        embedding_url=None,
        limits="{}",
        prices=None,
        cache=None,
        batch=False,
        versions=orjson.dumps(versions()).decode(),
        status="finished",
        reason=None,
        event_hash=None,
        started_at=at,
        ended_at=at,
    )

    def fill(con: duckdb.DuckDBPyConnection, number: int) -> None:
        if replaces:
            con.execute(f"DELETE FROM {replaces}")  # noqa: S608 - our own words
        Inserts(con).write(list(rows(number)))

    with RunLog.begin(path, job, fill) as log:
        return log.job


def undo_verdicts(path: Path | str, check: str) -> int:
    """Remove the verdicts that `record_verdicts` stored for a check, and return their number."""
    given = {"check": check, "kind": CHECKING}
    with open_hub(path, write=True) as hub, hub.writing() as con:
        ((count,),) = con.execute(_UNDO, given).fetchall()
        con.execute(_UNDONE, given)
    return int(count)
