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

// NightInput starts the night.
type NightInput struct {
	// Concurrency is how many exhausts run at once (EXHAUST_NIGHTLY_CONCURRENCY).
	Concurrency int `json:"concurrency"`
	// Timeout is how long one exhaust may take (EXHAUST_TIMEOUT).
	Timeout time.Duration `json:"timeout"`
	// Schedule is the cron expression and the zone by which the night comes, for people to see.
	Schedule string `json:"schedule,omitempty"`
	// Carried is what earlier runs of the same night have done; nil in the first.
	Carried *Night `json:"carried,omitempty"`
}

// Night is how far a night has come.
type Night struct {
	StartedAt time.Time `json:"began"`
	// Failed is true once those that wait have been listed and those that FAILED are next; IsListed once
	// these have been too.
	Failed   bool `json:"failed"`
	IsListed bool `json:"listed"`
	// After is the id of the last exhaust that was listed.
	After string `json:"after,omitempty"`
	// Running are the exhausts whose end the night waits for.
	Running []night.Due `json:"running,omitempty"`
	Summary Summary     `json:"summary"`
}

// Summary is the result of a night.
type Summary struct {
	StartedAt time.Time `json:"began"`
	EndedAt   time.Time `json:"ended"`
	// Starts counts the exhausts that the night has started: those that waited and those that had FAILED.
	Starts    int `json:"ran"`
	Retried   int `json:"retried"`
	Success   int `json:"success"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	// Bytes of telemetry that were read.
	Bytes int64 `json:"bytes"`
	Rows  int64 `json:"rows"`
	// Slowest is the exhaust that took longest.
	Slowest *night.Outcome `json:"slowest,omitempty"`
	// Failures are those that did not succeed, at most 100 of them.
	Failures []night.Outcome `json:"failures,omitempty"`
	// Deleted is what was cleaned up.
	Deleted night.Cleaned `json:"deleted"`
	// Problems are steps of the night itself that came to nothing.
	Problems []string `json:"problems,omitempty"`
}

const (
	pageSize = 200
	// maxStarts is how many exhausts one run of the workflow starts before it continues as new: about 6 events of
	// history each.
	maxStarts   = 1000
	maxFailures = 100
)

// n names the activities of the night; only the names are used here.
var n *night.Activities

// Nightly starts every exhaust that waits for the night, retries what FAILED for a reason that may heal, and deletes what
// has expired. One bad exhaust never stops the rest.
func Nightly(ctx workflow.Context, in NightInput) (Summary, error) {
	state := in.Carried
	if state == nil {
		now := workflow.Now(ctx)
		state = &Night{StartedAt: now, Summary: Summary{StartedAt: now}}
	}
	r := &nightRun{
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
	if err := r.cleanUp(ctx); err != nil {
		return Summary{}, err
	}
	r.Summary.EndedAt = workflow.Now(ctx)
	return r.Summary, nil
}

// nightRun is one run of the workflow of a night.
type nightRun struct {
	*Night
	timeout time.Duration
	slots   workflow.Semaphore
	waits   workflow.WaitGroup
	starts  int
}

// startPage starts the next exhausts. It does not wait for the end of the last of them, so that one that takes hours
// holds up no other.
func (r *nightRun) startPage(ctx workflow.Context) error {
	var due []night.Due
	err := workflow.ExecuteActivity(listStep(ctx, "exhausts that are due"), n.ListDue, night.DueQuery{
		Failed: r.Failed, Before: r.StartedAt, After: r.After, Limit: pageSize,
	}).Get(ctx, &due)
	if temporal.IsCanceledError(err) {
		return err
	}
	if err != nil {
		r.addProblem(fmt.Sprintf("listing the exhausts that are due: those behind %q were not run", r.After), err)
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
func (r *nightRun) start(ctx workflow.Context, due []night.Due) error {
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
func (r *nightRun) startAndWait(ctx workflow.Context, due night.Due) {
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
	r.Summary.add(due, outcome)
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d exhausts ran: %d SUCCESS, %d FAILED, %d CANCELLED; %d are running",
		r.Summary.Starts, r.Summary.Success, r.Summary.Failed, r.Summary.Cancelled, len(r.Running)))
}

// add counts an exhaust that was run.
func (s *Summary) add(due night.Due, outcome night.Outcome) {
	s.Starts++
	if due.Status == exhaust.Failed {
		s.Retried++
	}
	s.Bytes += outcome.Bytes
	s.Rows += outcome.Rows
	switch outcome.Status {
	case exhaust.Success:
		s.Success++
	case exhaust.Cancelled:
		s.Cancelled++
	default:
		s.Failed++
	}
	if outcome.Status != exhaust.Success && len(s.Failures) < maxFailures {
		s.Failures = append(s.Failures, outcome)
	}
	if s.Slowest == nil || outcome.Took > s.Slowest.Took {
		s.Slowest = &outcome
	}
}

// cleanUp deletes what has expired. What it cannot delete the next night will.
func (r *nightRun) cleanUp(ctx workflow.Context) error {
	err := workflow.ExecuteActivity(deleteStep(ctx, "ends that were not recorded"), n.SettleEnded).Get(ctx, nil)
	if temporal.IsCanceledError(err) {
		return err
	}
	if err != nil {
		r.addProblem("recording ends that were not recorded", err)
	}
	for _, step := range []struct {
		name     string
		activity any
	}{
		{"deleting expired reports", n.DeleteExpired},
		{"deleting staged files that were left behind", n.DeleteLeftStaging},
		{"deleting reports that no exhaust names", n.DeleteUnnamed},
	} {
		var cleaned night.Cleaned
		workflow.SetCurrentDetails(ctx, step.name)
		err := workflow.ExecuteActivity(deleteStep(ctx, step.name), step.activity, r.StartedAt).Get(ctx, &cleaned)
		if temporal.IsCanceledError(err) {
			return err
		}
		if err != nil {
			r.addProblem(step.name, err)
		}
		r.Summary.Deleted.Reports += cleaned.Reports
		r.Summary.Deleted.Staged += cleaned.Staged
		r.Summary.Deleted.Unnamed += cleaned.Unnamed
	}
	return nil
}

func deleteStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		HeartbeatTimeout:       heartbeatTimeout,
		StartToCloseTimeout:    time.Hour,
		ScheduleToCloseTimeout: 2 * time.Hour,
		RetryPolicy:            retryPolicy(),
	})
}

func (r *nightRun) addProblem(doing string, err error) {
	r.Summary.Problems = append(r.Summary.Problems, doing+": "+rootMessage(err))
}

func listStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    time.Minute,
		ScheduleToCloseTimeout: time.Hour,
		RetryPolicy:            retryPolicy(),
	})
}
