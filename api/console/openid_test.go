package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/openidtest"
)

// startWithProvider starts an api and the provider that its readers sign in at, who are asha, with the right to response
// exhausts of a channel, and ravi, who has none.
func startWithProvider(t *testing.T, base func(address string) string, tokenLife time.Duration, settings ...string) (*running, *openidtest.Provider, string) {
	t.Helper()
	address := freeAddress(t)
	public := base(address)
	provider := openidtest.Start(t, openidtest.Options{
		RedirectURLs: []string{public + "/console/sign-in/callback"}, SignedOutURLs: []string{public + "/console/"}, AccessTokenLife: tokenLife,
		Users: map[string]map[string]any{"asha": openidtest.Claims(channel, "uci-response-exhaust")},
	})
	s := start(t, append(append(provider.Settings(), "EXHAUST_ADDR="+address, "EXHAUST_PUBLIC_URL="+public), settings...)...)
	return s, provider, public
}

func ofLoopback(address string) string { return "http://" + address }

// signInAtProvider is signing in up to the provider's answer, whose path and query it returns.
func (b *browser) signInAtProvider(provider *openidtest.Browser, user, next string) string {
	b.t.Helper()
	got := b.get("/console/sign-in/start?next=" + url.QueryEscape(next))
	if got.status != http.StatusSeeOther {
		b.t.Fatalf("beginning to sign in answers %d:\n%s", got.status, got.body)
	}
	return provider.SignIn(got.location, user).RequestURI()
}

func TestAReaderSignsInAtTheProvider(t *testing.T) {
	s, _, _ := startWithProvider(t, ofLoopback, 0)
	b := s.browser()
	page := "/console/exhausts?channel=" + channel
	if got := b.get("/console/sign-in?next=" + url.QueryEscape(page)); !strings.Contains(got.body, "/console/sign-in/start?next="+url.QueryEscape(page)) || strings.Contains(got.body, `name="token"`) {
		t.Errorf("the page of signing in is\n%s", got.body)
	}
	back := b.signInAtProvider(openidtest.NewBrowser(t), "asha", page)
	got := b.get(back)
	if got.status != http.StatusSeeOther || got.location != page {
		t.Fatalf("coming back answers %d to %q:\n%s", got.status, got.location, got.body)
	}
	if got := b.get(page); got.status != http.StatusOK || !strings.Contains(got.body, "asha") {
		t.Errorf("the page answers %d", got.status)
	}
	if got := b.get("/console/exhausts?channel=" + foreignChannel); got.status != http.StatusNotFound {
		t.Errorf("another's channel answers %d", got.status)
	}
	if got := b.get(back); got.status != http.StatusUnauthorized {
		t.Errorf("the same answer of the provider, once more: %d", got.status)
	}
	if got := b.post(page, "/console/sign-out"); !strings.Contains(got.body, "/session/end?") {
		t.Errorf("signing out does not lead to the provider:\n%s", got.body)
	}
	if got := b.get(page); got.status != http.StatusSeeOther {
		t.Errorf("signed out it answers %d", got.status)
	}
	// A token of this service is none here.
	if got := b.post("/console/sign-in", "/console/sign-in", "token", "exhaust_"+strings.Repeat("A", 43)); got.status != http.StatusForbidden && got.status != http.StatusNotFound {
		t.Errorf("a token answers %d", got.status)
	}
}

func TestAnAnswerOfTheProviderIsForTheBrowserThatAsked(t *testing.T) {
	s, _, _ := startWithProvider(t, ofLoopback, 0)
	victim, attacker := s.browser(), s.browser()
	back := attacker.signInAtProvider(openidtest.NewBrowser(t), "asha", "/console/")
	for name, prepare := range map[string]func(){
		"that has asked nothing": func() {}, "that has asked itself": func() { victim.get("/console/sign-in/start") },
	} {
		prepare()
		if got := victim.get(back); got.status != http.StatusUnauthorized || got.cookies["exhaust_session"] != nil {
			t.Errorf("a browser %s: %d, cookies %v", name, got.status, got.cookies)
		}
	}
}

func TestASessionAtTheProviderGoesOnWhenItsTokenHasExpired(t *testing.T) {
	const life = 12 * time.Second // of which it is renewed two seconds after its beginning
	s, provider, _ := startWithProvider(t, ofLoopback, life, "EXHAUST_JWT_LEEWAY=0s")
	b := s.browser()
	b.get(b.signInAtProvider(openidtest.NewBrowser(t), "asha", "/console/"))
	page := "/console/exhausts?channel=" + channel
	began := time.Now()
	for time.Since(began) < life+time.Second { // pages that keep themselves up to date ask like this
		if got := b.get(page); got.status != http.StatusOK {
			t.Fatalf("after %s it answers %d", time.Since(began), got.status)
		}
		time.Sleep(500 * time.Millisecond)
	}
	provider.Kill()
	for deadline := time.Now().Add(life + 5*time.Second); ; time.Sleep(200 * time.Millisecond) {
		got := b.get(page)
		if got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") == "5" {
			break // signed in still: it is not known now
		}
		if got.status != http.StatusOK || time.Now().After(deadline) {
			t.Fatalf("with the provider away it answers %d", got.status)
		}
	}
}

func TestOneWithoutRightsIsToldSo(t *testing.T) {
	s, _, _ := startWithProvider(t, ofLoopback, 0)
	b := s.browser()
	got := b.get(b.signInAtProvider(openidtest.NewBrowser(t), "ravi", "/console/"))
	for got.status == http.StatusSeeOther {
		got = b.get(got.location)
	}
	if got.status != http.StatusForbidden && got.status != http.StatusUnauthorized {
		t.Errorf("it answers %d:\n%s", got.status, got.body)
	}
}

func TestAReaderSignsInAtTheProviderInABrowser(t *testing.T) {
	_, provider, public := startWithProvider(t, func(address string) string { return browsertest.At("http://" + address) }, 0)
	page := browsertest.Start(t).Open(t, public+"/console/sign-in")
	issuer, err := url.Parse(provider.Issuer)
	must(t, err)
	page.Allow(issuer.Host)
	page.CheckAccessibility("signing in")
	page.Do(
		chromedp.Click(chromedp.CSS(`a[href*="/console/sign-in/start"]`)),
		chromedp.SendKeys(chromedp.CSS(`input[name=login]`), "asha"),
		chromedp.Submit(chromedp.CSS(`input[name=login]`)),
	)
	page.WaitForText("No exhaust yet")
	page.Do(chromedp.Click(chromedp.CSS(`details.menu summary`)), chromedp.Click(chromedp.CSS(`form[action$="/sign-out"] button`)))
	page.WaitForText("You are signed out")
	page.CheckAccessibility("signed out")
	page.Do(chromedp.Click(chromedp.CSS(`a[href*="/session/end"]`)), chromedp.Click(chromedp.CSS(`button[name=logout], button[type=submit]`)))
	page.WaitForText("Sign in with your organisation")
}
