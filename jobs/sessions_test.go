package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
)

// session is one that lasts from morning for an hour.
func session(id string) access.SealedSession {
	return access.SealedSession{ID: id, Sealed: "sealed of " + id, MadeAt: morning, ExpiresAt: morning.Add(time.Hour)}
}

func saveSession(t *testing.T, jobs *Jobs, s access.SealedSession) {
	t.Helper()
	if err := jobs.SaveSession(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

// wantSession demands a session as it is kept; one without an id is none.
func wantSession(t *testing.T, jobs *Jobs, id string, at time.Time, want access.SealedSession) {
	t.Helper()
	got, err := jobs.Session(context.Background(), id, at)
	if want.ID == "" {
		if !errors.Is(err, ErrNoSession) {
			t.Errorf("%s: got %+v, %v; want none", id, got, err)
		}
		return
	}
	want.MadeAt, want.ExpiresAt = want.MadeAt.UTC(), want.ExpiresAt.UTC()
	if err != nil || got != want {
		t.Errorf("%s: got %+v, %v\nwant %+v", id, got, err, want)
	}
}

func TestASessionIsThereUntilItExpiresOrIsDeleted(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		saveSession(t, jobs, session("A"))
		saveSession(t, jobs, session("B"))
		end := morning.Add(time.Hour)
		wantSession(t, jobs, "A", end.Add(-time.Millisecond), session("A"))
		wantSession(t, jobs, "A", end, access.SealedSession{})
		wantSession(t, jobs, "C", morning, access.SealedSession{})
		for range 2 { // the second finds none
			if err := jobs.DeleteSession(context.Background(), "A"); err != nil {
				t.Fatal(err)
			}
		}
		wantSession(t, jobs, "A", morning, access.SealedSession{})
		wantSession(t, jobs, "B", morning, session("B"))
	})
}

func TestANewSessionDeletesAHundredOfThoseThatHaveExpired(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		fillSessions(t, jobs.db, 150, 50)
		for i, want := range []int{101, 52, 53} { // of 200 that were there 150 have expired
			saveSession(t, jobs, session(fmt.Sprint("new ", i)))
			var left []int
			if err := jobs.db.Select(context.Background(), &left, `SELECT count(*) FROM console_session`); err != nil || left[0] != want {
				t.Errorf("after new session %d there are %d, %v, want %d", i, left, err, want)
			}
		}
	})
}

// fillSessions makes sessions that have expired in the morning, and others that last on.
func fillSessions(t *testing.T, db *database.DB, over, lasting int) {
	t.Helper()
	fill := func(prefix string, count int, expires time.Time) {
		dbtest.Fill(t, db, count, `INSERT INTO console_session (session_id, sealed, revision, dt_made, dt_expires)
			SELECT '`+prefix+`' || n, 'sealed', 0, '`+expires.Add(-time.Hour).UTC().Format(instantLayout)+`', '`+expires.UTC().Format(instantLayout)+`' FROM numbers`)
	}
	fill("over ", over, morning)
	fill("lasting ", lasting, morning.Add(time.Hour))
	dbtest.Exec(t, db, `ANALYZE`)
}

func TestOfManyThatClaimARenewalOneHasIt(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		saveSession(t, jobs, session("A"))
		ctx, until := context.Background(), morning.Add(time.Minute)
		var claims atomic.Int32
		dbtest.AtOnce(t, 8, func(int) error {
			isOurs, err := jobs.ClaimRenewal(ctx, "A", 0, morning, until)
			if isOurs {
				claims.Add(1)
			}
			return err
		})
		if claims.Load() != 1 {
			t.Errorf("%d have it", claims.Load())
		}
		claim := func(what string, revision int64, now, until time.Time, want bool) {
			t.Helper()
			if isOurs, err := jobs.ClaimRenewal(ctx, "A", revision, now, until); err != nil || isOurs != want {
				t.Errorf("%s: %t, %v", what, isOurs, err)
			}
		}
		claim("before its end", 0, until.Add(-time.Millisecond), until.Add(time.Hour), false)
		claim("of another revision", 1, until, until.Add(time.Minute), false)
		claim("at its end", 0, until, until.Add(time.Minute), true)
		// Who comes back after his time does not take away what is another's by now.
		for _, release := range []struct {
			until time.Time
			want  bool
		}{{until, false}, {until.Add(time.Minute), true}} {
			if err := jobs.ReleaseRenewal(ctx, "A", 0, release.until); err != nil {
				t.Fatal(err)
			}
			claim(fmt.Sprintf("after a release of %s", release.until), 0, until, until.Add(time.Minute), release.want)
		}
	})
}

func TestTheNextRevisionOfASessionIsPutInOnce(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		saveSession(t, jobs, session("A"))
		ctx := context.Background()
		if isOurs, err := jobs.ClaimRenewal(ctx, "A", 0, morning, morning.Add(time.Minute)); err != nil || !isOurs {
			t.Fatal(isOurs, err)
		}
		var replaced atomic.Int32
		next := session("A")
		next.Revision, next.Sealed, next.ExpiresAt = 1, "sealed anew", morning.Add(2*time.Hour)
		dbtest.AtOnce(t, 8, func(int) error {
			isReplaced, err := jobs.ReplaceSession(ctx, next)
			if isReplaced {
				replaced.Add(1)
			}
			return err
		})
		if replaced.Load() != 1 {
			t.Errorf("%d were put in", replaced.Load())
		}
		wantSession(t, jobs, "A", morning.Add(time.Hour), next)
		// It has a renewal of its own.
		if isOurs, err := jobs.ClaimRenewal(ctx, "A", 1, morning, morning.Add(time.Minute)); err != nil || !isOurs {
			t.Errorf("its renewal: %t, %v", isOurs, err)
		}
		if err := jobs.DeleteSession(ctx, "A"); err != nil {
			t.Fatal(err)
		}
		late := session("A")
		late.Revision = 2
		if isReplaced, err := jobs.ReplaceSession(ctx, late); err != nil || isReplaced {
			t.Errorf("of a session that has ended: %t, %v", isReplaced, err)
		}
		wantSession(t, jobs, "A", morning, access.SealedSession{})
	})
}

func TestNoLookUpOfSessionsReadsTheTableWhole(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		fillSessions(t, jobs.db, 200, rowsOfAMiddlingOne)
		ctx, at := context.Background(), instant(morning)
		for name, s := range map[string]struct {
			query string
			args  []any
		}{
			"session":        {sessionQuery, []any{"lasting 7", at}},
			"claim":          {claimRenewalQuery, []any{"lasting 7", 0, at, at}},
			"release":        {releaseRenewalQuery, []any{"lasting 7", 0, at}},
			"replace":        {replaceSessionQuery, []any{"lasting 7", 0, "sealed", at}},
			"delete":         {deleteSessionQuery, []any{"lasting 7"}},
			"delete expired": {jobs.deleteExpiredSessions(), []any{at, deleteSessionsAtOnce}},
		} {
			tx, err := jobs.db.Pool().BeginTxx(ctx, readOnly)
			if err != nil {
				t.Fatal(err)
			}
			scans, err := dbtest.WholeTableScans(ctx, tx, jobs.db.Dialect(), s.query, s.args)
			if err != nil || len(scans) > 0 {
				t.Errorf("%s: scans %v, %v\n%s", name, scans, err, s.query)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
