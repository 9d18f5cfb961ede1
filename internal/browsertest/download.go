package browsertest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Download takes steps that end in a download, and returns the name under which the browser saves the file, and what it holds.
func (p *Page) Download(steps ...chromedp.Action[chromedp.Void]) (name string, content []byte) {
	p.t.Helper()
	folder := p.t.TempDir()
	p.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		info, err := chromedp.Call(ctx, target.GetTargetInfo, target.GetTargetInfoParams{})
		if err != nil {
			return err
		}
		_, err = chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: info.TargetInfo.BrowserContextID, DownloadPath: folder,
		})
		return err
	}))
	p.Do(steps...)
	for deadline := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			p.t.Fatal(err)
		}
		// While it is being written the file has another name beside.
		if len(entries) == 1 && !strings.HasSuffix(entries[0].Name(), ".crdownload") && !strings.HasPrefix(entries[0].Name(), ".") {
			if content, err = os.ReadFile(filepath.Join(folder, entries[0].Name())); err == nil && len(content) > 0 {
				return entries[0].Name(), content
			}
		}
		if time.Now().After(deadline) {
			p.t.Fatal("nothing is downloaded")
		}
	}
}
