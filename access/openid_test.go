package access_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"data-exhaust/access"
	"data-exhaust/internal/e2etest"
	"data-exhaust/internal/openidtest"
)

const (
	callback  = "http://127.0.0.1:1/console/sign-in/callback"
	signedOut = "http://127.0.0.1:1/console/"
)

// console is a client of a real provider.
type console struct {
	t        *testing.T
	provider *openidtest.Provider
	tokens   *access.JWT
	openID   *access.OpenID
}

// newConsole has two people at the provider: asha, who has a channel, and ravi, who has none.
func newConsole(t *testing.T, clientSecret string, accessTokenLife time.Duration) *console {
	t.Helper()
	provider := openidtest.Start(t, openidtest.Options{
		RedirectURLs: []string{callback}, SignedOutURLs: []string{signedOut}, ClientSecret: clientSecret, AccessTokenLife: accessTokenLife,
		Users: map[string]map[string]any{"asha": openidtest.Claims("0130", "uci-response-exhaust", "uma_authorization")},
	})
	tokens := newTokens(t, provider.Issuer, provider.JWKSURL)
	return &console{t, provider, tokens, newOpenID(tokens, clientSecret)}
}

func newTokens(t *testing.T, issuer, keys string) *access.JWT {
	t.Helper()
	channels, err := access.ParseClaimPath("channel")
	e2etest.Must(t, err)
	rights, err := access.ParseClaimPath("resource_access.data-exhaust.roles")
	e2etest.Must(t, err)
	tokens, err := access.NewJWT(t.Context(), access.JWTOptions{
		Issuer: issuer, JWKSURL: keys, Audience: openidtest.Audience, Algorithms: []string{"RS256"}, ChannelsClaim: channels, RightsClaim: rights,
		Log: slog.New(slog.DiscardHandler),
	})
	e2etest.Must(t, err)
	return tokens
}

func newOpenID(tokens *access.JWT, clientSecret string) *access.OpenID {
	return access.NewOpenID(tokens, access.OpenIDOptions{ClientID: openidtest.ClientID, ClientSecret: clientSecret, Scopes: []string{"openid"}})
}

func (c *console) start() (authURL string, attempt access.Attempt) {
	c.t.Helper()
	authURL, attempt, err := c.openID.Start(c.t.Context(), callback)
	e2etest.Must(c.t, err)
	return authURL, attempt
}

func (c *console) signIn(browser *openidtest.Browser, user string) access.Credentials {
	c.t.Helper()
	authURL, attempt := c.start()
	credentials, err := c.openID.Finish(c.t.Context(), attempt, browser.SignIn(authURL, user).Query(), callback)
	e2etest.Must(c.t, err)
	return credentials
}

// wantCaller demands that the API takes the credentials for somebody's.
func (c *console) wantCaller(credentials access.Credentials, want string) {
	c.t.Helper()
	caller, err := c.tokens.Authenticate(c.t.Context(), credentials.AccessToken)
	if got := fmt.Sprint(caller.Name, caller.Channels, caller.Names()); err != nil || got != want || !caller.ExpiresAt.Equal(credentials.ExpiresAt) {
		c.t.Errorf("got %s until %s, %v; want %s until %s", got, caller.ExpiresAt, err, want, credentials.ExpiresAt)
	}
}

// wantAgain demands that somebody is asked to sign in again, for a reason.
func wantAgain(t *testing.T, err error, reason string) {
	t.Helper()
	if !errors.Is(err, access.ErrSignInAgain) || err.Error() != "sign in again: "+reason {
		t.Errorf("got %v, want sign in again: %s", err, reason)
	}
}

func wantProviderAway(t *testing.T, what string, err error) {
	t.Helper()
	if away, isAway := errors.AsType[*access.AwayError](err); !isAway || away.What != "identity provider" || strings.Contains(err.Error(), "127.0.0.1/") {
		t.Errorf("%s: %v; want that the provider is away", what, err)
	}
}

func TestSomebodySignsInAtAProviderAndHasTheRightsOfHisToken(t *testing.T) {
	t.Parallel()
	for kind, secret := range map[string]string{"a public client": "", "a confidential client": "s3cret & more+%/~"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := newConsole(t, secret, time.Minute)
			browser := openidtest.NewBrowser(t)
			authURL, attempt := c.start()
			u, err := url.Parse(authURL)
			e2etest.Must(t, err)
			query := u.Query()
			if query.Get("code_challenge_method") != "S256" || query.Get("scope") != "openid" || query.Get("redirect_uri") != callback ||
				strings.Contains(authURL, attempt.Verifier) || query.Get("state") != attempt.State || query.Get("nonce") != attempt.Nonce {
				t.Errorf("it begins at %s", authURL)
			}
			back := browser.SignIn(authURL, "asha")
			if !strings.HasPrefix(back.String(), callback+"?") {
				t.Errorf("it comes back to %s", back)
			}
			credentials, err := c.openID.Finish(t.Context(), attempt, back.Query(), callback)
			e2etest.Must(t, err)
			c.wantCaller(credentials, "asha[0130] [uci-response-exhaust]")
			if credentials.RefreshToken == "" || credentials.IDToken == "" || !credentials.RefreshUntil.IsZero() {
				t.Error("it lacks a refresh token or an ID token, or ends at a time that nobody has said")
			}
			if left := time.Until(credentials.ExpiresAt); left < 50*time.Second || left > time.Minute {
				t.Errorf("it counts for %s, want a minute", left)
			}
			// The code counts once.
			_, err = c.openID.Finish(t.Context(), attempt, back.Query(), callback)
			wantAgain(t, err, "the identity provider answers invalid_grant")
			c.wantCaller(c.signIn(openidtest.NewBrowser(t), "ravi"), "ravi[] []")
		})
	}
}

func TestAnAnswerToAnotherAttemptSignsNobodyIn(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "", time.Minute)
	for _, x := range []struct {
		name   string
		change func(a *access.Attempt, query url.Values)
		want   string
	}{
		{"another state", func(_ *access.Attempt, query url.Values) { query.Set("state", "other") }, "the answer is to another attempt"},
		{"no state", func(a *access.Attempt, query url.Values) { a.State = ""; query.Del("state") }, "the answer is to another attempt"},
		{"another nonce", func(a *access.Attempt, _ url.Values) { a.Nonce = "other" }, "the ID token is of another attempt"},
		{"no nonce", func(a *access.Attempt, _ url.Values) { a.Nonce = "" }, "the ID token is of another attempt"},
		{"another verifier", func(a *access.Attempt, _ url.Values) { a.Verifier = strings.Repeat("v", 43) }, "the identity provider answers invalid_grant"},
		{"another provider", func(_ *access.Attempt, query url.Values) { query.Set("iss", "https://id.example.org") }, "the answer is another provider's"},
		{"another code", func(_ *access.Attempt, query url.Values) { query.Set("code", "other") }, "the identity provider answers invalid_grant"},
		{"no code", func(_ *access.Attempt, query url.Values) { query.Del("code") }, "the answer has no code"},
	} {
		t.Run(x.name, func(t *testing.T) {
			authURL, attempt := c.start()
			query := openidtest.NewBrowser(t).SignIn(authURL, "asha").Query()
			x.change(&attempt, query)
			credentials, err := c.openID.Finish(t.Context(), attempt, query, callback)
			wantAgain(t, err, x.want)
			if credentials != (access.Credentials{}) {
				t.Error("there are credentials")
			}
		})
	}
	authURL, attempt := c.start()
	_, err := c.openID.Finish(t.Context(), attempt, openidtest.NewBrowser(t).Cancel(authURL).Query(), callback)
	wantAgain(t, err, "the identity provider answers access_denied")
}

func TestCredentialsAreRefreshedUntilTheSessionAtTheProviderEnds(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "", time.Second)
	browser := openidtest.NewBrowser(t)
	first := c.signIn(browser, "asha")
	e2etest.Eventually(t, 10*time.Second, "the access token expires", func() bool {
		_, err := c.tokens.Authenticate(t.Context(), first.AccessToken)
		return err != nil && first.NeedRefresh(time.Now())
	})
	second, err := c.openID.Refresh(t.Context(), first)
	e2etest.Must(t, err)
	c.wantCaller(second, "asha[0130] [uci-response-exhaust]")
	if second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken || second.IDToken == "" {
		t.Error("a token is the one of before")
	}
	third, err := c.openID.Refresh(t.Context(), second)
	e2etest.Must(t, err)

	another := third
	another.IDToken = c.signIn(openidtest.NewBrowser(t), "ravi").IDToken
	_, err = c.openID.Refresh(t.Context(), another)
	wantAgain(t, err, "the next ID token is another person's")

	// That has used the refresh token up: signing in again gives another, without a form.
	fourth := c.signIn(browser, "nobody is asked")
	c.wantCaller(fourth, "asha[0130] [uci-response-exhaust]")
	endURL, err := c.openID.EndSessionURL(t.Context(), signedOut)
	e2etest.Must(t, err)
	if back := browser.SignOut(endURL); back.String() != signedOut {
		t.Errorf("signing out leads to %s, want %s", back, signedOut)
	}
	_, err = c.openID.Refresh(t.Context(), fourth)
	wantAgain(t, err, "the identity provider answers invalid_grant")
	_, err = c.openID.Refresh(t.Context(), access.Credentials{AccessToken: fourth.AccessToken})
	wantAgain(t, err, "there is no refresh token")
}

func TestAProviderThatIsAwayIsAskedAgain(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "", time.Minute)
	credentials := c.signIn(openidtest.NewBrowser(t), "asha")
	answer := func() (access.Attempt, url.Values) {
		authURL, attempt := c.start()
		return attempt, openidtest.NewBrowser(t).SignIn(authURL, "asha").Query()
	}
	attempt, query := answer()
	withoutKeys := newOpenID(newTokens(t, c.provider.Issuer, "http://127.0.0.1:1/keys"), "")
	_, err := withoutKeys.Finish(t.Context(), attempt, query, callback)
	wantProviderAway(t, "finish without keys", err)
	// The refresh token is used up then, so that its successor must not be lost.
	before := credentials
	credentials, err = withoutKeys.Refresh(t.Context(), before)
	if err != nil || credentials.RefreshToken == before.RefreshToken || credentials.IDToken != before.IDToken {
		t.Errorf("refresh without keys: %v", err)
	}

	attempt, query = answer()
	e2etest.Must(t, c.provider.Kill())
	_, err = c.openID.Finish(t.Context(), attempt, query, callback)
	wantProviderAway(t, "finish", err)
	_, err = c.openID.Refresh(t.Context(), credentials)
	wantProviderAway(t, "refresh", err)
	// A process that starts meanwhile.
	fresh := newOpenID(newTokens(t, c.provider.Issuer, c.provider.JWKSURL), "")
	_, _, err = fresh.Start(t.Context(), callback)
	wantProviderAway(t, "start", err)
	_, err = fresh.EndSessionURL(t.Context(), signedOut)
	wantProviderAway(t, "end", err)

	e2etest.Must(t, c.provider.Restart(t.Context()))
	if _, _, err := fresh.Start(t.Context(), callback); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	_, err = c.openID.Refresh(t.Context(), credentials)
	wantAgain(t, err, "the identity provider answers invalid_grant")
	c.openID = fresh
	c.wantCaller(c.signIn(openidtest.NewBrowser(t), "asha"), "asha[0130] [uci-response-exhaust]")
}

// TestAClientThatIsSetUpWrongSaysSo: signing in again would help nobody.
func TestAClientThatIsSetUpWrongSaysSo(t *testing.T) {
	t.Parallel()
	c := newConsole(t, "the client's secret, which it keeps", time.Minute)
	authURL, attempt := c.start()
	query := openidtest.NewBrowser(t).SignIn(authURL, "asha").Query()
	_, err := newOpenID(c.tokens, "another secret that is as long as it").Finish(t.Context(), attempt, query, callback)
	const want = `the identity provider does not take this client as it is set up: it answers "invalid_client"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	query.Set("error", "invalid_scope")
	_, err = c.openID.Finish(t.Context(), attempt, query, callback)
	if err == nil || errors.Is(err, access.ErrSignInAgain) || !strings.Contains(err.Error(), "invalid_scope") {
		t.Errorf("got %v", err)
	}
	query.Set("error", "temporarily_unavailable")
	_, err = c.openID.Finish(t.Context(), attempt, query, callback)
	wantProviderAway(t, "it says so itself", err)
}

// scripted is a client of a provider whose answers a test writes, in which ISSUER stands for its URL. It publishes the key "rsa".
func scripted(t *testing.T, discovery string, status int, token func(issuer string) string) *access.OpenID {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			fmt.Fprint(w, strings.ReplaceAll(discovery, "ISSUER", server.URL))
		case "/keys":
			fmt.Fprintf(w, `{"keys":[%s]}`, must(json.Marshal(jwk("rsa", rsaKey(), nil))))
		case "/token":
			w.WriteHeader(status)
			fmt.Fprint(w, token(server.URL))
		}
	}))
	t.Cleanup(server.Close)
	return newOpenID(newTokens(t, server.URL, server.URL+"/keys"), "")
}

// always is an answer that does not name its issuer.
func always(answer string) func(string) string { return func(string) string { return answer } }

const ofIssuer = `{"issuer":"ISSUER","authorization_endpoint":"ISSUER/auth","token_endpoint":"ISSUER/token"}`

func TestADiscoveryDocumentOfAnotherIssuerOrWithoutEndpointsCountsForNothing(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{"issuer":"https://id.example.org"}`: `its discovery document is of the issuer "https://id.example.org", not of EXHAUST_JWT_ISSUER`,
		`<html>`:                              "its discovery document is no JSON",
		`{"issuer":"ISSUER","authorization_endpoint":"ISSUER/auth"}`:                                                               "the token_endpoint in its discovery document is no URL of http",
		`{"issuer":"ISSUER","authorization_endpoint":"javascript:alert(1)","token_endpoint":"ISSUER/token"}`:                       "the authorization_endpoint in its discovery document is no URL of http",
		`{"issuer":"ISSUER","authorization_endpoint":"ISSUER/auth","token_endpoint":"ISSUER/token","end_session_endpoint":"/end"}`: "the end_session_endpoint in its discovery document is no URL of http",
	} {
		_, _, err := scripted(t, document, 0, nil).Start(t.Context(), callback)
		if err == nil || err.Error() != "identity provider is not available: "+want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if u, err := scripted(t, ofIssuer, 0, nil).EndSessionURL(t.Context(), signedOut); err != nil || u != "" {
		t.Errorf("without an end_session_endpoint: %q, %v", u, err)
	}
}

// unsigned is a JSON Web Token that ends in 2199, with whatever signature.
const unsigned = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJleHAiOjcyMjg0MTg0MDAsInN1YiI6ImEifQ.eA"

func TestWhatAProviderAnswersToARefresh(t *testing.T) {
	t.Parallel()
	before := access.Credentials{AccessToken: "S3CRET", RefreshToken: "first", IDToken: unsigned}
	for _, c := range []struct {
		name, answer string
		status       int
		want         string
	}{
		{"a fault of its own", `{"error":"server_error","error_description":"S3CRET"}`, 500, "identity provider is not available: status 500"},
		{"a gateway's page", `<html>S3CRET`, 502, "identity provider is not available: status 502"},
		{"too many", `{}`, 429, "identity provider is not available: status 429"},
		{"a page that is no answer", `<html>`, 200, "the identity provider's answer cannot be read: oauth2: cannot parse json: invalid character '<' looking for beginning of value"},
		{"another page", `<html>S3CRET`, 403, `the identity provider does not take this client as it is set up: it answers "403 Forbidden"`},
		{"an access token that is none of ours", `{"access_token":"S3CRET","token_type":"Bearer"}`, 200,
			"the identity provider's access token is no JSON Web Token with an exp: this client needs one for the audience of the API"},
	} {
		if _, err := scripted(t, ofIssuer, c.status, always(c.answer)).Refresh(t.Context(), before); err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
	// As Keycloak answers: for how long the refresh token counts. What it leaves out stays as it was.
	now := time.Now()
	next, err := scripted(t, ofIssuer, 200, always(`{"access_token":"`+unsigned+`","token_type":"Bearer","refresh_expires_in":1800}`)).Refresh(t.Context(), before)
	if left := next.RefreshUntil.Sub(now); err != nil || left < 1800*time.Second || left > 1810*time.Second || next.RefreshToken != "first" || next.IDToken != unsigned ||
		!next.ExpiresAt.Equal(time.Unix(7_228_418_400, 0)) {
		t.Errorf("%v, for %s, until %s", err, left, next.ExpiresAt)
	}
}

func TestAnIDTokenCountsOnlyFromTheIssuerForThisClientUntilItExpires(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		name    string
		changes map[string]any
		method  jwt.SigningMethod
		key     any
		is      bool
	}{
		{"as it should be", nil, jwt.SigningMethodRS256, rsaKey(), true},
		{"for several, this client among them", map[string]any{"aud": []string{"other", openidtest.ClientID}}, jwt.SigningMethodRS256, rsaKey(), true},
		{"for another client", map[string]any{"aud": "other"}, jwt.SigningMethodRS256, rsaKey(), false},
		{"of another issuer", map[string]any{"iss": "https://id.example.org"}, jwt.SigningMethodRS256, rsaKey(), false},
		{"that has expired", map[string]any{"exp": now.Add(-time.Second).Unix()}, jwt.SigningMethodRS256, rsaKey(), false},
		{"without an end", map[string]any{"exp": nil}, jwt.SigningMethodRS256, rsaKey(), false},
		{"signed by a stranger", nil, jwt.SigningMethodRS256, strangerKey(), false},
		{"signed otherwise", nil, jwt.SigningMethodRS384, rsaKey(), false},
		{"signed by nobody", nil, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, false},
	} {
		answer := func(issuer string) string {
			claims := change(map[string]any{"iss": issuer, "aud": openidtest.ClientID, "exp": now.Add(time.Minute).Unix(), "sub": "a"}, c.changes)
			token := jwt.NewWithClaims(c.method, jwt.MapClaims(claims))
			token.Header["kid"] = "rsa"
			return fmt.Sprintf(`{"access_token":%q,"id_token":%q,"token_type":"Bearer"}`, unsigned, must(token.SignedString(c.key)))
		}
		_, err := scripted(t, ofIssuer, 200, answer).Refresh(t.Context(), access.Credentials{RefreshToken: "first", IDToken: unsigned})
		const want = "the identity provider's ID token does not count: it has to be of EXHAUST_JWT_ISSUER, for EXHAUST_OPENID_CLIENT_ID, " +
			"to end later, and to be signed by one of EXHAUST_JWT_ALGORITHMS"
		if c.is && err != nil || !c.is && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAnAttemptIsNeverShown(t *testing.T) {
	a := access.Attempt{State: "S3CRET", Nonce: "S3CRET", Verifier: "S3CRET"}
	if shown := fmt.Sprintf("%v %+v %#v", a, a, &a); strings.Contains(shown, "S3CRET") {
		t.Errorf("it is shown: %s", shown)
	}
}
