package console

import (
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
)

func TestTheListOfExhaustsShowsAnExhaustUntilItIsReady(t *testing.T) {
	s := shared(t)
	tag := e2etest.Serial("list-")
	page := browsertest.Start(t).Open(t, s.at("/exhausts?tag="+tag))
	page.WaitForText("Nothing matches")
	checkLooks(t, page, "exhausts, none")

	s.worker().Freeze(t)
	wake := sync.OnceFunc(func() { s.worker().Wake(t) })
	t.Cleanup(wake)
	page.Do(chromedp.Evaluate[chromedp.Void](`window.isSamePage = true`))
	order := e2etest.Order{Dataset: e2etest.ResponseExhaust, Tag: tag, By: "me", Channel: s.channel, Conversation: s.conversation}
	s.Submit(t, order)
	page.WaitForText("Starting") // the page keeps itself up to date
	page.WaitForText(helpdesk)
	wake()
	page.Do(chromedp.WaitVisible(chromedp.CSS("tr .badge.SUCCESS"))) // the filter says "Ready", too
	if !browsertest.Get(page, chromedp.Evaluate[bool](`window.isSamePage === true`)) {
		t.Error("the page was loaded anew")
	}
	checkLooks(t, page, "exhausts")
}
