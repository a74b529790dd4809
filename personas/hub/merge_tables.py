"""What a merge does with each table: how it is read from a hub, and how its rows are written to the new one."""

from collections.abc import Mapping

from .schema import hub_table

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
    "repeated_rows": (
        """INSERT INTO repeated_rows
        SELECT * REPLACE (file + $files AS file, first_file + $files AS first_file) FROM taken""",
    ),
    # Who is described in several hubs stays as the first one has them.
    "profiles": (
        """INSERT INTO merged_otherwise SELECT t.persona FROM taken AS t JOIN profiles AS p ON p.persona = t.persona
        WHERE (t.model, t.made_at, t.evidence) IS DISTINCT FROM (p.model, p.made_at, p.evidence::VARCHAR)""",
        "INSERT INTO profiles BY NAME SELECT * FROM taken ON CONFLICT DO NOTHING",
    ),
    # A contradiction holds only for the two profiles that it was found in.
    "contradictions": (
        """INSERT INTO merged_left SELECT 'contradictions of profiles that an earlier hub has otherwise' FROM taken
        WHERE persona IN (FROM merged_otherwise) OR other IN (FROM merged_otherwise)""",
        """INSERT INTO contradictions SELECT t.* FROM taken AS t
        WHERE persona NOT IN (FROM merged_otherwise) AND other NOT IN (FROM merged_otherwise) AND NOT EXISTS (
            FROM contradictions AS c WHERE c.rowid < $contradictions
            AND c.persona = t.persona AND c.other = t.other AND c.rule = t.rule)""",
    ),
    "biographies": ("INSERT INTO biographies BY NAME SELECT * FROM taken ON CONFLICT DO NOTHING",),
    "rule_results": (
        "INSERT INTO merged_rule_results BY NAME FROM taken",
        "UPDATE merged_rule_results SET file = file + $files WHERE rowid >= $rule_results AND file IS NOT NULL",
    ),
    "comparisons": ("INSERT INTO comparisons SELECT ordinal + $comparisons, stage, threshold FROM taken",),
    "merged_people": ("INSERT INTO merged_people BY NAME FROM taken",),
    "elites": ("INSERT INTO elites BY NAME SELECT * FROM taken EXCEPT SELECT * FROM elites",),
    # Vectors of other lengths are another model's, whatever its name: near-duplicates could not be looked for.
    "vectors": (
        """INSERT INTO merged_left SELECT 'vectors of ' || model || ' that are longer or shorter than an earlier hub''s'
        FROM taken AS t WHERE model IN (SELECT model FROM merged_lengths WHERE hub < $hub)
        AND (model, len(vector)) NOT IN (SELECT (model, length) FROM merged_lengths WHERE hub < $hub)""",
        """INSERT INTO vectors SELECT t.* FROM taken AS t
        ANTI JOIN (FROM vectors WHERE rowid < $vectors) AS v ON v.text_hash = t.text_hash AND v.model = t.model
        WHERE model NOT IN (SELECT model FROM merged_lengths WHERE hub < $hub)
        OR (model, len(vector)) IN (SELECT (model, length) FROM merged_lengths WHERE hub < $hub)""",
        """INSERT INTO merged_lengths SELECT DISTINCT $hub, model, len(vector) FROM taken
        WHERE model NOT IN (SELECT model FROM merged_lengths WHERE hub < $hub)""",
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
CREATE TEMP TABLE merged_otherwise (persona VARCHAR);
CREATE TEMP TABLE merged_lengths (hub INTEGER, model VARCHAR, length BIGINT);
CREATE TEMP TABLE merged_left (what VARCHAR);
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
_FILES = """
DELETE FROM imports WHERE file IN (SELECT file FROM same_files);
DELETE FROM repeated_rows WHERE file IN (SELECT file FROM same_files);
UPDATE repeated_rows SET first_file = kept FROM same_files WHERE first_file = same_files.file;
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
    "contradictions": "SELECT coalesce(max(rowid) + 1, 0) FROM contradictions",
    "vectors": "SELECT coalesce(max(rowid) + 1, 0) FROM vectors",
    "rule_results": "SELECT coalesce(max(rowid) + 1, 0) FROM merged_rule_results",
}

#: The scripts, in turn, that make the tables of what was staged.
FINISHED = (_RELATIONS, _VERDICTS, _RULE_RESULTS, _SAME_FILES, _FILES)

#: Rows that stayed behind, by what they are.
LEFT = "SELECT what, count(*) FROM merged_left GROUP BY what ORDER BY what"
