package console_test

import (
	"regexp"
	"testing"

	"github.com/chromedp/chromedp"

	"data-exhaust/internal/browsertest"
)

// The page of signing in has the script that all pages have.
func TestThePageSaysSinceWhenItIsNotUpToDate(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	page := browsertest.Start(t).Open(t, s.url+"/console/sign-in")
	text := func() string {
		return browsertest.Get(page, chromedp.Evaluate[string](`document.querySelector(".stale").textContent`))
	}
	page.Do(chromedp.Poll[chromedp.Void](`document.documentElement.classList.contains("scripted")`))
	isOld := regexp.MustCompile(`^Not up to date: no answer since \d\d:\d\d\.$`)
	for _, failure := range []string{"htmx:responseError", "htmx:sendError", "htmx:timeout"} {
		if got := text(); got != "" {
			t.Errorf("up to date, it says %q", got)
		}
		page.Do(chromedp.Evaluate[chromedp.Void](`document.body.dispatchEvent(new CustomEvent("` + failure + `", { bubbles: true, detail: {} })), undefined`))
		if got := text(); !isOld.MatchString(got) {
			t.Errorf("behind %s it says %q", failure, got)
		}
		page.Do(chromedp.Evaluate[chromedp.Void](`document.body.dispatchEvent(new CustomEvent("htmx:afterRequest", { bubbles: true, detail: { successful: true } })), undefined`))
	}
	page.CheckAccessibility("signing in")
}

func TestACopiedCellIsNoFormula(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	page := browsertest.Start(t).Open(t, s.url+"/console/sign-in")
	page.Do(chromedp.Poll[chromedp.Void](`document.documentElement.classList.contains("scripted")`))
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@a": "'@a", `"=1+1"`: `'"=1+1"`, "a=1": "a=1", "–": "–", "": "", "7": "7",
	} {
		if got := browsertest.Get(page, chromedp.Evaluate[string]("guard(String.raw`"+text+"`)")); got != want {
			t.Errorf("%q is copied as %q, want %q", text, got, want)
		}
	}
}
