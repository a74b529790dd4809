CREATE TABLE passages (
    passage VARCHAR PRIMARY KEY,
    ordinal INTEGER NOT NULL,
    text VARCHAR NOT NULL,
    language VARCHAR NOT NULL,
    source VARCHAR,
    licence VARCHAR
);
COMMENT ON TABLE passages IS 'The seed texts from which Text-to-Persona inferred the first people';
COMMENT ON COLUMN passages.passage IS '128-bit content hash of the text, hexadecimal';
COMMENT ON COLUMN passages.ordinal IS 'Position in the source, from 1';
COMMENT ON COLUMN passages.text IS 'The passage';
COMMENT ON COLUMN passages.language IS 'BCP 47 language tag';
COMMENT ON COLUMN passages.source IS 'Document the passage is from';
COMMENT ON COLUMN passages.licence IS 'Licence of that document (SPDX where there is one)';

CREATE TABLE personas (
    id VARCHAR PRIMARY KEY,
    ordinal INTEGER NOT NULL,
    text VARCHAR NOT NULL,
    origin VARCHAR NOT NULL,
    hop INTEGER NOT NULL,
    parent VARCHAR,
    language VARCHAR NOT NULL,
    source VARCHAR,
    licence VARCHAR,
    model VARCHAR,
    prompt VARCHAR
);
COMMENT ON TABLE personas IS 'Everybody who was grown or read, near-duplicates included (see duplicates)';
COMMENT ON COLUMN personas.id IS '128-bit content hash of the description, hexadecimal: equal texts are one persona';
COMMENT ON COLUMN personas.ordinal IS 'Order of arrival, from 1';
COMMENT ON COLUMN personas.text IS 'The description';
COMMENT ON COLUMN personas.origin IS 'text (Text-to-Persona), persona (Persona-to-Persona) or import';
COMMENT ON COLUMN personas.hop IS 'Relations between this persona and the one inferred from a text; 0 for that one';
COMMENT ON COLUMN personas.parent IS 'Persona it was grown from';
COMMENT ON COLUMN personas.language IS 'BCP 47 tag of the language of the description';
COMMENT ON COLUMN personas.source IS 'Passage or file it came from';
COMMENT ON COLUMN personas.licence IS 'Licence of that source';
COMMENT ON COLUMN personas.model IS 'Model that wrote it; null for an import';
COMMENT ON COLUMN personas.prompt IS 'Prompt that it answers, as name@version';

CREATE TABLE relations (
    ordinal INTEGER NOT NULL,
    source VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    label VARCHAR NOT NULL,
    hop INTEGER NOT NULL
);
COMMENT ON TABLE relations IS 'Directed ties: target is source''s label';
COMMENT ON COLUMN relations.ordinal IS 'Order of arrival, from 1';
COMMENT ON COLUMN relations.source IS 'Persona';
COMMENT ON COLUMN relations.target IS 'Persona; follow duplicates to the one who lives in the society';
COMMENT ON COLUMN relations.kind IS 'Normalised kind: kinship, friendship, neighbourhood, work, trade, care, teaching, service, rivalry or other';
COMMENT ON COLUMN relations.label IS 'The relation in the model''s own words';
COMMENT ON COLUMN relations.hop IS 'Hop of Persona-to-Persona that found it';

CREATE TABLE duplicates (
    kind VARCHAR NOT NULL,
    step INTEGER,
    persona VARCHAR NOT NULL,
    "of" VARCHAR NOT NULL,
    emission BIGINT,
    of_emission BIGINT,
    stage VARCHAR NOT NULL,
    similarity DOUBLE NOT NULL,
    undone BOOLEAN NOT NULL
);
COMMENT ON TABLE duplicates IS 'Verdicts of near-duplicate detection: marked, never deleted, and undone by setting undone';
COMMENT ON COLUMN duplicates.kind IS 'persona, or the kind of the emission';
COMMENT ON COLUMN duplicates.step IS 'Step of the emission; null for a persona';
COMMENT ON COLUMN duplicates.persona IS 'The newcomer, or the author of the later emission';
COMMENT ON COLUMN duplicates."of" IS 'The earlier persona, or the author of the earlier emission';
COMMENT ON COLUMN duplicates.emission IS 'The later emission; null for a persona';
COMMENT ON COLUMN duplicates.of_emission IS 'The earlier emission; null for a persona';
COMMENT ON COLUMN duplicates.stage IS 'Stage that found it: exact or minhash (how candidates were found; decided by exact Jaccard), or cosine: and the embedding model';
COMMENT ON COLUMN duplicates.similarity IS 'Jaccard similarity of the two sets of words, or cosine of the two vectors, 0 to 1';
COMMENT ON COLUMN duplicates.undone IS 'True once somebody judged the verdict wrong';
