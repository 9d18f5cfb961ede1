package console

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
)

var secretPattern = regexp.MustCompile(`^exhaust_[A-Za-z0-9_-]{43}$`)

func TestATokenIsMadeUsedAndRevokedOnThePages(t *testing.T) {
	s := startSite(t, "EXHAUST_AUTH=tokens", "EXHAUST_AUDIT_LOG="+filepath.Join(t.TempDir(), "audit.log"), ownDatabase(t))
	first := e2etest.ExecStarter(t, s.Env, "token", "create", "--name", "operator", "--right", "operator", "--expires", "2h")
	if first.Code != 0 {
		t.Fatalf("token create: %+v", first)
	}
	operator := strings.TrimSpace(first.Stdout)
	browser := browsertest.Start(t)
	s.checkWayInAndOut(t, browser, operator)
	page := browser.Open(t, s.at("/tokens"))
	signIn(page, operator)
	page.WaitForText("Make the token")
	checkLooks(t, page, "tokens")

	// A fault stands beside its field, and all that was typed is kept.
	page.Do(chromedp.SendKeys(chromedp.CSS("#name"), "air flow"), chromedp.SendKeys(chromedp.CSS("#channels"), s.channel), chromedp.Click(chromedp.CSS("#right-uci-response-exhaust")))
	create := chromedp.Click(chromedp.CSS("#new button.primary"))
	page.Do(create)
	page.WaitForText("cannot be used")
	page.TakeFaults() // the browser tells of the status 422
	checkLooks(t, page, "tokens, a fault")
	page.Do(chromedp.SetValue(chromedp.CSS("#name"), "airflow"), create)
	page.WaitForText("It is shown this once")
	checkLooks(t, page, "a new token")
	secret := browsertest.Get(page, chromedp.Text(chromedp.CSS("#secret")))
	if !secretPattern.MatchString(secret) {
		t.Fatalf("the secret is %q", secret)
	}
	if at := browsertest.Get(page, chromedp.Location()); strings.Contains(at, secret) || !strings.HasSuffix(at, "/console/tokens#new") {
		t.Errorf("it is shown at %s", at)
	}

	other := browser.Open(t, s.at("/exhausts"))
	signIn(other, secret)
	other.WaitForText("No exhaust yet")

	page.Do(chromedp.Navigate(s.at("/tokens")))
	page.WaitForText("airflow")
	page.Do(chromedp.Click(chromedp.CSS("tr:has(td:first-child strong) .danger")))
	page.WaitForText("Revoke airflow") // the newest stands first
	checkLooks(t, page, "revoke a token")
	page.Do(chromedp.Click(chromedp.CSS("button.danger")))
	page.WaitForText("airflow is revoked.")
	other.Do(chromedp.Reload())
	other.WaitForText("Access token")

	page.SetLook(browsertest.Look{Language: "hi-IN"})
	page.Do(chromedp.Navigate(s.at("/tokens")))
	page.WaitForText("टोकन बनाएँ")
	checkLooks(t, page, "tokens, Hindi")
}

// signIn signs in with a token.
func signIn(page *browsertest.Page, secret string) {
	page.WaitForText("Access token")
	page.Do(chromedp.SendKeys(chromedp.CSS("#token"), secret+"\r"))
}

// checkWayInAndOut signs in, once in vain, looks for what is not there, and signs out.
func (s *site) checkWayInAndOut(t *testing.T, browser *browsertest.Browser, operator string) {
	t.Helper()
	page := browser.Open(t, s.at("/"))
	page.WaitForText("Access token")
	checkLooks(t, page, "sign in")
	signIn(page, "exhaust_"+strings.Repeat("x", 43))
	page.WaitForText("not known here")
	page.TakeFaults() // the browser tells of the status 401
	checkLooks(t, page, "sign in, in vain")
	signIn(page, operator)
	page.WaitForText("No exhaust yet")
	checkLooks(t, page, "exhausts, none yet")
	page.Do(chromedp.Navigate(s.at("/nowhere")))
	page.WaitForText("There is no such page")
	page.TakeFaults() // of the status 404
	checkLooks(t, page, "failure")
	page.Do(chromedp.Click(chromedp.CSS(".buttons .primary")))
	page.WaitForText("No exhaust yet")
	page.Do(chromedp.Click(chromedp.CSS(`details:has(form[action$="/sign-out"]) > summary`)), chromedp.Click(chromedp.CSS(`form[action$="/sign-out"] button`)))
	page.WaitForText("You are signed out")
	checkLooks(t, page, "signed out")
}
