"""Uniting hubs: equal texts become one persona, and all that is known of them stays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from ..database import said
from ..errors import SetupError, SourceError
from ..persona import content_id
from .file import HubFile, create_hub, open_hub

__all__ = ["MergeReport", "merge_hubs"]

_ROWS = 50_000

#: What is read of each hub, in its order.
_READ = {
    "personas": """SELECT id, ordinal, text, origin, hop, parent, language, source, licence, model, prompt
        FROM personas ORDER BY ordinal""",
    "passages": "SELECT passage, ordinal, text, language, source, licence FROM passages ORDER BY ordinal",
    "relations": "SELECT ordinal, source, target, kind, label, hop FROM relations",
    "duplicates": """SELECT persona, "of", stage, similarity, undone FROM duplicates WHERE kind = 'persona'""",
    "imported_files": "SELECT * REPLACE (settings::VARCHAR AS settings) FROM imported_files",
    "skipped_rows": "SELECT * FROM skipped_rows",
    "imports": "SELECT * REPLACE (attributes::VARCHAR AS attributes) FROM imports",
    "profiles": "SELECT * REPLACE (evidence::VARCHAR AS evidence) FROM profiles",
    "biographies": "FROM biographies",
    "rulings": "FROM rulings",
    "elites": "SELECT * REPLACE (changes::VARCHAR AS changes) FROM elites",
}
#: What becomes of a batch of it. `taken` holds the batch; $people, $passages and $files are what was there before.
_WRITE = {
    "personas": """INSERT INTO personas BY NAME SELECT * REPLACE (ordinal + $people AS ordinal) FROM taken
        ON CONFLICT DO NOTHING""",
    "passages": """INSERT INTO passages BY NAME SELECT * REPLACE (ordinal + $passages AS ordinal) FROM taken
        ON CONFLICT DO NOTHING""",
    # By ordinal, which takes an eighth of the room of an id.
    "relations": """INSERT INTO merged_relations
        SELECT $hub, t.ordinal, p.ordinal, q.ordinal, t.kind, t.label, t.hop
        FROM taken AS t JOIN personas AS p ON p.id = t.source JOIN personas AS q ON q.id = t.target""",
    "duplicates": "INSERT INTO merged_verdicts SELECT * FROM taken",
    "imported_files": "INSERT INTO merged_files SELECT * REPLACE (file + $files AS file) FROM taken",
    "skipped_rows": "INSERT INTO skipped_rows SELECT * REPLACE (file + $files AS file) FROM taken",
    "imports": "INSERT INTO imports SELECT * REPLACE (file + $files AS file) FROM taken",
    # Who is described in several hubs stays as the first one has them.
    "profiles": "INSERT INTO profiles BY NAME SELECT * FROM taken ON CONFLICT DO NOTHING",
    "biographies": "INSERT INTO biographies BY NAME SELECT * FROM taken ON CONFLICT DO NOTHING",
    "rulings": "INSERT INTO rulings BY NAME SELECT * FROM taken EXCEPT SELECT * FROM rulings",
    "elites": "INSERT INTO elites BY NAME SELECT * FROM taken EXCEPT SELECT * FROM elites",
}
_STAGED = """
CREATE TEMP TABLE merged_relations (
    hub INTEGER, ordinal INTEGER, source INTEGER, target INTEGER, kind VARCHAR, label VARCHAR, hop INTEGER
);
CREATE TEMP TABLE merged_verdicts (
    persona VARCHAR, "of" VARCHAR, stage VARCHAR, similarity DOUBLE, undone BOOLEAN
);
CREATE TEMP TABLE merged_files AS FROM imported_files LIMIT 0;
"""
_RELATIONS = """
INSERT INTO relations (ordinal, source, target, kind, label, hop)
SELECT row_number() OVER (ORDER BY first), p.id, q.id, kind, label, r.hop FROM (
    SELECT source, target, kind, label, min(hub::BIGINT << 32 | ordinal) AS first,
           arg_min(hop, hub::BIGINT << 32 | ordinal) AS hop
    FROM merged_relations GROUP BY source, target, kind, label
) AS r JOIN personas AS p ON p.ordinal = r.source JOIN personas AS q ON q.ordinal = r.target
ORDER BY first
"""
#: The earlier of two is the one who is kept, in the order of the new hub; of several verdicts on one persona the most
#: similar one that stands, or else one that was undone. What was undone in one hub is undone.
_VERDICTS = """
INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
WITH turned AS (
    SELECT CASE WHEN p.ordinal > o.ordinal THEN p.id ELSE o.id END AS persona,
           CASE WHEN p.ordinal > o.ordinal THEN o.id ELSE p.id END AS earlier,
           stage, similarity, undone
    FROM merged_verdicts AS v JOIN personas AS p ON p.id = v.persona JOIN personas AS o ON o.id = v."of"
    WHERE p.id <> o.id
), pairs AS (
    SELECT persona, earlier, arg_max(stage, (similarity, stage)) AS stage, max(similarity) AS similarity,
           bool_or(undone) AS undone
    FROM turned GROUP BY persona, earlier
)
SELECT DISTINCT ON (persona) 'persona', persona, earlier, stage, similarity, undone
FROM pairs ORDER BY persona, undone, similarity DESC, earlier
"""
#: A file that several of the hubs had imported in the same way came in once; its rows are told from the first of them.
_SAME_FILES = """
CREATE TEMP TABLE same_files AS
SELECT file FROM (
    SELECT file, row_number() OVER (PARTITION BY sha256, settings ORDER BY complete DESC, read_to DESC, file) AS place
    FROM merged_files
) WHERE place > 1
"""
_FILES = """
DELETE FROM imports WHERE file IN (FROM same_files);
DELETE FROM skipped_rows WHERE file IN (FROM same_files);
INSERT INTO imported_files FROM merged_files WHERE file NOT IN (FROM same_files);
"""
_COUNTS = {
    "people": "SELECT coalesce(max(ordinal), 0) FROM personas",
    "passages": "SELECT coalesce(max(ordinal), 0) FROM passages",
    "files": "SELECT coalesce(max(file), 0) FROM merged_files",
}


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What became of the hubs that were united."""

    path: Path
    #: People of each hub, in the order given.
    people: tuple[int, ...]
    #: What is in the new hub.
    personas: int
    relations: int
    verdicts: int
    #: Relations that named somebody who is in none of the hubs, and stayed behind.
    dangling: int
    #: Tables that were not taken over, because what they say holds for one hub only, or is not known here.
    left_out: tuple[str, ...]

    @property
    def equal(self) -> int:
        """People whose text was met before: they are one persona now."""
        return sum(self.people) - self.personas


def merge_hubs(paths: Sequence[Path], out: Path) -> MergeReport:
    """Write a new hub with everybody who is in any of these, and say what it holds.

    Equal texts are one persona, as the first hub that has it describes it; of relations that say the same one is
    kept; verdicts of near-duplicate detection stay, and what was undone in one hub stays undone; where each row was
    imported from is kept. Texts that are nearly equal across hubs are for `dedup_hub` to find. The file is there
    whole or not at all. Raises `SourceError` for a hub that cannot be read and `SetupError` for fewer than two.
    """
    if len(paths) < 2:
        raise SetupError("One hub alone cannot be merged; give two or more.")
    if out.exists():
        raise SetupError(f"{str(out)!r} exists already; give another path for the united hub.")
    part = out.with_name(f"{out.name}.part")
    _remove(part)
    try:
        with create_hub(part) as hub:
            report = _merged(hub, paths, out)
        part.replace(out)
    finally:
        _remove(part)
    return report


def _merged(hub: HubFile, paths: Sequence[Path], out: Path) -> MergeReport:
    people, related, left_out = [], 0, set[str]()
    # Not one transaction: the file takes its name only when all is in it, and large transactions take memory.
    hub.con.execute(_STAGED)
    for number, path in enumerate(paths, start=1):
        with open_hub(path) as source, hub.writing():
            people.append(_take(hub, source, number))
            related += _number(source, _RELATED) if "relations" in _tables(source) else 0
            left_out |= _others(hub, source)
    for script in (_RELATIONS, _VERDICTS, _SAME_FILES, _FILES):
        with hub.writing() as con:
            con.execute(script)
    personas, relations, verdicts = (_number(hub, query) for query in (_PERSONAS, _RELATED, _JUDGED))
    dangling = related - _number(hub, "SELECT count(*) FROM merged_relations")
    return MergeReport(out, tuple(people), personas, relations, verdicts, dangling, tuple(sorted(left_out)))


_PERSONAS = "SELECT count(*) FROM personas"
_RELATED = "SELECT count(*) FROM relations"
_JUDGED = "SELECT count(*) FROM duplicates"


def _take(hub: HubFile, source: HubFile, number: int) -> int:
    """Write what one hub holds; says how many people it has."""
    given = {"hub": number, **{name: _number(hub, query) for name, query in _COUNTS.items()}}
    there = _tables(source)
    for table, query in _READ.items():
        if table in there:
            _copy(hub, source, table, query, _WRITE[table], given)
    return _number(source, _PERSONAS)


def _copy(hub: HubFile, source: HubFile, table: str, query: str, statement: str, given: dict[str, int]) -> None:
    used = {name: value for name, value in given.items() if f"${name}" in statement}
    for batch in _batches(source, query):
        if table == "personas":
            _check_ids(source, batch)
        hub.con.register("taken", batch)
        try:
            hub.con.execute(statement, used)
        finally:
            hub.con.unregister("taken")


def _batches(source: HubFile, query: str) -> Iterator[pa.Table]:
    try:
        for batch in source.con.sql(query).to_arrow_reader(_ROWS):
            yield pa.Table.from_batches([batch])
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise SourceError(f"{str(source.path)!r} has not the tables of a hub: {said(error)}.") from error


def _check_ids(source: HubFile, batch: pa.Table) -> None:
    for persona, text in zip(*(batch.column(name).to_pylist() for name in ("id", "text")), strict=True):
        if persona != content_id(text):
            raise SourceError(
                f"{str(source.path)!r} numbers its people in another way: {persona!r} is not the hash of its text; "
                "export its people and import them instead."
            )


def _tables(source: HubFile) -> set[str]:
    rows = source.con.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall()
    return {str(name) for (name,) in rows}


def _others(hub: HubFile, source: HubFile) -> set[str]:
    known = {*_READ, "hub_migrations", "occupation_groups"}
    others = _tables(source) & _tables(hub) - known
    return {name for name in others if source.con.table(name).limit(1).fetchall()}


def _number(hub: HubFile, query: str) -> int:
    ((number,),) = hub.con.execute(query).fetchall()
    return int(number)


def _remove(part: Path) -> None:
    for path in (part, part.with_name(f"{part.name}.wal")):
        path.unlink(missing_ok=True)
