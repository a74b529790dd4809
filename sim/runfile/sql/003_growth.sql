CREATE TABLE growth_chunks (
    hop INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    born INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    repeats INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    relations INTEGER NOT NULL,
    latest VARCHAR NOT NULL,
    position VARCHAR,
    started_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP NOT NULL,
    event_hash VARCHAR NOT NULL,
    PRIMARY KEY (hop, chunk)
);
COMMENT ON TABLE growth_chunks IS 'Markers within growth: a hop is asked in chunks, a chunk with a row is complete, and growth that was stopped goes on behind the last one';
COMMENT ON COLUMN growth_chunks.hop IS 'Hop, as in growth';
COMMENT ON COLUMN growth_chunks.chunk IS 'Number within the hop, from 1';
COMMENT ON COLUMN growth_chunks.asked IS 'Passages or personas that the model was asked about';
COMMENT ON COLUMN growth_chunks.failed IS 'Of those, how many gave no usable answer (see failures)';
COMMENT ON COLUMN growth_chunks.born IS 'New personas that are nobody''s near-duplicate';
COMMENT ON COLUMN growth_chunks.duplicates IS 'New personas marked as near-duplicates';
COMMENT ON COLUMN growth_chunks.repeats IS 'Descriptions with the very text of somebody who was there already';
COMMENT ON COLUMN growth_chunks.dropped IS 'Descriptions that a rule did not let in';
COMMENT ON COLUMN growth_chunks.relations IS 'New relations';
COMMENT ON COLUMN growth_chunks.latest IS 'Of the latest 500 descriptions up to here, oldest first: 1 for somebody new, 0 for a near-duplicate or a repeat';
COMMENT ON COLUMN growth_chunks.position IS 'Where reading the sources has come to; null where they were not read as a stream';
COMMENT ON COLUMN growth_chunks.started_at IS 'UTC';
COMMENT ON COLUMN growth_chunks.ended_at IS 'UTC';
COMMENT ON COLUMN growth_chunks.event_hash IS 'Hash over all events up to here';

CREATE TABLE frontier (
    hop INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    round INTEGER NOT NULL,
    persona VARCHAR NOT NULL,
    known VARCHAR[] NOT NULL
);
COMMENT ON TABLE frontier IS 'Whom each hop of Persona-to-Persona asks about, in order; written before the first of its chunks is complete';
COMMENT ON COLUMN frontier.hop IS 'Hop, from 1';
COMMENT ON COLUMN frontier.ordinal IS 'Place in the hop, from 1';
COMMENT ON COLUMN frontier.round IS 'The last hop may ask in several rounds, until there are as many people as are wanted; from 0';
COMMENT ON COLUMN frontier.persona IS 'Persona that is asked about';
COMMENT ON COLUMN frontier.known IS 'Personas who already lived there and were offered as answers';

CREATE TABLE passage_places (
    passage VARCHAR PRIMARY KEY,
    document VARCHAR NOT NULL,
    "offset" BIGINT NOT NULL,
    length BIGINT NOT NULL,
    title VARCHAR
);
COMMENT ON TABLE passage_places IS 'Where passages stand in the documents that they were read from';
COMMENT ON COLUMN passage_places.passage IS 'Passage, as in passages';
COMMENT ON COLUMN passage_places.document IS 'File, or the row or page of one (FILE#id, FILE:line), that the offset counts in';
COMMENT ON COLUMN passage_places."offset" IS 'Characters of that document before the passage';
COMMENT ON COLUMN passage_places.length IS 'Characters of the passage';
COMMENT ON COLUMN passage_places.title IS 'Title of the document, where it has one';
