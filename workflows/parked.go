package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// StartSignal starts an exhaust that waits for the night. It carries a Release.
const StartSignal = "run"

// Release says how an exhaust that waited for the night is to run.
type Release struct {
	// Night says that the night released it, rather than somebody who wants it now.
	Night bool `json:"night,omitempty"`
}

// Parked is an exhaust that waits for the night, and holds no worker meanwhile. It goes on as an Exhaust, in a new run under
// the same id, so that one which waited while the workers were updated begins with the new code.
func Parked(ctx workflow.Context, in Input) (Result, error) {
	e, err := newExhaust(ctx, in)
	if err != nil {
		return Result{}, err
	}
	e.job.Parked = true
	release, err := e.waitForRelease(ctx)
	if err == nil {
		err = ctx.Err() // a cancellation would not reach the next run
	}
	if err != nil {
		return Result{}, e.fail(ctx, err)
	}
	in.Night, in.Wait = release.Night, false
	return Result{}, workflow.NewContinueAsNewError(ctx, Exhaust, in)
}

// waitForRelease waits for StartSignal.
func (e *exhaustRun) waitForRelease(ctx workflow.Context) (release Release, err error) {
	if err := e.publishState(ctx, "waiting for the night"); err != nil {
		return release, err
	}
	// The night finds those that wait in job_request, so it has to be there even if the api was
	// killed before it could write it.
	if err := workflow.ExecuteActivity(e.shortStep(ctx, "record SUBMITTED"), a.RecordJob, e.job).Get(ctx, nil); err != nil {
		return release, err
	}
	isSignalled := false
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(workflow.GetSignalChannel(ctx, StartSignal), func(c workflow.ReceiveChannel, _ bool) {
		var sent *Release // releases before sent none
		c.Receive(ctx, &sent)
		if sent != nil {
			release = *sent
		}
		isSignalled = true
	})
	selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
	selector.Select(ctx)
	if !isSignalled {
		return release, ctx.Err()
	}
	e.startedAt = workflow.Now(ctx)
	e.deadline = e.startedAt.Add(e.timeout)
	return release, nil
}
