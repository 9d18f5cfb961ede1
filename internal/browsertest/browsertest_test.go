package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// serve serves one page under a policy that allows the script and nothing else, and that script.
func serve(t *testing.T, body, script string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src * data:")
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><body>%s<script src="/script.js"></script>`, body)
		case "/script.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, script)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return At(server.URL) + "/"
}

func TestEachFaultOfAPageIsFound(t *testing.T) {
	browser := Start(t)
	for _, c := range []struct{ name, body, script, want string }{
		{"a script within the page", `<script>document.title = "run"</script>`, ``, "violates its policy: script-src-elem of inline at "},
		{"a style of an element", `<p style="color: red">red</p>`, ``, "violates its policy: style-src-attr of inline at "},
		{"code made of text", ``, `try { eval("1") } catch {}`, "violates its policy: script-src of eval at "},
		{"an image of another host", `<img src="http://elsewhere.example/a.png" alt="">`, ``, "asks another host: http://elsewhere.example/a.png"},
		{"a call that another port would answer", ``, `fetch("http://` + Host + `:1/").catch(() => {})`, "violates its policy: connect-src of http://" + Host + ":1/"},
		{"an error on the console", ``, `console.error("no", "luck")`, `error on the console: "no" "luck"`},
		{"a warning on the console", ``, `console.warn("soon")`, `warning on the console: "soon"`},
		{"an exception", ``, `throw new Error("unexpected")`, "exception: Uncaught Error: unexpected"},
		{"a promise that nobody catches", ``, `Promise.reject(new Error("unexpected"))`, "exception: Uncaught (in promise) Error: unexpected"},
		{"a file that is missing", ``, `fetch("/missing")`, "error of the browser: Failed to load resource: the server responded with a status of 404 (Not Found)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := browser.open(t, serve(t, c.body, c.script))
			var faults []string
			isFound := func(fault string) bool { return strings.HasPrefix(fault, c.want) }
			for deadline := time.Now().Add(timeout); !slices.ContainsFunc(faults, isFound); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the faults are %q, want %q", faults, c.want)
				}
				faults = append(faults, page.TakeFaults()...)
			}
		})
	}
}

func TestAPageWithoutFaultsHasNone(t *testing.T) {
	page := Start(t).Open(t, serve(t, `<p>before</p>`, `console.log("fine"); setTimeout(() => document.querySelector("p").textContent = "after", 50)`))
	page.WaitForText("after")
	if got := Get(page, chromedp.Text(chromedp.CSS("p"))); got != "after" {
		t.Errorf("the page shows %q", got)
	}
	if faults := page.TakeFaults(); len(faults) > 0 {
		t.Errorf("the faults are %q", faults)
	}
}

func TestPagesShareNoStorage(t *testing.T) {
	browser := Start(t)
	at := serve(t, ``, ``)
	one, two := browser.Open(t, at), browser.Open(t, at)
	one.Do(chromedp.Evaluate[chromedp.Void](`localStorage.setItem("a", "b")`))
	if got := Get(two, chromedp.Evaluate[int](`localStorage.length`)); got != 0 {
		t.Errorf("the other page has %d items", got)
	}
}
