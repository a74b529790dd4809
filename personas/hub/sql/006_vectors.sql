-- A hub that is a run file has the table already.
CREATE TABLE IF NOT EXISTS vectors (
    text_hash VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    vector FLOAT[] NOT NULL,
    request_hash VARCHAR NOT NULL
);
COMMENT ON TABLE vectors IS 'What an embedding model made of texts, each text once';
COMMENT ON COLUMN vectors.text_hash IS '128-bit hash of the text, hexadecimal';
COMMENT ON COLUMN vectors.model IS 'Embedding model by name';
COMMENT ON COLUMN vectors.vector IS 'The vector, as the endpoint gave it';
COMMENT ON COLUMN vectors.request_hash IS 'The call that brought it, as in calls';
