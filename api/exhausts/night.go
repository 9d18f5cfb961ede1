package exhausts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
	"data-exhaust/registry"
	"data-exhaust/workflows"
)

// Run runs an exhaust now that waits for the night, and runs one again that FAILED or was CANCELLED.
// status and attempts are what the caller saw of it: where it has moved on since, it is left alone,
// so that asking twice runs it once. The answer is the exhaust as it is then.
func (s *Exhausts) Run(ctx context.Context, requestID string, status exhaust.Status, attempts int) (exhaust.Job, error) {
	job, err := s.find(ctx, requestID)
	if err != nil || job.Attempts != attempts {
		return job, err
	}
	switch {
	case job.Status == exhaust.Submitted && status == exhaust.Submitted:
		return job, s.release(ctx, requestID)
	case job.Message == workflowGone,
		job.Status == status && (status == exhaust.Failed || status == exhaust.Cancelled):
		return s.again(ctx, job, run{})
	}
	return job, nil
}

// release tells an exhaust that waits for the night to run. One that does not wait takes no notice.
func (s *Exhausts) release(ctx context.Context, requestID string) error {
	err := s.temporal.SignalWorkflow(ctx, exhaust.WorkflowID(requestID), "", workflows.RunSignal, nil)
	var ended *serviceerror.NotFound
	if err == nil || errors.As(err, &ended) {
		return nil
	}
	return &Unavailable{TemporalDependency, err}
}

// Await waits for an exhaust to end and gives it as it is then.
func (s *Exhausts) Await(ctx context.Context, requestID string) (exhaust.Job, error) {
	// How the workflow ended is read from its state.
	_ = s.temporal.GetWorkflow(ctx, exhaust.WorkflowID(requestID), "").Get(ctx, nil)
	if err := ctx.Err(); err != nil {
		return exhaust.Job{}, err
	}
	job, err := s.find(ctx, requestID)
	if err == nil && !job.Status.Ended() {
		err = fmt.Errorf("exhaust %s is %s though its workflow has ended", requestID, job.Status)
	}
	return job, err
}

// Replay says which exhausts to run, as an operator asks for them; a zero value wants any.
type Replay struct {
	// Statuses are those wanted, of SUBMITTED (waiting for the night), FAILED and CANCELLED.
	Statuses  []exhaust.Status
	RequestID string
	Dataset   exhaust.Dataset
	Tag       string
	Channel   string
	// From and To bound the time of submission: From <= submitted < To.
	From, To time.Time
	// DryRun shows what would run.
	DryRun bool
	// After goes on behind an id; Limit is how many.
	After string
	Limit int
}

// Replay runs the exhausts that are wanted, by ascending id, and gives them as they are then. next is
// where to go on, "" at the end.
func (s *Exhausts) Replay(ctx context.Context, r Replay) (jobs []exhaust.Job, next string, err error) {
	for _, status := range r.Statuses {
		selected, err := s.jobs.Select(ctx, registry.Selection{
			Status: status, RequestID: r.RequestID, Dataset: r.Dataset, Tag: r.Tag, Channel: r.Channel,
			From: r.From, To: r.To, After: r.After, Limit: r.Limit,
		})
		if err != nil {
			return nil, "", &Unavailable{DatabaseDependency, err}
		}
		jobs = append(jobs, selected...)
	}
	slices.SortFunc(jobs, func(x, y exhaust.Job) int { return strings.Compare(x.ID, y.ID) })
	if len(jobs) >= r.Limit {
		jobs = jobs[:r.Limit]
		next = jobs[r.Limit-1].ID
	}
	if r.DryRun {
		return jobs, next, nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, job := range jobs {
		group.Go(func() (err error) {
			jobs[i], err = s.Run(ctx, job.ID, job.Status, job.Attempts)
			return err
		})
	}
	return jobs, next, group.Wait()
}
