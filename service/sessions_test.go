package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/devstack"
	jobrows "data-exhaust/jobs"
	"data-exhaust/service"
)

// onEachSessions runs a test on two processes' sessions, and what they are kept in, in a database of each dialect.
func onEachSessions(t *testing.T, test func(t *testing.T, one, other *service.Sessions, rows *jobrows.Jobs)) {
	t.Helper()
	postgres, err := devstack.StartPostgres(t.Context(), devstack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := postgres.CreateDatabase(t.Context(), "sessions"); err != nil {
		t.Fatal(err)
	}
	for dialect, url := range map[string]string{"sqlite": "sqlite://" + t.TempDir() + "/exhaust.db", "postgres": postgres.URL("sessions")} {
		t.Run(dialect, func(t *testing.T) {
			one, other := jobrows.New(dbtest.Open(t, url)), jobrows.New(dbtest.Open(t, url))
			if err := one.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, service.NewSessions(one), service.NewSessions(other), one)
		})
	}
}

// ofProvider are credentials that have expired, and are worth nothing from a time on.
func ofProvider(name string, until time.Time) access.Credentials {
	return access.Credentials{
		AccessToken: name, RefreshToken: "refreshes " + name, IDToken: "says who " + name, ExpiresAt: time.Now().Add(-time.Second), RefreshUntil: until,
	}
}

func begin(t *testing.T, sessions *service.Sessions, credentials access.Credentials) (secret string) {
	t.Helper()
	secret, err := sessions.Begin(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func find(t *testing.T, sessions *service.Sessions, secret string) service.Session {
	t.Helper()
	found, err := sessions.Find(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantNoSession(t *testing.T, what string, sessions *service.Sessions, secret string) {
	t.Helper()
	if found, err := sessions.Find(t.Context(), secret); !errors.Is(err, service.ErrNoSession) || found != (service.Session{}) {
		t.Errorf("%s: %v, %v; want no session", what, found, err)
	}
}

func TestASessionIsFoundByItsSecretUntilItIsEnded(t *testing.T) {
	onEachSessions(t, func(t *testing.T, one, other *service.Sessions, rows *jobrows.Jobs) {
		credentials := ofProvider("asha", time.Now().Add(time.Hour).UTC().Round(0))
		secret, stays := begin(t, one, credentials), begin(t, one, credentials)
		found := find(t, other, secret)
		if got := found.Credentials; got.AccessToken != "asha" || got.RefreshToken != "refreshes asha" || got.IDToken != "says who asha" ||
			!got.ExpiresAt.Equal(credentials.ExpiresAt) || !got.RefreshUntil.Equal(credentials.RefreshUntil) {
			t.Error("the credentials are others")
		}
		if shown := fmt.Sprintf("%v %+v %#v", found, found, found); strings.Contains(shown, "asha") {
			t.Errorf("printed it is %s", shown)
		}
		wantNoSession(t, "another secret", one, access.NewSessionSecret())
		wantNoSession(t, "none", one, "")
		wantNoSession(t, "its id", one, access.SessionID(secret))
		for range 2 {
			if err := other.End(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
		}
		wantNoSession(t, "after it was ended", one, secret)
		find(t, one, stays)
		if err := other.End(t.Context(), "no secret"); err != nil {
			t.Errorf("ending what is none: %v", err)
		}
	})
}

func TestASessionThatSomebodyProlongsInTheDatabaseIsNone(t *testing.T) {
	onEachSessions(t, func(t *testing.T, one, _ *service.Sessions, rows *jobrows.Jobs) {
		secret := begin(t, one, access.Credentials{AccessToken: "a", ExpiresAt: time.Now().Add(time.Hour)})
		row, err := rows.Session(t.Context(), access.SessionID(secret), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		row.Revision, row.ExpiresAt = row.Revision+1, row.ExpiresAt.Add(time.Hour)
		if isReplaced, err := rows.ReplaceSession(t.Context(), row); err != nil || !isReplaced {
			t.Fatal(isReplaced, err)
		}
		wantNoSession(t, "prolonged", one, secret)
	})
}

func TestASessionLastsTwelveHoursOrUntilItsCredentialsEnd(t *testing.T) {
	sessions := service.NewSessions(openJobs(t))
	now := time.Now()
	for _, c := range []struct {
		name        string
		credentials access.Credentials
		want        time.Duration
	}{
		{"a token of a month", access.Credentials{AccessToken: "a", ExpiresAt: now.Add(720 * time.Hour)}, 12 * time.Hour},
		{"a token of an hour", access.Credentials{AccessToken: "a", ExpiresAt: now.Add(time.Hour)}, time.Hour},
		{"a provider's of half an hour", ofProvider("b", now.Add(30*time.Minute)), 30 * time.Minute},
		{"a provider's that does not say", ofProvider("b", time.Time{}), 12 * time.Hour},
	} {
		found := find(t, sessions, begin(t, sessions, c.credentials))
		if got := found.ExpiresAt.Sub(now); got < c.want-time.Millisecond || got > c.want+10*time.Second || found.MadeAt.Before(now.Add(-time.Millisecond)) {
			t.Errorf("%s: made at %s, it lasts for %s, want %s", c.name, found.MadeAt, got, c.want)
		}
	}
	wantNoSession(t, "a token that has expired", sessions, begin(t, sessions, access.Credentials{AccessToken: "a", ExpiresAt: now}))
}

// TestOfManyThatRenewASessionOneAsksTheProvider: most providers take a refresh token once.
func TestOfManyThatRenewASessionOneAsksTheProvider(t *testing.T) {
	onEachSessions(t, func(t *testing.T, one, other *service.Sessions, _ *jobrows.Jobs) {
		secret := begin(t, one, ofProvider("first", time.Now().Add(time.Minute)))
		found := find(t, one, secret)
		var asked atomic.Int32
		var waiting sync.WaitGroup
		waiting.Add(8)
		refresh := func(_ context.Context, expired access.Credentials) (access.Credentials, error) {
			asked.Add(1)
			waiting.Wait() // until all have begun
			if expired.RefreshToken != "refreshes first" {
				t.Errorf("it refreshes %q", expired.RefreshToken)
			}
			return ofProvider("second", time.Now().Add(time.Hour)), nil
		}
		dbtest.AtOnce(t, 8, func(i int) error {
			waiting.Done()
			renewed, err := []*service.Sessions{one, other}[i%2].Renew(t.Context(), secret, found, refresh)
			if renewed.Credentials.AccessToken != "second" || !renewed.MadeAt.Equal(found.MadeAt) || !renewed.ExpiresAt.After(found.ExpiresAt) {
				t.Errorf("number %d has a session from %s to %s", i, renewed.MadeAt, renewed.ExpiresAt)
			}
			return err
		})
		if asked.Load() != 1 {
			t.Errorf("the provider was asked %d times", asked.Load())
		}
		// Whoever found the session before that asks nobody either.
		if late, err := other.Renew(t.Context(), secret, found, nil); err != nil || late.Credentials.AccessToken != "second" {
			t.Errorf("who comes late has %v, %v", late, err)
		}
	})
}

func TestARenewalThatFailsLeavesTheSessionToTheNextOne(t *testing.T) {
	sessions := service.NewSessions(openJobs(t))
	secret := begin(t, sessions, ofProvider("first", time.Now().Add(time.Minute)))
	found := find(t, sessions, secret)
	away := errors.New("away")
	failing := func(context.Context, access.Credentials) (access.Credentials, error) {
		return access.Credentials{}, away
	}
	if renewed, err := sessions.Renew(t.Context(), secret, found, failing); !errors.Is(err, away) || renewed != (service.Session{}) {
		t.Errorf("got %v, %v", renewed, err)
	}
	if still := find(t, sessions, secret); still.Credentials.AccessToken != "first" {
		t.Error("the session has other credentials")
	}
	// The browser that asked for it goes away in the middle of it: what the provider has answered is kept.
	ctx, leave := context.WithCancel(t.Context())
	leaving := func(ctx context.Context, _ access.Credentials) (access.Credentials, error) {
		leave()
		return ofProvider("second", time.Now().Add(time.Hour)), ctx.Err()
	}
	if renewed, err := sessions.Renew(ctx, secret, found, leaving); err != nil || renewed.Credentials.AccessToken != "second" {
		t.Errorf("got %v, %v", renewed, err)
	}
}

func TestWhoSignsOutWhileHisSessionIsRenewedIsOut(t *testing.T) {
	sessions := service.NewSessions(openJobs(t))
	secret := begin(t, sessions, ofProvider("first", time.Now().Add(time.Minute)))
	ending := func(ctx context.Context, _ access.Credentials) (access.Credentials, error) {
		return ofProvider("second", time.Now().Add(time.Hour)), sessions.End(ctx, secret)
	}
	if renewed, err := sessions.Renew(t.Context(), secret, find(t, sessions, secret), ending); !errors.Is(err, service.ErrNoSession) {
		t.Errorf("got %v, %v", renewed, err)
	}
	wantNoSession(t, "after that", sessions, secret)
}

func TestSessionsSayThatTheDatabaseIsAway(t *testing.T) {
	db, err := database.OpenLazily(t.Context(), "postgres://user:S3CRET@127.0.0.1:1/none?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	sessions := service.NewSessions(jobrows.New(db))
	secret := access.NewSessionSecret()
	_, begins := sessions.Begin(t.Context(), access.Credentials{AccessToken: "S3CRET"})
	_, finds := sessions.Find(t.Context(), secret)
	_, renews := sessions.Renew(t.Context(), secret, service.Session{}, nil)
	for what, err := range map[string]error{"begin": begins, "find": finds, "renew": renews, "end": sessions.End(t.Context(), secret)} {
		if away, isAway := errors.AsType[*service.UnavailableError](err); !isAway || away.Dependency != service.DatabaseDependency {
			t.Errorf("%s: %v", what, err)
		}
	}
}
