package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/workflows"
)

// describe is describeIf of any exhaust.
func (s *Exhausts) describe(ctx context.Context, requestID string) (exhaust.Job, error) {
	return s.describeIf(ctx, requestID, anyRequest)
}

func anyRequest(exhaust.Request) bool { return true }

// describeIf is the state that the workflow of an exhaust publishes that is wanted; any other is ErrNotFound. It takes one call
// and no worker: the memo holds the request and the state, the heartbeats of the activities that run now what has been done
// since.
func (s *Exhausts) describeIf(ctx context.Context, requestID string, isWanted func(exhaust.Request) bool) (exhaust.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	description, err := s.temporal.DescribeWorkflowExecution(ctx, exhaust.WorkflowID(requestID), "")
	if isNotFound(err) {
		return exhaust.Job{}, ErrNotFound
	}
	if err != nil {
		return exhaust.Job{}, temporalFailure(err)
	}
	job, isPublished, err := jobOf(description)
	if err != nil {
		return exhaust.Job{}, fmt.Errorf("reading the workflow of exhaust %s: %w", requestID, err)
	}
	if !isWanted(job.Request) {
		return exhaust.Job{}, ErrNotFound
	}
	if !isPublished {
		return s.endOf(ctx, job)
	}
	return job, nil
}

// endOf is how an exhaust ended whose workflow was ended from outside: as it was recorded, where it had come so far.
func (s *Exhausts) endOf(ctx context.Context, job exhaust.Job) (exhaust.Job, error) {
	recorded, err := s.jobs.Job(ctx, job.ID)
	switch {
	case errors.Is(err, jobs.ErrNoJob):
		return job, nil
	case err != nil:
		return exhaust.Job{}, databaseFailure(err)
	case recorded.Attempts != job.Attempts:
		return job, nil
	case recorded.Status.HasEnded():
		return recorded, nil
	}
	job.Progress.Raise(recorded.Progress)
	return job, nil
}

// describeTimeout is how long Temporal may take to answer. It leaves time for job_request, which knows
// of an exhaust that has ended when Temporal hangs.
const describeTimeout = 3 * time.Second

// jobOf is the exhaust that a description tells. isPublished is false where the workflow was ended before it could publish
// how.
func jobOf(d *workflowservice.DescribeWorkflowExecutionResponse) (job exhaust.Job, isPublished bool, err error) {
	info := d.GetWorkflowExecutionInfo()
	var (
		request exhaust.Request
		state   exhaust.State
	)
	if err := readMemo(info.GetMemo(), workflows.RequestMemo, &request); err != nil {
		return exhaust.Job{}, false, err
	}
	if err := readMemo(info.GetMemo(), workflows.StateMemo, &state); err != nil {
		return exhaust.Job{}, false, err
	}
	job = exhaust.Job{Request: request, State: state}
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		if job.Status == exhaust.Processing && isEnding(d) {
			job.Progress.Raise(exhaust.Progress{Phase: exhaust.Signing}) // which a brief exhaust does not publish
		}
		addHeartbeats(&job.Progress, d)
		job.Parked = job.Status == exhaust.Submitted && waitsForNight(info)
		return job, true, nil
	}
	if job.Status.HasEnded() {
		return job, true, nil
	}
	job.Status = exhaust.Failed
	job.CompletedAt = info.GetCloseTime().AsTime()
	job.UpdatedAt = job.CompletedAt
	job.ExecutionTime = job.CompletedAt.Sub(info.GetStartTime().AsTime())
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		job.Message = "terminated by an operator"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		job.Status = exhaust.Cancelled
		job.Message = "cancelled on request"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		job.Message = "timed out in Temporal"
	default:
		job.Message = "the workflow failed: its history in Temporal says why"
	}
	return job, false, nil
}

// waitsForNight tells whether a workflow that is SUBMITTED waits to be released. An Exhaust does where a release before Parked
// has begun it: any other is PROCESSING by its first task.
func waitsForNight(info *workflowpb.WorkflowExecutionInfo) bool {
	const firstTask = 3 // it was started, its first task was scheduled, and a worker has it
	return info.GetType().GetName() == parkedType || info.GetHistoryLength() > firstTask
}

// parkedType is the type of the workflows of exhausts that wait for the night.
const parkedType = "Parked"

// addHeartbeats adds what the running activities report of themselves to what the workflow knows.
func addHeartbeats(p *exhaust.Progress, d *workflowservice.DescribeWorkflowExecutionResponse) {
	for _, pending := range d.GetPendingActivities() {
		var beat exhaust.Heartbeat
		if converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &beat) != nil {
			continue // an activity without heartbeats, or of another version: it adds nothing
		}
		p.Add(beat)
	}
	p.RaisePercent()
	p.Waiting = waitingFor(d.GetPendingActivities(), time.Now())
}

// isEnding tells whether the end of an exhaust is being recorded.
func isEnding(d *workflowservice.DescribeWorkflowExecutionResponse) bool {
	return slices.ContainsFunc(d.GetPendingActivities(), func(pending *workflowpb.PendingActivityInfo) bool {
		return pending.GetActivityType().GetName() == "EndExhaust"
	})
}

func readMemo(memo *commonpb.Memo, name string, value any) error {
	payload, ok := memo.GetFields()[name]
	if !ok {
		return fmt.Errorf("its memo has no %s", name)
	}
	if err := converter.GetDefaultDataConverter().FromPayload(payload, value); err != nil {
		return fmt.Errorf("its memo's %s cannot be read: %w", name, err)
	}
	return nil
}
