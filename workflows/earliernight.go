package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities/night"
	"data-exhaust/exhaust"
)

// earlierNight goes on with a night that began before nights released exhausts instead of running them: it waits for the end
// of each. It can be deleted when none of them can be in flight any more, which is EXHAUST_TIMEOUT and a day after the update.
type earlierNight struct {
	*Night
	timeout time.Duration
	slots   workflow.Semaphore
	waits   workflow.WaitGroup
	starts  int
}

// maxStarts is how many exhausts one run of the workflow starts before it continues as new: about 6 events of history each.
const maxStarts = 1000

func runEarlierNight(ctx workflow.Context, in NightInput, state *Night) (Summary, error) {
	r := &earlierNight{
		Night:   state,
		timeout: in.Timeout,
		slots:   workflow.NewSemaphore(ctx, int64(in.Concurrency)),
		waits:   workflow.NewWaitGroup(ctx),
	}
	// Those that the run before has started are only waited for.
	carried := r.Running
	r.Running = nil
	if err := r.start(ctx, carried); err != nil {
		return Summary{}, err
	}
	for !r.IsListed {
		if r.starts >= maxStarts {
			in.Carried = r.Night
			return Summary{}, workflow.NewContinueAsNewError(ctx, Nightly, in)
		}
		if err := r.startPage(ctx); err != nil {
			return Summary{}, err
		}
	}
	r.waits.Wait(ctx)
	if err := ctx.Err(); err != nil {
		return Summary{}, err
	}
	if err := cleanUp(ctx, r.Night); err != nil {
		return Summary{}, err
	}
	r.Summary.EndedAt = workflow.Now(ctx)
	return r.Summary, nil
}

// startPage starts the next exhausts. It does not wait for the end of the last of them, so that one that takes hours
// holds up no other.
func (r *earlierNight) startPage(ctx workflow.Context) error {
	var due []night.Due
	err := workflow.ExecuteActivity(listStep(ctx, "exhausts that are due"), n.ListDue, night.DueQuery{
		Failed: r.Failed, Before: r.StartedAt, After: r.After, Limit: pageSize,
	}).Get(ctx, &due)
	if temporal.IsCanceledError(err) {
		return err
	}
	if err != nil {
		r.Summary.addProblem(fmt.Sprintf("listing the exhausts that are due: those behind %q were not run", r.After), err)
		due = nil
	}
	if err := r.start(ctx, due); err != nil {
		return err
	}
	if len(due) == pageSize {
		r.After = due[len(due)-1].RequestID
		return nil
	}
	r.After = ""
	r.IsListed = r.Failed
	r.Failed = true
	return nil
}

// start starts exhausts, each as soon as there is room for it.
func (r *earlierNight) start(ctx workflow.Context, due []night.Due) error {
	for _, d := range due {
		if err := r.slots.Acquire(ctx, 1); err != nil {
			return err
		}
		r.starts++
		r.waits.Add(1)
		r.Running = append(r.Running, d)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer r.waits.Done()
			defer r.slots.Release(1)
			r.startAndWait(ctx, d)
		})
	}
	return ctx.Err()
}

// startAndWait starts one exhaust and waits for its end. However it ends, the night goes on.
func (r *earlierNight) startAndWait(ctx workflow.Context, due night.Due) {
	outcome := night.Outcome{RequestID: due.RequestID, Status: exhaust.Failed}
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                due.RequestID,
		HeartbeatTimeout:       heartbeatTimeout,
		StartToCloseTimeout:    r.timeout + time.Hour,
		ScheduleToCloseTimeout: r.timeout + time.Hour,
		RetryPolicy:            retryPolicy(),
	}), n.RunDue, due).Get(ctx, &outcome)
	if temporal.IsCanceledError(err) {
		return
	}
	if err != nil {
		outcome.Message = rootMessage(err)
	}
	r.Running = slices.DeleteFunc(r.Running, func(d night.Due) bool { return d == due })
	r.Summary.Starts++
	r.Summary.add(outcome)
	if due.Status == exhaust.Failed {
		r.Summary.Retried++
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d exhausts ran: %d SUCCESS, %d FAILED, %d CANCELLED; %d are running",
		r.Summary.Starts, r.Summary.Success, r.Summary.Failed, r.Summary.Cancelled, len(r.Running)))
}
