-- What the prompts of data draw for each request.

CREATE TABLE draws (
    emission BIGINT NOT NULL,
    choice VARCHAR NOT NULL,
    word VARCHAR NOT NULL
);
COMMENT ON TABLE draws IS 'What was drawn for the request that an emission answers, a row for each table of its prompt';
COMMENT ON COLUMN draws.emission IS 'Emission that answers the request';
COMMENT ON COLUMN draws.choice IS 'Table of the prompt, as difficulty: its part [choices.difficulty]';
COMMENT ON COLUMN draws.word IS 'Word whose phrase the request shows, as school';
