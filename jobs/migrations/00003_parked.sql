-- parked is true of a SUBMITTED job that waits for the night, but for one that waited before there was this column.

-- +goose Up
ALTER TABLE job_request ADD COLUMN parked BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE job_request DROP COLUMN parked;
