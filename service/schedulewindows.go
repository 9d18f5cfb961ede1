package service

import (
	"context"
	"time"

	"data-exhaust/exhaust"
)

// WindowState is whether the exhaust of a window is there, or is to be.
type WindowState string

const (
	// WindowMade has an exhaust, however it stands, and whoever asked for it: a firing, a backfill or somebody by hand.
	WindowMade WindowState = "made"
	// WindowMissed has none though its firing was: the schedule was paused, or Temporal or all workers are down.
	WindowMissed WindowState = "missed"
	// WindowEarlier has none because no firing was to make it: it lies before the schedule was made or, in the windows of now,
	// before the last change of when it fires. Its days may be in windows as they were before that change.
	WindowEarlier WindowState = "earlier"
	// WindowComing has a firing that is to come, or is about to ask for the exhaust.
	WindowComing WindowState = "coming"
	// WindowPaused would, were the schedule not paused.
	WindowPaused WindowState = "paused"
)

// ScheduleWindow is a window of a schedule, which holds a day at least, and what has become of it.
type ScheduleWindow struct {
	exhaust.Window
	State WindowState
	// RequestID and Tag, which is without the channel, find the exhaust. Like the others they are empty of one that was not made.
	RequestID, Tag string
	Status         exhaust.Status
	// Message is as read says it, such as why the exhaust FAILED.
	Message string
	Rows    int64
}

// ScheduleWindows are windows of a schedule, ascending.
type ScheduleWindows struct {
	// Schedule is as Read gives it, without its firings.
	Schedule Schedule
	Windows  []ScheduleWindow
	// HasMore says that Windows end before the span does, because the schedule fires too often.
	HasMore bool
}

const (
	// maxSpan is how many days Windows shows: a year, and the rest of its first and last month.
	maxSpan = 400
	// maxFiringsShown is how many firings Windows looks at: a month of one each minute.
	maxFiringsShown = 50_000
)

// Windows are the schedule's windows that hold one of the days from a day to another, or whose firing is on one of them in the
// schedule's zone, by its cron expression of now; at most maxSpan days. An exhaust is that of a window where it is the one that
// the firing asks for, by its requestId.
func (s *Schedules) Windows(
	ctx context.Context, exhausts *Exhausts, channel, id string, from, to exhaust.Day, may ...Permission,
) (ScheduleWindows, error) {
	_, schedule, err := s.describe(ctx, channel, id, may...)
	if err != nil {
		return ScheduleWindows{}, err
	}
	if err := checkShown(from, to); err != nil {
		return ScheduleWindows{}, err
	}
	found, hasMore, err := s.windowsAround(ctx, schedule.Schedule, from, to)
	if err != nil {
		return ScheduleWindows{}, temporalError(err)
	}
	windows, err := s.withExhausts(ctx, exhausts, schedule, found)
	if err != nil {
		return ScheduleWindows{}, err
	}
	return ScheduleWindows{Schedule: schedule, Windows: windows, HasMore: hasMore}, nil
}

// checkShown checks the days whose windows are shown.
func checkShown(from, to exhaust.Day) error {
	if _, err := checkDay("from", string(from)); err != nil {
		return err
	}
	if _, err := checkDay("to", string(to)); err != nil {
		return err
	}
	if from < earliestDay {
		return exhaust.Invalid(exhaust.BackfillTooEarly, from, earliestDay)
	}
	if from > to {
		return exhaust.Invalid(exhaust.BackfillReversed, from, to)
	}
	return exhaust.CheckSpan(from, to, maxSpan)
}

// windowsAround are the windows that Windows shows, and whether there are more than can be looked at.
func (s *Schedules) windowsAround(ctx context.Context, schedule exhaust.Schedule, from, to exhaust.Day) (found []exhaust.Window, hasMore bool, err error) {
	zone, err := time.LoadLocation(schedule.Zone)
	if err != nil {
		return nil, false, exhaust.Invalid(exhaust.ZoneUnknown, schedule.Zone)
	}
	after, firings := from.Add(-2).Time(), 0
	// The firing of a day comes long after it where there are few: those are looked for where the first look does not find it.
	for _, until := range []time.Time{to.Time().Add(3 * 24 * time.Hour), to.Time().Add(ahead)} {
		for isLast := false; !isLast; {
			page, err := schedule.Windows(ctx, s.calendar, s.settings.Timezone, after, until)
			if err != nil {
				return nil, false, err
			}
			for _, window := range page {
				if window.From > to { // a firing comes after its days, so it and all that follow are beyond the span
					return found, false, nil
				}
				if firings++; firings > maxFiringsShown {
					return found, true, nil
				}
				day := exhaust.DayOf(window.Firing.In(zone))
				if !window.Empty() && (window.To >= from || from <= day && day <= to) {
					found = append(found, window)
				}
				after = window.Firing
			}
			isLast = len(page) < exhaust.CalendarPage
		}
	}
	return found, false, nil
}

// withExhausts says of each window what has become of it.
func (s *Schedules) withExhausts(ctx context.Context, exhausts *Exhausts, schedule Schedule, found []exhaust.Window) ([]ScheduleWindow, error) {
	ids, requests := make([]string, len(found)), make([]exhaust.Request, 0, len(found))
	for i, window := range found {
		submission, err := schedule.Submission(window)
		if err != nil {
			return nil, err
		}
		request, err := submission.Check(s.settings.firingRules(window.SubmittedAt(s.settings.Timezone)))
		if err != nil {
			continue // no firing can ask for it, such as for too many days since EXHAUST_MAX_DAYS was changed: there is no exhaust
		}
		ids[i], requests = request.ID, append(requests, request)
	}
	jobs, err := exhausts.FindAll(ctx, requests)
	if err != nil {
		return nil, err
	}
	windows, now := make([]ScheduleWindow, len(found)), time.Now()
	for i, window := range found {
		windows[i] = ScheduleWindow{Window: window, State: schedule.stateOf(window, now)}
		if job, ok := jobs[ids[i]]; ok {
			windows[i] = ScheduleWindow{
				Window: window, State: WindowMade, RequestID: job.ID, Tag: job.Tag, Status: job.Status, Message: job.Message, Rows: job.Progress.RowsWritten,
			}
		}
	}
	return windows, nil
}

// firingTime is how long a firing may take to ask for its exhaust before its window counts as missed.
const firingTime = time.Minute

// stateOf is the state of a window without an exhaust.
func (s Schedule) stateOf(window exhaust.Window, now time.Time) WindowState {
	switch {
	case window.Firing.Before(s.CreatedAt), s.Change != nil && !window.Firing.After(s.Change.At):
		return WindowEarlier
	case now.After(window.Firing.Add(s.Jitter + firingTime)):
		return WindowMissed
	case s.Paused:
		return WindowPaused
	}
	return WindowComing
}
