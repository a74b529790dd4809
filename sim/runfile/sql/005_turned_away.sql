ALTER TABLE growth_chunks ADD COLUMN turned_away INTEGER DEFAULT 0;
ALTER TABLE growth_chunks ADD COLUMN unwanted INTEGER DEFAULT 0;
ALTER TABLE growth_chunks ADD COLUMN extension INTEGER DEFAULT 0;
COMMENT ON COLUMN growth_chunks.dropped IS 'Descriptions that a rule did not let in';
COMMENT ON COLUMN growth_chunks.turned_away IS 'Of those, how many stay as rows, marked by their rulings; of the others nothing may be kept. Files of earlier versions kept none';
COMMENT ON COLUMN growth_chunks.unwanted IS 'Relations of other kinds than were wanted; they were left out';
COMMENT ON COLUMN growth_chunks.extension IS 'The extension of growth that it belongs to, as in growth_extensions; 0 for growth as it was begun';
COMMENT ON COLUMN growth_chunks.latest IS 'Of the latest 500 descriptions up to here, oldest first: 1 for somebody new, 0 for a near-duplicate, a repeat or one turned away';

CREATE TABLE growth_extensions (
    extension INTEGER PRIMARY KEY,
    was JSON NOT NULL,
    became JSON NOT NULL,
    rounds INTEGER[] NOT NULL,
    event_hash VARCHAR,
    extended_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE growth_extensions IS 'Finished growth that was asked for more: more hops, more people, more sources. Its hops are gone through once more, and what is there stays';
COMMENT ON COLUMN growth_extensions.extension IS 'From 1';
COMMENT ON COLUMN growth_extensions.was IS 'The settings until then';
COMMENT ON COLUMN growth_extensions.became IS 'The settings from then on, as in runs';
COMMENT ON COLUMN growth_extensions.rounds IS 'Rounds in which each hop had asked, from hop 1: those that follow belong to the extension';
COMMENT ON COLUMN growth_extensions.event_hash IS 'Hash over all events until then';
COMMENT ON COLUMN growth_extensions.extended_at IS 'UTC';

CREATE TABLE skipped_sources (
    chunk INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    number BIGINT NOT NULL,
    examples VARCHAR[] NOT NULL
);
COMMENT ON TABLE skipped_sources IS 'What was passed over while the sources were read: files, folders and rows, by chunk and kind';
COMMENT ON COLUMN skipped_sources.chunk IS 'Chunk of hop 0 in which it was passed over, as in growth_chunks';
COMMENT ON COLUMN skipped_sources.kind IS 'Why, in a few words';
COMMENT ON COLUMN skipped_sources.number IS 'How many';
COMMENT ON COLUMN skipped_sources.examples IS 'Sentences on the first of them: which file, which row, and what is wrong';
