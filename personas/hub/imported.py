"""What a hub knows of a file that was imported: how far it got, what it brought, and what was left out."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import duckdb
import pyarrow as pa

from ..profiles.imported import profile_of_columns
from .exported import FieldTable
from .fields import with_fields, write_fields
from .file import HubFile
from .formats import Columns
from .profiles.store import write_profiles
from .reconcile import reconcile
from .repeats import fill_licences, fold_repeats
from .rulings import add_rulings
from .screening import Screened
from .tally import Skipped, Tally
from .wish import ImportWish

if TYPE_CHECKING:
    from ..judgement import RulingRow
    from ..profiles.profile import Profile

__all__ = ["ImportedFile"]

_FIND = """
SELECT file, read_to, rows, new, complete FROM imported_files
WHERE sha256 = ? AND settings = ? ORDER BY file DESC LIMIT 1
"""
_PEOPLE = """
INSERT INTO personas (id, ordinal, text, origin, hop, parent, language, source, licence, model, prompt)
SELECT id, $before + place, text, coalesce(origin, 'import'), coalesce(hop, 0), parent, language,
       CASE WHEN origin IS NULL THEN coalesce(source, told_source, $source) ELSE source END,
       coalesce(licence, told_licence), model, prompt
FROM imported_batch
ON CONFLICT DO NOTHING
"""
_ROWS = """
INSERT INTO imports (persona, file, row, source, licence, revision, attributes, imported_at)
SELECT id, $file, row, coalesce(source, told_source, $source), coalesce(licence, told_licence),
       coalesce(told_revision, $revision), attributes, $now
FROM imported_batch
"""
#: Whoever is in the hub already keeps what is known of them.
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
#: Those among them whom a check has removed or rewritten, and who are there again.
_RETURNED = """
SELECT count(DISTINCT persona) FROM rulings SEMI JOIN personas ON id = persona
SEMI JOIN (SELECT persona FROM imports WHERE file = $file) AS brought USING (persona)
WHERE outcome IN ('rewritten', 'removed') AND NOT undone AND "column" IS NULL
"""
_EXAMPLE = 'SELECT text FROM imports JOIN personas ON id = persona WHERE file = $file ORDER BY "row" LIMIT 1'
_PROFILED = "SELECT persona FROM profiles WHERE persona IN (SELECT unnest($people))"
_LAST_ORDINAL = "SELECT coalesce(max(ordinal), 0) FROM personas"
_LAST_FILE = "SELECT coalesce(max(file), 0) FROM imported_files"


class ImportedFile:
    """One file in the process of being imported; each part is the caller's transaction."""

    def __init__(
        self,
        hub: HubFile,
        name: str,
        sha256: str,
        size: int,
        columns: Columns,
        wish: ImportWish,
        fields: FieldTable | None = None,
    ) -> None:
        self._con = hub.con
        self._named = (name, sha256, size, str(columns.shape))
        self._settings = _settings(columns, wish)
        self._fields = fields
        self._source = wish.source or name
        self._is_composed = columns.composer is not None
        self._revision = wish.revision
        self.number, self.read_to, self.rows, self.new, self.complete = 0, 0, 0, 0, False
        #: Rows that an earlier file had brought.
        self.repeated = 0
        #: How far the file was when it was saved, and whether anybody was met again since.
        self._saved_to, self._has_known = 0, False
        self.skipped = Tally(name)
        #: Descriptions ruled on by rule and outcome; pieces of personal data by kind, column and outcome.
        self.rulings: Counter[tuple[str, str]] = Counter()
        self.changes: Counter[tuple[str, str | None, str]] = Counter()
        self._said: list[RulingRow] = []
        self._ordinal = _number(hub, _LAST_ORDINAL)

    @classmethod
    def find(
        cls,
        hub: HubFile,
        name: str,
        sha256: str,
        size: int,
        columns: Columns,
        wish: ImportWish,
        fields: FieldTable | None = None,
    ) -> Self:
        """The file with these bytes as far as it was imported in this way before, or from its beginning."""
        file = cls(hub, name, sha256, size, columns, wish, fields)
        if row := hub.con.execute(_FIND, [sha256, file._settings]).fetchone():
            file.number, file.read_to, file.rows, file.new, file.complete = row
            file._saved_to = file.read_to
            file.repeated = _number(hub, f"SELECT count(*) FROM repeated_rows WHERE file = {file.number:d}")  # noqa: S608
            said = hub.con.execute("SELECT reason, rows, first FROM skipped_rows WHERE file = ?", [row[0]]).fetchall()
            file.skipped.add(Skipped(*skip) for skip in said)
        else:
            file.number = _number(hub, _LAST_FILE) + 1
        return file

    def add(self, batch: Screened) -> None:
        """Write the rows of a batch; whoever is in the hub already stays as they were. Rulings wait for `save`."""
        part = batch.part
        fields = list(self._fields.take(part.read_to)) if self._fields is not None else []
        self._con.register("imported_batch", with_fields(part.rows, fields))
        try:
            given = {"before": self._ordinal, "source": self._source}
            ((new,),) = self._con.execute(_PEOPLE, given).fetchall()
            if new < part.rows.num_rows:
                self._has_known = True
                self._con.execute(_LANGUAGES)
            given = {"file": self.number, "source": self._source, "revision": self._revision, "now": _now()}
            self._con.execute(_ROWS, given)
            if self._is_composed:
                _add_profiles(self._con, part.rows)
            if fields:
                write_fields(self._con, fields, file=self.number)
        finally:
            self._con.unregister("imported_batch")
        self.read_to, self.rows, self.new = part.read_to, self.rows + part.rows.num_rows, self.new + new
        self._ordinal += part.rows.num_rows
        self.skipped.add(part.skipped)
        self.rulings += batch.judged
        self._said += (replace(row, file=self.number) for row in batch.rulings)

    def set_kinds(self, kinds: Mapping[str, str]) -> None:
        """Write what its columns were taken for when personal data were looked for."""
        self._con.execute("DELETE FROM imported_columns WHERE file = ?", [self.number])
        for column, kind in kinds.items():
            self._con.execute("INSERT INTO imported_columns VALUES (?, ?, ?)", [self.number, column, str(kind)])

    def save(self, *, complete: bool) -> None:
        """Write how far the file got, and the rulings on what was added since."""
        self.complete = complete
        self.changes.update(add_rulings(self._con, self._said))
        if any(row.outcome == "turned_away" for row in self._said):
            # Who was in the hub already, unjudged, may be whom others repeat.
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
        ((people,),) = self._con.execute(_UNLICENSED, {"file": self.number}).fetchall()
        return int(people)

    @property
    def returned(self) -> int:
        """How many people of the file a check had removed or rewritten before: the file brought them again."""
        ((people,),) = self._con.execute(_RETURNED, {"file": self.number}).fetchall()
        return int(people)


def _settings(columns: Columns, wish: ImportWish) -> str:
    composed = {"compose": columns.composer.name} if columns.composer is not None else {}
    read = {"mapping": columns.meanings, "format": columns.shape}
    return json.dumps(wish.settings() | read | composed, sort_keys=True)


def _add_profiles(con: duckdb.DuckDBPyConnection, rows: pa.Table) -> None:
    """Write what the columns of people say of them as profiles; of rows that are one person, the first."""
    profiles: dict[str, Profile] = {}
    for persona, attributes in zip(rows["id"].to_pylist(), rows["attributes"].to_pylist(), strict=True):
        if attributes is not None and persona not in profiles:
            profile = profile_of_columns(persona, json.loads(attributes))
            profiles |= {persona: profile} if profile is not None else {}
    there = {str(persona) for (persona,) in con.execute(_PROFILED, {"people": list(profiles)}).fetchall()}
    write_profiles(con, [profile for persona, profile in profiles.items() if persona not in there], _now())


def _number(hub: HubFile, query: str) -> int:
    ((number,),) = hub.con.execute(query).fetchall()
    return int(number)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
