package access

import (
	"log/slog"
	"time"
)

// Credentials are what somebody who has signed in at the console calls with. Their printed, logged and marshalled forms show
// nothing of them.
type Credentials struct {
	// AccessToken is what callers are authenticated by: a token of this service, or a JSON Web Token of an OpenID provider.
	AccessToken string
	// RefreshToken gets the next AccessToken from the provider; "" where there is none.
	RefreshToken string
	// IDToken tells the provider whom it is to sign out; "" where there is no provider.
	IDToken string
	// ExpiresAt is from when on AccessToken does not count.
	ExpiresAt time.Time
	// RefreshUntil is from when on RefreshToken does not count; zero where the provider does not say.
	RefreshUntil time.Time
}

// refreshEarly is how long before its end an access token is replaced, so that it does not end on its way to whoever checks it.
const refreshEarly = 10 * time.Second

// NeedRefresh reports whether the access token has expired, or is about to, and there is something to get the next one with.
func (c Credentials) NeedRefresh(now time.Time) bool {
	return c.RefreshToken != "" && !now.Before(c.ExpiresAt.Add(-refreshEarly))
}

// EndsAt is from when on the credentials are worth nothing; zero where nobody knows.
func (c Credentials) EndsAt() time.Time {
	if c.RefreshToken == "" {
		return c.ExpiresAt
	}
	return c.RefreshUntil
}

const hiddenCredentials = "credentials (not shown)"

// String shows nothing of the credentials.
func (c Credentials) String() string { return hiddenCredentials }

// GoString is String, so that %#v shows nothing of them either.
func (c Credentials) GoString() string { return hiddenCredentials }

// MarshalText is String, so that no encoder writes them.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(hiddenCredentials), nil }

// LogValue is String.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(hiddenCredentials) }
