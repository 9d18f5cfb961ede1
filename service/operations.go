package service

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/telemetry"
	"data-exhaust/workflows"
)

// Operations tell an operator how the service fares: what failed, what the night did, what is at work, who works, and which
// telemetry there is. They change nothing, and need no worker.
type Operations struct {
	exhausts   *Exhausts
	deployment *Deployment
	lister     *lister
}

// NewOperations makes the service of operations. The deployment is that of the workers, and has no name where they have no
// versions.
func NewOperations(exhausts *Exhausts, deployment *Deployment, store Telemetry, layout telemetry.Layout) *Operations {
	return &Operations{exhausts: exhausts, deployment: deployment, lister: newLister(store, layout)}
}

// FailureGroup is the exhausts that FAILED with one sentence. A [Replay] of FAILED ones with that Message, and the same time as
// EndedSince, starts them and nothing else.
type FailureGroup = jobs.FailureGroup

// Failures are the exhausts that FAILED since a time, the zero time being any, grouped by their sentence, the most frequent
// first; more is how many groups there are beyond the limit. Nothing is signed for the examples.
func (o *Operations) Failures(ctx context.Context, since time.Time, limit int) (groups []FailureGroup, more int, err error) {
	groups, more, err = o.exhausts.jobs.Failures(ctx, since, limit)
	if err != nil {
		return nil, 0, databaseFailure(err)
	}
	for _, group := range groups {
		shownByReplay(group.Examples)
	}
	return groups, more, nil
}

// NightReport is what is known of the night that began last. It is zero where there is none, and no schedule of nights.
type NightReport struct {
	// WorkflowID is "" where no night has begun yet.
	WorkflowID, RunID string
	// State is as Temporal names it, such as RUNNING, COMPLETED or FAILED; "" where Temporal has forgotten the night.
	State string
	// StartedAt is when it began, though it may have continued as new since; EndedAt is zero until it has ended.
	StartedAt, EndedAt time.Time
	// Summary is what it came to; nil of one that is not COMPLETED: what one has done so far only its worker knows.
	Summary *workflows.Summary
	// Next is when the next night begins; zero while the schedule is Paused.
	Next   time.Time
	Paused bool
	// Note is the schedule's: of one that is paused it says why.
	Note string
}

// NightRunning is the State of a night that has not ended, and NightCompleted that of one with a Summary.
const (
	NightRunning   = "RUNNING"
	NightCompleted = "COMPLETED"
)

// LastNight reports on the night that the schedule, or an operator who triggered it, began last.
func (o *Operations) LastNight(ctx context.Context) (NightReport, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	schedule, err := retryBusy(ctx, func(ctx context.Context) (*client.ScheduleDescription, error) {
		return o.exhausts.temporal.ScheduleClient().GetHandle(ctx, NightlySchedule).Describe(ctx)
	})
	if isNotFound(err) {
		return NightReport{}, nil
	}
	if err != nil {
		return NightReport{}, temporalFailure(err)
	}
	var report NightReport
	if state := schedule.Schedule.State; state != nil {
		report.Paused, report.Note = state.Paused, state.Note
	}
	if next := schedule.Info.NextActionTimes; len(next) > 0 && !report.Paused {
		report.Next = next[0]
	}
	for _, action := range schedule.Info.RecentActions { // the last is the latest
		if action.StartWorkflowResult != nil {
			report.WorkflowID, report.StartedAt = action.StartWorkflowResult.WorkflowID, action.ActualTime
		}
	}
	if report.WorkflowID == "" {
		return report, nil
	}
	err = o.describeNight(ctx, &report)
	return report, err
}

// describeNight finds out how a night stands.
func (o *Operations) describeNight(ctx context.Context, report *NightReport) error {
	description, err := o.exhausts.temporal.DescribeWorkflowExecution(ctx, report.WorkflowID, "")
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return temporalFailure(err)
	}
	info := description.GetWorkflowExecutionInfo()
	report.RunID, report.State = info.GetExecution().GetRunId(), stateOf(info.GetStatus())
	if closed := info.GetCloseTime(); closed != nil {
		report.EndedAt = closed.AsTime()
	}
	if report.State != NightCompleted {
		return nil
	}
	var summary workflows.Summary
	if err := o.exhausts.temporal.GetWorkflow(ctx, report.WorkflowID, report.RunID).Get(ctx, &summary); err != nil {
		return temporalFailure(err)
	}
	report.Summary = &summary
	return nil
}

// stateOf is the name of a status without what is the same in all.
func stateOf(status enumspb.WorkflowExecutionStatus) string {
	name := status.Descriptor().Values().ByNumber(status.Number()).Name()
	return strings.TrimPrefix(string(name), "WORKFLOW_EXECUTION_STATUS_")
}

// UnderWay is what is at work and what waits.
type UnderWay struct {
	// Jobs are at work: PROCESSING, or SUBMITTED and not waiting for the night, the longest first, without URLs.
	Jobs []JobAtWork
	// More is how many are at work beyond those that were looked at.
	More int
	// Causes are what the Jobs wait for, the most frequent first.
	Causes []Cause
	// WaitingForNight is how many exhausts do so.
	WaitingForNight int
}

// JobAtWork is an exhaust that is at work.
type JobAtWork struct {
	exhaust.Job
	// Since is when it was recorded to be SUBMITTED or PROCESSING.
	Since time.Time
}

// Cause is something that exhausts wait for.
type Cause struct {
	// Sentence is a progress.waiting without how often it was tried.
	Sentence string
	Count    int
}

// UnderWay is what is at work, with the progress that [Exhausts.Read] shows, as job_request knows of it: at most limit are looked
// at, and of those the ones that have ended by now are left out.
func (o *Operations) UnderWay(ctx context.Context, limit int) (UnderWay, error) {
	rows, err := o.exhausts.jobs.AtWork(ctx, limit)
	if err != nil {
		return UnderWay{}, databaseFailure(err)
	}
	atWork, waiting, err := o.exhausts.jobs.CountWork(ctx)
	if err != nil {
		return UnderWay{}, databaseFailure(err)
	}
	underWay := UnderWay{More: max(atWork-len(rows), 0), WaitingForNight: waiting}
	causes := map[string]int{}
	for i, job := range o.exhausts.standings(ctx, rows) {
		if job.Status.HasEnded() || job.Parked {
			continue
		}
		underWay.Jobs = append(underWay.Jobs, JobAtWork{Job: job, Since: rows[i].UpdatedAt})
		if job.Progress.Waiting != "" {
			causes[causeOf(job.Progress.Waiting)]++
		}
	}
	for _, sentence := range slices.Sorted(maps.Keys(causes)) {
		underWay.Causes = append(underWay.Causes, Cause{Sentence: sentence, Count: causes[sentence]})
	}
	slices.SortStableFunc(underWay.Causes, func(x, y Cause) int { return cmp.Compare(y.Count, x.Count) })
	return underWay, nil
}

// standings are rows of exhausts that have not ended as their workflows have them, with their progress. What does not answer
// leaves them as they are.
func (s *Exhausts) standings(ctx context.Context, rows []exhaust.Job) []exhaust.Job {
	var isTemporalAway atomic.Bool
	var group errgroup.Group
	group.SetLimit(maxConcurrency)
	standings := make([]exhaust.Job, len(rows))
	for i, row := range rows {
		group.Go(func() error {
			job := row
			if !isTemporalAway.Load() {
				job = s.refreshState(ctx, row, &isTemporalAway)
			}
			job = s.withProgressIfAny(ctx, job)
			job.Config = nil
			standings[i] = withoutURLs(job)
			return nil
		})
	}
	_ = group.Wait() // none has an error
	return standings
}

// withProgressIfAny is withProgress of a job among others: one that cannot be asked about hides no other.
func (s *Exhausts) withProgressIfAny(ctx context.Context, job exhaust.Job) exhaust.Job {
	if job.Status.HasEnded() {
		return job
	}
	shown, err := s.withProgress(ctx, job)
	if err != nil {
		s.settings.Log.Error("the progress of an exhaust cannot be read", "requestId", job.ID, "error", err)
		return job
	}
	return shown
}
