package exhaust

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// times is a calendar with these times in it.
type times []time.Time

func (all times) Times(_ context.Context, _, _ string, after, until time.Time) ([]time.Time, error) {
	var found times
	for _, t := range all {
		if t.After(after) && !t.After(until) && len(found) < CalendarPage {
			found = append(found, t)
		}
	}
	return found, nil
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func every(t *testing.T, step time.Duration, from, until string) (all times) {
	t.Helper()
	for next := at(t, from); !next.After(at(t, until)); next = next.Add(step) {
		all = append(all, next)
	}
	return all
}

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestAFiringOrALookInBetweenHasItsDays(t *testing.T) {
	const daily, weekly, hourly = 24 * time.Hour, 7 * 24 * time.Hour, time.Hour
	for _, c := range []struct {
		name, zone, days string
		step             time.Duration
		first            string // of the firings
		at               string
		want             Window
	}{
		{"a daily firing", "UTC", "UTC", daily, "2022-03-01T02:00:00Z", "2022-03-10T02:00:00Z", Window{From: "2022-03-09", To: "2022-03-09"}},
		{"a weekly firing", "UTC", "UTC", weekly, "2022-02-28T02:00:00Z", "2022-03-14T02:00:00Z", Window{From: "2022-03-07", To: "2022-03-13"}},
		{"the first hour of a day", "UTC", "UTC", hourly, "2022-03-01T00:30:00Z", "2022-03-10T00:30:00Z", Window{From: "2022-03-09", To: "2022-03-09"}},
		{"another hour of a day", "UTC", "UTC", hourly, "2022-03-01T00:30:00Z", "2022-03-10T01:30:00Z", Window{}},
		// 18:00 UTC is the 11th in Auckland, and the 10th is not over in the telemetry.
		{"a zone ahead of the telemetry's", "Pacific/Auckland", "UTC", daily, "2022-03-01T18:00:00Z", "2022-03-10T18:00:00Z", Window{From: "2022-03-09", To: "2022-03-09"}},
		// 04:00 UTC is the 9th in New York, though the telemetry's 9th is over.
		{"a zone behind the telemetry's", "America/New_York", "UTC", daily, "2022-03-01T04:00:00Z", "2022-03-10T04:00:00Z", Window{From: "2022-03-08", To: "2022-03-08"}},
		{"a look since a weekly firing", "UTC", "UTC", weekly, "2022-02-28T02:00:00Z", "2022-03-10T15:00:00Z", Window{From: "2022-03-07", To: "2022-03-09"}},
		{"a look on the day of the firing", "UTC", "UTC", weekly, "2022-02-28T02:00:00Z", "2022-03-14T15:00:00Z",
			Window{Firing: at(t, "2022-03-14T02:00:00Z"), From: "2022-03-07", To: "2022-03-13"}},
		{"a look between hourly firings", "UTC", "UTC", hourly, "2022-03-01T00:30:00Z", "2022-03-10T23:50:00Z",
			Window{Firing: at(t, "2022-03-10T00:30:00Z"), From: "2022-03-09", To: "2022-03-09"}},
		{"many firings before", "UTC", "UTC", 20 * time.Second, "2022-03-09T00:00:00Z", "2022-03-10T00:00:20Z", Window{}},
	} {
		if c.want.Firing.IsZero() {
			c.want.Firing = at(t, c.at)
		}
		got, err := Schedule{Zone: c.zone}.WindowAt(t.Context(), every(t, c.step, c.first, "2022-04-01T00:00:00Z"), location(t, c.days), at(t, c.at))
		if err != nil || got != c.want {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
}

func TestAScheduleWithoutAFiringBeforeSaysSo(t *testing.T) {
	_, err := Schedule{Cron: "0 2 * * *", Zone: "UTC"}.WindowAt(t.Context(), times{}, time.UTC, at(t, "2022-03-10T02:00:00Z"))
	if want := `cron "0 2 * * *" has no firing before 2022-03-10T02:00:00Z`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Schedule{Zone: "Nowhere/Land"}.WindowAt(t.Context(), every(t, time.Hour, "2022-03-01T00:00:00Z", "2022-03-11T00:00:00Z"), time.UTC, at(t, "2022-03-10T02:00:00Z"))
	if err == nil || !strings.Contains(err.Error(), "Nowhere/Land") {
		t.Errorf("got %v, want the zone to be named", err)
	}
}

// On Thursday, 10 March, at 12:00, a schedule is changed that had come as far as the 9th.
func TestAfterAChangeWindowsGoOnWhereTheyHadComeTo(t *testing.T) {
	const daily, weekly, hourly = 24 * time.Hour, 7 * 24 * time.Hour, time.Hour
	change := func(last string, first Day) *ScheduleChange {
		return &ScheduleChange{At: at(t, "2022-03-10T12:00:00Z"), First: first, Last: at(t, last)}
	}
	for _, c := range []struct {
		name, zone string
		step       time.Duration
		begins     string
		change     *ScheduleChange
		want       []string
	}{
		{"to weekly, on Mondays", "UTC", weekly, "2022-02-21T02:00:00Z", change("2022-03-07T02:00:00Z", "2022-03-10"),
			[]string{"2022-02-21 2022-02-27", "2022-02-28 2022-03-09", "2022-03-10 2022-03-13", "2022-03-14 2022-03-20"}},
		{"to daily, from a week that began on Monday", "UTC", daily, "2022-03-06T02:00:00Z", change("2022-03-10T02:00:00Z", "2022-03-07"),
			[]string{"2022-03-06 2022-03-06", "", "", "", "2022-03-07 2022-03-10", "2022-03-11 2022-03-11"}},
		// At 06:00 UTC it is the 9th in Samoa, until 11:00.
		{"to a zone far behind, hourly", "Pacific/Pago_Pago", hourly, "2022-03-10T05:00:00Z",
			&ScheduleChange{At: at(t, "2022-03-10T06:30:00Z"), First: "2022-03-10", Last: at(t, "2022-03-10T06:00:00Z")},
			[]string{"2022-03-09 2022-03-09", "2022-03-10 2022-03-10"}},
		// Jitter may start Thursday's 02:00 after the change still.
		{"to weekly, held back", "UTC", weekly, "2022-02-24T02:00:00Z", change("2022-03-03T02:00:00Z", "2022-03-10"),
			[]string{"2022-02-24 2022-03-09", "", "2022-03-10 2022-03-16"}},
	} {
		all := every(t, c.step, c.begins, "2022-03-21T02:00:00Z")
		windows, err := Schedule{Zone: c.zone, Change: c.change}.Windows(t.Context(), all, time.UTC, all[0], all[len(all)-1])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range windows {
			got = append(got, strings.TrimSpace(string(w.From+" "+w.To)))
		}
		if c.step == hourly {
			got = slices.DeleteFunc(got, func(days string) bool { return days == "" })
		}
		if len(got) < len(c.want) || !reflect.DeepEqual(got[:len(c.want)], c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestAnExhaustCountsAsAskedForAtTheFiringButNeverBeforeItsDaysAreOver(t *testing.T) {
	kolkata := location(t, "Asia/Kolkata")
	for _, c := range []struct {
		to   Day
		want string
	}{
		{"2022-03-09", "2022-03-10T07:30:00+05:30"},
		{"2022-03-10", "2022-03-11T00:00:00+05:30"},
	} {
		got := Window{Firing: at(t, "2022-03-10T02:00:00Z"), From: "2022-03-01", To: c.to}.SubmittedAt(kolkata)
		if got.Format(time.RFC3339) != c.want {
			t.Errorf("to %s: got %s, want %s", c.to, got.Format(time.RFC3339), c.want)
		}
	}
}

func TestAWindowsExhaustIsTheSchedulesWithItsDays(t *testing.T) {
	s := Schedule{
		ID: "abc", Dataset: PrivateExhaust, Tag: "weekly", Channel: "0130", RequestedBy: "me",
		Config: []byte(`{"conversationId":"c","type":"uci-private-exhaust","own":[1,{"x":1.50}]}`),
	}
	got, err := s.Submission(Window{From: "2022-03-07", To: "2022-03-13"})
	want := Submission{
		Dataset: "uci-private-exhaust", Tag: "weekly", Channel: "0130", RequestedBy: "me",
		DatasetConfig: []byte(`{"conversationId":"c","endDate":"2022-03-13","own":[1,{"x":1.50}],"startDate":"2022-03-07","type":"uci-private-exhaust"}`),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}
