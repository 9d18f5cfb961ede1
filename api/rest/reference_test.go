package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"data-exhaust/internal/browsertest"
)

// operation is one that the document describes.
type operation struct{ method, path, summary, tag string }

// operations are those of the document that the service serves.
func (a *api) operations() (all []operation) {
	a.t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(a.as("GET", "/openapi.json", "").body), &document); err != nil {
		a.t.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method, raw := range methods {
			var described struct {
				Summary string
				Tags    []string
			}
			if !slices.Contains([]string{"get", "post", "patch", "put", "delete"}, method) {
				continue
			}
			if err := json.Unmarshal(raw, &described); err != nil {
				a.t.Fatal(err)
			}
			all = append(all, operation{strings.ToUpper(method), path, described.Summary, described.Tags[0]})
		}
	}
	if len(all) == 0 {
		a.t.Fatal("the document describes no operation")
	}
	return all
}

// throughGateway serves the API below a prefix, as a gateway does that takes it away.
func (a *api) throughGateway(prefix string) string {
	a.t.Helper()
	target, err := url.Parse(a.url)
	if err != nil {
		a.t.Fatal(err)
	}
	gateway := httptest.NewServer(http.StripPrefix(prefix, httputil.NewSingleHostReverseProxy(target)))
	a.t.Cleanup(gateway.Close)
	return gateway.URL + prefix
}

// receiptKeys is a call without parameters that wants a token.
const receiptKeys = `.opblock:has([data-path="/dataset/v1/receipt-keys"])`

func TestTheReferenceShowsAndTriesTheCallsInABrowser(t *testing.T) {
	a := newAPIWith(t, withTokens, empty(t))
	token := a.mint("caller", []string{channel}, "uci-response-exhaust")
	browser := browsertest.Start(t)
	gateway := a.throughGateway("/gateway/exhaust")
	for _, c := range []struct{ name, base, form string }{
		{"with a slash", a.url, "/docs/"}, {"with slashes", a.url, "//docs//"},
		{"behind a gateway", gateway, "/docs"}, {"behind a gateway, with a slash", gateway, "/docs/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := browsertest.At(c.base)
			page := browser.Open(t, base+c.form)
			for _, o := range a.operations() {
				row := `.opblock-` + strings.ToLower(o.method) + `:has([data-path="` + o.path + `"])`
				if got := browsertest.Get(page, chromedp.Text(chromedp.CSS(row+` .opblock-summary-description`))); o.summary == "" || got != o.summary {
					t.Errorf("%s %s is shown as %q, want %q", o.method, o.path, got, o.summary)
				}
			}
			if title := browsertest.Get(page, chromedp.Title()); title != "Data Exhaust API" {
				t.Errorf("the title is %s", title)
			}

			page.Do(
				chromedp.Click(chromedp.CSS(`.scheme-container .authorize`)),
				chromedp.SendKeys(chromedp.CSS(`#auth-bearer-value`), token),
				chromedp.Click(chromedp.CSS(`form:has(#auth-bearer-value) button[type=submit]`)),
				chromedp.Click(chromedp.CSS(`.auth-container .btn-done`)),
				chromedp.Click(chromedp.CSS(receiptKeys+` .opblock-summary-control`)),
				chromedp.Click(chromedp.CSS(receiptKeys+` .try-out__btn`)),
				chromedp.Click(chromedp.CSS(receiptKeys+` .execute`)),
			)
			page.WaitForText("ekstep.analytics.dataset.receipt-keys")
			if got := browsertest.Get(page, chromedp.Text(chromedp.CSS(receiptKeys+` .request-url pre`))); path.Clean(strings.TrimSpace(got)) != path.Clean(base+"/dataset/v1/receipt-keys") {
				t.Errorf("the call went to %s", got)
			}
			if got := browsertest.Get(page, chromedp.Text(chromedp.CSS(receiptKeys+` .live-responses-table tbody .response-col_status`))); !strings.HasPrefix(got, "200") {
				t.Errorf("the call was answered %s", got)
			}
			kept := browsertest.Get(page, chromedp.Evaluate[string](`JSON.stringify([document.cookie, localStorage, sessionStorage])`))
			if kept != `["",{},{}]` {
				t.Errorf("the page has kept %s", kept)
			}
		})
	}
}

func TestTheReferenceCanBeReadWithAKeyboard(t *testing.T) {
	a := newAPI(t)
	page := browsertest.Start(t).Open(t, browsertest.At(a.url)+"/docs/")
	page.Do(chromedp.WaitVisible(chromedp.CSS(receiptKeys)))
	const hasFocus = `document.activeElement.closest('` + receiptKeys + `') !== null && document.activeElement.matches(".opblock-summary-control")`
	for presses := 1; !browsertest.Get(page, chromedp.Evaluate[bool](hasFocus)); presses++ {
		if presses > 200 {
			t.Fatal("the tabulator does not lead to a call")
		}
		page.Do(chromedp.KeyEvent(kb.Tab))
	}
	page.Do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS(receiptKeys+` .try-out__btn`)))
}

// Markdown of the document may become elements with styles of their own, as a table does whose columns are aligned.
func TestNothingThatTheDocumentSaysViolatesThePolicy(t *testing.T) {
	a := newAPI(t)
	page := browsertest.Start(t).Open(t, browsertest.At(a.url)+"/docs/")
	page.Do(chromedp.WaitVisible(chromedp.CSS(receiptKeys)))
	page.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".models-control[aria-expanded=false]")?.click()`), chromedp.WaitVisible(chromedp.CSS(`.json-schema-2020-12`)))
	// One call of each tag, one after the other: all of them take a browser a minute.
	tags := map[string]bool{}
	for _, o := range a.operations() {
		if tags[o.tag] {
			continue
		}
		tags[o.tag] = true
		row := `.opblock-` + strings.ToLower(o.method) + `:has([data-path="` + o.path + `"])`
		control := chromedp.Click(chromedp.CSS(row + ` .opblock-summary-control`))
		page.Do(control, chromedp.WaitVisible(chromedp.CSS(row+` .responses-wrapper`)), control)
	}
	models := browsertest.Get(page, chromedp.Evaluate[int](allModels+`.length`))
	if models < 10 {
		t.Errorf("it shows %d models", models)
	}
	for i := range models { // one at a time: all of them at once take a browser half a minute
		page.Do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(openModel, i), chromedp.EvalAwaitPromise))
	}
}

// allModels are the models of the page.
const allModels = `document.querySelectorAll(".models .json-schema-2020-12--embedded, .models .model-container, .models > div > .json-schema-2020-12")`

// openModel opens one of them with its fields, and closes it: what a field consists of is a model of its own. The page keeps the promise,
// which the browser may collect otherwise.
const openModel = `window.opening = (async () => {
	const model = ` + allModels + `[%d];
	model.querySelectorAll(".json-schema-2020-12-accordion[aria-expanded=false]").forEach(button => button.click());
	await new Promise(resolve => setTimeout(resolve));
	model.querySelector(".json-schema-2020-12-accordion[aria-expanded=true]")?.click();
})()`

func TestThePageOfTheReferenceCallsNoOtherHost(t *testing.T) {
	a := newAPI(t)
	page := browsertest.Start(t).Open(t, browsertest.At(a.url)+"/docs/")
	page.Do(chromedp.Evaluate[chromedp.Void](`fetch("http://elsewhere.example/").catch(() => {})`, chromedp.EvalAwaitPromise))
	isRefused := func(fault string) bool {
		return strings.HasPrefix(fault, "violates its policy: connect-src of http://elsewhere.example/ at ")
	}
	if faults := page.TakeFaults(); !slices.ContainsFunc(faults, isRefused) {
		t.Errorf("the faults are %q", faults)
	}
}

func TestAllBelowTheReferenceHasAPolicyAndNoneOfItIsLogged(t *testing.T) {
	a := newAPIWith(t, withTokens, refusing(t))
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/docs/", "200 "}, {"GET", "/docs", "200 "}, {"HEAD", "/docs/", "200 "}, {"GET", "//docs//swagger-ui.css/", "200 "}, {"GET", "/openapi.json", "200 "},
		{"GET", "/docs/swagger-ui-bundle.js.map", "404 RESOURCE_NOT_FOUND"}, {"GET", "/docs/../go.mod", "404 RESOURCE_NOT_FOUND"},
		{"GET", "/docs/viewer/LICENSE", "404 RESOURCE_NOT_FOUND"}, {"POST", "/docs/", "405 CLIENT_ERROR"}, {"DELETE", "/openapi.json", "405 CLIENT_ERROR"},
	} {
		got := a.as(c.method, c.path, "")
		if is := fmt.Sprintf("%d %s", got.status, got.code()); is != c.want {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, is, c.want)
		}
		if policy := got.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s %s has the policy %q", c.method, c.path, policy)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s may be taken for something else", c.method, c.path)
		}
	}
	if lines := a.log.About("/docs") + a.log.About("/openapi.json"); lines != "" {
		t.Errorf("the log says\n%s", lines)
	}
}
