package service

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"data-exhaust/exhaust"
	"data-exhaust/workflows"
)

// Change changes a schedule. Where it changes when the schedule fires, the windows go on where the
// firings so far have come to: no day is covered twice, and none is left out.
func (s *Schedules) Change(ctx context.Context, channel, id string, patch SchedulePatch, may ...Permission) (Schedule, error) {
	secret := ""
	for range updateTries {
		description, old, err := s.describe(ctx, channel, id, may...)
		if err != nil {
			return Schedule{}, err
		}
		changed, err := s.apply(patch, old)
		if err != nil {
			return Schedule{}, err
		}
		if changed.Cron != old.Cron || changed.Zone != old.Zone || changed.Jitter != old.Jitter {
			if changed.Change, err = s.findChange(ctx, old.Schedule, changed.Schedule); err != nil {
				return Schedule{}, temporalError(err)
			}
			if err := s.checkWindows(ctx, changed.Schedule); err != nil {
				return Schedule{}, err
			}
			description.Schedule.Spec = &schedulepb.ScheduleSpec{
				CronString: []string{changed.Cron}, TimezoneName: changed.Zone, Jitter: durationpb.New(changed.Jitter),
			}
		}
		if changed.Webhook != nil && changed.Webhook != old.Webhook && secret == "" {
			if secret, err = s.secrets.ensure(ctx, channel, may); err != nil {
				return Schedule{}, err
			}
		}
		changed.Revision, changed.UpdatedAt = newID(), time.Now().Truncate(time.Millisecond)
		if err := s.update(ctx, description, changed); err != nil {
			return Schedule{}, err
		}
		// Temporal drops, without a word, a change of what somebody else has changed meanwhile.
		_, now, err := s.describe(ctx, channel, id)
		now.WebhookSecret = secret
		if err != nil || now.Revision == changed.Revision {
			return now, err
		}
	}
	return Schedule{}, &UnavailableError{Dependency: TemporalDependency, Err: errors.New("the schedule is being changed by others")}
}

func (s *Schedules) update(ctx context.Context, description *workflowservice.DescribeScheduleResponse, changed Schedule) error {
	if err := setInput(changed.Schedule, description.Schedule); err != nil {
		return err
	}
	description.Schedule.State.Paused, description.Schedule.State.Notes = changed.Paused, changed.Note
	err := updateSchedule(ctx, s.temporal, s.namespace, workflows.RecurringScheduleID(changed.ID), changed.Revision, description)
	return temporalError(err)
}

// updateSchedule changes a schedule to what a description of it was changed to. Where somebody else has changed it since,
// nothing happens, and there is no error: the caller describes it once more and sees.
func updateSchedule(ctx context.Context, c client.Client, namespace, id, requestID string, description *workflowservice.DescribeScheduleResponse) error {
	_, err := c.WorkflowService().UpdateSchedule(ctx, &workflowservice.UpdateScheduleRequest{
		Namespace:     namespace,
		ScheduleId:    id,
		Schedule:      description.GetSchedule(),
		ConflictToken: description.GetConflictToken(),
		RequestId:     requestID,
	})
	var conflict *serviceerror.FailedPrecondition
	if errors.As(err, &conflict) {
		return nil
	}
	return err
}

// updateTries is how often a schedule is changed that others change at the same time.
const updateTries = 5

// findChange finds out how far the firings have come now that a schedule is about to fire at other times; it
// is nil where there was none.
func (s *Schedules) findChange(ctx context.Context, old, changed exhaust.Schedule) (*exhaust.ScheduleChange, error) {
	now, err := s.waitForQuiet(ctx, old, changed)
	if err != nil {
		return nil, err
	}
	hasStarted := func(since time.Time) (bool, error) {
		starts, err := matchingTimes(ctx, s.temporal, s.namespace, workflows.RecurringScheduleID(old.ID), since.Add(-time.Millisecond), now)
		return len(starts) > 0, err
	}
	if old.Change == nil {
		if ever, err := hasStarted(old.CreatedAt); err != nil || !ever {
			return nil, err // there is nothing to go on from
		}
	}
	last, err := old.Before(ctx, s.calendar, now)
	if err != nil {
		return nil, err
	}
	// With jitter the last firing may still be to come, and then it will not.
	if was, err := hasStarted(last); err != nil {
		return nil, err
	} else if !was {
		last = last.Add(-time.Millisecond) // that is, the firing before it
	}
	change := &exhaust.ScheduleChange{At: now}
	if change.First, err = old.Open(ctx, s.calendar, s.settings.Timezone, last); err != nil {
		return nil, err
	}
	change.Last, err = changed.Before(ctx, s.calendar, now.Add(time.Millisecond-changed.Jitter))
	return change, err
}

// margin is how far a change keeps from any firing: the clocks of the api and of Temporal differ, and
// a change takes a moment.
const margin = 5 * time.Second

// waitForQuiet waits until neither the old nor the changed schedule fires just now, and returns the time.
func (s *Schedules) waitForQuiet(ctx context.Context, old, changed exhaust.Schedule) (time.Time, error) {
	return backoff.Retry(ctx, func() (time.Time, error) {
		now := time.Now()
		firing, err := matchingTimes(ctx, s.temporal, s.namespace, workflows.RecurringScheduleID(old.ID), now.Add(-margin), now.Add(margin))
		if err != nil {
			return time.Time{}, backoff.Permanent(err)
		}
		coming, err := s.calendar.Times(ctx, changed.Cron, changed.Zone, now.Add(-margin), now.Add(margin))
		if err != nil {
			return time.Time{}, backoff.Permanent(err)
		}
		if len(firing)+len(coming) > 0 {
			return time.Time{}, &UnavailableError{TemporalDependency, errors.New("the schedule fires just now")}
		}
		return now, nil
	}, backoff.WithBackOff(backoff.NewConstantBackOff(time.Second)), backoff.WithMaxElapsedTime(0))
}
