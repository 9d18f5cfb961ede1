// Package night does the work of the night (it finds what is due, starts it, and deletes what has expired), makes no
// exhaust itself, and deletes nothing that an exhaust may still name.
package night

import (
	"context"
	"errors"
	"fmt"
	"time"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

// Activities holds what the steps of the night work with. Its methods are the activities.
type Activities struct {
	exhausts  Exhausts
	jobs      Jobs
	reports   blob.Store
	retention time.Duration
	timezone  *time.Location
}

// Exhausts starts exhausts and waits for them.
type Exhausts interface {
	// Start starts an exhaust that waits, and retries one that FAILED or was CANCELLED, unless it has moved on since it
	// was found with that status and that many attempts.
	Start(ctx context.Context, requestID string, status exhaust.Status, attempts int) (exhaust.Job, error)
	// Wait waits for its end.
	Wait(ctx context.Context, requestID string) (exhaust.Job, error)
	// Find is how it stands.
	Find(ctx context.Context, requestID string) (exhaust.Job, error)
}

// Jobs is what the night asks of job_request.
type Jobs interface {
	Select(ctx context.Context, s jobs.Selection) ([]exhaust.Job, error)
	WithReport(ctx context.Context, endedBefore time.Time, limit int) ([]exhaust.Job, error)
	DropReport(ctx context.Context, requestID, report, why string) error
	Job(ctx context.Context, requestID string) (exhaust.Job, error)
	Save(ctx context.Context, job exhaust.Job) error
}

// New makes the activities of the night. Reports are kept for retention after their exhaust was completed
// (EXHAUST_REPORT_RETENTION).
func New(exhausts Exhausts, jobs Jobs, reports blob.Store, retention time.Duration, timezone *time.Location) *Activities {
	return &Activities{exhausts: exhausts, jobs: jobs, reports: reports, retention: retention, timezone: timezone}
}

// Due names an exhaust that the night is to start, as it was found.
type Due struct {
	RequestID string         `json:"requestId"`
	Status    exhaust.Status `json:"status"`
	Attempts  int            `json:"attempts"`
}

// DueQuery says which exhausts the night is to start.
type DueQuery struct {
	// Failed wants those that FAILED for a reason that may heal; else those that wait are wanted.
	Failed bool `json:"failed"`
	// Before bounds them to those submitted, or failed, before the night began.
	Before time.Time `json:"before"`
	After  string    `json:"after,omitempty"`
	Limit  int       `json:"limit"`
}

// maxAttempts is how many attempts a FAILED exhaust has had when the night gives it up.
const maxAttempts = 3

// ListDue returns the next exhausts to start, by id.
func (n *Activities) ListDue(ctx context.Context, q DueQuery) ([]Due, error) {
	selection := jobs.Selection{Status: exhaust.Submitted, To: q.Before, After: q.After, Limit: q.Limit}
	if q.Failed {
		selection = jobs.Selection{
			Status: exhaust.Failed, Retryable: true, EndedBefore: q.Before, After: q.After, Limit: q.Limit,
			BelowAttempts: maxAttempts - 1, // it counts the attempts after the first
		}
	}
	selected, err := n.jobs.Select(ctx, selection)
	if err != nil {
		return nil, err
	}
	due := make([]Due, len(selected))
	for i, job := range selected {
		due[i] = Due{RequestID: job.ID, Status: job.Status, Attempts: job.Attempts}
	}
	return due, nil
}

// Outcome is how an exhaust ended that the night started.
type Outcome struct {
	RequestID string         `json:"requestId"`
	Status    exhaust.Status `json:"status"`
	Message   string         `json:"message,omitempty"`
	// Bytes are those of telemetry that were read.
	Bytes int64 `json:"bytes"`
	Rows  int64 `json:"rows"`
	// Took is how long it took.
	Took time.Duration `json:"took"`
}

// RunDue starts an exhaust and waits for its end, however it ends. When it is retried after its
// worker died it waits for the same run.
func (n *Activities) RunDue(ctx context.Context, due Due) (Outcome, error) {
	return activities.WithHeartbeats(ctx, func(ctx context.Context) (Outcome, error) { return n.runDue(ctx, due) })
}

func (n *Activities) runDue(ctx context.Context, due Due) (Outcome, error) {
	if _, err := n.exhausts.Start(ctx, due.RequestID, due.Status, due.Attempts); err != nil {
		return Outcome{}, err
	}
	job, err := n.exhausts.Wait(ctx, due.RequestID)
	if err != nil {
		return Outcome{}, err
	}
	if err := n.settle(ctx, job); err != nil {
		return Outcome{}, err
	}
	return Outcome{
		RequestID: job.ID,
		Status:    job.Status,
		Message:   job.Message,
		Bytes:     job.Progress.BytesRead,
		Rows:      job.Progress.RowsWritten,
		Took:      job.ExecutionTime,
	}, nil
}

// settle records the end of an exhaust that could not do so itself: one that was terminated.
func (n *Activities) settle(ctx context.Context, job exhaust.Job) error {
	recorded, err := n.jobs.Job(ctx, job.ID)
	if err != nil || recorded.Status.HasEnded() || !job.Status.HasEnded() {
		return err
	}
	return n.jobs.Save(ctx, job)
}

// Cleaned counts what the night deleted.
type Cleaned struct {
	// Reports are those kept for longer than the retention.
	Reports int `json:"reports"`
	// Staged are files that exhausts left behind which no longer run.
	Staged int `json:"staged"`
	// Unnamed are reports that no exhaust names: it came to nothing just after it had written one.
	Unnamed int `json:"unnamed"`
}

// SettleEnded records the end of exhausts that could not do so themselves.
func (n *Activities) SettleEnded(ctx context.Context) error {
	_, err := activities.WithHeartbeats(ctx, func(ctx context.Context) (any, error) { return nil, n.settleEnded(ctx) })
	return err
}

func (n *Activities) settleEnded(ctx context.Context) error {
	const page = 500
	for after := ""; ; {
		selected, err := n.jobs.Select(ctx, jobs.Selection{Status: exhaust.Processing, After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, job := range selected {
			if _, err := n.isInFlight(ctx, job.ID); err != nil {
				return err
			}
			after = job.ID
		}
		if len(selected) < page {
			return nil
		}
	}
}

// DeleteExpired deletes the reports that have been kept for longer than the retention at a time.
func (n *Activities) DeleteExpired(ctx context.Context, now time.Time) (Cleaned, error) {
	return activities.WithHeartbeats(ctx, func(ctx context.Context) (Cleaned, error) { return n.deleteExpired(ctx, now) })
}

func (n *Activities) deleteExpired(ctx context.Context, now time.Time) (cleaned Cleaned, err error) {
	const page = 500
	for {
		expired, err := n.jobs.WithReport(ctx, now.Add(-n.retention), page)
		if err != nil || len(expired) == 0 {
			return cleaned, err
		}
		for _, job := range expired {
			// The receipt goes first: its report is what says that there is one.
			for _, name := range []string{exhaust.ReceiptName(job.Report), job.Report} {
				if err := n.reports.Delete(ctx, name); err != nil {
					return cleaned, fmt.Errorf("deleting expired report %s: %w", name, err)
				}
			}
			why := exhaust.ExpiryMessage(job.CompletedAt.Add(n.retention).In(n.timezone))
			if err := n.jobs.DropReport(ctx, job.ID, job.Report, why); err != nil {
				return cleaned, err
			}
			cleaned.Reports++
		}
	}
}

// minLeftoverAge is how old a file is at least before the night takes it for left behind.
const minLeftoverAge = 24 * time.Hour

// DeleteLeftStaging deletes staged files that are older than a day and whose exhaust does not run.
func (n *Activities) DeleteLeftStaging(ctx context.Context, now time.Time) (Cleaned, error) {
	return activities.WithHeartbeats(ctx, func(ctx context.Context) (Cleaned, error) { return n.deleteLeftStaging(ctx, now) })
}

func (n *Activities) deleteLeftStaging(ctx context.Context, now time.Time) (cleaned Cleaned, err error) {
	var (
		lastID   string // files come in the order of their exhausts
		inFlight bool
	)
	for object, err := range n.reports.List(ctx, exhaust.StagingPrefix, "") {
		if err != nil {
			return cleaned, fmt.Errorf("listing what was staged: %w", err)
		}
		if object.Modified.After(now.Add(-minLeftoverAge)) {
			continue
		}
		requestID := exhaust.RequestOf(object.Name, exhaust.StagingPrefix)
		if requestID != lastID {
			if inFlight, err = n.isInFlight(ctx, requestID); err != nil {
				return cleaned, err
			}
			lastID = requestID
		}
		if inFlight {
			continue
		}
		if err := n.reports.Delete(ctx, object.Name); err != nil {
			return cleaned, fmt.Errorf("deleting staged %s: %w", object.Name, err)
		}
		cleaned.Staged++
	}
	return cleaned, nil
}

// DeleteUnnamed deletes reports that are older than a day and that their exhaust, which has ended,
// does not name; and those older than the retention of which nothing is recorded at all.
func (n *Activities) DeleteUnnamed(ctx context.Context, now time.Time) (Cleaned, error) {
	return activities.WithHeartbeats(ctx, func(ctx context.Context) (Cleaned, error) { return n.deleteUnnamed(ctx, now) })
}

func (n *Activities) deleteUnnamed(ctx context.Context, now time.Time) (cleaned Cleaned, err error) {
	for _, dataset := range exhaust.Datasets {
		prefix := exhaust.ReportsOf(dataset)
		for object, err := range n.reports.List(ctx, prefix, "") {
			if err != nil {
				return cleaned, fmt.Errorf("listing reports: %w", err)
			}
			if object.Modified.After(now.Add(-minLeftoverAge)) {
				continue
			}
			job, err := n.jobs.Job(ctx, exhaust.RequestOf(object.Name, prefix))
			switch unrecorded := errors.Is(err, jobs.ErrNoJob); {
			case err != nil && !unrecorded:
				return cleaned, err
			case unrecorded && object.Modified.After(now.Add(-n.retention)),
				!unrecorded && (!job.Status.HasEnded() || job.Report == object.Name || exhaust.ReceiptName(job.Report) == object.Name):
				continue
			}
			if err := n.reports.Delete(ctx, object.Name); err != nil {
				return cleaned, fmt.Errorf("deleting report %s: %w", object.Name, err)
			}
			cleaned.Unnamed++
		}
	}
	return cleaned, nil
}

// isInFlight reports whether an exhaust has not ended. A row of job_request that says so may be wrong: an
// exhaust that was terminated could neither record its end nor remove what it had staged.
func (n *Activities) isInFlight(ctx context.Context, requestID string) (bool, error) {
	recorded, err := n.jobs.Job(ctx, requestID)
	if errors.Is(err, jobs.ErrNoJob) {
		return false, nil
	}
	if err != nil || recorded.Status.HasEnded() {
		return false, err
	}
	job, err := n.exhausts.Find(ctx, requestID)
	if err != nil {
		return false, err
	}
	return !job.Status.HasEnded(), n.settle(ctx, job)
}
