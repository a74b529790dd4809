"""Outputs of runs as data sets: accepted rows, each with where it comes from, in the format that is asked for."""

import csv
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
from arro3.core import Table

from ...core.arrow import write_parquet
from ...core.errors import SetupError
from ...core.files import compression_of, open_compressed, private_umask
from ...core.writers import check_free, explain_write_errors, write_csv, write_new_file
from .card import render_card
from .options import DatasetOptions, SplitReport, Target, find_target
from .plan import ExportCounts, ExportPlan
from .shapes import DatasetFormat
from .source import OutputSource

_USUAL = DatasetOptions()
#: A Parquet file of a folder is closed when it holds so many rows or bytes.
_SHARD_ROWS, _SHARD_BYTES = 100_000, 1 << 26


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What an export wrote."""

    path: Path
    format: DatasetFormat
    #: The files of rows.
    files: tuple[Path, ...]
    card: Path
    tally: ExportCounts
    #: Outputs of kinds that the format has no place for, by kind.
    without: dict[str, int]
    split: SplitReport | None
    #: Accepted outputs that are not there because the runs hold them out for measuring.
    held_out: int

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return self.tally.rows


def export_outputs(
    runs: Sequence[Path | str] | Path | str, path: Path | str, options: DatasetOptions = _USUAL
) -> DatasetReport:
    """Write the outputs of runs to a new file, or to a new folder of files, with a card that describes them.

    Writes accepted outputs alone, unless `options.rejected`. Raises
    `SetupError` for an existing file, for kinds that the format has no place for, and when nothing is left to write;
    `RunFileError` for what is not a run file; `StorageError`.
    """
    path, paths = Path(path), [Path(run) for run in ([runs] if isinstance(runs, Path | str) else runs)]
    target = find_target(path, options.format)
    options.check(target.format)
    if target.ending:
        for taken in (*target.files(split=options.split is not None).values(), target.card):
            check_free(taken)
    else:
        check_free(path)
    with ExitStack() as stack:
        plan, tally = _make_plan(stack, paths, target, options), ExportCounts()
        write = _write_files if target.ending else _write_folder
        files = write(plan, target, tally)
        return DatasetReport(
            target.path,
            target.format,
            tuple(files),
            target.card,
            tally,
            dict(plan.without),
            split=plan.split_report,
            held_out=plan.held_out,
        )


def preview_outputs(
    runs: Sequence[Path], form: DatasetFormat, rows: int, options: DatasetOptions = _USUAL
) -> list[dict[str, object]]:
    """Return the first rows that `export_outputs` would write, as they would appear in JSONL."""
    options.check(form)
    with ExitStack() as stack:
        plan, tally = _make_plan(stack, runs, Target(Path("-"), form, ".jsonl"), options), ExportCounts()
        tables = (table for side in plan.sides for table in plan.rows(side, tally))
        return list(islice((row for table in tables for row in plan.readable(table)), rows))


def _make_plan(stack: ExitStack, runs: Sequence[Path], target: Target, options: DatasetOptions) -> ExportPlan:
    if not runs:
        raise SetupError("No run is given; name at least one run file to export.")
    sources: dict[str, OutputSource] = {}
    for run in runs:
        source = OutputSource(Path(run), rejected=options.rejected, grant=options.licence, held_out=options.held_out)
        stack.enter_context(source)
        if sources.setdefault(source.run, source) is not source:
            raise SetupError(f"{str(run)!r} is named twice; name each run once.")
    return ExportPlan(list(sources.values()), target, options)


def _write_files(plan: ExportPlan, target: Target, tally: ExportCounts) -> list[Path]:
    """Write one file for each side and the card; all of them appear at the end, or none."""
    files = target.files(split=plan.options.split is not None)
    with ExitStack() as stack:
        parts = {side: stack.enter_context(write_new_file(path)) for side, path in files.items()}
        card = stack.enter_context(write_new_file(target.card))
        for side, part in parts.items():
            tables = plan.rows(side, tally)
            if target.ending == ".parquet":
                write_parquet(tables, part, {"populace": plan.metadata})
                continue
            with open_compressed(part, compression_of(target.path)) as file:
                if target.ending == ".csv":
                    # Some readers take a bare carriage return for the end of a row.
                    write_csv(tables, file, quoting=csv.QUOTE_ALL)
                else:
                    file.writelines(orjson.dumps(row) + b"\n" for table in tables for row in plan.readable(table))
        _check_rows(tally)
        card.write_text(render_card(plan, target, tally), encoding="utf-8")
    return list(files.values())


def _write_folder(plan: ExportPlan, target: Target, tally: ExportCounts) -> list[Path]:
    """Write Parquet files and the card to a folder, which is made as `NAME.partial` and renamed when complete."""
    partial = target.path.with_name(f"{target.path.name}.partial")
    if partial.exists():
        raise SetupError(f"{str(partial)!r} is left from an export that was killed; remove it, or give another path.")
    try:
        with explain_write_errors(target.path), private_umask(partial):
            (partial / target.prefix).mkdir(parents=True)
            for side in plan.sides:
                for shard, tables in enumerate(_group_tables(plan.rows(side, tally))):
                    path = partial / target.prefix / f"{side}-{shard:05d}.parquet"
                    write_parquet(iter(tables), path, {"populace": plan.metadata})
            _check_rows(tally)
            (partial / target.card.name).write_text(render_card(plan, target, tally), encoding="utf-8")
            partial.rename(target.path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sorted((target.path / target.prefix).glob("*.parquet"))


def _group_tables(pages: Iterable[Table]) -> Iterator[list[Table]]:
    """Yield the tables of each Parquet file."""
    tables: list[Table] = []
    for table in pages:
        tables.append(table)
        if sum(map(len, tables)) >= _SHARD_ROWS or sum(one.nbytes for one in tables) >= _SHARD_BYTES:
            yield tables
            tables = []
    if any(map(len, tables)):
        yield tables


def _check_rows(tally: ExportCounts) -> None:
    if not tally.rows:
        reasons = ", ".join(f"{number:,} for {reason}" for reason, number in tally.left_out.most_common())
        raise SetupError(
            f"Nothing is left to export ({reasons or 'no outputs'}); choose other kinds or another format."
        )
