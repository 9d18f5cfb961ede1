package exhaust

import (
	"context"
	"fmt"
	"time"
)

// Window is the days, both included, that one firing of a recurring exhaust covers. It is empty where
// no day has ended since the firing before it.
type Window struct {
	// Firing is the firing's time by the cron expression, without jitter; of a look in between firings it is the time of
	// the look or, where no day has ended since, of the last firing that had any.
	Firing time.Time `json:"firing"`
	From   Day       `json:"from,omitempty"`
	To     Day       `json:"to,omitempty"`
}

// Empty reports whether the window holds no day.
func (w Window) Empty() bool { return w.From == "" }

func newWindow(firing time.Time, first, open Day) Window {
	if first >= open {
		return Window{Firing: firing}
	}
	return Window{Firing: firing, From: first, To: open.Add(-1)}
}

// Calendar knows when cron expressions fire.
type Calendar interface {
	// Times are the times t of a cron expression in a zone with after < t <= until, ascending: the
	// first CalendarPage of them.
	Times(ctx context.Context, cron, zone string, after, until time.Time) ([]time.Time, error)
}

// CalendarPage is how many times one look into the calendar shows.
const CalendarPage = 1000

// WindowAt is the window of the firing at a time, or, where the cron expression has none at that time,
// of a look in between: the days since the last firing or, where none has ended since, those of the
// last firing that had any.
//
// Windows follow one upon the other: each begins where the one before it ended. A day that begins a
// window is the first that was not over at the firing before, so a window's days are over when it is
// made, both in the schedule's zone and in days, the zone of the telemetry.
func (s Schedule) WindowAt(ctx context.Context, c Calendar, days *time.Location, at time.Time) (Window, error) {
	fires, err := c.Times(ctx, s.Cron, s.Zone, at.Add(-time.Millisecond), at)
	if err != nil {
		return Window{}, err
	}
	window, err := s.window(ctx, c, days, at)
	if err != nil || len(fires) > 0 {
		return window, err
	}
	// An hour each: the firings of a day.
	for range 24 {
		if !window.Empty() {
			break
		}
		last, err := s.Before(ctx, c, window.Firing)
		if err != nil {
			return Window{}, err
		}
		if window, err = s.window(ctx, c, days, last); err != nil {
			return Window{}, err
		}
	}
	return window, nil
}

func (s Schedule) window(ctx context.Context, c Calendar, days *time.Location, at time.Time) (Window, error) {
	before, err := s.Before(ctx, c, at)
	if err != nil {
		return Window{}, err
	}
	first, err := s.open(days, before)
	if err != nil {
		return Window{}, err
	}
	open, err := s.open(days, at)
	return newWindow(at, first, open), err
}

// Windows are those of the firings t with after < t <= until: of the first CalendarPage firings.
func (s Schedule) Windows(ctx context.Context, c Calendar, days *time.Location, after, until time.Time) ([]Window, error) {
	times, err := c.Times(ctx, s.Cron, s.Zone, after, until)
	if err != nil || len(times) == 0 {
		return nil, err
	}
	windows := make([]Window, len(times))
	if windows[0], err = s.window(ctx, c, days, times[0]); err != nil {
		return nil, err
	}
	first, err := s.open(days, times[0])
	for i := 1; i < len(times) && err == nil; i++ {
		var open Day
		open, err = s.open(days, times[i])
		windows[i] = newWindow(times[i], first, open)
		first = open
	}
	return windows, err
}

// Open is the first day that the firings up to a time leave to those after it.
func (s Schedule) Open(ctx context.Context, c Calendar, days *time.Location, at time.Time) (Day, error) {
	last, err := s.Before(ctx, c, at.Add(time.Millisecond))
	if err != nil {
		return "", err
	}
	return s.open(days, last)
}

// open is the first day that the firing at a time leaves to those after it. It never goes back from
// one firing to the next: so no day is in two windows, and none in no window.
func (s Schedule) open(days *time.Location, firing time.Time) (Day, error) {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return "", Invalid(ZoneUnknown, s.Zone)
	}
	day := min(DayOf(firing.In(zone)), DayOf(firing.In(days)))
	change := s.Change
	switch {
	case change == nil:
		return day, nil
	case firing.After(change.At):
		return max(day, change.First), nil
	case firing.Before(change.Last):
		return min(day, change.First), nil
	default:
		return change.First, nil
	}
}

const aDay = 24 * time.Hour

// spans are how far the calendar is searched for a neighbour: from what is there several times a day
// to the 29th of February around a year like 2100.
var spans = []time.Duration{aDay / 2, 8 * aDay, 40 * aDay, 400 * aDay, 9 * 366 * aDay}

// Before is the last firing before a time.
func (s Schedule) Before(ctx context.Context, c Calendar, t time.Time) (time.Time, error) {
	for _, span := range spans {
		var last time.Time
		for after := t.Add(-span); ; after = last {
			times, err := c.Times(ctx, s.Cron, s.Zone, after, t.Add(-time.Millisecond))
			if err != nil {
				return time.Time{}, err
			}
			if len(times) > 0 {
				last = times[len(times)-1]
			}
			if len(times) < CalendarPage {
				break
			}
		}
		if !last.IsZero() {
			return last, nil
		}
	}
	return time.Time{}, fmt.Errorf("cron %q has no firing before %s", s.Cron, t.Format(time.RFC3339))
}

// SubmittedAt is when the exhaust of the window counts as submitted: at the firing, so that it is the same
// exhaust whenever it is made; never before its days are over.
func (w Window) SubmittedAt(days *time.Location) time.Time {
	end := w.To.Add(1).Time()
	over := time.Date(end.Year(), end.Month(), end.Day(), 0, 0, 0, 0, days)
	if over.After(w.Firing) {
		return over
	}
	return w.Firing.In(days)
}
