-- access_token keeps tokens, without their secrets. A token counts while neither it nor any with which it was made is revoked.
-- One that was made with another is deleted a month after it has ended.
-- purpose is what a submission said an exhaust is for.

-- +goose Up
CREATE TABLE access_token (
    token_id   TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE, -- hexadecimal SHA-256 of the secret
    channels   TEXT NOT NULL, -- a JSON list of texts
    rights     TEXT NOT NULL, -- the same, as access.ParseRights takes them
    made_by    TEXT NOT NULL, -- the token_id of the token with which it was made, or ''
    dt_made    TIMESTAMP NOT NULL,
    dt_expires TIMESTAMP NOT NULL,
    dt_revoked TIMESTAMP
);

-- Those who make tokens tell them by their names, each his own.
CREATE UNIQUE INDEX access_token_of_name ON access_token (made_by, name) WHERE dt_revoked IS NULL;
CREATE INDEX access_token_to_delete ON access_token (dt_expires) WHERE made_by <> '';

ALTER TABLE job_request ADD COLUMN purpose TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE job_request DROP COLUMN purpose;
DROP TABLE access_token;
