"""Importing people from files into a hub: in bounded memory, in parts that are there whole or not at all."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from arro3.core import Table

from ...core.arrow import set_column, table_of
from ...core.errors import SetupError, SourceError
from ...core.readers import InputTable, NodeLink, Skipped, SkippedRows, check_readable, hash_file, open_table
from ..hub.file import HubFile
from ..hub.profiles import write_profiles
from ..hub.queries import RETURNED, count, registered
from ..hub.redaction import SAMPLE, check_key
from ..hub.rewrites import reconcile
from ..hub.verdicts import add_rule_results
from ..persona import RelationKind
from ..profiles.profile import Profile, profile_of_columns
from ..rules.columns import ColumnKind, kinds_of_columns
from ..rules.pseudonyms import Pseudonyms
from .options import Columns, ImportOptions, resolve_columns
from .rows import Screened, prepare_rows, screen_rows

if TYPE_CHECKING:
    from ..judgement import RuleResultRow

_FIND = """
SELECT file, read_to, rows, new, complete FROM imported_files
WHERE sha256 = ? AND settings = ? ORDER BY file DESC LIMIT 1
"""
_PEOPLE = """
INSERT INTO personas (id, ordinal, text, origin, hop, language, source, licence, model)
SELECT id, $before + place, text, 'import', 0, language, coalesce(source, $source), licence, model FROM imported_batch
ON CONFLICT DO NOTHING
"""
_ROWS = """
INSERT INTO imports (persona, file, row, source, licence, revision, attributes, imported_at)
SELECT id, $file, row, coalesce(source, $source), licence, $revision, attributes, $now FROM imported_batch
"""
#: People who are in the hub already keep what is known of them.
_LANGUAGES = """
UPDATE personas SET language = b.language FROM imported_batch AS b
WHERE personas.id = b.id AND personas.language = 'und' AND b.language <> 'und'
"""
_MODELS = """
UPDATE personas SET model = b.model FROM imported_batch AS b
WHERE personas.id = b.id AND personas.model IS NULL AND b.model IS NOT NULL
"""
_LICENCES = """
UPDATE personas SET licence = b.licence FROM (
    SELECT id, arg_min(licence, place) AS licence FROM imported_batch WHERE licence IS NOT NULL GROUP BY id
) AS b WHERE personas.id = b.id AND personas.licence IS NULL
"""
_SAVE = "INSERT OR REPLACE INTO imported_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UNLICENSED = """
SELECT count(*) FROM personas WHERE licence IS NULL AND id IN (SELECT persona FROM imports WHERE file = $file)
"""
#: People of the file whom a check had removed or rewritten before.
_RETURNED = f"""
SELECT count(DISTINCT persona) FROM ({RETURNED}) WHERE persona IN (SELECT persona FROM imports WHERE file = $file)
"""  # noqa: S608 - our own words
#: Descriptions that somebody in the hub was given by a rule.
_KNOWN = "SELECT text_hash, persona FROM rewritten_people ANTI JOIN personas ON id = text_hash"
_EXAMPLE = 'SELECT text FROM imports JOIN personas ON id = persona WHERE file = $file ORDER BY "row" LIMIT 1'
_PROFILED = "SELECT persona FROM profiles WHERE persona IN (SELECT unnest($people))"
_LAST_ORDINAL = "SELECT coalesce(max(ordinal), 0) FROM personas"
_LAST_FILE = "SELECT coalesce(max(file), 0) FROM imported_files"


class ImportedFile:
    """One file being imported; each part is the caller's transaction.

    It is the file with these bytes as far as it was imported in this way before, or from its beginning.
    """

    def __init__(
        self,
        hub: HubFile,
        name: str,
        sha256: str,
        size: int,
        columns: Columns,
        options: ImportOptions,
    ) -> None:
        self._con = hub.con
        self._named = (name, sha256, size, str(columns.shape))
        self._settings = _settings(columns, options)
        self._source = options.source or name
        self._is_composed = columns.composer is not None
        self._revision = options.revision
        self.number, self.read_to, self.rows, self.new, self.complete = 0, 0, 0, 0, False
        self.skipped = SkippedRows(name)
        #: Rule results by rule and outcome; pieces of personal data by kind, column and outcome.
        self.rule_results: Counter[tuple[str, str]] = Counter()
        self.changes: Counter[tuple[str, str | None, str]] = Counter()
        self._said: list[RuleResultRow] = []
        self._ordinal = count(hub.con, _LAST_ORDINAL)
        self._find_earlier(sha256)

    def _find_earlier(self, sha256: str) -> None:
        row = self._con.execute(_FIND, [sha256, self._settings]).fetchone()
        if row is None:
            self.number = count(self._con, _LAST_FILE) + 1
            return
        self.number, self.read_to, self.rows, self.new, self.complete = row
        said = self._con.execute("SELECT reason, rows, first FROM skipped_rows WHERE file = ?", [self.number])
        self.skipped.add(Skipped(*skip) for skip in said.fetchall())

    def add(self, batch: Screened) -> None:
        """Write the rows of a batch; personas already in the hub stay unchanged. `save` writes the rule results."""
        part = batch.part
        if known := dict(self._con.execute(_KNOWN).fetchall()):
            ids = [known.get(persona, persona) for persona in part.rows["id"].to_pylist()]
            part = replace(part, rows=set_column(part.rows, "id", ids, "VARCHAR"))
        with registered(self._con, part.rows, "imported_batch"):
            given = {"before": self._ordinal, "source": self._source}
            ((new,),) = self._con.execute(_PEOPLE, given).fetchall()
            if new < part.rows.num_rows:
                for statement in (_LANGUAGES, _MODELS, _LICENCES):
                    self._con.execute(statement)
            given = {"file": self.number, "source": self._source, "revision": self._revision, "now": _utc_now()}
            self._con.execute(_ROWS, given)
            if self._is_composed:
                _add_profiles(self._con, part.rows)
        self.read_to, self.rows, self.new = part.read_to, self.rows + part.rows.num_rows, self.new + new
        self._ordinal += part.rows.num_rows
        self.skipped.add(part.skipped)
        self.rule_results += batch.judged
        self._said += (replace(row, file=self.number) for row in batch.rule_results)

    def set_kinds(self, kinds: Mapping[str, str]) -> None:
        """Write what its columns were taken for when personal data were looked for."""
        self._con.execute("DELETE FROM imported_columns WHERE file = ?", [self.number])
        for column, kind in kinds.items():
            self._con.execute("INSERT INTO imported_columns VALUES (?, ?, ?)", [self.number, column, str(kind)])

    def save(self, *, complete: bool) -> None:
        """Write how far the file got, and the rule results on what was added since."""
        self.complete = complete
        self.changes.update(add_rule_results(self._con, self._said))
        if any(row.outcome == "rejected" for row in self._said):
            # Somebody rejected now may have been in the hub before, as the survivor of near-duplicates.
            reconcile(self._con)
        self._said = []
        state = (self._settings, self.read_to, self.rows, self.new, len(self.skipped), complete, _utc_now())
        self._con.execute(_SAVE, [self.number, *self._named, *state])
        self._con.execute("DELETE FROM skipped_rows WHERE file = ?", [self.number])
        for skip in self.skipped:
            row = [self.number, skip.reason, skip.rows, skip.first]
            self._con.execute("INSERT INTO skipped_rows VALUES (?, ?, ?, ?)", row)

    @property
    def example(self) -> str | None:
        """The first description of the file."""
        found = self._con.execute(_EXAMPLE, {"file": self.number}).fetchone()
        return None if found is None else str(found[0])

    @property
    def unlicensed(self) -> int:
        """How many of the people of the file no file has stated a licence of."""
        return count(self._con, _UNLICENSED, {"file": self.number})

    @property
    def returned(self) -> int:
        """How many people of the file a check had removed or rewritten before: the file brought them again."""
        return count(self._con, _RETURNED, {"file": self.number})


def _settings(columns: Columns, options: ImportOptions) -> str:
    composed = {"compose": columns.composer.name} if columns.composer is not None else {}
    read = {"mapping": columns.meanings, "format": columns.shape}
    return json.dumps(options.settings() | read | composed, sort_keys=True)


def _add_profiles(con: duckdb.DuckDBPyConnection, rows: Table) -> None:
    """Write what the columns of personas say of them as profiles; for rows that are one persona, the first."""
    profiles: dict[str, Profile] = {}
    for persona, attributes in zip(rows["id"].to_pylist(), rows["attributes"].to_pylist(), strict=True):
        if attributes is not None and persona not in profiles:
            profile = profile_of_columns(persona, json.loads(attributes))
            profiles |= {persona: profile} if profile is not None else {}
    there = {str(persona) for (persona,) in con.execute(_PROFILED, {"people": list(profiles)}).fetchall()}
    write_profiles(con, [profile for persona, profile in profiles.items() if persona not in there], _utc_now())


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


_TYPES = {
    "place": "BIGINT",
    "source": "VARCHAR",
    "target": "VARCHAR",
    "kind": "VARCHAR",
    "label": "VARCHAR",
    "hop": "INTEGER",
}
#: What other programs call the label of a tie, in the order in which it is looked for.
_LABELS = ("label", "relation", "type", "kind", "name")
_READ = {*_LABELS, "source", "target", "hop", "key"}
_NOBODY = "one of its two people is not in the hub"
_NAMES = """
CREATE OR REPLACE TEMP TABLE node_personas AS
SELECT node, arg_min(persona, n."row") AS persona
FROM graph_nodes AS n JOIN imports AS i ON i."row" = n."row" AND i.file = $file GROUP BY node
"""
_NAMED = """
CREATE OR REPLACE TEMP TABLE named_relations AS
SELECT t.* REPLACE (a.persona AS source, b.persona AS target) FROM imported_relations AS t
LEFT JOIN node_personas AS a ON a.node = t.source
LEFT JOIN node_personas AS b ON b.node = t.target
"""
_DANGLING = "SELECT place FROM named_relations WHERE source IS NULL OR target IS NULL ORDER BY place"
_ADD = """
INSERT INTO relations (ordinal, source, target, kind, label, hop)
SELECT (SELECT coalesce(max(ordinal), 0) FROM relations) + row_number() OVER (ORDER BY place),
       source, target, kind, label, hop
FROM (
    SELECT DISTINCT ON (source, target, kind, label) * FROM named_relations AS n
    WHERE source <> target
    AND NOT EXISTS (FROM relations AS r WHERE r.source = n.source AND r.target = n.target
                    AND r.kind = n.kind AND r.label = n.label)
    ORDER BY source, target, kind, label, place
) ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class RelationsReport:
    """The relations that were read from a graph."""

    #: Relations that the hub had not.
    new: int
    #: Relations that it had already, or that the file has twice.
    equal: int
    #: What was left out, by reason.
    skipped: tuple[Skipped, ...]
    #: What the file says of relations, by name, and a hub has no place for.
    unread: tuple[str, ...] = ()


def import_relations(hub: HubFile, graph: NodeLink, file: int) -> RelationsReport:
    """Import the relations of a graph whose nodes were imported as the rows of `file`."""
    tally, new, rows = SkippedRows(str(graph.path)), 0, 0
    unread: dict[str, None] = {}
    with hub.writing() as con:
        with registered(con, table_of(list(graph.ids()), {"row": "BIGINT", "node": "VARCHAR"}), "graph_nodes"):
            con.execute(_NAMES, {"file": file})
        for batch in graph.relations():
            unread |= dict.fromkeys(name for _, row in batch for name in row if name not in _READ)
            read = [one for number, row in batch if (one := _read_relation(number, row, tally)) is not None]
            with registered(con, table_of(read, _TYPES), "imported_relations"):
                con.execute(_NAMED)
                for (place,) in con.execute(_DANGLING).fetchall():
                    tally.count(_NOBODY, place)
                ((added,),) = con.execute(_ADD).fetchall()
            new, rows = new + added, rows + len(batch)
    return RelationsReport(new, rows - new - len(tally), tuple(tally), tuple(unread))


def _read_relation(number: int, row: Mapping[str, Any], tally: SkippedRows) -> tuple[Any, ...] | None:
    source, target = row.get("source"), row.get("target")
    if source in (None, "") or target in (None, ""):
        tally.count("it names nobody as source or target", number)
        return None
    said = next((str(row[name]) for name in _LABELS if row.get(name) not in (None, "")), "")
    kind = str(row.get("kind") or RelationKind.OTHER).lower()
    try:
        hop = 1 if row.get("hop") in (None, "") else int(row["hop"])
    except (ValueError, TypeError):
        tally.count("its hop is no whole number", number)
        return None
    known = kind if kind in RelationKind else RelationKind.OTHER.value
    return number, str(source), str(target), known, said or known, hop


#: Rows of a file that are committed together, with how far they go.
PART = 500_000


@dataclass(frozen=True, slots=True)
class FileReport:
    """What one file brought."""

    path: Path
    columns: Columns
    #: Rows that are in the hub now, and the people among them that it did not have.
    rows: int
    new: int
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
        check_readable(path)
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
    sha256, size = hash_file(path)
    columns = resolve_columns(
        path,
        table.columns(),
        mapping={str(k): v for k, v in options.mapping.items()},
        compose=options.compose,
    )
    file = ImportedFile(hub, path.name, sha256, size, columns, options)
    already, began = file.complete, file.read_to
    kinds = {} if already or options.personal == "ignore" else _find_kinds(table, columns, options)
    rows = prepare_rows(table, columns, options, after=began)
    if options.personal == "pseudonymise" and not already:
        check_key(hub.path, hub.con)
    ahead = iter(()) if already else _read_ahead(screen_rows(rows, options, kinds, Pseudonyms.of(hub.path)))
    while not file.complete:
        with hub.writing():
            more = _write_part(file, ahead, until=file.rows + part, said=lambda: progress(path, file.rows))
            if not file.rows and not more:
                raise _explain_nothing(path, file)
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


def _find_kinds(table: InputTable, columns: Columns, options: ImportOptions) -> dict[str, ColumnKind]:
    """What the other columns are taken for, by the first rows of the file: the same when an import is resumed."""
    if set(table.columns()) <= set(columns.meanings.values()):
        return {}
    parts = prepare_rows(table, columns, options.model_copy(update={"strict": False}), after=0)
    first = next(parts).rows["attributes"].to_pylist()[:SAMPLE]
    return kinds_of_columns([attributes for attributes in first if attributes is not None])


def _write_part(file: ImportedFile, batches: Iterator[Screened], *, until: int, said: Callable[[], None]) -> bool:
    """Write batches until the file has so many rows; says whether there may be more."""
    for batch in batches:
        file.add(batch)
        said()
        if file.rows >= until:
            return True
    return False


def _read_ahead[T](items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one being made while one is used: DuckDB writes without Python's lock."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _explain_nothing(path: Path, file: ImportedFile) -> SourceError:
    if not len(file.skipped):
        return SourceError(f"{path} has columns and no rows; give a file with people in it.")
    said = "; ".join(map(str, list(file.skipped)[:3]))
    return SourceError(f"None of the rows of {path} could be imported: {said}; nothing was changed.")
