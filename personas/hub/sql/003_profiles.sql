CREATE TABLE occupation_groups (
    occupation_group TINYINT PRIMARY KEY,
    title VARCHAR NOT NULL
);
COMMENT ON TABLE occupation_groups IS 'The major groups of the International Standard Classification of Occupations, ISCO-08';
COMMENT ON COLUMN occupation_groups.occupation_group IS 'Major group, 0 to 9';
COMMENT ON COLUMN occupation_groups.title IS 'Its title';

INSERT INTO occupation_groups VALUES
    (0, 'Armed forces occupations'),
    (1, 'Managers'),
    (2, 'Professionals'),
    (3, 'Technicians and associate professionals'),
    (4, 'Clerical support workers'),
    (5, 'Service and sales workers'),
    (6, 'Skilled agricultural, forestry and fishery workers'),
    (7, 'Craft and related trades workers'),
    (8, 'Plant and machine operators, and assemblers'),
    (9, 'Elementary occupations');

CREATE TABLE profiles (
    persona VARCHAR PRIMARY KEY,
    age_band VARCHAR,
    occupation VARCHAR,
    occupation_group TINYINT,
    education TINYINT,
    household VARCHAR,
    region VARCHAR,
    languages VARCHAR[],
    interests VARCHAR[],
    "values" VARCHAR[],
    openness TINYINT,
    conscientiousness TINYINT,
    extraversion TINYINT,
    agreeableness TINYINT,
    neuroticism TINYINT,
    favourite_colour VARCHAR,
    favourite_number INTEGER,
    family_background VARCHAR,
    life_events VARCHAR[],
    evidence JSON NOT NULL,
    only_evident BOOLEAN NOT NULL,
    model VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    made_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE profiles IS 'Fine-grained attributes of personas, inferred by a model from the description; null is not known. What each rests on is in evidence';
COMMENT ON COLUMN profiles.persona IS 'Persona';
COMMENT ON COLUMN profiles.age_band IS 'Age in decades: 0-9, 10-19, ... 80-89, 90+';
COMMENT ON COLUMN profiles.occupation IS 'Occupation in the words of the description, where it states one';
COMMENT ON COLUMN profiles.occupation_group IS 'Major group of ISCO-08, 0 to 9; titles in occupation_groups';
COMMENT ON COLUMN profiles.education IS 'Highest level of ISCED 2011 attained: 0 early childhood, 1 primary, 2 lower secondary, 3 upper secondary, 4 post-secondary non-tertiary, 5 short-cycle tertiary, 6 bachelor''s, 7 master''s, 8 doctoral, each or equivalent';
COMMENT ON COLUMN profiles.household IS 'alone, couple, couple with children, single parent, with parents, extended family, shared, institution or homeless';
COMMENT ON COLUMN profiles.region IS 'Where the person lives, as written';
COMMENT ON COLUMN profiles.languages IS 'BCP 47 tags of the languages spoken, the first one best';
COMMENT ON COLUMN profiles.interests IS 'What the person likes to do or know';
COMMENT ON COLUMN profiles."values" IS 'Of Schwartz''s ten values those that guide the person most, the first one most';
COMMENT ON COLUMN profiles.openness IS 'Openness to experience (Big Five), 1 very low to 5 very high';
COMMENT ON COLUMN profiles.conscientiousness IS 'Conscientiousness (Big Five), 1 very low to 5 very high';
COMMENT ON COLUMN profiles.extraversion IS 'Extraversion (Big Five), 1 very low to 5 very high';
COMMENT ON COLUMN profiles.agreeableness IS 'Agreeableness (Big Five), 1 very low to 5 very high';
COMMENT ON COLUMN profiles.neuroticism IS 'Neuroticism (Big Five), 1 very low to 5 very high';
COMMENT ON COLUMN profiles.favourite_colour IS 'Favourite colour';
COMMENT ON COLUMN profiles.favourite_number IS 'Favourite number';
COMMENT ON COLUMN profiles.family_background IS 'The family the person comes from';
COMMENT ON COLUMN profiles.life_events IS 'What happened in the person''s life, in order';
COMMENT ON COLUMN profiles.evidence IS 'By attribute: evidence (stated, implied, assumed or unknown) and, for stated and implied, the words of the description it follows from';
COMMENT ON COLUMN profiles.only_evident IS 'True where what the model assumed was not taken over: it is unknown then';
COMMENT ON COLUMN profiles.model IS 'Model that inferred it';
COMMENT ON COLUMN profiles.prompt IS 'Prompt that it answers, as name@version';
COMMENT ON COLUMN profiles.made_at IS 'UTC';

CREATE TABLE contradictions (
    persona VARCHAR NOT NULL,
    other VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    detail VARCHAR NOT NULL,
    asked VARCHAR,
    status VARCHAR NOT NULL,
    found_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE contradictions IS 'Where the profiles of two people who are tied to each other do not fit the tie, found by rules';
COMMENT ON COLUMN contradictions.persona IS 'Persona from whom the relation leads';
COMMENT ON COLUMN contradictions.other IS 'Persona to whom it leads';
COMMENT ON COLUMN contradictions.rule IS 'parent_age, child_age, grandparent_age, grandchild_age, sibling_age, spouse_age, spouse_of_another, spouse_otherwise, mutual_employers, colleague_age, no_common_language or neighbour_region';
COMMENT ON COLUMN contradictions.detail IS 'The contradiction in one sentence';
COMMENT ON COLUMN contradictions.asked IS 'Of the two the one whose profile was, or is to be, asked for again; null where both state what contradicts';
COMMENT ON COLUMN contradictions.status IS 'open (found), kept (still there after the profile was asked for again, or nothing to ask) or resolved';
COMMENT ON COLUMN contradictions.found_at IS 'UTC';

CREATE TABLE biographies (
    persona VARCHAR PRIMARY KEY,
    text VARCHAR NOT NULL,
    mentions VARCHAR[] NOT NULL,
    language VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    made_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE biographies IS 'Long biographies, written from the profile and those of the people the persona is tied to; synthetic text, all of it';
COMMENT ON COLUMN biographies.persona IS 'Persona';
COMMENT ON COLUMN biographies.text IS 'The biography, paragraphs with an empty line between';
COMMENT ON COLUMN biographies.mentions IS 'The tied personas that it speaks of';
COMMENT ON COLUMN biographies.language IS 'BCP 47 tag of the language it was asked for in';
COMMENT ON COLUMN biographies.model IS 'Model that wrote it';
COMMENT ON COLUMN biographies.prompt IS 'Prompt that it answers, as name@version';
COMMENT ON COLUMN biographies.made_at IS 'UTC';

CREATE TABLE elites (
    persona VARCHAR NOT NULL,
    original VARCHAR NOT NULL,
    skill VARCHAR NOT NULL,
    tier VARCHAR NOT NULL,
    general_domain VARCHAR NOT NULL,
    specific_domain VARCHAR NOT NULL,
    changes JSON NOT NULL,
    model VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    made_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE elites IS 'Personas who were raised to the very best in a skill, and what that changed';
COMMENT ON COLUMN elites.persona IS 'The raised persona, a row of its own in personas';
COMMENT ON COLUMN elites.original IS 'The persona it was made from, which stays as it is';
COMMENT ON COLUMN elites.skill IS 'The skill as it was asked for';
COMMENT ON COLUMN elites.tier IS 'The share of all people who have the skill: 1% or 0.1%';
COMMENT ON COLUMN elites.general_domain IS 'The field that the skill belongs to';
COMMENT ON COLUMN elites.specific_domain IS 'The speciality within it';
COMMENT ON COLUMN elites.changes IS 'What differs from the original: a list of before (words of the original, empty for what is new), after (words of the new description) and why';
COMMENT ON COLUMN elites.model IS 'Model that rewrote the description';
COMMENT ON COLUMN elites.prompt IS 'Prompt that it answers, as name@version';
COMMENT ON COLUMN elites.made_at IS 'UTC';
