package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"data-exhaust/access"
	"data-exhaust/database"
)

// ErrNoSession says that there is no such session, or none any more.
var ErrNoSession = errors.New("no such session")

// The queries about sessions. Of those that have expired each new one deletes a few, so that nobody waits for long, and leaves
// those to others that they are deleting.
const (
	insertSessionQuery = `INSERT INTO console_session (session_id, sealed, revision, dt_made, dt_expires) VALUES ($1, $2, $3, $4, $5)`
	sessionQuery       = `SELECT session_id, sealed, revision, dt_made, dt_expires FROM console_session WHERE session_id = $1 AND dt_expires > $2`
	claimRenewalQuery  = `UPDATE console_session SET dt_renewal = $4
		WHERE session_id = $1 AND revision = $2 AND (dt_renewal IS NULL OR dt_renewal <= $3)`
	releaseRenewalQuery = `UPDATE console_session SET dt_renewal = NULL WHERE session_id = $1 AND revision = $2 AND dt_renewal = $3`
	replaceSessionQuery = `UPDATE console_session SET sealed = $3, revision = revision + 1, dt_expires = $4, dt_renewal = NULL
		WHERE session_id = $1 AND revision = $2`
	deleteSessionQuery   = `DELETE FROM console_session WHERE session_id = $1`
	expiredSessionsQuery = `SELECT session_id FROM console_session WHERE dt_expires <= $1 ORDER BY dt_expires LIMIT $2`
	deleteSessionsAtOnce = 100
)

// SaveSession records a new session, and deletes up to 100 that have expired when it was made.
func (j *Jobs) SaveSession(ctx context.Context, s access.SealedSession) error {
	err := j.db.Write(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, j.deleteExpiredSessions(), instant(s.MadeAt), deleteSessionsAtOnce); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, insertSessionQuery, s.ID, s.Sealed, s.Revision, instant(s.MadeAt), instant(s.ExpiresAt))
		return err
	})
	if err != nil {
		return j.failedIn(sessionTable, "save a session in", err)
	}
	return nil
}

const sessionTable = "console_session"

func (j *Jobs) deleteExpiredSessions() string {
	if j.db.Dialect() == database.PostgreSQL {
		return `DELETE FROM console_session WHERE session_id = ANY(ARRAY(` + expiredSessionsQuery + ` FOR UPDATE SKIP LOCKED))`
	}
	return `DELETE FROM console_session WHERE session_id IN (` + expiredSessionsQuery + `)` // SQLite lets one write at a time
}

// Session is the session of an id; ErrNoSession where there is none that has not expired at that time.
func (j *Jobs) Session(ctx context.Context, id string, at time.Time) (access.SealedSession, error) {
	var rows []struct {
		ID        string  `db:"session_id"`
		Sealed    string  `db:"sealed"`
		Revision  int64   `db:"revision"`
		MadeAt    instant `db:"dt_made"`
		ExpiresAt instant `db:"dt_expires"`
	}
	if err := j.db.Select(ctx, &rows, sessionQuery, id, instant(at)); err != nil {
		return access.SealedSession{}, j.failedIn(sessionTable, "read", err)
	}
	if len(rows) == 0 {
		return access.SealedSession{}, ErrNoSession
	}
	row := rows[0]
	return access.SealedSession{
		ID: row.ID, Sealed: row.Sealed, Revision: row.Revision, MadeAt: time.Time(row.MadeAt), ExpiresAt: time.Time(row.ExpiresAt),
	}, nil
}

// ClaimRenewal lets one of those that would replace the credentials of this revision of a session do so until a time. It reports
// false where another does, or has done, or the session has ended.
func (j *Jobs) ClaimRenewal(ctx context.Context, id string, revision int64, now, until time.Time) (isOurs bool, err error) {
	return j.changeSession(ctx, "claim a renewal in", claimRenewalQuery, id, revision, instant(now), instant(until))
}

// ReleaseRenewal gives back what ClaimRenewal has given until a time.
func (j *Jobs) ReleaseRenewal(ctx context.Context, id string, revision int64, until time.Time) error {
	_, err := j.changeSession(ctx, "release a renewal in", releaseRenewalQuery, id, revision, instant(until))
	return err
}

// ReplaceSession puts in the next revision of a session. It reports false, and has changed nothing, where that is no longer the
// next one, or the session has ended.
func (j *Jobs) ReplaceSession(ctx context.Context, next access.SealedSession) (isReplaced bool, err error) {
	return j.changeSession(ctx, "replace a session in", replaceSessionQuery, next.ID, next.Revision-1, next.Sealed, instant(next.ExpiresAt))
}

// DeleteSession ends a session. One that there is not is no error.
func (j *Jobs) DeleteSession(ctx context.Context, id string) error {
	_, err := j.changeSession(ctx, "delete a session in", deleteSessionQuery, id)
	return err
}

// changeSession reports whether a statement has changed a session.
func (j *Jobs) changeSession(ctx context.Context, doing, query string, args ...any) (isChanged bool, err error) {
	result, err := j.db.Exec(ctx, query, args...)
	if err != nil {
		return false, j.failedIn(sessionTable, doing, err)
	}
	changed, err := result.RowsAffected()
	return changed == 1, err
}
