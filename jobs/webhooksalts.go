package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"data-exhaust/exhaust"
)

// maxWebhookSalts bounds how many secrets sign a webhook, however often a channel replaces its own: each is a signature in
// one header.
const maxWebhookSalts = 5

// WebhookSalts are those of a channel whose secrets sign at a time, the newest first, at most five. None is no error: the
// channel has no secret.
func (j *Jobs) WebhookSalts(ctx context.Context, channel string, at time.Time) ([]exhaust.WebhookSalt, error) {
	var rows []struct {
		Salt   string  `db:"salt"`
		KeyID  string  `db:"key_id"`
		MadeAt instant `db:"dt_made"`
		EndsAt instant `db:"dt_ends"`
	}
	err := j.db.Select(ctx, &rows, `SELECT salt, key_id, dt_made, dt_ends FROM webhook_salt
		WHERE channel = $1 AND (dt_ends IS NULL OR dt_ends > $2)
		ORDER BY CASE WHEN dt_ends IS NULL THEN 0 ELSE 1 END, dt_ends DESC, salt LIMIT $3`, channel, instant(at), maxWebhookSalts)
	if err != nil {
		return nil, j.failedIn("webhook_salt", "read", err)
	}
	salts := make([]exhaust.WebhookSalt, len(rows))
	for i, row := range rows {
		salts[i] = exhaust.WebhookSalt{
			Channel: channel, Salt: row.Salt, KeyID: row.KeyID, MadeAt: time.Time(row.MadeAt), EndsAt: time.Time(row.EndsAt),
		}
	}
	return salts, nil
}

// errSaltReplaced rolls back a replacement that came too late.
var errSaltReplaced = errors.New("the channel has another salt by now")

// ReplaceWebhookSalt makes a salt its channel's in place of another, whose secret signs until ends; replaced is "" where the
// channel has none. It reports false, and has changed nothing, where the channel's is another by now.
func (j *Jobs) ReplaceWebhookSalt(ctx context.Context, next exhaust.WebhookSalt, replaced string, ends time.Time) (isReplaced bool, err error) {
	err = j.db.Write(ctx, func(tx *sqlx.Tx) error {
		if replaced != "" {
			err := changeOne(ctx, tx, `UPDATE webhook_salt SET dt_ends = $3 WHERE channel = $1 AND salt = $2 AND dt_ends IS NULL`,
				next.Channel, replaced, instant(ends))
			if err != nil {
				return err
			}
		}
		err := changeOne(ctx, tx, `INSERT INTO webhook_salt (channel, salt, key_id, dt_made) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			next.Channel, next.Salt, next.KeyID, instant(next.MadeAt))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM webhook_salt WHERE channel = $1 AND dt_ends <= $2`, next.Channel, instant(next.MadeAt))
		return err
	})
	switch {
	case errors.Is(err, errSaltReplaced):
		return false, nil
	case err != nil:
		return false, j.failedIn("webhook_salt", "replace a salt in", err)
	}
	return true, nil
}

// changeOne runs a statement that is too late where it changes no row.
func changeOne(ctx context.Context, tx *sqlx.Tx, query string, args ...any) error {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if changed, err := result.RowsAffected(); err != nil || changed == 1 {
		return err
	}
	return errSaltReplaced
}
