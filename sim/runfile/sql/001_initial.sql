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
COMMENT ON COLUMN jobs.is_language_model IS 'False for the built-in generator, which is not a language model';
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
COMMENT ON COLUMN phases.phase IS 'Name, as in markers, calls and failures: growth, step, a survey with its name, or a stage of an enrichment or embedding';
COMMENT ON COLUMN phases.ordinal IS 'Place in the job, from 1';
COMMENT ON COLUMN phases.unit IS 'What numbers of this phase count: hop, step, after step (of a survey), or stage, of which there is one';

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
COMMENT ON TABLE skipped_sources IS 'What was passed over while the sources were read, and files that outputs are compared with: files, folders and rows, by chunk and kind';
COMMENT ON COLUMN skipped_sources.chunk IS 'Chunk of hop 0 in which it was passed over, as in growth_chunks; -1 for files that outputs are compared with';
COMMENT ON COLUMN skipped_sources.kind IS 'Why, in a few words';
COMMENT ON COLUMN skipped_sources.number IS 'How many';
COMMENT ON COLUMN skipped_sources.examples IS 'Sentences on the first of them: which file, which row, and what is wrong';

-- The society: who lives in it, what the scenario declares, and what happened.

CREATE TABLE agents (
    agent VARCHAR PRIMARY KEY,
    ordinal INTEGER NOT NULL,
    group_name VARCHAR,
    weight DOUBLE NOT NULL DEFAULT 1,
    arrived INTEGER NOT NULL DEFAULT 0
);
COMMENT ON TABLE agents IS 'The personas that live in the society';
COMMENT ON COLUMN agents.agent IS 'Persona id';
COMMENT ON COLUMN agents.arrived IS 'Step at which the agent came; 0 for those who were there from the beginning';
COMMENT ON COLUMN agents.ordinal IS 'Fixed order in which effects are applied, from 1';
COMMENT ON COLUMN agents.group_name IS 'Group that the scenario puts the agent in; null where it has none';
COMMENT ON COLUMN agents.weight IS 'What the agent counts for in figures about the population it was drawn from, as the selection of the hub says; 1 where none says otherwise';

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
    news VARCHAR
);
COMMENT ON TABLE interventions IS 'What the scenario did to its society, at the start of the step; what that changed is in intervention_effects';
COMMENT ON COLUMN interventions.step IS 'Step';
COMMENT ON COLUMN interventions.name IS 'Name the scenario declares it by';
COMMENT ON COLUMN interventions.news IS 'What those it is meant for hear of it; null where they hear nothing';

-- DuckDB's own choice for ids, a dictionary, takes ten times the CPU of zstd: a twentieth of all that a rule's turn takes.
CREATE TABLE observations (
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL USING COMPRESSION zstd,
    neighbours INTEGER NOT NULL,
    heard INTEGER NOT NULL,
    text VARCHAR NOT NULL USING COMPRESSION zstd
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
    agent VARCHAR NOT NULL USING COMPRESSION zstd,
    kind VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    payload JSON NOT NULL,
    revised BOOLEAN NOT NULL,
    model VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    archetype VARCHAR
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
COMMENT ON COLUMN emissions.archetype IS 'Agent that was asked for all that are alike, whose answer this is, perhaps varied; null where each agent was asked';
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
    agent VARCHAR NOT NULL USING COMPRESSION zstd,
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
    emission BIGINT,
    PRIMARY KEY (step, ordinal)
);
COMMENT ON TABLE relation_changes IS 'Ties that actions and interventions added, strengthened or removed; relations holds those that growth found, and the view ties all as they are now';
COMMENT ON COLUMN relation_changes.step IS 'Step after which it holds; what an intervention changes holds in the step already';
COMMENT ON COLUMN relation_changes.ordinal IS 'Place among the changes of the step, from 1';
COMMENT ON COLUMN relation_changes.source IS 'Agent from whom the tie leads';
COMMENT ON COLUMN relation_changes.target IS 'Agent to whom it leads: source''s label';
COMMENT ON COLUMN relation_changes.kind IS 'Kind of the tie, as in relations';
COMMENT ON COLUMN relation_changes.label IS 'What target is to source, in words';
COMMENT ON COLUMN relation_changes.change IS 'added, strengthened or removed';
COMMENT ON COLUMN relation_changes.weight IS 'Weight of the tie after it; a tie that growth found begins with 1, and one that is removed has 0';
COMMENT ON COLUMN relation_changes.emission IS 'Emission whose action did it, as in emissions; null where no action did';

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
    agent VARCHAR NOT NULL USING COMPRESSION zstd,
    ordinal INTEGER NOT NULL,
    text VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    importance INTEGER
);
COMMENT ON TABLE memories IS 'What agents took note of; each keeps the newest of its own, up to a limit';
COMMENT ON COLUMN memories.step IS 'Step';
COMMENT ON COLUMN memories.agent IS 'Agent';
COMMENT ON COLUMN memories.ordinal IS 'Order among what the agent noted in this step, from 1';
COMMENT ON COLUMN memories.text IS 'The note';
COMMENT ON COLUMN memories.kind IS 'seen (news), said (what the agent did or said), heard, reflection (what it concluded) or plan';
COMMENT ON COLUMN memories.importance IS 'From 1 to 10, in a memory stream; null where notes are not weighed';

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
COMMENT ON COLUMN votes.position IS 'Place in which emission, or in a line-up its author, was shown to the grader, from 1; null where there is one place';
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

-- What a society begins with besides its people: what they count for, and what they were to be.

CREATE TABLE weights (
    persona VARCHAR PRIMARY KEY,
    weight DOUBLE NOT NULL
);
COMMENT ON TABLE weights IS 'What the people of a selection count for (see agents.weight); empty where they were not read from one, or it is no sample';
COMMENT ON COLUMN weights.persona IS 'Persona';
COMMENT ON COLUMN weights.weight IS 'Weight, 1 on average over the whole selection';

CREATE TABLE target_shares (
    ordinal INTEGER PRIMARY KEY,
    "column" VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    wanted DOUBLE NOT NULL
);
COMMENT ON TABLE target_shares IS 'The shares that the selection of the people was to meet; empty where they were not read from one with a rule (see targets)';
COMMENT ON COLUMN target_shares.ordinal IS 'From 1';
COMMENT ON COLUMN target_shares."column" IS 'Column of the hub''s people; several, joined by commas, where combinations were asked for';
COMMENT ON COLUMN target_shares.value IS 'Its value, or the combination of values';
COMMENT ON COLUMN target_shares.wanted IS 'Share that was wanted, 0 to 1';

CREATE TABLE target_people (
    persona VARCHAR NOT NULL,
    "column" VARCHAR NOT NULL,
    ordinal INTEGER,
    PRIMARY KEY (persona, "column")
);
COMMENT ON TABLE target_people IS 'Which of these shares the people who were read belong to';
COMMENT ON COLUMN target_people.persona IS 'Persona';
COMMENT ON COLUMN target_people."column" IS 'Column, as in target_shares';
COMMENT ON COLUMN target_people.ordinal IS 'Share, as in target_shares; null where no share was wanted of the person''s value';

CREATE TABLE network_ties (
    ordinal INTEGER PRIMARY KEY,
    source VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    label VARCHAR NOT NULL,
    weight DOUBLE NOT NULL
);
COMMENT ON TABLE network_ties IS 'The ties of the network that the society began with, where it was drawn or read from a file (see runs.network); empty where it is that of growth';
COMMENT ON COLUMN network_ties.ordinal IS 'From 1';
COMMENT ON COLUMN network_ties.source IS 'Persona from whom the tie leads';
COMMENT ON COLUMN network_ties.target IS 'Persona to whom it leads: source''s label';
COMMENT ON COLUMN network_ties.kind IS 'Kind of the tie, as in relations';
COMMENT ON COLUMN network_ties.label IS 'What target is to source, in words';
COMMENT ON COLUMN network_ties.weight IS 'Weight; 1 unless a file gave another';

-- What agents think.

CREATE TABLE deliberations (
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    tool VARCHAR,
    arguments JSON,
    is_error BOOLEAN NOT NULL,
    PRIMARY KEY (step, agent, ordinal)
);
COMMENT ON TABLE deliberations IS 'What agents thought and found out before they acted, with the minds think and react; no other agent learns of it';
COMMENT ON COLUMN deliberations.step IS 'Step';
COMMENT ON COLUMN deliberations.agent IS 'Agent';
COMMENT ON COLUMN deliberations.ordinal IS 'Order within the turn, from 1';
COMMENT ON COLUMN deliberations.kind IS 'thought, or tool';
COMMENT ON COLUMN deliberations.text IS 'The thought, or what the tool gave';
COMMENT ON COLUMN deliberations.tool IS 'The tool that was called; null for a thought';
COMMENT ON COLUMN deliberations.arguments IS 'Its arguments; null for a thought';
COMMENT ON COLUMN deliberations.is_error IS 'True where the tool did not take its arguments; the text says why';

-- Societies that change.

CREATE TABLE intervention_effects (
    step INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    intervention VARCHAR NOT NULL,
    what VARCHAR NOT NULL,
    agent VARCHAR,
    other VARCHAR,
    field VARCHAR,
    before JSON,
    after JSON,
    PRIMARY KEY (step, ordinal)
);
COMMENT ON TABLE intervention_effects IS 'What interventions changed, field by field, and the agents that they were meant for';
COMMENT ON COLUMN intervention_effects.step IS 'Step at whose start it was changed';
COMMENT ON COLUMN intervention_effects.ordinal IS 'Place among the changes of the step, from 1';
COMMENT ON COLUMN intervention_effects.intervention IS 'Intervention, as in interventions';
COMMENT ON COLUMN intervention_effects.what IS 'assigned (the agent is one of those that it was meant for, where not all were), world, state, tie, block, or agent (one that left)';
COMMENT ON COLUMN intervention_effects.agent IS 'Agent; of a tie the one from whom it leads; null for the world';
COMMENT ON COLUMN intervention_effects.other IS 'The other agent of a tie; null where there is none';
COMMENT ON COLUMN intervention_effects.field IS 'Field of the state or the world (state.NAME, values.NAME), label of the tie; null where there is none';
COMMENT ON COLUMN intervention_effects.before IS 'Value before, as JSON: of a tie its weight, of a block whether it was blocked, of an agent whether it was there; null where there was none';
COMMENT ON COLUMN intervention_effects.after IS 'Value after, as JSON; null where there is none any more';

CREATE TABLE turn_times (
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    time DOUBLE NOT NULL,
    next_time DOUBLE,
    PRIMARY KEY (step, agent)
);
COMMENT ON TABLE turn_times IS 'When agents had turns, in worlds that are not in lock-step; none in others';
COMMENT ON COLUMN turn_times.step IS 'Step that held the turn; 0 for the time at which the first turn was scheduled';
COMMENT ON COLUMN turn_times.agent IS 'Agent';
COMMENT ON COLUMN turn_times.time IS 'Time of the turn, from 0, in the scenario''s own unit';
COMMENT ON COLUMN turn_times.next_time IS 'Time at which the next one falls due; null where there will be none';

CREATE TABLE node_measures (
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE NOT NULL
);
COMMENT ON TABLE node_measures IS 'Numbers that the scenario takes of each agent after a step, as its place in the network';
COMMENT ON COLUMN node_measures.step IS 'Step';
COMMENT ON COLUMN node_measures.agent IS 'Agent';
COMMENT ON COLUMN node_measures.name IS 'Name of the measure';
COMMENT ON COLUMN node_measures.value IS 'Value';

CREATE TABLE posts (
    post BIGINT PRIMARY KEY,
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    emission BIGINT NOT NULL,
    reply_to BIGINT
);
COMMENT ON TABLE posts IS 'What agents posted in channels; who was shown it is in exposures';
COMMENT ON COLUMN posts.post IS 'Number in the run, from 1';
COMMENT ON COLUMN posts.step IS 'Step in which it was posted';
COMMENT ON COLUMN posts.agent IS 'Agent that posted it';
COMMENT ON COLUMN posts.channel IS 'Channel, by its name';
COMMENT ON COLUMN posts.text IS 'The text';
COMMENT ON COLUMN posts.emission IS 'Emission whose action posted it';
COMMENT ON COLUMN posts.reply_to IS 'Post that it replies to; null where it replies to none';

CREATE TABLE exposures (
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    post BIGINT NOT NULL,
    channel VARCHAR NOT NULL,
    place INTEGER NOT NULL
);
COMMENT ON TABLE exposures IS 'Who was shown which post in a turn';
COMMENT ON COLUMN exposures.step IS 'Step of the turn';
COMMENT ON COLUMN exposures.agent IS 'Agent that was shown it';
COMMENT ON COLUMN exposures.post IS 'Post, as in posts';
COMMENT ON COLUMN exposures.channel IS 'Channel, by its name';
COMMENT ON COLUMN exposures.place IS 'Place among what the agent was shown in the turn, from 1';

-- Surveys of the agents of a society, in the run and after it.

CREATE TABLE surveys (
    job INTEGER NOT NULL,
    survey VARCHAR NOT NULL,
    step INTEGER NOT NULL,
    item VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    type VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    intro VARCHAR NOT NULL,
    options VARCHAR[] NOT NULL,
    low DOUBLE,
    high DOUBLE,
    dont_know BOOLEAN NOT NULL,
    PRIMARY KEY (job, survey, step, item)
);
COMMENT ON TABLE surveys IS 'Items of surveys, each as it was asked after a step';
COMMENT ON COLUMN surveys.job IS 'Job, as in jobs: 1 is the run itself';
COMMENT ON COLUMN surveys.survey IS 'Name of the survey';
COMMENT ON COLUMN surveys.step IS 'Step after which it was asked; 0 is before the first';
COMMENT ON COLUMN surveys.item IS 'Name of the item';
COMMENT ON COLUMN surveys.ordinal IS 'Place of the item in the survey, from 1';
COMMENT ON COLUMN surveys.type IS 'likert, choice, rank, number or text';
COMMENT ON COLUMN surveys.text IS 'The question';
COMMENT ON COLUMN surveys.intro IS 'What respondents were told before the items';
COMMENT ON COLUMN surveys.options IS 'The options as they were declared; of a Likert scale the labels of its points, or of its two ends';
COMMENT ON COLUMN surveys.low IS 'Least value of a number or scale; null for other types';
COMMENT ON COLUMN surveys.high IS 'Greatest value of a number or scale; null for other types';
COMMENT ON COLUMN surveys.dont_know IS 'Whether respondents could answer that they do not know';

CREATE TABLE answers (
    job INTEGER NOT NULL,
    survey VARCHAR NOT NULL,
    step INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    item VARCHAR NOT NULL,
    replicate INTEGER NOT NULL,
    value VARCHAR,
    number DOUBLE,
    shown VARCHAR[] NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    PRIMARY KEY (job, survey, step, agent, item, replicate)
);
COMMENT ON TABLE answers IS 'What agents answered to the items of surveys';
COMMENT ON COLUMN answers.job IS 'Job, as in jobs: 1 is the run itself';
COMMENT ON COLUMN answers.survey IS 'Survey, as in surveys';
COMMENT ON COLUMN answers.step IS 'Step after which it was asked; 0 is before the first';
COMMENT ON COLUMN answers.agent IS 'Agent who was asked';
COMMENT ON COLUMN answers.item IS 'Item, as in surveys';
COMMENT ON COLUMN answers.replicate IS 'Which of several times this agent was asked the same, from 0';
COMMENT ON COLUMN answers.value IS 'The answer as JSON: a number, an option or a text, or a list of options of which the first is first; null where there is none';
COMMENT ON COLUMN answers.number IS 'The answer as a number, of scales and numbers; null for other types and where there is none';
COMMENT ON COLUMN answers.shown IS 'The options, or the points of a scale, in the order in which this respondent was shown them';
COMMENT ON COLUMN answers.outcome IS 'ok, dont_know, or how the call ended, as in calls, where no answer came';
COMMENT ON COLUMN answers.reason IS 'Why no answer came, in one sentence; empty otherwise';
COMMENT ON COLUMN answers.model IS 'Model that answered, by name; rule where a rule of the scenario did';
COMMENT ON COLUMN answers.prompt IS 'Prompt that it answers, as name@version; rule where a rule did';

CREATE TABLE agent_changes (
    step INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    change VARCHAR NOT NULL,
    cause VARCHAR NOT NULL,
    parent VARCHAR,
    resembles VARCHAR,
    text VARCHAR,
    intervention VARCHAR,
    emission BIGINT,
    PRIMARY KEY (step, ordinal)
);
COMMENT ON TABLE agent_changes IS 'Who came to the society while it lived, who was refused, and who left it';
COMMENT ON COLUMN agent_changes.step IS 'Step';
COMMENT ON COLUMN agent_changes.ordinal IS 'Place among the changes of the step, from 1';
COMMENT ON COLUMN agent_changes.agent IS 'Persona id';
COMMENT ON COLUMN agent_changes.change IS 'arrived, refused (a rule rejects it, or it is or nearly repeats somebody who is known), or departed';
COMMENT ON COLUMN agent_changes.cause IS 'scenario, intervention, or action';
COMMENT ON COLUMN agent_changes.parent IS 'Agent to whom a newcomer is related; null where there is none';
COMMENT ON COLUMN agent_changes.resembles IS 'Whom one who was refused is or nearly repeats; null where a rule refused it, and for the others';
COMMENT ON COLUMN agent_changes.text IS 'Description of one who was refused, unless the rule lets nothing be kept; those of the others are in personas';
COMMENT ON COLUMN agent_changes.intervention IS 'Intervention that did it, as in interventions; null where none did';
COMMENT ON COLUMN agent_changes.emission IS 'Emission whose action did it, as in emissions; null where none did';

CREATE TABLE descriptions (
    agent VARCHAR PRIMARY KEY,
    before VARCHAR NOT NULL,
    after VARCHAR NOT NULL,
    is_replaced BOOLEAN NOT NULL
);
COMMENT ON TABLE descriptions IS 'What the scenario had prompts say of an agent after the last step, where that is more or other than its persona: surveys and interviews of the finished run say it too';
COMMENT ON COLUMN descriptions.agent IS 'Persona id';
COMMENT ON COLUMN descriptions.before IS 'What stood before the persona; the whole where that is replaced';
COMMENT ON COLUMN descriptions.after IS 'What stood behind the persona';
COMMENT ON COLUMN descriptions.is_replaced IS 'Whether the persona was not said as it is';

CREATE TABLE interviews (
    job INTEGER NOT NULL,
    interview INTEGER NOT NULL,
    agent VARCHAR NOT NULL,
    turn INTEGER NOT NULL,
    question VARCHAR NOT NULL,
    answer VARCHAR,
    raw VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    PRIMARY KEY (agent, interview, turn)
);
COMMENT ON TABLE interviews IS 'What agents of another run were asked after it (populace ask), in a file beside that run; empty in a run file';
COMMENT ON COLUMN interviews.job IS 'Job, as in jobs: its spec names the run';
COMMENT ON COLUMN interviews.interview IS 'Number of the interview among those with this agent, from 1';
COMMENT ON COLUMN interviews.agent IS 'Agent, as in the run';
COMMENT ON COLUMN interviews.turn IS 'Place of the question in the interview, from 1';
COMMENT ON COLUMN interviews.question IS 'The question';
COMMENT ON COLUMN interviews.answer IS 'What the agent answered; null where no answer came';
COMMENT ON COLUMN interviews.raw IS 'The answer as the model wrote it, with which the interview goes on';
COMMENT ON COLUMN interviews.outcome IS 'How the call ended, as in calls';
COMMENT ON COLUMN interviews.reason IS 'Why no answer came, in one sentence; empty where one did';
COMMENT ON COLUMN interviews.model IS 'Model that answered, by name';
COMMENT ON COLUMN interviews.prompt IS 'Prompt that it answers, as name@version';
