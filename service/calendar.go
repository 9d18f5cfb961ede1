package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	commonpb "go.temporal.io/api/common/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/semaphore"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"data-exhaust/exhaust"
)

// Calendar finds out from Temporal when it fires cron expressions: what a cron expression means
// on a day that has no 02:30, or two of them, cannot be understood in two ways.
//
// It asks a Temporal Schedule of its own for each cron expression and zone, which starts nothing and is
// never changed. The schedule of the recurring exhaust itself would not do: it shows its times with
// jitter, and what it shows changes under the firings that are on their way when it is changed or
// deleted.
type Calendar struct {
	temporal  client.Client
	namespace string
	// asides bounds how many schedules there are at a time that LookAside has made.
	asides *semaphore.Weighted
}

// NewCalendar makes a calendar of a Temporal namespace.
func NewCalendar(temporal client.Client, namespace string) *Calendar {
	return &Calendar{temporal: temporal, namespace: namespace, asides: semaphore.NewWeighted(maxAsides)}
}

// Times are the times t of a cron expression in a zone with after < t <= until, ascending: the first
// exhaust.CalendarPage of them. The error is an *exhaust.InvalidError where Temporal does not accept them.
func (c *Calendar) Times(ctx context.Context, cron, zone string, after, until time.Time) ([]time.Time, error) {
	id := calendarID(cron, zone)
	times, err := matchingTimes(ctx, c.temporal, c.namespace, id, after, until)
	var missing *serviceerror.NotFound
	if !errors.As(err, &missing) {
		return times, err
	}
	if err := c.create(ctx, id, cron, zone); err != nil {
		return nil, err
	}
	return matchingTimes(ctx, c.temporal, c.namespace, id, after, until)
}

// create makes a schedule that is out of actions from the start. Temporal deletes such a one by itself
// after a week.
func (c *Calendar) create(ctx context.Context, id, cron, zone string) error {
	_, err := c.temporal.WorkflowService().CreateSchedule(ctx, &workflowservice.CreateScheduleRequest{
		Namespace:  c.namespace,
		ScheduleId: id,
		RequestId:  id,
		Schedule: &schedulepb.Schedule{
			Spec: &schedulepb.ScheduleSpec{CronString: []string{cron}, TimezoneName: zone},
			// Temporal's clients cannot show a schedule without an action. This one ends at once where
			// somebody triggers it by hand.
			Action: &schedulepb.ScheduleAction{Action: &schedulepb.ScheduleAction_StartWorkflow{StartWorkflow: &workflowpb.NewWorkflowExecutionInfo{
				WorkflowId:         id,
				WorkflowType:       &commonpb.WorkflowType{Name: "Nothing"},
				TaskQueue:          &taskqueuepb.TaskQueue{Name: "none"},
				WorkflowRunTimeout: durationpb.New(time.Second),
			}}},
			State: &schedulepb.ScheduleState{
				LimitedActions: true,
				Notes:          fmt.Sprintf("tells the times of %q in %s; starts nothing", cron, zone),
			},
		},
	})
	var (
		wrong  *serviceerror.InvalidArgument
		exists *serviceerror.WorkflowExecutionAlreadyStarted
	)
	switch {
	case errors.As(err, &exists):
		return nil
	case errors.As(err, &wrong):
		return exhaust.Invalid(exhaust.CronRefused, cron, zone, wrong.Message)
	}
	return err
}

func calendarID(cron, zone string) string {
	return fmt.Sprintf("exhaust-calendar-%x", sha256.Sum256([]byte(cron+"\n"+zone)))[:len("exhaust-calendar-")+16]
}

// matchingTimes are the times t of a Temporal Schedule with after < t <= until, with its jitter.
func matchingTimes(ctx context.Context, c client.Client, namespace, id string, after, until time.Time) ([]time.Time, error) {
	answer, err := retryBusy(ctx, func(ctx context.Context) (*workflowservice.ListScheduleMatchingTimesResponse, error) {
		return c.WorkflowService().ListScheduleMatchingTimes(ctx, &workflowservice.ListScheduleMatchingTimesRequest{
			Namespace:  namespace,
			ScheduleId: id,
			StartTime:  timestamppb.New(after),
			EndTime:    timestamppb.New(until),
		})
	})
	if err != nil {
		return nil, err
	}
	times := make([]time.Time, len(answer.GetStartTime()))
	for i, t := range answer.GetStartTime() {
		times[i] = t.AsTime()
	}
	return times, nil
}

// scheduleTimeout is how long Temporal may take to answer a question about a schedule, which it hands on to the workflow that
// the schedule is. A busy server loses such a question now and then, and would let it wait until the caller gives up.
const scheduleTimeout = 5 * time.Second

// retryBusy asks Temporal again where it is only too early, because the schedule was made a moment ago, or too much,
// because many ask the same schedule at once, and where no answer comes. To ask twice must come to the same as once.
func retryBusy[T any](ctx context.Context, ask func(ctx context.Context) (T, error)) (T, error) {
	isPermanent := func(err error) bool {
		var (
			early *serviceerror.WorkflowNotReady
			much  *serviceerror.ResourceExhausted
		)
		return !errors.As(err, &early) && !errors.As(err, &much) && !isLate(err)
	}
	askOnce := func() (T, error) {
		ctx, cancel := context.WithTimeout(ctx, scheduleTimeout)
		defer cancel()
		return ask(ctx)
	}
	return Retry(ctx, askOnce, isPermanent, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 25 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 5 * time.Second,
	}), backoff.WithMaxElapsedTime(3*scheduleTimeout))
}
