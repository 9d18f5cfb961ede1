package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

// Jobs is what the service asks of job_request.
type Jobs interface {
	Submit(ctx context.Context, job exhaust.Job) error
	Save(ctx context.Context, job exhaust.Job) error
	SaveURLs(ctx context.Context, of exhaust.Job) error
	RaiseProgress(ctx context.Context, requestID string, attempts int, p exhaust.Progress) (exhaust.Progress, error)
	ReceiptKeys(ctx context.Context) ([]jobs.ReceiptKey, error)
	Job(ctx context.Context, requestID string) (exhaust.Job, error)
	FindAll(ctx context.Context, requestIDs []string) ([]exhaust.Job, error)
	Configs(ctx context.Context, requestIDs []string) (map[string]json.RawMessage, error)
	List(ctx context.Context, tag, channel string, limit int) ([]exhaust.Job, error)
	Search(ctx context.Context, search jobs.Search) ([]exhaust.Job, error)
	Channels(ctx context.Context, tag, conversationID string, limit int) ([]string, error)
	Select(ctx context.Context, selection jobs.Selection) ([]exhaust.Job, error)
	Count(ctx context.Context, selection jobs.Selection) (int, error)
	Unpark(ctx context.Context, requestID string, attempts int) error
	CountUnderWay(ctx context.Context, channel string, since time.Time) (int, error)
	Failures(ctx context.Context, since time.Time, limit int) (groups []jobs.FailureGroup, more int, err error)
	AtWork(ctx context.Context, limit int) ([]exhaust.Job, error)
	CountWork(ctx context.Context) (atWork, waiting int, err error)
}

// Reports signs the URLs of reports, tells whether one is there, and opens what lies beside it.
type Reports interface {
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	SignURL(ctx context.Context, name string, expires time.Time) (string, error)
	Stat(ctx context.Context, name string) (blob.Object, error)
}

// Permission is nil where a call may go on with an exhaust or schedule that was found, of that dataset, and else says why not.
// Calls that take permissions ask all of them.
type Permission func(exhaust.Dataset) error

// ask is the first refusal of several permissions.
func ask(may []Permission, dataset exhaust.Dataset) error {
	for _, permission := range may {
		if err := permission(dataset); err != nil {
			return err
		}
	}
	return nil
}

// Read is one exhaust with its progress and, where it succeeded, URLs that work for a while.
func (s *Exhausts) Read(ctx context.Context, tag, channel, requestID string, may ...Permission) (exhaust.Job, error) {
	job, err := s.findOf(ctx, tag, channel, requestID, may)
	if err != nil {
		return exhaust.Job{}, err
	}
	if !job.Status.HasEnded() {
		job, err = s.withProgress(ctx, job)
	}
	if err != nil || !job.Status.HasEnded() {
		return job, err
	}
	if job.Status != exhaust.Success {
		return s.withLastProgress(ctx, job), nil
	}
	return s.withReport(ctx, job)
}

// withLastProgress is a job that came to nothing with its progress as far as it was ever shown: that of a step which was
// waiting when the exhaust ended is in no workflow.
func (s *Exhausts) withLastProgress(ctx context.Context, job exhaust.Job) exhaust.Job {
	if recorded, ok := s.recordedProgress(ctx, job); ok {
		job.Progress.Raise(recorded)
	} // else what the workflow says
	return job
}

// recordedProgress is what job_request knows of the progress of a job's attempt.
func (s *Exhausts) recordedProgress(ctx context.Context, job exhaust.Job) (p exhaust.Progress, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	recorded, err := s.jobs.Job(ctx, job.ID)
	return recorded.Progress, err == nil && recorded.Attempts == job.Attempts
}

// withProgress is a job that has not ended with its progress as far as it was ever shown: for a moment after a step has
// ended neither its heartbeat nor the workflow's memo says what it did, and the next read may be answered by another api.
func (s *Exhausts) withProgress(ctx context.Context, job exhaust.Job) (exhaust.Job, error) {
	bounded, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	shown, err := s.jobs.RaiseProgress(bounded, job.ID, job.Attempts, job.Progress)
	switch {
	case err == nil:
		job.Progress = shown
	case errors.Is(err, jobs.ErrNoJob):
		// Its end has been recorded since the workflow was asked; or an operator has reset it, and it begins anew.
		return s.withRecordedProgress(ctx, job.ID)
	} // else the database is away, which is no reason not to say what Temporal knows
	return job, nil
}

// withRecordedProgress is an exhaust whose end is recorded. Where the workflow has not published that yet, it is as good as
// over.
func (s *Exhausts) withRecordedProgress(ctx context.Context, requestID string) (exhaust.Job, error) {
	job, err := s.Find(ctx, requestID)
	if err != nil || job.Status.HasEnded() {
		return job, err
	}
	if recorded, ok := s.recordedProgress(ctx, job); ok {
		recorded.Phase, recorded.Percent = exhaust.Signing, 0 // it is DONE when the workflow says so
		job.Progress.Raise(recorded)
		job.Progress.RaisePercent()
	}
	return job, nil
}

// progressTimeout is how long the database may take to say how much progress was shown before.
const progressTimeout = time.Second

// withReport is withURLs of a job whose report is still there. Of one that somebody has deleted it says so, and it can be
// made again. The row stays as it is: the store may only be somewhere else for a while.
func (s *Exhausts) withReport(ctx context.Context, job exhaust.Job) (exhaust.Job, error) {
	job, err := s.withURLs(ctx, job)
	if err != nil || !s.hasLost(ctx, job.Report) {
		return job, err
	}
	return withLoss(job), nil
}

// hasLost tells whether the store says that a report is gone; "" never is. Where it does not say so now, the URLs will.
func (s *Exhausts) hasLost(ctx context.Context, report string) bool {
	if report == "" {
		return false
	}
	bounded, cancel := context.WithTimeout(ctx, statTimeout)
	defer cancel()
	_, err := s.reports.Stat(bounded, report)
	return errors.Is(err, blob.ErrNotFound)
}

func withLoss(job exhaust.Job) exhaust.Job {
	job.Report, job.Receipt, job.Message = "", "", exhaust.LossMessage
	return withoutURLs(job)
}

// withRecord is a job with what job_request knows of its progress or of its report.
func (s *Exhausts) withRecord(ctx context.Context, job exhaust.Job) (exhaust.Job, error) {
	var err error
	if !job.Status.HasEnded() {
		job, err = s.withProgress(ctx, job)
	}
	switch {
	case err != nil || !job.Status.HasEnded():
		return job, err
	case job.Status == exhaust.Success:
		return s.withRecordedReport(ctx, job)
	}
	return s.withLastProgress(ctx, job), nil
}

// statTimeout is how long the reports store may take to say whether a report is there.
const statTimeout = 2 * time.Second

// findOf finds an exhaust of that tag and channel that somebody may go on with.
func (s *Exhausts) findOf(ctx context.Context, tag, channel, requestID string, may []Permission) (exhaust.Job, error) {
	if !exhaust.IsRequestID(requestID) {
		return exhaust.Job{}, ErrNotFound
	}
	job, err := s.findIf(ctx, requestID, func(r exhaust.Request) bool { return r.Tag == tag && r.Channel == channel })
	if err != nil {
		return exhaust.Job{}, err
	}
	return job, ask(may, job.Dataset)
}

// Find is how an exhaust stands: it reads the workflow, and job_request where Temporal has forgotten it or does not answer.
func (s *Exhausts) Find(ctx context.Context, requestID string) (exhaust.Job, error) {
	return s.findIf(ctx, requestID, anyRequest)
}

// findIf is Find of an exhaust that is wanted. Any other takes the same calls to Temporal and to the database as one that does not
// exist, so that nobody tells from the time of an answer which exhausts others have.
func (s *Exhausts) findIf(ctx context.Context, requestID string, isWanted func(exhaust.Request) bool) (exhaust.Job, error) {
	job, workflowErr := s.describeIf(ctx, requestID, isWanted)
	if workflowErr == nil {
		return job, nil
	}
	job, err := s.jobs.Job(ctx, requestID)
	if err == nil && !isWanted(job.Request) {
		err = jobs.ErrNoJob
	}
	switch {
	case err == nil && job.Status.HasEnded():
		return job, nil
	case !errors.Is(workflowErr, ErrNotFound):
		return exhaust.Job{}, workflowErr
	case errors.Is(err, jobs.ErrNoJob):
		return exhaust.Job{}, ErrNotFound
	case err != nil:
		return exhaust.Job{}, databaseFailure(err)
	}
	return withoutWorkflow(job), nil
}

// withoutWorkflow is an exhaust that job_request knows not to have ended and Temporal does not know.
func withoutWorkflow(job exhaust.Job) exhaust.Job {
	job.Status = exhaust.Failed
	job.Message = workflowGone
	job.CompletedAt = job.UpdatedAt
	return job
}

// workflowGone is the message of an exhaust that job_request knows not to have ended and Temporal
// does not know.
const workflowGone = "its workflow is gone from Temporal: submit or retry it to run it again"

// withURLs adds to a job that succeeded its URLs: those in job_request, or new ones when less than half
// of their time is left (contract section 6). A report that has expired, or was erased, has none, and
// the job says so.
func (s *Exhausts) withURLs(ctx context.Context, job exhaust.Job) (exhaust.Job, error) {
	if job.Status != exhaust.Success {
		return job, nil
	}
	job, err := s.withRecordedReport(ctx, job)
	if err != nil || job.Report == "" {
		return withoutURLs(job), err
	}
	now := time.Now()
	if len(job.DownloadURLs) > 0 && job.ExpiresAt.Sub(now) >= s.settings.URLTTL/2 {
		return job, nil
	}
	job.ExpiresAt = now.Add(s.settings.URLTTL).Truncate(time.Second)
	url, err := s.reports.SignURL(ctx, job.Report, job.ExpiresAt)
	if err != nil {
		return exhaust.Job{}, &UnavailableError{ReportsDependency, err}
	}
	job.DownloadURLs = []string{url}
	if job.Receipt != "" {
		if job.ReceiptURL, err = s.reports.SignURL(ctx, job.Receipt, job.ExpiresAt); err != nil {
			return exhaust.Job{}, &UnavailableError{ReportsDependency, err}
		}
	}
	if err := s.jobs.SaveURLs(ctx, job); err != nil && !errors.Is(err, jobs.ErrNoJob) {
		return exhaust.Job{}, databaseFailure(err)
	}
	return job, nil
}

// withRecordedReport is a job that succeeded with the report and the URLs that job_request has of it. One whose report has
// expired, or was erased, names none.
func (s *Exhausts) withRecordedReport(ctx context.Context, job exhaust.Job) (exhaust.Job, error) {
	if len(job.DownloadURLs) == 0 && job.Report != "" {
		recorded, err := s.jobs.Job(ctx, job.ID)
		if err != nil && !errors.Is(err, jobs.ErrNoJob) {
			return exhaust.Job{}, databaseFailure(err)
		}
		if err == nil && recorded.Attempts == job.Attempts && recorded.Status == exhaust.Success && isOwnedBy(recorded, job.Request) {
			job = recorded
		}
	}
	return s.withExpiry(job, time.Now()), nil
}

// withExpiry is a job that names no report any more where its report has been kept for long enough, and says so.
func (s *Exhausts) withExpiry(job exhaust.Job, now time.Time) exhaust.Job {
	if until := job.CompletedAt.Add(s.settings.ReportRetention); job.Report != "" && now.After(until) {
		job.Report, job.Receipt, job.Message = "", "", exhaust.ExpiryMessage(until.In(s.settings.Timezone))
	}
	return job
}

func withoutURLs(job exhaust.Job) exhaust.Job {
	job.DownloadURLs, job.ReceiptURL, job.ExpiresAt = nil, "", time.Time{}
	return job
}

// Configs are the datasetConfigs of exhausts by their ids. List, Search and Replay leave them out: a thousand of them, which are
// the clients' own, would take more memory than all the rest.
func (s *Exhausts) Configs(ctx context.Context, requestIDs []string) (map[string]json.RawMessage, error) {
	configs, err := s.jobs.Configs(ctx, requestIDs)
	if err != nil {
		return nil, databaseFailure(err)
	}
	return configs, nil
}

// URLsOf says of which exhausts the URLs are signed and shown. Of the others nothing is signed.
type URLsOf func(exhaust.Request) bool

// URLsOfAll shows the URLs of all exhausts, URLsOfNone those of none.
func URLsOfAll(exhaust.Request) bool  { return true }
func URLsOfNone(exhaust.Request) bool { return false }

// List is the exhausts of a tag, newest first, at most limit of them.
func (s *Exhausts) List(ctx context.Context, tag, channel string, limit int, urls URLsOf) ([]exhaust.Job, error) {
	found, err := s.jobs.List(ctx, tag, channel, limit)
	if err != nil {
		return nil, databaseFailure(err)
	}
	return s.refresh(ctx, found, urls)
}

// Search says which exhausts are wanted, and how they are shown.
type Search struct {
	jobs.Search
	// Channels are those wanted, where Channel names none; none are any.
	Channels []string
	URLs     URLsOf
}

// Search is the exhausts that match, newest first.
func (s *Exhausts) Search(ctx context.Context, search Search) ([]exhaust.Job, error) {
	if search.Channel != "" || len(search.Channels) == 0 {
		search.Channels = []string{search.Channel}
	}
	found, err := s.searchEach(ctx, search.Search, search.Channels)
	if err != nil {
		return nil, err
	}
	return s.refresh(ctx, found, search.URLs)
}

// searchEach is the exhausts of some channels that match, newest first, as their rows have them.
func (s *Exhausts) searchEach(ctx context.Context, search jobs.Search, channels []string) (found []exhaust.Job, err error) {
	// Channel by channel: within one, rows stand in the index in the order that is wanted.
	for _, search.Channel = range channels {
		ofChannel, err := s.jobs.Search(ctx, search)
		if err != nil {
			return nil, databaseFailure(err)
		}
		found = append(found, ofChannel...)
	}
	if len(channels) > 1 {
		slices.SortFunc(found, func(x, y exhaust.Job) int {
			return cmp.Or(y.SubmittedAt.Compare(x.SubmittedAt), cmp.Compare(x.ID, y.ID))
		})
		found = found[:min(search.Limit, len(found))]
	}
	return found, nil
}

// FindAll is how those of some requests' exhausts stand that job_request knows, by their ids, without URLs.
func (s *Exhausts) FindAll(ctx context.Context, requests []exhaust.Request) (map[string]exhaust.Job, error) {
	wanted := make(map[string]exhaust.Request, len(requests))
	for _, request := range requests {
		wanted[request.ID] = request
	}
	found, err := s.jobs.FindAll(ctx, slices.Collect(maps.Keys(wanted)))
	if err != nil {
		return nil, databaseFailure(err)
	}
	found = slices.DeleteFunc(found, func(job exhaust.Job) bool { return !isOwnedBy(job, wanted[job.ID]) })
	if found, err = s.refresh(ctx, found, URLsOfNone); err != nil {
		return nil, err
	}
	byID := make(map[string]exhaust.Job, len(found))
	for _, job := range found {
		byID[job.ID] = job
	}
	return byID, nil
}

// maxConcurrency bounds how many exhausts are looked at, or started, at a time for one request.
const maxConcurrency = 16

// refresh brings jobs up to date: those that job_request does not know to have ended with their workflow's state, those that
// succeeded with URLs that work. What does not answer leaves them as job_request knows them: one exhaust that cannot be asked
// about hides no other.
func (s *Exhausts) refresh(ctx context.Context, found []exhaust.Job, urls URLsOf) ([]exhaust.Job, error) {
	terminated := s.terminatedParked(ctx, found)
	var isTemporalAway atomic.Bool
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxConcurrency)
	for i, job := range found {
		group.Go(func() (err error) {
			// One that waits for the night does so until its row says otherwise, or an operator has terminated it, and there
			// may be thousands.
			isSettled := job.Status.HasEnded() || job.Parked && !terminated[exhaust.WorkflowID(job.ID)]
			if !isSettled && !isTemporalAway.Load() {
				job = s.refreshState(ctx, job, &isTemporalAway)
			}
			if urls(job.Request) {
				job, err = s.withListedURLs(ctx, job)
			} else {
				job = withoutURLs(s.withExpiry(job, time.Now()))
			}
			job.Config = nil
			found[i] = job
			return err
		})
	}
	return found, group.Wait()
}

// refreshState is a job that has not ended, by its row, as its workflow has it. Where one is told that Temporal is away, the
// others need not wait for the same.
func (s *Exhausts) refreshState(ctx context.Context, job exhaust.Job, isTemporalAway *atomic.Bool) exhaust.Job {
	now, err := s.describe(ctx, job.ID)
	var unavailable *UnavailableError
	switch {
	case err == nil && isOwnedBy(now, job.Request):
		return now
	case err == nil: // another tenant's with the same id: the row is what is known
	case errors.Is(err, ErrNotFound):
		return withoutWorkflow(job)
	case errors.As(err, &unavailable):
		if unavailable.Dependency == TemporalDependency {
			isTemporalAway.Store(true)
		}
	default:
		s.settings.Log.Error("an exhaust cannot be asked about", "requestId", job.ID, "error", err)
	}
	return job
}

// withListedURLs is withURLs of a job among others. Where they cannot be signed now, it has those that still work, or says why it
// has none.
func (s *Exhausts) withListedURLs(ctx context.Context, job exhaust.Job) (exhaust.Job, error) {
	signed, err := s.withURLs(ctx, job)
	var unavailable *UnavailableError
	if err == nil || !errors.As(err, &unavailable) {
		return signed, err
	}
	if job.ExpiresAt.Before(time.Now()) {
		job = withoutURLs(job)
	}
	if len(job.DownloadURLs) == 0 {
		job.Message = "its download URLs cannot be signed now: the " + unavailable.Dependency + " is not available"
	}
	return job, nil
}

// terminatedParked are the workflows of exhausts that waited for the night and were terminated of late: their rows do not know. It
// asks Temporal once, where there are any that wait. Where that fails the rows say what is known.
func (s *Exhausts) terminatedParked(ctx context.Context, found []exhaust.Job) map[string]bool {
	isParked := func(job exhaust.Job) bool { return job.Parked && !job.Status.HasEnded() }
	if !slices.ContainsFunc(found, isParked) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, terminatedTimeout)
	defer cancel()
	list, err := s.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: maxTerminated, Query: fmt.Sprintf("WorkflowType = %q AND ExecutionStatus = \"Terminated\"", parkedType),
	})
	if err != nil {
		return nil
	}
	terminated := map[string]bool{}
	for _, execution := range list.GetExecutions() {
		terminated[execution.GetExecution().GetWorkflowId()] = true
	}
	return terminated
}

const (
	// terminatedTimeout is how long Temporal may take to say what was terminated.
	terminatedTimeout = 2 * time.Second
	// maxTerminated is how many of what was terminated are looked for. The night records the others.
	maxTerminated = 1000
)

// ReceiptKeys are the public keys that receipts were signed with, the oldest first.
func (s *Exhausts) ReceiptKeys(ctx context.Context) ([]jobs.ReceiptKey, error) {
	keys, err := s.jobs.ReceiptKeys(ctx)
	if err != nil {
		return nil, databaseFailure(err)
	}
	return keys, nil
}
