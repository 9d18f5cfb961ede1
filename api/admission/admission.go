// Package admission is who makes an HTTP request, and whether he may make one now; it does not know what requests ask for.
package admission

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
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
	// Hosts are the names by which the service may be called.
	Hosts *Hosts
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

// Refusals are told of each request that was refused before anything was done for it.
type Refusals interface {
	Refused(c access.Caller, what string, err error) error
}

// Door lets requests in.
type Door struct {
	signIn   SignIn
	refusals Refusals
	// recent are the credentials that counted a moment ago.
	recent access.Recent
}

// NewDoor makes a door.
func NewDoor(signIn SignIn, refusals Refusals) *Door {
	return &Door{signIn: signIn, refusals: refusals}
}

// Credentials are the token that a request comes with, or an *access.CredentialsError. A door asks for them only where callers
// sign in.
type Credentials func(r *http.Request) (token string, err error)

// AsksNobody reports whether nobody is asked who he is (EXHAUST_AUTH=none).
func (d *Door) AsksNobody() bool { return d.signIn.Authenticator == nil }

// AcceptsHost reports whether the service may be called by the name that a request is for.
func (d *Door) AcceptsHost(r *http.Request) bool { return d.signIn.Hosts.Accepts(r.Host) }

// From is the address that a request comes from.
func (d *Door) From(r *http.Request) netip.Addr {
	return d.signIn.Proxies.Client(r.RemoteAddr, r.Header.Values("X-Forwarded-For"))
}

// AllowStranger counts a request without credentials that count, and returns an *access.LimitError where its address has made too
// many of them.
func (d *Door) AllowStranger(from netip.Addr) error {
	if wait := d.signIn.Strangers.Allow(networkOf(from), time.Now()); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// CheckStranger returns an *access.LimitError where an address has made too many requests without credentials that count. It
// counts none.
func (d *Door) CheckStranger(from netip.Addr) error {
	if wait := d.signIn.Strangers.Wait(networkOf(from), time.Now()); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// Authenticate is who makes a request, by its credentials. Where many have come from its address without
// credentials that count, it is refused before it costs anything, unless its credentials counted a moment ago.
func (d *Door) Authenticate(r *http.Request, read Credentials) (access.Caller, error) {
	from := d.From(r)
	if d.AsksNobody() {
		return access.Anybody(from), nil
	}
	stranger := access.Caller{From: from}
	token, err := read(r)
	if err != nil {
		return stranger, err
	}
	if err := d.CheckStranger(from); err != nil && !d.recent.Has(token, time.Now()) {
		return stranger, err
	}
	caller, err := d.signIn.Authenticator.Authenticate(r.Context(), token)
	if err != nil {
		return stranger, err
	}
	d.recent.Add(token, time.Now())
	caller.From = from
	return caller, nil
}

func tooMany(wait time.Duration) error {
	return &access.LimitError{Fault: exhaust.NewFault(exhaust.TooManyRequests), RetryAfter: wait}
}

// Admit is who makes a request, if he may make one now. Refusals are in the audit log; of those who have no credentials that count
// only as many as the limit lets through, so that nobody fills it.
func (d *Door) Admit(r *http.Request, read Credentials) (access.Caller, error) {
	caller, err := d.Authenticate(r, read)
	if err != nil {
		return caller, d.refuse(caller, err)
	}
	if wait := d.signIn.Callers.Allow(callerKey(caller), time.Now()); wait > 0 {
		return caller, d.refusals.Refused(caller, "request", tooMany(wait))
	}
	return caller, nil
}

// refuse counts a request without credentials that count, and gives the error to answer.
func (d *Door) refuse(stranger access.Caller, err error) error {
	var (
		limit       *access.LimitError
		credentials *access.CredentialsError
	)
	if errors.As(err, &limit) {
		return err
	}
	tooMany := d.AllowStranger(stranger.From)
	switch {
	case !errors.As(err, &credentials):
		return err // whether they count is not known now
	case tooMany != nil:
		return tooMany
	}
	return d.refusals.Refused(stranger, "sign-in", err)
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
