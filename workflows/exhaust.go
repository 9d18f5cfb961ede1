// Package workflows says what happens to an exhaust and in which order, deterministically: it has no client, no clock and
// no I/O, all of which are activities.
package workflows

import (
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

// Input starts an exhaust.
type Input struct {
	Request exhaust.Request `json:"request"`
	// Attempts counts the attempts before this one.
	Attempts int `json:"attempts"`
	// Timeout is how long whatever can heal is tried again (EXHAUST_TIMEOUT).
	Timeout time.Duration `json:"timeout"`
	// Wait keeps the exhaust SUBMITTED until StartSignal comes, from the night or from an operator.
	Wait bool `json:"wait,omitempty"`
}

// StartSignal starts an exhaust that waits for the night.
const StartSignal = "run"

// Result is what an exhaust that succeeded came to. The file's signed URLs are not in it: they are
// in job_request.
type Result struct {
	Report   string           `json:"report"`
	Progress exhaust.Progress `json:"progress"`
}

// Failed is the type of failure of a workflow whose cause has none of its own.
const Failed = "Failed"

// StateQuery asks an exhaust in flight for its exhaust.Job, for people who look at it in Temporal's UI.
const StateQuery = "state"

// Exhaust makes one exhaust. The workflow is the state of the exhaust: what it publishes by search
// attributes and memo can be read while no worker is alive.
//
// It completes when the exhaust is SUCCESS, fails when it is FAILED, and is cancelled when it is
// CANCELLED.
func Exhaust(ctx workflow.Context, in Input) (Result, error) {
	e := newExhaust(ctx, in)
	if err := workflow.SetQueryHandler(ctx, StateQuery, func() (exhaust.Job, error) { return e.job, nil }); err != nil {
		return Result{}, err
	}
	if in.Wait {
		if err := e.waitForSignal(ctx); err != nil {
			return Result{}, e.fail(ctx, err)
		}
	}
	if err := e.run(ctx); err != nil {
		return Result{}, e.fail(ctx, err)
	}
	return Result{Report: e.job.Report, Progress: e.job.Progress}, nil
}

// a names the activities; only the names are used here.
var a *activities.Activities

// exhaustRun is one run of an exhaust.
type exhaustRun struct {
	timeout   time.Duration
	job       exhaust.Job
	deadline  time.Time
	startedAt time.Time
	staging   string
	// report and receipt are the names of the file and of its receipt, "" until they are written.
	report, receipt string
	// publicStatus is the one in the search attribute.
	publicStatus exhaust.Status
	// processingRecord is the record of PROCESSING, stagingRemoval the removal of what was staged.
	processingRecord, stagingRemoval workflow.Future
}

func newExhaust(ctx workflow.Context, in Input) *exhaustRun {
	now := workflow.Now(ctx)
	return &exhaustRun{
		job: exhaust.Job{
			Request: in.Request,
			State: exhaust.State{
				Status:    exhaust.Submitted,
				Attempts:  in.Attempts,
				Progress:  exhaust.Progress{Phase: in.Request.FirstPhase()},
				UpdatedAt: in.Request.SubmittedAt,
			},
		},
		startedAt: now,
		timeout:   in.Timeout,
		deadline:  now.Add(in.Timeout),
		staging:   exhaust.StagingOfRun(in.Request.ID, workflow.GetInfo(ctx).WorkflowExecution.RunID),
	}
}

// waitForSignal waits for StartSignal. It holds no worker meanwhile.
func (e *exhaustRun) waitForSignal(ctx workflow.Context) error {
	if err := e.publishState(ctx, "waiting for the night"); err != nil {
		return err
	}
	// The night finds those that wait in job_request, so it has to be there even if the api was
	// killed before it could write it.
	if err := workflow.ExecuteActivity(e.shortStep(ctx, "record SUBMITTED"), a.RecordJob, e.job).Get(ctx, nil); err != nil {
		return err
	}
	isSignalled := false
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(workflow.GetSignalChannel(ctx, StartSignal), func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		isSignalled = true
	})
	selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
	selector.Select(ctx)
	if !isSignalled {
		return ctx.Err()
	}
	e.startedAt = workflow.Now(ctx)
	e.deadline = e.startedAt.Add(e.timeout)
	return nil
}

func (e *exhaustRun) run(ctx workflow.Context) error {
	if err := e.publishProcessing(ctx); err != nil {
		return err
	}
	resolved, err := e.resolve(ctx)
	if err != nil {
		return err
	}
	err = e.produce(ctx, resolved)
	for stagings := 1; isOfType(err, activities.StagingGone) && e.mayStageAgain(ctx, stagings); stagings++ {
		err = e.produce(ctx, resolved)
	}
	if err != nil {
		return err
	}
	return e.finish(ctx)
}

// maxStagings bounds how often an exhaust stages everything.
const maxStagings = 8

// mayStageAgain tells whether an exhaust whose staged files are gone makes them again: somebody reset the workflow to a
// point after its staging was removed, or cleared the store; or workers of two releases, which do not read each other's
// segments, share the queue while they are replaced. Then it waits for that to be over.
func (e *exhaustRun) mayStageAgain(ctx workflow.Context, stagings int) bool {
	if stagings == 1 {
		return true
	}
	// Releases before staged anew once.
	if stagings == maxStagings || workflow.GetVersion(ctx, "stage anew again", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return false
	}
	return workflow.Sleep(ctx, time.Duration(stagings)*5*time.Second) == nil
}

// produce fetches, joins and builds: all that works on staged files.
func (e *exhaustRun) produce(ctx workflow.Context, resolved activities.Resolved) error {
	var staged stagedTelemetry
	if e.job.UsesTelemetry() {
		var err error
		if staged, err = e.fetch(ctx, resolved); err != nil {
			return err
		}
	}
	joined, err := e.join(ctx, resolved.Conversation, staged)
	if err != nil {
		return err
	}
	return e.build(ctx, resolved, staged, joined)
}

// publishProcessing publishes that the exhaust is being worked on. job_request learns it while the first step works.
func (e *exhaustRun) publishProcessing(ctx workflow.Context) error {
	e.job.Status = exhaust.Processing
	if err := e.publishState(ctx, "looking up the conversation"); err != nil {
		return err
	}
	e.processingRecord = workflow.ExecuteActivity(e.shortStep(ctx, "record PROCESSING"), a.RecordJob, e.job)
	return nil
}

func (e *exhaustRun) resolve(ctx workflow.Context) (resolved activities.Resolved, err error) {
	err = workflow.ExecuteActivity(e.shortStep(ctx, "conversation "+e.job.ConversationID),
		a.ResolveConversation, e.job.Request).Get(ctx, &resolved)
	return resolved, err
}

// fetchAtOnce bounds how many parts of one exhaust are read at a time, over all workers.
const fetchAtOnce = 16

// stagedTelemetry is what was staged of the telemetry, and counted meanwhile.
type stagedTelemetry struct {
	segments, read []activities.SegmentRange
	counts         activities.Counts
	listedAt       time.Time
}

// fetch reads the telemetry, a part an activity.
func (e *exhaustRun) fetch(ctx workflow.Context, resolved activities.Resolved) (staged stagedTelemetry, err error) {
	var parts []activities.Part
	staged.listedAt = workflow.Now(ctx) // where there are no objects: never later than they were listed
	err = workflow.ExecuteActivity(e.longStep(ctx, fmt.Sprintf("list %s to %s", resolved.StartDate, resolved.EndDate)),
		a.PlanFetch, resolved.StartDate, resolved.EndDate, e.staging).Get(ctx, &parts)
	if err != nil {
		return staged, err
	}
	progress := &e.job.Progress
	*progress = exhaust.Progress{Phase: exhaust.Fetching, Percent: progress.Percent}
	for _, part := range parts {
		progress.BytesTotal += part.Bytes
		staged.counts.ObjectsListed += part.Objects
		staged.listedAt = part.ListedAt
	}
	if err := e.publishState(ctx, fmt.Sprintf("reading telemetry: %d parts, %s to %s", len(parts), resolved.StartDate, resolved.EndDate)); err != nil {
		return staged, err
	}

	fetchCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var (
		read    = make([]activities.Fetched, len(parts))
		slots   = workflow.NewSemaphore(ctx, fetchAtOnce)
		failure error
		fetches = workflow.NewWaitGroup(ctx)
	)
	for _, part := range parts {
		if err := slots.Acquire(ctx, 1); err != nil {
			failure = err
			break
		}
		if failure != nil {
			break
		}
		fetches.Add(1)
		workflow.Go(fetchCtx, func(ctx workflow.Context) {
			defer fetches.Done()
			defer slots.Release(1)
			var fetched activities.Fetched
			err := workflow.ExecuteActivity(e.longStep(ctx, summarize(part)), a.FetchTelemetry, activities.FetchInput{
				Dataset:        e.job.Dataset,
				Channel:        resolved.Conversation.Channel,
				ConversationID: resolved.Conversation.ID,
				Staging:        e.staging,
				Part:           part,
			}).Get(ctx, &fetched)
			if err == nil {
				read[part.Number] = fetched
				err = e.count(ctx, fetched)
			}
			if err != nil {
				e.countHeartbeat(err)
			}
			if err != nil && failure == nil {
				failure = err
				cancel()
			}
		})
	}
	// Nothing may write staged files any more when they are removed. A cancellation does not end this
	// waiting: the activities end by it.
	fetches.Wait(ctx)
	if failure != nil {
		return staged, failure
	}
	if progress.EventsMatched == 0 && !e.job.AllowEmpty {
		return staged, noData()
	}
	for _, fetched := range read {
		staged.add(fetched)
	}
	return staged, nil
}

func (s *stagedTelemetry) add(part activities.Fetched) {
	s.segments = append(s.segments, part.Segments...)
	s.read = append(s.read, part.Read...)
	s.counts.ObjectsRead += part.Objects
	s.counts.BytesListed += part.BytesListed
	s.counts.BytesRead += part.BytesRead
	s.counts.EventsMatched += part.EventsMatched
	s.counts.LinesSkipped += part.LinesSkipped
}

// count adds what a part held to the progress.
func (e *exhaustRun) count(ctx workflow.Context, part activities.Fetched) error {
	progress := &e.job.Progress
	progress.BytesRead += part.BytesRead
	progress.EventsMatched += part.EventsMatched
	progress.LinesSkipped += part.LinesSkipped
	progress.BytesTotal = max(progress.BytesTotal, progress.BytesRead)
	return e.publishState(ctx, "")
}

// countHeartbeat adds the progress that a step had reported when it failed or was cancelled.
func (e *exhaustRun) countHeartbeat(err error) {
	var (
		beat      exhaust.Heartbeat
		cancelled *temporal.CanceledError
		failed    *temporal.ApplicationError
		timedOut  *temporal.TimeoutError
		unread    error
	)
	switch {
	case errors.As(err, &cancelled) && cancelled.HasDetails():
		unread = cancelled.Details(&beat)
	case errors.As(err, &failed) && failed.HasDetails():
		unread = failed.Details(&beat)
	case errors.As(err, &timedOut) && timedOut.HasLastHeartbeatDetails():
		unread = timedOut.LastHeartbeatDetails(&beat)
	}
	if unread != nil {
		return // another version's: it adds nothing
	}
	e.job.Progress.Add(beat)
}

func summarize(part activities.Part) string {
	days := string(part.FirstDay)
	if part.LastDay != part.FirstDay {
		days += " to " + string(part.LastDay)
	}
	return fmt.Sprintf("%s: %d objects, %.1f MB", days, part.Objects, float64(part.Bytes)/1e6)
}

func (e *exhaustRun) join(ctx workflow.Context, conversation exhaust.Conversation, staged stagedTelemetry) (joined activities.Joined, err error) {
	e.job.Progress.Phase = exhaust.Joining
	if err := e.publishState(ctx, "looking up devices"); err != nil {
		return joined, err
	}
	err = workflow.ExecuteActivity(e.longStep(ctx, "devices"), a.JoinDevices, activities.JoinInput{
		Dataset:        e.job.Dataset,
		ConversationID: conversation.ID,
		Staging:        e.staging,
		Segments:       staged.segments,
		FromRegistry:   !e.job.UsesTelemetry(),
	}).Get(ctx, &joined)
	if err != nil {
		return joined, err
	}
	if !e.job.UsesTelemetry() && joined.Known+joined.Unknown == 0 && !e.job.AllowEmpty {
		return joined, noData()
	}
	e.job.Progress.Repeats = joined.Repeats
	e.job.Progress.ConsentUnreadable = joined.ConsentUnreadable
	if e.job.Dataset == exhaust.PrivateExhaust {
		e.job.Progress.RowsUnknownDevice = joined.Unknown
	}
	return joined, nil
}

func (e *exhaustRun) build(ctx workflow.Context, resolved activities.Resolved, staged stagedTelemetry, joined activities.Joined) error {
	e.job.Progress.Phase = exhaust.Building
	if err := e.publishState(ctx, "writing the CSV"); err != nil {
		return err
	}
	counts := staged.counts
	counts.EventsIndexed, counts.Repeats, counts.RepeatSegments = joined.Events, joined.Repeats, joined.RepeatSegments
	counts.Devices, counts.Unknown, counts.ConsentUnreadable = joined.Devices, joined.Unknown, joined.ConsentUnreadable
	listedAt := staged.listedAt
	if !e.job.UsesTelemetry() {
		listedAt = joined.ListedAt
	}
	var built activities.Built
	err := workflow.ExecuteActivity(e.longStep(ctx, "CSV"), a.BuildCSV, activities.BuildInput{
		Request:      e.job.Request,
		Conversation: resolved.Conversation,
		StartDate:    resolved.StartDate,
		EndDate:      resolved.EndDate,
		Staging:      e.staging,
		Segments:     staged.segments,
		Read:         staged.read,
		Counts:       counts,
		Attempts:     e.job.Attempts,
		ListedAt:     listedAt,
		Completed:    workflow.Now(ctx),
	}).Get(ctx, &built)
	if err != nil {
		e.countHeartbeat(err)
		return err
	}
	e.report, e.receipt = built.Report, built.Receipt
	progress := &e.job.Progress
	progress.RowsWritten = built.RowsWritten
	progress.RowsUnknownDevice += built.RowsUnknownDevice
	progress.Undecryptable = built.Undecryptable
	return nil
}

// finish signs the URLs and records SUCCESS, while what was staged is removed.
func (e *exhaustRun) finish(ctx workflow.Context) error {
	e.job.Progress.Phase = exhaust.Signing
	if err := e.publishState(ctx, "signing the URL"); err != nil {
		return err
	}
	if err := e.processingRecord.Get(ctx, nil); err != nil {
		return err
	}
	// From here on the exhaust has its file: a cancellation comes too late.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	e.stagingRemoval = workflow.ExecuteActivity(e.cleanUpStep(ctx), a.RemoveFiles, []string{e.staging})
	success := e.finalJob(ctx, exhaust.Success, "")
	success.Progress.Phase = exhaust.Done
	success.Progress.RaisePercent()
	success.Report, success.Receipt = e.report, e.receipt
	if err := workflow.ExecuteActivity(e.shortStep(ctx, "signed URL, record SUCCESS"), a.SignURLs, success).Get(ctx, nil); err != nil {
		return err
	}
	e.job = success
	if err := e.publishState(ctx, fmt.Sprintf("%d rows", success.Progress.RowsWritten)); err != nil {
		return err
	}
	if err := e.stagingRemoval.Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("staged files are left behind", "staging", e.staging, "error", err)
	}
	return nil
}

// fail ends the exhaust as FAILED or CANCELLED and gives the error that ends the workflow.
func (e *exhaustRun) fail(ctx workflow.Context, cause error) error {
	cancelled := temporal.IsCanceledError(cause) || errors.Is(ctx.Err(), workflow.ErrCanceled)
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	logger := workflow.GetLogger(ctx)
	if cancelled {
		e.job = e.finalJob(ctx, exhaust.Cancelled, "cancelled on request")
	} else {
		e.job = e.finalJob(ctx, exhaust.Failed, e.sentence(cause))
		e.job.Retryable = isRetryable(cause)
	}
	// The status is published before it is recorded, which may have to wait for the database.
	if err := e.publishState(ctx, e.job.Message); err != nil {
		logger.Error("the status could not be published", "error", err)
	}
	if e.processingRecord != nil {
		_ = e.processingRecord.Get(ctx, nil) // only so that it cannot overtake the record of the end
	}
	if e.stagingRemoval != nil {
		_ = e.stagingRemoval.Get(ctx, nil) // what it has left the removal below takes
	}
	e.deadline = workflow.Now(ctx).Add(recordTimeout)
	// A report may have been written, whole, just before the exhaust came to nothing.
	removal := workflow.ExecuteActivity(e.cleanUpStep(ctx), a.RemoveFiles, []string{e.staging, e.job.ReportPrefix()})
	if err := workflow.ExecuteActivity(e.shortStep(ctx, "record "+string(e.job.Status)), a.RecordJob, e.job).Get(ctx, nil); err != nil {
		logger.Error("the end could not be recorded", "error", err)
	}
	if err := removal.Get(ctx, nil); err != nil {
		logger.Warn("staged files are left behind", "staging", e.staging, "error", err)
	}
	if cancelled {
		return temporal.NewCanceledError(e.job.Message)
	}
	kind := Failed
	var application *temporal.ApplicationError
	if errors.As(cause, &application) {
		kind = application.Type()
	}
	return temporal.NewNonRetryableApplicationError(e.job.Message, kind, nil)
}

// finalJob is the job as it is when it ends now.
func (e *exhaustRun) finalJob(ctx workflow.Context, status exhaust.Status, message string) exhaust.Job {
	job := e.job
	job.Status = status
	job.Message = message
	job.CompletedAt = workflow.Now(ctx)
	job.UpdatedAt = job.CompletedAt
	job.ExecutionTime = job.CompletedAt.Sub(e.startedAt)
	return job
}

// sentence says to the exhaust's owner why it failed.
func (e *exhaustRun) sentence(cause error) string {
	if isTimeout(cause) {
		return fmt.Sprintf("gave up after %s in phase %s: %s", e.deadline.Sub(e.startedAt), e.job.Progress.Phase, rootMessage(cause))
	}
	return rootMessage(cause)
}

// isTimeout reports whether a step was tried until the exhaust's deadline.
func isTimeout(cause error) bool {
	var (
		step    *temporal.ActivityError
		timeout *temporal.TimeoutError
	)
	return errors.As(cause, &step) && step.RetryState() == enumspb.RETRY_STATE_TIMEOUT || errors.As(cause, &timeout)
}

// rootMessage is the message of the failure that the others wrap. One that timed out has none to show.
func rootMessage(err error) string {
	var (
		application *temporal.ApplicationError
		step        *temporal.ActivityError
		timeout     *temporal.TimeoutError
	)
	switch {
	case errors.As(err, &application):
		return application.Message()
	case errors.As(err, &step) && errors.As(err, &timeout):
		return step.ActivityType().GetName() + " did not end in time"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// isRetryable reports whether another attempt may succeed. It stages anew the files that were gone, and reads what was still
// being written.
func isRetryable(cause error) bool {
	var application *temporal.ApplicationError
	return !errors.As(cause, &application) || !application.NonRetryable() ||
		application.Type() == activities.StagingGone || application.Type() == activities.StillWritten
}

func noData() error {
	return temporal.NewNonRetryableApplicationError("No data found", activities.NoData, nil)
}

func isOfType(err error, kind string) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == kind
}
