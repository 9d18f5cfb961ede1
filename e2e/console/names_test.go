package console

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
)

// narrow is the smallest phone, and beside it a window in which the estimate just stands beside the form.
var narrow, halfDesk = browsertest.Look{Width: 320, Height: 640}, browsertest.Look{Width: 1100, Height: 800}

func TestALongNameMakesNoPageWider(t *testing.T) {
	s := shared(t)
	page := browsertest.Start(t).Open(t, s.at("/exhausts"))
	for id, name := range map[string]string{
		"1c9a5b2e-0f3d-4a57-9a43-6a3f5e2b7c10": "Uttar_Pradesh_Covid_Vaccination_Helpdesk_2026_v2",
		"1c9a5b2e-0f3d-4a57-9a43-6a3f5e2b7c11": strings.Repeat("W", 1600),
	} {
		channel := e2etest.Serial("long-names-")
		s.OlderRegistry.AddConversation(t, id, name, channel, "", "")
		paths := s.pathsOf(t, channel, id)
		for _, look := range []browsertest.Look{narrow, halfDesk} {
			page.SetLook(look)
			for _, path := range paths {
				page.Do(chromedp.Navigate(s.at(path)))
				page.WaitForText(name[:20])
				checkWidth(t, page, fmt.Sprintf("%s, %d pixels", path, look.Width))
			}
		}
	}
}

// pathsOf are the pages that show a conversation's name. An exhaust and a schedule of it are made for them.
func (s *site) pathsOf(t *testing.T, channel, conversation string) []string {
	t.Helper()
	const day = "2018-03-03"
	events := bytes.ReplaceAll(s.events(t, 20, unchanged), []byte(s.conversation), []byte(conversation))
	s.Telemetry.Put(t, day+"-"+channel+".json", bytes.ReplaceAll(events, []byte(s.channel), []byte(channel)))
	order := e2etest.Order{Dataset: e2etest.ResponseExhaust, Tag: e2etest.Serial("long-"), By: "me", Channel: channel, Conversation: conversation, Start: day, End: day}
	job := s.Watch(order, s.Submit(t, order).RequestID).End(t, time.Minute)
	if job.Status != "SUCCESS" {
		t.Fatalf("the exhaust is %+v", job)
	}
	schedule := e2etest.Call(t, http.MethodPost, s.URL+"/dataset/v1/schedule", channel, fmt.Sprintf(`{"request":{"dataset":"uci-response-exhaust","tag":%q,
		"requestedBy":"me","cron":"0 5 * * *","datasetConfig":{"type":"uci-response-exhaust","conversationId":%q}}}`, order.Tag, conversation))
	id := e2etest.Result[scheduleAnswer](t, schedule).ScheduleID
	query := "?channel=" + channel
	one, recurring := "/exhausts/"+order.Tag+"/"+job.RequestID, "/recurring/"+id
	return []string{
		"/exhausts" + query, one + query, one + "/charts" + query, "/new" + query, "/new" + query + "&conversation=" + url.QueryEscape(conversation),
		"/recurring" + query, "/recurring/new" + query, recurring + query, recurring + "/change" + query, recurring + "/backfill" + query, recurring + "/delete" + query,
	}
}

// checkWidth fails the test where the page is wider than its window, or a part of it than the card that it stands in.
func checkWidth(t *testing.T, page *browsertest.Page, what string) {
	t.Helper()
	for _, excess := range browsertest.Get(page, chromedp.Evaluate[[]string](`[document.documentElement, ...document.querySelectorAll(".card, .option, .page-head, .table td")]
		.filter(part => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline")
		.map(part => part.tagName + "." + part.className + ": " + part.scrollWidth + " in " + part.clientWidth)`)) {
		t.Errorf("%s: %s", what, excess)
	}
}
