-- The run file, in the order in which it fills: jobs and what they ask; how people come about; what a society does.
-- The tables of people (passages, personas, relations, duplicates, rule_results, vectors) are those of a hub: see personas/hub/sql.

-- Jobs: what was asked for, how far it has come, and every call to a model.

CREATE TABLE jobs (
    job INTEGER PRIMARY KEY,
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    spec JSON NOT NULL,
    seed BIGINT NOT NULL,
    model VARCHAR NOT NULL,
    is_language_model BOOLEAN NOT NULL,
    base_url VARCHAR,
    embedding_model VARCHAR,
    embedding_url VARCHAR,
    limits JSON NOT NULL,
    prices JSON,
    cache VARCHAR,
    batch BOOLEAN NOT NULL,
    versions JSON NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR,
    event_hash VARCHAR,
    started_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP
);
COMMENT ON TABLE jobs IS 'The jobs of this file, in the order in which they began: growth, a society, enrichment, embedding';
COMMENT ON COLUMN jobs.job IS 'Number in this file, from 1';
COMMENT ON COLUMN jobs.id IS 'Random id of the job';
COMMENT ON COLUMN jobs.kind IS 'growth (people alone), society (people and steps), enrichment, embedding, solving, evaluation, responding, grading, comparing, or checking (verdicts on finished outputs that no model gave)';
COMMENT ON COLUMN jobs.spec IS 'All that is asked for, as JSON; what it holds depends on the kind';
COMMENT ON COLUMN jobs.seed IS 'Seed from which every random choice of the job is drawn';
COMMENT ON COLUMN jobs.model IS 'The model by name; of an embedding job the embedding model';
COMMENT ON COLUMN jobs.is_language_model IS 'False for the procedural stand-in: its text says nothing about people or language models';
COMMENT ON COLUMN jobs.base_url IS 'Endpoints of the model, without keys, separated by spaces; null for a model in the process';
COMMENT ON COLUMN jobs.embedding_model IS 'Model that gives vectors, by name; null when there is none, and then only words are compared';
COMMENT ON COLUMN jobs.embedding_url IS 'Endpoint of that model, without key';
COMMENT ON COLUMN jobs.limits IS 'Calls in flight, requests and tokens a minute, budget, error rate, timeout, retries and sampling, as JSON';
COMMENT ON COLUMN jobs.prices IS 'US dollars for a million tokens and where the prices are from, as JSON; null when they are not known';
COMMENT ON COLUMN jobs.cache IS 'File from which answers are shared with other jobs; null for none';
COMMENT ON COLUMN jobs.batch IS 'True when work that nothing waits for goes through batches';
COMMENT ON COLUMN jobs.versions IS 'Versions of Populace, Python and the libraries, as JSON';
COMMENT ON COLUMN jobs.status IS 'running, finished, failed, paused (a budget that is spent, too many failing calls) or abandoned (another was begun instead); a job marked as running without a process was killed; all but finished and abandoned ones can be resumed';
COMMENT ON COLUMN jobs.reason IS 'Why the job failed or was paused, in one sentence';
COMMENT ON COLUMN jobs.event_hash IS 'Hash over every event of the job so far: equal for equal spec, seed and answers';
COMMENT ON COLUMN jobs.started_at IS 'UTC';
COMMENT ON COLUMN jobs.ended_at IS 'UTC; null while running';

CREATE TABLE phases (
    job INTEGER NOT NULL,
    phase VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    unit VARCHAR NOT NULL,
    PRIMARY KEY (job, phase)
);
COMMENT ON TABLE phases IS 'The parts of jobs, each from the moment it begins, with what their numbers count';
COMMENT ON COLUMN phases.job IS 'Job, as in jobs';
COMMENT ON COLUMN phases.phase IS 'Name, as in markers, calls and failures: growth, step, or a stage of an enrichment or embedding';
COMMENT ON COLUMN phases.ordinal IS 'Place in the job, from 1';
COMMENT ON COLUMN phases.unit IS 'What numbers of this phase count: hop, step, or stage, of which there is one';

CREATE TABLE markers (
    job INTEGER NOT NULL,
    phase VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    items INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    position VARCHAR,
    state JSON,
    counts JSON NOT NULL,
    started_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP NOT NULL,
    event_hash VARCHAR NOT NULL,
    PRIMARY KEY (job, phase, number, chunk)
);
COMMENT ON TABLE markers IS 'How far jobs have come: a chunk with a row is complete, and a job that was stopped continues after the last one. The views growth, growth_chunks and steps are made of them';
COMMENT ON COLUMN markers.job IS 'Job, as in jobs';
COMMENT ON COLUMN markers.phase IS 'Part of the job, as in phases';
COMMENT ON COLUMN markers.number IS 'Hop of growth or step of the society; 1 where a phase has no such numbers';
COMMENT ON COLUMN markers.chunk IS 'Chunk within that number, from 1; 0 says that the number is complete, with all of its chunks';
COMMENT ON COLUMN markers.items IS 'Items that were worked on: passages, personas, agents or texts';
COMMENT ON COLUMN markers.failed IS 'Of those, how many gave no usable answer (see failures)';
COMMENT ON COLUMN markers.position IS 'Where reading the sources has come to; null where they are not read as a stream';
COMMENT ON COLUMN markers.state IS 'What a resumed job continues with, as JSON; of a step the state of the world after it';
COMMENT ON COLUMN markers.counts IS 'What came of the items, as JSON: names and numbers';
COMMENT ON COLUMN markers.started_at IS 'UTC';
COMMENT ON COLUMN markers.ended_at IS 'UTC';
COMMENT ON COLUMN markers.event_hash IS 'Hash over all events of the job up to here';

CREATE TABLE job_items (
    job INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    item VARCHAR NOT NULL
);
COMMENT ON TABLE job_items IS 'What a job works on, where that is chosen when it begins';
COMMENT ON COLUMN job_items.job IS 'Job, as in jobs';
COMMENT ON COLUMN job_items.ordinal IS 'Place in the job, from 1';
COMMENT ON COLUMN job_items.item IS 'Persona; of an embedding of texts the text; of a job on outputs the emission';

CREATE TABLE calls (
    job INTEGER DEFAULT 1,
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
    waited DOUBLE NOT NULL,
    replicate INTEGER DEFAULT 0,
    source VARCHAR DEFAULT 'endpoint',
    cost DOUBLE,
    sampling JSON,
    role VARCHAR DEFAULT 'default',
    mistake VARCHAR
);
COMMENT ON TABLE calls IS 'Every attempt at the model, written before its answer is parsed; and every answer taken from elsewhere';
COMMENT ON COLUMN calls.job IS 'Job, as in jobs';
COMMENT ON COLUMN calls.phase IS 'Part of the job, as in phases';
COMMENT ON COLUMN calls.number IS 'Hop of growth, step of the society, or 1, as in markers';
COMMENT ON COLUMN calls.owner IS 'Passage or persona (of a job on outputs, emission) on whose behalf it was made; society or hub for vectors that were fetched for many at once';
COMMENT ON COLUMN calls.purpose IS 'Name of the prompt';
COMMENT ON COLUMN calls.prompt_version IS 'Version of the prompt';
COMMENT ON COLUMN calls.request_hash IS '128-bit hash of the whole request as it was meant';
COMMENT ON COLUMN calls.attempt IS '1 for the first attempt at this very request';
COMMENT ON COLUMN calls.outcome IS 'ok, rate_limited, server_error, dropped, unreachable, timeout, cut_json, not_json, schema_mismatch, empty, refusal, length, auth, not_found, bad_request or model_error';
COMMENT ON COLUMN calls.reason IS 'Why the outcome is not ok; empty otherwise';
COMMENT ON COLUMN calls.raw IS 'The answer exactly as it came; null when none came; of embeddings a note of what came, whose vectors are in vectors';
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
COMMENT ON COLUMN calls.replicate IS 'Which of several answers to the same request it is, from 0';
COMMENT ON COLUMN calls.source IS 'endpoint or batch when it was sent; cache or fork for an answer that was paid for elsewhere';
COMMENT ON COLUMN calls.cost IS 'US dollars by the prices of the job, 0 for an answer paid for elsewhere; null when prices or tokens are not known';
COMMENT ON COLUMN calls.sampling IS 'Temperature, top_p and further parameters that were sent, as JSON; null where the endpoint''s own were used';
COMMENT ON COLUMN calls.role IS 'Role that was asked: default, solver or grader; the last two are the default model where they have none of their own';
COMMENT ON COLUMN calls.mistake IS 'What a check found in an answer of the right form, as a code: misquotation (evidence that is not in the description) or inconsistency (a biography that contradicts what is known); null otherwise';

CREATE TABLE failures (
    job INTEGER DEFAULT 1,
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
COMMENT ON TABLE failures IS 'Items of jobs that were lost (agent-turns, growth requests, profiles, embeddings), each with its reason';
COMMENT ON COLUMN failures.job IS 'Job, as in jobs';
COMMENT ON COLUMN failures.phase IS 'Part of the job, as in phases';
COMMENT ON COLUMN failures.number IS 'Hop of growth, step of the society, or 1, as in markers';
COMMENT ON COLUMN failures.step IS 'Step of the lost turn; null elsewhere';
COMMENT ON COLUMN failures.agent IS 'Agent whose turn was lost; null elsewhere';
COMMENT ON COLUMN failures.owner IS 'Passage or persona on whose behalf the request was made';
COMMENT ON COLUMN failures.purpose IS 'Name of the prompt';
COMMENT ON COLUMN failures.outcome IS 'Outcome of the last attempt, as in calls';
COMMENT ON COLUMN failures.reason IS 'Why, in one sentence';
COMMENT ON COLUMN failures.attempts IS 'Attempts made';

CREATE TABLE known_answers (
    job INTEGER DEFAULT 1,
    phase VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    owner VARCHAR NOT NULL,
    request_hash VARCHAR NOT NULL,
    replicate INTEGER NOT NULL,
    raw VARCHAR NOT NULL,
    finish_reason VARCHAR,
    input_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    cached_tokens BIGINT
);
COMMENT ON TABLE known_answers IS 'Answers of the run that this one was forked from, after the step of the fork: a request that is the same takes its answer from here';
COMMENT ON COLUMN known_answers.job IS 'Job, as in jobs';
COMMENT ON COLUMN known_answers.phase IS 'Part of the job, as in phases';
COMMENT ON COLUMN known_answers.number IS 'Hop of growth, or step of the society, as in markers';
COMMENT ON COLUMN known_answers.owner IS 'Passage or persona on whose behalf it was asked';
COMMENT ON COLUMN known_answers.request_hash IS '128-bit hash of the whole request';
COMMENT ON COLUMN known_answers.replicate IS 'Which of several answers to the same request it is, from 0';
COMMENT ON COLUMN known_answers.raw IS 'The answer exactly as it came';
COMMENT ON COLUMN known_answers.finish_reason IS 'Why the model stopped, in the endpoint''s words';
COMMENT ON COLUMN known_answers.input_tokens IS 'Tokens of the request, as counted then';
COMMENT ON COLUMN known_answers.output_tokens IS 'Tokens of the answer, as counted then';
COMMENT ON COLUMN known_answers.reasoning_tokens IS 'Of the output tokens, those spent on reasoning';
COMMENT ON COLUMN known_answers.cached_tokens IS 'Of the input tokens, those the endpoint had cached';

CREATE TABLE batches (
    nonce VARCHAR PRIMARY KEY,
    job INTEGER DEFAULT 1,
    batch VARCHAR,
    endpoint VARCHAR NOT NULL,
    input_file VARCHAR,
    requests JSON NOT NULL,
    status VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP
);
COMMENT ON TABLE batches IS 'Batches of requests handed to an endpoint''s batch interface';
COMMENT ON COLUMN batches.nonce IS 'Random name that the batch carries in its metadata, by which one that was created and not yet noted is found again';
COMMENT ON COLUMN batches.job IS 'Job, as in jobs';
COMMENT ON COLUMN batches.batch IS 'Id that the endpoint gave it; null until it is known';
COMMENT ON COLUMN batches.endpoint IS 'Endpoint, without key';
COMMENT ON COLUMN batches.input_file IS 'Id that the endpoint gave the file of requests';
COMMENT ON COLUMN batches.requests IS 'Names (custom_id) of its requests, as a JSON list';
COMMENT ON COLUMN batches.status IS 'intended, open, or how it ended: completed, failed, expired or cancelled';
COMMENT ON COLUMN batches.created_at IS 'UTC';
COMMENT ON COLUMN batches.ended_at IS 'UTC; null while it is open';

-- Growth: whom it asked about, what it read, and what it was asked for in addition.

CREATE TABLE frontier (
    hop INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    round INTEGER NOT NULL,
    persona VARCHAR NOT NULL,
    known VARCHAR[] NOT NULL
);
COMMENT ON TABLE frontier IS 'Whom each hop of Persona-to-Persona asks about, in order; written before the first of its chunks is complete';
COMMENT ON COLUMN frontier.hop IS 'Hop, from 1';
COMMENT ON COLUMN frontier.ordinal IS 'Place in the hop, from 1';
COMMENT ON COLUMN frontier.round IS 'The last hop may ask in several rounds, until there are as many people as are wanted; from 0';
COMMENT ON COLUMN frontier.persona IS 'Persona that is asked about';
COMMENT ON COLUMN frontier.known IS 'Known personas who were offered as answers';

CREATE TABLE passage_places (
    passage VARCHAR PRIMARY KEY,
    document VARCHAR NOT NULL,
    "offset" BIGINT NOT NULL,
    length BIGINT NOT NULL,
    title VARCHAR
);
COMMENT ON TABLE passage_places IS 'The places of passages in the documents that they were read from';
COMMENT ON COLUMN passage_places.passage IS 'Passage, as in passages';
COMMENT ON COLUMN passage_places.document IS 'File, or the row or page of one (FILE#id, FILE:line), that the offset counts in';
COMMENT ON COLUMN passage_places."offset" IS 'Characters of that document before the passage';
COMMENT ON COLUMN passage_places.length IS 'Characters of the passage';
COMMENT ON COLUMN passage_places.title IS 'Title of the document, where it has one';

CREATE TABLE growth_extensions (
    extension INTEGER PRIMARY KEY,
    was JSON NOT NULL,
    became JSON NOT NULL,
    rounds INTEGER[] NOT NULL,
    event_hash VARCHAR,
    extended_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE growth_extensions IS 'Finished growth that was asked for more: more hops, more people, more sources. Its hops are gone through once more, and what is there stays';
COMMENT ON COLUMN growth_extensions.extension IS 'From 1';
COMMENT ON COLUMN growth_extensions.was IS 'The settings until then';
COMMENT ON COLUMN growth_extensions.became IS 'The settings from then on, as in runs';
COMMENT ON COLUMN growth_extensions.rounds IS 'Rounds in which each hop had asked, from hop 1: those that follow belong to the extension';
COMMENT ON COLUMN growth_extensions.event_hash IS 'Hash over all events until then';
COMMENT ON COLUMN growth_extensions.extended_at IS 'UTC';

CREATE TABLE skipped_sources (
    chunk INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    number BIGINT NOT NULL,
    examples VARCHAR[] NOT NULL
);
COMMENT ON TABLE skipped_sources IS 'What was passed over while the sources were read: files, folders and rows, by chunk and kind';
COMMENT ON COLUMN skipped_sources.chunk IS 'Chunk of hop 0 in which it was passed over, as in growth_chunks';
COMMENT ON COLUMN skipped_sources.kind IS 'Why, in a few words';
COMMENT ON COLUMN skipped_sources.number IS 'How many';
COMMENT ON COLUMN skipped_sources.examples IS 'Sentences on the first of them: which file, which row, and what is wrong';

-- The society: who lives in it, what the scenario declares, and what happened.

CREATE TABLE agents (
    agent VARCHAR PRIMARY KEY,
    ordinal INTEGER NOT NULL,
    group_name VARCHAR
);
COMMENT ON TABLE agents IS 'The personas that live in the society';
COMMENT ON COLUMN agents.agent IS 'Persona id';
COMMENT ON COLUMN agents.ordinal IS 'Fixed order in which effects are applied, from 1';
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
COMMENT ON COLUMN action_fields.description IS 'What the model reads about it';

CREATE TABLE questions (
    ordinal INTEGER PRIMARY KEY,
    title VARCHAR NOT NULL,
    sql VARCHAR NOT NULL
);
COMMENT ON TABLE questions IS 'Questions that the scenario has of its own runs';
COMMENT ON COLUMN questions.ordinal IS 'From 1';
COMMENT ON COLUMN questions.title IS 'The question in words';
COMMENT ON COLUMN questions.sql IS 'The question in SQL';

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
COMMENT ON COLUMN observations.text IS 'The observation as in the prompt';

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

CREATE TABLE checks (
    emission BIGINT NOT NULL,
    "check" VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    score DOUBLE,
    version INTEGER NOT NULL,
    job INTEGER DEFAULT 1
);
COMMENT ON TABLE checks IS 'Results of the checks that actions list, for each emission; a failed check drops nothing';
COMMENT ON COLUMN checks.emission IS 'Emission that was checked';
COMMENT ON COLUMN checks."check" IS 'Name of the check; in SQL it is written with quotes: "check"';
COMMENT ON COLUMN checks.outcome IS 'passed, failed, or undecided where the check could not be made';
COMMENT ON COLUMN checks.reason IS 'Why it did not pass, in one sentence; empty where there is nothing to say';
COMMENT ON COLUMN checks.score IS 'Score that the check gave, if any';
COMMENT ON COLUMN checks.version IS 'Version of the check';
COMMENT ON COLUMN checks.job IS 'Job that made it, as in jobs: the run itself, or one on its finished outputs; of the results of one check the latest job''s counts';

CREATE TABLE demonstrations (
    ordinal INTEGER PRIMARY KEY,
    persona VARCHAR,
    output VARCHAR NOT NULL,
    is_inferred BOOLEAN NOT NULL
);
COMMENT ON TABLE demonstrations IS 'The demonstrations that a task shows the model';
COMMENT ON COLUMN demonstrations.ordinal IS 'Place in their file, from 1';
COMMENT ON COLUMN demonstrations.persona IS 'Description of the person from whom the output could be; null where that is not known and not asked for';
COMMENT ON COLUMN demonstrations.output IS 'The demonstration itself';
COMMENT ON COLUMN demonstrations.is_inferred IS 'True where the persona was inferred from the output by Text-to-Persona';

CREATE TABLE agent_state (
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value JSON NOT NULL
);
COMMENT ON TABLE agent_state IS 'State of agents by the scenario''s own type: all fields before the first step, then those that changed';
COMMENT ON COLUMN agent_state.step IS 'Step after which the value holds; 0 before the first';
COMMENT ON COLUMN agent_state.agent IS 'Agent';
COMMENT ON COLUMN agent_state.name IS 'Field of the state';
COMMENT ON COLUMN agent_state.value IS 'Its value as JSON';

CREATE TABLE relation_changes (
    step INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    source VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    label VARCHAR NOT NULL,
    change VARCHAR NOT NULL,
    weight DOUBLE NOT NULL,
    emission BIGINT NOT NULL,
    PRIMARY KEY (step, ordinal)
);
COMMENT ON TABLE relation_changes IS 'Ties that actions added, strengthened or removed; relations holds those that growth found, and the view ties all as they are now';
COMMENT ON COLUMN relation_changes.step IS 'Step after which it holds';
COMMENT ON COLUMN relation_changes.ordinal IS 'Place among the changes of the step, from 1';
COMMENT ON COLUMN relation_changes.source IS 'Agent from whom the tie leads';
COMMENT ON COLUMN relation_changes.target IS 'Agent to whom it leads: source''s label';
COMMENT ON COLUMN relation_changes.kind IS 'Kind of the tie, as in relations';
COMMENT ON COLUMN relation_changes.label IS 'What target is to source, in words';
COMMENT ON COLUMN relation_changes.change IS 'added, strengthened or removed';
COMMENT ON COLUMN relation_changes.weight IS 'Weight of the tie after it; a tie that growth found begins with 1, and one that is removed has 0';
COMMENT ON COLUMN relation_changes.emission IS 'Emission whose action did it, as in emissions';

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

-- Jobs on what a finished run has made, and evaluations of models.

CREATE TABLE solutions (
    job INTEGER NOT NULL,
    emission BIGINT NOT NULL,
    ordinal INTEGER NOT NULL,
    solver VARCHAR NOT NULL,
    replicate INTEGER NOT NULL,
    method VARCHAR NOT NULL,
    solution VARCHAR NOT NULL,
    answer VARCHAR,
    "cluster" INTEGER,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    correct BOOLEAN,
    PRIMARY KEY (job, emission, ordinal)
);
COMMENT ON TABLE solutions IS 'Solutions of problems by solvers: several of each problem (populace solve), or those of the model that is measured (populace evaluate)';
COMMENT ON COLUMN solutions.job IS 'Job, as in jobs';
COMMENT ON COLUMN solutions.emission IS 'Emission that is solved; of an evaluation the problem, as in test_problems';
COMMENT ON COLUMN solutions.ordinal IS 'Place among the solutions of the problem, from 1';
COMMENT ON COLUMN solutions.solver IS 'Model that solved it, by name';
COMMENT ON COLUMN solutions.replicate IS 'Which of several answers of this solver by this method it is, from 0';
COMMENT ON COLUMN solutions.method IS 'text (worked out in words) or program (a program whose output is the answer)';
COMMENT ON COLUMN solutions.solution IS 'The solution as it was written, or the program; empty where none came';
COMMENT ON COLUMN solutions.answer IS 'The final answer; null where there is none';
COMMENT ON COLUMN solutions."cluster" IS 'Number among the different answers to the problem, from 1 in their order: equal answers have the same; null where there is no answer';
COMMENT ON COLUMN solutions.outcome IS 'ok; no_answer (the solver gives none); program_failed or not_run of a program; or how the call ended, as in calls';
COMMENT ON COLUMN solutions.reason IS 'Why there is no answer, in one sentence; empty where there is one';
COMMENT ON COLUMN solutions.correct IS 'Whether the answer equals the known one; null where none is known, or where the two could not be compared in time';

CREATE TABLE test_problems (
    job INTEGER NOT NULL,
    problem BIGINT NOT NULL,
    text VARCHAR NOT NULL,
    answer VARCHAR NOT NULL,
    level VARCHAR,
    type VARCHAR,
    source VARCHAR NOT NULL,
    PRIMARY KEY (job, problem)
);
COMMENT ON TABLE test_problems IS 'Problems with known answers on which a model is measured (populace evaluate)';
COMMENT ON COLUMN test_problems.job IS 'Job, as in jobs';
COMMENT ON COLUMN test_problems.problem IS 'Number in the job, from 1';
COMMENT ON COLUMN test_problems.text IS 'The problem as the model is shown it';
COMMENT ON COLUMN test_problems.answer IS 'The known answer: that of the test set, or the one on which earlier solutions agree';
COMMENT ON COLUMN test_problems.level IS 'Level of the problem, as the test set names it; null where it names none';
COMMENT ON COLUMN test_problems.type IS 'Subject of the problem, as the test set names it, or the kind of the output; null where there is none';
COMMENT ON COLUMN test_problems.source IS 'Line of the test set (FILE:line), or the emission (RUN#emission)';

CREATE TABLE responses (
    job INTEGER NOT NULL,
    emission BIGINT NOT NULL,
    response INTEGER NOT NULL,
    model VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    PRIMARY KEY (job, emission, response)
);
COMMENT ON TABLE responses IS 'Several responses of a teacher to one instruction (populace grade --responses), of which preferences are made';
COMMENT ON COLUMN responses.job IS 'Job, as in jobs';
COMMENT ON COLUMN responses.emission IS 'Emission that is responded to';
COMMENT ON COLUMN responses.response IS 'Which of several responses it is, from 0';
COMMENT ON COLUMN responses.model IS 'Model that wrote it';
COMMENT ON COLUMN responses.text IS 'The response; empty where none came';
COMMENT ON COLUMN responses.outcome IS 'ok, refusal, empty, or how the call ended, as in calls; only those that are ok are graded';
COMMENT ON COLUMN responses.reason IS 'Why there is none to use, in one sentence; empty where there is one';

CREATE TABLE votes (
    job INTEGER NOT NULL,
    emission BIGINT NOT NULL,
    response INTEGER,
    other BIGINT,
    other_response INTEGER,
    criterion VARCHAR NOT NULL,
    grader VARCHAR NOT NULL,
    replicate INTEGER NOT NULL,
    label VARCHAR,
    score DOUBLE,
    position INTEGER,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL
);
COMMENT ON TABLE votes IS 'What graders say of outputs (populace grade): a label for each criterion of a rubric, or which of two is better';
COMMENT ON COLUMN votes.job IS 'Job, as in jobs';
COMMENT ON COLUMN votes.emission IS 'Emission that is graded; of a comparison the earlier of the two';
COMMENT ON COLUMN votes.response IS 'Response to it that is graded, as in responses; null where the output itself is';
COMMENT ON COLUMN votes.other IS 'Emission that it is compared with; null where nothing is compared';
COMMENT ON COLUMN votes.other_response IS 'Response that it is compared with; null where there is none';
COMMENT ON COLUMN votes.criterion IS 'Criterion of the rubric; of a comparison overall';
COMMENT ON COLUMN votes.grader IS 'Model that judged, by name';
COMMENT ON COLUMN votes.replicate IS 'Which of several votes of this grader it is, from 0';
COMMENT ON COLUMN votes.label IS 'The label that was given; of a comparison better, worse or tie, said of emission; null where none came';
COMMENT ON COLUMN votes.score IS 'The score of the label, 0 to 1; null where none came';
COMMENT ON COLUMN votes.position IS 'Place in which emission was shown to the grader, 1 or 2; null where nothing is compared';
COMMENT ON COLUMN votes.outcome IS 'How the call ended, as in calls: ok, or why there is no label (a refusal, an answer that could not be read, ...)';
COMMENT ON COLUMN votes.reason IS 'The grader''s reason, or why there is no label';

CREATE TABLE preferences (
    job INTEGER NOT NULL,
    emission BIGINT NOT NULL,
    prompt VARCHAR NOT NULL,
    chosen VARCHAR NOT NULL,
    rejected VARCHAR NOT NULL,
    chosen_emission BIGINT NOT NULL,
    rejected_emission BIGINT NOT NULL,
    chosen_response INTEGER,
    rejected_response INTEGER,
    margin DOUBLE NOT NULL,
    source VARCHAR NOT NULL,
    PRIMARY KEY (job, emission)
);
COMMENT ON TABLE preferences IS 'The best and the worst of several candidates made for one prompt (populace prefer): rows for training on preferences';
COMMENT ON COLUMN preferences.job IS 'Job, as in jobs: the latest, whose rows take the place of those before';
COMMENT ON COLUMN preferences.emission IS 'Emission that the row stands for: the one that is responded to, or the better one';
COMMENT ON COLUMN preferences.prompt IS 'What both answer';
COMMENT ON COLUMN preferences.chosen IS 'The better answer';
COMMENT ON COLUMN preferences.rejected IS 'The worse answer';
COMMENT ON COLUMN preferences.chosen_emission IS 'Emission of the better one; where responses are compared, the one that is responded to';
COMMENT ON COLUMN preferences.rejected_emission IS 'Emission of the worse one; where responses are compared, the one that is responded to';
COMMENT ON COLUMN preferences.chosen_response IS 'The better response, as in responses; null where outputs are compared';
COMMENT ON COLUMN preferences.rejected_response IS 'The worse response, as in responses; null where outputs are compared';
COMMENT ON COLUMN preferences.margin IS 'Difference of their scores, above 0 and at most 1';
COMMENT ON COLUMN preferences.source IS 'What the scores are: grades (by a rubric), comparisons (share of comparisons won) or agreement (of solutions)';

CREATE TABLE held_out (
    emission BIGINT NOT NULL PRIMARY KEY,
    job INTEGER NOT NULL
);
COMMENT ON TABLE held_out IS 'Emissions that are kept for measuring models (populace split): exports leave them out, and populace evaluate --held-out takes them';
COMMENT ON COLUMN held_out.emission IS 'Emission, accepted or not';
COMMENT ON COLUMN held_out.job IS 'Job, as in jobs: the latest, whose rows take the place of those before';
