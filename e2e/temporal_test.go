package e2e

import (
	"fmt"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"data-exhaust/internal/e2etest"
)

// describe is what Temporal shows of an exhaust's workflow.
func (d deployment) describe(t *testing.T, requestID string) *workflowservice.DescribeWorkflowExecutionResponse {
	t.Helper()
	description, err := d.Client.DescribeWorkflowExecution(t.Context(), "exhaust-"+requestID, "")
	e2etest.Must(t, err)
	return description
}

// readingWorker is the identity of the worker that has an exhaust's only activity.
func (d deployment) readingWorker(t *testing.T, requestID string) string {
	t.Helper()
	pending := d.describe(t, requestID).GetPendingActivities()
	if len(pending) != 1 || pending[0].GetState() != enumspb.PENDING_ACTIVITY_STATE_STARTED {
		t.Fatalf("it has the activities %v, want one that a worker has", pending)
	}
	return pending[0].GetLastWorkerIdentity()
}

// history is everything that Temporal keeps of an exhaust's workflow: its events, and its memo and
// search attributes.
func (d deployment) history(t *testing.T, requestID string) (events []*historypb.HistoryEvent, raw []byte) {
	t.Helper()
	iterator := d.Client.GetWorkflowHistory(t.Context(), "exhaust-"+requestID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		e2etest.Must(t, err)
		bytes, err := proto.Marshal(event)
		e2etest.Must(t, err)
		events, raw = append(events, event), append(raw, bytes...)
	}
	bytes, err := proto.Marshal(d.describe(t, requestID))
	e2etest.Must(t, err)
	return events, append(raw, bytes...)
}

// starts lists the starts of an activity type as history has them: one for each activity that ended,
// with the attempt that ended it.
func starts(events []*historypb.HistoryEvent, activity string) []*historypb.HistoryEvent {
	scheduled := map[int64]string{}
	var found []*historypb.HistoryEvent
	for _, event := range events {
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
			scheduled[event.GetEventId()] = a.GetActivityType().GetName()
		}
		if a := event.GetActivityTaskStartedEventAttributes(); a != nil && scheduled[a.GetScheduledEventId()] == activity {
			found = append(found, event)
		}
	}
	return found
}

// attempts are those in which an activity type's activities ended.
func attempts(events []*historypb.HistoryEvent, activity string) (numbers []int32) {
	for _, start := range starts(events, activity) {
		numbers = append(numbers, start.GetActivityTaskStartedEventAttributes().GetAttempt())
	}
	return numbers
}

// isWorking reports whether a worker is working on an activity of that type.
func (d deployment) isWorking(t *testing.T, requestID, activity string) bool {
	t.Helper()
	for _, pending := range d.describe(t, requestID).GetPendingActivities() {
		if pending.GetActivityType().GetName() == activity && pending.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED {
			return true
		}
	}
	return false
}

// countRuns counts the runs that an exhaust's workflow has had, once Temporal's visibility knows the last of
// them to have ended.
func (d deployment) countRuns(t *testing.T, requestID string) (count int) {
	t.Helper()
	e2etest.Eventually(t, 30*time.Second, "visibility knows that the workflow ended", func() bool {
		found, err := d.Client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowId = 'exhaust-%s'", requestID),
		})
		if err != nil {
			return false
		}
		count = len(found.GetExecutions())
		for _, e := range found.GetExecutions() {
			if e.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				return false
			}
		}
		return count > 0
	})
	return count
}

// workflowStatus is how Temporal shows the workflow of an exhaust once it has ended.
func (d deployment) workflowStatus(t *testing.T, requestID string) (status enumspb.WorkflowExecutionStatus) {
	t.Helper()
	e2etest.Eventually(t, 30*time.Second, "the workflow ends", func() bool {
		status = d.describe(t, requestID).GetWorkflowExecutionInfo().GetStatus()
		return status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	})
	return status
}

// waitForPollers waits until so many workers ask for activities.
func (d deployment) waitForPollers(t *testing.T, workers int) {
	t.Helper()
	e2etest.Eventually(t, 30*time.Second, fmt.Sprintf("%d workers ask for activities", workers), func() bool {
		queue, err := d.Client.DescribeTaskQueue(t.Context(), d.Queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
		if err != nil {
			return false
		}
		identities := map[string]bool{}
		for _, poller := range queue.GetPollers() {
			identities[poller.GetIdentity()] = true
		}
		return len(identities) >= workers
	})
}
