ALTER TABLE runs ADD COLUMN limits JSON;
ALTER TABLE runs ADD COLUMN prices JSON;
ALTER TABLE runs ADD COLUMN cache VARCHAR;
ALTER TABLE runs ADD COLUMN batch BOOLEAN DEFAULT false;
ALTER TABLE runs ADD COLUMN embedding_model VARCHAR;
ALTER TABLE runs ADD COLUMN embedding_url VARCHAR;
ALTER TABLE runs ADD COLUMN forked_from VARCHAR;
ALTER TABLE runs ADD COLUMN forked_at INTEGER;
COMMENT ON COLUMN runs.base_url IS 'Endpoints of the model, without keys, separated by spaces; null for a model in the process';
COMMENT ON COLUMN runs.status IS 'running, finished, failed or paused (a budget that is spent, too many failing calls); a run found running by nobody was killed; all but finished can be resumed';
COMMENT ON COLUMN runs.reason IS 'Why the run failed or was paused, in one sentence';
COMMENT ON COLUMN runs.limits IS 'Calls in flight, requests and tokens a minute, budget, error rate and timeout, as JSON; no result depends on them';
COMMENT ON COLUMN runs.prices IS 'US dollars for a million tokens and where the prices are from, as JSON; null when they are not known';
COMMENT ON COLUMN runs.cache IS 'File from which answers are shared with other runs; null for none';
COMMENT ON COLUMN runs.batch IS 'True when work without a next step goes through batches';
COMMENT ON COLUMN runs.embedding_model IS 'Model that gives vectors, by name; null when there is none, and then only words are compared';
COMMENT ON COLUMN runs.embedding_url IS 'Endpoint of that model, without key';
COMMENT ON COLUMN runs.forked_from IS 'Run that this one was forked from; null for none';
COMMENT ON COLUMN runs.forked_at IS 'Step of that run whose state this one began with';

ALTER TABLE calls ADD COLUMN replicate INTEGER DEFAULT 0;
ALTER TABLE calls ADD COLUMN source VARCHAR DEFAULT 'endpoint';
ALTER TABLE calls ADD COLUMN cost DOUBLE;
COMMENT ON TABLE calls IS 'Every attempt at the model, written before its answer is parsed; and every answer taken from elsewhere';
COMMENT ON COLUMN calls.owner IS 'Passage or persona on whose behalf it was made; society for vectors that were fetched for many at once';
COMMENT ON COLUMN calls.raw IS 'The answer exactly as it came; null when none came; of embeddings a note of what came, whose vectors are in vectors';
COMMENT ON COLUMN calls.replicate IS 'Which of several answers to the same request it is, from 0';
COMMENT ON COLUMN calls.source IS 'endpoint or batch when it was sent; cache or fork for an answer that was paid for elsewhere';
COMMENT ON COLUMN calls.cost IS 'US dollars by the prices of the run, 0 for an answer paid for elsewhere; null when prices or tokens are not known';

COMMENT ON TABLE failures IS 'Agent-turns, growth requests and embeddings that were lost, each with its reason';

CREATE TABLE known_answers (
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
COMMENT ON TABLE known_answers IS 'Answers of the run that this one was forked from, behind the step of the fork: a request that is the same takes its answer from here';
COMMENT ON COLUMN known_answers.phase IS 'growth or step';
COMMENT ON COLUMN known_answers.number IS 'Hop of growth, or step of the society';
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
COMMENT ON COLUMN batches.batch IS 'Id that the endpoint gave it; null until it is known';
COMMENT ON COLUMN batches.endpoint IS 'Endpoint, without key';
COMMENT ON COLUMN batches.input_file IS 'Id that the endpoint gave the file of requests';
COMMENT ON COLUMN batches.requests IS 'Names (custom_id) of its requests, as a JSON list';
COMMENT ON COLUMN batches.status IS 'intended, open, or how it ended: completed, failed, expired or cancelled';
COMMENT ON COLUMN batches.created_at IS 'UTC';
COMMENT ON COLUMN batches.ended_at IS 'UTC; null while it is open';
