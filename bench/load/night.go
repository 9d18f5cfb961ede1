package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"data-exhaust/bench/stack"
	"data-exhaust/exhaust"
	"data-exhaust/internal/sample"
	"data-exhaust/service"
)

type nightOptions struct{ exhausts, days, events int }

func (o nightOptions) telemetry() sample.Options {
	return sample.Options{Seed: 1, Days: o.days, EventsPerDay: o.events, ObjectsPerDay: 4, Conversations: 5, Devices: 900}
}

const (
	// neighbours is how many one-day exhausts are made on the idle stack, and how many during the night.
	neighbours     = 5
	neighbourEvery = 10 * time.Second
)

// measureNight makes one-day exhausts on the idle stack and again while the night makes many larger ones, and prints what
// each took from submit to its end.
func measureNight(ctx context.Context, s *filled, o nightOptions, out io.Writer) error {
	stack.Progress("making %d one-day exhausts on the idle stack", neighbours)
	idle := make([]time.Duration, neighbours)
	for i := range idle {
		var err error
		if idle[i], err = s.makeNeighbour(ctx, fmt.Sprintf("idle-%d", i)); err != nil {
			return err
		}
	}
	orders, err := s.submitForTheNight(ctx, o)
	if err != nil {
		return err
	}
	night, err := s.triggerNight(ctx)
	if err != nil {
		return err
	}
	meter := startMeter()
	stack.Progress("the night %s runs", night)
	during := make([]time.Duration, neighbours)
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range during {
		group.Go(func() (err error) {
			if err := sleep(groupCtx, time.Duration(i+1)*neighbourEvery); err != nil {
				return err
			}
			stack.Progress("making a one-day exhaust")
			during[i], err = s.makeNeighbour(groupCtx, fmt.Sprintf("neighbour-%d", i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := s.checkNightRuns(ctx, night); err != nil {
		return err
	}
	stack.Progress("waiting for the end of the night")
	e, err := s.awaitExecution(ctx, night)
	if err != nil {
		return err
	}
	used := meter.stop()
	for _, order := range orders {
		if err := s.API.Read(ctx, order); err != nil {
			return err
		}
	}
	if err := checkSuccess(orders); err != nil {
		return err
	}
	return printNight(o, orders, idle, during, e, used, out)
}

// makeNeighbour makes a one-day exhaust and returns how long it took from submit to its end.
func (s *filled) makeNeighbour(ctx context.Context, tag string) (time.Duration, error) {
	o := stack.Order{Dataset: exhaust.ResponseExhaust, Tag: tag, Conversation: s.set.Conversations()[0], First: s.set.Until, Last: s.set.Until}
	if err := s.API.Submit(ctx, &o); err != nil {
		return 0, err
	}
	if _, err := s.awaitExecution(ctx, o.WorkflowID()); err != nil {
		return 0, err
	}
	if err := s.API.Read(ctx, &o); err != nil {
		return 0, err
	}
	return o.Job.CompletedAt().Sub(o.SentAt), checkSuccess([]*stack.Order{&o})
}

// submitForTheNight submits exhausts of all days that wait for the night.
func (s *filled) submitForTheNight(ctx context.Context, o nightOptions) ([]*stack.Order, error) {
	stack.Progress("submitting %d exhausts that wait for the night", o.exhausts)
	orders := make([]*stack.Order, o.exhausts)
	days, conversations := s.set.Days(), s.set.Conversations()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range orders {
		orders[i] = &stack.Order{
			Dataset: exhaust.ResponseExhaust, Tag: fmt.Sprintf("night-%d", i), RunAt: "nightly",
			Conversation: conversations[i%len(conversations)], First: days[0], Last: days[len(days)-1],
		}
		group.Go(func() error { return s.API.Submit(ctx, orders[i]) })
	}
	return orders, group.Wait()
}

// triggerNight starts the night, and returns the id of its workflow.
func (s *filled) triggerNight(ctx context.Context) (string, error) {
	schedule := s.Temporal.ScheduleClient().GetHandle(ctx, service.NightlySchedule)
	if err := schedule.Trigger(ctx, client.ScheduleTriggerOptions{}); err != nil {
		return "", fmt.Errorf("trigger the night: %w", err)
	}
	for {
		described, err := schedule.Describe(ctx)
		if err != nil {
			return "", err
		}
		if running := described.Info.RunningWorkflows; len(running) > 0 {
			return running[0].WorkflowID, nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// checkNightRuns is an error where the night was over before it could disturb anybody.
func (s *filled) checkNightRuns(ctx context.Context, night string) error {
	e, err := s.describeExecution(ctx, night)
	if err == nil && e.isClosed() {
		err = fmt.Errorf("the night was over before the last of its neighbours: it needs more --exhausts or --events")
	}
	return err
}

func printNight(o nightOptions, orders []*stack.Order, idle, during []time.Duration, night execution, used usage, out io.Writer) error {
	t := newTable(out, "A night of %d exhausts of %d days, and exhausts of one of these days beside it, from submit to SUCCESS", o.exhausts, o.days)
	alone := percentile(idle, 50)
	t.row("telemetry of one day, MB compressed", "%.1f", float64(orders[0].Job.Progress.BytesTotal)/float64(o.days)/1e6)
	t.row("the night, s", "%.1f", night.took.Seconds())
	t.row("its exhausts a second", "%.2f", float64(o.exhausts)/night.took.Seconds())
	t.row("one day on the idle stack, median, s", "%.2f", alone.Seconds())
	for i, took := range during {
		at := time.Duration(i+1) * neighbourEvery
		t.row(fmt.Sprintf("one day, %s into the night, s and to idle", at), "%.2f", took.Seconds(), took.Seconds()/alone.Seconds())
	}
	median := percentile(during, 50)
	t.row("one day beside the night, median, s and to idle", "%.2f", median.Seconds(), median.Seconds()/alone.Seconds())
	used.show(t, len(orders))
	return t.end()
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
