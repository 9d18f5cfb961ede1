-- job_request keeps what stays of an exhaust for good. Its columns are named as in Sunbird's table
-- of the same name. The types are those that PostgreSQL and SQLite share: times are UTC with
-- milliseconds, execution_time is milliseconds, download_urls and progress are JSON, request_data
-- is the datasetConfig, compact.

-- +goose Up
CREATE TABLE job_request (
    request_id        TEXT PRIMARY KEY,
    tag               TEXT NOT NULL, -- the client's tag, a colon, the channel
    job_id            TEXT NOT NULL CHECK (job_id IN ('uci-response-exhaust', 'uci-private-exhaust')),
    status            TEXT NOT NULL CHECK (status IN ('SUBMITTED', 'PROCESSING', 'SUCCESS', 'FAILED', 'CANCELLED')),
    request_data      TEXT NOT NULL,
    requested_by      TEXT NOT NULL,
    requested_channel TEXT NOT NULL,
    output_format     TEXT NOT NULL,
    conversation_id   TEXT NOT NULL,
    start_date        TEXT NOT NULL, -- '' where the request left it to the registry
    end_date          TEXT NOT NULL,
    allow_empty       BOOLEAN NOT NULL, -- without any event it is a success
    dt_job_submitted  TIMESTAMP NOT NULL,
    dt_job_updated    TIMESTAMP,
    dt_job_completed  TIMESTAMP,
    execution_time    BIGINT,
    iteration         INTEGER NOT NULL, -- runs after the first
    err_message       TEXT NOT NULL,
    may_heal          BOOLEAN NOT NULL, -- a FAILED one that may succeed when it runs again
    progress          TEXT NOT NULL,
    report            TEXT NOT NULL,
    download_urls     TEXT NOT NULL,
    dt_urls_expire    TIMESTAMP
);

CREATE INDEX job_request_of_tag ON job_request (tag, requested_channel, dt_job_submitted DESC, request_id);
CREATE INDEX job_request_of_channel ON job_request (requested_channel, job_id, status, dt_job_submitted DESC, request_id);
CREATE INDEX job_request_of_status ON job_request (job_id, status, dt_job_submitted DESC, request_id);
CREATE INDEX job_request_of_conversation ON job_request (conversation_id, request_id);
-- The night goes through these by id; they are few beside those that SUCCEEDED.
CREATE INDEX job_request_to_run ON job_request (status, request_id) WHERE status <> 'SUCCESS';
CREATE INDEX job_request_with_report ON job_request (dt_job_completed) WHERE report <> '';

-- +goose Down
DROP TABLE job_request;
