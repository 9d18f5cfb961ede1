package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

// OpenIDOptions are what this service is to an OpenID provider.
type OpenIDOptions struct {
	// ClientID is "" where nobody signs in at the provider.
	ClientID string
	// ClientSecret is "" for a public client.
	ClientSecret string
	// Scopes are asked for; openid is one of them.
	Scopes []string
}

// OpenID signs people in at an OpenID provider: the authorization code flow (OpenID Connect Core 1.0, 3.1) with PKCE (RFC 7636).
// What they get are access tokens, which are checked like anybody's. Any number of goroutines may use it.
type OpenID struct {
	options  OpenIDOptions
	tokens   *JWT
	client   *http.Client
	fetching singleflight.Group
	// found is what the provider says of itself; nil until it has answered. It is kept for good.
	found atomic.Pointer[discovery]
}

// ErrSignInAgain says that credentials, or an attempt to get some, count no more: whoever wants in signs in again. The text around
// it says why, for a log.
var ErrSignInAgain = errors.New("sign in again")

// NewOpenID makes the client of the provider whose tokens these are. It asks the provider when somebody signs in: one that is away
// is no reason not to start.
func NewOpenID(tokens *JWT, o OpenIDOptions) *OpenID {
	return &OpenID{options: o, tokens: tokens, client: &http.Client{CheckRedirect: checkRedirect, Timeout: fetchTimeout}}
}

// Attempt is what the browser that begins to sign in has to bring back. Its printed, logged and marshalled forms show nothing of it.
type Attempt struct {
	// State is in the provider's answer: another site cannot make the browser finish what it has not begun.
	State string
	// Nonce is in the ID token, and Verifier is asked for with the code: a code that was stolen is worth nothing elsewhere.
	Nonce, Verifier string
}

// String shows nothing of the attempt.
func (a Attempt) String() string { return hiddenCredentials }

// GoString is String.
func (a Attempt) GoString() string { return hiddenCredentials }

// MarshalText is String: who keeps an attempt writes its fields.
func (a Attempt) MarshalText() ([]byte, error) { return []byte(hiddenCredentials), nil }

// LogValue is String.
func (a Attempt) LogValue() slog.Value { return slog.StringValue(hiddenCredentials) }

// Start begins to sign somebody in: his browser goes to the URL, and comes back to redirectURL. The error is an *AwayError.
func (o *OpenID) Start(ctx context.Context, redirectURL string) (authURL string, attempt Attempt, err error) {
	provider, err := o.discover(ctx)
	if err != nil {
		return "", Attempt{}, err
	}
	attempt = Attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	return o.config(provider, redirectURL).AuthCodeURL(attempt.State, oidc.Nonce(attempt.Nonce), oauth2.S256ChallengeOption(attempt.Verifier)), attempt, nil
}

// Finish takes the query with which the browser has come back to redirectURL, and returns what it has signed in with. The access
// token in it is not authenticated yet. The error is ErrSignInAgain, an *AwayError, or says what is wrong with how this client is
// set up.
func (o *OpenID) Finish(ctx context.Context, attempt Attempt, query url.Values, redirectURL string) (Credentials, error) {
	code, err := o.code(attempt, query)
	if err != nil {
		return Credentials{}, err
	}
	provider, err := o.discover(ctx)
	if err != nil {
		return Credentials{}, err
	}
	token, err := o.config(provider, redirectURL).Exchange(oidc.ClientContext(ctx, o.client), code, oauth2.VerifierOption(attempt.Verifier))
	if err != nil {
		return Credentials{}, tokenFailure(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Credentials{}, errors.New("the identity provider answered no ID token: is openid among the scopes?")
	}
	idToken, err := o.verify(ctx, raw)
	if err != nil {
		return Credentials{}, err
	}
	if !isSame(idToken.Nonce, attempt.Nonce) {
		return Credentials{}, fmt.Errorf("%w: the ID token is of another attempt", ErrSignInAgain)
	}
	return credentialsOf(token, raw)
}

// Refresh gets the next credentials for those whose access token has expired. The error is ErrSignInAgain where the provider has
// ended what they are of, an *AwayError, or says what is wrong with how this client is set up.
func (o *OpenID) Refresh(ctx context.Context, expired Credentials) (Credentials, error) {
	if expired.RefreshToken == "" {
		return Credentials{}, fmt.Errorf("%w: there is no refresh token", ErrSignInAgain)
	}
	provider, err := o.discover(ctx)
	if err != nil {
		return Credentials{}, err
	}
	// Without an access token it always asks. Where the provider answers no refresh token, the one before goes on counting.
	source := o.config(provider, "").TokenSource(oidc.ClientContext(ctx, o.client), &oauth2.Token{RefreshToken: expired.RefreshToken})
	token, err := source.Token()
	if err != nil {
		return Credentials{}, tokenFailure(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return credentialsOf(token, expired.IDToken)
	}
	idToken, err := o.verify(ctx, raw)
	if _, isAway := errors.AsType[*AwayError](err); isAway {
		// The refresh token is used up: what it has got must not be lost. Whoever takes the access token asks for the keys as well.
		return credentialsOf(token, expired.IDToken)
	}
	if err != nil {
		return Credentials{}, err
	}
	// OpenID Connect Core 1.0, 12.2. The one before was verified when it came.
	before := jwt.RegisteredClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(expired.IDToken, &before); err != nil || before.Subject != idToken.Subject {
		return Credentials{}, fmt.Errorf("%w: the next ID token is another person's", ErrSignInAgain)
	}
	return credentialsOf(token, raw)
}

// EndSessionURL is where a browser ends its session at the provider (OpenID Connect RP-Initiated Logout 1.0), and from where it
// comes back to redirectURL; "" where the provider has no such place. It has the client's id and no id_token_hint: pages show it, and
// histories keep it. The error is an *AwayError.
func (o *OpenID) EndSessionURL(ctx context.Context, redirectURL string) (string, error) {
	provider, err := o.discover(ctx)
	if err != nil || provider.EndSessionURL == "" {
		return "", err
	}
	u, err := url.Parse(provider.EndSessionURL)
	if err != nil {
		return "", err
	}
	query := u.Query()
	query.Set("client_id", o.options.ClientID)
	query.Set("post_logout_redirect_uri", redirectURL)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// code is the authorization code of an answer to the attempt.
func (o *OpenID) code(attempt Attempt, query url.Values) (string, error) {
	if attempt.State == "" || !isSame(query.Get("state"), attempt.State) {
		return "", fmt.Errorf("%w: the answer is to another attempt", ErrSignInAgain)
	}
	// RFC 9207: the answer may be another provider's.
	if issuer := query.Get("iss"); issuer != "" && issuer != o.tokens.options.Issuer {
		return "", fmt.Errorf("%w: the answer is another provider's", ErrSignInAgain)
	}
	switch failure := query.Get("error"); failure {
	case "":
	case "server_error", "temporarily_unavailable":
		return "", &AwayError{What: IdentityProvider, Err: fmt.Errorf("it answers %s", failure)}
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		return "", fmt.Errorf("%w: the identity provider answers %s", ErrSignInAgain, failure)
	default:
		return "", clientFailure(knownCode(failure))
	}
	code := query.Get("code")
	if code == "" {
		return "", fmt.Errorf("%w: the answer has no code", ErrSignInAgain)
	}
	return code, nil
}

// isSame takes equally long wherever two texts differ.
func isSame(one, other string) bool {
	return subtle.ConstantTimeCompare([]byte(one), []byte(other)) == 1
}

// clientFailure is of a code of OAuth's that speaks of this client rather than of a person.
func clientFailure(code string) error {
	return fmt.Errorf("the identity provider does not take this client as it is set up: it answers %.40q", code)
}

// tokenFailure makes an error of one of package oauth2, whose text may quote the provider's answer.
func tokenFailure(err error) error {
	answer, isAnswer := errors.AsType[*oauth2.RetrieveError](err)
	if !isAnswer {
		if of, ok := errors.AsType[*url.Error](err); ok {
			return &AwayError{What: IdentityProvider, Err: of.Err}
		}
		return fmt.Errorf("the identity provider's answer cannot be read: %w", err)
	}
	switch status := answer.Response.StatusCode; {
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return &AwayError{What: IdentityProvider, Err: fmt.Errorf("status %d", status)}
	case answer.ErrorCode == "invalid_grant":
		return fmt.Errorf("%w: the identity provider answers invalid_grant", ErrSignInAgain)
	case answer.ErrorCode == "":
		return clientFailure(answer.Response.Status)
	}
	return clientFailure(knownCode(answer.ErrorCode))
}

// oauthCodes are those of RFC 6749, 4.1.2.1 and 5.2, and of OpenID Connect Core 1.0, 3.1.2.6, that speak of a client.
var oauthCodes = []string{
	"invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_client", "unsupported_grant_type",
	"invalid_request_uri", "invalid_request_object", "request_not_supported", "request_uri_not_supported", "registration_not_supported",
}

// knownCode is a code of OAuth's as it may be said: anybody can write another one into the URL of an answer.
func knownCode(code string) string {
	if slices.Contains(oauthCodes, code) {
		return code
	}
	return "an unknown error"
}

// credentialsOf are what the provider has answered. The API goes by the end that the access token itself names.
func credentialsOf(token *oauth2.Token, idToken string) (Credentials, error) {
	claims := jwt.RegisteredClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token.AccessToken, &claims); err != nil || claims.ExpiresAt == nil {
		return Credentials{}, errors.New("the identity provider's access token is no JSON Web Token with an exp: this client needs one for the audience of the API")
	}
	credentials := Credentials{AccessToken: token.AccessToken, RefreshToken: token.RefreshToken, IDToken: idToken, ExpiresAt: claims.ExpiresAt.Time}
	// Keycloak says for how long; 0 is of one that does not end by itself.
	if seconds, _ := token.Extra("refresh_expires_in").(float64); seconds > 0 {
		credentials.RefreshUntil = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	return credentials, nil
}

// verify checks an ID token but for its nonce, which only the first one of a session has to have.
func (o *OpenID) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	keys := &idTokenKeys{tokens: o.tokens}
	verifier := oidc.NewVerifier(o.tokens.options.Issuer, keys, &oidc.Config{
		ClientID:             o.options.ClientID,
		SupportedSigningAlgs: o.tokens.options.Algorithms,
		Now:                  func() time.Time { return time.Now().Add(-o.tokens.options.Leeway) },
	})
	token, err := verifier.Verify(ctx, raw)
	switch {
	case keys.failure != nil:
		return nil, keys.failure
	case err != nil:
		return nil, errIDToken
	}
	return token, nil
}

// errIDToken does not say what is wrong: the verifier's own text quotes the token.
var errIDToken = errors.New("the identity provider's ID token does not count: it has to be of EXHAUST_JWT_ISSUER, for EXHAUST_OPENID_CLIENT_ID, " +
	"to end later, and to be signed by one of EXHAUST_JWT_ALGORITHMS")

// idTokenKeys are the keys of access tokens, for one ID token: the provider signs both.
type idTokenKeys struct {
	tokens  *JWT
	failure error // an *AwayError, which the verifier would make a text of
}

// VerifySignature implements oidc.KeySet.
func (k *idTokenKeys) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	parser := jwt.NewParser(jwt.WithoutClaimsValidation())
	if _, err := parser.Parse(raw, func(token *jwt.Token) (any, error) { return k.tokens.key(ctx, token) }); err != nil {
		if away, isAway := errors.AsType[*AwayError](err); isAway {
			k.failure = away
		}
		return nil, err
	}
	return base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
}

// discovery is what a provider says of itself (OpenID Connect Discovery 1.0).
type discovery struct {
	Issuer        string   `json:"issuer"`
	AuthURL       string   `json:"authorization_endpoint"`
	TokenURL      string   `json:"token_endpoint"`
	EndSessionURL string   `json:"end_session_endpoint"`
	ClientAuth    []string `json:"token_endpoint_auth_methods_supported"`
}

func (o *OpenID) config(provider *discovery, redirectURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: o.options.ClientID, ClientSecret: o.options.ClientSecret, RedirectURL: redirectURL, Scopes: o.options.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: provider.AuthURL, TokenURL: provider.TokenURL, AuthStyle: o.authStyle(provider)},
	}
}

// authStyle says how the client shows its secret. Trying it out, as package oauth2 would, sends a refresh token twice.
func (o *OpenID) authStyle(provider *discovery) oauth2.AuthStyle {
	// Without a list it is client_secret_basic.
	if o.options.ClientSecret == "" || len(provider.ClientAuth) > 0 && !slices.Contains(provider.ClientAuth, "client_secret_basic") {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// discover asks the provider where it does what, until it has answered once. Those who ask at the same time wait for one answer.
func (o *OpenID) discover(ctx context.Context) (*discovery, error) {
	if found := o.found.Load(); found != nil {
		return found, nil
	}
	answers := o.fetching.DoChan("", func() (any, error) {
		found, err := o.fetchDiscovery()
		if err == nil {
			o.found.Store(found)
		}
		return found, err
	})
	select {
	case <-ctx.Done():
		return nil, &AwayError{What: IdentityProvider, Err: ctx.Err()}
	case answer := <-answers:
		if answer.Err != nil {
			return nil, &AwayError{What: IdentityProvider, Err: answer.Err}
		}
		return answer.Val.(*discovery), nil
	}
}

func (o *OpenID) fetchDiscovery() (*discovery, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	issuer := o.tokens.options.Issuer
	body, err := get(ctx, o.client, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err
		}
		return nil, fmt.Errorf("fetching its discovery document: %w", err)
	}
	var found discovery
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, errors.New("its discovery document is no JSON")
	}
	if found.Issuer != issuer {
		return nil, fmt.Errorf("its discovery document is of the issuer %.200q, not of EXHAUST_JWT_ISSUER", found.Issuer)
	}
	return &found, found.check()
}

// check refuses what leads elsewhere than to http or https, or gives up TLS: the client's secret goes there.
func (d discovery) check() error {
	ofIssuer, err := url.Parse(d.Issuer)
	if err != nil {
		return err
	}
	for name, endpoint := range map[string]string{
		"authorization_endpoint": d.AuthURL, "token_endpoint": d.TokenURL, "end_session_endpoint": d.EndSessionURL,
	} {
		if name == "end_session_endpoint" && endpoint == "" {
			continue
		}
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || ofIssuer.Scheme != "http") {
			return fmt.Errorf("the %s in its discovery document is no URL of %s", name, ofIssuer.Scheme)
		}
	}
	return nil
}
