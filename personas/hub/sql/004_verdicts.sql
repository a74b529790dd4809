CREATE TABLE IF NOT EXISTS rulings (
    persona VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    became VARCHAR,
    text VARCHAR,
    undone BOOLEAN NOT NULL
);
COMMENT ON TABLE rulings IS 'What rules of quality and for personal data said of descriptions';
COMMENT ON COLUMN rulings.persona IS 'Id of the description that the rule spoke of; of one that is gone, what its id was';
COMMENT ON COLUMN rulings.rule IS 'too_short, too_long, refusal, template_leak, refers_to_unnamed, first_person, second_person, other_language or personal_data';
COMMENT ON COLUMN rulings.reason IS 'Why, in one sentence; of personal data it names kinds, never the data';
COMMENT ON COLUMN rulings.outcome IS 'kept, rewritten, turned_away (marked, and left out like a near-duplicate) or removed (personal data that were to be dropped)';
COMMENT ON COLUMN rulings.became IS 'Id of the rewritten description';
COMMENT ON COLUMN rulings.text IS 'The description as it was; null where it is as it was, where it held personal data that are gone, or where the answer that had it is in calls';
COMMENT ON COLUMN rulings.undone IS 'True once somebody judged the ruling wrong: who was turned away is back';
