"""Forking a run: it goes on from one of its steps with something changed, and pays only for what differs.

The fork is a copy of the run as it was after that step, which knows the answers that came later there.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

import duckdb
import orjson
from arro3.core import RecordBatchReader
from langchain_core.runnables import Runnable

from ..agents.endpoint.models import ModelHandle, open_model
from ..agents.gateway.call import Call
from ..agents.gateway.limits import Limits
from ..core.errors import RunFileError, SetupError, parameter
from ..core.files import remove_database
from ..personas.hub.details import read_details, write_details
from ..personas.hub.queries import registered
from ..personas.rules.personal import copy_key
from .config import ModelOptions
from .growth import Growth
from .runfile.database import BusyError, check_free, connect, cursors_of, make_run_file, run_tables
from .runfile.job_rows import OF_STEPS, JobRow, now, versions
from .runfile.reader import open_run, run_of
from .runfile.runlog import RunLog
from .runfile.writer import Inserts
from .scenario import Scenario, check_interventions, check_surveys
from .society import Society
from .trust import check_trusted, find_named, inherit_trust

_STOOD = """
SELECT (SELECT max(hop) FROM growth), (SELECT coalesce(max(step), 0) FROM steps),
       (SELECT event_hash FROM markers JOIN phases USING (job, phase)
        WHERE job = 1 AND chunk = 0 AND (unit NOT IN ('step', 'after step') OR number <= $at)
        ORDER BY markers.rowid DESC LIMIT 1)
"""

_SURVEYS = "SELECT DISTINCT survey, step FROM surveys WHERE job = 1"

_ASKED = """
SELECT count(*), count(*) FILTER (source = 'fork'), count(*) FILTER (source = 'cache'),
       count(*) FILTER (source IN ('endpoint', 'batch'))
FROM (
    SELECT arg_max(source, calls.rowid) AS source
    FROM calls JOIN phases USING (job, phase)
    WHERE unit IN ('step', 'after step') AND number > (SELECT forked_at FROM runs)
    GROUP BY phase, number, owner, request_hash, replicate
)
"""


@dataclass(frozen=True, slots=True)
class AskedSince:
    """The different requests that a fork has made since its step, by where their answers came from."""

    requests: int
    #: Answered as in the run that it was forked from; found in the cache; and sent, answered or not.
    known: int
    cached: int
    sent: int

    def sentence(self, parent: Path | str) -> str:
        """Return the counts in one sentence. `parent` is the name to use for the run it was forked from."""
        if not self.requests:
            return "No model was asked since."
        asked = "1 request" if self.requests == 1 else f"{self.requests:,} requests"
        cached = f", {self.cached:,} from the cache" if self.cached else ""
        were = "was" if self.sent == 1 else "were"
        return f"Of {asked}, {self.known:,} were answered as in {str(parent)!r}{cached} and {self.sent:,} {were} sent."


def fork(
    path: Path | str,
    scenario: type[Scenario],
    *,
    at: int,
    out: Path | str,
    settings: Mapping[str, Any] | None = None,
    steps: int | None = None,
    scenario_file: Path | None = None,
    **options: Unpack[ModelOptions],
) -> Society:
    """Return the society of the run in `path` as it was after step `at` (0: after growth), ready to `run` in `out`.

    Options that are not given are as in that run. `steps` counts the steps before the fork too. Answers of the run to
    identical requests are reused, and its cost does not count here.

    Raises `RunFileError` if there is no such state or `out` cannot be used, and `SetupError` if the request is invalid.
    """
    path, out = Path(path), Path(out)
    check_free(out)
    parent, event_hash, asked = _read_state(path, at)
    stood = parent.run_spec
    wanted = stood.steps if steps is None else steps
    if wanted <= at:
        raise SetupError(
            f"A fork at step {at} that is to run {wanted} steps in all has no step to run; give "
            f"{parameter('steps', at + 1)} or more, "
            f"or an earlier step."
        )
    model, limits = options.get("model"), options.pop("limits", None) or {}
    changed_limits = limits.model_dump(exclude_unset=True) if isinstance(limits, Limits) else limits
    named = find_named(options)
    check_trusted(path, parent, named, command=f"fork --at {at} --out {out}")
    before = scenario(stood.settings)
    changed = scenario(stood.settings | dict(settings or {}))
    check_interventions(changed, wanted, before=before, after=at)
    check_surveys(changed, wanted, asked=asked, after=at)
    handle = _choose_model(parent, model, options.get("base_url"))
    spec = stood.model_copy(
        update={
            "scenario": changed.name,
            "scenario_file": str(scenario_file) if scenario_file else stood.scenario_file,
            "settings": changed.settings.model_dump(mode="json"),
            "world": changed.world,
            "steps": wanted,
            "forked_from": parent.id,
            "forked_at": at,
        }
    )
    run = replace(_begin_job(parent, handle, changed_limits), spec=spec.as_json(), event_hash=event_hash)
    _take_journal_over(path)
    copy_run(path, out, run, at=at)
    copy_key(path, out)
    inherit_trust(parent, run, named | ({"script"} if scenario_file else set()))
    try:
        options["model"] = handle
        return Society.resume(out, scenario, **options)
    except BaseException:
        remove_database(out)
        raise


def check_fork(path: Path | str, *, at: int, out: Path | str, model: str | None = None, **named: Any) -> None:
    """Raise what `fork` raises for addresses and files that were not named on this machine.

    `named` are the options of `fork` that name them.
    """
    with open_run(Path(path)) as reader:
        parent = run_of(reader)
    check_trusted(Path(path), parent, find_named({"model": model, **named}), command=f"fork --at {at} --out {out}")


def asked_anew(path: Path | str, out: Path | str) -> str:
    """Return one sentence if the fork in `out` cannot reuse any answer of the run in `path`, else ""."""
    with open_run(path) as then, open_run(out) as now_is:
        parent, run = run_of(then), run_of(now_is)
    specs = parent.run_spec, run.run_spec
    length = [spec.settings.get("answer_tokens") for spec in specs]
    if parent.model != run.model:
        why = f"The model is {run.model} and was {parent.model}"
    elif specs[0].world != specs[1].world:
        why = "The world text, which every prompt begins with, has changed"
    elif length[0] != length[1]:
        why = f"The length of an answer is limited to {length[1]} tokens and was to {length[0]}"
    elif _read_limits(parent).sampling != _read_limits(run).sampling:
        why = "The model samples in another way"
    else:
        return ""
    return f"{why}, so no request is the same as in {str(path)!r} and everything is asked anew."


def _read_limits(run: JobRow) -> Limits:
    return Limits.model_validate_json(run.limits)


def asked_since(path: Path | str) -> AskedSince:
    """Return how much the fork in a run file has asked since its step, over all its sessions.

    Raises `RunFileError` if the run is not a fork.
    """
    with open_run(path) as run:
        if run_of(run).run_spec.forked_from is None:
            raise RunFileError(f"The run in {str(path)!r} was not forked from another; give the file of a fork.")
        return AskedSince(*run.query(_ASKED).rows[0])


def _read_state(path: Path, at: int) -> tuple[JobRow, str, Collection[tuple[str, int]]]:
    """Return the run, its event hash after step `at`, and the surveys it has asked, by name and step."""
    with open_run(path) as reader:
        if reader.is_live:
            raise BusyError(
                f"The run in {str(path)!r} is going on; wait until it has ended, or stop it, and fork it then."
            )
        run = run_of(reader)
        ((hop, lived, event_hash),) = reader.query(_STOOD, {"at": at}).rows
        asked = {(survey, step) for survey, step in reader.query(_SURVEYS).rows}
    _check_state(path, run, hop, lived, at)
    return run, event_hash, asked


def _take_journal_over(path: Path) -> None:
    """Write the answers a killed run left in its journal to its file, so that they are not paid for again."""
    if path.with_name(f"{path.name}.journal").exists():
        with suppress(RunFileError):  # where nothing can be written, the fork asks again
            RunLog.open(path).close()


def _check_state(path: Path, run: JobRow, hop: int | None, lived: int, at: int) -> None:
    hops = Growth.model_validate(run.run_spec.growth).hops
    if hop is None or hop < hops:
        stood = "before its first hop was complete" if hop is None else f"after hop {hop} of {hops}"
        raise RunFileError(
            f"The run in {str(path)!r} was stopped in its growth, {stood}, so there is no society to fork; go on with "
            f"it first: `populace resume {path}`."
        )
    if not 0 <= at <= lived:
        there = f"0 (after growth) to {lived}" if lived else "0 (after growth), for no step was run yet"
        raise RunFileError(f"The run in {str(path)!r} can be forked at step {there}, but {at} was given.")


def _begin_job(parent: JobRow, handle: ModelHandle, limits: Mapping[str, Any]) -> JobRow:
    """Return the job of a run that continues another one with this model."""
    return replace(
        parent,
        id=uuid4().hex,
        model=handle.name,
        # Text of the stand-in stays what it is, whatever model goes on.
        is_language_model=parent.is_language_model and handle.is_language_model,
        base_url=handle.endpoints,
        versions=orjson.dumps(versions()).decode(),
        status="running",
        reason=None,
        started_at=now(),
        ended_at=None,
        limits=_read_limits(parent).changed(**limits).model_dump_json(),
        prices=parent.prices if handle.name == parent.model else None,
    )


def _choose_model(
    parent: JobRow, model: str | Runnable[Any, Any] | ModelHandle | None, base_url: str | Sequence[str] | None
) -> ModelHandle:
    if isinstance(model, ModelHandle):
        return model
    if model is None or model == parent.model:
        before = parent.base_url.split() if parent.base_url else None
        return open_model(parent.model, base_url=base_url or before)
    return open_model(model, base_url=base_url)


#: Calls up to the step were paid for by the other run: they count nothing in the budget of this one.
_PAID_ELSEWHERE = "* REPLACE ('fork' AS source, 0.0 AS cost)"

_LATER = f"job = 1 AND {OF_STEPS} AND number > $at"
#: The other run may be a fork itself, and know answers that it has not asked for.
_UNASKED = f"""
SELECT known_answers.* FROM known_answers
ANTI JOIN (FROM calls WHERE raw IS NOT NULL) AS asked USING (job, phase, number, owner, request_hash, replicate)
WHERE {_LATER}
"""  # noqa: S608 - our own names

#: Rows that are in memory at a time.
_BATCH = 10_000


def copy_run(source: Path, target: Path, run: JobRow, *, at: int, with_calls: bool = True) -> None:
    """Create the run file `target` with the state of `source` after step `at`, as the run described by `run`.

    With calls, answers that `source` received later are copied as known answers. The file appears only when it is
    complete. The schema of `source` must be up to date, as a reader leaves it.

    Raises `RunFileError` if the file cannot be created, and `BusyError` if `source` is being written.
    """
    check_free(target)
    if cursors_of(source):
        raise BusyError(f"{str(source)!r} is being written in this process; wait until that run has ended.")
    # Over a reader's connection: to attach the file would open it a second time, and closing that ends all locks on it.
    with connect(source, read_only=True) as old:
        make_run_file(target, lambda new: _fill_file(new, old, run, at, with_calls=with_calls))


def _fill_file(
    new: duckdb.DuckDBPyConnection, old: duckdb.DuckDBPyConnection, run: JobRow, at: int, *, with_calls: bool
) -> None:
    Inserts(new).write([run])
    for table in run_tables():
        if table.fork and (with_calls or table.row_type is not Call):
            columns = _PAID_ELSEWHERE if table.row_type is Call else "*"
            _insert_rows(new, table.name, old, f"SELECT {columns} FROM {table.name} WHERE {table.fork}", at)  # noqa: S608
    if with_calls:
        _keep_answers(new, old, at)
    people = [str(persona) for (persona,) in old.execute("SELECT id FROM personas").fetchall()]
    if beside := read_details(old, dict(zip(people, people, strict=True))):
        write_details(new, beside)


def _keep_answers(new: duckdb.DuckDBPyConnection, old: duckdb.DuckDBPyConnection, at: int) -> None:
    columns = ", ".join(new.sql("FROM known_answers LIMIT 0").columns)
    _insert_rows(new, "known_answers", old, _UNASKED, at)
    asked = f"SELECT {columns} FROM calls WHERE raw IS NOT NULL AND {_LATER}"  # noqa: S608 - our own names
    _insert_rows(new, "known_answers", old, asked, at)


def _insert_rows(new: duckdb.DuckDBPyConnection, table: str, old: duckdb.DuckDBPyConnection, sql: str, at: int) -> None:
    params = {"at": at} if "$at" in sql else None
    with registered(new, RecordBatchReader.from_arrow(old.sql(sql, params=params)), "found"):
        new.execute(f"INSERT INTO {table} BY NAME FROM found")
