// Package browsertest opens pages in a real Chromium for tests, which fail with whatever went wrong on a page; it does not know
// what the pages show.
//
//	browser := browsertest.Start(t)
//	page := browser.Open(t, server.URL+"/docs/")
//	page.Do(chromedp.Click(chromedp.CSS("button")))
//	page.WaitForText("Responses")
//
// Chromium resolves no names but [Host], and so reaches this machine alone.
package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"data-exhaust/internal/devstack"
)

// Host is a name of this machine that browsers take for another one: what they allow localhost, they do not allow it.
const Host = "exhaust.example"

// timeout is for one step on a page; Chromium may be the third that starts on a machine with two cores.
const timeout = 30 * time.Second

// Browser is a Chromium of a test and its subtests.
type Browser struct{ ctx context.Context }

// Start starts Chromium, which ends with the test. It is installed first where it is missing and that is for us to do.
func Start(t *testing.T) *Browser {
	t.Helper()
	program, err := devstack.Tool(t.Context(), "chromium", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		// Its sandbox takes no root, and the pages are ours.
		chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP "+Host+" 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	// The context of the test ends before what is cleaned up, where pages are looked at once more.
	allocator, free := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("end Chromium: %v", err)
		}
		closeTab()
		free()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium (%s): %v", program, err)
	}
	return &Browser{ctx: ctx}
}

// Page is a tab with cookies and storage of its own.
type Page struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string
	// hosts are those that the page may ask, with their ports.
	hosts []string
}

// Open opens a URL in a tab of its own. When the test ends, each fault of the page that TakeFaults has not taken fails it, and a
// picture of the page is kept where it fails. Other tabs that the page opens, and workers, are not watched.
func (b *Browser) Open(t *testing.T, at string) *Page {
	t.Helper()
	p := b.open(t, at)
	t.Cleanup(func() {
		for _, fault := range p.TakeFaults() {
			t.Errorf("%s: %s", at, fault)
		}
		if t.Failed() {
			p.keepPicture()
		}
	})
	return p
}

func (b *Browser) open(t *testing.T, at string) *Page {
	t.Helper()
	parsed, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	p := &Page{t: t, hosts: []string{parsed.Host}}
	ctx, closeTab := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.note))
	t.Cleanup(closeTab)
	p.ctx = ctx
	if err := p.watch(); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	p.Do(chromedp.Navigate(at))
	return p
}

// Do takes steps, in turn. One that does not come to its end within half a minute fails the test, as an error does.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	for i, step := range steps {
		if _, err := run(p, step); err != nil {
			p.t.Fatalf("step %d of %d: %v", i+1, len(steps), err)
		}
	}
}

// Get is what an action finds, such as [chromedp.Text].
func Get[T any](p *Page, action chromedp.Action[T]) T {
	p.t.Helper()
	got, err := run(p, action)
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

func run[T any](p *Page, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// WaitForText waits until the page shows a text.
func (p *Page) WaitForText(text string) {
	p.t.Helper()
	shows := chromedp.PollFunction[bool](`text => document.body?.innerText.includes(text) ?? false`,
		chromedp.WithPollingArgs(text), chromedp.WithPollingTimeout(0))
	for deadline := time.Now().Add(timeout); ; {
		_, err := run(p, shows)
		if err == nil {
			return
		}
		// Another page may come meanwhile, and the question goes with the one before.
		isGone := strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "Cannot find context")
		if time.Now().After(deadline) || !isGone {
			p.t.Fatalf("wait for the page to show %q: %v", text, err)
		}
	}
}

// TakeFaults returns what has gone wrong on the page since it was opened or the last TakeFaults: what its policy forbade, errors
// and warnings on the console, exceptions, and requests to other hosts. They are the test's from here on.
func (p *Page) TakeFaults() []string {
	p.t.Helper()
	// Whatever the page has told of before it answers is known then.
	if _, err := run(p, chromedp.Evaluate[bool](`true`)); err != nil {
		p.t.Errorf("the page does not answer: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.faults
	p.faults = nil
	return taken
}

// binding is the function by which the script of watch reports a violation.
const binding = "reportViolation"

// watch has the page tell all that note listens to.
func (p *Page) watch() error {
	const script = `document.addEventListener("securitypolicyviolation", e => ` + binding + `(JSON.stringify({
		directive: e.effectiveDirective, blocked: e.blockedURI, source: e.sourceFile + ":" + e.lineNumber})))`
	// The tab outlives the steps: it begins with a context that has no deadline.
	if err := chromedp.Do(p.ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		return err
	}
	if _, err := chromedp.Call(ctx, log.Enable, struct{}{}); err != nil {
		return err
	}
	if _, err := chromedp.Call(ctx, runtime.AddBinding, runtime.AddBindingParams{Name: binding}); err != nil {
		return err
	}
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	return err
}

// note keeps what of an event is a fault. It runs in the loop that reads Chromium's messages.
func (p *Page) note(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Scheme != "blob" && !p.mayAsk(u.Host) {
			p.add("asks another host: " + e.Request.URL)
		}
	case *runtime.EventBindingCalled:
		var violation struct{ Directive, Blocked, Source string }
		if err := json.Unmarshal([]byte(e.Payload), &violation); err != nil {
			p.add("reports a violation that cannot be read: " + e.Payload)
			return
		}
		p.add(fmt.Sprintf("violates its policy: %s of %s at %s", violation.Directive, violation.Blocked, violation.Source))
	case *log.EventEntryAdded:
		if (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) && !p.isForeign(e.Entry.URL) {
			p.add(fmt.Sprintf("%s of the browser: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		switch e.Type {
		case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert:
			var texts []string
			for _, arg := range e.Args {
				texts = append(texts, string(arg.Value)+arg.Description)
			}
			p.add(fmt.Sprintf("%s on the console: %s", e.Type, strings.Join(texts, " ")))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.add("exception: " + text)
	}
}

// Allow lets the page lead to another host, with its port, whose faults are not the test's.
func (p *Page) Allow(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts = append(p.hosts, host)
}

func (p *Page) mayAsk(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.hosts, host)
}

// isForeign reports whether a URL is of a host that the page was let lead to.
func (p *Page) isForeign(at string) bool {
	u, err := url.Parse(at)
	return err == nil && u.Host != p.hosts[0] && p.mayAsk(u.Host)
}

func (p *Page) add(fault string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fault)
}

// keepPicture writes the page as it looks into a folder, and says where.
func (p *Page) keepPicture() {
	picture, err := run(p, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Logf("no picture of the page: %v", err)
		return
	}
	path, err := writePicture(strings.ReplaceAll(p.t.Name(), "/", "_"), picture)
	if err != nil {
		p.t.Logf("the picture of the page is not kept: %v", err)
		return
	}
	p.t.Logf("the page looks like %s", path)
}

func writePicture(name string, picture []byte) (path string, err error) {
	folder := filepath.Join(os.TempDir(), "data-exhaust-pages")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(folder, name+"-*.png")
	if err != nil {
		return "", err
	}
	_, err = file.Write(picture)
	return file.Name(), errors.Join(err, file.Close())
}

// At is the URL of a server of this machine by the name [Host].
func At(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(err) // of a test's own server
	}
	u.Host = net.JoinHostPort(Host, u.Port())
	return u.String()
}
