package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	// heartbeatTimeout is how long an activity with heartbeats may be silent before its worker is taken for dead and
	// another goes on.
	heartbeatTimeout = 10 * time.Second
	// recordTimeout is how long the end of an exhaust that came to nothing is tried to be recorded.
	recordTimeout = 24 * time.Hour
	// cleanUpTimeout is how long the removal of staged files is tried; what it leaves the night removes.
	cleanUpTimeout = 10 * time.Minute
)

// retryPolicy is for all that can heal: until the exhaust's deadline.
func retryPolicy() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    500 * time.Millisecond,
		BackoffCoefficient: 2,
		MaximumInterval:    30 * time.Second,
	}
}

// shortStep is for activities that take one look-up or one write.
func (e *exhaustRun) shortStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    20 * time.Second,
		ScheduleToCloseTimeout: e.remaining(ctx),
		RetryPolicy:            retryPolicy(),
	})
}

// longStep is for activities that read or write data, with heartbeats. A cancelled one is waited for, so
// that it has stopped writing when its files are removed.
func (e *exhaustRun) longStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		HeartbeatTimeout:       heartbeatTimeout,
		StartToCloseTimeout:    e.remaining(ctx),
		ScheduleToCloseTimeout: e.remaining(ctx),
		WaitForCancellation:    true,
		RetryPolicy:            retryPolicy(),
	})
}

// cleanUpStep is for the removal of staged files, which holds nothing up for long.
func (e *exhaustRun) cleanUpStep(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                "staged files",
		HeartbeatTimeout:       heartbeatTimeout,
		StartToCloseTimeout:    cleanUpTimeout,
		ScheduleToCloseTimeout: cleanUpTimeout,
		RetryPolicy:            retryPolicy(),
	})
}

// remaining is the time until the exhaust's deadline.
func (e *exhaustRun) remaining(ctx workflow.Context) time.Duration {
	return max(e.deadline.Sub(workflow.Now(ctx)), time.Second)
}
