"""One file being imported: how far it got, what it brought, and its rows written into the hub."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
from arro3.core import Table

from ..hub.file import HubFile
from ..hub.profiles import write_profiles
from ..hub.queries import count, registered
from ..hub.reconcile import reconcile
from ..hub.verdicts import add_rule_results
from ..profiles.profile import profile_of_columns
from ..readers import Skipped, SkippedRows
from .options import Columns, ImportOptions
from .repeats import fill_licences, fold_repeats
from .rows import Screened

if TYPE_CHECKING:
    from ..judgement import RuleResultRow
    from ..profiles.profile import Profile

_FIND = """
SELECT file, read_to, rows, new, complete FROM imported_files
WHERE sha256 = ? AND settings = ? ORDER BY file DESC LIMIT 1
"""
_PEOPLE = """
INSERT INTO personas (id, ordinal, text, origin, hop, language, source, licence)
SELECT id, $before + place, text, 'import', 0, language, coalesce(source, $source), licence FROM imported_batch
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
_SAVE = "INSERT OR REPLACE INTO imported_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UNLICENSED = """
SELECT count(*) FROM personas WHERE licence IS NULL AND id IN (
    SELECT persona FROM imports WHERE file = $file
    UNION ALL
    SELECT i.persona FROM repeated_rows AS r JOIN imports AS i ON i.file = r.first_file AND i.row = r.first_row
    WHERE r.file = $file)
"""
#: People of the file whom a check had removed or rewritten before.
_RETURNED = """
SELECT count(DISTINCT persona) FROM rule_results SEMI JOIN personas ON id = persona
SEMI JOIN (SELECT persona FROM imports WHERE file = $file) AS brought USING (persona)
WHERE outcome IN ('rewritten', 'removed') AND NOT undone AND "column" IS NULL
"""
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
        #: Rows that an earlier file had brought.
        self.repeated = 0
        #: How far the file was when it was saved, and whether a known person was read again since.
        self._saved_to, self._has_known = 0, False
        self.skipped = SkippedRows(name)
        #: Rule results by rule and outcome; pieces of personal data by kind, column and outcome.
        self.rule_results: Counter[tuple[str, str]] = Counter()
        self.changes: Counter[tuple[str, str | None, str]] = Counter()
        self._said: list[RuleResultRow] = []
        self._ordinal = count(hub.con, _LAST_ORDINAL)
        self._find(sha256)

    def _find(self, sha256: str) -> None:
        row = self._con.execute(_FIND, [sha256, self._settings]).fetchone()
        if row is None:
            self.number = count(self._con, _LAST_FILE) + 1
            return
        self.number, self.read_to, self.rows, self.new, self.complete = row
        self._saved_to = self.read_to
        self.repeated = count(self._con, "SELECT count(*) FROM repeated_rows WHERE file = ?", [self.number])
        said = self._con.execute("SELECT reason, rows, first FROM skipped_rows WHERE file = ?", [self.number])
        self.skipped.add(Skipped(*skip) for skip in said.fetchall())

    def add(self, batch: Screened) -> None:
        """Write the rows of a batch; personas already in the hub stay unchanged. `save` writes the rule results."""
        part = batch.part
        with registered(self._con, part.rows, "imported_batch"):
            given = {"before": self._ordinal, "source": self._source}
            ((new,),) = self._con.execute(_PEOPLE, given).fetchall()
            if new < part.rows.num_rows:
                self._has_known = True
                self._con.execute(_LANGUAGES)
            given = {"file": self.number, "source": self._source, "revision": self._revision, "now": _now()}
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
        state = (self._settings, self.read_to, self.rows, self.new, len(self.skipped), complete, _now())
        self._con.execute(_SAVE, [self.number, *self._named, *state])
        self._con.execute("DELETE FROM skipped_rows WHERE file = ?", [self.number])
        for skip in self.skipped:
            row = [self.number, skip.reason, skip.rows, skip.first]
            self._con.execute("INSERT INTO skipped_rows VALUES (?, ?, ?, ?)", row)
        if self._has_known:
            self.repeated += fold_repeats(self._con, self.number, after=self._saved_to)
            fill_licences(self._con)
        self._saved_to, self._has_known = self.read_to, False

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
    write_profiles(con, [profile for persona, profile in profiles.items() if persona not in there], _now())


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
