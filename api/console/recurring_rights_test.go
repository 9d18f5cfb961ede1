package console_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestAScheduleOfAnotherChannelIsNotThere(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	_, secret := s.mint("reader", []string{"one"}, "uci-response-exhaust")
	b := s.browser()
	b.signIn(secret)
	const schedule = "/console/recurring/aaaaaaaaaaaaaaaa"
	for _, path := range []string{"", "/change", "/backfill", "/delete"} {
		if got := b.get(schedule + path + "?channel=two"); got.status != http.StatusNotFound {
			t.Errorf("GET %s answers %d", path, got.status)
		}
		for _, do := range []string{"pause", "resume", "trigger", "start"} {
			if got := b.post("/console/recurring/new?channel=one", schedule+path, "channel", "two", "do", do); got.status != http.StatusNotFound {
				t.Errorf("POST %s, %s, answers %d", path, do, got.status)
			}
		}
	}
	for _, path := range []string{"/console/recurring/nothing?channel=one", "/console/recurring?channel=two", "/console/recurring/new?channel=two"} {
		if got := b.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s answers %d", path, got.status)
		}
	}
}

func TestNobodyMakesARecurringExhaustThatHeHasNoRightTo(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	_, secret := s.mint("reader", []string{"one"}, "uci-response-exhaust")
	b := s.browser()
	b.signIn(secret)
	page := b.get("/console/recurring/new?channel=one")
	if page.status != http.StatusOK || !strings.Contains(page.body, `value="uci-private-exhaust" disabled`) ||
		!strings.Contains(page.body, "You have no right to it in this channel.") {
		t.Errorf("%d: the dataset without a right is not shown greyed, with its reason:\n%s", page.status, page.body)
	}
	got := b.post("/console/recurring/new?channel=one", "/console/recurring/new", "channel", "one", "conversation", "bot", "dataset", "uci-private-exhaust",
		"cron", "0 6 * * 1", "zone", "Asia/Kolkata", "do", "start")
	if got.status != http.StatusForbidden || !strings.Contains(got.body, `<p class="fault" id="dataset-fault" data-fault-of="dataset">You need the right to “People” in this channel, and do not have it.`) {
		t.Errorf("asking for it all the same answers %d:\n%s", got.status, got.body)
	}
}

func TestNoOtherSiteActsOnASchedule(t *testing.T) {
	b := start(t).browser()
	b.get("/console/recurring/new?channel=one")
	for _, path := range []string{"/new", "/aaaaaaaaaaaaaaaa", "/aaaaaaaaaaaaaaaa/change", "/aaaaaaaaaaaaaaaa/backfill", "/aaaaaaaaaaaaaaaa/delete"} {
		if got := b.do(http.MethodPost, "/console/recurring"+path, "channel=one&do=start"); got.status != http.StatusForbidden {
			t.Errorf("a form without a token, to %s, answers %d", path, got.status)
		}
	}
}

func TestWhatIsTypedIsWrittenAsTextWhileTemporalIsAway(t *testing.T) {
	b := start(t).browser()
	const hostile = `"><script>alert(1)</script>`
	got := b.post("/console/recurring/new?channel=one", "/console/recurring/new", "channel", "one", "conversation", "bot", "dataset", "uci-response-exhaust",
		"cron", "0 6 * * 1", "zone", "Asia/Kolkata", "note", hostile, "tag", hostile, "webhook", hostile, "jitter", hostile, "q", hostile, "do", "check")
	if got.status != http.StatusOK || strings.Contains(got.body, "<script>alert") || !strings.Contains(got.body, "You can go on without knowing the next times.") {
		t.Errorf("%d:\n%s", got.status, got.body)
	}
}

func TestALinkWithACronExpressionHasTemporalMakeNothing(t *testing.T) {
	b := start(t).browser()
	const asked = "You can go on without knowing the next times." // Temporal is away
	const link = "/console/recurring/new?channel=one&cron=1+2+3+4+5"
	if got := b.get(link); got.status != http.StatusOK || strings.Contains(got.body, asked) || !strings.Contains(got.body, `value="1 2 3 4 5"`) {
		t.Errorf("%d: the link alone asks Temporal:\n%s", got.status, got.body)
	}
	if got := b.get("/console/recurring/new?channel=one&zone=Asia/Dubai"); strings.Contains(got.body, asked) {
		t.Errorf("%d: a link with a zone asks Temporal", got.status)
	}
	if got := b.get("/console/recurring/new?channel=one"); !strings.Contains(got.body, asked) {
		t.Errorf("%d: what the form has at first is not asked for:\n%s", got.status, got.body)
	}
	b.header.Set("HX-Request", "true")
	if got := b.get(link); !strings.Contains(got.body, asked) {
		t.Errorf("%d: what is typed is not asked for:\n%s", got.status, got.body)
	}
}
