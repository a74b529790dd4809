"""Outputs of runs as data sets: accepted rows, each with where it comes from, in the format that is asked for."""

import csv
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import orjson
from arro3.core import Table

from ...core.arrow import write_parquet
from ...core.errors import SetupError, install_extra
from ...core.files import compression_of, open_compressed, private_umask, whole_file
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
    #: Rows that were written before, by an export that was stopped.
    resumed: int

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return self.tally.rows


def export_outputs(
    runs: Sequence[Path | str] | Path | str, path: Path | str, options: DatasetOptions = _USUAL
) -> DatasetReport:
    """Write the outputs of runs to a new file, or to a new folder of files, with a card that describes them.

    Writes accepted outputs alone, unless `options.rejected`. Continues a folder whose export was stopped. Raises
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
        files, resumed = write(plan, target, tally)
        return DatasetReport(
            target.path,
            target.format,
            tuple(files),
            target.card,
            tally,
            dict(plan.without),
            split=plan.split_report,
            held_out=plan.held_out,
            resumed=resumed,
        )


def preview_outputs(
    runs: Sequence[Path], form: DatasetFormat, rows: int, options: DatasetOptions = _USUAL
) -> list[dict[str, object]]:
    """Return the first rows that `export_outputs` would write, as they would appear in JSONL."""
    options.check(form)
    with ExitStack() as stack:
        plan, tally = _make_plan(stack, runs, Target(Path("-"), form, ".jsonl"), options), ExportCounts()
        tables = (table for side in plan.sides for table, _ in plan.rows(side, tally))
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


def push_dataset(folder: Path, repository: str) -> str:
    """Upload an exported folder to a private data set of the Hugging Face hub; gives its address.

    The token is that of huggingface_hub (`HF_TOKEN`, or `hf auth login`), and so is the address (`HF_ENDPOINT`).
    Raises `SetupError` where the extra `data` is missing or the hub refuses.
    """
    if not folder.is_dir():
        raise SetupError(f"{str(folder)!r} is not a folder; only --format huggingface can be pushed to a hub.")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise SetupError(f"Pushing to a hub needs huggingface_hub: {install_extra('data')}.") from error
    hub = HfApi()
    try:
        hub.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        hub.upload_folder(repo_id=repository, repo_type="dataset", folder_path=folder)
    except Exception as error:  # errors of its HTTP library leave huggingface_hub too, and that library changes
        told = f"{str(error).strip().splitlines()[0].rstrip('.')}."
        raise SetupError(
            f"{str(folder)!r} could not be pushed to {repository!r}: {told} The folder is complete; push it again with "
            f"`hf upload {repository} {folder} --repo-type dataset`."
        ) from error
    return f"{hub.endpoint}/datasets/{repository}"


def _write_files(plan: ExportPlan, target: Target, tally: ExportCounts) -> tuple[list[Path], int]:
    """Write one file for each side and the card; all of them appear at the end, or none."""
    files = target.files(split=plan.options.split is not None)
    with ExitStack() as stack:
        parts = {side: stack.enter_context(write_new_file(path)) for side, path in files.items()}
        card = stack.enter_context(write_new_file(target.card))
        for side, part in parts.items():
            tables = (table for table, _ in plan.rows(side, tally))
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
    return list(files.values()), 0


def _write_folder(plan: ExportPlan, target: Target, tally: ExportCounts) -> tuple[list[Path], int]:
    """Write Parquet files and the card; return the files, and the number of rows that were there before.

    The folder is made as `NAME.partial` and takes its name when complete. Each file holds the rows of a range of
    outputs, and `progress.json` notes how far they go, so a stopped export continues to the same contents.
    """
    partial = target.path.with_name(f"{target.path.name}.partial")
    folder, progress, asked = partial / target.prefix, partial / "progress.json", _hash_request(plan, target)

    def note_progress(*position: int) -> None:
        with whole_file(progress, replace=True) as part:
            part.write_bytes(orjson.dumps({"asked": asked, "position": position, "tally": tally.as_json()}))

    with explain_write_errors(target.path):
        if not progress.is_file():
            if partial.exists():
                raise SetupError(f"{str(partial)!r} is in the way of the export; remove it, or give another path.")
            with private_umask(partial):
                folder.mkdir(parents=True)
            note_progress(0, 0)
        noted = orjson.loads(progress.read_bytes())
        if noted["asked"] != asked:
            raise SetupError(
                f"{str(partial)!r} holds an export that was stopped and was asked for otherwise; give the same runs "
                "and options to go on with it, or remove it."
            )
        begun, shards, *start = noted["position"]
        tally.restore(noted["tally"], folder.glob("*.parquet"))
        resumed = tally.rows
        for place, side in list(enumerate(plan.sides))[begun:]:
            for shard, (tables, position) in enumerate(_group_tables(plan.rows(side, tally, *start)), shards):
                with whole_file(folder / f"{side}-{shard:05d}.parquet", replace=True) as part:
                    write_parquet(iter(tables), part, {"populace": plan.metadata})
                note_progress(place, shard + 1, *position)
            shards, start = 0, []
        if not tally.rows:
            shutil.rmtree(partial)
            _check_rows(tally)
        with whole_file(partial / target.card.name, replace=True) as part:
            part.write_text(render_card(plan, target, tally), encoding="utf-8")
        progress.unlink()
        partial.rename(target.path)
    return sorted((target.path / target.prefix).glob("*.parquet")), resumed


def _group_tables(pages: Iterable[tuple[Table, tuple[int, int]]]) -> Iterator[tuple[list[Table], tuple[int, int]]]:
    """Yield the tables of each Parquet file, and the position after them."""
    tables: list[Table] = []
    position = (0, 0)
    for table, position in pages:
        tables.append(table)
        if sum(map(len, tables)) >= _SHARD_ROWS or sum(one.nbytes for one in tables) >= _SHARD_BYTES:
            yield tables, position
            tables = []
    if any(map(len, tables)):
        yield tables, position


def _check_rows(tally: ExportCounts) -> None:
    if not tally.rows:
        reasons = ", ".join(f"{number:,} for {reason}" for reason, number in tally.left_out.most_common())
        raise SetupError(
            f"Nothing is left to export ({reasons or 'no outputs'}); choose other kinds or another format."
        )


def _hash_request(plan: ExportPlan, target: Target) -> str:
    """Hash all that the contents of an export depend on."""
    statuses = "SELECT status, count(*) FROM outputs GROUP BY ALL ORDER BY ALL"
    runs = [[source.run, source.event_hash, source.ask(statuses)] for source in plan.sources]
    said = [target.format, asdict(plan.options), runs]
    return blake2b(orjson.dumps(said, default=str), digest_size=16).hexdigest()
