package console

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/klauspost/compress/gzip"

	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
)

// order is a request for an exhaust of the first sample conversation, under a tag of its own.
func (s *site) order(dataset, first, last string) e2etest.Order {
	return e2etest.Order{
		Dataset: dataset, Tag: e2etest.Serial("one-"), By: "asha", Channel: s.channel, Conversation: s.conversation, Start: first, End: last,
	}
}

// lately are the last thirty days, all of which are over.
func lately() (first, last string) {
	today := time.Now().In(e2etest.India)
	return today.AddDate(0, 0, -30).Format(time.DateOnly), today.AddDate(0, 0, -1).Format(time.DateOnly)
}

// atExhaust is the URL of the page of an exhaust, or of one below it.
func (s *site) atExhaust(o e2etest.Order, requestID, below string) string {
	return s.at("/exhausts/" + o.Tag + "/" + requestID + below + "?channel=" + url.QueryEscape(o.Channel))
}

// file is the file of an exhaust as the API gives it.
func (s *site) file(t *testing.T, o e2etest.Order, requestID string) []byte {
	t.Helper()
	got := e2etest.Call(t, http.MethodGet, s.Read(t, o, requestID).DownloadURLs[0], "", "")
	if got.Status != http.StatusOK {
		t.Fatalf("the file is answered %d", got.Status)
	}
	return got.Body
}

// rows are the rows of a file, by the names of their columns.
func rows(t *testing.T, file []byte) (all []map[string]string) {
	t.Helper()
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	e2etest.Must(t, err)
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		all = append(all, row)
	}
	return all
}

// worker is the process that does the work.
func (s *site) worker() *e2etest.Process { return s.Processes[len(s.Processes)-1] }

// press clicks on the button or link with a text.
func press(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.Search(fmt.Sprintf(`//main//*[self::a or self::button or self::summary][normalize-space()=%q]`, text)))
}

func TestAnExhaustIsFollowedToItsFile(t *testing.T) {
	s := shared(t)
	order := s.order(e2etest.ResponseExhaust, "", "")
	order.Start, order.End = lately()
	s.worker().Freeze(t)
	isFrozen := true
	wake := func() {
		if isFrozen {
			isFrozen = false
			s.worker().Wake(t)
		}
	}
	t.Cleanup(wake)
	job := s.Submit(t, order)
	page := browsertest.Start(t).Open(t, s.atExhaust(order, job.RequestID, ""))
	page.WaitForText("Starting")
	page.WaitForText(helpdesk)
	checkLooks(t, page, "exhaust, starting")
	page.Do(chromedp.Evaluate[chromedp.Void](`window.isSamePage = true`))
	page.Do(press("As JSON"))

	wake()
	page.WaitForText("Ready")
	page.WaitForText("These are the first 50 rows")
	if !browsertest.Get(page, chromedp.Evaluate[bool](`window.isSamePage === true && document.querySelectorAll("#exhaust").length === 1`)) {
		t.Error("the page was loaded anew, or stands in itself")
	}
	if title := browsertest.Get(page, chromedp.Title()); !strings.HasPrefix(title, "Answers of \u2068"+helpdesk+"\u2069") || !strings.Contains(title, ": Ready – ") {
		t.Errorf("the title is %q", title)
	}
	if said := browsertest.Get(page, chromedp.Evaluate[string](`document.querySelector("[role=status]").textContent`)); !strings.HasSuffix(said, ": Ready") {
		t.Errorf("a screen reader is told %q", said)
	}
	if !browsertest.Get(page, chromedp.Evaluate[bool](`document.querySelector("#request-json").closest("details").open`)) {
		t.Error("the request that was opened has closed")
	}
	page.Do(press("As JSON"))
	checkLooks(t, page, "exhaust, ready")
	if strings.Contains(browsertest.Get(page, chromedp.OuterHTML(chromedp.CSS("html"))), "signature=") {
		t.Error("a signed URL stands in the page")
	}
	for _, details := range []string{"As JSON", "As a curl command", "As a starter command"} {
		page.Do(press(details))
		checkLooks(t, page, "exhaust, "+strings.ToLower(details))
	}

	name, content := page.Download(press("Download"))
	want := s.file(t, order, job.RequestID)
	if !bytes.Equal(content, want) || len(want) == 0 {
		t.Errorf("the file has %d bytes, the API's has %d", len(content), len(want))
	}
	if want := order.ReportName(job.RequestID, s.Read(t, order, job.RequestID).Completed()); !strings.HasSuffix(want, "/"+name) {
		t.Errorf("the file is saved as %s, want %s", name, want)
	}
	if faults := page.TakeFaults(); len(faults) != 1 || !strings.HasPrefix(faults[0], "asks another host: "+s.URL+"/files/reports/") {
		t.Errorf("beside the download of the store, the page's faults are %q", faults)
	}
	name, content = page.Download(press("Download the receipt"))
	if !strings.HasSuffix(name, ".csv.receipt.json") || !json.Valid(content) {
		t.Errorf("the receipt is saved as %s: %s", name, content)
	}
	page.TakeFaults()
}

func TestAnExhaustThatWaitsForTheNightIsMadeNow(t *testing.T) {
	s := shared(t)
	first, last := lately()
	tag, form := e2etest.Serial("night-"), s.openForm(t)
	fields := []string{"conversation", s.conversation, "dataset", e2etest.ResponseExhaust, "from", first, "to", last, "tag", tag}
	started := form.post(append(fields, "runAt", "nightly", "do", "start")...)
	if started.StatusCode != http.StatusSeeOther {
		t.Fatalf("starting it: %s, %s", started.Status, started.text)
	}
	if got := form.post(append(fields, "runAt", "now", "do", "check")...); !strings.Contains(got.text, "Starting it makes that one at once, not tonight.") {
		t.Errorf("asked for now the form does not say that it is made at once: %s", got.text)
	}
	page := browsertest.Start(t).Open(t, s.base+started.Header.Get("Location"))
	page.WaitForText("It waits for the night")
	checkLooks(t, page, "exhaust, tonight")
	at := browsertest.Get(page, chromedp.Location())
	page.Do(press("Cancel it …"))
	page.WaitForText("It is not made tonight then.")
	page.Do(press("Make it now"))
	page.WaitForText("Ready")
	if now := browsertest.Get(page, chromedp.Location()); now != at {
		t.Errorf("it has become another exhaust: %s, not %s", now, at)
	}
}

// events are lines of the sample telemetry about the first conversation, changed by edit.
func (s *site) events(t *testing.T, most int, edit func(i int, event map[string]any)) []byte {
	t.Helper()
	var lines bytes.Buffer
	for _, name := range s.Telemetry.Names(t) {
		if !strings.HasSuffix(name, ".json.gz") {
			continue
		}
		reader, err := gzip.NewReader(bytes.NewReader(s.Telemetry.Content(t, name)))
		if err != nil {
			continue // another test has put it there
		}
		decoder := json.NewDecoder(reader)
		for decoder.More() {
			var event map[string]any
			if decoder.Decode(&event) != nil {
				break
			}
			text, err := json.Marshal(event)
			e2etest.Must(t, err)
			if event["eid"] != "ASSESS" || !bytes.Contains(text, []byte(s.conversation)) || most == 0 {
				continue
			}
			most--
			edit(most, event)
			e2etest.Must(t, json.NewEncoder(&lines).Encode(event))
		}
	}
	if most > 0 {
		t.Fatalf("the sample lacks %d events", most)
	}
	return lines.Bytes()
}

func unchanged(int, map[string]any) {}

func pack(t *testing.T, text []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write(text)
	e2etest.Must(t, err)
	e2etest.Must(t, writer.Close())
	return packed.Bytes()
}

func TestAnExhaustThatWaitsSaysWhatForAndIsCancelledAndRunAgain(t *testing.T) {
	s := shared(t)
	const day = "2019-03-05"
	whole := pack(t, s.events(t, 40, unchanged))
	s.Telemetry.Put(t, day+"-late.json.gz", whole[:len(whole)/2]) // as if it were still being written
	order := s.order(e2etest.ResponseExhaust, day, day)
	job := s.Submit(t, order)
	page := browsertest.Start(t).Open(t, s.atExhaust(order, job.RequestID, ""))
	page.WaitForText("It waits, and tries again by itself:")
	page.WaitForText(day + "-late.json.gz")
	checkLooks(t, page, "exhaust, waiting")
	page.Do(press("Cancel it …"))
	page.WaitForText("What has been done so far is thrown away.")
	checkLooks(t, page, "exhaust, cancelling")
	page.Do(press("Yes, cancel it"))
	page.WaitForText("It was cancelled")
	checkLooks(t, page, "exhaust, cancelled")
	if got := s.Read(t, order, job.RequestID); got.Status != "CANCELLED" {
		t.Errorf("it is %s", got.Status)
	}

	s.Telemetry.Put(t, day+"-late.json.gz", whole)
	page.Do(press("Run it again"))
	page.WaitForText("Ready")
	page.WaitForText("Times run again")
	if got := s.Read(t, order, job.RequestID); got.Status != "SUCCESS" || got.Attempts != 1 {
		t.Errorf("it is %s after %d attempts more", got.Status, got.Attempts)
	}
}

func TestAnExhaustThatFailedSaysWhyAndIsRunAgain(t *testing.T) {
	s := shared(t)
	const day = "2019-01-01"
	order := s.order(e2etest.ResponseExhaust, day, day)
	job := s.Submit(t, order)
	page := browsertest.Start(t).Open(t, s.atExhaust(order, job.RequestID, ""))
	page.WaitForText("Nobody answered on these days.")
	checkLooks(t, page, "exhaust, failed")
	again := browsertest.Get(page, chromedp.AttributeValue(chromedp.Search(`//main//a[.="Ask again, with changes"]`), "href")).Value
	if want := "/console/new?" + (url.Values{
		"channel": {s.channel}, "conversation": {s.conversation}, "dataset": {order.Dataset}, "from": {day}, "to": {day}, "tag": {order.Tag},
	}).Encode(); again != want {
		t.Errorf("asking again leads to %s, want %s", again, want)
	}
	s.Telemetry.Put(t, day+"-0.json", s.events(t, 40, unchanged))
	page.Do(press("Run it again"))
	page.WaitForText("Ready")
}

func TestPhoneNumbersAreMaskedUntilSomebodyAsksForThem(t *testing.T) {
	s := shared(t)
	order := s.order(e2etest.PrivateExhaust, "", "")
	order.Start, order.End = lately()
	job := s.Submit(t, order)
	page := browsertest.Start(t).Open(t, s.atExhaust(order, job.RequestID, ""))
	page.WaitForText("Ready")
	var numbers []string
	for _, row := range rows(t, s.file(t, order, job.RequestID)) {
		if number := row["Decrypted Device ID"]; number != row["Device UUID"] {
			numbers = append(numbers, number)
		}
	}
	if len(numbers) == 0 {
		t.Fatal("the file has no phone number")
	}
	shown := func() int {
		text := browsertest.Get(page, chromedp.OuterHTML(chromedp.CSS("main")))
		return len(slices.Collect(func(yield func(string) bool) {
			for _, number := range numbers {
				if strings.Contains(text, strings.TrimPrefix(number, "+")) && !yield(number) {
					return
				}
			}
		}))
	}
	revealed := func() int {
		return strings.Count(s.Processes[0].Log(t), `"action":"preview.reveal","channel":"`+s.channel+`","dataset":"uci-private-exhaust","requestId":"`+job.RequestID)
	}
	page.Do(press("Show the first rows"))
	page.WaitForText("Phone numbers are masked.")
	if got := shown(); got != 0 || revealed() != 0 {
		t.Errorf("%d of %d phone numbers are shown, and %d lines of the audit log say so", got, len(numbers), revealed())
	}
	checkLooks(t, page, "exhaust, private")
	before := browsertest.Get(page, chromedp.Location())
	page.Do(press("Show the phone numbers"))
	page.WaitForText("The audit log has noted it.")
	if got := shown(); got != min(len(numbers), 50) || revealed() != 1 {
		t.Errorf("%d of %d phone numbers are shown, and %d lines of the audit log say so", got, len(numbers), revealed())
	}
	checkLooks(t, page, "exhaust, phone numbers")
	if after := browsertest.Get(page, chromedp.Location()); after != before {
		t.Errorf("the address shows them: %s", after)
	}
	page.Do(chromedp.Reload())
	page.WaitForText("Show the first rows")
	if got := shown(); got != 0 {
		t.Errorf("%d phone numbers are shown after loading the page anew", got)
	}
}

func TestAnExhaustIsShownInHindi(t *testing.T) {
	s := shared(t)
	order := s.order(e2etest.ResponseExhaust, "", "")
	order.Start, order.End = lately()
	job := s.Submit(t, order)
	page := browsertest.Start(t).Open(t, s.at("/exhausts"))
	page.SetLook(browsertest.Look{Language: "hi-IN"})
	page.Do(chromedp.Navigate(s.atExhaust(order, job.RequestID, "")))
	page.WaitForText("तैयार")
	page.WaitForText("ये पहली 50 पंक्तियाँ हैं")
	checkLooks(t, page, "exhaust, in Hindi")
	page.Do(press("चार्ट"))
	page.WaitForText("लोग कहाँ रुके")
	checkLooks(t, page, "charts, in Hindi")
}
