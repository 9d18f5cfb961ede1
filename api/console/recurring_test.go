package console

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

func TestCronExpressionsAreSaidInWordsWhereThereAreSome(t *testing.T) {
	english, hindi := readerWith(t, "en-GB", ""), readerWith(t, "hi-IN", "")
	for _, c := range []struct{ cron, english, hindi string }{
		{"0 6 * * *", "Every day at 06:00", "हर दिन सुबह 6:00 बजे"},
		{"30 18 * * 1", "Every Monday at 18:30", "हर सोमवार शाम 6:30 बजे"},
		{"30 18 * * 0", "Every Sunday at 18:30", "हर रविवार शाम 6:30 बजे"},
		{"30 18 * * 7", "Every Sunday at 18:30", "हर रविवार शाम 6:30 बजे"},
		{"5 0 * * fri", "Every Friday at 00:05", "हर शुक्रवार रात 12:05 बजे"},
		{"5 0 * * MON-FRI", "Monday to Friday at 00:05", "सोमवार से शुक्रवार रात 12:05 बजे"},
		{"0 6 1 * *", "On the 1st of each month at 06:00", "हर महीने की 1 तारीख को सुबह 6:00 बजे"},
		{"0 6 28 * *", "On day 28 of each month at 06:00", "हर महीने की 28 तारीख को सुबह 6:00 बजे"},
		{"0 6 31 * *", "On day 31 of each month that has one, at 06:00", "जिन महीनों में 31 तारीख होती है, उनमें उस दिन सुबह 6:00 बजे"},
		{"0 6 1 * 1", "", ""}, // either of them
		{"0 6 1 1 *", "", ""},
		{"0 6 * * 1,3", "", ""},
		{"0 */2 * * *", "", ""},
		{"* 6 * * *", "", ""},
		{"60 6 * * *", "", ""},
		{"0 24 * * *", "", ""},
		{"0 6 32 * *", "", ""},
		{"0 6 * * 8", "", ""},
		{"+5 6 * * *", "", ""},
		{"0 6 * *", "", ""},
		{"", "", ""},
	} {
		if got := english.When(c.cron); got != c.english {
			t.Errorf("%q is %q, want %q", c.cron, got, c.english)
		}
		if got := hindi.When(c.cron); got != c.hindi {
			t.Errorf("%q is %q, want %q", c.cron, got, c.hindi)
		}
	}
}

func TestAMomentIsSaidInTheZoneOfItsSchedule(t *testing.T) {
	at := time.Date(2026, time.March, 1, 20, 30, 0, 0, time.UTC)
	r := readerWith(t, "en-GB", "")
	for zone, want := range map[string]string{
		"Asia/Kolkata": "Monday, 2 Mar 2026, 02:00 IST", "Europe/Berlin": "Sunday, 1 Mar 2026, 21:30 CET", "UTC": "Sunday, 1 Mar 2026, 20:30 UTC",
	} {
		if got := r.Moment(at, zone); got != want {
			t.Errorf("in %s it is %q, want %q", zone, got, want)
		}
	}
}

// drawMonth is a month in letters: each day with its number, what a window has made of it, and where the window begins and ends in the
// row.
func drawMonth(m monthView) string {
	var text strings.Builder
	for _, week := range m.Weeks {
		for _, day := range week {
			if day.Day == "" {
				text.WriteString(" .")
				continue
			}
			state := ""
			if day.Window != nil {
				state = string(day.Window.State)
			}
			if day.IsFirst {
				state = "(" + state
			}
			if day.IsLast {
				state += ")"
			}
			fmt.Fprintf(&text, " %d%s", day.Number, state)
		}
		text.WriteString("\n")
	}
	return text.String()
}

func TestTheCalendarShowsEachWindowOnItsDays(t *testing.T) {
	// February 2026 begins on a Sunday.
	m := monthView{Windows: []service.ScheduleWindow{
		windowIn("2026-01-30", "2026-02-01", service.WindowMade), windowIn("2026-02-03", "2026-02-03", service.WindowMissed),
		windowIn("2026-02-04", "2026-02-10", service.WindowMissed), windowIn("2026-02-26", "2026-03-04", service.WindowComing),
	}}
	m.layOut("2026-02-01", "2026-02-28", "2026-02-12")
	want := ` . . . . . . 1(made)
 2 3(missed) 4(missed 5missed 6missed 7missed 8missed)
 9(missed 10missed) 11 12 13 14 15
 16 17 18 19 20 21 22
 23 24 25 26(coming 27coming 28coming) .
`
	if got := drawMonth(m); got != want {
		t.Errorf("the month is\n%swant\n%s", got, want)
	}
	today := slices.IndexFunc(m.Weeks[2], func(day calendarDay) bool { return day.IsToday })
	if today != 3 {
		t.Errorf("today is the day %d of the week, want 3, which is Thursday", today)
	}
}

// windowIn is a window of some days in a state.
func windowIn(from, to exhaust.Day, state service.WindowState) service.ScheduleWindow {
	return service.ScheduleWindow{Window: exhaust.Window{From: from, To: to}, State: state}
}

func TestTheCalendarHasTheWindowsOfTheMonthSinceTheScheduleBegan(t *testing.T) {
	found := []service.ScheduleWindow{
		windowIn("2026-01-20", "2026-01-31", service.WindowMade), windowIn("2026-02-01", "2026-02-02", service.WindowEarlier),
		windowIn("2026-02-03", "2026-02-04", service.WindowMissed), windowIn("2026-02-27", "2026-03-03", service.WindowComing),
		windowIn("2026-03-04", "2026-03-10", service.WindowComing),
	}
	m := monthView{Windows: windowsOf(slices.Clone(found), "2026-02-01", "2026-02-28")}
	if want := []service.ScheduleWindow{found[2], found[3]}; !slices.Equal(m.Windows, want) {
		t.Errorf("it has %v, want %v", m.Windows, want)
	}
	if !m.hasPast() {
		t.Error("a window that was missed is none that was to be made")
	}
	m.Windows = m.Windows[1:]
	if m.hasPast() {
		t.Error("a window that is to come was to be made")
	}
}

func TestWhatWasMissedLeadsToTheBackfillOfJustTheseDays(t *testing.T) {
	p := schedulePage{visit: &visit{Console: &Console{}, Channel: "one"}, Schedule: service.Schedule{Schedule: exhaust.Schedule{ID: "aaaa"}}}
	p.Month.Windows = []service.ScheduleWindow{
		windowIn("2026-02-01", "2026-02-02", service.WindowMade), windowIn("2026-02-03", "2026-02-04", service.WindowMissed),
		windowIn("2026-02-05", "2026-02-06", service.WindowMade), windowIn("2026-02-07", "2026-02-08", service.WindowMissed),
		windowIn("2026-02-09", "2026-02-10", service.WindowComing),
	}
	p.countMissed()
	if want := "/console/recurring/aaaa/backfill?channel=one&from=2026-02-03&to=2026-02-08"; p.Month.Missed != 2 || p.Month.MissedURL != want {
		t.Errorf("%d are missed, and %s makes them, want 2, and %s", p.Month.Missed, p.Month.MissedURL, want)
	}
	p.Month = monthView{Windows: p.Month.Windows[:1]}
	if p.countMissed(); p.Month.Missed != 0 || p.Month.MissedURL != "" {
		t.Errorf("where none is missed there are %d, %s", p.Month.Missed, p.Month.MissedURL)
	}
}

func TestAWindowThatSomebodyMadeBeforeItsTimeStaysAmongTheNext(t *testing.T) {
	now := time.Date(2026, time.March, 1, 4, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		state  service.WindowState
		firing time.Duration
		want   bool
	}{
		{service.WindowComing, time.Hour, true}, {service.WindowComing, -time.Second, true}, {service.WindowPaused, time.Hour, true},
		{service.WindowMade, time.Hour, true}, {service.WindowMade, -time.Hour, false}, {service.WindowMissed, -time.Hour, false},
		{service.WindowEarlier, time.Hour, false},
	} {
		window := windowIn("2026-02-27", "2026-02-28", c.state)
		window.Firing = now.Add(c.firing)
		if got := isToCome(window, now); got != c.want {
			t.Errorf("a window that is %s and fires in %s is to come: %t, want %t", c.state, c.firing, got, c.want)
		}
	}
}

func TestTheListLooksForTheLastWindowOnlyWhereThatIsCheap(t *testing.T) {
	at := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	every := func(gap time.Duration) []time.Time {
		return []time.Time{at, at.Add(24 * time.Hour), at.Add(24*time.Hour + gap)}
	}
	for _, c := range []struct {
		cron string
		next []time.Time
		want []int
	}{
		{"0 6 * * 1", nil, []int{8, 40, 399}},
		{"0 6 * * *", every(24 * time.Hour), []int{8, 40, 399}},
		{"0 6 * * 1,3", every(48 * time.Hour), []int{8, 40, 399}},
		{"0 * * * *", every(time.Hour), []int{8}},    // 24 a day: 312 in 13 days, 1080 in 45
		{"*/5 * * * *", every(5 * time.Minute), nil}, // 288 a day: 3744 in 13 days
		{"* * * * *", every(time.Minute), nil},
		{"* * * * *", nil, nil}, // it is paused
		{"0 6 * * 1", every(time.Second), []int{8, 40, 399}},
	} {
		got := looksFor(service.Schedule{Schedule: exhaust.Schedule{Cron: c.cron}, Next: c.next})
		if !slices.Equal(got, c.want) {
			t.Errorf("%q with %v: it looks at %v days, want %v", c.cron, c.next, got, c.want)
		}
	}
}

func TestTheOutcomeOfAFormIsSaidWhileTheScheduleStandsSo(t *testing.T) {
	for _, c := range []struct {
		did, want string
		isPaused  bool
	}{
		{"paused", "paused", true}, {"paused", "", false}, {"resumed", "", true}, {"resumed", "resumed", false},
		{"triggered", "triggered", true}, {"deleted", "", false}, {"nothing", "", false}, {"", "", false},
	} {
		v := &visit{r: httptest.NewRequest("GET", "/?did="+c.did, nil), reader: readerWith(t, "en", "")}
		p := schedulePage{visit: v, Schedule: service.Schedule{Paused: c.isPaused}}
		if got := p.outcome(); got != c.want {
			t.Errorf("%q of a schedule that is paused, %t, says %q, want %q", c.did, c.isPaused, got, c.want)
		}
	}
}

func TestALimitThatRefusesAFormIsSaidOnItsPage(t *testing.T) {
	v := &visit{reader: readerWith(t, "en", "")}
	limit := &access.LimitError{Fault: exhaust.NewFault(exhaust.ChannelLimitReached, "one", 5, 4), RetryAfter: time.Second}
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		{fmt.Errorf("trigger: %w", limit), 429, "5 exhausts of this channel are under way, and no more than 4 may be. Start it when one of them has ended."},
		{exhaust.Invalid(exhaust.BackfillTooLong, 500, "2026-01-01", "2026-02-01"), 422, "That is more than 500 files at once. Choose fewer days."},
		{service.ErrNoSchedule, 422, ""}, {nil, 422, ""},
	} {
		if status, got := v.refusalOf(c.err); status != c.status || got != c.want {
			t.Errorf("%v is %d, %q, want %q", c.err, status, got, c.want)
		}
	}
}

func TestALinkToAMonthThatThereIsNotLeadsNowhere(t *testing.T) {
	for _, month := range []string{"2025-13", "2025", "May", "2025-05-01"} {
		p := schedulePage{visit: &visit{r: httptest.NewRequest("GET", "/?month="+month, nil)}}
		if err := p.openMonth(); !errors.Is(err, errNoPage) {
			t.Errorf("%s: %v", month, err)
		}
	}
}
