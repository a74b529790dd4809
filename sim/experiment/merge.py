"""The merged file of an experiment: the rows of all its runs with arm and replicate, and what is measured of each run.

It holds the tables of run files that say what happened, each with the columns `arm` and `replicate` in front, and the
tables of `merged.sql`. Bookkeeping with times in it (calls, jobs, markers) stays in the run files, so that equal runs
give equal files.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import orjson

from ...core.database import CONFIG
from ...core.errors import SetupError
from ...core.files import whole_file
from ...personas.hub.queries import registered
from ..runfile.ledger import SPENT
from ..runfile.reader import QueryError, RunReader, open_run
from ..scenario import Scenario
from .design import Experiment

#: Tables of a run file that say what happened: those in which nothing is timed.
_TABLES = """
SELECT table_name, estimated_size FROM duckdb_tables()
WHERE database_name = 'run' AND NOT list_contains($left, table_name) AND table_name NOT IN (
    SELECT table_name FROM duckdb_columns() WHERE database_name = 'run' AND data_type LIKE 'TIMESTAMP%'
)
ORDER BY table_name
"""
_LEFT = ["known_answers", "job_items", "phases", "vectors", "frontier", "skipped_sources", "failures"]
_COPY = """SELECT $arm AS arm, CAST($replicate AS INTEGER) AS replicate, {columns} FROM run."{table}" """
_COLUMNS_OF = {
    # Attempts depend on the endpoint's day and not on the run.
    "failures": "phase, number, step, agent, purpose, outcome, reason",
    "steps": "step, active, acted, failed, world_state, event_hash",
    # Several answers to one request are replicates too, of another kind.
    **dict.fromkeys(("answers", "solutions"), "* RENAME (replicate AS repetition)"),
}
_RUN = """
SELECT seed, model, is_language_model AND EXISTS (SELECT 1 FROM calls), event_hash, (SELECT count(*) FROM agents),
       (SELECT count(*) FROM steps), (SELECT count(*) FROM failures), scenario
FROM runs
"""


class MergedFile:
    """Writes the merged file of finished runs."""

    def __init__(self, con: duckdb.DuckDBPyConnection, experiment: Experiment | None = None) -> None:
        """Create the tables. `experiment` says what is measured. Without one, nothing is measured."""
        self._con = con
        self._experiment = experiment
        self._values: list[tuple[Any, ...]] = []
        self._checks: list[tuple[Any, ...]] = []
        self._runs: list[tuple[Any, ...]] = []
        #: Whether any run asked a language model.
        self._is_model = False
        self._made: set[str] = set()
        con.execute(files(__package__ or "").joinpath("merged.sql").read_text("utf-8"))

    def add_runs(self, run_files: Mapping[tuple[str, int], Path]) -> None:
        """Measure and copy runs, given by arm and replicate."""
        # Measured first, since an outcome that cannot be measured is found soon.
        for (arm, replicate), path in run_files.items():
            self._measure_run(arm, replicate, path)
        for (arm, replicate), path in run_files.items():
            self._copy_run(arm, replicate, path)
        self._insert_rows("runs", self._runs)

    def _measure_run(self, arm: str, replicate: int, path: Path) -> None:
        with open_run(path) as run:
            seed, model, is_language_model, event_hash, agents, steps, failures, _ = run.query(_RUN).rows[0]
            calls, _, asked, answered, _, _, cost, *_ = run.query(SPENT, {"job": 1}).rows[0]
            took = (event_hash, agents, steps, calls, asked, answered, cost, failures)
            self._runs.append((arm, replicate, path.name, seed, model, is_language_model, *took))
            self._is_model |= bool(is_language_model)
            self._measure_outcomes(run, arm, replicate)

    def _measure_outcomes(self, run: RunReader, arm: str, replicate: int) -> None:
        if self._experiment is None:
            return
        for outcome in self._experiment.outcomes:
            where = f"The outcome {outcome.name!r}"
            for row in _read_values(run, outcome.sql, where):
                self._values.append((outcome.name, arm, replicate, *row))
        for check in self._experiment.checks:
            if arm not in {one.name for one in self._experiment.arms_of(check.arm)}:
                continue
            rows = _read_values(run, check.sql, f"The check {check.name!r}")
            if len(rows) != 1:
                raise SetupError(f"The check {check.name!r} gives {len(rows)} rows; let it give one number of a run.")
            value = rows[0][2]
            low, high = check.low, check.high
            passed = value is not None and (low is None or value >= low) and (high is None or value <= high)
            self._checks.append((check.name, arm, replicate, value, low, high, passed))

    def _copy_run(self, arm: str, replicate: int, path: Path) -> None:
        con, named = self._con, {"arm": arm, "replicate": replicate}
        con.execute(f"ATTACH '{str(path.absolute()).replace("'", "''")}' AS run (READ_ONLY)")
        try:
            tables = [*con.execute(_TABLES, {"left": _LEFT}).fetchall(), ("failures", 1), ("steps", 1)]
            for table, size in tables:
                query = _COPY.format(table=table, columns=_COLUMNS_OF.get(table, "*"))
                if table not in self._made:
                    con.execute(f'CREATE TABLE "{table}" AS {query}', named)
                    self._made.add(table)
                elif size:
                    con.execute(f'INSERT INTO "{table}" {query}', named)
        finally:
            con.execute("DETACH run")

    def write_design(
        self, experiment: Experiment, scenario: type[Scenario], registered: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write the experiment and its measurements."""
        arms = experiment.all_arms
        # What is tested leaves the runs as they are, so it is no part of their design.
        design = orjson.dumps(experiment.design(scenario) | {"people_design": experiment.people_design}).decode()
        name = experiment.name or scenario.name
        analysed = (experiment.alpha, experiment.correction, experiment.replicates, self._is_model)
        self._insert_rows("experiment", [(name, scenario.name, design, experiment.paired, *analysed)])
        given = [orjson.dumps(dict(arm.levels), default=str).decode() for arm in arms]
        self._insert_rows(
            "arms", [(n, arm.name, levels) for n, (arm, levels) in enumerate(zip(arms, given, strict=True), 1)]
        )
        places = {factor: [*map(str, levels)] for factor, levels in experiment.factors.items()}
        crossed = [(arm.name, *one) for arm in arms if places for one in arm.levels.items()]
        self._insert_rows(
            "levels", [(arm, f, str(level), places[f].index(str(level)) + 1) for arm, f, level in crossed]
        )
        self._insert_rows("outcome_values", self._values)
        self._insert_rows("manipulation_checks", self._checks)
        self._insert_rows("outcomes", [(n, o.name, o.sql, o.description) for n, o in enumerate(experiment.outcomes, 1)])
        for number, one in enumerate(experiment.hypotheses, 1):
            now = orjson.loads(orjson.dumps(asdict(one)))
            # An earlier version did not register every field.
            is_registered = any(was.items() <= now.items() for was in registered)
            stated = (one.outcome, one.arm, one.against, one.direction, one.effect, one.sd)
            self._insert_rows("hypotheses", [(number, *stated, is_registered)])

    def write_arms(self) -> None:
        """Write which two runs are compared."""
        self._insert_rows("experiment", [("comparison", None, None, True, None, "none", 1, self._is_model)])
        self._insert_rows("arms", [(place, arm, "{}") for place, (arm, *_) in enumerate(self._runs, 1)])

    def _insert_rows(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        names = [name for (name, *_) in self._con.execute(f"DESCRIBE {table}").fetchall()]
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        with registered(self._con, columns, "_rows"):
            self._con.execute(f"INSERT INTO {table} BY NAME FROM _rows")


def write_merged(
    path: Path,
    experiment: Experiment,
    scenario: type[Scenario],
    run_files: Mapping[tuple[str, int], Path],
    registered: Sequence[Mapping[str, Any]],
) -> None:
    """Write the merged file of finished runs in place of an earlier one.

    Raises `SetupError` for an outcome or a check that cannot be measured.
    """
    with _open_written(path, replace=True) as con:
        merged = MergedFile(con, experiment)
        merged.add_runs(run_files)
        merged.write_design(experiment, scenario, registered)


def write_pair(path: Path, runs: Mapping[str, Path]) -> None:
    """Write two runs into one file, as arms of these names, so that SQL can compare them.

    Raises `FileExistsError` if the path is taken, and what `open_run` raises.
    """
    with _open_written(path, replace=False) as con:
        merged = MergedFile(con)
        merged.add_runs({(arm, 1): file for arm, file in runs.items()})
        merged.write_arms()


@contextmanager
def _open_written(path: Path, *, replace: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a database that becomes `path`, read-only, if the block succeeds."""
    # Runs are attached, so unlike every other file this one is written with access to others.
    config = dict(CONFIG) | {"enable_external_access": "true", "lock_configuration": "false"}
    with whole_file(path.absolute(), replace=replace) as part:
        part.unlink()
        with duckdb.connect(str(part), config=config) as con:
            yield con
            con.execute("CHECKPOINT")
    with suppress(OSError):  # a file system without modes
        path.chmod(path.stat().st_mode & ~0o222)


#: What the columns of an outcome can be called.
_COLUMNS = {"value", "agent", "group_name", "weight"}


def check_queries(experiment: Experiment, people: Path) -> None:
    """Raise `SetupError` if the SQL of an outcome or check names something that no run has.

    The queries are run on the file of the personas. It has all tables of a run, and the tables that came with its
    personas.
    """
    asked = [(f"The outcome {one.name!r}", one.sql) for one in experiment.outcomes]
    asked += [(f"The check {one.name!r}", one.sql) for one in experiment.checks]
    with open_run(people) as run:
        for where, sql in asked:
            try:
                found = run.query(sql)
            except QueryError as error:
                raise SetupError(f"{where} cannot be asked of a run: {error}") from error
            check_columns(found.columns, where)


def check_columns(columns: Sequence[str], where: str) -> list[str]:
    """Return the columns of an outcome by their meaning. Raises `SetupError` for other columns."""
    names = ["value"] if len(columns) == 1 else list(columns)
    if "value" not in names or (other := set(names) - _COLUMNS):
        said = "has no column `value`" if "value" not in names else f"has columns {', '.join(sorted(other))} too"
        raise SetupError(f"{where} {said}; its columns are value, and perhaps agent, group_name and weight.")
    return names


def _read_values(run: RunReader, sql: str, where: str) -> list[tuple[str | None, str | None, float | None, float]]:
    """Return agent, group, value and weight of each row of a query.

    Raises `SetupError` if the query fails or its result has another form.
    """
    try:
        found = run.query(sql)
    except QueryError as error:
        raise SetupError(f"{where} cannot be asked of {str(run.path)!r}: {error}") from error
    names = check_columns(found.columns, where)
    if len(names) == 1 and len(found.rows) != 1:
        raise SetupError(
            f"{where} gives {len(found.rows)} rows of one column; let it give one number of a run, or a column "
            f"`agent` beside `value`."
        )
    read = []
    for row in found.rows:
        one = dict(zip(names, row, strict=True))
        try:
            value = None if one["value"] is None else float(one["value"])
            weight = float(one.get("weight", 1.0))
        except (TypeError, ValueError) as error:
            raise SetupError(f"{where} gives {one['value']!r:.80}, which is no number ({error}).") from error
        if weight < 0 or weight != weight:
            raise SetupError(f"{where} gives the weight {weight!r}; weights are numbers from 0.")
        read.append((one.get("agent"), one.get("group_name"), value, weight))
    return read
