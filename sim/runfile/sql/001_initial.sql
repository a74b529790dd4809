CREATE TABLE runs (
    run VARCHAR NOT NULL,
    scenario VARCHAR NOT NULL,
    scenario_file VARCHAR,
    settings JSON NOT NULL,
    growth_settings JSON NOT NULL,
    world VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    model VARCHAR NOT NULL,
    is_language_model BOOLEAN NOT NULL,
    base_url VARCHAR,
    max_in_flight INTEGER NOT NULL,
    steps_wanted INTEGER NOT NULL,
    versions JSON NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR,
    event_hash VARCHAR,
    started_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP
);
COMMENT ON TABLE runs IS 'The run itself: one row';
COMMENT ON COLUMN runs.run IS 'Random id of the run';
COMMENT ON COLUMN runs.scenario IS 'Name of the scenario';
COMMENT ON COLUMN runs.scenario_file IS 'Script the scenario was read from; null when it ships with Populace';
COMMENT ON COLUMN runs.settings IS 'The scenario''s settings, all of them, as JSON';
COMMENT ON COLUMN runs.growth_settings IS 'How the people were grown or read: seeds or hub, agents, hops, fan-out, as JSON';
COMMENT ON COLUMN runs.world IS 'The world text that stands verbatim at the start of every turn''s prompt';
COMMENT ON COLUMN runs.seed IS 'Seed from which every random choice of the run is drawn';
COMMENT ON COLUMN runs.model IS 'The model by name';
COMMENT ON COLUMN runs.is_language_model IS 'False for the procedural stand-in: its text says nothing about people or language models';
COMMENT ON COLUMN runs.base_url IS 'Endpoint of the model, without key; null for a model in the process';
COMMENT ON COLUMN runs.max_in_flight IS 'Most model calls under way at once; the result does not depend on it';
COMMENT ON COLUMN runs.steps_wanted IS 'Steps the run was asked for';
COMMENT ON COLUMN runs.versions IS 'Versions of Populace, Python and the libraries, as JSON';
COMMENT ON COLUMN runs.status IS 'running, finished or failed; a run found running by nobody was killed and can be resumed';
COMMENT ON COLUMN runs.reason IS 'Why the run failed, in one sentence';
COMMENT ON COLUMN runs.event_hash IS 'Hash over every event of the run so far: equal for equal seed, settings and answers';
COMMENT ON COLUMN runs.started_at IS 'UTC';
COMMENT ON COLUMN runs.ended_at IS 'UTC; null while running';

CREATE TABLE growth (
    hop INTEGER PRIMARY KEY,
    asked INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    born INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    relations INTEGER NOT NULL,
    started_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP NOT NULL,
    event_hash VARCHAR NOT NULL
);
COMMENT ON TABLE growth IS 'Markers of growth: a hop with a row is complete; hop 0 is Text-to-Persona or the hub that was read';
COMMENT ON COLUMN growth.hop IS '0 for Text-to-Persona, then one for each hop of Persona-to-Persona';
COMMENT ON COLUMN growth.asked IS 'Passages or personas that the model was asked about';
COMMENT ON COLUMN growth.failed IS 'Of those, how many gave no usable answer (see failures)';
COMMENT ON COLUMN growth.born IS 'New personas that are nobody''s near-duplicate';
COMMENT ON COLUMN growth.duplicates IS 'New personas marked as near-duplicates';
COMMENT ON COLUMN growth.relations IS 'New relations';
COMMENT ON COLUMN growth.started_at IS 'UTC';
COMMENT ON COLUMN growth.ended_at IS 'UTC';
COMMENT ON COLUMN growth.event_hash IS 'Hash over all events up to here';

CREATE TABLE agents (
    agent VARCHAR PRIMARY KEY,
    ordinal INTEGER NOT NULL
);
COMMENT ON TABLE agents IS 'The personas that live in the society';
COMMENT ON COLUMN agents.agent IS 'Persona id';
COMMENT ON COLUMN agents.ordinal IS 'Fixed order in which effects are applied, from 1';

CREATE TABLE steps (
    step INTEGER PRIMARY KEY,
    active INTEGER NOT NULL,
    acted INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    world_state JSON NOT NULL,
    started_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP NOT NULL,
    event_hash VARCHAR NOT NULL
);
COMMENT ON TABLE steps IS 'Markers of steps: a step with a row is complete, and a resumed run goes on behind the last one';
COMMENT ON COLUMN steps.step IS 'From 1';
COMMENT ON COLUMN steps.active IS 'Agents whose turn it was';
COMMENT ON COLUMN steps.acted IS 'Agents that emitted something';
COMMENT ON COLUMN steps.failed IS 'Agents whose turn was lost (see failures)';
COMMENT ON COLUMN steps.world_state IS 'State of the world after the step (news, suspended relation kinds, values), as JSON';
COMMENT ON COLUMN steps.started_at IS 'UTC';
COMMENT ON COLUMN steps.ended_at IS 'UTC';
COMMENT ON COLUMN steps.event_hash IS 'Hash over all events up to here';

CREATE TABLE interventions (
    step INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    news VARCHAR NOT NULL
);
COMMENT ON TABLE interventions IS 'What the scenario did to the world, applied at the start of the step';
COMMENT ON COLUMN interventions.step IS 'Step';
COMMENT ON COLUMN interventions.name IS 'Name the scenario declares it by';
COMMENT ON COLUMN interventions.news IS 'What the agents hear of it';

CREATE TABLE observations (
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    neighbours INTEGER NOT NULL,
    heard INTEGER NOT NULL,
    text VARCHAR NOT NULL
);
COMMENT ON TABLE observations IS 'What each active agent saw before it acted';
COMMENT ON COLUMN observations.step IS 'Step';
COMMENT ON COLUMN observations.agent IS 'Agent';
COMMENT ON COLUMN observations.neighbours IS 'Neighbours shown';
COMMENT ON COLUMN observations.heard IS 'Lines heard';
COMMENT ON COLUMN observations.text IS 'The observation as it stood in the prompt';

CREATE TABLE emissions (
    emission BIGINT PRIMARY KEY,
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    payload JSON NOT NULL,
    revised BOOLEAN NOT NULL,
    model VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL
);
COMMENT ON TABLE emissions IS 'Everything agents made: instructions, dialogue lines, tool specs and what scenarios add; synthetic text, all of it';
COMMENT ON COLUMN emissions.emission IS 'Number in the run, from 1, in the order of steps and agents';
COMMENT ON COLUMN emissions.step IS 'Step';
COMMENT ON COLUMN emissions.agent IS 'Agent that made it';
COMMENT ON COLUMN emissions.kind IS 'instruction, dialogue, tool, or a kind of the scenario''s own';
COMMENT ON COLUMN emissions.text IS 'The text that is compared with others';
COMMENT ON COLUMN emissions.payload IS 'The whole of it as JSON; of a tool: name, purpose, parameters (JSON Schema), returns';
COMMENT ON COLUMN emissions.revised IS 'True when a first version was too close to something said before';
COMMENT ON COLUMN emissions.model IS 'Model that wrote it';
COMMENT ON COLUMN emissions.prompt IS 'Prompt that it answers, as name@version';

CREATE TABLE messages (
    message BIGINT PRIMARY KEY,
    step INTEGER NOT NULL,
    sender VARCHAR NOT NULL,
    recipient VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    emission BIGINT,
    reply_to BIGINT
);
COMMENT ON TABLE messages IS 'Every spoken line: heard by its recipient in the next step, or at once when a visitor says it';
COMMENT ON COLUMN messages.message IS 'Number in the run, from 1';
COMMENT ON COLUMN messages.step IS 'Step in which it was spoken';
COMMENT ON COLUMN messages.sender IS 'Agent, or ''player''';
COMMENT ON COLUMN messages.recipient IS 'Agent, or ''player''';
COMMENT ON COLUMN messages.text IS 'The line';
COMMENT ON COLUMN messages.emission IS 'The emission that is this line; null for a visitor''s';
COMMENT ON COLUMN messages.reply_to IS 'The message that it answers';

CREATE TABLE memories (
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    text VARCHAR NOT NULL
);
COMMENT ON TABLE memories IS 'What agents took note of; each keeps the newest of its own, up to a limit';
COMMENT ON COLUMN memories.step IS 'Step';
COMMENT ON COLUMN memories.agent IS 'Agent';
COMMENT ON COLUMN memories.ordinal IS 'Order among what the agent noted in this step, from 1';
COMMENT ON COLUMN memories.text IS 'The note';

CREATE TABLE measures (
    step INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE NOT NULL
);
COMMENT ON TABLE measures IS 'Numbers the scenario takes of the society after each step';
COMMENT ON COLUMN measures.step IS 'Step';
COMMENT ON COLUMN measures.name IS 'Name of the measure';
COMMENT ON COLUMN measures.value IS 'Its value';

CREATE TABLE calls (
    phase VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    owner VARCHAR NOT NULL,
    purpose VARCHAR NOT NULL,
    prompt_version INTEGER NOT NULL,
    request_hash VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    raw VARCHAR,
    finish_reason VARCHAR,
    model VARCHAR NOT NULL,
    endpoint VARCHAR,
    input_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    cached_tokens BIGINT,
    started_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP NOT NULL,
    waited DOUBLE NOT NULL
);
COMMENT ON TABLE calls IS 'Every attempt at the model, written before its answer is parsed';
COMMENT ON COLUMN calls.phase IS 'growth or step';
COMMENT ON COLUMN calls.number IS 'Hop of growth, or step of the society';
COMMENT ON COLUMN calls.owner IS 'Passage or persona on whose behalf it was made';
COMMENT ON COLUMN calls.purpose IS 'Name of the prompt';
COMMENT ON COLUMN calls.prompt_version IS 'Version of the prompt';
COMMENT ON COLUMN calls.request_hash IS '128-bit hash of the whole request as it was meant';
COMMENT ON COLUMN calls.attempt IS '1 for the first attempt at this very request';
COMMENT ON COLUMN calls.outcome IS 'ok, rate_limited, server_error, dropped, unreachable, timeout, cut_json, not_json, schema_mismatch, empty, refusal, length, auth, not_found, bad_request or model_error';
COMMENT ON COLUMN calls.reason IS 'Why the outcome is not ok; empty otherwise';
COMMENT ON COLUMN calls.raw IS 'The answer exactly as it came; null when none came';
COMMENT ON COLUMN calls.finish_reason IS 'Why the model stopped, in the endpoint''s words';
COMMENT ON COLUMN calls.model IS 'Model asked';
COMMENT ON COLUMN calls.endpoint IS 'Endpoint asked, without key; null for a model in the process';
COMMENT ON COLUMN calls.input_tokens IS 'Tokens of the request, as the endpoint counted them; null when it did not';
COMMENT ON COLUMN calls.output_tokens IS 'Tokens of the answer; null when not counted';
COMMENT ON COLUMN calls.reasoning_tokens IS 'Of the output tokens, those spent on reasoning; null when not counted';
COMMENT ON COLUMN calls.cached_tokens IS 'Of the input tokens, those the endpoint had cached; null when not counted';
COMMENT ON COLUMN calls.started_at IS 'UTC';
COMMENT ON COLUMN calls.ended_at IS 'UTC';
COMMENT ON COLUMN calls.waited IS 'Seconds waited for a free slot';

CREATE TABLE failures (
    phase VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    step INTEGER,
    agent VARCHAR,
    owner VARCHAR NOT NULL,
    purpose VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    attempts INTEGER NOT NULL
);
COMMENT ON TABLE failures IS 'Agent-turns (and growth requests) that were lost, each with its reason';
COMMENT ON COLUMN failures.phase IS 'growth or step';
COMMENT ON COLUMN failures.number IS 'Hop of growth, or step of the society';
COMMENT ON COLUMN failures.step IS 'Step of the lost turn; null in growth';
COMMENT ON COLUMN failures.agent IS 'Agent whose turn was lost; null in growth';
COMMENT ON COLUMN failures.owner IS 'Passage or persona on whose behalf the request was made';
COMMENT ON COLUMN failures.purpose IS 'Name of the prompt';
COMMENT ON COLUMN failures.outcome IS 'Outcome of the last attempt, as in calls';
COMMENT ON COLUMN failures.reason IS 'Why, in one sentence';
COMMENT ON COLUMN failures.attempts IS 'Attempts made';
