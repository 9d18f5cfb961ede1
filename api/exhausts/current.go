package exhausts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowservice "go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
	"data-exhaust/workflows"
)

// current is the state that the exhaust's workflow tells of itself. It takes one call and no worker:
// the memo holds the request and the state, the heartbeats of the activities that run now what has
// been done since.
func (s *Exhausts) current(ctx context.Context, requestID string) (exhaust.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, describedWithin)
	defer cancel()
	description, err := s.temporal.DescribeWorkflowExecution(ctx, exhaust.WorkflowID(requestID), "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return exhaust.Job{}, ErrNotFound
	}
	if err != nil {
		return exhaust.Job{}, &Unavailable{TemporalDependency, err}
	}
	job, err := described(description)
	if err != nil {
		return exhaust.Job{}, fmt.Errorf("reading the workflow of exhaust %s: %w", requestID, err)
	}
	if job.Status.Ended() {
		s.shown.forget(requestID)
		return job, nil
	}
	s.shown.raise(requestID, description.GetWorkflowExecutionInfo().GetExecution().GetRunId(), &job.Progress)
	return job, nil
}

// describedWithin is how long Temporal may take to answer. It leaves time for job_request, which tells
// of an exhaust that has ended when Temporal hangs.
const describedWithin = 3 * time.Second

func described(d *workflowservice.DescribeWorkflowExecutionResponse) (exhaust.Job, error) {
	info := d.GetWorkflowExecutionInfo()
	var (
		request exhaust.Request
		state   workflows.State
	)
	if err := field(info.GetMemo(), workflows.RequestMemo, &request); err != nil {
		return exhaust.Job{}, err
	}
	if err := field(info.GetMemo(), workflows.StateMemo, &state); err != nil {
		return exhaust.Job{}, err
	}
	job := state.Job(request)
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		addHeartbeats(&job.Progress, d)
		return job, nil
	}
	if job.Status.Ended() {
		return job, nil
	}
	// It was ended from outside, before it could tell so.
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
	return job, nil
}

// addHeartbeats adds what the running activities have told of themselves to what the workflow knows.
func addHeartbeats(p *exhaust.Progress, d *workflowservice.DescribeWorkflowExecutionResponse) {
	for _, pending := range d.GetPendingActivities() {
		var beat activities.Heartbeat
		if converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &beat) != nil {
			continue // an activity without heartbeats, or of another version: it adds nothing
		}
		p.BytesRead += beat.BytesRead
		p.EventsMatched += beat.EventsMatched
		p.LinesSkipped += beat.LinesSkipped
		p.RowsWritten += beat.RowsWritten
	}
	p.BytesRead = min(p.BytesRead, p.BytesTotal)
	p.Percent = max(p.Percent, workflows.Percent(*p))
}

func field(memo *commonpb.Memo, name string, value any) error {
	payload, ok := memo.GetFields()[name]
	if !ok {
		return fmt.Errorf("its memo has no %s", name)
	}
	if err := converter.GetDefaultDataConverter().FromPayload(payload, value); err != nil {
		return fmt.Errorf("its memo's %s cannot be read: %w", name, err)
	}
	return nil
}

// highWater keeps the most progress that was shown of each running exhaust. For a moment after an
// activity has ended neither its heartbeat nor the workflow's memo tells what it did; progress
// never goes backwards all the same.
type highWater struct {
	mu    sync.Mutex
	marks map[string]mark
}

type mark struct {
	run      string
	progress exhaust.Progress
}

// maxMarks bounds the memory: past it the marks start anew.
const maxMarks = 10_000

// phases in their order.
var phases = map[exhaust.Phase]int{
	exhaust.Fetching: 1, exhaust.Joining: 2, exhaust.Building: 3, exhaust.Signing: 4, exhaust.Done: 5,
}

func (h *highWater) raise(requestID, run string, p *exhaust.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.marks == nil || len(h.marks) >= maxMarks {
		h.marks = map[string]mark{}
	}
	if m, ok := h.marks[requestID]; ok && m.run == run {
		if phases[m.progress.Phase] > phases[p.Phase] {
			p.Phase = m.progress.Phase
		}
		p.BytesTotal = max(p.BytesTotal, m.progress.BytesTotal)
		p.BytesRead = max(p.BytesRead, m.progress.BytesRead)
		p.EventsMatched = max(p.EventsMatched, m.progress.EventsMatched)
		p.RowsWritten = max(p.RowsWritten, m.progress.RowsWritten)
		p.Percent = max(p.Percent, m.progress.Percent)
		p.LinesSkipped = max(p.LinesSkipped, m.progress.LinesSkipped)
		p.RowsUnknownDevice = max(p.RowsUnknownDevice, m.progress.RowsUnknownDevice)
		p.Undecryptable = max(p.Undecryptable, m.progress.Undecryptable)
	}
	h.marks[requestID] = mark{run: run, progress: *p}
}

// forget drops the mark of an exhaust that has ended.
func (h *highWater) forget(requestID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.marks, requestID)
}
