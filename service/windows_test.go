package service_test

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"data-exhaust/activities/recurring"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// A walk over years of firings as Temporal itself lists them for the schedule, each window computed as
// a firing computes it. The days that the walk must cover are worked out by hand.
func TestTheWindowsOfAYearHoldEachDayOnce(t *testing.T) {
	t.Parallel()
	schedules := service.NewSchedules(temporalClient, "default", nil, service.Settings{TaskQueue: "nobody", Timezone: zone(t, kolkata), MaxDays: 3660})
	for _, walk := range []struct {
		name, cron, zone string
		from, until      exhaust.Day // of the firings, in the zone
		first, last      exhaust.Day // of the windows
		firings          int
		// longest is how many days the longest window has, and begins where it begins.
		longest int
		begins  exhaust.Day
	}{
		{"daily", "0 2 * * *", kolkata, "2026-01-01", "2026-12-31", "2025-12-31", "2026-12-30", 365, 1, "2025-12-31"},
		// 02:30 is no time on 2026-03-08 (a Sunday), and there is one of it on 2026-11-01.
		{"weekly at a time that spring leaves out", "30 2 * * 0", "America/New_York", "2026-01-01", "2026-12-31", "2025-12-28", "2026-12-26", 51, 14, "2026-03-01"},
		// 01:30 comes twice on 2026-11-01.
		{"daily at a time that autumn has twice", "30 1 * * *", "America/New_York", "2026-01-01", "2026-12-31", "2025-12-31", "2026-12-30", 366, 1, "2025-12-31"},
		{"weekly at a time that autumn has twice", "30 1 * * 0", "America/New_York", "2026-01-01", "2026-12-31", "2025-12-28", "2026-12-26", 53, 7, "2025-12-28"},
		{"hourly", "0 * * * *", kolkata, "2026-01-01", "2026-12-31", "2025-12-31", "2026-12-30", 365 * 24, 1, "2025-12-31"},
		{"monthly on the 31st", "0 4 31 * *", kolkata, "2026-01-01", "2026-12-31", "2025-12-31", "2026-12-30", 7, 61, "2026-03-31"},
		{"the 29th of February", "0 4 29 2 *", kolkata, "2024-01-01", "2033-12-31", "2020-02-29", "2032-02-28", 3, 1461, "2020-02-29"},
		{"Lisbon, at a time that spring leaves out", "30 1 * * *", "Europe/Lisbon", "2026-01-01", "2026-12-31", "2025-12-31", "2026-12-30", 364, 2, "2026-03-28"},
		// Lord Howe moves its clocks by half an hour, at 02:00 on 2026-10-04 to 02:30; Temporal then fires
		// at 02:45. Its days begin 5 hours before Kolkata's, so at 02:15 the day before is not over in the
		// telemetry.
		{"half an hour of summer time", "15 2 * * *", "Australia/Lord_Howe", "2026-01-01", "2026-12-31", "2025-12-30", "2026-12-29", 365, 1, "2025-12-30"},
		{"the evening of a zone whose telemetry is a day ahead", "0 22 * * 1", "America/Los_Angeles", "2026-01-01", "2026-12-31", "2025-12-29", "2026-12-27", 52, 7, "2025-12-29"},
		{"yearly", "0 5 1 1 *", kolkata, "2024-01-01", "2028-12-31", "2023-01-01", "2027-12-31", 5, 366, "2024-01-01"},
	} {
		t.Run(walk.name, func(t *testing.T) {
			t.Parallel()
			made, err := schedules.Create(t.Context(), service.ScheduleDraft{
				Submission: exhaust.Submission{Dataset: "uci-response-exhaust", Channel: channel, DatasetConfig: []byte(`{"conversationId":"c"}`)},
				Cron:       walk.cron, Zone: walk.zone,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if _, err := schedules.Delete(context.Background(), channel, made.ID); err != nil {
					t.Error(err)
				}
			}()
			begin := midnight(walk.from, zone(t, walk.zone))
			end := midnight(walk.until.Add(1), zone(t, walk.zone))
			back := 1 // year, or the leap years before
			if walk.longest > 1000 {
				back = 9
			}
			times := listed(t, made.ID, begin.AddDate(-back, 0, -40), end)
			got := walked{}
			for _, at := range times {
				if at.Before(begin) || !at.Before(end) {
					continue
				}
				window, err := made.WindowAt(t.Context(), timetable(times), zone(t, kolkata), at)
				if err != nil {
					t.Fatal(err)
				}
				got.add(t, window)
			}
			want := walked{walk.firings, walk.first, walk.last, walk.longest, walk.begins}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// walked sums up windows that followed one upon the other.
type walked struct {
	firings     int
	first, last exhaust.Day
	longest     int
	begins      exhaust.Day
}

// add fails the test where the window does not begin on the day after the one before it, or holds a
// day that is not over.
func (w *walked) add(t *testing.T, window exhaust.Window) {
	t.Helper()
	w.firings++
	if window.Empty() {
		return
	}
	if w.first == "" {
		w.first = window.From
	} else if window.From != w.last.Add(1) {
		t.Errorf("the window of %s begins on %s, the one before ended on %s", window.Firing, window.From, w.last)
	}
	if window.To < window.From || window.To >= exhaust.DayOf(window.Firing.In(zone(t, kolkata))) {
		t.Errorf("the window of %s is %s to %s", window.Firing, window.From, window.To)
	}
	if days := window.From.DaysTo(window.To); days > w.longest {
		w.longest, w.begins = days, window.From
	}
	w.last = window.To
}

// listed are the times of a schedule of the product, as Temporal lists them.
func listed(t *testing.T, id string, from, until time.Time) []time.Time {
	t.Helper()
	var times []time.Time
	for {
		answer, err := temporalClient.WorkflowService().ListScheduleMatchingTimes(t.Context(), &workflowservice.ListScheduleMatchingTimesRequest{
			Namespace: "default", ScheduleId: "exhaust-schedule-" + id, StartTime: timestamppb.New(from), EndTime: timestamppb.New(until),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range answer.StartTime {
			times = append(times, at.AsTime())
		}
		if len(answer.StartTime) < 1000 {
			return times
		}
		from = times[len(times)-1]
	}
}

// timetable is a calendar with these times in it, whatever the cron expression.
type timetable []time.Time

func (times timetable) Times(_ context.Context, _, _ string, after, until time.Time) ([]time.Time, error) {
	first := sort.Search(len(times), func(i int) bool { return times[i].After(after) })
	last := sort.Search(len(times), func(i int) bool { return times[i].After(until) })
	return slices.Clone(times[first:max(first, min(last, first+exhaust.CalendarPage))]), nil
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func midnight(day exhaust.Day, zone *time.Location) time.Time {
	at := day.Time()
	return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, zone)
}

// TestAFiringWhoseTimesTemporalRefusesEnds: it would ask again for ever.
func TestAFiringWhoseTimesTemporalRefusesEnds(t *testing.T) {
	t.Parallel()
	firings := recurring.New(nil, calendar(), nil, recurring.Settings{Timezone: zone(t, kolkata)})
	for _, s := range []exhaust.Schedule{
		{ID: "abc", Cron: "0 25 * * *", Zone: "UTC"},
		{ID: "abc", Cron: "0 6 * * *", Zone: "Europe/Atlantis"},
	} {
		_, err := firings.FindWindow(t.Context(), s, time.Now())
		var failure *temporal.ApplicationError
		if !errors.As(err, &failure) || failure.Type() != recurring.BadWindow || !failure.NonRetryable() ||
			!strings.HasPrefix(failure.Message(), "schedule abc: cron \""+s.Cron+"\" in zone "+s.Zone+" is not valid: ") {
			t.Errorf("%s in %s: %v", s.Cron, s.Zone, err)
		}
	}
}
