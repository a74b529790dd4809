-- The tables of a merged file that are its own; those of run files stand beside them, with arm and replicate in front.

CREATE TABLE experiment (
    name VARCHAR,
    scenario VARCHAR,
    design JSON,
    paired BOOLEAN,
    alpha DOUBLE,
    correction VARCHAR,
    replicates INTEGER,
    is_language_model BOOLEAN
);
COMMENT ON TABLE experiment IS 'The experiment itself: one row';
COMMENT ON COLUMN experiment.name IS 'Name of the experiment, or of its scenario';
COMMENT ON COLUMN experiment.scenario IS 'Scenario that is run';
COMMENT ON COLUMN experiment.design IS 'What its runs depend on: arms, people, steps, seed, settings and options';
COMMENT ON COLUMN experiment.paired IS 'Whether replicates of one number have one seed in all arms';
COMMENT ON COLUMN experiment.alpha IS 'Level of its tests';
COMMENT ON COLUMN experiment.correction IS 'How p values are corrected for many comparisons: holm, bonferroni, fdr_bh or none';
COMMENT ON COLUMN experiment.replicates IS 'Runs of each arm';
COMMENT ON COLUMN experiment.is_language_model IS 'Whether any run asked a language model; else nothing here is a finding about people';

CREATE TABLE arms (
    ordinal INTEGER,
    arm VARCHAR,
    levels JSON
);
COMMENT ON TABLE arms IS 'The arms';
COMMENT ON COLUMN arms.ordinal IS 'Place, from 1; the first is what others are compared with unless a hypothesis says otherwise';
COMMENT ON COLUMN arms.arm IS 'Name';
COMMENT ON COLUMN arms.levels IS 'What its runs have otherwise than those of other arms';

CREATE TABLE levels (
    arm VARCHAR,
    factor VARCHAR,
    level VARCHAR,
    ordinal INTEGER
);
COMMENT ON TABLE levels IS 'The level of each factor in each arm; none where arms are named';
COMMENT ON COLUMN levels.arm IS 'Arm';
COMMENT ON COLUMN levels.factor IS 'Factor';
COMMENT ON COLUMN levels.level IS 'Its level, as text';
COMMENT ON COLUMN levels.ordinal IS 'Place among the levels of the factor, from 1';

CREATE TABLE runs (
    arm VARCHAR,
    replicate INTEGER,
    file VARCHAR,
    seed BIGINT,
    model VARCHAR,
    is_language_model BOOLEAN,
    event_hash VARCHAR,
    agents BIGINT,
    steps BIGINT,
    calls BIGINT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    cost DOUBLE,
    failures BIGINT
);
COMMENT ON TABLE runs IS 'The runs: where they are, and what they took';
COMMENT ON COLUMN runs.arm IS 'Arm';
COMMENT ON COLUMN runs.replicate IS 'Number of the replicate, from 1';
COMMENT ON COLUMN runs.file IS 'Run file, in the folder runs beside this file';
COMMENT ON COLUMN runs.seed IS 'Seed of the run';
COMMENT ON COLUMN runs.model IS 'Model that was asked';
COMMENT ON COLUMN runs.is_language_model IS 'Whether that is a language model';
COMMENT ON COLUMN runs.event_hash IS 'Hash over all events of the run';
COMMENT ON COLUMN runs.agents IS 'Agents';
COMMENT ON COLUMN runs.steps IS 'Steps taken';
COMMENT ON COLUMN runs.calls IS 'Calls sent';
COMMENT ON COLUMN runs.input_tokens IS 'Tokens asked, as the endpoint counted them';
COMMENT ON COLUMN runs.output_tokens IS 'Tokens answered';
COMMENT ON COLUMN runs.cost IS 'US dollars, of the calls with a known price';
COMMENT ON COLUMN runs.failures IS 'Turns and other items that were lost';

CREATE TABLE outcomes (
    ordinal INTEGER,
    outcome VARCHAR,
    sql VARCHAR,
    description VARCHAR
);
COMMENT ON TABLE outcomes IS 'What was measured of each run';
COMMENT ON COLUMN outcomes.ordinal IS 'Place, from 1';
COMMENT ON COLUMN outcomes.outcome IS 'Name';
COMMENT ON COLUMN outcomes.sql IS 'The statement that each run file was asked';
COMMENT ON COLUMN outcomes.description IS 'What it says, in words';

CREATE TABLE outcome_values (
    outcome VARCHAR,
    arm VARCHAR,
    replicate INTEGER,
    agent VARCHAR,
    group_name VARCHAR,
    value DOUBLE,
    weight DOUBLE
);
COMMENT ON TABLE outcome_values IS 'The values of outcomes: a row for each run, or for each agent or group of it';
COMMENT ON COLUMN outcome_values.outcome IS 'Outcome';
COMMENT ON COLUMN outcome_values.arm IS 'Arm';
COMMENT ON COLUMN outcome_values.replicate IS 'Replicate';
COMMENT ON COLUMN outcome_values.agent IS 'Agent; null where the value is of the run or of a group';
COMMENT ON COLUMN outcome_values.group_name IS 'Group; null where the outcome gives none';
COMMENT ON COLUMN outcome_values.value IS 'Value; null where there is none';
COMMENT ON COLUMN outcome_values.weight IS 'Weight in the mean of the run; 1 unless given';

CREATE TABLE manipulation_checks (
    name VARCHAR,
    arm VARCHAR,
    replicate INTEGER,
    value DOUBLE,
    low DOUBLE,
    high DOUBLE,
    passed BOOLEAN
);
COMMENT ON TABLE manipulation_checks IS 'Whether each run did what its arm was to do';
COMMENT ON COLUMN manipulation_checks.name IS 'Check';
COMMENT ON COLUMN manipulation_checks.arm IS 'Arm';
COMMENT ON COLUMN manipulation_checks.replicate IS 'Replicate';
COMMENT ON COLUMN manipulation_checks.value IS 'What was found; null for nothing, which does not pass';
COMMENT ON COLUMN manipulation_checks.low IS 'Least value that passes; null for no bound';
COMMENT ON COLUMN manipulation_checks.high IS 'Greatest value that passes; null for no bound';
COMMENT ON COLUMN manipulation_checks.passed IS 'Whether the value lies between them';

CREATE TABLE hypotheses (
    ordinal INTEGER,
    outcome VARCHAR,
    arm VARCHAR,
    against VARCHAR,
    direction VARCHAR,
    effect DOUBLE,
    sd DOUBLE,
    is_registered BOOLEAN
);
COMMENT ON TABLE hypotheses IS 'What was expected';
COMMENT ON COLUMN hypotheses.ordinal IS 'Place, from 1';
COMMENT ON COLUMN hypotheses.outcome IS 'Outcome';
COMMENT ON COLUMN hypotheses.arm IS 'Arm, or levels of factors';
COMMENT ON COLUMN hypotheses.against IS 'What it is compared with';
COMMENT ON COLUMN hypotheses.direction IS 'differs, more or less';
COMMENT ON COLUMN hypotheses.effect IS 'Difference that was expected, for the power; null where none was stated';
COMMENT ON COLUMN hypotheses.sd IS 'Standard deviation that was expected';
COMMENT ON COLUMN hypotheses.is_registered IS 'Whether it stood in the experiment before the first run';
