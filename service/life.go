package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/singleflight"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/workflows"
)

// The life of an exhaust: what each call does to one, by the state in which it finds it.
//
//	                  Submit            Retry       Cancel      Start (night, replay)
//	unknown           start             404         404         404
//	SUBMITTED, waits  found; signal it  400         cancel      signal it
//	                  with runAt "now"
//	SUBMITTED         found             400         cancel      (ignored by its workflow)
//	PROCESSING        found             400         cancel      found
//	SUCCESS           found, with URLs  400         400         found
//	 … report gone    found, says why   new attempt 400         found
//	FAILED            new attempt       new attempt 400         new attempt, if seen as FAILED
//	CANCELLED         new attempt       new attempt found       new attempt, if seen as CANCELLED
//	workflow gone     new attempt       new attempt 400         new attempt
//
// A workflow is gone where job_request knows the exhaust not to have ended and Temporal does not know it; it counts as
// FAILED. Start leaves an exhaust alone whose attempts are not those that its caller saw. A new attempt cannot begin while
// the workflow of the one before is still recording its end: that is exhaust.ErrWindingUp, never an answer that started
// nothing.

// Exhausts starts, reads and stops exhausts.
type Exhausts struct {
	temporal client.Client
	jobs     Jobs
	reports  Reports
	settings Settings
	// underWay bounds how many exhausts of a channel are.
	underWay *access.Concurrency
	// submissions lets identical submissions that arrive together share one answer.
	submissions singleflight.Group
}

// NewExhausts makes the service of exhausts. The client's connection has StartOnce as an interceptor, and its namespace
// knows the search attributes (RegisterSearchAttributes).
func NewExhausts(temporal client.Client, jobs Jobs, reports Reports, settings Settings) *Exhausts {
	s := &Exhausts{temporal: temporal, jobs: jobs, reports: reports, settings: settings}
	s.underWay = access.NewConcurrency(settings.ChannelLimit, s.countUnderWay)
	return s
}

// countUnderWay leaves out rows that are too old to be of an exhaust that is still tried: somebody has deleted its workflow, and
// the night has not looked yet.
func (s *Exhausts) countUnderWay(ctx context.Context, channel string) (int, error) {
	const recording = 24 * time.Hour // for so long the end of one is tried to be recorded
	n, err := s.jobs.CountUnderWay(ctx, channel, time.Now().Add(-s.settings.Timeout-recording))
	if err != nil {
		return 0, databaseFailure(err)
	}
	return n, nil
}

// Submit starts the exhaust that is asked for, or finds it: the same request on the same day is the same exhaust, however
// often and however concurrently it is sent. One that FAILED or was CANCELLED gets another attempt. The answer for one
// that has not ended acknowledges its submission: it is SUBMITTED, even where the exhaust is PROCESSING by now.
func (s *Exhausts) Submit(ctx context.Context, submission exhaust.Submission) (exhaust.Job, error) {
	request, err := s.check(submission, time.Now())
	if err != nil {
		return exhaust.Job{}, err
	}
	runAt := submission.RunAt
	if runAt == "" {
		runAt = s.settings.Mode
	}
	// The work is not given up because one of those who wait for it goes away.
	shared := context.WithoutCancel(ctx)
	key := fmt.Sprintf("%q", []string{request.ID, request.Tag, request.Channel, submission.RunAt})
	answer, err, _ := s.submissions.Do(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(shared, submitTimeout)
		defer cancel()
		return s.findOrStart(ctx, request, startOptions{
			waitForNight: runAt == exhaust.RunNightly, signalWaiting: submission.RunAt == exhaust.RunNow, isLimited: true,
		})
	})
	if err != nil {
		return exhaust.Job{}, err
	}
	return acknowledge(answer.(exhaust.Job)), nil
}

// submitTimeout bounds the work for one submission when a dependency hangs.
const submitTimeout = 20 * time.Second

// SubmitAt is Submit for a submission that counts as of another time, as those of a schedule's firings do: the same firing
// is the same exhaust, on whatever day it is made. With allowEmpty an exhaust without any event succeeds with a file that
// has a header only. It never waits for the night: a schedule says itself when it fires.
func (s *Exhausts) SubmitAt(ctx context.Context, submission exhaust.Submission, at time.Time, allowEmpty bool) (exhaust.Job, error) {
	request, err := submission.Check(s.settings.firingRules(at))
	if err != nil {
		return exhaust.Job{}, err
	}
	request.SubmittedAt = time.Now().Truncate(time.Millisecond)
	request.AllowEmpty = allowEmpty
	return s.findOrStart(ctx, request, startOptions{})
}

func (s *Exhausts) check(submission exhaust.Submission, at time.Time) (exhaust.Request, error) {
	return submission.Check(s.settings.rules(at))
}

// startOptions say how an exhaust is to start.
type startOptions struct {
	// waitForNight keeps it SUBMITTED until the night.
	waitForNight bool
	// signalWaiting starts one that was found waiting for the night.
	signalWaiting bool
	// evenAfterSuccess makes another attempt of one that has succeeded.
	evenAfterSuccess bool
	// isNight says that the night starts it.
	isNight bool
	// isLimited holds it to how many of its channel may be under way.
	isLimited bool
}

func (s *Exhausts) findOrStart(ctx context.Context, request exhaust.Request, options startOptions) (exhaust.Job, error) {
	job, err := s.Find(ctx, request.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return s.startWorkflow(ctx, exhaust.Job{Request: request}, options)
	case err != nil:
		return exhaust.Job{}, err
	case !isOwnedBy(job, request):
		return exhaust.Job{}, errForeign
	case job.Status == exhaust.Failed || job.Status == exhaust.Cancelled:
		// Whether it may be empty is no part of what an exhaust is, and of whoever asks last.
		job.AllowEmpty = request.AllowEmpty
		return s.startNextAttempt(ctx, job, options)
	case job.Status == exhaust.Submitted && options.signalWaiting:
		return job, s.releaseNow(ctx, job, options)
	case job.Status.HasEnded():
		return s.withReport(ctx, job)
	}
	return job, nil
}

// isOwnedBy tells whether a job that was found by the id of a request is of the request's tag and channel. Releases that took
// a | in a channel gave requests of two tenants the same id.
func isOwnedBy(job exhaust.Job, request exhaust.Request) bool {
	return job.Tag == request.Tag && job.Channel == request.Channel && job.Dataset == request.Dataset
}

var errForeign = exhaust.Invalid(exhaust.RequestIDTaken)

// acknowledge is what submitting answers: an exhaust that has not ended is shown as it was submitted, so that everybody
// who sends the same request gets the same answer.
func acknowledge(job exhaust.Job) exhaust.Job {
	if job.Status.HasEnded() {
		return job
	}
	job.Status = exhaust.Submitted
	job.UpdatedAt = job.SubmittedAt
	job.Progress = exhaust.Progress{}
	return job
}

// Retry makes another attempt of an exhaust that FAILED or was CANCELLED, or whose report is no longer there.
func (s *Exhausts) Retry(ctx context.Context, tag, channel, requestID string, may ...Permission) (exhaust.Job, error) {
	job, err := s.Read(ctx, tag, channel, requestID, may...)
	if err != nil {
		return exhaust.Job{}, err
	}
	isReportGone := job.Status == exhaust.Success && job.Report == ""
	if job.Status != exhaust.Failed && job.Status != exhaust.Cancelled && !isReportGone {
		return exhaust.Job{}, exhaust.Invalid(exhaust.NotRetryable, job.Status)
	}
	job, err = s.startNextAttempt(ctx, job, startOptions{evenAfterSuccess: isReportGone, isLimited: true})
	return acknowledge(job), err
}

// Start starts an exhaust that waits for the night, and makes another attempt of one that FAILED or was CANCELLED. status
// and attempts are what the caller saw of it: where it has moved on since, it is left alone, so that asking twice starts
// it once. The answer is the exhaust as it is then.
func (s *Exhausts) Start(ctx context.Context, requestID string, status exhaust.Status, attempts int) (exhaust.Job, error) {
	job, _, err := s.start(ctx, requestID, status, attempts, startOptions{})
	return job, err
}

// Release is Start as the night does it: the exhaust leaves the way to those that are asked for now. It tells whether it
// started the exhaust.
func (s *Exhausts) Release(ctx context.Context, requestID string, status exhaust.Status, attempts int) (isStarted bool, err error) {
	_, isStarted, err = s.start(ctx, requestID, status, attempts, startOptions{isNight: true})
	return isStarted, err
}

func (s *Exhausts) start(ctx context.Context, requestID string, status exhaust.Status, attempts int, options startOptions) (job exhaust.Job, isStarted bool, err error) {
	job, err = s.Find(ctx, requestID)
	if err != nil || job.Attempts != attempts {
		return job, false, err
	}
	switch {
	case job.Status == exhaust.Submitted && status == exhaust.Submitted && job.Parked:
		return job, true, s.releaseNow(ctx, job, options)
	case job.Message == workflowGone,
		job.Status == status && (status == exhaust.Failed || status == exhaust.Cancelled):
		job, err = s.startNextAttempt(ctx, job, options)
		return job, err == nil && job.Attempts == attempts+1, err
	}
	return job, false, nil
}

// releaseNow starts an exhaust that waits for the night.
func (s *Exhausts) releaseNow(ctx context.Context, job exhaust.Job, options startOptions) error {
	if options.isLimited && job.Parked {
		unpark, err := s.reserveParked(ctx, job)
		if err != nil {
			return err
		}
		defer unpark()
	}
	return s.signal(ctx, job.ID, workflows.Release{Night: options.isNight})
}

// reserveParked makes room for an exhaust that waits for the night: its row says from now on that it does not, and so it counts,
// though no worker may have taken it on for long. One whose row says so already has its room.
func (s *Exhausts) reserveParked(ctx context.Context, job exhaust.Job) (release func(), err error) {
	row, err := s.jobs.Job(ctx, job.ID)
	switch {
	case err != nil && !errors.Is(err, jobs.ErrNoJob):
		return nil, databaseFailure(err)
	case err == nil && !row.Parked:
		return func() {}, nil
	}
	if release, err = s.underWay.Reserve(ctx, job.Channel); err != nil {
		return nil, err
	}
	if err := s.jobs.Unpark(ctx, job.ID, job.Attempts); err != nil {
		release()
		return nil, databaseFailure(err)
	}
	return release, nil
}

// signal starts an exhaust that waits for the night. One that does not wait takes no notice. One that has just ended is
// exhaust.ErrWindingUp: whoever asks again finds its end.
func (s *Exhausts) signal(ctx context.Context, requestID string, release workflows.Release) error {
	err := s.temporal.SignalWorkflow(ctx, exhaust.WorkflowID(requestID), "", workflows.StartSignal, release)
	switch {
	case err == nil:
		return nil
	case isNotFound(err):
		return exhaust.ErrWindingUp
	}
	return temporalFailure(err)
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}

// startNextAttempt starts an exhaust once more. It is exhaust.ErrWindingUp while the attempt before has not ended.
func (s *Exhausts) startNextAttempt(ctx context.Context, job exhaust.Job, options startOptions) (exhaust.Job, error) {
	// A workflow publishes that it failed a moment before it ends, and two cannot be in flight at a time.
	s.waitBriefly(ctx, job.ID)
	// It may have been the attempt that somebody else asked for at the same time.
	now, err := s.Find(ctx, job.ID)
	if err != nil || now.Attempts != job.Attempts {
		return now, err
	}
	return s.startWorkflow(ctx, exhaust.Job{Request: job.Request, State: exhaust.State{Attempts: job.Attempts + 1}}, options)
}

// startWorkflow starts the workflow of a job. Where another was faster, its exhaust is the answer.
func (s *Exhausts) startWorkflow(ctx context.Context, job exhaust.Job, options startOptions) (exhaust.Job, error) {
	reuse := enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	if options.evenAfterSuccess {
		reuse = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	job.Status = exhaust.Submitted
	job.Progress.Phase = job.FirstPhase()
	job.UpdatedAt = job.SubmittedAt
	if job.Attempts > 0 {
		job.UpdatedAt = time.Now().Truncate(time.Millisecond)
	}
	job.Parked = options.waitForNight
	if options.isLimited && !job.Parked {
		release, err := s.underWay.Reserve(ctx, job.Channel)
		if err != nil {
			return exhaust.Job{}, err
		}
		defer release()
	}
	makes := workflows.Exhaust
	if options.waitForNight {
		makes = workflows.Parked
	}
	_, err := s.temporal.ExecuteWorkflow(withAttempt(ctx, job), client.StartWorkflowOptions{
		ID:                       exhaust.WorkflowID(job.ID),
		TaskQueue:                s.settings.TaskQueue,
		WorkflowIDReusePolicy:    reuse,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		// A conflict is an error, so that only the one who started the exhaust acknowledges it.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    workflows.SearchAttributes(job.Request),
		Memo: map[string]any{
			workflows.RequestMemo: job.Request,
			workflows.StateMemo:   job.State,
		},
		StaticSummary: fmt.Sprintf("%s of %s for %s", job.Dataset, job.ConversationID, job.ChannelTag()),
	}, makes, workflows.Input{
		Request: job.Request, Attempts: job.Attempts, Timeout: s.settings.Timeout, Night: options.isNight,
	})
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		first, err := s.describeOf(ctx, job.Request)
		if err == nil && first.Attempts < job.Attempts {
			err = exhaust.ErrWindingUp
		}
		return first, err
	}
	if err != nil {
		return exhaust.Job{}, temporalFailure(err)
	}
	// Of several that start an attempt at the same time all get the answer that they did (StartOnce). The request of one
	// of them counts, and all answer with it.
	first, err := s.describeOf(ctx, job.Request)
	if err != nil || first.Attempts != job.Attempts {
		return first, err
	}
	job.Request = first.Request
	if job.Attempts == 0 {
		job.UpdatedAt = job.SubmittedAt
	}
	// The workflow records itself too: it goes on even where this row could not be written.
	if err := s.jobs.Submit(ctx, job); err != nil {
		return exhaust.Job{}, databaseFailure(err)
	}
	return job, nil
}

// describeOf is describe of the exhaust of a request, which may be somebody else's with the same id.
func (s *Exhausts) describeOf(ctx context.Context, request exhaust.Request) (exhaust.Job, error) {
	job, err := s.describe(ctx, request.ID)
	if err == nil && !isOwnedBy(job, request) {
		return exhaust.Job{}, errForeign
	}
	return job, err
}

// Cancel stops an exhaust that has not ended and returns its state: CANCELLED, or, where no worker stops it within three
// seconds, what it was.
func (s *Exhausts) Cancel(ctx context.Context, tag, channel, requestID string, may ...Permission) (exhaust.Job, error) {
	job, err := s.findOf(ctx, tag, channel, requestID, may)
	if err != nil || job.Status == exhaust.Cancelled {
		return job, err
	}
	if job.Status.HasEnded() {
		return exhaust.Job{}, exhaust.Invalid(exhaust.NotCancellable, job.Status)
	}
	// One that is not found ended just before.
	if err := s.temporal.CancelWorkflow(ctx, exhaust.WorkflowID(requestID), ""); err != nil && !isNotFound(err) {
		return exhaust.Job{}, temporalFailure(err)
	}
	s.waitBriefly(ctx, requestID)
	return s.Read(ctx, tag, channel, requestID)
}

// waitBriefly waits a moment for the workflow to end. The caller reads afterwards how it stands, either way.
func (s *Exhausts) waitBriefly(ctx context.Context, requestID string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	s.waitForWorkflow(ctx, requestID)
}

// waitForWorkflow returns when the workflow or the context has ended. How the workflow ended stands in its state.
func (s *Exhausts) waitForWorkflow(ctx context.Context, requestID string) {
	_ = s.temporal.GetWorkflow(ctx, exhaust.WorkflowID(requestID), "").Get(ctx, nil)
}

// Wait waits for an exhaust to end and returns it as it is then, without URLs. Like Find and Start it is for those who
// may see every exhaust.
func (s *Exhausts) Wait(ctx context.Context, requestID string) (exhaust.Job, error) {
	s.waitForWorkflow(ctx, requestID)
	if err := ctx.Err(); err != nil {
		return exhaust.Job{}, err
	}
	job, err := s.Find(ctx, requestID)
	if err == nil && !job.Status.HasEnded() {
		err = fmt.Errorf("exhaust %s is %s though its workflow has ended", requestID, job.Status)
	}
	return job, err
}
