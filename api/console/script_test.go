package console_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"data-exhaust/exhaust"
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

func TestAButtonThatFailsSaysSo(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", responseSummary("Vaccinated?"))
	const (
		copies, saves = `#days [data-copy-table]`, `#days [data-save-png]`
		clipboard     = `Object.defineProperty(navigator, "clipboard", { configurable: true, value: %s }), undefined`
	)
	browser := browsertest.Start(t)
	for language, want := range map[string]struct{ copied, notCopied, notSaved string }{
		"en": {"Copied", "Not copied: your browser refuses", "Not saved: save the SVG instead"},
		"hi": {"कॉपी हो गया", "कॉपी नहीं हुआ: ब्राउज़र ने अनुमति नहीं दी", "सहेजा नहीं गया: SVG सहेजकर देखें"},
	} {
		page := browser.Open(t, s.url+"/console/none")
		page.TakeFaults() // there is no such page
		page.SetLook(browsertest.Look{Language: language})
		page.Do(chromedp.Navigate(s.url + pathOfOurs + "/charts?channel=" + ourChannel))
		for _, c := range []struct{ what, script, button, want string }{
			{"a clipboard that takes it", fmt.Sprintf(clipboard, `{ writeText: async () => {} }`), copies, want.copied},
			{"a clipboard that refuses", fmt.Sprintf(clipboard, `{ writeText: () => Promise.reject(new Error("refused")) }`), copies, want.notCopied},
			{"no clipboard, and a browser that does not copy", fmt.Sprintf(clipboard, `undefined`) + `; document.execCommand = () => false`, copies, want.notCopied},
			{"no clipboard, and a browser that copies", `document.execCommand = () => true`, copies, want.copied},
			{"a picture that cannot be drawn", `Image.prototype.decode = () => Promise.reject(new Error("broken")), undefined`, saves, want.notSaved},
			{"a service that is away", `window.fetch = () => Promise.reject(new TypeError("away")), undefined`, saves, want.notSaved},
		} {
			page.Do(chromedp.Evaluate[chromedp.Void](c.script))
			page.Do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).textContent = ""`, c.button))) // which it goes back to
			page.Do(chromedp.Click(chromedp.CSS(c.button)))
			if got := browsertest.Get(page, chromedp.Poll[string](fmt.Sprintf(`document.querySelector(%q).textContent`, c.button))); got != c.want {
				t.Errorf("%s, %s: the button says %q, want %q", language, c.what, got, c.want)
			}
		}
	}
}

func TestAPagePrintsItsTablesAndNothingToPress(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "", "")
	page := browsertest.Start(t).Open(t, s.url+"/console/exhausts?channel="+ourChannel)
	page.Do(chromedp.EmulateViewport(794, 1123)) // A4
	page.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
		return err
	}))
	shown := browsertest.Get(page, chromedp.Evaluate[[]string](`["h1", "table", "thead th", "nav", ".filters", "button", "footer"].filter(
		selector => [...document.querySelectorAll(selector)].some(part => part.checkVisibility() && part.getBoundingClientRect().height > 1))`))
	if want := []string{"h1", "table", "thead th"}; !slices.Equal(shown, want) {
		t.Errorf("on paper there are %q, want %q", shown, want)
	}
}
