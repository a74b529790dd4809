ALTER TABLE agents ADD COLUMN group_name VARCHAR;
COMMENT ON COLUMN agents.group_name IS 'Group that the scenario puts the agent in; null where it has none';

CREATE TABLE action_fields (
    kind VARCHAR NOT NULL,
    field VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    type VARCHAR NOT NULL,
    choices VARCHAR[] NOT NULL,
    description VARCHAR NOT NULL,
    PRIMARY KEY (kind, field)
);
COMMENT ON TABLE action_fields IS 'The fields of the scenario''s actions that can be counted or averaged; their values are in emissions.payload';
COMMENT ON COLUMN action_fields.kind IS 'Kind of the emissions that have it';
COMMENT ON COLUMN action_fields.field IS 'Name of the field, and its key in emissions.payload';
COMMENT ON COLUMN action_fields.ordinal IS 'Its place among them, from 1';
COMMENT ON COLUMN action_fields.type IS 'integer, number, boolean or choice';
COMMENT ON COLUMN action_fields.choices IS 'The values of a choice, in the order in which they are declared';
COMMENT ON COLUMN action_fields.description IS 'What the model is told of it';

CREATE TABLE questions (
    ordinal INTEGER PRIMARY KEY,
    title VARCHAR NOT NULL,
    sql VARCHAR NOT NULL
);
COMMENT ON TABLE questions IS 'Questions that the scenario has of its own runs';
COMMENT ON COLUMN questions.ordinal IS 'From 1';
COMMENT ON COLUMN questions.title IS 'The question in words';
COMMENT ON COLUMN questions.sql IS 'The question in SQL';
