CREATE TABLE IF NOT EXISTS comparisons (
    ordinal INTEGER NOT NULL,
    stage VARCHAR NOT NULL,
    threshold DOUBLE NOT NULL
);
COMMENT ON TABLE comparisons IS 'How the people were compared for near-duplicates: when a verdict has to be decided anew, it is by these stages and thresholds';
COMMENT ON COLUMN comparisons.ordinal IS 'Order of the first time, from 1';
COMMENT ON COLUMN comparisons.stage IS 'exact (sets of words), or cosine: and the embedding model';
COMMENT ON COLUMN comparisons.threshold IS 'Least similarity of near-duplicates';

CREATE TABLE IF NOT EXISTS united (
    persona VARCHAR NOT NULL,
    became VARCHAR NOT NULL,
    "table" VARCHAR NOT NULL,
    "column" VARCHAR NOT NULL,
    row JSON NOT NULL
);
COMMENT ON TABLE united IS 'Rows of people whose rewritten description somebody else had already, so that the two became one: what undoing the rule takes apart again';
COMMENT ON COLUMN united.persona IS 'Id before the description was rewritten';
COMMENT ON COLUMN united.became IS 'Id of the person they became';
COMMENT ON COLUMN united."table" IS 'Table of the row';
COMMENT ON COLUMN united."column" IS 'Column that named the person';
COMMENT ON COLUMN united.row IS 'What tells the row from others of its table, or the whole row where it went';
