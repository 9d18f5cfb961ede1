package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"data-exhaust/internal/devstack"
)

// Look is how somebody looks at a page.
type Look struct {
	// Width and Height are of the window, in CSS pixels; 0 is those of before.
	Width, Height int64
	// IsDark says that he prefers a dark page.
	IsDark bool
	// Language is what his browser asks for, such as hi-IN; "" is what it asked for before.
	Language string
}

// Phone and Desk are the windows of people.
var (
	Phone = Look{Width: 390, Height: 844}
	Desk  = Look{Width: 1440, Height: 900}
)

// SetLook has somebody look so at this page and those that follow it in the tab. A language counts from the next page on.
func (p *Page) SetLook(look Look) {
	p.t.Helper()
	scheme := "light"
	if look.IsDark {
		scheme = "dark"
	}
	p.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
			return err
		}
		if look.Language == "" {
			return nil
		}
		headers := network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": look.Language}}
		_, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, headers)
		return err
	}))
	if look.Width > 0 {
		p.Do(chromedp.EmulateViewport(look.Width, look.Height))
	}
}

// CheckAccessibility fails the test with each violation that axe-core finds on the page, and where the page is wider than its
// window.
func (p *Page) CheckAccessibility(what string) {
	p.t.Helper()
	folder, err := devstack.Tool(p.t.Context(), "axe-core", os.Stderr)
	if err != nil {
		p.t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(folder, "axe.min.js"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.Do(chromedp.Evaluate[chromedp.Void](string(source)))
	for _, violation := range Get(p, chromedp.Evaluate[[]string](findViolations, chromedp.EvalAwaitPromise)) {
		p.t.Errorf("%s: %s", what, violation)
	}
	if excess := Get(p, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); excess > 0 {
		p.t.Errorf("%s: the page is %d pixels wider than its window", what, excess)
	}
}

// findViolations has axe-core, which has all its rules but those that are experimental, look at the page.
const findViolations = `axe.run().then(result => result.violations.map(violation =>
	violation.id + ": " + violation.help + ": " + violation.nodes.map(node => node.target.join(" ") + " (" + node.failureSummary + ")").join("; ")))`

// WritePicture writes the whole page as it looks into a file of a folder. It wants a font of Hindi, as people have it.
func (p *Page) WritePicture(folder, name string) {
	p.t.Helper()
	if _, err := devstack.Tool(p.t.Context(), "fonts-noto-core", os.Stderr); err != nil {
		p.t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		p.t.Fatal(err)
	}
	const quality = 100 // which is PNG
	if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s.png", strings.ReplaceAll(name, " ", "-"))), Get(p, chromedp.FullScreenshot(quality)), 0o644); err != nil {
		p.t.Fatal(err)
	}
}
