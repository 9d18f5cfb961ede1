package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"data-exhaust/bench/stack"
	"data-exhaust/exhaust"
	"data-exhaust/internal/sample"
)

// smallTelemetry is some days of one small object each: 16 events of the first conversation a day, about 10 of each other.
var smallTelemetry = sample.Options{Seed: 1, Days: 7, EventsPerDay: 200, ObjectsPerDay: 1, Conversations: 5}

type rateOptions struct{ exhausts, clients, readers int }

// readEvery is how long a reader waits after a read, as a client that polls does.
const readEvery = 50 * time.Millisecond

// measureRate submits small exhausts as fast as the clients can, reads those in flight until all have ended, and prints how
// that went.
func measureRate(ctx context.Context, s *filled, o rateOptions, out io.Writer) error {
	stack.Progress("submitting %d exhausts with %d clients", o.exhausts, o.clients)
	orders := make([]*stack.Order, o.exhausts)
	days, conversations := s.set.Days(), s.set.Conversations()
	for i := range orders {
		day := days[i%len(days)]
		orders[i] = &stack.Order{
			Dataset: exhaust.ResponseExhaust, Tag: fmt.Sprintf("load-%d", i),
			Conversation: conversations[i%len(conversations)], First: day, Last: day,
		}
	}
	meter := startMeter()
	reads, err := makeAll(ctx, s.API, orders, o)
	used := meter.stop()
	if err != nil {
		return err
	}
	if err := checkSuccess(orders); err != nil {
		return err
	}
	stack.Progress("describing their workflows")
	var executions []execution
	for _, order := range orders {
		e, err := s.describeExecution(ctx, order.WorkflowID())
		if err != nil {
			return err
		}
		executions = append(executions, e)
	}
	return printRate(o, orders, reads, executions, used, out)
}

// makeAll submits orders and reads them until all have ended. It returns how long each read took.
func makeAll(ctx context.Context, api stack.Client, orders []*stack.Order, o rateOptions) ([]time.Duration, error) {
	var (
		waiting  = make(chan *stack.Order)
		inFlight = make(chan *stack.Order, len(orders))
		mu       sync.Mutex
		reads    []time.Duration
		ended    int
	)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(waiting)
		for _, order := range orders {
			select {
			case waiting <- order:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range o.clients {
		group.Go(func() error {
			for order := range waiting {
				if err := api.Submit(ctx, order); err != nil {
					return fmt.Errorf("submit %s: %w", order.Tag, err)
				}
				inFlight <- order
			}
			return nil
		})
	}
	// The one that has waited longest is read next. The last to end closes the channel, which then is empty.
	for range o.readers {
		group.Go(func() error {
			for {
				var next *stack.Order
				select {
				case next = <-inFlight:
				case <-ctx.Done():
					return ctx.Err()
				}
				if next == nil {
					return nil
				}
				begin := time.Now()
				if err := api.Read(ctx, next); err != nil {
					return fmt.Errorf("read %s: %w", next.Tag, err)
				}
				took := time.Since(begin)
				mu.Lock()
				reads = append(reads, took)
				if next.Job.Status.HasEnded() {
					ended++
				} else {
					inFlight <- next
				}
				if ended == len(orders) {
					close(inFlight)
				}
				mu.Unlock()
				if err := sleep(ctx, readEvery); err != nil {
					return err
				}
			}
		})
	}
	err := group.Wait()
	return reads, err
}

// checkSuccess is an error that names each exhaust that is no SUCCESS.
func checkSuccess(orders []*stack.Order) error {
	var errs []error
	for _, o := range orders {
		if o.Job.Status != exhaust.Success {
			errs = append(errs, fmt.Errorf("exhaust %s of tag %s is %s: %s", o.Job.RequestID, o.Tag, o.Job.Status, o.Job.StatusMessage))
		}
	}
	return errors.Join(errs...)
}

func printRate(o rateOptions, orders []*stack.Order, reads []time.Duration, executions []execution, used usage, out io.Writer) error {
	var submits, lives []time.Duration
	first, last := orders[0].SentAt, orders[0].Job.CompletedAt()
	for _, order := range orders {
		submits = append(submits, order.SubmitTook)
		lives = append(lives, order.Job.CompletedAt().Sub(order.SentAt))
		if order.SentAt.Before(first) {
			first = order.SentAt
		}
		if completed := order.Job.CompletedAt(); completed.After(last) {
			last = completed
		}
	}
	var events, transitions []int64
	for _, e := range executions {
		events, transitions = append(events, e.events), append(transitions, e.transitions)
	}
	t := newTable(out, "%d small exhausts of one day, %d clients, %d readers", o.exhausts, o.clients, o.readers)
	whole := last.Sub(first).Seconds()
	t.row("exhausts a second", "%.1f", float64(len(orders))/whole)
	t.row("from the first submit to the last end, s", "%.1f", whole)
	t.row("submit p50, p99, ms", "%d", millis(percentile(submits, 50)), millis(percentile(submits, 99)))
	t.row(fmt.Sprintf("read p50, p99, ms (%d reads)", len(reads)), "%d", millis(percentile(reads, 50)), millis(percentile(reads, 99)))
	t.row("from submit to SUCCESS p50, p99, s", "%.1f", percentile(lives, 50).Seconds(), percentile(lives, 99).Seconds())
	t.row("history events, median", "%d", percentile(events, 50))
	t.row("state transitions, median", "%d", percentile(transitions, 50))
	used.show(t, len(orders))
	return t.end()
}
