package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"data-exhaust/access"
)

var (
	// ErrNoToken says that there is no such token.
	ErrNoToken = errors.New("no such token")
	// ErrTokenName says that its maker has a token of that name already, which is not revoked.
	ErrTokenName = errors.New("the name is that of another token")
)

const tokenColumns = `token_id, name, hash, channels, rights, made_by, dt_made, dt_expires, dt_revoked`

// SaveToken records a new token, and deletes those that have ended long ago. ErrTokenName says that its maker has another one of
// its name, which is not revoked.
func (j *Jobs) SaveToken(ctx context.Context, t access.Token) error {
	isSaved, err := j.insertToken(ctx, t, false)
	if err == nil && !isSaved {
		err = ErrTokenName
	}
	return err
}

// SaveFirstToken is SaveToken where there is no token yet, not even a revoked one, and reports whether that was so. Of several
// that do it with the same name at the same time one succeeds.
func (j *Jobs) SaveFirstToken(ctx context.Context, t access.Token) (isFirst bool, err error) {
	return j.insertToken(ctx, t, true)
}

// keepEnded is for how long a token that was made with another is kept after it has expired. Those that were made in the database
// are kept for good.
const keepEnded = 30 * 24 * time.Hour

func (j *Jobs) insertToken(ctx context.Context, t access.Token, onlyFirst bool) (isSaved bool, err error) {
	channels, err := json.Marshal(append([]string{}, t.Channels...))
	if err != nil {
		return false, err
	}
	rights, err := json.Marshal(append([]string{}, t.Names()...))
	if err != nil {
		return false, err
	}
	err = j.db.Write(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM access_token WHERE made_by <> '' AND dt_expires < $1`, instant(t.MadeAt.Add(-keepEnded))); err != nil {
			return err
		}
		var others int
		if onlyFirst {
			if err := tx.GetContext(ctx, &others, `SELECT count(*) FROM access_token`); err != nil || others > 0 {
				return err
			}
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO access_token (`+tokenColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL) ON CONFLICT DO NOTHING`,
			t.ID, t.Name, t.Hash, string(channels), string(rights), t.MadeBy, instant(t.MadeAt), instant(t.ExpiresAt))
		if err != nil {
			return err
		}
		inserted, err := result.RowsAffected()
		isSaved = inserted == 1
		return err
	})
	if err != nil {
		return false, j.failedIn("access_token", "save a token in", err)
	}
	return isSaved, nil
}

// TokenLine is the token of a hash, the one with which that was made, and so on to one that was made in the database; ErrNoToken
// where there is none, or where one of these is missing. It is read at once: whoever revokes a token means also what is being made
// with it at that moment.
func (j *Jobs) TokenLine(ctx context.Context, hash string) ([]access.Token, error) {
	rows, err := j.tokenRows(ctx, `WITH RECURSIVE line AS (
			SELECT 0 AS age, own.* FROM access_token own WHERE own.hash = $1
			UNION ALL
			SELECT line.age + 1, maker.* FROM access_token maker JOIN line ON maker.token_id = line.made_by)
		SELECT `+tokenColumns+` FROM line ORDER BY age`, hash)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[len(rows)-1].MadeBy != "" {
		return nil, ErrNoToken
	}
	line := make([]access.Token, len(rows))
	for i, row := range rows {
		if line[i], err = row.token(); err != nil {
			return nil, fmt.Errorf("read table access_token of %s: token %s: %v", j.db, row.ID, err)
		}
	}
	return line, nil
}

const ofToken = `WITH RECURSIVE line AS (
		SELECT token_id AS id FROM access_token WHERE token_id = $1
		UNION
		SELECT made.token_id FROM access_token made JOIN line ON made.made_by = line.id) `

// Tokens are a token and what was made with it, and with that, the newest first; all tokens where id is "". One whose rights
// cannot be read, as after going back to an earlier release, has none.
func (j *Jobs) Tokens(ctx context.Context, id string) ([]access.Token, error) {
	with, where, args := ofToken, "WHERE token_id IN (SELECT id FROM line) ", []any{id}
	if id == "" {
		with, where, args = "", "", nil
	}
	rows, err := j.tokenRows(ctx, with+`SELECT `+tokenColumns+` FROM access_token `+where+`ORDER BY dt_made DESC, token_id`, args...)
	if err != nil {
		return nil, err
	}
	tokens := make([]access.Token, len(rows))
	for i, row := range rows {
		tokens[i], _ = row.token()
	}
	return tokens, nil
}

// CountTokens is how many tokens there are of those that Tokens gives.
func (j *Jobs) CountTokens(ctx context.Context, id string) (int, error) {
	var counts []int
	if err := j.db.Select(ctx, &counts, ofToken+`SELECT count(*) FROM line`, id); err != nil {
		return 0, j.failedIn("access_token", "count tokens in", err)
	}
	return counts[0], nil
}

// RevokeToken ends a token and what was made with it, once: what is revoked stays as it is.
func (j *Jobs) RevokeToken(ctx context.Context, id string, at time.Time) error {
	_, err := j.db.Exec(ctx, ofToken+`UPDATE access_token SET dt_revoked = $2 WHERE token_id IN (SELECT id FROM line) AND dt_revoked IS NULL`,
		id, instant(at))
	if err != nil {
		return j.failedIn("access_token", "revoke a token in", err)
	}
	return nil
}

func (j *Jobs) tokenRows(ctx context.Context, query string, args ...any) ([]tokenRow, error) {
	var rows []tokenRow
	if err := j.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, j.failedIn("access_token", "read", err)
	}
	return rows, nil
}

// tokenRow is a row of access_token.
type tokenRow struct {
	ID        string  `db:"token_id"`
	Name      string  `db:"name"`
	Hash      string  `db:"hash"`
	Channels  string  `db:"channels"`
	Rights    string  `db:"rights"`
	MadeBy    string  `db:"made_by"`
	MadeAt    instant `db:"dt_made"`
	ExpiresAt instant `db:"dt_expires"`
	RevokedAt instant `db:"dt_revoked"`
}

// token is the token of a row. The error is about its rights; it has none then.
func (r tokenRow) token() (access.Token, error) {
	token := access.Token{
		ID: r.ID, Name: r.Name, Hash: r.Hash, MadeBy: r.MadeBy,
		MadeAt: time.Time(r.MadeAt), ExpiresAt: time.Time(r.ExpiresAt), RevokedAt: time.Time(r.RevokedAt),
	}
	var channels, names []string
	if json.Unmarshal([]byte(r.Channels), &channels) != nil || json.Unmarshal([]byte(r.Rights), &names) != nil {
		return token, errors.New("its channels or rights are no JSON list of texts")
	}
	var err error
	token.Rights, err = access.ParseRights(channels, names)
	return token, err
}
