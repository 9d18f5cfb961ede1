package rest

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
)

// Authenticator says who calls with a token. Its error is an *access.CredentialsError where the token does not count, an
// *access.AwayError or *service.UnavailableError where that cannot be known now.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (access.Caller, error)
}

// SignIn is how callers say who they are.
type SignIn struct {
	// Authenticator is nil where nobody is asked (EXHAUST_AUTH=none).
	Authenticator Authenticator
	// PrefersUser takes the token of x-authenticated-user-token where both headers are there, else that of Authorization:
	// Sunbird's clients send the API key of a gateway in one and the token of a user in the other.
	PrefersUser bool
	// MetricsToken lets whoever has it read the metrics; "" is that of nobody.
	MetricsToken string
	// Proxies say where a client calls from.
	Proxies access.TrustedProxies
	// Callers bounds how many requests a caller makes, Strangers how many come without credentials that count from an address:
	// whoever floods the service so leaves all others alone.
	Callers, Strangers *access.Limiter
}

const userTokenHeader = "X-Authenticated-User-Token"

// clientAddress is where a request comes from.
func (s *Server) clientAddress(r *http.Request) netip.Addr {
	return s.signIn.Proxies.Client(r.RemoteAddr, r.Header.Values("X-Forwarded-For"))
}

// authenticate is who makes a request. Where many have come from its address without credentials that count, it is refused
// before it costs anything, unless its credentials counted a moment ago.
func (s *Server) authenticate(r *http.Request) (access.Caller, error) {
	from := s.clientAddress(r)
	if s.signIn.Authenticator == nil {
		return access.Anybody(from), nil
	}
	stranger := access.Caller{From: from}
	token, err := s.readToken(r)
	if err != nil {
		return stranger, err
	}
	if wait := s.signIn.Strangers.Wait(networkOf(from), time.Now()); wait > 0 && !s.recent.Has(token, time.Now()) {
		return stranger, tooMany(wait)
	}
	caller, err := s.signIn.Authenticator.Authenticate(r.Context(), token)
	if err != nil {
		return stranger, err
	}
	s.recent.Add(token, time.Now())
	caller.From = from
	return caller, nil
}

func tooMany(wait time.Duration) error {
	return &access.LimitError{Fault: exhaust.NewFault(exhaust.TooManyRequests), RetryAfter: wait}
}

var errNoCredentials = &access.CredentialsError{Fault: exhaust.NewFault(exhaust.CredentialsMissing), IsMissing: true}

// readToken reads the token that counts. Where it is there twice, what is in front of us may have looked at another one. An empty
// header is none.
func (s *Server) readToken(r *http.Request) (string, error) {
	bearer, err := oneHeader(r, "Authorization")
	if err != nil {
		return "", err
	}
	user, err := oneHeader(r, userTokenHeader)
	if err != nil {
		return "", err
	}
	if user != "" && (s.signIn.PrefersUser || bearer == "") {
		token, _ := cutScheme(user)
		return token, nil
	}
	if bearer == "" {
		return "", errNoCredentials
	}
	token, isBearer := cutScheme(bearer)
	if !isBearer {
		return "", &access.CredentialsError{Fault: exhaust.NewFault(exhaust.AuthorizationInvalid)}
	}
	return token, nil
}

func oneHeader(r *http.Request, name string) (string, error) {
	values := r.Header.Values(name)
	if len(values) > 1 {
		return "", &access.CredentialsError{Fault: exhaust.NewFault(exhaust.CredentialsTwice, name)}
	}
	return strings.TrimSpace(strings.Join(values, "")), nil
}

func cutScheme(value string) (token string, isBearer bool) {
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return value, false
	}
	return strings.TrimSpace(token), true
}

// admit is who makes a request, if he may make one now. Refusals are in the audit log; of those who have no credentials that count
// only as many as the limit lets through, so that nobody fills it.
func (s *Server) admit(r *http.Request) (access.Caller, error) {
	caller, err := s.authenticate(r)
	if err != nil {
		return caller, s.refuse(caller, err)
	}
	if wait := s.signIn.Callers.Allow(callerKey(caller), time.Now()); wait > 0 {
		return caller, s.service.Refused(caller, "request", tooMany(wait))
	}
	return caller, nil
}

// refuse counts a request without credentials that count, and gives the error to answer.
func (s *Server) refuse(stranger access.Caller, err error) error {
	var (
		limit       *access.LimitError
		credentials *access.CredentialsError
	)
	if errors.As(err, &limit) {
		return err
	}
	wait := s.signIn.Strangers.Allow(networkOf(stranger.From), time.Now())
	switch {
	case !errors.As(err, &credentials):
		return err // whether they count is not known now
	case wait > 0:
		return tooMany(wait)
	}
	return s.service.Refused(stranger, "sign-in", err)
}

// callerKey is what the limit tells callers apart by: the token that theirs was made from in the end, whom the issuer names, or
// where nobody is asked the address.
func callerKey(c access.Caller) string {
	switch {
	case c.RootID != "":
		return "token " + c.RootID
	case c.Name != "":
		return "subject " + c.Name
	}
	return "address " + networkOf(c.From)
}

// networkOf is the address, and of IPv6 the network that one client has to itself.
func networkOf(addr netip.Addr) string {
	const bits = 64
	if network, err := addr.Prefix(bits); addr.Is6() && err == nil {
		return network.String()
	}
	return addr.String()
}
