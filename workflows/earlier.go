package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

// earlierExhaust goes on with an exhaust that began before its steps were merged: it calls the same activities in the same
// order as the release that began it. It can be deleted when none of them can be in flight any more, which is
// EXHAUST_TIMEOUT and a day after the update.
type earlierExhaust struct {
	*exhaustRun
	// report and receipt are the names of the file and of its receipt, "" until they are written.
	report, receipt string
	// processingRecord is the record of PROCESSING, stagingRemoval the removal of what was staged.
	processingRecord, stagingRemoval workflow.Future
}

func (e *earlierExhaust) make(ctx workflow.Context) (Result, error) {
	if err := e.run(ctx); err != nil {
		return Result{}, e.fail(ctx, err)
	}
	return e.result(), nil
}

func (e *earlierExhaust) run(ctx workflow.Context) error {
	if err := e.publishProcessing(ctx); err != nil {
		return err
	}
	resolved, err := e.resolve(ctx)
	if err != nil {
		return err
	}
	e.job.From, e.job.To = resolved.StartDate, resolved.EndDate
	err = e.produce(ctx, resolved)
	for stagings := 1; isOfType(err, activities.StagingGone) && e.mayStageAgain(ctx, stagings); stagings++ {
		err = e.produce(ctx, resolved)
	}
	if err != nil {
		return err
	}
	return e.finish(ctx)
}

// mayStageAgain tells whether an exhaust whose staged files are gone makes them again: somebody reset the workflow to a
// point after its staging was removed, or cleared the store; or workers of two releases, which do not read each other's
// segments, share the queue while they are replaced. Then it waits for that to be over.
func (e *earlierExhaust) mayStageAgain(ctx workflow.Context, stagings int) bool {
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
func (e *earlierExhaust) produce(ctx workflow.Context, resolved activities.Resolved) error {
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
func (e *earlierExhaust) publishProcessing(ctx workflow.Context) error {
	e.job.Status = exhaust.Processing
	if err := e.publishState(ctx, "looking up the conversation"); err != nil {
		return err
	}
	e.processingRecord = workflow.ExecuteActivity(e.shortStep(ctx, "record PROCESSING"), a.RecordJob, e.job)
	return nil
}

func (e *earlierExhaust) resolve(ctx workflow.Context) (resolved activities.Resolved, err error) {
	err = workflow.ExecuteActivity(e.shortStep(ctx, "conversation "+e.job.ConversationID),
		a.ResolveConversation, e.job.Request).Get(ctx, &resolved)
	return resolved, err
}

// fetchAtOnce bounds how many parts of one exhaust are read at a time, over all workers.
const fetchAtOnce = 16

// fetch reads the telemetry, a part an activity.
func (e *earlierExhaust) fetch(ctx workflow.Context, resolved activities.Resolved) (staged stagedTelemetry, err error) {
	var parts []activities.Part
	staged.listedAt = workflow.Now(ctx) // where there are no objects: never later than they were listed
	err = workflow.ExecuteActivity(e.listStep(ctx, fmt.Sprintf("list %s to %s", resolved.StartDate, resolved.EndDate)),
		a.PlanFetch, resolved.StartDate, resolved.EndDate, e.staging).Get(ctx, &parts)
	if err != nil {
		return staged, err
	}
	progress := &e.job.Progress
	e.raiseFloor()
	*progress = exhaust.Progress{Phase: exhaust.Fetching}
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
			err := workflow.ExecuteActivity(e.scanStep(ctx, summarize(part)), a.FetchTelemetry, activities.FetchInput{
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
		return staged, activities.ClientMistake(activities.NoData, activities.NoDataMessage)
	}
	for _, fetched := range read {
		staged.add(fetched)
	}
	return staged, nil
}

// count adds what a part held to the progress.
func (e *earlierExhaust) count(ctx workflow.Context, part activities.Fetched) error {
	progress := &e.job.Progress
	progress.BytesRead += part.BytesRead
	progress.EventsMatched += part.EventsMatched
	progress.LinesSkipped += part.LinesSkipped
	progress.BytesTotal = max(progress.BytesTotal, progress.BytesRead)
	return e.publishState(ctx, "")
}

func (e *earlierExhaust) join(ctx workflow.Context, conversation exhaust.Conversation, staged stagedTelemetry) (joined activities.Joined, err error) {
	e.job.Progress.Phase = exhaust.Joining
	if err := e.publishState(ctx, "looking up devices"); err != nil {
		return joined, err
	}
	err = workflow.ExecuteActivity(e.buildStep(ctx, "devices"), a.JoinDevices, activities.JoinInput{
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
		return joined, activities.ClientMistake(activities.NoData, activities.NoDataMessage)
	}
	e.job.Progress.Repeats = joined.Repeats
	e.job.Progress.ConsentUnreadable = joined.ConsentUnreadable
	if e.job.Dataset == exhaust.PrivateExhaust {
		e.job.Progress.RowsUnknownDevice = joined.Unknown
	}
	return joined, nil
}

func (e *earlierExhaust) build(ctx workflow.Context, resolved activities.Resolved, staged stagedTelemetry, joined activities.Joined) error {
	e.job.Progress.Phase = exhaust.Building
	if err := e.publishState(ctx, "writing the CSV"); err != nil {
		return err
	}
	var built activities.Built
	err := workflow.ExecuteActivity(e.buildStep(ctx, "CSV"), a.BuildCSV, activities.BuildInput{
		Request:      e.job.Request,
		Conversation: resolved.Conversation,
		StartDate:    resolved.StartDate,
		EndDate:      resolved.EndDate,
		Staging:      e.staging,
		Segments:     staged.segments,
		Read:         staged.read,
		ReadInline:   staged.readInline,
		Counts:       staged.counts,
		Joined:       &joined,
		Attempts:     e.job.Attempts,
		ListedAt:     staged.listedAt,
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
func (e *earlierExhaust) finish(ctx workflow.Context) error {
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
	e.logEnd(ctx)
	if err := e.stagingRemoval.Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("staged files are left behind", "staging", e.staging, "error", err)
	}
	return nil
}

// fail ends the exhaust as FAILED or CANCELLED and gives the error that ends the workflow.
func (e *earlierExhaust) fail(ctx workflow.Context, cause error) error {
	e.job, ctx = e.failedJob(ctx, cause)
	logger := workflow.GetLogger(ctx)
	// The status is published before it is recorded, which may have to wait for the database.
	if err := e.publishState(ctx, e.job.Message); err != nil {
		logger.Error("the status could not be published", "error", err)
	}
	e.logEnd(ctx)
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
	return e.failure(cause)
}
