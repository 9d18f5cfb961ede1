// Package exhausts starts, reads and stops exhausts. It keeps no state of its own: a running exhaust
// is its Temporal workflow, one that Temporal has forgotten is a row of job_request.
package exhausts

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"data-exhaust/exhaust"
	"data-exhaust/registry"
	"data-exhaust/workflows"
)

// Exhausts is the service behind the API.
type Exhausts struct {
	temporal client.Client
	jobs     Jobs
	reports  Reports
	settings Settings
	// submitting lets identical submissions that arrive together share one answer.
	submitting singleflight.Group
	shown      highWater
}

// Jobs is what the service asks of job_request.
type Jobs interface {
	Submit(ctx context.Context, job exhaust.Job) error
	Save(ctx context.Context, job exhaust.Job) error
	SaveURLs(ctx context.Context, requestID string, urls []string, expiresAt time.Time) error
	Job(ctx context.Context, requestID string) (exhaust.Job, error)
	List(ctx context.Context, tag, channel string, limit int) ([]exhaust.Job, error)
	Search(ctx context.Context, search registry.Search) ([]exhaust.Job, error)
	Select(ctx context.Context, selection registry.Selection) ([]exhaust.Job, error)
}

// Reports signs the URLs of reports.
type Reports interface {
	SignURL(ctx context.Context, name string, expires time.Time) (string, error)
}

// Settings are those of contract section 8 that the service follows.
type Settings struct {
	TaskQueue string
	Timezone  *time.Location
	MaxDays   int
	URLTTL    time.Duration
	Timeout   time.Duration
	// Mode is when an exhaust runs that does not say so itself.
	Mode string
	// ReportRetention is how long a report is kept after its exhaust was completed.
	ReportRetention time.Duration
}

// New makes the service.
func New(temporal client.Client, jobs Jobs, reports Reports, settings Settings) *Exhausts {
	return &Exhausts{temporal: temporal, jobs: jobs, reports: reports, settings: settings}
}

// ErrNotFound says that the tag and channel have no such exhaust.
var ErrNotFound = errors.New("no job available with the given request_id and tag")

// Unavailable says that something the service depends on does not answer.
type Unavailable struct {
	Dependency string
	Err        error
}

func (e *Unavailable) Error() string {
	return fmt.Sprintf("%s is not available: %v", e.Dependency, e.Err)
}
func (e *Unavailable) Unwrap() error { return e.Err }

// The dependencies, as errors and /health name them.
const (
	TemporalDependency = "temporal"
	DatabaseDependency = "database"
	ReportsDependency  = "reports store"
)

// Submit starts the exhaust that is asked for, or finds it: the same request on the same day is the
// same exhaust, however often and however concurrently it is sent. One that FAILED or was CANCELLED
// runs again. The answer for one that has not ended is the receipt of its submission.
func (s *Exhausts) Submit(ctx context.Context, submission exhaust.Submission) (exhaust.Job, error) {
	request, err := submission.Check(exhaust.Rules{Now: time.Now().In(s.settings.Timezone), MaxDays: s.settings.MaxDays})
	if err != nil {
		return exhaust.Job{}, err
	}
	runAt := submission.RunAt
	if runAt == "" {
		runAt = s.settings.Mode
	}
	// The work is not given up because one of those who wait for it goes away.
	shared := context.WithoutCancel(ctx)
	answer, err, _ := s.submitting.Do(request.ID+" "+submission.RunAt, func() (any, error) {
		ctx, cancel := context.WithTimeout(shared, patience)
		defer cancel()
		return s.submit(ctx, request, run{wait: runAt == exhaust.RunNightly, now: submission.RunAt == exhaust.RunNow})
	})
	if err != nil {
		return exhaust.Job{}, err
	}
	return receipt(answer.(exhaust.Job)), nil
}

// patience bounds the work for one request when a dependency hangs.
const patience = 20 * time.Second

// run says how an exhaust is to run.
type run struct {
	// wait keeps it SUBMITTED until the night.
	wait bool
	// now lets one run that was found waiting for the night.
	now bool
	// evenIfMade runs one again that has succeeded.
	evenIfMade bool
}

func (s *Exhausts) submit(ctx context.Context, request exhaust.Request, how run) (exhaust.Job, error) {
	job, err := s.find(ctx, request.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return s.start(ctx, exhaust.Job{Request: request}, how)
	case err != nil:
		return exhaust.Job{}, err
	case job.Status == exhaust.Failed || job.Status == exhaust.Cancelled:
		return s.again(ctx, job, how)
	case job.Status == exhaust.Submitted && how.now:
		return job, s.release(ctx, job.ID)
	}
	return s.signed(ctx, job)
}

// receipt is what submitting answers: an exhaust that has not ended is shown as it was submitted, so
// that everybody who sends the same request gets the same answer.
func receipt(job exhaust.Job) exhaust.Job {
	if job.Status.Ended() {
		return job
	}
	job.Status = exhaust.Submitted
	job.UpdatedAt = job.SubmittedAt
	job.Progress = exhaust.Progress{}
	return job
}

// again runs an exhaust once more that has come to nothing.
func (s *Exhausts) again(ctx context.Context, job exhaust.Job, how run) (exhaust.Job, error) {
	// A workflow tells that it failed a moment before it ends, and two cannot run at a time.
	s.await(ctx, job.ID)
	// What was awaited may be the run that somebody else asked for at the same time.
	now, err := s.find(ctx, job.ID)
	if err != nil || now.Attempts != job.Attempts {
		return now, err
	}
	return s.start(ctx, exhaust.Job{Request: job.Request, Attempts: job.Attempts + 1}, how)
}

// start starts the workflow of a job. Where another was faster, its exhaust is the answer.
func (s *Exhausts) start(ctx context.Context, job exhaust.Job, how run) (exhaust.Job, error) {
	reuse := enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	if how.evenIfMade {
		reuse = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	job.Status = exhaust.Submitted
	job.Progress.Phase = job.FirstPhase()
	job.UpdatedAt = job.SubmittedAt
	if job.Attempts > 0 {
		job.UpdatedAt = time.Now().Truncate(time.Millisecond)
	}
	_, err := s.temporal.ExecuteWorkflow(ofAttempt(ctx, job), client.StartWorkflowOptions{
		ID:                       exhaust.WorkflowID(job.ID),
		TaskQueue:                s.settings.TaskQueue,
		WorkflowIDReusePolicy:    reuse,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		// A conflict is told, so that a receipt is given by the one who started it only.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    workflows.SearchAttributes(job.Request),
		Memo: map[string]any{
			workflows.RequestMemo: job.Request,
			workflows.StateMemo:   workflows.StateOf(job),
		},
		StaticSummary: fmt.Sprintf("%s of %s for %s", job.Dataset, job.ConversationID, job.ChannelTag()),
	}, workflows.Exhaust, workflows.Input{
		Request: job.Request, Attempts: job.Attempts, Timeout: s.settings.Timeout, Wait: how.wait,
	})
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return s.current(ctx, job.ID)
	}
	if err != nil {
		return exhaust.Job{}, &Unavailable{TemporalDependency, err}
	}
	// Of several that start an attempt at the same time all are told that they did (StartOnce). The
	// request of one of them counts, and all answer with it.
	started, err := s.current(ctx, job.ID)
	if err != nil || started.Attempts != job.Attempts {
		return started, err
	}
	job.Request = started.Request
	if job.Attempts == 0 {
		job.UpdatedAt = job.SubmittedAt
	}
	// The workflow records itself too: it runs even where this row could not be written.
	if err := s.jobs.Submit(ctx, job); err != nil {
		return exhaust.Job{}, &Unavailable{DatabaseDependency, err}
	}
	return job, nil
}

// Read is one exhaust with its progress and, where it succeeded, URLs that work for a while.
func (s *Exhausts) Read(ctx context.Context, tag, channel, requestID string) (exhaust.Job, error) {
	job, err := s.owned(ctx, tag, channel, requestID)
	if err != nil {
		return exhaust.Job{}, err
	}
	return s.signed(ctx, job)
}

var requestIDPattern = regexp.MustCompile(`^[0-9A-F]{32}$`)

// owned finds an exhaust of that tag and channel.
func (s *Exhausts) owned(ctx context.Context, tag, channel, requestID string) (exhaust.Job, error) {
	if !requestIDPattern.MatchString(requestID) {
		return exhaust.Job{}, ErrNotFound
	}
	job, err := s.find(ctx, requestID)
	if err != nil {
		return exhaust.Job{}, err
	}
	if job.Tag != tag || job.Channel != channel {
		return exhaust.Job{}, ErrNotFound
	}
	return job, nil
}

// find reads the workflow, and job_request where Temporal has forgotten it or does not answer.
func (s *Exhausts) find(ctx context.Context, requestID string) (exhaust.Job, error) {
	job, workflowErr := s.current(ctx, requestID)
	if workflowErr == nil {
		return job, nil
	}
	job, err := s.jobs.Job(ctx, requestID)
	switch {
	case err == nil && job.Status.Ended():
		return job, nil
	case !errors.Is(workflowErr, ErrNotFound):
		return exhaust.Job{}, workflowErr
	case errors.Is(err, registry.ErrNoJob):
		return exhaust.Job{}, ErrNotFound
	case err != nil:
		return exhaust.Job{}, &Unavailable{DatabaseDependency, err}
	}
	job.Status = exhaust.Failed
	job.Message = workflowGone
	job.CompletedAt = job.UpdatedAt
	return job, nil
}

// workflowGone is the message of an exhaust that job_request knows not to have ended and Temporal
// does not know.
const workflowGone = "its workflow is gone from Temporal: submit or retry it to run it again"

// signed gives a job that succeeded its URLs: those in job_request, or new ones when less than half
// of their time is left (contract section 6). A report that has expired, or was erased, has none, and
// the job says so.
func (s *Exhausts) signed(ctx context.Context, job exhaust.Job) (exhaust.Job, error) {
	if job.Status != exhaust.Success {
		return job, nil
	}
	if len(job.DownloadURLs) == 0 && job.Report != "" {
		kept, err := s.jobs.Job(ctx, job.ID)
		if err != nil && !errors.Is(err, registry.ErrNoJob) {
			return exhaust.Job{}, &Unavailable{DatabaseDependency, err}
		}
		if err == nil && kept.Attempts == job.Attempts && kept.Status == exhaust.Success {
			job = kept
		}
	}
	now := time.Now()
	if until := job.CompletedAt.Add(s.settings.ReportRetention); job.Report != "" && now.After(until) {
		job.Report, job.Message = "", exhaust.Expired(until.In(s.settings.Timezone))
	}
	if job.Report == "" {
		job.DownloadURLs = nil
		return job, nil
	}
	if len(job.DownloadURLs) > 0 && job.ExpiresAt.Sub(now) >= s.settings.URLTTL/2 {
		return job, nil
	}
	job.ExpiresAt = now.Add(s.settings.URLTTL).Truncate(time.Second)
	url, err := s.reports.SignURL(ctx, job.Report, job.ExpiresAt)
	if err != nil {
		return exhaust.Job{}, &Unavailable{ReportsDependency, err}
	}
	job.DownloadURLs = []string{url}
	if err := s.jobs.SaveURLs(ctx, job.ID, job.DownloadURLs, job.ExpiresAt); err != nil && !errors.Is(err, registry.ErrNoJob) {
		return exhaust.Job{}, &Unavailable{DatabaseDependency, err}
	}
	return job, nil
}

// List is the exhausts of a tag, newest first, at most limit of them.
func (s *Exhausts) List(ctx context.Context, tag, channel string, limit int) ([]exhaust.Job, error) {
	jobs, err := s.jobs.List(ctx, tag, channel, limit)
	if err != nil {
		return nil, &Unavailable{DatabaseDependency, err}
	}
	return s.refreshed(ctx, jobs)
}

// Search is the exhausts that match, newest first.
func (s *Exhausts) Search(ctx context.Context, search registry.Search) ([]exhaust.Job, error) {
	jobs, err := s.jobs.Search(ctx, search)
	if err != nil {
		return nil, &Unavailable{DatabaseDependency, err}
	}
	return s.refreshed(ctx, jobs)
}

// atOnce bounds how many exhausts are looked at, or run, at a time for one request.
const atOnce = 16

// refreshed brings jobs up to date: those that job_request does not know to have ended with their
// workflow's state, those that succeeded with URLs that work.
func (s *Exhausts) refreshed(ctx context.Context, jobs []exhaust.Job) ([]exhaust.Job, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range jobs {
		group.Go(func() error {
			if !jobs[i].Status.Ended() {
				job, err := s.find(ctx, jobs[i].ID)
				if err != nil {
					return err
				}
				jobs[i] = job
			}
			job, err := s.signed(ctx, jobs[i])
			jobs[i] = job
			return err
		})
	}
	return jobs, group.Wait()
}

// Cancel stops an exhaust that has not ended and gives its state: CANCELLED, unless no worker is
// there to stop it just now.
func (s *Exhausts) Cancel(ctx context.Context, tag, channel, requestID string) (exhaust.Job, error) {
	job, err := s.owned(ctx, tag, channel, requestID)
	if err != nil {
		return exhaust.Job{}, err
	}
	if job.Status == exhaust.Cancelled {
		return job, nil
	}
	if job.Status.Ended() {
		return exhaust.Job{}, &exhaust.Invalid{Sentence: fmt.Sprintf("the exhaust is %s: only one that has not ended can be cancelled", job.Status)}
	}
	if err := s.temporal.CancelWorkflow(ctx, exhaust.WorkflowID(requestID), ""); err != nil {
		var gone *serviceerror.NotFound
		if !errors.As(err, &gone) {
			return exhaust.Job{}, &Unavailable{TemporalDependency, err}
		}
		// It ended just before.
	}
	s.await(ctx, requestID)
	return s.Read(ctx, tag, channel, requestID)
}

// await waits a moment for the workflow to end. The answer is read afterwards either way.
func (s *Exhausts) await(ctx context.Context, requestID string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_ = s.temporal.GetWorkflow(ctx, exhaust.WorkflowID(requestID), "").Get(ctx, nil)
}

// Retry runs an exhaust again that FAILED or was CANCELLED, or whose report is no longer there.
func (s *Exhausts) Retry(ctx context.Context, tag, channel, requestID string) (exhaust.Job, error) {
	job, err := s.Read(ctx, tag, channel, requestID)
	if err != nil {
		return exhaust.Job{}, err
	}
	gone := job.Status == exhaust.Success && job.Report == ""
	if job.Status != exhaust.Failed && job.Status != exhaust.Cancelled && !gone {
		return exhaust.Job{}, &exhaust.Invalid{Sentence: fmt.Sprintf("the exhaust is %s: only a FAILED or CANCELLED one, or one whose report has expired, can be retried", job.Status)}
	}
	job, err = s.again(ctx, job, run{evenIfMade: gone})
	return receipt(job), err
}
