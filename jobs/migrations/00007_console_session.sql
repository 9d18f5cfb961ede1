-- console_session keeps who has signed in at the console. What somebody could sign in with is sealed: the key is in the cookie.

-- +goose Up
CREATE TABLE console_session (
    session_id TEXT PRIMARY KEY, -- hexadecimal SHA-256 of the secret in the cookie
    sealed     TEXT NOT NULL,   -- the credentials, as access.SealedSession keeps them
    revision   BIGINT NOT NULL, -- how often they were replaced
    dt_made    TIMESTAMP NOT NULL,
    dt_expires TIMESTAMP NOT NULL,
    dt_renewal TIMESTAMP        -- until when one process has them replaced, and the others wait
);

CREATE INDEX console_session_to_delete ON console_session (dt_expires);

-- +goose Down
DROP TABLE console_session;
