package jobs

import (
	"context"
	"time"

	"data-exhaust/receipt"
)

// ReceiptKey is a public key that receipts were signed with.
type ReceiptKey struct {
	receipt.PublicKey
	// AddedAt is when the first receipt was signed with it.
	AddedAt time.Time
}

// SaveReceiptKey records a key that receipts are signed with from now on; a key that is recorded stays as it is.
func (j *Jobs) SaveReceiptKey(ctx context.Context, key receipt.PublicKey) error {
	_, err := j.db.Exec(ctx, `INSERT INTO receipt_key (key_id, public_key, dt_added) VALUES ($1, $2, $3) ON CONFLICT (key_id) DO NOTHING`,
		key.ID, key.Key, instant(time.Now()))
	if err != nil {
		return j.failedIn("receipt_key", "save a key in", err)
	}
	return nil
}

// ReceiptKeys are the keys that receipts were ever signed with, the oldest first.
func (j *Jobs) ReceiptKeys(ctx context.Context) ([]ReceiptKey, error) {
	var rows []struct {
		ID      string  `db:"key_id"`
		Key     string  `db:"public_key"`
		AddedAt instant `db:"dt_added"`
	}
	if err := j.db.Select(ctx, &rows, `SELECT key_id, public_key, dt_added FROM receipt_key ORDER BY dt_added, key_id`); err != nil {
		return nil, j.failedIn("receipt_key", "read", err)
	}
	keys := make([]ReceiptKey, len(rows))
	for i, row := range rows {
		keys[i] = ReceiptKey{PublicKey: receipt.PublicKey{ID: row.ID, Key: row.Key}, AddedAt: time.Time(row.AddedAt)}
	}
	return keys, nil
}
