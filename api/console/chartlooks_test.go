package console_test

import (
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"data-exhaust/exhaust"
	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/devstack"
)

func TestNoLabelOfAChartIsDrawnOverItsNumbers(t *testing.T) {
	if _, err := devstack.Tool(t.Context(), "fonts-noto-core", os.Stderr); err != nil {
		t.Fatal(err)
	}
	s := start(t)
	var titles []string
	for _, sign := range []string{"A", "W", "m", "n", "a", "e", "s", "t", "r", "I", "Q", "@", "8", "i", "क", "की", "ণ", "ண", "ம", "ந", "ற", "ണ", "ഞ", "ಖ", "Ж", "ж", "д", "н", "日", "…"} {
		titles = append(titles, strings.Repeat(sign, 3000))
	}
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", responseSummary(titles...))
	page := browsertest.Start(t).Open(t, s.url+pathOfOurs+"/charts?channel="+ourChannel)
	checked := browsertest.Get(page, chromedp.Evaluate[int](`document.querySelectorAll("svg.chart g text").length`))
	if checked < 3*2*len(titles) { // two lines and a number of each title, in the funnel and in its own chart
		t.Errorf("the charts have %d texts", checked)
	}
	for _, fault := range browsertest.Get(page, chromedp.Evaluate[[]string](`[...document.querySelectorAll("svg.chart g")].flatMap(bar => {
		const lines = [...bar.querySelectorAll("text")].map(text => [text.textContent, text.getBBox()]);
		if (!lines.length) return [];
		const [, note] = lines.pop();
		return lines.filter(([, box], i) => box.x + box.width > (i === lines.length - 1 ? note.x - 2 : 380))
			.map(([text, box]) => text + " ends at " + box.width + ", and the number begins at " + note.x);
	})`)) {
		t.Error(fault)
	}
}
