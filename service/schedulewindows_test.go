package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/config"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	rows "data-exhaust/jobs"
	"data-exhaust/service"
)

// consoleCalls are the calls of callers to the service that all tests of the package share.
func consoleCalls(t *testing.T) *service.Authorized {
	t.Helper()
	cfg, err := config.Load(settings)
	e2etest.Must(t, err)
	db, err := database.Open(t.Context(), cfg.DatabaseURL)
	e2etest.Must(t, err)
	t.Cleanup(func() { e2etest.Must(t, db.Close()) })
	log := slog.New(slog.NewTextHandler(&serviceLog, nil))
	as := service.Settings{TaskQueue: cfg.TaskQueue, Timezone: zone(t, kolkata), MaxDays: 366, ReportRetention: cfg.ReportRetention, Log: log}
	return service.NewAuthorized(
		service.NewExhausts(temporalClient, rows.New(db), nil, as), service.NewSchedules(temporalClient, "default", nil, as), nil, nil, nil, nil, nil,
		access.NewAudit(log),
	)
}

// somebody may act in these channels.
func somebody(t *testing.T, channels []string, rights ...string) access.Caller {
	t.Helper()
	parsed, err := access.ParseRights(channels, rights)
	e2etest.Must(t, err)
	return access.Caller{Name: "somebody", Rights: parsed}
}

// shownWindow is a window as a calendar shows it.
type shownWindow struct {
	from, to exhaust.Day
	state    service.WindowState
	status   exhaust.Status
}

func shown(found service.ScheduleWindows) (windows []shownWindow) {
	for _, w := range found.Windows {
		windows = append(windows, shownWindow{w.From, w.To, w.State, w.Status})
	}
	return windows
}

// backfilled makes a schedule's windows of some days.
func backfilled(t *testing.T, channel, id string, from, to exhaust.Day, count int) {
	t.Helper()
	okay[struct{}](t, channel, "POST", base+"/"+id+"/backfill", fmt.Sprintf(`{"request":{"from":%q,"to":%q}}`, from, to))
	e2etest.Eventually(t, time.Minute, "the backfill is made", func() bool {
		firings := okay[schedule](t, channel, "GET", base+"/"+id, "").Firings
		return len(firings) >= count && !slices.ContainsFunc(firings, func(f firing) bool { return f.State == "RUNNING" })
	})
}

func TestTheWindowsOfAScheduleSayWhatHasBecomeOfThem(t *testing.T) {
	t.Parallel()
	calls, caller := consoleCalls(t), somebody(t, []string{channel}, "uci-response-exhaust")
	s := create(t, "0 6 * * *", kolkata, "")
	month := daysOfLastMonth()
	backfilled(t, channel, s.ScheduleID, month[1], month[3], 3)
	// The same days asked for by hand are other exhausts: those of another day.
	okay[struct{}](t, channel, "POST", requests+"submit", fmt.Sprintf(`{"request":{"tag":%q,"dataset":"uci-response-exhaust","requestedBy":"me",
		"datasetConfig":{"conversationId":%q,"startDate":%q,"endDate":%q}}}`, "schedule-"+s.ScheduleID, conversation, month[6], month[6]))
	windows := func(from, to exhaust.Day) service.ScheduleWindows {
		t.Helper()
		found, err := calls.ScheduleWindows(t.Context(), caller, channel, s.ScheduleID, from, to)
		e2etest.Must(t, err)
		if found.HasMore {
			t.Errorf("there are more than %d windows", len(found.Windows))
		}
		return found
	}
	want := []shownWindow{
		{month[0], month[0], service.WindowEarlier, ""},
		{month[1], month[1], service.WindowMade, exhaust.Success},
		{month[2], month[2], service.WindowMade, exhaust.Success},
		{month[3], month[3], service.WindowMade, exhaust.Success},
		{month[4], month[4], service.WindowEarlier, ""},
		{month[5], month[5], service.WindowEarlier, ""},
		{month[6], month[6], service.WindowEarlier, ""},
	}
	// That of the day before fires on the first day.
	before := shownWindow{month[0].Add(-1), month[0].Add(-1), service.WindowEarlier, ""}
	found := windows(month[0], month[6])
	if got, want := shown(found), append([]shownWindow{before}, want...); !slices.Equal(got, want) {
		t.Errorf("of a new schedule\ngot  %+v\nwant %+v", got, want)
	}
	for _, w := range found.Windows {
		isMade := w.State == service.WindowMade
		if at := midnight(w.To.Add(1), zone(t, kolkata)).Add(6 * time.Hour); !w.Firing.Equal(at) {
			t.Errorf("the window of %s fires at %s", w.From, w.Firing)
		}
		if isMade != slices.ContainsFunc(jobs(t, s), func(j job) bool { return j.RequestID == w.RequestID && j.DatasetConfig["startDate"] == string(w.From) }) ||
			isMade != (w.Tag == "schedule-"+s.ScheduleID) || isMade != (w.Rows == 1) {
			t.Errorf("the window of %s has the exhaust %+v", w.From, w)
		}
	}
	if found.Schedule.ID != s.ScheduleID || found.Schedule.Zone != kolkata {
		t.Errorf("they are those of %+v", found.Schedule)
	}

	// Had it been there for a year, its firings would have been missed.
	age(t, s.ScheduleID)
	for i := range want {
		if want[i].state == service.WindowEarlier {
			want[i].state = service.WindowMissed
		}
	}
	before.state = service.WindowMissed
	if got, want := shown(windows(month[0], month[6])), append([]shownWindow{before}, want...); !slices.Equal(got, want) {
		t.Errorf("a year later\ngot  %+v\nwant %+v", got, want)
	}
	tomorrow := today().Add(1)
	coming := []shownWindow{{tomorrow, tomorrow, service.WindowComing, ""}, {tomorrow.Add(1), tomorrow.Add(1), service.WindowComing, ""}}
	if got := shown(windows(tomorrow.Add(1), tomorrow.Add(1))); !slices.Equal(got, coming) {
		t.Errorf("to come\ngot  %+v\nwant %+v", got, coming)
	}
	okay[schedule](t, channel, "PATCH", base+"/"+s.ScheduleID, `{"request":{"paused":true}}`)
	for i := range coming {
		coming[i].state = service.WindowPaused
	}
	paused := windows(tomorrow.Add(1), tomorrow.Add(1))
	if got := shown(paused); !slices.Equal(got, coming) || !paused.Schedule.Paused {
		t.Errorf("while it is paused\ngot  %+v\nwant %+v", got, coming)
	}
}

// The same request by hand, on the day of the firing, is the exhaust that the firing asks for.
func TestAWindowWhoseExhaustSomebodyAskedForByHandIsMade(t *testing.T) {
	t.Parallel()
	calls, caller := consoleCalls(t), somebody(t, []string{channel}, "uci-response-exhaust")
	s := create(t, "59 23 * * *", kolkata, `"paused":true,"tag":"by-hand-`+e2etest.Serial("")+time.Now().Format("150405.000")+`"`)
	day := today()
	tag := s.Tag[:len(s.Tag)-len(":"+channel)]
	submit := func(requestedBy string) job {
		return okay[job](t, channel, "POST", requests+"submit", fmt.Sprintf(`{"request":{"tag":%q,"dataset":"uci-response-exhaust","requestedBy":%q,
			"datasetConfig":{"conversationId":%q,"startDate":%q,"endDate":%q}}}`, tag, requestedBy, conversation, day.Add(-1), day.Add(-1)))
	}
	find := func() service.ScheduleWindow {
		t.Helper()
		found, err := calls.ScheduleWindows(t.Context(), caller, channel, s.ScheduleID, day.Add(-1), day.Add(-1))
		e2etest.Must(t, err)
		i := slices.IndexFunc(found.Windows, func(w service.ScheduleWindow) bool { return w.From == day.Add(-1) })
		if i < 0 {
			t.Fatalf("yesterday is in none of %+v", found.Windows)
		}
		return found.Windows[i]
	}
	submit("somebody else")
	if got := find(); got.State != service.WindowPaused || got.RequestID != "" {
		t.Errorf("with an exhaust of somebody else it is %+v", got)
	}
	mine := submit("me")
	if got := find(); got.State != service.WindowMade || got.RequestID != mine.RequestID || got.Tag != tag {
		t.Errorf("with exhaust %s it is %+v", mine.RequestID, got)
	}
}

func TestAWindowWhoseExhaustFailedSaysWhy(t *testing.T) {
	t.Parallel()
	const other = "0131" // whose conversation it is not
	calls, caller := consoleCalls(t), somebody(t, []string{other}, "uci-response-exhaust")
	made := okay[schedule](t, other, "POST", base, fmt.Sprintf(`{"request":{"dataset":"uci-response-exhaust","paused":true,
		"datasetConfig":{"conversationId":%q},"cron":"0 6 * * *","zone":%q}}`, conversation, kolkata))
	defer okay[struct{}](t, other, "DELETE", base+"/"+made.ScheduleID, "")
	day := daysOfLastMonth()[4]
	backfilled(t, other, made.ScheduleID, day, day, 1)
	found, err := calls.ScheduleWindows(t.Context(), caller, other, made.ScheduleID, day.Add(1), day.Add(1))
	e2etest.Must(t, err)
	if len(found.Windows) != 2 {
		t.Fatalf("got %+v, want the window that fires on the day and the one of the day", found.Windows)
	}
	if got := found.Windows[0]; got.State != service.WindowMade || got.Status != exhaust.Failed || got.Message != "No data found for conversation in DB" || got.Rows != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestWindowsAreShownWhoseDaysOrFiringLieInTheSpan(t *testing.T) {
	t.Parallel()
	calls, caller := consoleCalls(t), somebody(t, []string{channel}, "uci-response-exhaust")
	type days struct{ from, to exhaust.Day }
	for _, c := range []struct {
		name, cron, zone string
		from, to         exhaust.Day
		want             []days
		firstFiring      string // UTC
		hasMore          bool
	}{
		// 2024-01-01 is a Monday.
		{"weekly, a Wednesday", "0 6 * * 1", kolkata, "2024-01-03", "2024-01-03", []days{{"2024-01-01", "2024-01-07"}}, "2024-01-08 00:30", false},
		{"weekly, a Monday", "0 6 * * 1", kolkata, "2024-01-08", "2024-01-08", []days{{"2024-01-01", "2024-01-07"}, {"2024-01-08", "2024-01-14"}}, "2024-01-08 00:30", false},
		{"monthly, a month", "0 6 1 * *", kolkata, "2024-02-01", "2024-02-29", []days{{"2024-01-01", "2024-01-31"}, {"2024-02-01", "2024-02-29"}}, "2024-02-01 00:30", false},
		{"yearly, a day", "0 6 1 1 *", kolkata, "2024-03-01", "2024-03-01", []days{{"2024-01-01", "2024-12-31"}}, "2025-01-01 00:30", false},
		// 22:00 of the 3rd in New York is 03:00 of the 4th in UTC.
		{"a firing on the day in the schedule's zone", "0 22 * * *", "America/New_York", "2024-01-03", "2024-01-03", []days{{"2024-01-02", "2024-01-02"}, {"2024-01-03", "2024-01-03"}}, "2024-01-04 03:00", false},
		{"several firings a day, of which one has a day", "0 */6 * * *", kolkata, "2024-01-03", "2024-01-03", []days{{"2024-01-02", "2024-01-02"}, {"2024-01-03", "2024-01-03"}}, "2024-01-02 18:30", false},
		{"days after all that a cron expression can name", "0 6 * * *", kolkata, "9999-12-30", "9999-12-31", nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := create(t, c.cron, c.zone, "")
			found, err := calls.ScheduleWindows(t.Context(), caller, channel, s.ScheduleID, c.from, c.to)
			e2etest.Must(t, err)
			var got []days
			for _, w := range found.Windows {
				got = append(got, days{w.From, w.To})
			}
			if !slices.Equal(got, c.want) || found.HasMore != c.hasMore {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if len(got) > 0 && found.Windows[0].Firing.UTC().Format("2006-01-02 15:04") != c.firstFiring {
				t.Errorf("the first fires at %s, want %s", found.Windows[0].Firing, c.firstFiring)
			}
		})
	}
}

func TestWindowsOfAScheduleThatFiresEachMinuteAreThoseOfAMonthAndMore(t *testing.T) {
	t.Parallel()
	calls, caller := consoleCalls(t), somebody(t, []string{channel}, "uci-response-exhaust")
	s := create(t, "* * * * *", kolkata, `"paused":true`)
	for _, c := range []struct {
		to           exhaust.Day
		atLeast      int
		lastAtTheEnd exhaust.Day
		hasMore      bool
	}{
		{"2024-01-31", 32, "2024-01-31", false},
		{"2024-12-31", 33, "", true},
	} {
		found, err := calls.ScheduleWindows(t.Context(), caller, channel, s.ScheduleID, "2024-01-01", c.to)
		e2etest.Must(t, err)
		if len(found.Windows) < c.atLeast || found.HasMore != c.hasMore {
			t.Errorf("to %s there are %d windows, more: %t", c.to, len(found.Windows), found.HasMore)
		}
		for i, w := range found.Windows {
			if want := exhaust.Day("2023-12-31").Add(i); w.From != want || w.To != want {
				t.Errorf("window %d is %s to %s, want %s", i, w.From, w.To, want)
			}
		}
		if last := found.Windows[len(found.Windows)-1].To; c.lastAtTheEnd != "" && last != c.lastAtTheEnd {
			t.Errorf("the last ends on %s", last)
		}
	}
}

func TestWindowsBeforeAChangeOfTheTimesAreNotMissed(t *testing.T) {
	t.Parallel()
	calls, caller := consoleCalls(t), somebody(t, []string{channel}, "uci-response-exhaust")
	s := create(t, "0 2 * * 1", kolkata, "")
	age(t, s.ScheduleID)
	okay[schedule](t, channel, "PATCH", base+"/"+s.ScheduleID, `{"request":{"cron":"0 2 * * *"}}`)
	found, err := calls.ScheduleWindows(t.Context(), caller, channel, s.ScheduleID, today().Add(-30), today().Add(3))
	e2etest.Must(t, err)
	at := definition(t, s.ScheduleID).Change.At
	for _, w := range found.Windows {
		want := service.WindowEarlier
		if w.Firing.After(at) {
			want = service.WindowComing
		}
		if w.State != want {
			t.Errorf("the window of %s, which fires at %s, is %s, want %s: the change was at %s", w.From, w.Firing, w.State, want, at)
		}
	}
	if first, last := found.Windows[0], found.Windows[len(found.Windows)-1]; first.State != service.WindowEarlier || last.State != service.WindowComing {
		t.Errorf("the first is %+v, the last %+v", first, last)
	}
}

func TestASpanOfWindowsIsBounded(t *testing.T) {
	t.Parallel()
	calls, caller := consoleCalls(t), somebody(t, []string{channel}, "uci-response-exhaust")
	s := create(t, "0 6 1 * *", kolkata, "")
	for _, c := range []struct{ from, to, want string }{
		{"2023-01-01", "2024-02-04", ""}, // 400 days
		{"2023-01-01", "2024-02-05", "2023-01-01 to 2024-02-05 are 401 days: at most 400 days are accepted"},
		{"2024-01-02", "2024-01-01", "from 2024-01-02 is after to 2024-01-01: a day on or before it is accepted"},
		{"1970-12-31", "1971-01-01", "from 1970-12-31 is too early: a day from 1971-01-01 on is accepted"},
		{"", "2024-01-01", "from is empty: a day as yyyy-MM-dd is accepted"},
		{"2024-01-01", "2024-02-30", `to "2024-02-30" is not a day: a real day as yyyy-MM-dd is accepted`},
	} {
		_, err := calls.ScheduleWindows(t.Context(), caller, channel, s.ScheduleID, exhaust.Day(c.from), exhaust.Day(c.to))
		_, isInvalid := errors.AsType[*exhaust.InvalidError](err)
		if isInvalid != (c.want != "") || c.want != "" && err.Error() != c.want || c.want == "" && err != nil {
			t.Errorf("%s to %s: %v, want %s", c.from, c.to, err, c.want)
		}
	}
}

func TestWhatTheRecurringPagesAskIsForThoseWithTheRight(t *testing.T) {
	t.Parallel()
	calls := consoleCalls(t)
	private := okay[schedule](t, channel, "POST", base, fmt.Sprintf(`{"request":{"dataset":"uci-private-exhaust","paused":true,"cron":"0 6 * * *",
		"datasetConfig":{"conversationId":%q}}}`, conversation))
	defer okay[struct{}](t, channel, "DELETE", base+"/"+private.ScheduleID, "")
	response := create(t, "0 6 * * *", kolkata, `"paused":true`)
	both := []string{"uci-private-exhaust", "uci-response-exhaust"}
	const (
		none      = "no schedule available with the given id"
		forbidden = "the right uci-private-exhaust is needed in this channel, and these credentials do not have it"
	)
	for _, c := range []struct {
		name                        string
		caller                      access.Caller
		channel                     string
		ofPrivate, ofResponse, next string // errors
	}{
		{"the owner", somebody(t, []string{channel}, both...), channel, "", "", ""},
		{"a reader", somebody(t, []string{channel}, "uci-response-exhaust"), channel, forbidden, "", ""},
		{"an operator", somebody(t, nil, "operator"), channel, "", "", ""},
		{"an operator, as if it were another channel's", somebody(t, nil, "operator"), "0666", none, none, ""},
		{"a stranger", somebody(t, []string{"0666"}, both...), channel, none, none, "no channel available with the given X-Channel-ID"},
		{"a stranger, as if it were his", somebody(t, []string{"0666"}, both...), "0666", none, none, ""},
		{"nobody", access.Caller{Name: "nobody"}, channel, none, none, "no channel available with the given X-Channel-ID"},
	} {
		windows := func(id string) error {
			found, err := calls.ScheduleWindows(t.Context(), c.caller, c.channel, id, "2024-01-01", "2024-01-31")
			if err != nil && (found.Schedule.ID != "" || found.Windows != nil) {
				t.Errorf("%s is told %+v with %v", c.name, found, err)
			}
			return err
		}
		_, next := calls.NextFirings(t.Context(), c.caller, c.channel, "0 6 * * *", kolkata, 5)
		for what, got := range map[string][2]string{
			"the windows of a private exhaust":  {sentence(windows(private.ScheduleID)), c.ofPrivate},
			"the windows of a response exhaust": {sentence(windows(response.ScheduleID)), c.ofResponse},
			"the windows of nothing":            {sentence(windows(unknownSchedule)), none},
			"the next firings":                  {sentence(next), c.next},
		} {
			if got[0] != got[1] {
				t.Errorf("%s is answered of %s %q, want %q", c.name, what, got[0], got[1])
			}
		}
	}
}

func sentence(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A job_request that is away is said so, rather than that nothing was made.
func TestWindowsWithoutTheDatabaseAreNotAnswered(t *testing.T) {
	t.Parallel()
	s := create(t, "0 6 * * *", kolkata, "")
	schedules := service.NewSchedules(temporalClient, "default", nil, service.Settings{Timezone: zone(t, kolkata), MaxDays: 366})
	db, err := database.Open(t.Context(), "sqlite://"+t.TempDir()+"/away.db")
	e2etest.Must(t, err)
	e2etest.Must(t, db.Close())
	exhausts := service.NewExhausts(temporalClient, rows.New(db), nil, service.Settings{})
	found, err := schedules.Windows(context.Background(), exhausts, channel, s.ScheduleID, "2024-01-01", "2024-01-02")
	if err == nil || len(found.Windows) > 0 {
		t.Errorf("got %+v, %v", found, err)
	}
}
