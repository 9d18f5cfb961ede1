package console

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
)

// copied has the page press the button that copies a chart's numbers, and is what it copies.
func copied(page *browsertest.Page, name string) string {
	page.Do(chromedp.Evaluate[chromedp.Void](`document.addEventListener("copy", () => { window.copied = document.activeElement.value }, {once: true})`))
	page.Do(chromedp.Click(chromedp.CSS("#" + name + " [data-copy-table]")))
	return browsertest.Get(page, chromedp.Evaluate[string](`window.copied`))
}

// openCharts makes the exhaust of an order, and opens its charts.
func (s *site) openCharts(t *testing.T, order e2etest.Order) (*browsertest.Page, e2etest.Job) {
	t.Helper()
	job := s.Submit(t, order)
	s.Watch(order, job.RequestID).End(t, time.Minute)
	return browsertest.Start(t).Open(t, s.atExhaust(order, job.RequestID, "/charts")), job
}

func TestChartsSayWhatTheFileSays(t *testing.T) {
	s := shared(t)
	order := s.order(e2etest.ResponseExhaust, "", "")
	order.Start, order.End = lately()
	page, job := s.openCharts(t, order)
	page.WaitForText("Rows a day")
	checkLooks(t, page, "charts")

	days, hours, devices, sessions := map[string]int{}, map[int]int{}, map[string]bool{}, map[string]bool{}
	answers, titles := map[string]int{}, map[string]string{}
	file := rows(t, s.file(t, order, job.RequestID))
	for _, row := range file {
		at, err := time.Parse(time.RFC3339, row["Timestamp"])
		e2etest.Must(t, err)
		at = at.In(e2etest.India)
		days[at.Format(time.DateOnly)]++
		hours[at.Hour()]++
		devices[strings.ToLower(row["Device ID"])] = true
		if row["Session ID"] != "" {
			sessions[row["Session ID"]] = true
		}
		var given []any
		if text := row["Question Response"]; text != "" {
			e2etest.Must(t, json.Unmarshal([]byte(text), &given))
		}
		answers[row["Question Id"]] += len(given)
		titles[row["Question Id"]] = row["Question Title"]
	}
	want := "Day\tRows\n"
	first, err := time.Parse(time.DateOnly, order.Start)
	e2etest.Must(t, err)
	for i := range 30 {
		day := first.AddDate(0, 0, i).Format(time.DateOnly)
		want += fmt.Sprintf("%s\t%d\n", day, days[day])
	}
	if got := copied(page, "days"); got != want {
		t.Errorf("the days are\n%s, want\n%s", got, want)
	}
	want = "Hour\tRows\n"
	for hour := range 24 {
		want += fmt.Sprintf("%d:00\t%d\n", hour, hours[hour])
	}
	if got := copied(page, "hours"); got != want {
		t.Errorf("the hours are\n%s, want\n%s", got, want)
	}
	totals := browsertest.Get(page, chromedp.Evaluate[[]string](`[...document.querySelectorAll(".totals dd")].map(dd => dd.textContent.replaceAll(",", ""))`))
	for i, n := range []int{len(file), len(devices), len(sessions)} {
		if totals[i] != fmt.Sprint(n) {
			t.Errorf("the totals are %q, of which number %d should be %d", totals, i, n)
		}
	}
	if len(answers) == 0 {
		t.Fatal("the file has no questions")
	}
	cards := browsertest.Get(page, chromedp.Evaluate[map[string]string](`Object.fromEntries([...document.querySelectorAll("[id^=question-].card")]
		.map(card => [card.querySelector("h3").title, card.querySelector(".small").textContent.replaceAll(",", "")]))`))
	for id, n := range answers {
		if title := titles[id]; !strings.HasPrefix(cards[title], fmt.Sprintf("%d answers ·", n)) {
			t.Errorf("%q: the page says %q, the file has %d answers", title, cards[title], n)
		}
	}
}

func TestAChartIsSavedAsAPicture(t *testing.T) {
	s := shared(t)
	order := s.order(e2etest.ResponseExhaust, "", "")
	order.Start, order.End = lately()
	page, _ := s.openCharts(t, order)
	for _, chart := range []string{"days", "hours", "funnel", "question-1"} {
		name, drawn := page.Download(chromedp.Click(chromedp.CSS("#" + chart + " a[href*='.svg']")))
		if want := s.conversation + "_" + order.Start + "_" + order.End + "_" + chart + ".svg"; name != want {
			t.Errorf("%s is saved as %s", chart, name)
		}
		var root xml.StartElement
		for decoder := xml.NewDecoder(bytes.NewReader(drawn)); ; {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s is no XML: %v", chart, err)
			}
			if element, isElement := token.(xml.StartElement); isElement && root.Name.Local == "" {
				root = element
			}
		}
		if root.Name != (xml.Name{Space: "http://www.w3.org/2000/svg", Local: "svg"}) || !bytes.Contains(drawn, []byte(helpdesk)) {
			t.Errorf("%s is no SVG, or does not say what it is of: %s", chart, drawn)
		}
		name, picture := page.Download(chromedp.Click(chromedp.CSS("#" + chart + " [data-save-png]")))
		if want := s.conversation + "_" + order.Start + "_" + order.End + "_" + chart + ".png"; name != want {
			t.Errorf("%s is saved as %s", chart, name)
		}
		image, err := png.DecodeConfig(bytes.NewReader(picture))
		e2etest.Must(t, err)
		if image.Width != 808 || !bytes.Contains(drawn, fmt.Appendf(nil, `height="%d" role`, image.Height/2)) {
			t.Errorf("%s is %d × %d pixels large, of %s", chart, image.Width, image.Height, drawn[:200])
		}
	}
}

func TestChartsOfHostileTitlesAreCharts(t *testing.T) {
	s := shared(t)
	const day = "2019-02-02"
	titles := []string{
		`</svg></title><script>document.title = "run"</script><img src=x onerror=alert(1)>`, strings.Repeat("wide", 2_500),
		"\u202eright to left", "क्या आपको टीका लगा है? " + strings.Repeat("बहुत लंबा प्रश्न ", 60),
	}
	s.Telemetry.Put(t, day+"-0.json", s.events(t, 60, func(i int, event map[string]any) {
		item := event["edata"].(map[string]any)["item"].(map[string]any)
		item["id"], item["title"] = fmt.Sprintf("q%d", i%len(titles)), titles[i%len(titles)]
	}))
	order := s.order(e2etest.ResponseExhaust, day, day)
	page, _ := s.openCharts(t, order)
	page.WaitForText("Where people stopped")
	page.WaitForText(`</svg></title><script>`)
	if title := browsertest.Get(page, chromedp.Title()); !strings.HasPrefix(title, "Charts: ") {
		t.Errorf("the page's title is %q", title)
	}
	checkLooks(t, page, "charts, hostile titles")
}

func TestPeopleAreChartedByTheirConsent(t *testing.T) {
	s := shared(t)
	order := s.order(e2etest.PrivateExhaust, "", "")
	order.Start, order.End = lately()
	page, job := s.openCharts(t, order)
	page.WaitForText("Consent")
	checkLooks(t, page, "charts, private")
	var people int
	for line := range strings.Lines(copied(page, "consent")) {
		var n int
		if cells := strings.Split(line, "\t"); len(cells) == 3 {
			_, _ = fmt.Sscan(cells[1], &n) // the head has none
		}
		people += n
	}
	if want := len(rows(t, s.file(t, order, job.RequestID))); people != want {
		t.Errorf("the chart is of %d people, the file has %d rows", people, want)
	}
}
