package workflows

import (
	"strings"
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
	// nightPriority is behind that of everything else, 3, on servers that know priorities.
	nightPriority = 5
)

// The task queues. Short steps and workflows have the one of the settings. Long steps, which take a core and some memory
// each, have queues of their own, of which a worker takes as many tasks at a time as it has cores, so that the server holds
// what waits and short steps never wait behind long ones. Those of a night have yet another.

// ScanQueue is the queue of the steps that read telemetry or write a small report, BuildQueue that of those that write the others, and NightQueue that
// of both for exhausts of a night.
func ScanQueue(queue string) string  { return queue + "-scan" }
func BuildQueue(queue string) string { return queue + "-build" }
func NightQueue(queue string) string { return queue + "-night" }

// LongQueues are the queues of long steps.
func LongQueues(queue string) []string {
	return []string{ScanQueue(queue), BuildQueue(queue), NightQueue(queue)}
}

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

// listStep is for listing the telemetry.
func (e *exhaustRun) listStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, e.longOptions(ctx, summary, e.queue))
}

// scanStep is for activities that read telemetry, and for those that write a small report.
func (e *exhaustRun) scanStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, e.longOptions(ctx, summary, e.longQueue(ScanQueue)))
}

// buildStep is for activities that write the report.
func (e *exhaustRun) buildStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, e.longOptions(ctx, summary, e.longQueue(BuildQueue)))
}

func (e *exhaustRun) longQueue(byDay func(string) string) string {
	if e.isNight {
		return NightQueue(e.queue)
	}
	return byDay(e.queue)
}

// longOptions are for activities that read or write data, with heartbeats. A cancelled one is waited for, so that it has
// stopped writing when its files are removed.
func (e *exhaustRun) longOptions(ctx workflow.Context, summary, queue string) workflow.ActivityOptions {
	options := workflow.ActivityOptions{
		TaskQueue:              queue,
		Summary:                summary,
		HeartbeatTimeout:       heartbeatTimeout,
		StartToCloseTimeout:    e.remaining(ctx),
		ScheduleToCloseTimeout: e.remaining(ctx),
		WaitForCancellation:    true,
		RetryPolicy:            retryPolicy(),
		Priority:               temporal.Priority{FairnessKey: fairnessKey(e.job.Channel)},
	}
	if e.isNight {
		options.Priority.PriorityKey = nightPriority
	}
	return options
}

// fairnessKey is a channel, cut to the 64 bytes that Temporal takes.
func fairnessKey(channel string) string {
	return strings.ToValidUTF8(channel[:min(len(channel), 64)], "")
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
