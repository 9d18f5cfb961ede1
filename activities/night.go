package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/registry"
)

// Night holds what the steps of the night work with. Its methods are activities.
type Night struct {
	exhausts  Exhausts
	jobs      NightJobs
	reports   blob.Store
	retention time.Duration
	timezone  *time.Location
}

// Exhausts starts exhausts and waits for them.
type Exhausts interface {
	// Run runs an exhaust that waits, FAILED or was CANCELLED, unless it has moved on since it was
	// seen with that status and that many attempts.
	Run(ctx context.Context, requestID string, status exhaust.Status, attempts int) (exhaust.Job, error)
	// Await waits for its end.
	Await(ctx context.Context, requestID string) (exhaust.Job, error)
	// State is how it stands.
	State(ctx context.Context, requestID string) (exhaust.Job, error)
}

// NightJobs is what the night asks of job_request.
type NightJobs interface {
	Select(ctx context.Context, s registry.Selection) ([]exhaust.Job, error)
	WithReport(ctx context.Context, endedBefore time.Time, limit int) ([]exhaust.Job, error)
	DropReport(ctx context.Context, requestID, report, why string) error
	Job(ctx context.Context, requestID string) (exhaust.Job, error)
	Save(ctx context.Context, job exhaust.Job) error
}

// NewNight makes the activities of the night. Reports are kept for retention after their exhaust was
// completed (EXHAUST_REPORT_RETENTION).
func NewNight(exhausts Exhausts, jobs NightJobs, reports blob.Store, retention time.Duration, timezone *time.Location) *Night {
	return &Night{exhausts: exhausts, jobs: jobs, reports: reports, retention: retention, timezone: timezone}
}

// Due names an exhaust that the night is to run, as it was found.
type Due struct {
	RequestID string         `json:"requestId"`
	Status    exhaust.Status `json:"status"`
	Attempts  int            `json:"attempts"`
}

// DueQuery says which exhausts the night is to run.
type DueQuery struct {
	// Failed wants those that FAILED for a reason that may heal; else those that wait are wanted.
	Failed bool `json:"failed"`
	// Before bounds them to those submitted, or failed, before the night began.
	Before time.Time `json:"before"`
	After  string    `json:"after,omitempty"`
	Limit  int       `json:"limit"`
}

// nightAttempts is how many runs a FAILED exhaust has had when the night gives it up.
const nightAttempts = 3

// ListDue gives the next exhausts to run, by id.
func (n *Night) ListDue(ctx context.Context, q DueQuery) ([]Due, error) {
	selection := registry.Selection{Status: exhaust.Submitted, To: q.Before, After: q.After, Limit: q.Limit}
	if q.Failed {
		selection = registry.Selection{
			Status: exhaust.Failed, MayHeal: true, EndedBefore: q.Before, After: q.After, Limit: q.Limit,
			BelowAttempts: nightAttempts - 1, // it counts the runs after the first
		}
	}
	jobs, err := n.jobs.Select(ctx, selection)
	if err != nil {
		return nil, err
	}
	due := make([]Due, len(jobs))
	for i, job := range jobs {
		due[i] = Due{RequestID: job.ID, Status: job.Status, Attempts: job.Attempts}
	}
	return due, nil
}

// Outcome is how an exhaust ended that the night ran.
type Outcome struct {
	RequestID string         `json:"requestId"`
	Status    exhaust.Status `json:"status"`
	Message   string         `json:"message,omitempty"`
	// Bytes are those of telemetry that were read.
	Bytes int64 `json:"bytes"`
	Rows  int64 `json:"rows"`
	// Took is how long it ran.
	Took time.Duration `json:"took"`
}

// RunDue runs an exhaust and waits for its end, however it ends. When it is run again after its
// worker died it waits for the same run.
func (n *Night) RunDue(ctx context.Context, due Due) (Outcome, error) {
	ctx, pulse := startPulse(ctx)
	outcome, err := n.runDue(ctx, due)
	return outcome, pulse.end(err)
}

func (n *Night) runDue(ctx context.Context, due Due) (Outcome, error) {
	if _, err := n.exhausts.Run(ctx, due.RequestID, due.Status, due.Attempts); err != nil {
		return Outcome{}, err
	}
	job, err := n.exhausts.Await(ctx, due.RequestID)
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
func (n *Night) settle(ctx context.Context, job exhaust.Job) error {
	recorded, err := n.jobs.Job(ctx, job.ID)
	if err != nil || recorded.Status.Ended() || !job.Status.Ended() {
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
func (n *Night) SettleEnded(ctx context.Context) error {
	ctx, pulse := startPulse(ctx)
	return pulse.end(n.settleEnded(ctx))
}

func (n *Night) settleEnded(ctx context.Context) error {
	const page = 500
	for after := ""; ; {
		jobs, err := n.jobs.Select(ctx, registry.Selection{Status: exhaust.Processing, After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, job := range jobs {
			if _, err := n.runs(ctx, job.ID); err != nil {
				return err
			}
			after = job.ID
		}
		if len(jobs) < page {
			return nil
		}
	}
}

// DeleteExpired deletes the reports that have been kept for longer than the retention at a time.
func (n *Night) DeleteExpired(ctx context.Context, now time.Time) (Cleaned, error) {
	ctx, pulse := startPulse(ctx)
	cleaned, err := n.deleteExpired(ctx, now)
	return cleaned, pulse.end(err)
}

func (n *Night) deleteExpired(ctx context.Context, now time.Time) (cleaned Cleaned, err error) {
	const page = 500
	for {
		jobs, err := n.jobs.WithReport(ctx, now.Add(-n.retention), page)
		if err != nil || len(jobs) == 0 {
			return cleaned, err
		}
		for _, job := range jobs {
			if err := n.reports.Delete(ctx, job.Report); err != nil {
				return cleaned, fmt.Errorf("deleting expired report %s: %w", job.Report, err)
			}
			why := exhaust.Expired(job.CompletedAt.Add(n.retention).In(n.timezone))
			if err := n.jobs.DropReport(ctx, job.ID, job.Report, why); err != nil {
				return cleaned, err
			}
			cleaned.Reports++
		}
	}
}

const (
	stagingPrefix = "staging/"
	// stagingKept is how old a staged file is at least before the night takes it for left behind.
	stagingKept = 24 * time.Hour
)

// DeleteLeftStaging deletes staged files that are older than a day and whose exhaust does not run.
func (n *Night) DeleteLeftStaging(ctx context.Context, now time.Time) (Cleaned, error) {
	ctx, pulse := startPulse(ctx)
	cleaned, err := n.deleteLeftStaging(ctx, now)
	return cleaned, pulse.end(err)
}

func (n *Night) deleteLeftStaging(ctx context.Context, now time.Time) (cleaned Cleaned, err error) {
	var (
		asked   string // the exhaust asked about last: files come in the order of their exhausts
		running bool
	)
	for object, err := range n.reports.List(ctx, stagingPrefix, "") {
		if err != nil {
			return cleaned, fmt.Errorf("listing what was staged: %w", err)
		}
		if object.Modified.After(now.Add(-stagingKept)) {
			continue
		}
		requestID, _, _ := strings.Cut(strings.TrimPrefix(object.Name, stagingPrefix), "/")
		if requestID != asked {
			if running, err = n.runs(ctx, requestID); err != nil {
				return cleaned, err
			}
			asked = requestID
		}
		if running {
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
func (n *Night) DeleteUnnamed(ctx context.Context, now time.Time) (Cleaned, error) {
	ctx, pulse := startPulse(ctx)
	cleaned, err := n.deleteUnnamed(ctx, now)
	return cleaned, pulse.end(err)
}

func (n *Night) deleteUnnamed(ctx context.Context, now time.Time) (cleaned Cleaned, err error) {
	for _, dataset := range []exhaust.Dataset{exhaust.ResponseExhaust, exhaust.PrivateExhaust} {
		prefix := string(dataset) + "/"
		for object, err := range n.reports.List(ctx, prefix, "") {
			if err != nil {
				return cleaned, fmt.Errorf("listing reports: %w", err)
			}
			if object.Modified.After(now.Add(-stagingKept)) {
				continue
			}
			requestID, _, _ := strings.Cut(strings.TrimPrefix(object.Name, prefix), "/")
			job, err := n.jobs.Job(ctx, requestID)
			switch unrecorded := errors.Is(err, registry.ErrNoJob); {
			case err != nil && !unrecorded:
				return cleaned, err
			case unrecorded && object.Modified.After(now.Add(-n.retention)),
				!unrecorded && (!job.Status.Ended() || job.Report == object.Name):
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

// runs reports whether an exhaust has not ended. A row of job_request that says so may be wrong: an
// exhaust that was terminated could neither record its end nor remove what it had staged.
func (n *Night) runs(ctx context.Context, requestID string) (bool, error) {
	recorded, err := n.jobs.Job(ctx, requestID)
	if errors.Is(err, registry.ErrNoJob) {
		return false, nil
	}
	if err != nil || recorded.Status.Ended() {
		return false, err
	}
	job, err := n.exhausts.State(ctx, requestID)
	if err != nil {
		return false, err
	}
	return !job.Status.Ended(), n.settle(ctx, job)
}
