-- What came from outside and does not fit: rows beside their tables, and values that are unknown.

CREATE TABLE set_aside (
    set_aside_at TIMESTAMP NOT NULL,
    destination VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    reason VARCHAR NOT NULL
);
COMMENT ON TABLE set_aside IS 'Rows and journal records that did not fit their table; the rest was written';
COMMENT ON COLUMN set_aside.set_aside_at IS 'UTC';
COMMENT ON COLUMN set_aside.destination IS 'The table that it was meant for';
COMMENT ON COLUMN set_aside.content IS 'The row as JSON, or the record as it was read';
COMMENT ON COLUMN set_aside.reason IS 'Why it did not fit';

ALTER TABLE calls ADD COLUMN invalid_fields VARCHAR;
COMMENT ON COLUMN calls.invalid_fields IS 'What the endpoint sent beside the answer that has no valid value and is unknown therefore, as usage.prompt_tokens=-7; null where all of it is valid';
COMMENT ON COLUMN calls.outcome IS 'ok, rate_limited, server_error, dropped, unreachable, timeout, cut_json, not_json, schema_mismatch, control_characters, empty, refusal, length, auth, not_found, bad_request, model_error or too_large';
