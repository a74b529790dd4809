"""Importing people from files into a hub: in bounded memory, in parts that are there whole or not at all."""

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
from arro3.core import Table
from arro3.core import Table as Columnar

from ...core.arrow import set_column, table_of, take
from ...core.errors import SetupError, SourceError, parameter
from ...core.inputs import MOST_LEVELS, UNKNOWN_LANGUAGE, is_too_deep
from ...core.readers import (
    InputTable,
    NodeLink,
    RowBatch,
    RowError,
    Skipped,
    SkippedRows,
    check_readable,
    hash_file,
    open_table,
)
from ...core.writers import json_text
from ..hub.file import HubFile
from ..hub.profiles import write_profiles
from ..hub.queries import RETURNED, count, registered
from ..hub.redaction import SAMPLE, NamesOf, attribute_rows, check_key, judged_attributes
from ..hub.rewrites import add_rule_results, reconcile_verdicts, rule_result_rows
from ..judgement import Judge, RuleResultRow
from ..persona import RelationKind
from ..profiles.profile import Profile, profile_of_columns
from ..rules import Policy, personal_judge, quality_judge
from ..rules.columns import ColumnKind, kinds_of_columns
from ..rules.languages import detect_languages
from ..rules.personal import Pseudonyms, find_record_names
from ..rules.quality import rows_to_search
from .options import TAG, Columns, ImportOptions, Shape, resolve_columns

_TYPES = {
    "id": "VARCHAR",
    "row": "BIGINT",
    **dict.fromkeys(("text", "language", "source", "licence", "model", "attributes"), "VARCHAR"),
}

#: Characters of the other columns of a row, as JSON.
_MOST_ATTRIBUTES = 1 << 22

#: The model of a persona that the built-in generator wrote, which an exported row says and no import may lose.
_GENERATOR = "procedural"

type _ImportedRow = tuple[str, int, str, str | None, str | None, str | None, str | None, str | None]


@dataclass(slots=True)
class Batch:
    """Some thousands of rows on their way into the hub."""

    rows: Columnar
    #: The line or row up to which the file has been read.
    read_to: int
    #: What was left out among them.
    skipped: tuple[Skipped, ...] = ()
    rule_results: list[RuleResultRow] = field(default_factory=list)
    #: Rule results on the descriptions, by rule and outcome.
    judged: Counter[tuple[str, str]] = field(default_factory=Counter)


def prepare_rows(table: InputTable, columns: Columns, options: ImportOptions, *, after: int) -> Iterator[Batch]:
    """Yield all rows of a table after line or row `after`, batch by batch; the last batch may be empty.

    Raises `SourceError` for a corrupt file and, with strict options, for a row that cannot be imported.
    """
    way_out = options.way_out or f"mend it, or leave {parameter('strict')} away to skip such rows"
    tally = SkippedRows(str(table.path), after=after, way_out=way_out if options.strict else "")
    reader = _RowReader(columns, options)
    for batch in table.batches(tally):
        if batch and batch[-1][0] > after:
            rows = _read_rows([row for row in batch if row[0] > after], reader, tally)
            after = batch[-1][0]
            yield Batch(rows, after, tally.take())
    yield Batch(table_of([], _TYPES), after, tally.take())


def _read_rows(batch: RowBatch, reader: "_RowReader", tally: SkippedRows) -> Columnar:
    """Read the rows that can be imported, and detect the language of texts for which none is stated."""
    rows: list[_ImportedRow] = []
    for number, row in batch:
        try:
            rows.append(reader.read(number, row))
        except RowError as error:
            tally.count(error.reason, number)
    detected = iter(detect_languages([text for _, _, text, language, *_ in rows if language is None]))
    languages = [language or next(detected) for _, _, _, language, *_ in rows]
    return set_column(table_of(rows, _TYPES), "language", languages, "VARCHAR")


class _RowReader:
    """Takes rows apart. It is called for each of millions of rows: what can be decided before is."""

    def __init__(self, columns: Columns, options: ImportOptions) -> None:
        self._columns, self._composer = columns, columns.composer
        self._language = options.language or (columns.composer.language if columns.composer is not None else None)
        self._licence = options.licence
        self._max_length = options.max_length
        self._nothing = (None, "", "None") if columns.shape is Shape.ELITE else (None, "")

    def read(self, number: int, row: dict[str, Any]) -> _ImportedRow:
        """Return the row as a hub holds it; take out of `row` what is not an attribute. Raises `RowError`."""
        columns = self._columns
        if any(isinstance(value, dict | list) for value in row.values()) and is_too_deep(row):
            raise RowError(f"a column nests more than {MOST_LEVELS} levels deep")
        text = row.pop(columns.text, None) if columns.text is not None else None
        if self._composer is not None and (text is None or (isinstance(text, str) and not text.strip())):
            text = self._composer.text(row)
        if not isinstance(text, str):
            raise RowError("there is no text" if text is None else "the text is no string")
        if len(text) > self._max_length:
            raise RowError(f"the text is longer than {self._max_length:,} characters")
        # The same as personas.persona.content_id, which a test holds; plain ASCII is in NFC already.
        line = " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
        if not line:
            raise RowError("there is no text")
        try:
            digest = blake2b(line.encode(), digest_size=16).hexdigest()
        except UnicodeEncodeError as error:
            raise RowError("the text has half a character in it") from error
        language = self._read_tag(row.pop(columns.language, None)) if columns.language else self._language
        source = _read_stated(row.pop(columns.source, None)) if columns.source else None
        licence = _read_stated(row.pop(columns.licence, None)) if columns.licence else None
        model = _GENERATOR if row.get("model") == _GENERATOR else None
        attributes = self._write_attributes(row) if row else None
        return digest, number, text, language, source, licence or self._licence, model, attributes

    def _read_tag(self, value: object) -> str | None:
        if value in (None, ""):
            return self._language
        if not isinstance(value, str) or not TAG.fullmatch(value):
            raise RowError("its language is no BCP 47 tag")
        return value

    def _write_attributes(self, row: dict[str, Any]) -> str | None:
        kept = {name: value for name, value in row.items() if value not in self._nothing}
        try:
            text = json_text(kept) if kept else None
        except (TypeError, ValueError, RecursionError) as error:
            raise RowError("a column cannot be written as JSON") from error
        if text is not None and len(text) > _MOST_ATTRIBUTES:
            raise RowError(f"its columns have more than {_MOST_ATTRIBUTES:,} characters")
        return text


def _read_stated(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def screen_rows(
    batches: Iterator[Batch],
    options: ImportOptions,
    kinds: Mapping[str, ColumnKind] | None = None,
    pseudonyms: Pseudonyms | None = None,
) -> Iterator[Batch]:
    """Apply the policy for personal data and, if wanted, the quality rules to each batch.

    `kinds` gives the kinds of the other columns. A column that it does not name is text.
    """
    screen = _Screen(options, kinds or {}, pseudonyms)
    for batch in batches:
        if batch.rows.num_rows:
            screen.judge(batch)
        yield batch


class _Screen:
    def __init__(self, options: ImportOptions, kinds: Mapping[str, ColumnKind], pseudonyms: Pseudonyms | None) -> None:
        self._kinds, self._pseudonyms = kinds, pseudonyms
        self._policy = Policy(options.personal) if options.personal != "ignore" else None
        self._has_quality = options.quality

    def judge(self, batch: Batch) -> None:
        """Apply the judges to a batch, which afterwards has their changes and their results."""
        if self._policy is None:
            self._judge_texts(batch, {})
            return
        names = self._find_names(batch.rows)
        self._judge_texts(batch, names)
        self._judge_attributes(batch, self._policy, names)

    def _find_names(self, rows: Columnar) -> dict[str, tuple[str, ...]]:
        """Return the names in the record of each persona: in the description and the other columns of all its rows."""
        ids, found = rows["id"].to_pylist(), dict[str, tuple[str, ...]]()
        for column in ("attributes", "text"):
            values = rows[column].to_pylist()
            for place in range(len(ids)) if ColumnKind.NAME in self._kinds.values() else rows_to_search(values):
                said = values[place]
                if said is not None and (names := find_record_names(said, self._kinds)):
                    found[ids[place]] = (*found.get(ids[place], ()), *names)
        return found

    def _judge_texts(self, batch: Batch, names: dict[str, tuple[str, ...]]) -> None:
        """Judge all descriptions by quality, and by personal data those that may hold some."""
        ids, texts, languages, numbers = (batch.rows[name].to_pylist() for name in ("id", "text", "language", "row"))
        places: Sequence[int] = range(len(ids)) if self._has_quality else ()
        if self._policy is not None and not self._has_quality:
            # A name elsewhere in the record may stand in the text in part, which no quick look finds.
            named = {place for place, persona in enumerate(ids) if persona in names}
            places = sorted(named.union(rows_to_search(texts)))
        gone, of_changed = list[int](), dict[str, tuple[str, ...]]()
        for place in places:
            of_record = names.get(ids[place], ())
            judgement, rows = rule_result_rows(texts[place], self._make_judges(languages[place], of_record))
            batch.rule_results += (replace(row, row=numbers[place]) for row in rows)
            batch.judged.update((result.rule, result.outcome) for _, result in judgement.rule_results)
            if judgement.is_erased:
                gone.append(place)
            elif judgement.persona.text != texts[place]:
                ids[place], texts[place] = judgement.persona.id, judgement.persona.text
                of_changed |= {ids[place]: of_record} if of_record else {}
        names.update(of_changed)
        if places:
            batch.rows = set_column(set_column(batch.rows, "id", ids, "VARCHAR"), "text", texts, "VARCHAR")
        if gone:
            reason = f"it holds personal data, which {parameter('personal', 'drop')} leaves out"
            batch.skipped += (Skipped(reason, len(gone), [numbers[place] for place in gone[:3]]),)
            batch.rows = take(batch.rows, sorted(set(range(len(ids))).difference(gone)))

    def _make_judges(self, language: str | None, names: Sequence[str]) -> tuple[Judge, ...]:
        personal = (personal_judge(self._policy, self._pseudonyms, names),) if self._policy is not None else ()
        return (_quality_rules(language), *personal) if self._has_quality else personal

    def _judge_attributes(self, batch: Batch, policy: Policy, names: NamesOf) -> None:
        column = batch.rows["attributes"]
        if column.null_count == len(column):
            return
        ids, numbers, attributes = (batch.rows[name].to_pylist() for name in ("id", "row", "attributes"))
        # Of a personal column each value is replaced, so no row may be passed over.
        if any(kind.is_personal for kind in self._kinds.values()):
            places: Sequence[int] = range(len(ids))
        else:
            named = {place for place, persona in enumerate(ids) if persona in names}
            places = sorted(named.union(rows_to_search(column)))
        for place in places:
            if (was := attributes[place]) is not None:
                of_record = names.get(ids[place], ())
                attributes[place], changes = judged_attributes(was, self._kinds, policy, self._pseudonyms, of_record)
                if changes:
                    batch.rule_results += attribute_rows(ids[place], changes, policy, None, numbers[place])
        batch.rows = set_column(batch.rows, "attributes", attributes, "VARCHAR")


@cache
def _quality_rules(language: str | None) -> Judge:
    return quality_judge(None if language == UNKNOWN_LANGUAGE else language)


_FIND = """
SELECT file, read_to, rows, new, complete FROM imported_files
WHERE sha256 = ? AND settings = ? ORDER BY file DESC LIMIT 1
"""
_PEOPLE = """
INSERT INTO personas (id, ordinal, text, origin, hop, language, source, licence, model)
SELECT id, $before + row_number() OVER (ORDER BY "row"), text, 'import', 0, language, coalesce(source, $source),
       licence, model
FROM imported_batch ORDER BY "row"
ON CONFLICT DO NOTHING
"""
_ROWS = """
INSERT INTO imports (persona, file, row, source, licence, revision, attributes, imported_at)
SELECT id, $file, row, coalesce(source, $source), licence, $revision, attributes, $now FROM imported_batch
"""
#: People who are in the hub already keep what is known of them.
_FILLED = """
UPDATE personas SET language = b.language FROM imported_batch AS b
WHERE personas.id = b.id AND personas.language = 'und' AND b.language <> 'und';
UPDATE personas SET model = b.model FROM imported_batch AS b
WHERE personas.id = b.id AND personas.model IS NULL AND b.model IS NOT NULL;
UPDATE personas SET licence = b.licence FROM (
    SELECT id, arg_min(licence, "row") AS licence FROM imported_batch WHERE licence IS NOT NULL GROUP BY id
) AS b WHERE personas.id = b.id AND personas.licence IS NULL;
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

#: What other programs call the label of a tie, in the order in which it is looked for.
_LABELS = ("label", "relation", "type", "kind", "name")
_READ = {*_LABELS, "source", "target", "hop", "key"}
_KINDS = ", ".join(f"'{kind}'" for kind in RelationKind)
_LABEL = ", ".join(f"nullif(link->>'{name}', '')" for name in _LABELS)
_NAMED = f"""
CREATE OR REPLACE TEMP TABLE named_relations AS
WITH named AS (
    SELECT node->>'id' AS node, arg_min(persona, n."row") AS persona
    FROM graph_nodes AS n JOIN imports AS i ON i."row" = n."row" AND i.file = $file GROUP BY 1
), said AS (
    SELECT place, link->>'source' AS one, link->>'target' AS other, nullif(link->>'hop', '') AS hop,
           if(lower(link->>'kind') IN ({_KINDS}), lower(link->>'kind'), '{RelationKind.OTHER}') AS kind,
           coalesce({_LABEL}) AS label
    FROM graph_links
)
SELECT place, a.persona AS source, b.persona AS target, kind, coalesce(label, kind) AS label,
       coalesce(TRY_CAST(hop AS INTEGER), 1) AS hop,
       CASE WHEN one = '' OR other = '' THEN 'it names nobody as source or target'
            WHEN hop IS NOT NULL AND (TRY_CAST(hop AS DOUBLE) = TRY_CAST(hop AS INTEGER)) IS NOT TRUE
                THEN 'its hop is no whole number'
            WHEN a.persona IS NULL OR b.persona IS NULL THEN 'one of its two people is not in the hub' END AS reason
FROM said LEFT JOIN named AS a ON a.node = one LEFT JOIN named AS b ON b.node = other
"""  # noqa: S608 - our own words
_RELATE = """
INSERT INTO relations (ordinal, source, target, kind, label, hop)
SELECT (SELECT coalesce(max(ordinal), 0) FROM relations) + row_number() OVER (ORDER BY place),
       source, target, kind, label, hop
FROM (
    SELECT DISTINCT ON (source, target, kind, label) * FROM named_relations AS n
    WHERE reason IS NULL AND source <> target
    AND NOT EXISTS (FROM relations AS r WHERE r.source = n.source AND r.target = n.target
                    AND r.kind = n.kind AND r.label = n.label)
    ORDER BY source, target, kind, label, place
) ORDER BY place
"""

#: Rows of a file that are committed together, with how far they go.
PART = 500_000


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


@dataclass(slots=True)
class FileReport:
    """What one file brought."""

    path: Path
    columns: Columns
    #: Rows that are in the hub now, and the people among them that it did not have.
    rows: int = 0
    new: int = 0
    #: People of the file for whom no licence is stated, by it or by another file.
    unlicensed: int = 0
    #: The first description, where they were composed of columns.
    example: str | None = None
    #: Rows that were left out, by reason.
    skipped: tuple[Skipped, ...] = ()
    #: The line or row behind which this import went on; 0 for one that began at the beginning.
    resumed_at: int = 0
    #: True when the file was in the hub before, whole and in the same way: nothing was done.
    already: bool = False
    #: What judges said of its rows this time, by rule and outcome.
    rule_results: Counter[tuple[str, str]] = field(default_factory=Counter)
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
    if hub.has_agents:
        raise SetupError(
            f"{str(hub.path)!r} is a run whose people are its agents; a newcomer would be none. "
            "Import into a hub of its own, and unite the two with `populace hub merge`."
        )
    files = [Path(path) for path in paths]
    for path in files:
        check_readable(path)
    for path in files:
        file = _ImportedFile(hub, open_table(path), options or ImportOptions())
        file.read(part, progress or (lambda path, rows: None))
        yield file.report


class _ImportedFile:
    """A file on its way into a hub: as far as it was imported in this way before, or from its beginning."""

    def __init__(self, hub: HubFile, table: InputTable, options: ImportOptions) -> None:
        self._hub, self._con, self._table, self._options = hub, hub.con, table, options
        path = table.path
        columns = resolve_columns(path, table.columns(), mapping=options.mapping, compose=options.compose)
        self.report = FileReport(path, columns)
        sha256, size = hash_file(path)
        settings = json.dumps(options.settings() | columns.settings(), sort_keys=True)
        self._facts = (path.name, sha256, size, str(columns.shape), settings)
        self._source = options.source or path.name
        self._skipped = SkippedRows(path.name)
        self._number, self._read_to = count(self._con, "SELECT coalesce(max(file), 0) + 1 FROM imported_files"), 0
        if (earlier := self._con.execute(_FIND, [sha256, settings]).fetchone()) is not None:
            self._number, self._read_to, self.report.rows, self.report.new, self.report.already = earlier
            said = "SELECT reason, rows, first FROM skipped_rows WHERE file = ?"
            self._skipped.add(Skipped(*skip) for skip in self._con.execute(said, [self._number]).fetchall())
        self._rule_results: list[RuleResultRow] = []
        self._ordinal = count(self._con, "SELECT coalesce(max(ordinal), 0) FROM personas")

    def read(self, part: int, progress: Callable[[Path, int], None]) -> None:
        """Import what the hub has not of the file, and complete the report."""
        report, con, file = self.report, self._con, {"file": self._number}
        if not report.already:
            self._read_rows(part, progress)
            report.returned = count(con, _RETURNED, file)
        if isinstance(self._table, NodeLink):
            report.relations = _import_relations(self._hub, self._table, self._number)
        report.skipped = tuple(self._skipped)
        report.unlicensed = count(con, _UNLICENSED, file)
        if report.columns.composer is not None and (found := con.execute(_EXAMPLE, file).fetchone()) is not None:
            report.example = str(found[0])

    def _read_rows(self, part: int, progress: Callable[[Path, int], None]) -> None:
        report, options, hub = self.report, self._options, self._hub
        report.resumed_at, is_complete = self._read_to, False
        if options.personal != "ignore":
            report.kinds = _find_kinds(self._table, report.columns, options)
        rows = prepare_rows(self._table, report.columns, options, after=self._read_to)
        if options.personal == "pseudonymise":
            check_key(hub.path, self._con)
        batches = _read_ahead(screen_rows(rows, options, report.kinds, Pseudonyms.of(hub.path)))
        while not is_complete:
            with hub.writing():
                until = report.rows + part
                while not is_complete and report.rows < until:
                    if (batch := next(batches, None)) is None:
                        is_complete = True
                    else:
                        self._add_batch(batch)
                        progress(report.path, report.rows)
                if not report.rows and is_complete:
                    raise self._explain_nothing()
                self._save_progress(is_complete=is_complete)

    def _add_batch(self, batch: Batch) -> None:
        """Write the rows of a batch, but no rule results; personas already in the hub stay unchanged."""
        rows, con, number = batch.rows, self._con, self._number
        if known := dict(con.execute(_KNOWN).fetchall()):
            ids = [known.get(persona, persona) for persona in rows["id"].to_pylist()]
            rows = set_column(rows, "id", ids, "VARCHAR")
        with registered(con, rows, "imported_batch"):
            ((new,),) = con.execute(_PEOPLE, {"before": self._ordinal, "source": self._source}).fetchall()
            if new < rows.num_rows:
                con.execute(_FILLED)
            given = {"source": self._source, "revision": self._options.revision, "now": _utc_now()}
            con.execute(_ROWS, given | {"file": number})
            if self.report.columns.composer is not None:
                _add_profiles(con, rows)
        self._read_to = batch.read_to
        self._ordinal += rows.num_rows
        self.report.rows += rows.num_rows
        self.report.new += new
        self._skipped.add(batch.skipped)
        self.report.rule_results += batch.judged
        self._rule_results += (replace(row, file=number) for row in batch.rule_results)

    def _save_progress(self, *, is_complete: bool) -> None:
        """Write how far the file got, what its columns were taken for, and the rule results on what was added since."""
        con, report, number = self._con, self.report, self._number
        report.changes.update(add_rule_results(con, self._rule_results))
        if any(row.outcome == "rejected" for row in self._rule_results):
            # Somebody rejected now may have been in the hub before, as the survivor of near-duplicates.
            reconcile_verdicts(con)
        self._rule_results = []
        state = (self._read_to, report.rows, report.new, len(self._skipped), is_complete, _utc_now())
        con.execute(_SAVE, [number, *self._facts, *state])
        kinds = [(number, column, str(kind)) for column, kind in report.kinds.items()]
        skipped = [(number, skip.reason, skip.rows, skip.first) for skip in self._skipped]
        for table, rows in (("imported_columns", kinds), ("skipped_rows", skipped)):
            if rows:
                con.execute(f"DELETE FROM {table} WHERE file = ?", [number])  # noqa: S608 - our own names
                con.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608

    def _explain_nothing(self) -> SourceError:
        path = self.report.path
        if not len(self._skipped):
            return SourceError(f"{path} has columns and no rows; give a file with people in it.")
        said = "; ".join(map(str, list(self._skipped)[:3]))
        return SourceError(f"None of the rows of {path} could be imported: {said}; nothing was changed.")


def _find_kinds(table: InputTable, columns: Columns, options: ImportOptions) -> dict[str, ColumnKind]:
    """What the other columns are taken for, by the first rows of the file: the same when an import is resumed."""
    if set(table.columns()) <= set(columns.meanings.values()):
        return {}
    parts = prepare_rows(table, columns, options.model_copy(update={"strict": False}), after=0)
    first = next(parts).rows["attributes"].to_pylist()[:SAMPLE]
    return kinds_of_columns([attributes for attributes in first if attributes is not None])


def _read_ahead[T](items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one being made while one is used: DuckDB writes without Python's lock."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


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


def _import_relations(hub: HubFile, graph: NodeLink, file: int) -> RelationsReport:
    """Import the relations of a graph whose nodes were imported as the rows of `file`."""
    tally = SkippedRows(str(graph.path))
    nodes = list(_write_json(graph.nodes, ("id",), SkippedRows(str(graph.path))))
    links = list(_write_json(graph.links, _READ, tally))
    with (
        hub.writing() as con,
        registered(con, table_of(nodes, {"row": "BIGINT", "node": "VARCHAR"}), "graph_nodes"),
        registered(con, table_of(links, {"place": "BIGINT", "link": "VARCHAR"}), "graph_links"),
    ):
        con.execute(_NAMED, {"file": file})
        left_out = "SELECT reason, place FROM named_relations WHERE reason IS NOT NULL ORDER BY reason, place"
        for reason, place in con.execute(left_out).fetchall():
            tally.count(reason, place)
        ((new,),) = con.execute(_RELATE).fetchall()
    unread = dict.fromkeys(name for link in graph.links for name in link if name not in _READ)
    return RelationsReport(new, len(graph.links) - new - len(tally), tuple(tally), tuple(unread))


def _write_json(
    rows: Sequence[Mapping[str, Any]], names: Collection[str], tally: SkippedRows
) -> Iterator[tuple[int, str]]:
    for number, row in enumerate(rows, 1):
        try:
            yield number, json_text({name: row.get(name) for name in names})
        except (ValueError, RecursionError):
            tally.count("it has half a character in it, or nests too deep", number)
