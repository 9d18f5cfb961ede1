-- receipt is the name of the receipt beside the report, receipt_url its signed URL; both are '' where there is none.
-- receipt_key keeps the public keys that receipts were signed with, for good: a receipt outlives the key's use.

-- +goose Up
ALTER TABLE job_request ADD COLUMN receipt TEXT NOT NULL DEFAULT '';
ALTER TABLE job_request ADD COLUMN receipt_url TEXT NOT NULL DEFAULT '';

CREATE TABLE receipt_key (
    key_id     TEXT PRIMARY KEY,
    public_key TEXT NOT NULL, -- base64 of an Ed25519 key
    dt_added   TIMESTAMP NOT NULL
);

-- A conversation's id is a uuid, in any letter case.
DROP INDEX job_request_of_conversation;
CREATE INDEX job_request_of_conversation ON job_request (lower(conversation_id), request_id);

-- +goose Down
DROP INDEX job_request_of_conversation;
CREATE INDEX job_request_of_conversation ON job_request (conversation_id, request_id);
DROP TABLE receipt_key;
ALTER TABLE job_request DROP COLUMN receipt_url;
ALTER TABLE job_request DROP COLUMN receipt;
