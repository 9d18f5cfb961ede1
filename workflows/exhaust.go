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
	"data-exhaust/receipt"
)

// Input starts an exhaust.
type Input struct {
	Request exhaust.Request `json:"request"`
	// Attempts counts the attempts before this one.
	Attempts int `json:"attempts"`
	// Timeout is how long whatever can heal is tried again (EXHAUST_TIMEOUT).
	Timeout time.Duration `json:"timeout"`
	// Night says that it is one of a night: it leaves the way to those that are asked for now.
	Night bool `json:"night,omitempty"`
	// Wait is of releases before Parked, in which an Exhaust itself waited for the night.
	Wait bool `json:"wait,omitempty"`
}

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
	e, err := newExhaust(ctx, in)
	if err != nil {
		return Result{}, err
	}
	if in.Wait {
		release, err := e.waitForRelease(ctx)
		if err != nil {
			earlier := earlierExhaust{exhaustRun: e}
			return Result{}, earlier.fail(ctx, err)
		}
		e.isNight = release.Night
	}
	version := workflow.GetVersion(ctx, "steps", workflow.DefaultVersion, oneStep)
	if version == workflow.DefaultVersion {
		earlier := earlierExhaust{exhaustRun: e}
		return earlier.make(ctx)
	}
	e.mayMakeInOneStep = version >= oneStep
	if err := e.run(ctx); err != nil {
		return Result{}, e.fail(ctx, err)
	}
	return e.result(), nil
}

// oneStep is the version of the steps in which a small exhaust is made by MakeReport.
const oneStep workflow.Version = 2

// a names the activities; only the names are used here.
var a *activities.Activities

// exhaustRun is one run of an exhaust.
type exhaustRun struct {
	timeout time.Duration
	isNight bool
	queue   string
	job     exhaust.Job
	// floor is the most progress that an earlier staging of this run had made.
	floor     exhaust.Progress
	deadline  time.Time
	startedAt time.Time
	staging   string
	// publicStatus is the one in the search attribute.
	publicStatus exhaust.Status
	// mayMakeInOneStep is set where MakeReport may be called.
	mayMakeInOneStep bool
	// isUnstaged is set once the exhaust has its report and has staged nothing.
	isUnstaged bool
	// isBrief is set once the exhaust is known to be over before anybody looks.
	isBrief bool
}

func newExhaust(ctx workflow.Context, in Input) (*exhaustRun, error) {
	now, info := workflow.Now(ctx), workflow.GetInfo(ctx)
	e := &exhaustRun{
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
		isNight:   in.Night,
		queue:     info.TaskQueueName,
		deadline:  now.Add(in.Timeout),
		staging:   exhaust.StagingOfRun(in.Request.ID, info.WorkflowExecution.RunID),
	}
	return e, workflow.SetQueryHandler(ctx, StateQuery, func() (exhaust.Job, error) { return e.job, nil })
}

func (e *exhaustRun) result() Result { return Result{Report: e.job.Report, Progress: e.job.Progress} }

func (e *exhaustRun) run(ctx workflow.Context) error {
	e.job.Status = exhaust.Processing
	if err := e.publishState(ctx, "looking up the conversation and its telemetry"); err != nil {
		return err
	}
	built, err := e.produce(ctx)
	for stagings := 1; isOfType(err, activities.StagingGone) && stagings < maxStagings; stagings++ {
		// Somebody reset the workflow to a point after its staging was removed, or cleared the store; or workers of two
		// releases, which do not read each other's segments, share the queue while they are replaced: that passes.
		if stagings > 1 {
			if err := workflow.Sleep(ctx, time.Duration(stagings)*5*time.Second); err != nil {
				return err
			}
		}
		built, err = e.produce(ctx)
	}
	if err != nil {
		return err
	}
	return e.finish(ctx, built)
}

// maxStagings bounds how often an exhaust stages everything.
const maxStagings = 8

// produce plans, fetches and builds: all that works on staged files.
func (e *exhaustRun) produce(ctx workflow.Context) (built activities.Built, err error) {
	var plan activities.Plan
	err = workflow.ExecuteActivity(e.listStep(ctx, "conversation "+e.job.ConversationID), a.PlanExhaust, activities.PlanInput{Job: e.job, Staging: e.staging}).Get(ctx, &plan)
	if err != nil {
		return built, err
	}
	e.job.From, e.job.To = plan.StartDate, plan.EndDate
	var staged stagedTelemetry
	if e.job.UsesTelemetry() {
		if e.isInOneStep(plan.Parts) {
			staged, err = e.leaveToMake(ctx, plan)
		} else {
			staged, err = e.fetch(ctx, plan)
		}
		if err != nil {
			return built, err
		}
	}
	return e.build(ctx, plan.Resolved, staged)
}

// oneStepBytes is how large telemetry is at the most that MakeReport reads: reading it once more, where an attempt is lost,
// takes a second.
const oneStepBytes = 32 << 20

func (e *exhaustRun) isInOneStep(parts []activities.Part) bool {
	return e.mayMakeInOneStep && len(parts) == 1 && len(parts[0].Inline) > 0 && len(parts[0].Listings) == 0 && parts[0].Bytes <= oneStepBytes
}

// leaveToMake has MakeReport read the only part.
func (e *exhaustRun) leaveToMake(ctx workflow.Context, plan activities.Plan) (staged stagedTelemetry, err error) {
	part := &plan.Parts[0]
	staged.part, staged.listedAt = part, part.ListedAt
	e.raiseFloor()
	e.job.Progress = exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: part.Bytes}
	if e.isBrief = part.Bytes < shownBytes; e.isBrief {
		return staged, nil
	}
	return staged, e.publishState(ctx, "reading telemetry: "+summarize(*part))
}

const (
	// partsAtOnce bounds how many parts of one exhaust are in the queue of scans at a time, so that long exhausts take turns
	// and a small one waits for a few parts only.
	partsAtOnce = 4
	// nightPartsAtOnce is that of an exhaust of a night, of which several run at a time.
	nightPartsAtOnce = 2
)

// shownBytes is how large the telemetry of one part is at least for its reading to be shown: less is read before anybody
// looks, and publishing costs Temporal a write of its own.
const shownBytes = 1 << 20

// stagedTelemetry is what was staged of the telemetry, and counted meanwhile.
type stagedTelemetry struct {
	segments, read []activities.SegmentRange
	readInline     []receipt.Object
	counts         activities.Counts
	listedAt       time.Time
	// part is the one that MakeReport reads; nil where telemetry is staged.
	part *activities.Part
}

// fetch reads the telemetry, a part an activity.
func (e *exhaustRun) fetch(ctx workflow.Context, plan activities.Plan) (staged stagedTelemetry, err error) {
	parts := plan.Parts
	staged.listedAt = workflow.Now(ctx) // where there are no objects: never later than they were listed
	progress := &e.job.Progress
	e.raiseFloor()
	*progress = exhaust.Progress{Phase: exhaust.Fetching}
	for _, part := range parts {
		progress.BytesTotal += part.Bytes
		staged.counts.ObjectsListed += part.Objects
		staged.listedAt = part.ListedAt
	}
	if len(parts) > 1 || progress.BytesTotal >= shownBytes {
		details := fmt.Sprintf("reading telemetry: %d parts, %s to %s", len(parts), plan.StartDate, plan.EndDate)
		if err := e.publishState(ctx, details); err != nil {
			return staged, err
		}
	}
	read, err := e.fetchParts(ctx, plan.Conversation, parts)
	if err != nil {
		return staged, err
	}
	if progress.EventsMatched == 0 && !e.job.AllowEmpty {
		return staged, activities.ClientMistake(activities.NoData, activities.NoDataMessage)
	}
	for _, fetched := range read {
		staged.add(fetched)
	}
	return staged, nil
}

// fetchParts reads parts, a few at a time. When one fails the others are cancelled and waited for: nothing may write staged
// files any more when they are removed. A cancellation does not end this waiting; the activities end by it.
func (e *exhaustRun) fetchParts(ctx workflow.Context, conversation exhaust.Conversation, parts []activities.Part) ([]activities.Fetched, error) {
	fetchCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var (
		read    = make([]activities.Fetched, len(parts))
		slots   = workflow.NewSemaphore(ctx, int64(e.partsAtOnce()))
		failure error
		fetches = workflow.NewWaitGroup(ctx)
		ended   int
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
			fetched := &read[part.Number]
			err := workflow.ExecuteActivity(e.scanStep(ctx, summarize(part)), a.FetchTelemetry, activities.FetchInput{
				Dataset:        e.job.Dataset,
				Channel:        conversation.Channel,
				ConversationID: conversation.ID,
				Staging:        e.staging,
				Part:           part,
			}).Get(ctx, fetched)
			if err == nil {
				e.count(fetched.Counts())
				// What the last part held is published with the next step.
				if ended++; ended < len(parts) {
					err = e.publishState(ctx, "")
				}
			} else {
				e.countHeartbeat(err)
			}
			if err != nil && failure == nil {
				failure = err
				cancel()
			}
		})
	}
	fetches.Wait(ctx)
	return read, failure
}

func (e *exhaustRun) partsAtOnce() int {
	if e.isNight {
		return nightPartsAtOnce
	}
	return partsAtOnce
}

func (s *stagedTelemetry) add(part activities.Fetched) {
	s.segments = append(s.segments, part.Segments...)
	s.read = append(s.read, part.Read...)
	s.readInline = append(s.readInline, part.ReadInline...)
	s.counts.Add(part.Counts())
}

// count adds what a part held to the progress.
func (e *exhaustRun) count(part activities.Counts) {
	progress := &e.job.Progress
	progress.BytesRead += part.BytesRead
	progress.EventsMatched += part.EventsMatched
	progress.LinesSkipped += part.LinesSkipped
	progress.BytesTotal = max(progress.BytesTotal, progress.BytesRead)
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

// quickEvents is of how many events a report is written at least that takes a slot of the queue of reports, maybe for minutes:
// a smaller one takes its turn with the parts that are read, and waits for no long report.
const quickEvents = 100_000

// build makes the report and its receipt.
func (e *exhaustRun) build(ctx workflow.Context, resolved activities.Resolved, staged stagedTelemetry) (built activities.Built, err error) {
	if staged.part == nil {
		e.job.Progress.Phase = exhaust.Joining
		if err := e.publishState(ctx, "looking up devices, writing the report"); err != nil {
			return built, err
		}
	}
	step, does := e.buildStep, a.BuildReport
	if e.job.UsesTelemetry() && staged.counts.EventsMatched < quickEvents {
		step = e.scanStep
	}
	if staged.part != nil {
		does = a.MakeReport
	}
	err = workflow.ExecuteActivity(step(ctx, "report"), does, activities.BuildInput{
		Request:      e.job.Request,
		Conversation: resolved.Conversation,
		StartDate:    resolved.StartDate,
		EndDate:      resolved.EndDate,
		Staging:      e.staging,
		Segments:     staged.segments,
		Read:         staged.read,
		ReadInline:   staged.readInline,
		Part:         staged.part,
		Counts:       staged.counts,
		Attempts:     e.job.Attempts,
		ListedAt:     staged.listedAt,
		Completed:    workflow.Now(ctx),
	}).Get(ctx, &built)
	if err != nil {
		e.countHeartbeat(err)
		return built, err
	}
	if staged.part != nil {
		e.count(built.Read)
	}
	progress := &e.job.Progress
	progress.Phase = exhaust.Signing
	progress.Repeats = built.Joined.Repeats
	progress.ConsentUnreadable = built.Joined.ConsentUnreadable
	progress.RowsWritten = built.RowsWritten
	progress.RowsUnknownDevice = built.RowsUnknownDevice
	if e.job.Dataset == exhaust.PrivateExhaust {
		progress.RowsUnknownDevice = built.Joined.Unknown
	}
	progress.Undecryptable = built.Undecryptable
	return built, nil
}

// finish signs the URLs, records SUCCESS and removes what was staged. The exhaust has its file: a cancellation comes too
// late.
func (e *exhaustRun) finish(ctx workflow.Context, built activities.Built) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if !e.isBrief {
		if err := e.publishState(ctx, "signing the URL"); err != nil {
			return err
		}
	}
	e.isUnstaged = built.IsInMemory
	success := e.finalJob(ctx, exhaust.Success, "")
	success.Progress.Phase = exhaust.Done
	success.Progress.RaisePercent()
	success.Report, success.Receipt = built.Report, built.Receipt
	ended, err := e.end(ctx, success)
	if err != nil {
		return err
	}
	e.job = success
	if err := e.publishState(ctx, fmt.Sprintf("%d rows", success.Progress.RowsWritten)); err != nil {
		return err
	}
	e.logEnd(ctx)
	e.removeLeftovers(ctx, ended)
	return nil
}

// fail ends the exhaust as FAILED or CANCELLED and gives the error that ends the workflow.
func (e *exhaustRun) fail(ctx workflow.Context, cause error) error {
	e.job, ctx = e.failedJob(ctx, cause)
	logger := workflow.GetLogger(ctx)
	// The status is published before it is recorded, which may have to wait for the database.
	if err := e.publishState(ctx, e.job.Message); err != nil {
		logger.Error("the status could not be published", "error", err)
	}
	e.logEnd(ctx)
	e.deadline = workflow.Now(ctx).Add(recordTimeout)
	left, err := e.end(ctx, e.job)
	if err != nil {
		logger.Error("the end could not be recorded", "error", err)
		left.IsLeft = true
	}
	e.removeLeftovers(ctx, left)
	return e.failure(cause)
}

func (e *exhaustRun) logEnd(ctx workflow.Context) { activities.LogEnd(workflow.GetLogger(ctx), e.job) }

// end records how the exhaust ended.
func (e *exhaustRun) end(ctx workflow.Context, job exhaust.Job) (ended activities.Ended, err error) {
	err = workflow.ExecuteActivity(e.shortStep(ctx, "record "+string(job.Status)), a.EndExhaust,
		activities.EndInput{Job: job, Staging: e.staging, IsUnstaged: e.isUnstaged}).Get(ctx, &ended)
	return ended, err
}

// removeLeftovers goes on with what could not be removed when the end was recorded. What it leaves the night removes.
func (e *exhaustRun) removeLeftovers(ctx workflow.Context, ended activities.Ended) {
	if !ended.IsLeft {
		return
	}
	job := e.job
	job.Config = nil // it may be large, and removing files needs none
	err := workflow.ExecuteActivity(e.cleanUpStep(ctx), a.RemoveLeftovers, activities.EndInput{Job: job, Staging: e.staging}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Warn("staged files are left behind", "staging", e.staging, "error", err)
	}
}

// failedJob is the job as it ends for a cause, FAILED or CANCELLED, and a context in which that can still be recorded.
func (e *exhaustRun) failedJob(ctx workflow.Context, cause error) (exhaust.Job, workflow.Context) {
	isCancelled := temporal.IsCanceledError(cause) || errors.Is(ctx.Err(), workflow.ErrCanceled)
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if isCancelled {
		return e.finalJob(ctx, exhaust.Cancelled, "cancelled on request"), ctx
	}
	job := e.finalJob(ctx, exhaust.Failed, e.sentence(cause))
	job.Retryable = isRetryable(cause)
	return job, ctx
}

// failure is the error that ends the workflow of an exhaust that came to nothing.
func (e *exhaustRun) failure(cause error) error {
	if e.job.Status == exhaust.Cancelled {
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
	job.Parked = false
	if status != exhaust.Success {
		job.Progress.Raise(e.floor)
	}
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
		return activities.Doing(step.ActivityType().GetName()) + " did not end in time"
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

func isOfType(err error, kind string) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == kind
}
