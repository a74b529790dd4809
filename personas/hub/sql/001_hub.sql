-- The tables of hubs. Each begins with CREATE TABLE: a file that has one of them already keeps it.

CREATE TABLE imported_files (
    file INTEGER PRIMARY KEY,
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    format VARCHAR NOT NULL,
    settings JSON NOT NULL,
    read_to BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    new BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    complete BOOLEAN NOT NULL,
    imported_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE imported_files IS 'Files that were imported. A file is committed in parts, each together with how far it got, so an import that was cut off goes on from there';
COMMENT ON COLUMN imported_files.file IS 'Number of the file, from 1';
COMMENT ON COLUMN imported_files.name IS 'Its name, without folders';
COMMENT ON COLUMN imported_files.sha256 IS 'SHA-256 of its bytes, hexadecimal: which file it was, exactly';
COMMENT ON COLUMN imported_files.bytes IS 'Its size as it was given, compressed or not';
COMMENT ON COLUMN imported_files.format IS 'personahub, tasks, elite, nemotron or table';
COMMENT ON COLUMN imported_files.settings IS 'What was asked for: columns, source, licence, revision, language, greatest length; how descriptions were composed of columns, where they were (rule@1: of those that are known by name)';
COMMENT ON COLUMN imported_files.read_to IS 'Line or row up to which the file is in the hub';
COMMENT ON COLUMN imported_files.rows IS 'Rows of it that are in the hub, in imports or in repeated_rows';
COMMENT ON COLUMN imported_files.new IS 'People that it brought; the other rows hold texts that the hub had already';
COMMENT ON COLUMN imported_files.skipped IS 'Rows of it that were left out';
COMMENT ON COLUMN imported_files.complete IS 'False for a file whose import was cut off; the same command goes on with it';
COMMENT ON COLUMN imported_files.imported_at IS 'UTC, of the last part';

CREATE TABLE skipped_rows (
    file INTEGER NOT NULL,
    reason VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    first BIGINT[] NOT NULL
);
COMMENT ON TABLE skipped_rows IS 'Why rows of imported files were left out: one row for each file and reason';
COMMENT ON COLUMN skipped_rows.file IS 'Number of the file in imported_files';
COMMENT ON COLUMN skipped_rows.reason IS 'The reason in words';
COMMENT ON COLUMN skipped_rows.rows IS 'How many rows';
COMMENT ON COLUMN skipped_rows.first IS 'Lines or rows of the first few';

CREATE TABLE imported_columns (
    file INTEGER NOT NULL,
    "column" VARCHAR NOT NULL,
    kind VARCHAR NOT NULL
);
COMMENT ON TABLE imported_columns IS 'What the columns of imported files were taken for when personal data were looked for in them';
COMMENT ON COLUMN imported_columns.file IS 'Number of the file in imported_files';
COMMENT ON COLUMN imported_columns."column" IS 'The column; a value inside another has a JSON pointer, with * for any place in a list';
COMMENT ON COLUMN imported_columns.kind IS 'name, email, phone, birth_date, street_address, identity_number or handle: all its values are replaced. text: personal data are looked for in it. term: contact details alone are. identifier: e-mail addresses alone are replaced in it';

CREATE TABLE imports (
    persona VARCHAR NOT NULL,
    file INTEGER NOT NULL,
    row BIGINT NOT NULL,
    source VARCHAR NOT NULL,
    licence VARCHAR,
    revision VARCHAR,
    attributes JSON,
    imported_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE imports IS 'Where imported people come from: one row for each row that was read, so a text that was read twice has two; a row that several files hold is there once (see repeated_rows)';
COMMENT ON COLUMN imports.persona IS 'Persona';
COMMENT ON COLUMN imports.file IS 'Number of the file in imported_files';
COMMENT ON COLUMN imports.row IS 'Line of a text file, or row of a table, from 1';
COMMENT ON COLUMN imports.source IS 'Name of the source: as given, else that of the file';
COMMENT ON COLUMN imports.licence IS 'Licence of the source (SPDX where there is one), as the row, or a later import of the same row, states it; null where none did';
COMMENT ON COLUMN imports.revision IS 'Revision of the source, such as a commit or a date';
COMMENT ON COLUMN imports.attributes IS 'The other columns of the row by name, without those that hold nothing';
COMMENT ON COLUMN imports.imported_at IS 'UTC';

CREATE TABLE repeated_rows (
    file INTEGER NOT NULL,
    row BIGINT NOT NULL,
    first_file INTEGER NOT NULL,
    first_row BIGINT NOT NULL
);
COMMENT ON TABLE repeated_rows IS 'Rows of imported files that an earlier file had brought: imports has each of them once';
COMMENT ON COLUMN repeated_rows.file IS 'Number of the later file in imported_files';
COMMENT ON COLUMN repeated_rows.row IS 'Its line or row';
COMMENT ON COLUMN repeated_rows.first_file IS 'Number of the file that brought the row, as in imports';
COMMENT ON COLUMN repeated_rows.first_row IS 'Line or row of that file, as in imports';
COMMENT ON TABLE imports IS 'Where imported people come from: one row for each row that was read, so a text that was read twice has two; a row that several files hold is there once (see repeated_rows)';
COMMENT ON COLUMN imported_files.rows IS 'Rows of it that are in the hub, in imports or in repeated_rows';

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
COMMENT ON TABLE profiles IS 'Fine-grained attributes of personas, inferred by a model from the description, or stated by the columns that somebody was imported with; null is not known. What each rests on is in evidence';
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
COMMENT ON COLUMN profiles.evidence IS 'By attribute: evidence (stated, implied, assumed or unknown) and, for stated and implied, the words of the description, or the imported column and its value, that it follows from';
COMMENT ON COLUMN profiles.only_evident IS 'True where what the model assumed was not taken over: it is unknown then';
COMMENT ON COLUMN profiles.model IS 'Model that inferred it; import where imported columns state it';
COMMENT ON COLUMN profiles.prompt IS 'Prompt that it answers, as name@version';
COMMENT ON COLUMN profiles.made_at IS 'UTC';

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

CREATE TABLE comparisons (
    ordinal INTEGER NOT NULL,
    stage VARCHAR NOT NULL,
    threshold DOUBLE NOT NULL
);
COMMENT ON TABLE comparisons IS 'How the people were compared for near-duplicates: a verdict that has to be decided again uses these stages and thresholds';
COMMENT ON COLUMN comparisons.ordinal IS 'Order of the first time, from 1';
COMMENT ON COLUMN comparisons.stage IS 'exact (sets of words), or cosine: and the embedding model';
COMMENT ON COLUMN comparisons.threshold IS 'Least similarity of near-duplicates';

CREATE TABLE merged_people (
    persona VARCHAR NOT NULL,
    became VARCHAR NOT NULL,
    "table" VARCHAR NOT NULL,
    "column" VARCHAR NOT NULL,
    row JSON NOT NULL
);
COMMENT ON TABLE merged_people IS 'Rows of people whose rewritten description another person had already, so that the two became one: undoing the rule separates them again';
COMMENT ON COLUMN merged_people.persona IS 'Id before the description was rewritten';
COMMENT ON COLUMN merged_people.became IS 'Id of the person they became';
COMMENT ON COLUMN merged_people."table" IS 'Table of the row';
COMMENT ON COLUMN merged_people."column" IS 'Column that named the person';
COMMENT ON COLUMN merged_people.row IS 'What tells the row from others of its table, or the whole row where it went';

CREATE TABLE selections (
    name VARCHAR PRIMARY KEY,
    condition VARCHAR,
    n BIGINT,
    rule VARCHAR NOT NULL,
    columns VARCHAR[] NOT NULL,
    diverse BOOLEAN NOT NULL,
    seed BIGINT NOT NULL,
    people BIGINT NOT NULL,
    spec JSON NOT NULL,
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
COMMENT ON COLUMN selections.spec IS 'The whole specification, quota and targets included';
COMMENT ON COLUMN selections.report IS 'How well the choice meets it: candidates, left out and why, wanted and got';
COMMENT ON COLUMN selections.hub_people IS 'Personas in the hub at that time, near-duplicates included';
COMMENT ON COLUMN selections.hub_last IS 'Ordinal of the last of them';
COMMENT ON COLUMN selections.hub_left_out IS 'Verdicts that left somebody out at that time: near-duplicates and descriptions rejected, undone ones not counted';
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
