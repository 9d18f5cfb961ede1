package service

import (
	"context"
	"errors"
	"time"

	"data-exhaust/access"
	"data-exhaust/jobs"
)

// Sessions are those of people who have signed in at the console. Any number of processes may use the same.
type Sessions struct{ rows sessionRows }

// sessionRows keeps sessions: *jobs.Jobs.
type sessionRows interface {
	SaveSession(ctx context.Context, s access.SealedSession) error
	Session(ctx context.Context, id string, at time.Time) (access.SealedSession, error)
	ClaimRenewal(ctx context.Context, id string, revision int64, now, until time.Time) (isOurs bool, err error)
	ReleaseRenewal(ctx context.Context, id string, revision int64, until time.Time) error
	ReplaceSession(ctx context.Context, next access.SealedSession) (isReplaced bool, err error)
	DeleteSession(ctx context.Context, id string) error
}

// NewSessions makes the service of the sessions that are kept in these rows.
func NewSessions(rows sessionRows) *Sessions { return &Sessions{rows: rows} }

// Session is what somebody has who has signed in.
type Session struct {
	Credentials access.Credentials
	// MadeAt is when he signed in, ExpiresAt from when on the session is over; in milliseconds.
	MadeAt, ExpiresAt time.Time

	revision int64
}

// MaxSessionLife is for how long a session lasts at the most, whatever is renewed meanwhile.
const MaxSessionLife = 12 * time.Hour

const (
	// renewalTime bounds how long credentials are renewed: three calls of the provider, and the database.
	renewalTime = 20 * time.Second
	// renewalClaim is for how long nobody else renews them, should the process that does so die.
	renewalClaim = renewalTime + 10*time.Second
	// renewalPatience is how long a page waits for another one's renewal, asking once in each renewalPause.
	renewalPatience = 10 * time.Second
	renewalPause    = 100 * time.Millisecond
)

var (
	// ErrNoSession says that there is no such session, or none any more: whoever wants in signs in.
	ErrNoSession = errors.New("no such session: sign in")

	errRenewalLate = errors.New("new credentials were not answered in time")
)

// Begin makes a session that lasts until its credentials end, 12 hours at the most, and returns the secret by which it is found.
// Nothing keeps the secret but the cookie.
func (s *Sessions) Begin(ctx context.Context, credentials access.Credentials) (secret string, err error) {
	secret = access.NewSessionSecret()
	now := time.Now().Truncate(time.Millisecond)
	row := access.SealedSession{ID: access.SessionID(secret), MadeAt: now, ExpiresAt: SessionEnd(now, credentials)}
	if err := row.Seal(secret, credentials); err != nil {
		return "", err
	}
	if err := s.rows.SaveSession(ctx, row); err != nil {
		return "", databaseFailure(err)
	}
	return secret, nil
}

// SessionEnd is when a session ends that was made at a time and has these credentials by now.
func SessionEnd(madeAt time.Time, credentials access.Credentials) time.Time {
	latest := madeAt.Add(MaxSessionLife)
	if end := credentials.EndsAt().Truncate(time.Millisecond); !end.IsZero() && end.Before(latest) {
		return end
	}
	return latest
}

// Find is the session of a secret. ErrNoSession says that there is none, that it has ended, or that somebody has changed what is
// kept of it.
func (s *Sessions) Find(ctx context.Context, secret string) (Session, error) {
	row, credentials, err := s.read(ctx, secret)
	if err != nil {
		return Session{}, err
	}
	return Session{Credentials: credentials, MadeAt: row.MadeAt, ExpiresAt: row.ExpiresAt, revision: row.Revision}, nil
}

func (s *Sessions) read(ctx context.Context, secret string) (access.SealedSession, access.Credentials, error) {
	if !access.IsSessionSecret(secret) {
		return access.SealedSession{}, access.Credentials{}, ErrNoSession
	}
	row, err := s.rows.Session(ctx, access.SessionID(secret), time.Now())
	if errors.Is(err, jobs.ErrNoSession) {
		return access.SealedSession{}, access.Credentials{}, ErrNoSession
	}
	if err != nil {
		return access.SealedSession{}, access.Credentials{}, databaseFailure(err)
	}
	credentials, err := row.Open(secret)
	if err != nil {
		return access.SealedSession{}, access.Credentials{}, ErrNoSession
	}
	return row, credentials, nil
}

// Renew replaces the credentials of a session that was found, by those that refresh gets for them, and returns the session as it
// is then. Of all processes and tabs that do so at once one calls refresh, and the others wait for what it gets: most providers
// take a refresh token once, and end everything for which they see one twice. Refresh goes on when ctx ends, because what the
// provider has answered by then must not be lost. ErrNoSession says that the session has ended meanwhile; the error of refresh
// leaves it as it is.
func (s *Sessions) Renew(ctx context.Context, secret string, found Session, refresh Refresh) (Session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, renewalPatience, errRenewalLate)
	defer cancel()
	id := access.SessionID(secret)
	for {
		now := time.Now().Truncate(time.Millisecond)
		until := now.Add(renewalClaim)
		isOurs, err := s.rows.ClaimRenewal(ctx, id, found.revision, now, until)
		if err != nil {
			return Session{}, databaseFailure(err)
		}
		if isOurs {
			return s.renew(ctx, secret, found, refresh, until)
		}
		current, err := s.Find(ctx, secret)
		if err != nil || current.revision != found.revision {
			return current, err
		}
		select {
		case <-ctx.Done():
			return Session{}, &access.AwayError{What: access.IdentityProvider, Err: context.Cause(ctx)}
		case <-time.After(renewalPause):
		}
	}
}

// Refresh gets the next credentials for those that have expired.
type Refresh func(ctx context.Context, expired access.Credentials) (access.Credentials, error)

// renew is Renew of who has the claim until a time.
func (s *Sessions) renew(ctx context.Context, secret string, found Session, refresh Refresh, until time.Time) (Session, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewalTime)
	defer cancel()
	next, err := refresh(ctx, found.Credentials)
	if err == nil {
		err = s.replace(ctx, secret, found, next)
	}
	if err != nil {
		// The time may be what has run out.
		releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewalClaim-renewalTime)
		defer cancel()
		if releaseErr := s.rows.ReleaseRenewal(releasing, access.SessionID(secret), found.revision, until); releaseErr != nil {
			err = errors.Join(err, databaseFailure(releaseErr))
		}
		return Session{}, err
	}
	return s.Find(ctx, secret)
}

// replace compares and swaps: whoever comes late changes nothing, as what is there then counts.
func (s *Sessions) replace(ctx context.Context, secret string, found Session, next access.Credentials) error {
	row := access.SealedSession{
		ID: access.SessionID(secret), Revision: found.revision + 1, MadeAt: found.MadeAt, ExpiresAt: SessionEnd(found.MadeAt, next),
	}
	if err := row.Seal(secret, next); err != nil {
		return err
	}
	if _, err := s.rows.ReplaceSession(ctx, row); err != nil {
		return databaseFailure(err)
	}
	return nil
}

// End ends a session. One that there is not is no error.
func (s *Sessions) End(ctx context.Context, secret string) error {
	if !access.IsSessionSecret(secret) {
		return nil
	}
	if err := s.rows.DeleteSession(ctx, access.SessionID(secret)); err != nil {
		return databaseFailure(err)
	}
	return nil
}
