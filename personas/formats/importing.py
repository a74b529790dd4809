"""Importing people from files into a hub: in bounded memory, in parts that are there whole or not at all."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SetupError, SourceError, parameter
from ..hub.file import HubFile
from ..hub.redaction import SAMPLE, check_key
from ..readers import InputTable, NodeLink, Skipped, SkippedRows, check_there, fingerprint, open_table
from ..rules.columns import ColumnKind, kinds_of_columns
from ..rules.pseudonyms import Pseudonyms
from .compose import RuleComposer
from .imported_file import ImportedFile
from .options import Columns, ImportOptions, resolve_columns
from .relations import RelationsReport, import_relations
from .rows import Prepared, Screened, prepared, screened

#: Rows of a file that are committed together, with how far they go.
PART = 500_000
#: Words that a sentence has.
_PROSE = 6


@dataclass(frozen=True, slots=True)
class FileReport:
    """What one file brought."""

    path: Path
    columns: Columns
    #: Rows that are in the hub now, and the people among them that it did not have.
    rows: int
    new: int
    #: Rows among them that an earlier file had brought: they are in the hub once.
    repeated: int
    #: People of the file for whom no licence is stated, by it or by another file.
    unlicensed: int
    #: The first description, where they were composed of columns.
    example: str | None
    #: Rows that were left out, by reason.
    skipped: tuple[Skipped, ...]
    #: The line or row behind which this import went on; 0 for one that began at the beginning.
    resumed_at: int
    #: True when the file was in the hub before, whole and in the same way: nothing was done.
    already: bool
    #: What judges said of its rows this time, by rule and outcome.
    rule_results: Counter[tuple[str, str]]
    #: The relations of a graph; None for a table.
    relations: RelationsReport | None = None
    #: The pieces of personal data that were found this time, by kind, column (None: the description) and outcome.
    changes: Counter[tuple[str, str | None, str]] = field(default_factory=Counter)
    #: What the other columns were taken for when personal data were looked for in them.
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    #: People of the file whom a check had removed or rewritten before; they are as the file has them again.
    returned: int = 0

    @property
    def equal(self) -> int:
        """Rows whose text the hub had already: they are the same persona."""
        return self.rows - self.new


def import_files(
    hub: HubFile,
    paths: Sequence[Path | str],
    options: ImportOptions | None = None,
    *,
    progress: Callable[[Path, int], None] | None = None,
    part: int = PART,
) -> Iterator[FileReport]:
    """Import each file as its report is asked for: `list(import_files(...))` imports them all.

    A file is committed in parts of about `part` rows, each together with how far it got: an import that is cut off,
    by whatever, goes on there when it is asked for again, and a file that is in the hub already, imported in the same
    way, is passed over. What the options says of personal data and quality is done with the rows on their way, and the
    results are rows of `rule_results`. `progress` hears how many rows of a file are done. Raises `SourceError` for a
    file that is missing, corrupt, empty or has not the columns, and for one of whose rows none can be imported;
    `SetupError` when the hub is a run with agents.
    """
    _check_unlived(hub)
    files = [Path(path) for path in paths]
    for path in files:
        check_there(path)
    for path in files:
        yield _import_file(
            hub, open_table(path), options or ImportOptions(), part=part, progress=progress or (lambda path, rows: None)
        )


def _check_unlived(hub: HubFile) -> None:
    if hub.has_agents:
        raise SetupError(
            f"{str(hub.path)!r} is a run whose people are its agents; a newcomer would be none. "
            "Import into a hub of its own, and unite the two with `populace hub merge`."
        )


def _import_file(
    hub: HubFile, table: InputTable, options: ImportOptions, *, part: int, progress: Callable[[Path, int], None]
) -> FileReport:
    path = table.path
    sha256, size = fingerprint(path)
    columns = resolve_columns(
        path,
        table.columns(),
        mapping={str(k): v for k, v in options.mapping.items()},
        shape=options.format,
        compose=options.compose,
    )
    if isinstance(columns.composer, RuleComposer):
        _check_no_prose(table, columns.composer)
    file = ImportedFile(hub, path.name, sha256, size, columns, options)
    already, began = file.complete, file.read_to
    kinds = {} if already or options.personal == "ignore" else _kinds(table, columns, options)
    rows = prepared(table, columns, options, after=began)
    ahead = iter(()) if already else _ahead(_screened(hub, rows, options, kinds))
    while not file.complete:
        with hub.writing():
            more = _write_part(file, ahead, until=file.rows + part, said=lambda: progress(path, file.rows))
            if not file.rows and not more:
                raise _nothing(path, file)
            if kinds:
                file.set_kinds(kinds)
            file.save(complete=not more)
    relations = import_relations(hub, table, file.number) if isinstance(table, NodeLink) else None
    skipped = tuple(file.skipped)
    return FileReport(
        path=path,
        columns=columns,
        rows=file.rows,
        new=file.new,
        repeated=file.repeated,
        unlicensed=file.unlicensed,
        example=file.example if columns.composer is not None else None,
        skipped=skipped,
        resumed_at=0 if already else began,
        already=already,
        rule_results=file.rule_results,
        relations=relations,
        changes=file.changes,
        kinds=kinds,
        returned=0 if already else file.returned,
    )


def _screened(
    hub: HubFile, parts: Iterator[Prepared], options: ImportOptions, kinds: Mapping[str, ColumnKind]
) -> Iterator[Screened]:
    if options.personal == "pseudonymise":
        check_key(hub.path, hub.con)
    return screened(parts, options, kinds, Pseudonyms.of(hub.path))


def _kinds(table: InputTable, columns: Columns, options: ImportOptions) -> dict[str, ColumnKind]:
    """What the other columns are taken for, by the first rows of the file: the same when an import is resumed."""
    if set(table.columns()) <= set(columns.meanings.values()):
        return {}
    parts = prepared(table, columns, options.model_copy(update={"strict": False}), after=0)
    first = next(parts).rows["attributes"].to_pylist()[:SAMPLE]
    return kinds_of_columns([attributes for attributes in first if attributes is not None])


def _check_no_prose(table: InputTable, composer: RuleComposer) -> None:
    """Raise `SourceError` when a column that means nothing by its name holds sentences, which may be descriptions."""
    rows = [row for _, row in next(iter(table.batches(SkippedRows(str(table.path)))), ())]
    lengths: Counter[str] = Counter()
    for row in rows:
        for name in row.keys() - {*composer.columns}:
            lengths[name] += len(str(row[name]).split()) if isinstance(row[name], str) else 0
    for name, words in lengths.most_common(1):
        if words >= _PROSE * len(rows):
            missing = sum(not str(row.get(name) or "").strip() for row in rows)
            template = "".join(f"[{column}: {{{column}}}; ]" for column in composer.columns)
            others = f" {parameter('compose', repr(template))}, as {missing:,} of {len(rows):,} rows have none"
            raise SourceError(
                f"{table.path} has no column that is known to hold descriptions, but {name!r} may: read it with "
                f"{parameter('mapping', f'text={name}')}{others if missing else ''}, or make all descriptions of other "
                f"columns with {parameter('compose')} 'A {{age}}-year-old ...'."
            )


def _write_part(file: ImportedFile, batches: Iterator[Screened], *, until: int, said: Callable[[], None]) -> bool:
    """Write batches until the file has so many rows; says whether there may be more."""
    for batch in batches:
        file.add(batch)
        said()
        if file.rows >= until:
            return True
    return False


def _ahead[T](items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one being made while one is used: DuckDB writes without Python's lock."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _nothing(path: Path, file: ImportedFile) -> SourceError:
    if not len(file.skipped):
        return SourceError(f"{path} has columns and no rows; give a file with people in it.")
    said = "; ".join(map(str, list(file.skipped)[:3]))
    return SourceError(f"None of the rows of {path} could be imported: {said}; nothing was changed.")
