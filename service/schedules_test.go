package service_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/service"
	"data-exhaust/workflows"
)

func TestAScheduleIsATemporalScheduleAndAnswersShowIt(t *testing.T) {
	t.Parallel()
	s := create(t, " 0  6 * * 1", "America/New_York", `"tag":"weekly","jitter":"90m","note":"for the board","unknown":1`)
	if !regexp.MustCompile(`^[a-z2-7]{16}$`).MatchString(s.ScheduleID) || len(s.Next) != 5 {
		t.Errorf("got %+v", s)
	}
	got := call(t, channel, "GET", base+"/"+s.ScheduleID, "")
	var shown map[string]any
	if err := json.Unmarshal(got.Result, &shown); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"created", "lastUpdated", "next"} {
		delete(shown, name)
	}
	want := map[string]any{
		"scheduleId": s.ScheduleID, "dataset": "uci-response-exhaust", "tag": "weekly:" + channel, "requestedBy": "me",
		"requestedChannel": channel, "datasetConfig": map[string]any{"conversationId": conversation},
		"cron": "0 6 * * 1", "zone": "America/New_York", "jitter": "1h30m", "webhook": "", "paused": false, "note": "for the board",
		"firings": []any{},
	}
	if got.ID != "ekstep.analytics.dataset.schedule.info" || !reflect.DeepEqual(shown, want) {
		t.Errorf("%s\ngot  %v\nwant %v", got.ID, shown, want)
	}
	d, err := temporalClient.ScheduleClient().GetHandle(t.Context(), "exhaust-schedule-"+s.ScheduleID).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Schedule.Spec.TimeZoneName != "America/New_York" || d.Schedule.Spec.Jitter != 90*time.Minute {
		t.Errorf("Temporal has %+v", d.Schedule.Spec)
	}
}

func TestJitterSpreadsFiringsAndLeavesTheirWindowsAlone(t *testing.T) {
	t.Parallel()
	s := create(t, "50 23 * * *", kolkata, `"jitter":"2h"`)
	from := time.Now().AddDate(0, 0, -30)
	late := map[time.Duration]bool{}
	for _, at := range listed(t, s.ScheduleID, from, time.Now()) {
		local := at.In(zone(t, kolkata))
		if local.Hour() < 12 {
			local = local.AddDate(0, 0, -1)
		}
		nominal := time.Date(local.Year(), local.Month(), local.Day(), 23, 50, 0, 0, local.Location())
		if by := at.Sub(nominal); by < 0 || by > 2*time.Hour {
			t.Errorf("a firing of %s comes at %s", nominal, at)
		}
		late[at.Sub(nominal).Round(time.Minute)] = true
	}
	if len(late) < 10 {
		t.Errorf("30 firings are late by %d different times only", len(late))
	}
	// Those that come after midnight leave the day, which is then over, to the next firing.
	windows, err := definition(t, s.ScheduleID).Windows(t.Context(), calendar(), zone(t, kolkata), from, time.Now())
	if err != nil || len(windows) < 29 {
		t.Fatal(windows, err)
	}
	for _, w := range windows {
		if day := exhaust.DayOf(w.Firing.In(zone(t, kolkata))).Add(-1); w.From != day || w.To != day {
			t.Errorf("the firing of %s covers %s to %s, want %s", w.Firing, w.From, w.To, day)
		}
	}
}

// definition is what a schedule's firings are handed.
func definition(t *testing.T, id string) exhaust.Schedule {
	t.Helper()
	d, err := temporalClient.WorkflowService().DescribeSchedule(t.Context(), &workflowservice.DescribeScheduleRequest{
		Namespace: "default", ScheduleId: "exhaust-schedule-" + id,
	})
	if err != nil {
		t.Fatal(err)
	}
	var schedule exhaust.Schedule
	if err := converter.GetDefaultDataConverter().FromPayloads(d.Schedule.Action.GetStartWorkflow().Input, &schedule); err != nil {
		t.Fatal(err)
	}
	return schedule
}

func TestATriggerMakesTheDaysSinceTheLastFiring(t *testing.T) {
	t.Parallel()
	yesterday := today().Add(-1)
	monday := today() // the last one before today, or a week ago where today is one
	for monday = monday.Add(-1); monday.Time().Weekday() != time.Monday; {
		monday = monday.Add(-1)
	}
	for _, c := range []struct {
		name, cron string
		from, to   exhaust.Day
	}{
		// Today's firing was, or is still to come: yesterday is the last day that is over.
		{"daily", "0 6 * * *", yesterday, yesterday},
		// On a Monday the week is over. Its firing was at 00:00.
		{"weekly", "0 0 * * 1", monday, yesterday},
		{"hourly", "30 * * * *", yesterday, yesterday},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := create(t, c.cron, kolkata, "")
			okay[schedule](t, channel, "POST", base+"/"+s.ScheduleID+"/trigger", "")
			got := settled(t, s.ScheduleID, 1)[0]
			want := firing{From: c.from, To: c.to, State: "COMPLETED", RequestID: got.RequestID, Status: "SUCCESS", Rows: got.Rows, Firing: got.Firing}
			if got != want || got.Rows < 2 {
				t.Errorf("got  %+v\nwant %+v with yesterday's 2 rows", got, want)
			}
			// Asked again, it is the same exhaust.
			okay[schedule](t, channel, "POST", base+"/"+s.ScheduleID+"/trigger", "")
			settled(t, s.ScheduleID, 2)
			if made := jobs(t, s); len(made) != 1 || made[0].RequestID != got.RequestID || made[0].Attempts != 0 {
				t.Errorf("there are %+v", made)
			}
		})
	}
}

func TestAFiringWithoutDataIsASuccessThatSaysSo(t *testing.T) {
	t.Parallel()
	s := create(t, "0 6 * * *", kolkata, "")
	day := lastMonth().Add(12)
	okay[struct{}](t, channel, "POST", base+"/"+s.ScheduleID+"/backfill", fmt.Sprintf(`{"request":{"from":%q,"to":%q}}`, day, day))
	got := settled(t, s.ScheduleID, 1)
	want := []firing{{
		Firing: midnight(day.Add(1), zone(t, kolkata)).Add(6 * time.Hour).UnixMilli(), From: day, To: day, State: "COMPLETED",
		RequestID: got[0].RequestID, Status: "SUCCESS", Note: fmt.Sprintf("no data from %s to %s", day, day),
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	made := jobs(t, s)
	if len(made) != 1 || made[0].Status != "SUCCESS" || len(made[0].DownloadURLs) != 1 {
		t.Errorf("there are %+v, want one exhaust with a file", made)
	}
}

func TestAFiringWhoseExhaustFailedIsAFailedWorkflow(t *testing.T) {
	t.Parallel()
	// The conversation is not this channel's.
	const other = "0131"
	made := okay[schedule](t, other, "POST", base, fmt.Sprintf(`{"request":{"dataset":"uci-response-exhaust",
		"datasetConfig":{"conversationId":%q},"cron":"0 6 * * *","zone":%q}}`, conversation, kolkata))
	okay[schedule](t, other, "POST", base+"/"+made.ScheduleID+"/trigger", "")
	var got []firing
	e2etest.Eventually(t, time.Minute, "the firing has failed", func() bool {
		got = okay[schedule](t, other, "GET", base+"/"+made.ScheduleID, "").Firings
		return len(got) == 1 && got[0].State == "FAILED"
	})
	if got[0].Status != "FAILED" || got[0].Note != "No data found for conversation in DB" {
		t.Errorf("got %+v", got)
	}
	okay[struct{}](t, other, "DELETE", base+"/"+made.ScheduleID, "")
}

func TestChangingWhenAScheduleFiresNeitherRepeatsNorLosesADay(t *testing.T) {
	t.Parallel()
	// A firing two minutes ago, which jitter holds back for long.
	ago := time.Now().In(zone(t, kolkata)).Add(-2 * time.Minute)
	pending := fmt.Sprintf("%d %d * * *", ago.Minute(), ago.Hour())
	for _, c := range []struct{ name, cron, zone, jitter, change string }{
		{"daily to weekly", "0 2 * * *", kolkata, "0s", `{"cron":"0 2 * * 1"}`},
		{"weekly to daily", "0 2 * * 1", kolkata, "0s", `{"cron":"0 2 * * *"}`},
		{"hourly to monthly", "0 * * * *", kolkata, "0s", `{"cron":"0 2 1 * *"}`},
		{"monthly to hourly", "0 2 1 * *", kolkata, "0s", `{"cron":"0 * * * *"}`},
		{"to the west", "0 20 * * *", "Pacific/Auckland", "0s", `{"zone":"America/Los_Angeles"}`},
		{"to the east", "0 20 * * *", "America/Los_Angeles", "0s", `{"zone":"Pacific/Auckland"}`},
		{"without the jitter that holds a firing back", pending, kolkata, "23h", `{"jitter":"0s"}`},
		{"to a jitter that holds a firing back", "0 2 1 * *", kolkata, "0s", `{"cron":"` + pending + `","jitter":"23h"}`},
		{"to a weekly firing that is held back", "0 2 * * *", kolkata, "0s", `{"cron":"` + fmt.Sprintf("%d %d * * %d", ago.Minute(), ago.Hour(), ago.Weekday()) + `","jitter":"23h"}`},
		{"from a firing held back to weekly", pending, kolkata, "23h", `{"cron":"0 2 * * 1","jitter":null}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := create(t, c.cron, c.zone, `"jitter":"`+c.jitter+`"`)
			age(t, s.ScheduleID)
			before := definition(t, s.ScheduleID)
			held := listed(t, s.ScheduleID, time.Now().AddDate(0, 0, -90), time.Now())
			okay[schedule](t, channel, "PATCH", base+"/"+s.ScheduleID, `{"request":`+c.change+`}`)
			after := definition(t, s.ScheduleID)
			starts := listed(t, s.ScheduleID, time.Now().AddDate(0, 0, -90), time.Now().AddDate(0, 0, 90))
			at := after.Change.At

			// What Temporal starts in fact: by the old times until the change, by the new ones from then on.
			var made []exhaust.Window
			for _, w := range windowsAround(t, before, at) {
				if start := firstFrom(held, w.Firing); !start.IsZero() && !start.After(at) {
					made = append(made, w)
				}
			}
			for _, w := range windowsAround(t, after, at) {
				if start := firstFrom(starts, w.Firing); start.After(at) {
					made = append(made, w)
				}
			}
			follow(t, "windows made", made)
			// What a backfill makes with the new times, now.
			follow(t, "windows of a backfill", windowsAround(t, after, at))
		})
	}
}

// age makes a schedule one of a year ago, which has fired since.
func age(t *testing.T, id string) {
	t.Helper()
	s := definition(t, id)
	s.CreatedAt = s.CreatedAt.AddDate(-1, 0, 0)
	input, err := converter.GetDefaultDataConverter().ToPayloads(s)
	if err != nil {
		t.Fatal(err)
	}
	d, err := temporalClient.WorkflowService().DescribeSchedule(t.Context(), &workflowservice.DescribeScheduleRequest{
		Namespace: "default", ScheduleId: "exhaust-schedule-" + id,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Schedule.Action.GetStartWorkflow().Input = input
	if _, err := temporalClient.WorkflowService().UpdateSchedule(t.Context(), &workflowservice.UpdateScheduleRequest{
		Namespace: "default", ScheduleId: "exhaust-schedule-" + id, Schedule: d.Schedule,
	}); err != nil {
		t.Fatal(err)
	}
	if definition(t, id).CreatedAt != s.CreatedAt {
		t.Fatal("the schedule did not age")
	}
}

func TestAScheduleThatHasNotFiredYetIsChangedAsIfMadeSo(t *testing.T) {
	t.Parallel()
	s := create(t, "0 2 1 1 *", kolkata, "")
	okay[schedule](t, channel, "PATCH", base+"/"+s.ScheduleID, `{"request":{"cron":"0 2 1 * *"}}`)
	days := daysOfLastMonth()
	got := okay[struct {
		Windows []struct{ From, To exhaust.Day }
	}](t, channel, "POST", base+"/"+s.ScheduleID+"/backfill",
		fmt.Sprintf(`{"request":{"from":%q,"to":%q}}`, days[3], days[3])).Windows
	if len(got) != 1 || got[0].From != days[0] || got[0].To != days[len(days)-1] {
		t.Errorf("got %v, want last month", got)
	}
}

// firstFrom is the first of these times that is not before another: when the firing of that time starts.
func firstFrom(times []time.Time, at time.Time) time.Time {
	for _, t := range times {
		if !t.Before(at) {
			return t
		}
	}
	return time.Time{}
}

// windowsAround are a schedule's windows of 60 days before a time and 60 days after it.
func windowsAround(t *testing.T, s exhaust.Schedule, at time.Time) (windows []exhaust.Window) {
	t.Helper()
	for after, until := at.AddDate(0, 0, -60), at.AddDate(0, 0, 60); ; {
		page, err := s.Windows(t.Context(), calendar(), zone(t, kolkata), after, until)
		if err != nil {
			t.Fatal(err)
		}
		windows = append(windows, page...)
		if len(page) < exhaust.CalendarPage {
			return windows
		}
		after = page[len(page)-1].Firing
	}
}

// follow fails the test unless each window begins on the day after the one before it, over 60 days at
// least.
func follow(t *testing.T, what string, windows []exhaust.Window) {
	t.Helper()
	var first, last exhaust.Day
	for _, w := range windows {
		switch {
		case w.Empty():
			continue
		case first == "":
			first = w.From
		case w.From != last.Add(1):
			t.Errorf("%s: that of %s begins on %s, the one before ended on %s", what, w.Firing, w.From, last)
		}
		last = w.To
	}
	if first == "" || first.DaysTo(last) < 60 {
		t.Errorf("%s: they go from %s to %s only", what, first, last)
	}
}

func TestAScheduleIsPausedResumedAndDeleted(t *testing.T) {
	t.Parallel()
	s := create(t, "0 6 * * *", kolkata, `"paused":true,"note":"waits for the board"`)
	if !s.Paused || len(s.Next) != 0 || s.Note != "waits for the board" {
		t.Errorf("made paused: got %+v", s)
	}
	resumed := okay[schedule](t, channel, "PATCH", base+"/"+s.ScheduleID, `{"request":{"paused":false,"note":null}}`)
	if resumed.Paused || len(resumed.Next) != 5 || resumed.Note != "" {
		t.Errorf("resumed: got %+v", resumed)
	}
	paused := okay[schedule](t, channel, "PATCH", base+"/"+s.ScheduleID, `{"request":{"paused":true}}`)
	d, err := temporalClient.ScheduleClient().GetHandle(t.Context(), "exhaust-schedule-"+s.ScheduleID).Describe(t.Context())
	if err != nil || !paused.Paused || !d.Schedule.State.Paused {
		t.Errorf("paused: got %+v, Temporal has %+v, %v", paused, d, err)
	}
	okay[struct{}](t, channel, "DELETE", base+"/"+s.ScheduleID, "")
	for _, method := range []string{"GET", "DELETE", "PATCH"} {
		got := call(t, channel, method, base+"/"+s.ScheduleID, `{"request":{"paused":true}}`)
		if got.Status != 404 || got.ErrMsg != "no schedule available with the given id" {
			t.Errorf("%s after DELETE: %d %s", method, got.Status, got.ErrMsg)
		}
	}
}

func TestChangesAtTheSameTimeAllTakeEffect(t *testing.T) {
	t.Parallel()
	s := create(t, "0 6 * * *", kolkata, "")
	done := make(chan answer, 3)
	for _, change := range []string{`{"note":"a"}`, `{"paused":true}`, `{"cron":"0 7 * * *"}`} {
		go func() { done <- call(t, channel, "PATCH", base+"/"+s.ScheduleID, `{"request":`+change+`}`) }()
	}
	for range 3 {
		if got := <-done; got.Status != 200 {
			t.Errorf("%d %s", got.Status, got.ErrMsg)
		}
	}
	if got := read(t, s.ScheduleID); got.Note != "a" || !got.Paused || got.Cron != "0 7 * * *" {
		t.Errorf("got %+v", got)
	}
}

func TestASchedulesExhaustsAndNothingElseOfItAreSeenInItsChannelOnly(t *testing.T) {
	t.Parallel()
	s := create(t, "0 6 * * *", kolkata, "")
	const nasty = `O'Neil" OR ExhaustChannel != '\`
	body := fmt.Sprintf(`{"request":{"dataset":"uci-response-exhaust","datasetConfig":{"conversationId":%q},"cron":"0 6 * * *"}}`, conversation)
	other := okay[schedule](t, nasty, "POST", base, body)
	if other.Zone != kolkata {
		t.Errorf("the zone is %s, want EXHAUST_TIMEZONE", other.Zone)
	}
	list := func(channel string) (ids []string) {
		for _, s := range okay[struct{ Schedules []schedule }](t, channel, "GET", base, "").Schedules {
			ids = append(ids, s.ScheduleID)
		}
		return ids
	}
	e2etest.Eventually(t, time.Minute, "both are listed", func() bool {
		return strings.Contains(fmt.Sprint(list(channel)), s.ScheduleID) && reflect.DeepEqual(list(nasty), []string{other.ScheduleID})
	})
	if got := fmt.Sprint(list(channel)); strings.Contains(got, other.ScheduleID) {
		t.Errorf("channel %s sees %s", channel, got)
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"PATCH", "", `{"request":{"paused":true}}`}, {"DELETE", "", ""}, {"POST", "/trigger", ""},
		{"POST", "/backfill", `{"request":{"from":"2026-01-01","to":"2026-01-01"}}`},
	} {
		got := call(t, channel, c.method, base+"/"+other.ScheduleID+c.path, c.body)
		if got.Status != 404 || got.ErrMsg != "no schedule available with the given id" {
			t.Errorf("%s %s of another channel: %d %s", c.method, c.path, got.Status, got.ErrMsg)
		}
	}
	if got := okay[schedule](t, nasty, "GET", base+"/"+other.ScheduleID, ""); got.Paused {
		t.Error("another channel paused it")
	}
	okay[struct{}](t, nasty, "DELETE", base+"/"+other.ScheduleID, "")
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	request := func(replace ...string) string {
		body := `{"request":{"dataset":"uci-response-exhaust","datasetConfig":{"conversationId":"c"},"cron":"0 6 * * 1","zone":"Asia/Kolkata","jitter":"","webhook":"","paused":null,"note":""}}`
		return strings.NewReplacer(replace...).Replace(body)
	}
	s := create(t, "0 6 1 * *", kolkata, "")
	one, yesterday := base+"/"+s.ScheduleID, today().Add(-1)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", base, ``, "the request body is empty: a JSON object is accepted"},
		{"POST", base, `{"request":{}}`, "dataset is empty"},
		{"POST", base, request(`{"conversationId":"c"}`, `{}`), "datasetConfig is empty"},
		{"POST", base, request(`"c"}`, `"c","startDate":"2022-03-01"}`), "datasetConfig.startDate and endDate have no place in a schedule: each firing covers the days since the one before it"},
		{"POST", base, request(`0 6 * * 1`, ``), "cron is empty: five fields (minute, hour, day of month, month, day of week), such as 0 6 * * 1, are accepted"},
		{"POST", base, request(`0 6 * * 1`, `@daily`), `cron "@daily" is not valid: five fields (minute, hour, day of month, month, day of week), such as 0 6 * * 1, are accepted`},
		{"POST", base, request(`0 6 * * 1`, `CRON_TZ=UTC 6 * * 1`), `cron "CRON_TZ=UTC 6 * * 1" is not valid: five fields (minute, hour, day of month, month, day of week), such as 0 6 * * 1, are accepted`},
		{"POST", base, request(`0 6 * * 1`, `0 25 * * 1`), `cron "0 25 * * 1" in zone Asia/Kolkata is not valid: Invalid schedule spec: Hour is not in range [0-23]`},
		{"POST", base, request(`0 6 * * 1`, `0 6 30 2 *`), `cron "0 6 30 2 *" never fires`},
		{"POST", base, request(`0 6 * * 1`, `0 6 29 2 *`), `cron "0 6 29 2 *" leaves 2024-02-29 to 2028-02-28 to one firing, which are 1461 days: at most 366 days are accepted`},
		{"POST", base, request(`Asia/Kolkata`, `Local`), `zone "Local" is unknown: an IANA name such as Asia/Kolkata is accepted`},
		{"POST", base, request(`Asia/Kolkata`, `IST-5:30`), `zone "IST-5:30" is unknown: an IANA name such as Asia/Kolkata is accepted`},
		{"POST", base, request(`"jitter":""`, `"jitter":"25h"`), `jitter "25h" is not valid: a duration from 0s to 24h, such as 10m, is accepted`},
		{"POST", base, request(`"paused":null`, `"paused":"yes"`), "paused is not a boolean: true or false is accepted"},
		{"POST", base, request(`"webhook":""`, `"webhook":"ftp://example.org/token"`), "webhook is not valid: an https or http URL with a host is accepted"},
		{"POST", base, request(`"webhook":""`, `"webhook":"https://me:token@example.org/"`), "webhook holds a user or password before its host: a URL without is accepted"},
		{"POST", base, request(`"note":""`, `"encryptionKey":"k"`), "encryptionKey has no place in a schedule: it is kept nowhere, so a firing could not use it"},
		{"POST", base, request(`"note":""`, `"note":"`+strings.Repeat("n", 501)+`"`), "note is not valid: at most 500 characters are accepted"},
		{"PATCH", one, `{"request":{}}`, "request is empty: cron, zone, jitter, webhook, purpose, paused and note are accepted"},
		{"PATCH", one, `{"request":{"tag":"t"}}`, "tag cannot be changed: cron, zone, jitter, webhook, purpose, paused and note are accepted"},
		{"PATCH", one, `{"request":{"cron":5}}`, "cron is not a string"},
		{"PATCH", one, `{"request":{"paused":null}}`, "paused is not a boolean: true or false is accepted"},
		{"PATCH", one, `{"request":{"cron":"0 6 29 2 *"}}`, ""},
		{"POST", one + "/backfill", `{"request":{"to":"2026-01-01"}}`, "from is empty: a day as yyyy-MM-dd is accepted"},
		{"POST", one + "/backfill", `{"request":{"from":"2026-02-30","to":"2026-03-01"}}`, `from "2026-02-30" is not a day: a real day as yyyy-MM-dd is accepted`},
		{"POST", one + "/backfill", `{"request":{"from":"2026-03-02","to":"2026-03-01"}}`, "from 2026-03-02 is after to 2026-03-01: a day on or before it is accepted"},
		{"POST", one + "/backfill", fmt.Sprintf(`{"request":{"from":"2026-03-02","to":%q}}`, today()), fmt.Sprintf("to %s is not over: a day up to yesterday (%s) is accepted", today(), yesterday)},
		{"POST", one + "/backfill", `{"request":{"from":"1969-01-01","to":"2026-03-01"}}`, "from 1969-01-01 is too early: a day from 1971-01-01 on is accepted"},
		{"POST", one + "/backfill", `{"request":{"from":"1980-03-02","to":"2026-03-01"}}`, "the schedule fires more than 500 times from 1980-03-02 to 2026-03-01: ask for fewer days"},
	} {
		got := call(t, channel, c.method, c.path, c.body)
		if got.Status != 400 || c.want != "" && got.ErrMsg != c.want {
			t.Errorf("%s %s %s\ngot  %d %s\nwant 400 %s", c.method, c.path, c.body, got.Status, got.ErrMsg, c.want)
		}
	}
	if got := call(t, "", "POST", base, request()); got.ErrMsg != "X-Channel-ID is missing in request header" {
		t.Errorf("without a channel: %d %s", got.Status, got.ErrMsg)
	}
	if got := read(t, s.ScheduleID); got.Cron != "0 6 1 * *" {
		t.Errorf("a refused change took effect: %+v", got)
	}
}

func TestAScheduleWhoseWindowsNoExhaustMayCoverIsRefused(t *testing.T) {
	t.Parallel()
	schedules := service.NewSchedules(temporalClient, "default", nil, service.Settings{TaskQueue: "nobody", Timezone: zone(t, kolkata), MaxDays: 7})
	draft := func(cron, zone string) service.ScheduleDraft {
		return service.ScheduleDraft{
			Submission: exhaust.Submission{Dataset: "uci-response-exhaust", Channel: channel, DatasetConfig: []byte(`{"conversationId":"c"}`)},
			Cron:       cron, Zone: zone,
		}
	}
	weekly, err := schedules.Create(t.Context(), draft("0 6 * * 1", kolkata))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := schedules.Delete(context.Background(), channel, weekly.ID); err != nil {
			t.Error(err)
		}
	}()
	monthly := `^cron "0 6 1 \* \*" leaves \d{4}-\d\d-01 to \d{4}-\d\d-\d\d to one firing, which are (28|29|30|31) days: at most 7 days are accepted$`
	_, created := schedules.Create(t.Context(), draft("0 6 1 * *", kolkata))
	_, changed := schedules.Change(t.Context(), channel, weekly.ID, service.SchedulePatch{"cron": json.RawMessage(`"0 6 1 * *"`)})
	// Spring leaves 02:30 out on a Sunday, and the next firing has two weeks.
	_, spring := schedules.Create(t.Context(), draft("30 2 * * 0", "America/New_York"))
	for _, c := range []struct {
		err  error
		want string
	}{
		{created, monthly},
		{changed, `^cron "0 6 1 \* \*" leaves .* at most 7 days are accepted$`},
		{spring, `^cron "30 2 \* \* 0" leaves 2027-03-07 to 2027-03-20 to one firing, which are 14 days: at most 7 days are accepted$`},
	} {
		var invalid *exhaust.InvalidError
		if !errors.As(c.err, &invalid) || !regexp.MustCompile(c.want).MatchString(invalid.Sentence) {
			t.Errorf("got %v, want %s", c.err, c.want)
		}
	}
}

func TestABackfillMakesEachWindowOnceHoweverOftenItIsAsked(t *testing.T) {
	t.Parallel()
	s := create(t, "0 6 * * *", kolkata, "")
	days := daysOfLastMonth()
	body := fmt.Sprintf(`{"request":{"from":%q,"to":%q}}`, days[0], days[len(days)-1])
	type window struct{ From, To exhaust.Day }
	type backfill struct {
		Count   int
		Windows []window
	}
	want := backfill{Count: len(days)}
	for _, day := range days {
		want.Windows = append(want.Windows, window{day, day})
	}
	backfillOnce := func() {
		t.Helper()
		if got := okay[backfill](t, channel, "POST", base+"/"+s.ScheduleID+"/backfill", body); !reflect.DeepEqual(got, want) {
			t.Fatalf("the backfill answered %v, want %v", got, want)
		}
	}
	made := func() map[string]string {
		byDay := map[string]string{}
		for _, j := range jobs(t, s) {
			byDay[j.DatasetConfig["startDate"]+" "+j.DatasetConfig["endDate"]+" "+j.RequestID] =
				fmt.Sprint(j.Status, " attempt ", j.Attempts, " rows ", j.Progress.RowsWritten)
		}
		return byDay
	}
	// Twice at once, of which Temporal starts a firing that still runs once, and again when all is made.
	backfillOnce()
	backfillOnce()
	var first map[string]string
	e2etest.Eventually(t, time.Minute, "the month is made", func() bool {
		return len(closed(t, s.ScheduleID)) >= len(days) && !strings.Contains(fmt.Sprint(read(t, s.ScheduleID).Firings), "RUNNING")
	})
	first = made()
	if len(first) != len(days) {
		t.Errorf("%d exhausts were made, want %d", len(first), len(days))
	}
	for key, got := range first {
		rows := 1
		if key[8:10] == "13" {
			rows = 0
		}
		// Contract section 1; the day of submission is that of the window's firing.
		sum := md5.Sum(fmt.Appendf(nil, "schedule-%s|uci-response-exhaust|me|%s|%s|csv|{\"conversationId\":%q,\"endDate\":%q,\"startDate\":%q}",
			s.ScheduleID, channel, exhaust.Day(key[:10]).Add(1), conversation, key[:10], key[:10]))
		if want := fmt.Sprintf("%X", sum); key[22:] != want {
			t.Errorf("the exhaust of %s has the requestId %s, want %s", key[:10], key[22:], want)
		}
		if key[:10] != key[11:21] || got != fmt.Sprintf("SUCCESS attempt 0 rows %d", rows) {
			t.Errorf("%s: got %s, want a day's SUCCESS at the first attempt with %d rows", key, got, rows)
		}
	}
	before := len(closed(t, s.ScheduleID))
	backfillOnce()
	e2etest.Eventually(t, time.Minute, "the last backfill's firings have ended", func() bool { return len(closed(t, s.ScheduleID)) >= before+len(days) })
	if again := made(); !reflect.DeepEqual(again, first) {
		t.Errorf("after the last backfill there is\n%v\nwant the same as after the first\n%v", again, first)
	}
}

func TestAWebhookTellsOfAFileEvenWhereTheReceiverFailsAtFirstAndTheScheduleIsDeleted(t *testing.T) {
	t.Parallel()
	type delivery struct {
		header http.Header
		body   []byte
	}
	var (
		got     = make(chan delivery, 10)
		answers = make(chan int, 10)
	)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- delivery{r.Header, body}
		w.WriteHeader(<-answers)
	}))
	defer receiver.Close()
	former := okay[webhookSecret](t, channel, "POST", secretPath, "").WebhookSecret
	s := create(t, "0 6 * * *", kolkata, fmt.Sprintf(`"tag":"told","webhook":%q`, receiver.URL+"/hook?token=T0KEN"))
	if s.Webhook != strings.TrimPrefix(receiver.URL, "http://") {
		t.Errorf("the answer shows the webhook %s", s.Webhook)
	}
	replaced := okay[webhookSecret](t, channel, "POST", secretPath, "").WebhookSecret
	okay[schedule](t, channel, "POST", base+"/"+s.ScheduleID+"/trigger", "")
	first := <-got
	// The firing runs. Without its schedule it goes on.
	okay[struct{}](t, channel, "DELETE", base+"/"+s.ScheduleID, "")
	answers <- 500
	second := <-got
	answers <- 200
	var result workflows.Firing
	firings := closed(t, s.ScheduleID)
	e2etest.Eventually(t, time.Minute, "the firing has ended", func() bool { firings = closed(t, s.ScheduleID); return len(firings) == 1 })
	if err := temporalClient.GetWorkflow(t.Context(), firings[0], "").Get(t.Context(), &result); err != nil {
		t.Fatal(err)
	}
	if result.Webhook != "delivered to "+s.Webhook || result.Rows != 2 {
		t.Errorf("the firing came to %+v", result)
	}
	id := s.ScheduleID + "-" + result.RequestID + "-0"
	if first.header.Get("webhook-id") != id || second.header.Get("webhook-id") != id {
		t.Errorf("the deliveries are %s and %s, want %s", first.header.Get("webhook-id"), second.header.Get("webhook-id"), id)
	}
	for _, secret := range []string{former, replaced} {
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil || !strings.HasPrefix(secret, "whsec_") {
			t.Fatalf("the API showed no secret: %v", err)
		}
		for _, delivery := range []delivery{first, second} {
			if err := webhook.Verify(delivery.body, delivery.header); err != nil {
				t.Errorf("it is not verified with a secret that the API showed: %v", err)
			}
		}
	}
	var body map[string]any
	if err := json.Unmarshal(second.body, &body); err != nil {
		t.Fatal(err)
	}
	delete(body, "ts")
	yesterday := string(today().Add(-1))
	want := map[string]any{
		"event": "exhaust.ready", "scheduleId": s.ScheduleID, "requestId": result.RequestID, "tag": "told", "channel": channel,
		"dataset": "uci-response-exhaust", "status": "SUCCESS", "from": yesterday, "to": yesterday, "rows": 2.0,
		"readUrl": api + "/dataset/v1/request/read/told?requestId=" + result.RequestID,
	}
	if !reflect.DeepEqual(body, want) {
		t.Errorf("the body is %v\nwant %v", body, want)
	}
	// The link leads to the file.
	read := okay[job](t, channel, "GET", strings.TrimPrefix(want["readUrl"].(string), api), "")
	if read.Status != "SUCCESS" || len(read.DownloadURLs) != 1 {
		t.Errorf("the read link answers %+v", read)
	}
	// The token and the secrets are nowhere to be seen.
	history, err := json.Marshal(events(t, firings[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"T0KEN", former, replaced, strings.TrimPrefix(former, "whsec_"), strings.TrimPrefix(replaced, "whsec_"), secret, sealing} {
		if len(history) < 1000 || strings.Contains(string(history), hidden) || strings.Contains(serviceLog.String(), hidden) {
			t.Error("the webhook's token, a secret or a key stands in the history or in the log")
		}
	}
}

// events are what a workflow's history says, payloads decoded.
func events(t *testing.T, workflowID string) (all []string) {
	t.Helper()
	iterator := temporalClient.GetWorkflowHistory(t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, event.String())
	}
	return all
}

func TestAWebhookIsRefusedWhereItCannotBeSigned(t *testing.T) {
	t.Parallel()
	secrets := service.NewWebhookSecrets(nil, exhaust.WebhookKeys{Signing: secret, Sealing: sealing})
	for _, c := range []struct {
		secrets *service.WebhookSecrets
		url     string
		want    string
	}{
		{nil, "https://example.org/token", "webhook cannot be used: the service has no EXHAUST_WEBHOOK_SECRET to sign it with"},
		{secrets, "http://127.0.0.1:8080/token", "webhook goes to 127.0.0.1: only public addresses are accepted, unless EXHAUST_WEBHOOK_ALLOW_PRIVATE is true"},
		{secrets, "http://LocalHost./token", "webhook goes to LocalHost.: only public addresses are accepted, unless EXHAUST_WEBHOOK_ALLOW_PRIVATE is true"},
		{secrets, "http://[fd00:ec2::254]/token", "webhook goes to fd00:ec2::254: only public addresses are accepted, unless EXHAUST_WEBHOOK_ALLOW_PRIVATE is true"},
	} {
		schedules := service.NewSchedules(temporalClient, "default", c.secrets, service.Settings{TaskQueue: "nobody", Timezone: zone(t, kolkata), MaxDays: 366})
		_, err := schedules.Create(t.Context(), service.ScheduleDraft{
			Submission: exhaust.Submission{Dataset: "uci-response-exhaust", Channel: channel, DatasetConfig: []byte(`{"conversationId":"c"}`)},
			Cron:       "0 6 * * *", Webhook: c.url,
		})
		var invalid *exhaust.InvalidError
		if !errors.As(err, &invalid) || invalid.Sentence != c.want {
			t.Errorf("%s: got %v, want %s", c.url, err, c.want)
		}
	}
}
