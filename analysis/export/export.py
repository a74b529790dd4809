"""Outputs of runs as data sets: accepted rows, each with where it comes from, in the format that is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import orjson

from ...core.errors import SetupError, install_extra
from .card import Card
from .options import DatasetOptions, Layout, Mix, MixPart, Target, target_of
from .plan import ExportPlan
from .shapes import DatasetFormat
from .source import OutputSource
from .split import SplitReport
from .writing import ExportCounts, ExportPosition, ShardFolder, SplitRows, check_new, write_rows

_USUAL = DatasetOptions()


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
    #: Rows that were wanted by a recipe and are not there.
    missing: int = 0
    split: SplitReport | None = None
    #: Accepted outputs that are not there because the runs hold them out for measuring.
    held_out: int = 0
    #: Rows that were written before, by an export that was stopped.
    resumed: int = 0

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return self.tally.rows


def export_outputs(runs: Sequence[Path] | Mix, path: Path, options: DatasetOptions = _USUAL) -> DatasetReport:
    """Write the outputs of runs to a new file, or to a new folder of files, with a card that describes them.

    Accepted outputs alone, unless `options.rejected`. A folder whose export was stopped is continued. Raises
    `SetupError` for what is there already, for kinds that the format has no place for, for text of the stand-in that
    is not allowed, and when nothing is left to write; `RunFileError` for what is no run file; `StorageError`.
    """
    target = target_of(path, options.format)
    options.check(target.format, target.layout)
    files = target.files(split=options.split is not None)
    for taken in (target.path,) if target.layout.is_folder else (*files.values(), target.card):
        check_new(taken)
    with ExitStack() as stack:
        plan = _planned(stack, runs, target, options)
        if target.layout.is_folder:
            return _to_folder(plan, target)
        return _to_files(plan, target, files)


def preview_outputs(
    runs: Sequence[Path] | Mix, form: DatasetFormat, rows: int, options: DatasetOptions = _USUAL
) -> list[dict[str, object]]:
    """The first rows that `export_outputs` would write, as they would stand in a file of JSONL."""
    options.check(form, Layout.JSONL)
    with ExitStack() as stack:
        plan = _planned(stack, runs, Target(Path("-"), form, Layout.JSONL), options)
        found = (
            row for some in plan.rows(ExportCounts()) for table in some.sides.values() for row in plan.readable(table)
        )
        return list(islice(found, rows))


def preview_card(runs: Sequence[Path]) -> str:
    """Return the card that an export of these runs to JSONL would have."""
    target, tally = Target(Path("-"), DatasetFormat.JSONL, Layout.JSONL), ExportCounts()
    with ExitStack() as stack:
        plan = _planned(stack, runs, target, _USUAL)
        for _ in plan.rows(tally):
            pass
        return Card(plan, target, tally).text()


def _planned(stack: ExitStack, runs: Sequence[Path] | Mix, target: Target, options: DatasetOptions) -> ExportPlan:
    mix = runs if isinstance(runs, Mix) else Mix(tuple(MixPart(Path(run)) for run in runs))
    if not mix.parts:
        raise SetupError("No run is given; name at least one run file to export.")
    sources = [
        stack.enter_context(
            OutputSource(part.file, rejected=options.rejected, grant=options.licence, held_out=options.held_out)
        )
        for part in mix.parts
    ]
    names = [source.run for source in sources]
    if len(set(names)) < len(names):
        raise SetupError(
            f"{str(mix.parts[names.index(max(names, key=names.count))].file)!r} is named twice; name each run once."
        )
    return ExportPlan(sources, mix, target, options)


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


def _to_files(plan: ExportPlan, target: Target, files: Mapping[str, Path]) -> DatasetReport:
    tally = ExportCounts()
    rows = _some(plan.rows(tally), plan, tally)
    card = (target.card, lambda: Card(plan, target, tally).text())
    write_rows(rows, files, target.layout, embedded=plan.embedded, metadata=plan.metadata, card=card)
    return _report(plan, target, tuple(files.values()), target.card, tally)


def _to_folder(plan: ExportPlan, target: Target) -> DatasetReport:
    prefix = "data" if target.layout is Layout.DATASET else ""
    folder = ShardFolder(target.path, asked=_asked(plan, target), prefix=prefix, metadata=plan.metadata)
    tally, start, resumed = ExportCounts(), ExportPosition(), 0
    if folder.begun:
        start, noted = folder.begun
        tally = ExportCounts.from_json(noted, folder.files())
        resumed = tally.rows
    try:
        folder.write(_some(plan.rows(tally, start), plan, tally, resumed=resumed), tally.as_json)
    except SetupError:
        folder.discard()
        raise
    report = _report(plan, target, (), target.path / "README.md", tally, resumed)
    names = tuple(target.path / file.relative_to(file.parents[1 if prefix else 0]) for file in folder.files())
    folder.finish(Card(plan, target, tally).text())
    return replace(report, files=names)


def _some(rows: Iterator[SplitRows], plan: ExportPlan, tally: ExportCounts, *, resumed: int = 0) -> Iterator[SplitRows]:
    """The rows, and an error in the place of none."""
    yield from rows
    if not tally.rows:
        reasons = ", ".join(f"{number:,} for {reason}" for reason, number in tally.left_out.most_common())
        raise SetupError(
            f"Nothing is left to export ({reasons or 'no outputs'}); choose other kinds or another format."
        )


def _report(
    plan: ExportPlan, target: Target, files: tuple[Path, ...], card: Path, tally: ExportCounts, resumed: int = 0
) -> DatasetReport:
    return DatasetReport(
        target.path,
        target.format,
        files,
        card,
        tally,
        dict(plan.without),
        missing=plan.missing,
        split=plan.split_report,
        held_out=plan.held_out,
        resumed=resumed,
    )


def _asked(plan: ExportPlan, target: Target) -> str:
    """A hash of all that the contents of an export depend on."""
    said = {
        "format": target.format,
        "options": asdict(plan.options),
        "parts": [asdict(part) for part in plan.mix.parts],
        "mix": [plan.mix.rows, plan.mix.seed],
        "runs": [
            [s.run, s.event_hash, s.ask("SELECT status, count(*) FROM outputs GROUP BY ALL ORDER BY ALL")]
            for s in plan.sources
        ],
    }
    return blake2b(orjson.dumps(said, default=str), digest_size=16).hexdigest()
