-- range_from and range_to are the first and last day that the exhaust covers, once they are settled; '' before that, of an
-- exhaust that is not made from telemetry, and of those of the releases before.
-- The indexes have the exhausts of a channel's tag, and of its conversation, in the order in which people page through them.

-- +goose Up
ALTER TABLE job_request ADD COLUMN range_from TEXT NOT NULL DEFAULT '';
ALTER TABLE job_request ADD COLUMN range_to TEXT NOT NULL DEFAULT '';

DROP INDEX job_request_of_tag;
CREATE INDEX job_request_of_tag ON job_request (tag, requested_channel, job_id, status, dt_job_submitted DESC, request_id);
CREATE INDEX job_request_of_channels_conversation
    ON job_request (lower(conversation_id), requested_channel, job_id, status, dt_job_submitted DESC, request_id);

-- +goose Down
DROP INDEX job_request_of_channels_conversation;
DROP INDEX job_request_of_tag;
CREATE INDEX job_request_of_tag ON job_request (tag, requested_channel, dt_job_submitted DESC, request_id);
ALTER TABLE job_request DROP COLUMN range_to;
ALTER TABLE job_request DROP COLUMN range_from;
