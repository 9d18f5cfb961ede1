package service

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	workflowservice "go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
	"data-exhaust/workflows"
)

var (
	startedAt = time.Date(2022, 4, 6, 9, 32, 0, 0, time.UTC)
	closedAt  = startedAt.Add(90 * time.Second)
	toldAt    = startedAt.Add(10 * time.Second)
)

func payload(t *testing.T, value any) *commonpb.Payload {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayload(value)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// description is what Temporal says of a workflow in that status that told that state last.
func description(t *testing.T, status enumspb.WorkflowExecutionStatus, state exhaust.State) *workflowservice.DescribeWorkflowExecutionResponse {
	t.Helper()
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: "exhaust-1E2A", RunId: "run"},
		Status:    status,
		StartTime: timestamppb.New(startedAt),
		CloseTime: timestamppb.New(closedAt),
		Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{
			workflows.RequestMemo: payload(t, someRequest),
			workflows.StateMemo:   payload(t, state),
		}},
	}}
}

var someRequest = exhaust.Request{ID: "1E2A", Dataset: exhaust.ResponseExhaust, Tag: "tag", Channel: "ch", Config: json.RawMessage(`{"a":1}`), SubmittedAt: startedAt}

func TestOnlyWhatWaitsForTheNightIsParked(t *testing.T) {
	for name, test := range map[string]struct {
		kind   string
		status exhaust.Status
		events int64
		want   bool
	}{
		"one that waits":                          {"Parked", exhaust.Submitted, 11, true},
		"one that no worker has seen":             {"Parked", exhaust.Submitted, 2, true},
		"one that waits since an earlier release": {"Exhaust", exhaust.Submitted, 11, true},
		"one by day that no worker has seen":      {"Exhaust", exhaust.Submitted, 2, false},
		"one by day that a worker has just taken": {"Exhaust", exhaust.Submitted, 3, false},
		"one that was released":                   {"Exhaust", exhaust.Processing, 20, false},
	} {
		d := description(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, exhaust.State{Status: test.status, UpdatedAt: toldAt})
		d.WorkflowExecutionInfo.Type = &commonpb.WorkflowType{Name: test.kind}
		d.WorkflowExecutionInfo.HistoryLength = test.events
		if job, _, err := jobOf(d); err != nil || job.Parked != test.want {
			t.Errorf("%s: parked %v, %v", name, job.Parked, err)
		}
	}
}

func TestAWorkflowThatWasEndedFromOutsideHasFailedOrIsCancelled(t *testing.T) {
	working := exhaust.State{Status: exhaust.Processing, Attempts: 2, UpdatedAt: toldAt, Progress: exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 10, BytesRead: 5, Percent: 40}}
	failed := exhaust.State{Status: exhaust.Failed, Message: "No data found", UpdatedAt: toldAt, CompletedAt: toldAt, ExecutionTime: time.Second}
	for _, test := range []struct {
		name    string
		status  enumspb.WorkflowExecutionStatus
		told    exhaust.State
		want    exhaust.Status
		message string
	}{
		{"it runs", enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, working, exhaust.Processing, ""},
		{"terminated", enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, working, exhaust.Failed, "terminated by an operator"},
		{"timed out", enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, working, exhaust.Failed, "timed out in Temporal"},
		{"cancelled", enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, working, exhaust.Cancelled, "cancelled on request"},
		{"failed without a word", enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, working, exhaust.Failed, "the workflow failed: its history in Temporal says why"},
		{"failed and told why", enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, failed, exhaust.Failed, "No data found"},
		{"terminated after it told why", enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, failed, exhaust.Failed, "No data found"},
		{"it told why and still records it", enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, failed, exhaust.Failed, "No data found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := jobOf(description(t, test.status, test.told))
			if err != nil {
				t.Fatal(err)
			}
			want := exhaust.Job{Request: someRequest, State: test.told}
			want.Status, want.Message = test.want, test.message
			if test.want.HasEnded() && !test.told.Status.HasEnded() {
				want.CompletedAt, want.UpdatedAt, want.ExecutionTime = closedAt, closedAt, 90*time.Second
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestAWorkflowWithoutItsMemoIsAnError(t *testing.T) {
	for _, name := range []string{workflows.RequestMemo, workflows.StateMemo} {
		d := description(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, exhaust.State{})
		delete(d.WorkflowExecutionInfo.Memo.Fields, name)
		if job, _, err := jobOf(d); err == nil || !strings.Contains(err.Error(), "its memo has no "+name) {
			t.Errorf("%s: %+v, %v", name, job, err)
		}
		d.WorkflowExecutionInfo.Memo.Fields[name] = payload(t, "text")
		if job, _, err := jobOf(d); err == nil || !strings.Contains(err.Error(), "its memo's "+name+" cannot be read") {
			t.Errorf("%s: %+v, %v", name, job, err)
		}
	}
}

func TestHeartbeatsOfRunningActivitiesCount(t *testing.T) {
	d := description(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, exhaust.State{
		Status:   exhaust.Processing,
		Progress: exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 1000, BytesRead: 100, EventsMatched: 7, LinesSkipped: 1, Percent: 8},
	})
	beat := func(value any) *workflowpb.PendingActivityInfo {
		return &workflowpb.PendingActivityInfo{HeartbeatDetails: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(t, value)}}}
	}
	d.PendingActivities = []*workflowpb.PendingActivityInfo{
		// As FetchTelemetry sends it: with the place to resume at, which is not the API's.
		beat(activities.Heartbeat{
			Heartbeat: exhaust.Heartbeat{BytesRead: 200, EventsMatched: 3},
			Fetch:     &activities.FetchResume{Fetched: activities.Fetched{BytesRead: 70, EventsMatched: 70, LinesSkipped: 70}},
		}),
		beat(exhaust.Heartbeat{BytesRead: 200, LinesSkipped: 2, RowsWritten: 4}),
		beat("another version's"),
		{}, // it has not told anything
	}
	got, _, err := jobOf(d)
	if err != nil {
		t.Fatal(err)
	}
	want := exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 1000, BytesRead: 500, EventsMatched: 10, LinesSkipped: 3, RowsWritten: 4, Percent: 40}
	if got.Progress != want {
		t.Errorf("got  %+v\nwant %+v", got.Progress, want)
	}
	d.PendingActivities = append(d.PendingActivities, beat(exhaust.Heartbeat{BytesRead: 5000}))
	if got, _, err = jobOf(d); err != nil || got.Progress.BytesRead != 1000 || got.Progress.Percent != 80 {
		t.Errorf("more than there is: %+v, %v", got.Progress, err)
	}
}
