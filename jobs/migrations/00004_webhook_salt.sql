-- webhook_salt keeps what, beside EXHAUST_WEBHOOK_SECRET, the secrets that sign a channel's webhooks are derived from. It
-- holds no secret. A row without dt_ends is the channel's secret; one with it is a secret that was replaced, and signs as
-- well until then.

-- +goose Up
CREATE TABLE webhook_salt (
    channel TEXT NOT NULL,
    salt    TEXT NOT NULL, -- base64 of 32 random bytes
    key_id  TEXT NOT NULL, -- which EXHAUST_WEBHOOK_SECRET it is derived from
    dt_made TIMESTAMP NOT NULL,
    dt_ends TIMESTAMP,
    PRIMARY KEY (channel, salt)
);

-- Of processes that make a channel's secret at the same time one succeeds.
CREATE UNIQUE INDEX webhook_salt_of_channel ON webhook_salt (channel) WHERE dt_ends IS NULL;

-- +goose Down
DROP TABLE webhook_salt;
