"""Merging hubs: equal texts become one persona, and all that is known of them stays."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.arrow import iter_batches
from ...core.database import check_regular
from ...core.errors import SetupError, SourceError
from ...core.writers import write_new_file
from ..persona import content_id
from .file import HubFile, create_hub, hub_table, open_hub
from .queries import RETURNED, count, registered, table_names
from .rewrites import reconcile_rewritten

#: Rows that are read in an order of their own.
_ORDER = dict.fromkeys(("personas", "passages", "comparisons"), "ORDER BY ordinal")
#: What becomes of a batch of it. `taken` holds the batch, $hub is the number of the hub, and `COUNTS` the other names.
WRITE: Mapping[str, tuple[str, ...]] = {
    "personas": (
        # The model that wrote a text is taken over where an earlier hub does not know it.
        """UPDATE personas SET origin = t.origin, hop = t.hop, parent = t.parent, model = t.model, prompt = t.prompt
        FROM taken AS t WHERE personas.id = t.id AND personas.model IS NULL AND t.model IS NOT NULL""",
        """INSERT INTO personas BY NAME SELECT * REPLACE (ordinal + $people AS ordinal) FROM taken
        ON CONFLICT DO NOTHING""",
        """UPDATE personas SET licence = coalesce(personas.licence, t.licence),
            language = CASE WHEN personas.language = 'und' THEN t.language ELSE personas.language END
        FROM taken AS t WHERE personas.id = t.id AND ((personas.licence IS NULL AND t.licence IS NOT NULL)
            OR (personas.language = 'und' AND t.language <> 'und'))""",
    ),
    "passages": (
        """INSERT INTO passages BY NAME SELECT * REPLACE (ordinal + $passages AS ordinal) FROM taken
        ON CONFLICT DO NOTHING""",
    ),
    # By ordinal, which takes an eighth of the room of an id.
    "relations": (
        """INSERT INTO merged_relations
        SELECT $hub, t.ordinal, p.ordinal, q.ordinal, t.kind, t.label, t.hop
        FROM taken AS t JOIN personas AS p ON p.id = t.source JOIN personas AS q ON q.id = t.target""",
    ),
    "duplicates": ("INSERT INTO merged_verdicts SELECT * FROM taken",),
    "imported_files": ("INSERT INTO merged_files SELECT * REPLACE (file + $files AS file) FROM taken",),
    # Rows that only get the new number of their file.
    **{
        table: (f"INSERT INTO {table} SELECT * REPLACE (file + $files AS file) FROM taken",)  # noqa: S608
        for table in ("skipped_rows", "imported_columns", "imports")
    },
    # Who is described in several hubs stays as the first one has them.
    **{
        table: (f"INSERT INTO {table} BY NAME SELECT * FROM taken ON CONFLICT DO NOTHING",)  # noqa: S608
        for table in ("profiles", "biographies")
    },
    "rule_results": (
        "INSERT INTO merged_rule_results BY NAME FROM taken",
        "UPDATE merged_rule_results SET file = file + $files WHERE rowid >= $rule_results AND file IS NOT NULL",
    ),
    "comparisons": ("INSERT INTO comparisons SELECT ordinal + $comparisons, stage, threshold FROM taken",),
    # Those whom an earlier hub had stay as it has them.
    "rewritten_people": (
        """INSERT INTO rewritten_people SELECT t.* FROM taken AS t
        SEMI JOIN personas ON id = persona AND ordinal > $people""",
    ),
    "elites": ("INSERT INTO elites BY NAME SELECT * FROM taken EXCEPT SELECT * FROM elites",),
    "vectors": (
        """INSERT INTO vectors SELECT t.* FROM taken AS t
        ANTI JOIN (FROM vectors WHERE rowid < $vectors) AS v ON v.text_hash = t.text_hash AND v.model = t.model""",
    ),
}
#: How each table is read, in the order in which tables are read.
READ: Mapping[str, str] = {name: hub_table(name).query(_ORDER.get(name, "")) for name in WRITE} | {
    "duplicates": """SELECT persona, "of", stage, similarity, undone FROM duplicates WHERE kind = 'persona'""",
    # Of several vectors of a text the latest; those of other texts belong to a run.
    "vectors": """SELECT text_hash, model, vector, request_hash FROM vectors WHERE rowid IN (
        SELECT max(rowid) FROM vectors SEMI JOIN personas ON id = text_hash GROUP BY text_hash, model)""",
}
STAGED = """
CREATE TEMP TABLE merged_relations (
    hub INTEGER, ordinal INTEGER, source INTEGER, target INTEGER, kind VARCHAR, label VARCHAR, hop INTEGER
);
CREATE TEMP TABLE merged_verdicts (
    persona VARCHAR, "of" VARCHAR, stage VARCHAR, similarity DOUBLE, undone BOOLEAN
);
CREATE TEMP TABLE merged_files AS FROM imported_files LIMIT 0;
CREATE TEMP TABLE merged_rule_results AS FROM rule_results LIMIT 0;
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
#: A file that several hubs had imported in the same way is merged once, as the hub that got farthest has it.
_SAME_FILES = """
CREATE TEMP TABLE same_files AS
SELECT file, kept FROM (
    SELECT file, first_value(file) OVER same AS kept FROM merged_files
    WINDOW same AS (PARTITION BY sha256, settings ORDER BY complete DESC, read_to DESC, file)
) WHERE file <> kept
"""
_MERGE_FILES = """
DELETE FROM imports WHERE file IN (SELECT file FROM same_files);
DELETE FROM skipped_rows WHERE file IN (SELECT file FROM same_files);
DELETE FROM imported_columns WHERE file IN (SELECT file FROM same_files);
DELETE FROM rule_results WHERE file IN (SELECT file FROM same_files) AND "column" IS NOT NULL;
INSERT INTO imported_files FROM merged_files WHERE file NOT IN (SELECT file FROM same_files);
"""
#: A rule result is the same in every hub; undone in one, it is undone.
_RULE_RESULTS = """
INSERT INTO rule_results BY NAME
SELECT persona, rule, arg_min(reason, rowid) AS reason, outcome, became, arg_min(text, rowid) AS text,
    bool_or(undone) AS undone, kind, "column", place, "before", "after",
    min(file) AS file, arg_min("row", file) AS "row"
FROM merged_rule_results
GROUP BY persona, rule, outcome, became, kind, "column", place, "before", "after",
    if("column" IS NULL, NULL, file), if("column" IS NULL, NULL, "row")
ORDER BY min(rowid)
"""
#: What is there when a hub's turn comes.
COUNTS = {
    "people": "SELECT coalesce(max(ordinal), 0) FROM personas",
    "passages": "SELECT coalesce(max(ordinal), 0) FROM passages",
    "files": "SELECT coalesce(max(file), 0) FROM merged_files",
    "comparisons": "SELECT coalesce(max(ordinal), 0) FROM comparisons",
    "vectors": "SELECT coalesce(max(rowid) + 1, 0) FROM vectors",
    "rule_results": "SELECT coalesce(max(rowid) + 1, 0) FROM merged_rule_results",
}

#: The scripts, in turn, that make the tables of what was staged.
FINISHED = (_RELATIONS, _VERDICTS, _RULE_RESULTS, _SAME_FILES, _MERGE_FILES)

_ROWS = 50_000
#: A vector takes the room of a hundred rows.
_FEW = 4096

#: Tables about the file itself, and those that are merged in another way.
_OF_THE_FILE = {"hub_migrations", "migrations", "occupation_groups"}
#: Rows of merged tables that are left out.
_LEFT_OF_ITS_OWN = {
    "duplicates among emissions": "FROM duplicates WHERE kind <> 'persona'",
    "vectors of other texts": "FROM vectors ANTI JOIN personas ON id = text_hash",
}


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What merging hubs came to."""

    path: Path
    #: People of each hub, in the order given.
    people: tuple[int, ...]
    #: What is in the new hub.
    personas: int
    relations: int
    verdicts: int
    #: Relations that named somebody who is in none of the hubs, and stayed behind.
    dangling: int
    vectors: int
    #: People whom a check had removed or rewritten in one of the hubs, and whom another one has.
    returned: int
    #: Rows that were not taken over, by table or reason, because what they say holds for one hub only.
    left_out: tuple[tuple[str, int], ...]

    @property
    def equal(self) -> int:
        """People whose text was met before: they are one persona now."""
        return sum(self.people) - self.personas


def merge_hubs(paths: Sequence[Path], out: Path) -> MergeReport:
    """Write a new hub with everybody who is in any of these, and return what it holds.

    Equal texts are one persona, as the first hub that has it describes it. One of several identical relations is kept.
    Verdicts of near-duplicate detection and rule results stay, and what was undone in one hub stays undone. Profiles,
    biographies and vectors that several hubs have come from the first. The import origin of each row is kept.
    Selections and contradictions hold for one hub only, and are counted in `left_out`. `dedup_hub` finds texts that are
    nearly equal across hubs. The file appears only once it is complete. Raises `SourceError` for a hub that cannot be
    read and `SetupError` for fewer than two.
    """
    if len(paths) < 2:
        raise SetupError("One hub alone cannot be merged; give two or more.")
    check_regular(out, what="hub", raised=SetupError)
    with write_new_file(out) as part, create_hub(part) as hub:
        return _merge_into(hub, paths, out)


def _merge_into(hub: HubFile, paths: Sequence[Path], out: Path) -> MergeReport:
    people, related, left_out = [], 0, Counter[str]()
    # Not one transaction: the file takes its name only when all is in it, and large transactions take memory.
    hub.con.execute(STAGED)
    for number, path in enumerate(paths, start=1):
        with open_hub(path) as source, hub.writing():
            people.append(_copy_hub(hub, source, number))
            related += count(source.con, _RELATED)
            left_out.update(_count_others(source))
    for script in FINISHED:
        with hub.writing() as con:
            con.execute(script)
    with hub.writing() as con:
        # The survivor of one hub's verdict may be rejected in another.
        reconcile_rewritten(con, [persona for (persona,) in con.execute(_REWRITTEN).fetchall()])
    dangling = related - count(hub.con, "SELECT count(*) FROM merged_relations")
    return MergeReport(
        path=out,
        people=tuple(people),
        personas=count(hub.con, _PERSONAS),
        relations=count(hub.con, _RELATED),
        verdicts=count(hub.con, "SELECT count(*) FROM duplicates"),
        dangling=dangling,
        vectors=count(hub.con, "SELECT count(*) FROM vectors"),
        returned=count(hub.con, _RETURNED),
        left_out=tuple(sorted(left_out.items())),
    )


_PERSONAS = "SELECT count(*) FROM personas"
_REWRITTEN = "SELECT persona FROM rewritten_people"
_RELATED = "SELECT count(*) FROM relations"
_RETURNED = f"SELECT count(DISTINCT persona) FROM ({RETURNED})"  # noqa: S608 - our own words


def _copy_hub(hub: HubFile, source: HubFile, number: int) -> int:
    """Write what one hub holds, and return how many personas it has."""
    given = {"hub": number, **{name: count(hub.con, query) for name, query in COUNTS.items()}}
    for table in READ:
        _copy_table(hub, source, table, given)
    return count(source.con, _PERSONAS)


def _copy_table(hub: HubFile, source: HubFile, table: str, given: dict[str, int]) -> None:
    if table == "personas":
        _check_ids(source)
    for batch in iter_batches(source.con.sql(READ[table]), _FEW if table == "vectors" else _ROWS):
        with registered(hub.con, batch, "taken"):
            for statement in WRITE[table]:
                used = {name: value for name, value in given.items() if f"${name}" in statement}
                hub.con.execute(statement, used)


def _check_ids(source: HubFile) -> None:
    known = {persona for (persona,) in source.con.execute(_REWRITTEN).fetchall()}
    for batch in iter_batches(source.con.sql("SELECT id, text FROM personas"), _ROWS):
        for persona, text in zip(*(batch.column(name).to_pylist() for name in ("id", "text")), strict=True):
            if persona != content_id(text) and persona not in known:
                raise SourceError(
                    f"{str(source.path)!r} numbers its people in another way: {persona!r} is not the hash of its text; "
                    "export its people and import them instead."
                )


def _count_others(source: HubFile) -> dict[str, int]:
    """Count the rows of a run, or of a newer hub, that are not merged, by table."""
    others = {name: f'FROM "{name}"' for name in table_names(source.con) - {*READ, *_OF_THE_FILE}} | _LEFT_OF_ITS_OWN
    counts = {name: count(source.con, f"SELECT count(*) FROM ({query})") for name, query in others.items()}  # noqa: S608
    return {name: count for name, count in counts.items() if count}
