package service

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"data-exhaust/exhaust"
)

// CronPreview is when a schedule would fire that was made now.
type CronPreview struct {
	// Cron and Zone are as the schedule would keep them.
	Cron, Zone string
	// Firings are the next ones, ascending and without jitter, each with the days that it would cover. The first covers those
	// since the cron expression would have fired last.
	Firings []exhaust.Window
}

// NextFirings are the next firings of a cron expression that has no schedule yet: count of them, from 1 to exhaust.CalendarPage,
// or all that there are within nine years. It is refused for what Create would refuse.
//
// It is asked while somebody types, so what has not the form of a cron expression is refused before Temporal is asked.
func (s *Schedules) NextFirings(ctx context.Context, cron, zone string, count int) (CronPreview, error) {
	if count < 1 || count > exhaust.CalendarPage {
		return CronPreview{}, exhaust.Invalid(exhaust.LimitInvalid, strconv.Itoa(count), exhaust.CalendarPage)
	}
	cron, err := checkCron(cron)
	if err != nil {
		return CronPreview{}, err
	}
	if zone, err = s.checkZone(zone); err != nil {
		return CronPreview{}, err
	}
	var windows []exhaust.Window
	err = s.calendar.LookAside(ctx, cron, zone, func(calendar exhaust.Calendar) (err error) {
		windows, err = s.nextWindows(ctx, calendar, exhaust.Schedule{Cron: cron, Zone: zone})
		return err
	})
	if _, isInvalid := errors.AsType[*exhaust.InvalidError](err); isInvalid {
		return CronPreview{}, err
	}
	if err != nil {
		return CronPreview{}, temporalFailure(err)
	}
	return CronPreview{Cron: cron, Zone: zone, Firings: windows[:min(count, len(windows))]}, nil
}

// maxAsides is how many schedules that LookAside has made there are at a time of one process. Each is there for some tens of
// milliseconds, so this many serve more people than type cron expressions at a time; whoever comes behind them waits.
const maxAsides = 4

// LookAside looks at the times of a cron expression that may never be a schedule's: afterwards Temporal has no schedule more. The
// calendar that look is given knows no other.
//
// Where Times has made a schedule for the expression, that one is asked, and left alone: firings use it. Otherwise the look has a
// schedule of its own, whose id no other look has, and which is deleted though the caller has gone away meanwhile. What is left of
// a process that dies in between, or where Temporal does not answer, starts nothing and Temporal deletes it after a week, as it
// does with those of Times.
func (c *Calendar) LookAside(ctx context.Context, cron, zone string, look func(exhaust.Calendar) error) (err error) {
	if err := look(scheduleTimes{c, calendarID(cron, zone)}); !isNotFound(err) {
		return err
	}
	if err := c.asides.Acquire(ctx, 1); err != nil {
		return err
	}
	defer c.asides.Release(1)
	if err := ctx.Err(); err != nil {
		return err
	}
	id := "exhaust-preview-" + newID()
	err = c.createAside(ctx, id, cron, zone)
	if _, isInvalid := errors.AsType[*exhaust.InvalidError](err); isInvalid {
		return err
	}
	// Also where the creation failed: its answer may be all that was lost.
	defer func() { err = errors.Join(err, c.deleteAside(ctx, id)) }()
	if err != nil {
		return err
	}
	return look(scheduleTimes{c, id})
}

// createAside is create that goes on when the caller goes away: a request that was given up could reach Temporal behind the one
// that deletes.
func (c *Calendar) createAside(ctx context.Context, id, cron, zone string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scheduleTimeout)
	defer cancel()
	return c.create(ctx, id, cron, zone)
}

func (c *Calendar) deleteAside(ctx context.Context, id string) error {
	_, err := retryBusy(context.WithoutCancel(ctx), func(ctx context.Context) (*workflowservice.DeleteScheduleResponse, error) {
		return c.temporal.WorkflowService().DeleteSchedule(ctx, &workflowservice.DeleteScheduleRequest{Namespace: c.namespace, ScheduleId: id})
	})
	if isNotFound(err) {
		return nil
	}
	return err
}

// scheduleTimes is the calendar of the cron expression that a schedule of Temporal has.
type scheduleTimes struct {
	*Calendar
	id string
}

// Times are those of the schedule, whatever the cron expression.
func (s scheduleTimes) Times(ctx context.Context, _, _ string, after, until time.Time) ([]time.Time, error) {
	return matchingTimes(ctx, s.temporal, s.namespace, s.id, after, until)
}
