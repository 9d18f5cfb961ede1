// Package night does the work of the night (it finds what is due, starts it, and deletes what has expired), makes no
// exhaust itself, and deletes nothing that an exhaust may still name.
package night

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

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
	// Release starts an exhaust that waits, and retries one that FAILED or was CANCELLED, unless it has moved on since it
	// was found with that status and that many attempts; isStarted tells whether it did. exhaust.ErrWindingUp says that its
	// former attempt has not ended yet.
	Release(ctx context.Context, requestID string, status exhaust.Status, attempts int) (isStarted bool, err error)
	// Wait waits for its end.
	Wait(ctx context.Context, requestID string) (exhaust.Job, error)
	// Find is how it stands.
	Find(ctx context.Context, requestID string) (exhaust.Job, error)
}

// Jobs is what the night asks of job_request.
type Jobs interface {
	Select(ctx context.Context, s jobs.Selection) ([]exhaust.Job, error)
	WithReport(ctx context.Context, endedBefore time.Time, limit int) ([]exhaust.Job, error)
	DropReport(ctx context.Context, of exhaust.Job, why string) (dropped bool, err error)
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

// Answer says what has become of an exhaust that was to be released.
type Answer string

const (
	// IsReleased says that it has started.
	IsReleased Answer = "released"
	// HasMovedOn says that it is no longer as it was found: somebody else has started it, or removed its record.
	HasMovedOn Answer = "moved on"
	// IsBusy says that its former attempt is still being wound up.
	IsBusy Answer = "busy"
	// IsUnknown says that nobody can tell how it stands. The log says why.
	IsUnknown Answer = "unknown"
)

// atOnce is how many exhausts are released, or looked at, at a time.
const atOnce = 16

// maxBlindAttempts is how often an activity is tried again that none of its exhausts gave an answer: for a quarter of a minute.
// Behind that the night goes on with the others, and asks again later.
const maxBlindAttempts = 6

// Release starts exhausts, each unless it has moved on, and gives an answer for each. Where none can be asked the activity is
// tried again, maxBlindAttempts.
func (n *Activities) Release(ctx context.Context, due []Due) ([]Answer, error) {
	attempt := activity.GetInfo(ctx).Attempt
	return activities.WithHeartbeats(ctx, func(ctx context.Context) ([]Answer, error) {
		answers := make([]Answer, len(due))
		errs := forEach(due, func(i int, due Due) error {
			isStarted, err := n.exhausts.Release(ctx, due.RequestID, due.Status, due.Attempts)
			switch {
			case errors.Is(err, exhaust.ErrWindingUp):
				answers[i] = IsBusy
			case errors.Is(err, exhaust.ErrNoExhaust):
				answers[i] = HasMovedOn
			case err != nil:
				answers[i] = IsUnknown
				activity.GetLogger(ctx).Warn("an exhaust cannot be released", "requestId", due.RequestID, "error", err)
				return fmt.Errorf("exhaust %s: %w", due.RequestID, err)
			case isStarted:
				answers[i] = IsReleased
			case attempt > 1:
				answers[i] = n.movedOn(ctx, due)
			default:
				answers[i] = HasMovedOn
			}
			return nil
		})
		if ctx.Err() == nil && (len(errs) < len(due) || attempt >= maxBlindAttempts) {
			return answers, nil
		}
		return answers, errors.Join(few(errs)...)
	})
}

// movedOn tells whether an attempt before, which failed or whose worker died, has released what is no longer as it was found.
func (n *Activities) movedOn(ctx context.Context, due Due) Answer {
	job, err := n.exhausts.Find(ctx, due.RequestID)
	switch {
	case err != nil:
		return HasMovedOn
	case due.Status == exhaust.Failed && job.Attempts == due.Attempts+1,
		due.Status == exhaust.Submitted && job.Attempts == due.Attempts && job.Status != exhaust.Cancelled:
		return IsReleased
	}
	return HasMovedOn
}

// forEach does something with each item, some of them at a time, and gives the errors. One that fails stops no other.
func forEach[T any](items []T, do func(i int, item T) error) (errs []error) {
	var (
		group errgroup.Group
		mu    sync.Mutex
	)
	group.SetLimit(atOnce)
	for i, item := range items {
		group.Go(func() error {
			if err := do(i, item); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
			return nil
		})
	}
	_ = group.Wait() // it has none of the errors
	return errs
}

// few are the first few errors of many.
func few(errs []error) []error { return errs[:min(len(errs), maxNamed)] }

// Standing is how an exhaust stands that was released.
type Standing struct {
	// Outcome is how it ended; nil while it has not.
	Outcome *Outcome `json:"outcome,omitempty"`
	// Waiting says what it waits for, as progress.waiting does.
	Waiting string `json:"waiting,omitempty"`
}

// Look tells how exhausts stand, and records the end of those that could not do so themselves. One that cannot be looked at
// has not ended as far as anybody knows: the next look tells. Where none can be the activity is tried again,
// maxBlindAttempts.
func (n *Activities) Look(ctx context.Context, requestIDs []string) ([]Standing, error) {
	return activities.WithHeartbeats(ctx, func(ctx context.Context) ([]Standing, error) {
		standings := make([]Standing, len(requestIDs))
		errs := forEach(requestIDs, func(i int, requestID string) (err error) {
			if standings[i], err = n.lookAt(ctx, requestID); err != nil {
				activity.GetLogger(ctx).Warn("an exhaust cannot be looked at", "requestId", requestID, "error", err)
				return fmt.Errorf("exhaust %s: %w", requestID, err)
			}
			return nil
		})
		if ctx.Err() == nil && (len(errs) < len(requestIDs) || activity.GetInfo(ctx).Attempt >= maxBlindAttempts) {
			return standings, nil
		}
		return standings, errors.Join(few(errs)...)
	})
}

func (n *Activities) lookAt(ctx context.Context, requestID string) (Standing, error) {
	job, err := n.exhausts.Find(ctx, requestID)
	switch {
	case errors.Is(err, exhaust.ErrNoExhaust):
		return Standing{Outcome: &Outcome{RequestID: requestID, Status: exhaust.Failed, Message: goneMessage}}, nil
	case err != nil:
		return Standing{}, err
	case !job.Status.HasEnded():
		return Standing{Waiting: job.Progress.Waiting}, nil
	}
	if err := n.settle(ctx, job); err != nil {
		return Standing{}, err
	}
	return Standing{Outcome: outcomeOf(job)}, nil
}

// goneMessage is of an exhaust whose record somebody has removed since it was released.
const goneMessage = "it is gone: neither Temporal nor job_request knows it"

func outcomeOf(job exhaust.Job) *Outcome {
	return &Outcome{
		RequestID: job.ID,
		Status:    job.Status,
		Message:   job.Message,
		Bytes:     job.Progress.BytesRead,
		Rows:      job.Progress.RowsWritten,
		Took:      job.ExecutionTime,
	}
}

// RunDue starts an exhaust and waits for its end, however it ends. When it is retried after its worker died it waits for the
// same run. Only nights that began before Release was there call it.
func (n *Activities) RunDue(ctx context.Context, due Due) (Outcome, error) {
	return activities.WithHeartbeats(ctx, func(ctx context.Context) (Outcome, error) { return n.runDue(ctx, due) })
}

func (n *Activities) runDue(ctx context.Context, due Due) (Outcome, error) {
	if _, err := n.exhausts.Release(ctx, due.RequestID, due.Status, due.Attempts); err != nil {
		return Outcome{}, err
	}
	job, err := n.exhausts.Wait(ctx, due.RequestID)
	if err != nil {
		return Outcome{}, err
	}
	if err := n.settle(ctx, job); err != nil {
		return Outcome{}, err
	}
	return *outcomeOf(job), nil
}

// settle records the end of an exhaust that could not do so itself: one that was terminated.
func (n *Activities) settle(ctx context.Context, job exhaust.Job) error {
	recorded, err := n.jobs.Job(ctx, job.ID)
	if errors.Is(err, jobs.ErrNoJob) {
		return nil // somebody has removed its row
	}
	if err != nil || recorded.Status.HasEnded() || !job.Status.HasEnded() {
		return err
	}
	if err := n.jobs.Save(ctx, job); err != nil {
		return err
	}
	activities.LogEnd(activity.GetLogger(ctx), job)
	return nil
}

// Cleaned counts what the night deleted.
type Cleaned struct {
	// Reports are those kept for longer than the retention.
	Reports int `json:"reports"`
	// Staged are files that exhausts left behind which no longer run.
	Staged int `json:"staged"`
	// Unnamed are reports that no exhaust names: it came to nothing just after it had written one.
	Unnamed int `json:"unnamed"`
	// Failed counts what could not be deleted, of which Failures names the first few.
	Failed   int      `json:"failed,omitempty"`
	Failures []string `json:"failures,omitempty"`
}

// maxNamed is how many failures are named.
const maxNamed = 5

// addFailure counts what could not be deleted. Whatever it is, the others are deleted all the same.
func (c *Cleaned) addFailure(name string, err error) {
	c.add(Cleaned{Failed: 1, Failures: []string{name + ": " + blob.Reason(err)}})
}

// add counts more that could not be deleted.
func (c *Cleaned) add(more Cleaned) {
	c.Failed += more.Failed
	c.Failures = append(c.Failures, more.Failures[:min(len(more.Failures), maxNamed-len(c.Failures))]...)
}

// SettleEnded records the end of exhausts that could not do so themselves.
func (n *Activities) SettleEnded(ctx context.Context) (Cleaned, error) {
	return activities.WithHeartbeats(ctx, n.settleEnded)
}

func (n *Activities) settleEnded(ctx context.Context) (cleaned Cleaned, err error) {
	const page = 500
	// One that was terminated while it waited for the night is still SUBMITTED.
	for _, status := range []exhaust.Status{exhaust.Submitted, exhaust.Processing} {
		for after, isLast := "", false; !isLast; {
			selected, err := n.jobs.Select(ctx, jobs.Selection{Status: status, After: after, Limit: page})
			if err != nil {
				return cleaned, err
			}
			for _, job := range selected {
				if _, err := n.isInFlight(ctx, job.ID); err != nil {
					if ctx.Err() != nil {
						return cleaned, err
					}
					cleaned.addFailure(job.ID, err)
					activity.GetLogger(ctx).Warn("whether an exhaust has ended is not known", "requestId", job.ID, "error", err)
				}
				after = job.ID
			}
			isLast = len(selected) < page
		}
	}
	return cleaned, nil
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
			if err := n.deleteReport(ctx, job, now, &cleaned); err != nil {
				return cleaned, err
			}
		}
	}
}

// deleteReport claims an expired report by dropping it from its row, and then deletes it, as it was before the claim: an
// attempt that begins behind the claim writes other versions. What cannot be deleted no exhaust names any more: DeleteUnnamed
// tries again and counts it, at once or, where it is too young for that, from tomorrow on.
func (n *Activities) deleteReport(ctx context.Context, job exhaust.Job, now time.Time, cleaned *Cleaned) error {
	var (
		files  []blob.Object
		isLeft bool
	)
	for _, name := range exhaust.FilesOf(job.Report) {
		object, err := n.reports.Stat(ctx, name)
		switch {
		case errors.Is(err, blob.ErrNotFound):
		case ctx.Err() != nil:
			return err
		case err != nil:
			cleaned.addFailure(name, err)
			isLeft = true
		default:
			files = append(files, object)
		}
	}
	why := exhaust.ExpiryMessage(job.CompletedAt.Add(n.retention).In(n.timezone))
	isClaimed, err := n.jobs.DropReport(ctx, job, why)
	if err != nil || !isClaimed {
		return err
	}
	for _, file := range files {
		var tried Cleaned
		if _, err := n.delete(ctx, file, &tried); err != nil {
			return err
		}
		if tried.Failed > 0 {
			isLeft = true
			if file.Modified.After(now.Add(-minLeftoverAge)) {
				cleaned.add(tried)
			}
		}
	}
	if !isLeft {
		cleaned.Reports++
	}
	return nil
}

// delete deletes a file unless it was replaced. It gives the error of a night that is being ended; any other is counted.
func (n *Activities) delete(ctx context.Context, file blob.Object, cleaned *Cleaned) (isDeleted bool, err error) {
	err = n.reports.DeleteVersion(ctx, file)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, blob.ErrChanged):
		return false, nil
	case ctx.Err() != nil:
		return false, err
	}
	cleaned.addFailure(file.Name, err)
	return false, nil
}

// minLeftoverAge is how old a file is at least before the night takes it for left behind.
const minLeftoverAge = 24 * time.Hour

// DeleteLeftStaging deletes staged files that are older than a day and whose exhaust does not run.
func (n *Activities) DeleteLeftStaging(ctx context.Context, now time.Time) (Cleaned, error) {
	return activities.WithHeartbeats(ctx, func(ctx context.Context) (Cleaned, error) { return n.deleteLeftStaging(ctx, now) })
}

func (n *Activities) deleteLeftStaging(ctx context.Context, now time.Time) (cleaned Cleaned, err error) {
	var (
		lastID string // files come in the order of their exhausts
		isKept bool
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
			lastID = requestID
			if isKept, err = n.isInFlight(ctx, requestID); err != nil {
				if ctx.Err() != nil {
					return cleaned, err
				}
				isKept = true
				cleaned.addFailure(exhaust.StagingOf(requestID), err)
			}
		}
		if isKept {
			continue
		}
		isDeleted, err := n.delete(ctx, object, &cleaned)
		if err != nil {
			return cleaned, err
		}
		if isDeleted {
			cleaned.Staged++
		}
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
			switch isUnrecorded := errors.Is(err, jobs.ErrNoJob); {
			case err != nil && !isUnrecorded:
				return cleaned, err
			case isUnrecorded && object.Modified.After(now.Add(-n.retention)),
				!isUnrecorded && (!job.Status.HasEnded() || slices.Contains(exhaust.FilesOf(job.Report), object.Name)):
				continue
			}
			isDeleted, err := n.delete(ctx, object, &cleaned)
			if err != nil {
				return cleaned, err
			}
			if isDeleted {
				cleaned.Unnamed++
			}
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
