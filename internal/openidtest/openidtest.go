// Package openidtest gives tests a real OpenID provider and a browser without windows that signs in there; it does not know what
// they sign in to.
//
//	provider := openidtest.Start(t, openidtest.Options{
//		RedirectURLs: []string{callback},
//		Users:        map[string]map[string]any{"asha": openidtest.Claims("0130", "uci-response-exhaust")},
//	})
//	query := openidtest.NewBrowser(t).SignIn(authURL, "asha").Query()
//
// In Chromium the form has an input named login, a button "Sign in" and a button "Cancel"; the page of the end of the session has a
// button "Sign out".
package openidtest

import (
	"cmp"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/devstack"
)

// What the provider calls its one client, and for whom its access tokens are.
const (
	ClientID = "data-exhaust-console"
	Audience = "data-exhaust"
)

// Options are those of [Start].
type Options struct {
	// RedirectURLs are to where browsers may come back signed in, SignedOutURLs signed out.
	RedirectURLs, SignedOutURLs []string
	// ClientSecret is "" for a public client.
	ClientSecret string
	// AccessTokenLife is in whole seconds; 0 is 5 minutes.
	AccessTokenLife time.Duration
	// Users are the claims of people's access tokens by the name that they say, which is their sub. Whoever is not among them has
	// no claims, and gets in as well.
	Users map[string]map[string]any
}

// Claims are those of somebody with rights in a channel, where the default settings look for them. No channel is "".
func Claims(channel string, rights ...string) map[string]any {
	claims := map[string]any{"resource_access": map[string]any{Audience: map[string]any{"roles": rights}}}
	if channel != "" {
		claims["channel"] = []string{channel}
	}
	return claims
}

// Provider is an OpenID provider of a test and its subtests. Kill lets it be away, and Restart brings it back without what it knew.
type Provider struct {
	*devstack.OpenIDProvider
	clientSecret string
}

// Start starts a provider, which ends with the test. It is installed first where it is missing.
func Start(t *testing.T, options Options) *Provider {
	t.Helper()
	started, err := devstack.StartOpenIDProvider(t.Context(), devstack.OpenIDProviderOptions{
		ClientID: ClientID, ClientSecret: options.ClientSecret, RedirectURLs: options.RedirectURLs, SignedOutURLs: options.SignedOutURLs,
		Audience: Audience, AccessTokenLife: cmp.Or(options.AccessTokenLife, 5*time.Minute), Users: options.Users, Log: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Provider{OpenIDProvider: started, clientSecret: options.ClientSecret}
}

// Settings make the services take the provider's tokens.
func (p *Provider) Settings() []string {
	settings := []string{
		"EXHAUST_AUTH=jwt", "EXHAUST_JWT_ISSUER=" + p.Issuer, "EXHAUST_JWT_JWKS_URL=" + p.JWKSURL, "EXHAUST_JWT_AUDIENCE=" + Audience,
		"EXHAUST_OPENID_CLIENT_ID=" + ClientID,
	}
	if p.clientSecret != "" {
		settings = append(settings, "EXHAUST_OPENID_CLIENT_SECRET="+p.clientSecret)
	}
	return settings
}

// Browser has cookies of its own and follows a provider's redirects. Whatever is not as it should be ends the test.
type Browser struct {
	t      *testing.T
	client *http.Client
}

// NewBrowser is a browser that is signed in nowhere.
func NewBrowser(t *testing.T) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{t: t, client: &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: stopElsewhere}}
}

// stopElsewhere follows redirects that stay at the provider: where they lead to is for the test to say.
func stopElsewhere(to *http.Request, via []*http.Request) error {
	if to.URL.Host != via[0].URL.Host || len(via) > 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

// SignIn goes to where signing in begins, says a name in the form if there is one, and returns to where the provider sends the
// browser: the service's URL, with an answer in its query.
func (b *Browser) SignIn(authURL, user string) *url.URL {
	b.t.Helper()
	back, form := b.get(authURL)
	if back != nil {
		return back // it has a session there
	}
	return b.post(form, "sign-in", url.Values{"login": {user}})
}

// Cancel is SignIn of somebody who thinks better of it.
func (b *Browser) Cancel(authURL string) *url.URL {
	b.t.Helper()
	_, form := b.get(authURL)
	return b.post(form, "cancel", nil)
}

// SignOut ends the session at the provider, and returns to where that sends the browser.
func (b *Browser) SignOut(endSessionURL string) *url.URL {
	b.t.Helper()
	_, form := b.get(endSessionURL)
	return b.post(form, "/session/end/", url.Values{"logout": {"yes"}})
}

// page is what a browser shows.
type page struct {
	at   *url.URL
	html string
}

func (b *Browser) get(from string) (back *url.URL, shown page) {
	b.t.Helper()
	answer, err := b.client.Get(from)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.read(answer)
}

func (b *Browser) read(answer *http.Response) (back *url.URL, shown page) {
	b.t.Helper()
	defer answer.Body.Close()
	if location, err := answer.Location(); err == nil {
		return location, page{}
	}
	var html strings.Builder
	if err := answer.Write(&html); err != nil {
		b.t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		b.t.Fatalf("the provider answers:\n%s", &html)
	}
	return nil, page{answer.Request.URL, html.String()}
}

var (
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// post sends a page's form whose action holds a text, with what is typed into it.
func (b *Browser) post(shown page, action string, typed url.Values) *url.URL {
	b.t.Helper()
	for _, form := range formAction.FindAllStringSubmatch(shown.html, -1) {
		if !strings.Contains(form[1], action) {
			continue
		}
		to, err := shown.at.Parse(form[1])
		if err != nil {
			b.t.Fatal(err)
		}
		for _, input := range hiddenInput.FindAllStringSubmatch(shown.html, -1) {
			typed.Set(input[1], input[2])
		}
		answer, err := b.client.PostForm(to.String(), typed)
		if err != nil {
			b.t.Fatal(err)
		}
		back, next := b.read(answer)
		if back == nil {
			b.t.Fatalf("the provider keeps the browser at %s:\n%s", next.at, next.html)
		}
		return back
	}
	b.t.Fatalf("there is no form for %s:\n%s", action, shown.html)
	return nil
}
