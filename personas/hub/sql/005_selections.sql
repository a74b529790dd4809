CREATE TABLE selections (
    name VARCHAR PRIMARY KEY,
    condition VARCHAR,
    n BIGINT,
    rule VARCHAR NOT NULL,
    columns VARCHAR[] NOT NULL,
    diverse BOOLEAN NOT NULL,
    seed BIGINT NOT NULL,
    people BIGINT NOT NULL,
    wish JSON NOT NULL,
    report JSON NOT NULL,
    hub_people BIGINT NOT NULL,
    hub_last BIGINT,
    hub_left_out BIGINT NOT NULL,
    hub_profiles BIGINT NOT NULL,
    made_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE selections IS 'Who was chosen from the hub, and how: one row a selection, with a view of the same name';
COMMENT ON COLUMN selections.name IS 'Name of the selection and of its view';
COMMENT ON COLUMN selections.condition IS 'Condition in SQL that candidates had to meet; null for everybody';
COMMENT ON COLUMN selections.n IS 'How many people were asked for; null for everybody';
COMMENT ON COLUMN selections.rule IS 'everybody, random, stratify (in proportion), balance (equally many), quota or targets (raking)';
COMMENT ON COLUMN selections.columns IS 'Columns that the rule is about';
COMMENT ON COLUMN selections.diverse IS 'True where people were chosen to be unlike each other, not at random';
COMMENT ON COLUMN selections.seed IS 'Seed of the choice: with the same seed and the same hub it comes out the same';
COMMENT ON COLUMN selections.people IS 'How many were chosen';
COMMENT ON COLUMN selections.wish IS 'The whole wish, quota and targets included';
COMMENT ON COLUMN selections.report IS 'How well the choice meets the wish: candidates, left out and why, wanted and got';
COMMENT ON COLUMN selections.hub_people IS 'Personas in the hub at that time, near-duplicates included';
COMMENT ON COLUMN selections.hub_last IS 'Ordinal of the last of them';
COMMENT ON COLUMN selections.hub_left_out IS 'Verdicts that left somebody out at that time: near-duplicates and descriptions turned away, undone ones not counted';
COMMENT ON COLUMN selections.hub_profiles IS 'Profiles in the hub at that time';
COMMENT ON COLUMN selections.made_at IS 'UTC';

CREATE TABLE selected (
    selection VARCHAR NOT NULL,
    persona VARCHAR NOT NULL,
    ordinal BIGINT NOT NULL,
    weight DOUBLE
);
COMMENT ON TABLE selected IS 'The people of each selection';
COMMENT ON COLUMN selected.selection IS 'Selection';
COMMENT ON COLUMN selected.persona IS 'Persona';
COMMENT ON COLUMN selected.ordinal IS 'Place among those chosen, from 1: the first so many of a random choice are a random choice themselves';
COMMENT ON COLUMN selected.weight IS 'What the person counts for in a figure about all who could be chosen (with targets: about the targets), 1 on average; null where people were chosen to be unlike each other';
